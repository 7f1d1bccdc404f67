"""A run that did not end: what the next one says of it, and its records to go on with.

What is on record is not asked again, neither the model nor a body: so the code must be the same. That is known only where
one commit was checked out both times, without a change, and the files of the tests and of ``python:`` models are the same
(they may be untracked, or lie elsewhere). Everything that decides which variants there are must be equal, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from robusttest.core.names import is_callable
from robusttest.core.nouns import CellKey, Json, Record, RunInfo, digest
from robusttest.engine.record import ANSWERED
from robusttest.errors import ConfigurationError, StorageError
from robusttest.settings import Settings
from robusttest.store import list_runs, read_info, read_run

FAR = 20
"""Runs that are looked at, the newest first."""

PLANNED = (
    "seed",
    "variants",
    "limit",
    "case",
    "only",
    "skip",
    "writer",
    "freeze",
    "adaptive",
    "max_cases",
    "shard",
)
"""Settings that decide which variants there are, and in which order cases are taken."""

Held = Mapping[tuple[str, str], Record]
"""A test's records by case and variant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A run that did not end, and its answered records of the tests that are to run."""

    info: RunInfo
    records: Mapping[CellKey, Held]
    refusal: str | None
    """Why nobody can go on with it; None where one can."""

    @property
    def count(self) -> int:
        return sum(map(len, self.records.values()))

    @property
    def offer(self) -> str:
        """What is said of it in a run that begins anew, in a line."""
        n = self.count
        head = f"run {self.info.id} did not end: it has {n:,} answered record{'s' * (n != 1)} of these tests"
        if self.refusal is not None:
            return f"{head}; --robust-resume can't go on from there: {self.refusal}"
        return f"{head}; --robust-resume goes on from there and asks only what is missing"

    @property
    def taken(self) -> str:
        """What is said of it in the run that goes on with it."""
        n = self.count
        return f"goes on with run {self.info.id}, which did not end: {n:,} record{'s' * (n != 1)} of it stand{'s' * (n == 1)}"


def find(
    settings: Settings, begins: Callable[[], RunInfo], own: str, wanted: Iterable[CellKey]
) -> Unfinished | None:
    """The newest run of these tests, if it did not end and has answers of theirs; None where there is none.

    ``begins`` is the run that begins, with the id ``own``. Without ``resume`` only the last run is looked at: where that has
    ended, it costs a look at the end of one file.
    """
    keys = frozenset(wanted)
    paths = [p for p in reversed(list_runs(settings.directory)) if not p.stem.endswith(f"-{own}")]
    continued: set[str] = set()
    for path in paths[: FAR if settings.resume else 1]:
        try:
            info = read_info(path)
            if not info.complete and info.id in continued:
                continue  # a later run has what it had
            if info.resumed is not None:
                continued.add(info.resumed)
            if info.complete and not settings.resume:
                return None
            run = read_run(path)
        except StorageError:
            continue
        if keys.isdisjoint(cell.key for cell in run.cells):
            continue
        if info.complete:
            return None
        records = _answered(run.records, keys)
        if info.resumed is not None:
            records = _with_earlier(records, info.resumed, paths, keys)
        if records:
            return Unfinished(info=run.info, records=records, refusal=_refusal(run.info, begins()))
    return None


def _answered(
    records: Iterable[Record], keys: frozenset[CellKey]
) -> dict[CellKey, dict[tuple[str, str], Record]]:
    found: dict[CellKey, dict[tuple[str, str], Record]] = {}
    for r in records:
        if r.status in ANSWERED and r.key in keys:
            found.setdefault(r.key, {})[r.case_id, r.variant] = r
    return found


def _with_earlier(
    records: dict[CellKey, dict[tuple[str, str], Record]],
    earlier: str,
    paths: Iterable[Path],
    keys: frozenset[CellKey],
) -> dict[CellKey, dict[tuple[str, str], Record]]:
    """Also those of the run that this one went on with: it may have ended before it had taken them over."""
    for path in paths:
        if not path.stem.endswith(f"-{earlier}"):
            continue
        try:
            run = read_run(path)
        except StorageError:
            break
        before = _answered(run.records, keys)
        if run.info.resumed is not None and run.info.resumed != earlier:
            before = _with_earlier(before, run.info.resumed, paths, keys)
        return {key: {**before.get(key, {}), **records.get(key, {})} for key in [*before, *records]}
    return records


def _refusal(then: RunInfo, now: RunInfo) -> str | None:
    if then.process is not None and _lives(then.process):
        return f"it goes on in process {then.process.partition('@')[0]}"
    if then.commit is None or now.commit is None:
        return "without a git commit nobody knows whether the code is the same; commit, and run again"
    if then.commit != now.commit:
        return f"it ran at commit {then.commit[:8]}, and {now.commit[:8]} is checked out"
    if then.dirty is not False:
        return f"when it ran, files differed from commit {then.commit[:8]}"
    if now.dirty is not False:
        return f"files differ from commit {now.commit[:8]}: commit or restore them"
    for name in sorted(now.sources.keys() & then.sources.keys()):
        if not now.sources[name]:
            return f"nobody knows whether {name} is the same: it has no file"
        if now.sources[name] != then.sources[name]:
            return f"{name} has changed"
    for name in ("robusttest", "python"):
        if then.versions.get(name) != now.versions.get(name):
            return f"it ran with {name} {then.versions.get(name)}, this is {now.versions.get(name)}"
    return _planned_otherwise(then.settings, now.settings)


def _planned_otherwise(then: Mapping[str, Json], now: Mapping[str, Json]) -> str | None:
    for name in PLANNED:
        before, after = _plain(then.get(name)), _plain(now.get(name))
        if before != after:
            told = [f"{name}={'as by default' if v is None else repr(v)}" for v in (before, after)]
            return f"other variants are planned: it ran with {told[0]}, this run has {told[1]}"
    return None


def _plain(value: Json) -> Json:
    return list(value) if isinstance(value, tuple) else value


def files_of(models: Iterable[str], directory: Path) -> dict[str, Path | None]:
    """``python:`` models and the files of their modules; one that can't be imported is never asked, and left out."""
    from robusttest.gateway.callables import looked_in, source_of

    found: dict[str, Path | None] = {}
    for model in dict.fromkeys(m for m in models if is_callable(m)):
        with suppress(ConfigurationError):
            found[model] = source_of(model, looked_in(directory))
    return found


def digests(files: Mapping[str, Path | None]) -> dict[str, str]:
    """What is tested, by name, with a digest of its file; empty where there is none."""
    found: dict[str, str] = {}
    for name, path in sorted(files.items()):
        try:
            found[name] = "" if path is None else digest(path.read_bytes().hex())
        except OSError:
            found[name] = ""
    return found


def this_process() -> str:
    """``PID@MACHINE``, the machine as a digest of its name."""
    import platform

    return f"{os.getpid()}@{digest(platform.node(), size=4)}"


def _lives(process: str) -> bool:
    pid, _, _ = process.partition("@")
    if process == this_process() or process.partition("@")[2] != this_process().partition("@")[2]:
        return False
    if os.name != "posix" or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    with suppress(OSError, IndexError):  # one that was killed may wait for its parent to look
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    return True
