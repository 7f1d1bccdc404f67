"""What the terminal shows: progress while calls run, notes before them, the section at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from robusttest.plugin.item import RobustItem
    from robusttest.plugin.session import RobustSession
    from robusttest.report.model import Report


def _reporter(config: pytest.Config) -> Any:
    """The terminal reporter; None under ``-p no:terminal``."""
    return config.pluginmanager.get_plugin("terminalreporter")


def write(config: pytest.Config, lines: Sequence[str], *, asked: bool = False) -> None:
    """Whole lines, through pytest's reporter. ``asked``: what the command is for, which ``-q`` shows too."""
    reporter = _reporter(config)
    if reporter is None or not lines or (config.get_verbosity() < 0 and not asked):
        return
    reporter.ensure_newline()
    for line in lines:
        reporter.write_line(line)


def summary(session: RobustSession, reporter: Any) -> None:
    """The section at the end of pytest's own output."""
    report = session.report
    if report is None:
        return
    from robusttest.report import terminal

    verbosity = session.config.get_verbosity()
    lines = terminal.render(
        report,
        width=reporter._tw.fullwidth,
        color=bool(reporter.hasmarkup),
        verbosity=verbosity,
        encoding=_encoding(reporter),
        told=session.config.option.tbstyle not in ("no", "line"),
    )
    if verbosity >= 0:
        reporter.write_sep("=", "robustness")
    for line in lines:
        reporter.write_line(line if verbosity >= 0 else terminal.QUIET + line)
    if verbosity >= 0:
        for target in session.written:
            reporter.write_line(f"wrote {target}")
    for problem in session.problems:
        reporter.write_line(f"robusttest: {problem}", red=True)
    _annotate(session, report, reporter)


def _annotate(session: RobustSession, report: Report, reporter: Any) -> None:
    """Within a GitHub workflow: a line for each missed threshold that GitHub shows beside the test's file."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from robusttest.report import github
    from robusttest.report.escape import encodable

    lines = github.annotations(
        report,
        folder=github.folder(session.config.rootpath),
        places=session.places,
        regressed=session.regressed,
        gate_broken=session.gate_broken,
    )
    for line in lines:
        reporter.write_line(encodable(line, _encoding(reporter)))


def _encoding(reporter: Any) -> str:
    return getattr(reporter._tw._file, "encoding", None) or "utf-8"


def watch(session: RobustSession, states: Sequence[RobustItem]) -> None:
    """Show progress while calls run, on a terminal that a person looks at."""
    reporter = _reporter(session.config)
    if reporter is None or session.config.get_verbosity() < 0 or not getattr(reporter, "isatty", False):
        return
    from robusttest.plugin.start import planned_calls

    session.progress = ProgressLine(session, reporter, sum(map(planned_calls, states)))


class ProgressLine:
    """One line that is written over, and gone when the waiting ends."""

    EVERY = 0.2
    """Seconds between two looks."""
    PATIENCE = 0.5
    """Seconds of waiting before anything is shown."""

    def __init__(self, session: RobustSession, reporter: Any, total: int) -> None:
        self.session, self.reporter, self.total = session, reporter, total
        self.began = self.last = time.monotonic()
        self.waiting_since: float | None = None
        self.shown = False

    def tick(self) -> None:
        now = time.monotonic()
        gateway = self.session.calling
        if gateway is None or now - self.last < self.EVERY:
            return
        self.last = now
        self.waiting_since = self.waiting_since or now
        if now - self.waiting_since < self.PATIENCE:
            return
        from robusttest.run.progress import progress_line

        line = progress_line(gateway.progress(), self.total, now - self.began)
        with self._uncaptured():
            if not self.shown:
                self.reporter.ensure_newline()
                self.shown = True
            self.reporter.rewrite(line[: self.reporter._tw.fullwidth - 2], erase=True)

    def clear(self) -> None:
        """The wait is over: leave an empty line to write on."""
        self.waiting_since = None
        if self.shown:
            with self._uncaptured():
                self.reporter.rewrite("", erase=True)
                self.reporter._tw.write("\r", flush=True)
            self.shown = False

    def _uncaptured(self) -> AbstractContextManager[Any]:
        # Bodies run while pytest captures what is printed; this line is not theirs.
        capture = self.session.config.pluginmanager.get_plugin("capturemanager")
        held: AbstractContextManager[Any] = (
            nullcontext() if capture is None else capture.global_and_fixture_disabled()
        )
        return held
