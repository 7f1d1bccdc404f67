"""A run against a baseline: found before money is spent, compared once every verdict is in.

Holm's adjustment runs over the whole suite, so no test can know by itself whether it regressed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from robusttest.errors import RobusttestError, StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from robusttest.compare import Comparison, Version
    from robusttest.core.fail_on import FailOn
    from robusttest.core.nouns import RunInfo
    from robusttest.engine.cell import Cell
    from robusttest.run.ledger import Ledger
    from robusttest.settings import Settings

DEFAULT = "robust-baseline.json"


def check(settings: Settings, *, flagged: bool) -> None:
    """Refuse flags that make no sense together. ``flagged``: ``--robust-fail-on`` was given for this run; in an ini
    file it waits for runs with a baseline.
    """
    if settings.fail_on is not None:
        from robusttest.core.fail_on import FailOn

        FailOn.parse(settings.fail_on)
        if flagged and settings.baseline is None:
            raise UsageError(
                f"--robust-fail-on={settings.fail_on} compares with a baseline: add --robust-baseline, or write one "
                "with --robust-update-baseline first"
            )
    gated = settings.fail_on is not None and settings.baseline is not None
    if settings.adaptive and (gated or settings.update_baseline):
        # Which cases are paired would depend on their outcomes: no test of a change is valid then.
        flag = "--robust-update-baseline" if settings.update_baseline else "--robust-fail-on"
        raise UsageError(
            f"{flag} needs every case, and --robust-adaptive stops on what it sees: leave one of them out"
        )
    if settings.update_baseline and settings.case:
        raise UsageError("--robust-update-baseline with --robust-case would leave one case of each test")


def file_of(settings: Settings) -> Path | None:
    """The baseline file that is meant; None where ``--robust-baseline`` names a run."""
    ref = settings.baseline
    if ref is None:
        return None
    if Path(ref).is_file():
        return Path(ref)
    path = settings.directory.parent / ref
    return path if path.is_file() or path.suffix == ".json" else None


def target_of(settings: Settings) -> Path:
    """Where ``--robust-update-baseline`` writes."""
    path = file_of(settings)
    return path if path is not None and path.suffix == ".json" else settings.directory.parent / DEFAULT


def load(settings: Settings, *, but: str | None = None) -> Version | None:
    """What this run is compared with; None where that was not asked for, or the file is to be made by this run.

    Raises `UsageError` or `StorageError` that say what is wrong with it: to be called before the first call.
    """
    if settings.update_baseline:
        from robusttest.core.files import check_writable

        check_writable(target_of(settings))
    if settings.baseline is None:
        return None
    from robusttest.store.versions import load_version

    if Path(settings.baseline).is_dir() or settings.baseline.partition("::")[0].endswith(".py"):
        raise UsageError(
            f"--robust-baseline took {settings.baseline!r} as its value: write --robust-baseline=REF, or put the tests first"
        )
    path = file_of(settings)
    if path is None:
        return load_version(settings.baseline, settings.directory, but=but)
    if not path.is_file():
        if settings.update_baseline:
            return None
        raise UsageError(
            f"there is no baseline {os.fspath(path)!r}: pytest --robust-update-baseline writes it"
        )
    return load_version(os.fspath(path), settings.directory)


def compare(ledger: Ledger, run: RunInfo, cells: Sequence[Cell]) -> Comparison | None:
    """The run against the ledger's baseline; None where there is none, or where nothing can be compared."""
    from robusttest.compare import compare

    if ledger.baseline is None:
        return None
    gate = _gate(ledger.settings)
    try:
        found = compare(
            ledger.baseline,
            _version(run, cells, name="this run"),
            margin=None if gate is None else gate.margin,
        )
    except UsageError as e:
        ledger.problems.append(f"--robust-baseline: {e}")
        ledger.gate_broken = "" if gate is None else str(e)
        return None
    if gate is not None:
        ledger.regressed = {c.key: c for c in found.failing(gate)}
    return found


def _version(run: RunInfo, cells: Sequence[Cell], name: str = "") -> Version:
    from robusttest.compare import Version

    judging = {c.key: c.judging for c in cells if c.judging is not None}
    return Version.of(run, (r for c in cells for r in c.records), name=name, judging=judging)


def _gate(settings: Settings) -> FailOn | None:
    if settings.fail_on is None:
        return None
    from robusttest.core.fail_on import FailOn

    return FailOn.parse(settings.fail_on)


def update(ledger: Ledger, run: RunInfo, cells: Sequence[Cell]) -> None:
    """Write this run to the baseline, if it can carry one; tests that did not run keep what they have there."""
    from robusttest.compare import admission
    from robusttest.store.baseline import merged, read_baseline, write_baseline

    path = target_of(ledger.settings)
    new = _version(run, cells)
    if not run.complete:
        ledger.problems.append(f"{path.name} was not updated: the run did not end")
        return
    if ledger.settings.update_baseline != "force" and (
        refused := admission.refusals(new, ledger.settings.min_coverage)
    ):
        ledger.problems += [f"{path.name} was not written: {why}" for why in refused]
        ledger.problems.append("--robust-update-baseline=force writes it all the same")
        ledger.unwritten = True
        return
    old = None
    if path.is_file():
        try:
            old = read_baseline(path)
        except StorageError as e:
            ledger.problems.append(f"written anew, with the tests of this run alone: {e}")
    both = merged(old, new)
    try:
        write_baseline(path, both)
    except RobusttestError as e:
        ledger.problems.append(str(e))
        return
    ledger.written.append(os.path.relpath(path))
    ledger.notes += [f"{path.name}: {line}" for line in admission.powers(both)]
    if kept := len(both.cells) - len(new.cells):
        ledger.notes.append(f"{path.name} keeps {kept} test{'s' * (kept != 1)} that did not run")
