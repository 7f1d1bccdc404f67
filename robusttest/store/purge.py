"""What is stored of users goes: old runs as a whole, and the texts of one case from every run, while its numbers stay."""

from __future__ import annotations

import hmac
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from robusttest.core import codec, equality
from robusttest.core.codec import Line
from robusttest.core.files import write_text
from robusttest.core.nouns import Json, RunInfo
from robusttest.errors import StorageError
from robusttest.store import failing
from robusttest.store.find import list_runs
from robusttest.store.reader import read_info
from robusttest.store.stream import key_of, parts_of
from robusttest.store.writer import PartRef, storage

TEXTS = ("text", "reason", "edits", "shrunk")
"""Fields of a record that may hold what a user wrote, or what a model said of it; so may `reply`, `answer` and `target`."""
UNDER_WAY = 3600.0
"""Seconds: a run that did not end and was written to since then may be under way."""


def old_runs(directory: Path, before: float) -> list[Path]:
    """The run files that were made before a time (seconds since the epoch), the oldest first. A run that did not end is as old as
    its last write, and may be under way for an hour after that.
    """
    return [path for path in list_runs(directory) if _made(path, before)]


def _made(path: Path, before: float) -> bool:
    try:
        info = read_info(path)
        if info.complete:
            return datetime.fromisoformat(info.created).timestamp() < before
        parts = parts_of(path.parent, info.id)
        written = max(p.stat().st_mtime for p in (path, *parts.glob("*.jsonl")))
    except (StorageError, ValueError):  # no run file any more: its date is that of the file
        written = path.stat().st_mtime
    return written < min(before, datetime.now().timestamp() - UNDER_WAY)


def remove_run(path: Path) -> None:
    """Delete a run file, last of all, and what lies in parts elsewhere. Raises `StorageError`."""
    try:
        info = read_info(path)
    except StorageError:
        info = None
    if info is not None:
        shutil.rmtree(parts_of(path.parent, info.id), ignore_errors=True)
        if _in_parts(info):
            from robusttest.store.parquet import Parts

            folder = Parts.of(info, path).folder
            for name in folder.names():
                (folder / name).remove()
            if folder.local is not None and folder.local.is_dir():
                folder.local.rmdir()
    with storage(path, "remove"):
        path.unlink(missing_ok=True)


@dataclass
class Forgotten:
    """What was found of a case, and removed unless it was only looked for."""

    runs: int = 0
    records: int = 0
    failures: int = 0
    known: set[str] = field(default_factory=set)
    """Ids of all cases that were seen."""
    keys: set[str] = field(default_factory=set)
    """Of the requests that its records name."""
    texts: set[str] = field(default_factory=set)
    """What was put to models, and what they replied: requests that hold one of them (a judge's) are of the case, too."""


def forget(directory: Path, case: str, task: str | None = None, *, dry: bool = False) -> Forgotten:
    """Remove the texts of a case (of one task, or of every) from all run files, their parts and the failures to be asked first.

    Scores, status, tokens and times stay. An answer or target that other cases of the cell have, too, is a label and stays; any other, and each
    reply, becomes a mark that is equal where they were equal, so that every number stays what it was. Raises `StorageError`.
    """
    found = Forgotten()
    salt = secrets.token_bytes(16)
    for path in list_runs(directory):
        try:
            info = read_info(path)
        except StorageError:
            continue  # no run file: nothing to be found in it by case
        before = found.records
        files = [path, *sorted(parts_of(path.parent, info.id).glob("*.jsonl"))]
        labels = _labels(path, files, info, case)
        change = _Removal(found, case, task, labels, salt)
        for file in files:
            _rewrite(file, change, dry=dry)
        if _in_parts(info):
            _in_parquet(path, info, change, dry=dry)
        found.runs += found.records > before
    lines = list(failing.lines(directory / failing.FILE))
    kept = [line for line in lines if line["case"] != case or (task is not None and line["task"] != task)]
    found.failures = len(lines) - len(kept)
    if found.failures and not dry:
        write_text(directory / failing.FILE, "".join(codec.dumps(line) + "\n" for line in kept))
    return found


def _in_parts(info: RunInfo) -> bool:
    return str(info.settings.get("records", "")).startswith("parquet:")


