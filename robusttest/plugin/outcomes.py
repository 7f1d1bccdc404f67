"""What pytest says came of each robust item: read off its reports, phase by phase, in the process that reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from robusttest.core.nouns import CellKey, ItemOutcome

if TYPE_CHECKING:
    import pytest

PHASES = ("setup", "call", "teardown")


@dataclass(slots=True)
class Told:
    """One collected item, and what its reports have said so far. A rerun begins anew."""

    key: CellKey
    nodeid: str
    """As it is named where pytest was started."""
    outcome: ItemOutcome = "not_run"
    reason: str | None = None

    def hear(self, report: pytest.TestReport) -> None:
        """Take one phase. A failed setup, a failed teardown and a dead worker are errors; a call is what it is."""
        if report.when == "setup" or str(report.outcome) == "rerun":
            self.outcome, self.reason = "not_run", None
        outcome = self._of(report)
        if outcome is None:
            return
        worse = self.outcome not in ("failed", "error") or outcome == "error"
        if worse and not (report.when == "teardown" and outcome == "passed"):
            self.outcome, self.reason = outcome, why(report)

    def _of(self, report: pytest.TestReport) -> ItemOutcome | None:
        excused = hasattr(report, "wasxfail")
        if report.when not in PHASES:  # xdist's report of a test whose worker died
            return "error"
        if report.failed:
            return "failed" if report.when == "call" else "error"
        if report.skipped:
            return "xfailed" if excused else "skipped"
        if str(report.outcome) == "rerun" or report.when == "setup":
            return None
        if report.when == "teardown":
            return None
        return "xpassed" if excused else "passed"


@dataclass(slots=True)
class Outcomes:
    """Every robust item of the session, by pytest's node id."""

    items: dict[str, Told] = field(default_factory=dict)
    crashed: list[pytest.TestReport] = field(default_factory=list)
    """Reports of tests whose worker died, and of which nothing was heard before."""
    died: bool = False
    """Whether a worker died in one of our items."""

    def collected(self, node: str, key: CellKey, nodeid: str) -> Told:
        """An item that this process, or a worker, has collected."""
        return self.items.setdefault(node, Told(key, nodeid))

    def hear(self, report: pytest.TestReport) -> None:
        told = self.items.get(report.nodeid)
        if told is not None:
            told.hear(report)
            self.died = self.died or report.when not in PHASES
        elif report.when not in PHASES:
            self.crashed.append(report)

    def wire(self) -> list[list[Any]]:
        """The collected items as JSON: ``[node id, [test, task, model], node id as named]``."""
        return [[node, list(t.key), t.nodeid] for node, t in self.items.items()]

    def join(self, wire: Iterable[Sequence[Any]]) -> None:
        """What a worker collected; a test of a worker that died is known by the others' lists."""
        for node, key, nodeid in wire:
            self.collected(node, CellKey(*key), nodeid)
        crashed, self.crashed = self.crashed, []
        for report in crashed:
            self.hear(report)

    def of(self, key: CellKey) -> tuple[ItemOutcome | None, str | None]:
        """The outcome of a cell; of several items with one key (a test's own parameters) the worst."""
        order: tuple[ItemOutcome, ...] = (
            "error", "failed", "not_run", "xpassed", "xfailed", "skipped", "passed",
        )  # fmt: skip
        found = [t for t in self.items.values() if t.key == key]
        if not found:
            return None, None
        worst = min(found, key=lambda t: order.index(t.outcome))
        return worst.outcome, worst.reason

    @property
    def all_ran(self) -> bool:
        """Whether every collected item came to an end of its own; one whose worker died did not."""
        return not self.died and not self.crashed and all(t.outcome != "not_run" for t in self.items.values())


def why(report: pytest.TestReport) -> str | None:
    """One line: what was raised, the reason of a skip or of an expected failure."""
    excused = getattr(report, "wasxfail", None)
    if excused and not report.failed:
        return str(excused).removeprefix("reason: ") or None
    text: Any = report.longrepr
    if text is None:
        return None
    if isinstance(text, tuple):  # of a skip: file, line, reason
        return str(text[2]).removeprefix("Skipped: ") or None
    crash = getattr(text, "reprcrash", None)
    said = str(crash.message if crash is not None else text).strip()
    return said.partition("\n")[0] or None
