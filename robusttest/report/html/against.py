"""The comparison with a baseline, laid out: what regressed first, each change beside its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from robusttest.report.blocks import Listing, Sentence, plain
from robusttest.report.html.geometry import Axis, Tick, spanning
from robusttest.report.html.plots import FOREST, Whisker, whisker
from robusttest.report.words import against as text

if TYPE_CHECKING:
    from robusttest.compare import CellComparison, Comparison

BADGES = {"regressed": "failed", "undecided": "inconclusive", "no_worse": "passed", "improved": "passed"}
"""Verdict → the badge of an outcome that looks like it."""

OPEN = ("regressed", "undecided")
"""Cells with these verdicts are unfolded."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
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
    changes: tuple[ChangeRow, ...]
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
    limits = [v for cell in c.cells for x in cell.changes for v in (x.difference, x.low, x.high)]
    axis = spanning(limits, 6, FOREST - 6, least=(-0.05, 0.05), most=(-1.0, 1.0))
    return Against(
        old=c.old,
        summary=text.summary(c),
        heads=("measure", *(plain(x.head) for x in text.COLUMNS[1:])),
        cells=tuple(_cell(cell, c.margin, axis) for cell in c.cells),
        outside=tuple(f"note: {line}" if note else line for note, line in text.outside(c)),
        ticks=tuple(Tick(t.at, f"{100 * float(t.label):+.0f}".replace("+0", "0")) for t in axis.ticks(4)),
        zero=axis.at(0.0),
    )


def _cell(cell: CellComparison, margin: float | None, axis: Axis) -> Compared:
    return Compared(
        name=cell.name,
        badge=BADGES[cell.verdict],
        word=text.WORDS[cell.verdict].lower(),
        opened=cell.verdict in OPEN,
        changes=tuple(
            ChangeRow(
                tuple(map(plain, text.columns(x))),
                BADGES[x.verdict],
                text.WORDS[x.verdict].lower(),
                whisker(axis, x.difference, x.low, x.high),
            )
            for x in cell.changes
        ),
        details=tuple(_details(cell, margin)),
    )


def _details(cell: CellComparison, margin: float | None) -> list[str]:
    out: list[str] = []
    for block in text.details(cell, margin):
        if isinstance(block, Sentence):
            out.append(("note: " if block.tone == "note" else "") + plain(block.text))
        elif isinstance(block, Listing):
            out += [plain(block.head), *(plain(item) for _, item in block.items)]
    return out