class _Removal:
    """What becomes of a record's line."""

    def __init__(
        self,
        found: Forgotten,
        case: str,
        task: str | None,
        labels: Mapping[tuple[str, ...], set[Json]],
        salt: bytes,
    ) -> None:
        self.found, self.case, self.task, self.labels, self.salt = found, case, task, labels, salt

    def __call__(self, line: Line) -> Line | None:
        """The line without texts; None where it is no record of the case."""
        if "case_id" not in line:
            return None
        self.found.known.add(line["case_id"])
        if line["case_id"] != self.case or (self.task is not None and line["task"] != self.task):
            return None
        self.found.records += 1
        if line.get("request_key"):
            self.found.keys.add(line["request_key"])
        self.found.texts |= {t for t in (line.get("text"), line.get("reply")) if isinstance(t, str) and t}
        made = {k: v for k, v in line.items() if k not in TEXTS}
        labels = self.labels.get(_cell(line), set())
        if line.get("reply"):
            made["reply"] = self._mark(line["reply"])
        for name in ("answer", "target"):
            value = line.get(name)
            key = equality.key(value)
            if value is None or isinstance(value, bool | int | float) or key in labels:
                continue
            made[name] = self._mark(key)
        return made

    def _mark(self, value: object) -> str:
        """Equal for equal values, and nobody can find out of which: the salt is kept nowhere."""
        return (
            f"(removed {hmac.digest(self.salt, repr(value).encode(errors='replace'), 'sha256').hex()[:12]})"
        )


def _cell(line: Line) -> tuple[str, ...]:
    return tuple(map(str, key_of(line)))


def _labels(path: Path, files: Iterable[Path], info: RunInfo, case: str) -> dict[tuple[str, ...], set[Json]]:
    """By cell, the answers and targets of other cases than this one."""
    made: dict[tuple[str, ...], set[Json]] = {}
    lines: Iterable[Line] = (line for file in files for _, line in _read(file) if line is not None)
    if _in_parts(info):
        lines = (*lines, *(line for part in _refs(path) for line in _parquet_lines(path, info, part)))
    for line in lines:
        if "case_id" in line and line["case_id"] != case:
            of = made.setdefault(_cell(line), set())
            of |= {equality.key(line.get(name)) for name in ("answer", "target")}
    return made


def _read(path: Path) -> Iterator[tuple[bytes, Line | None]]:
    """Each whole line as it stands, and what it says."""
    with storage(path, "read"), open(path, "rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):
                return  # cut: it goes, whosever it is
            yield raw, codec.parsed(raw)


def _rewrite(path: Path, change: _Removal, *, dry: bool) -> None:
    """The file again, without the texts, in the place of the old one; one that does not have the case stays as it is."""
    beside = path.with_name(f".{path.name}-{secrets.token_hex(4)}.tmp")
    changed = False
    with storage(path, "write"):
        try:
            with open(beside, "wb") as out:
                for raw, line in _read(path):
                    made = None if line is None else change(line)
                    changed |= made is not None
                    out.write(raw if made is None else codec.dumps(made).encode("ascii") + b"\n")
                out.flush()
                os.fsync(out.fileno())
            if changed and not dry:
                then = path.stat()
                os.chmod(beside, then.st_mode & 0o777)
                os.utime(beside, ns=(then.st_atime_ns, then.st_mtime_ns))  # runs are listed by it
                os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


def _refs(path: Path) -> list[PartRef]:
    """The parts that a run file names."""
    found = {PartRef(**line["part"]): None for _, line in _read(path) if line is not None and "part" in line}
    return list(found)


def _parquet_lines(path: Path, info: RunInfo, part: PartRef) -> Iterator[Line]:
    from robusttest.store.parquet import Parts

    return Parts.of(info, path).lines(part)


def _in_parquet(path: Path, info: RunInfo, change: _Removal, *, dry: bool) -> None:
    from robusttest.store.parquet import Parts

    parts = Parts.of(info, path)
    for part in _refs(path):
        before = change.found.records
        lines = [change(line) or line for line in parts.lines(part)]
        if change.found.records > before and not dry:
            parts.put_lines(part, lines)
