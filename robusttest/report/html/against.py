"""What is drawn of a comparison with a baseline: each change beside its interval, on one axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from robusttest.report.html.geometry import Axis, Tick, spanning
from robusttest.report.html.plots import FOREST, Whisker, whisker

if TYPE_CHECKING:
    from robusttest.compare import Comparison
    from robusttest.stats.versions.paired import Change

SIDES: dict[str, Literal["loss", "gain"]] = {"regressed": "loss", "improved": "gain"}


def change_axis(c: Comparison) -> Axis:
    """To the left of 0 is a loss."""
    limits = [v for cell in c.cells for x in cell.changes for v in (x.difference, x.low, x.high)]
    return spanning(limits, 6, FOREST - 6, least=(-0.05, 0.05), most=(-1.0, 1.0))


def change_ticks(axis: Axis) -> list[Tick]:
    """In points."""
    return [Tick(t.at, f"{100 * float(t.label):+.0f}".replace("+0", "0")) for t in axis.ticks(4)]


def change_mark(axis: Axis, x: Change) -> tuple[Whisker, Literal["loss", "gain", ""]]:
    return whisker(axis, x.difference, x.low, x.high), SIDES.get(x.verdict, "")
