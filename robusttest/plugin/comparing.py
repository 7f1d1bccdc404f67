"""A run against a baseline: found before money is spent, compared once every verdict is in.

Holm's adjustment runs over the whole suite, so no test can know by itself whether it regressed. On the process that
reports, the tests that the gate fails are reported as failed after the last one has run: pytest counts, lists and
remembers them (``--lf``) as any failed test, and exits with 1.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from robusttest.errors import RobusttestError, StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from robusttest.compare import CellComparison, Comparison, Version
    from robusttest.core.fail_on import FailOn
    from robusttest.core.nouns import Record, RunInfo
    from robusttest.plugin.session import RobustSession
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


def compare(session: RobustSession, run: RunInfo, records: Iterable[Record]) -> Comparison | None:
    """The run against the session's baseline; None where there is none, or where nothing can be compared."""
    from robusttest.compare import Version, compare

    if session.baseline is None:
        return None
    gate = _gate(session.settings)
    try:
        found = compare(
            session.baseline,
            Version.of(run, records, name="this run"),
            margin=None if gate is None else gate.margin,
        )
    except UsageError as e:
        session.problems.append(f"--robust-baseline: {e}")
        session.gate_broken = "" if gate is None else str(e)
        return None
    if gate is not None:
        session.regressed = {c.key: c for c in found.failing(gate)}
    return found


def _gate(settings: Settings) -> FailOn | None:
    if settings.fail_on is None:
        return None
    from robusttest.core.fail_on import FailOn

    return FailOn.parse(settings.fail_on)


def update(session: RobustSession, run: RunInfo, records: Iterable[Record]) -> None:
    """Write this run to the baseline, if it can carry one; tests that did not run keep what they have there."""
    from robusttest.compare import Version, admission
    from robusttest.store.baseline import merged, read_baseline, write_baseline

    path = target_of(session.settings)
    new = Version.of(run, records)
    if not run.complete:
        session.problems.append(f"{path.name} was not updated: the run did not end")
        return
    if session.settings.update_baseline != "force" and (
        refused := admission.refusals(new, session.settings.min_coverage)
    ):
        session.problems += [f"{path.name} was not written: {why}" for why in refused]
        session.problems.append("--robust-update-baseline=force writes it all the same")
        session.unwritten = True
        return
    old = None
    if path.is_file():
        try:
            old = read_baseline(path)
        except StorageError as e:
            session.problems.append(f"written anew, with the tests of this run alone: {e}")
    both = merged(old, new)
    try:
        write_baseline(path, both)
    except RobusttestError as e:
        session.problems.append(str(e))
        return
    session.written.append(os.path.relpath(path))
    session.notes += [f"{path.name}: {line}" for line in admission.powers(both)]
    if kept := len(both.cells) - len(new.cells):
        session.notes.append(f"{path.name} keeps {kept} test{'s' * (kept != 1)} that did not run")


def fail_tests(session: RobustSession, pytest_session: pytest.Session) -> None:
    """Report as failed, with the comparison as their text, tests that passed on their own and that the gate fails."""
    from robusttest.plugin import listings
    from robusttest.report.escape import visible

    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.ensure_newline()
    excused = 0
    for key in session.cells:
        cell = session.regressed.get(key)
        passed, entry = session.reports.get(key, (None, None))
        if passed is None or not passed.passed or (cell is None and not session.gate_broken):
            continue
        if hasattr(passed, "wasxfail"):  # it was expected to fail
            excused += 1
            continue
        listings.forget_pass(session.config, passed, entry)
        failed = _as(
            passed,
            "call",
            "failed",
            _text(cell, session) if cell is not None else f"robusttest: {visible(session.gate_broken)}",
        )
        failed.duration = passed.duration
        ended = _as(passed, "teardown", "passed", None)
        hook = session.config.hook.pytest_runtest_logreport
        hook(report=failed)
        listings.keep_time(session.config, entry, failed)
        hook(report=ended)
    if (
        len(session.regressed) > excused or session.gate_broken or session.unwritten
    ) and pytest_session.exitstatus == pytest.ExitCode.OK:
        pytest_session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _as(report: pytest.TestReport, when: str, outcome: str, text: str | None) -> pytest.TestReport:
    made = copy.copy(report)
    made.when, made.outcome, made.longrepr = when, outcome, text  # type: ignore[assignment]
    made.sections, made.duration = [], 0.0
    return made


def _text(cell: CellComparison, session: RobustSession) -> str:
    from robusttest.compare import text
    from robusttest.report.escape import visible

    assert session.report is not None
    found: Comparison = session.report.comparison
    head = f"robusttest: {text.WORDS[cell.verdict].lower()} against {found.old} (--robust-fail-on={session.settings.fail_on})"
    return "\n".join(visible(line) for line in [head, *text.cell_lines(found, cell)])
