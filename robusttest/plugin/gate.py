"""Tests that ``--robust-fail-on`` fails: Holm's adjustment runs over the whole suite, so no test can know by itself whether
it regressed.

On the process that reports, the tests that the gate fails are reported as failed after the last one has run: pytest
counts, lists and remembers them (``--lf``) as any failed test, and exits with 1.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
from _pytest._code.code import ReprFileLocation, TerminalRepr
from _pytest._io import TerminalWriter

if TYPE_CHECKING:
    from robusttest.compare import CellComparison, Comparison
    from robusttest.plugin.session import RobustSession


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
            _Told(
                _text(cell, session) if cell is not None else f"robusttest: {visible(session.gate_broken)}",
                passed,
            ),
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


class _Told(TerminalRepr):
    """The text of a test that the gate fails; pytest's summary, which on CI prints a message whole, has its first line."""

    def __init__(self, text: str, report: pytest.TestReport) -> None:
        self.text = text
        path, line, _ = report.location
        self.reprcrash = ReprFileLocation(path, (line or 0) + 1, text.partition("\n")[0])

    def toterminal(self, tw: TerminalWriter) -> None:
        for line in self.text.splitlines():
            tw.line(line)


def _as(report: pytest.TestReport, when: str, outcome: str, text: _Told | None) -> pytest.TestReport:
    made = copy.copy(report)
    made.when, made.outcome, made.longrepr = when, outcome, text  # type: ignore[assignment]  # pytest's report takes them
    made.sections, made.duration = [], 0.0
    return made


def _text(cell: CellComparison, session: RobustSession) -> str:
    from robusttest.report.escape import visible
    from robusttest.report.told import cell_told
    from robusttest.report.words.against import WORDS

    assert session.report is not None
    found: Comparison = session.report.comparison
    head = f"robusttest: {WORDS[cell.verdict].lower()} against {found.old} (--robust-fail-on={session.settings.fail_on})"
    return "\n".join([visible(head), *cell_told(found, cell)])
