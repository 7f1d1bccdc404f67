"""The comparison with a baseline, laid out: what regressed first, each change beside its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from robusttest.report.html.geometry import Axis, Tick, spanning
from robusttest.report.html.plots import FOREST, Whisker, whisker

if TYPE_CHECKING:
    from robusttest.compare import CellComparison, Comparison

BADGES = {"regressed": "failed", "undecided": "inconclusive", "no_worse": "passed", "improved": "passed"}
"""Verdict → the badge of an outcome that looks like it."""

OPEN = ("regressed", "undecided")
"""Cells with these verdicts are unfolded."""


@dataclass(frozen=True, slots=True)
class Change:
    columns: tuple[str, ...]
    badge: str
    word: str
    mark: Whisker | None


@dataclass(frozen=True, slots=True)
class Compared:
    name: str
    badge: str
    word: str
    opened: bool
    changes: tuple[Change, ...]
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Against:
    old: str
    summary: str
    heads: tuple[str, ...]
    cells: tuple[Compared, ...]
    outside: tuple[str, ...]
    """What was not compared at all, and notes."""
    ticks: tuple[Tick, ...]
    zero: float


def against(c: Comparison) -> Against:
    from robusttest.compare import text

    limits = [v for cell in c.cells for x in cell.changes for v in (x.difference, x.low, x.high)]
    axis = spanning(limits, 6, FOREST - 6, least=(-0.05, 0.05), most=(-1.0, 1.0))
    return Against(
        old=c.old,
        summary=text.summary(c),
        heads=text.COLUMNS,
        cells=tuple(_cell(cell, c.margin, axis) for cell in c.cells),
        outside=tuple(text.outside(c)),
        ticks=tuple(Tick(t.at, f"{100 * float(t.label):+.0f}".replace("+0", "0")) for t in axis.ticks(4)),
        zero=axis.at(0.0),
    )


def _cell(cell: CellComparison, margin: float | None, axis: Axis) -> Compared:
    from robusttest.compare import text

    return Compared(
        name=cell.name,
        badge=BADGES[cell.verdict],
        word=text.WORDS[cell.verdict].lower(),
        opened=cell.verdict in OPEN,
        changes=tuple(
            Change(
                text.columns(x),
                BADGES[x.verdict],
                text.WORDS[x.verdict].lower(),
                whisker(axis, x.difference, x.low, x.high),
            )
            for x in cell.changes
        ),
        details=tuple(text.details(cell, margin)),
    )
