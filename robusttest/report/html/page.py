"""What goes on the page and in which order; what is left out of a large one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from robusttest.core.nouns import Json
from robusttest.report.blocks import plain
from robusttest.report.history import HistoryLine
from robusttest.report.html import plots
from robusttest.report.html.plots import HistoryPlot, SeverityCurve, Split
from robusttest.report.model import OUTCOMES, CellOutcome, CellReport, Report
from robusttest.report.words import cell as cell_words

PANELS = 36
"""Severity curves."""


@dataclass(frozen=True, slots=True)
class Advised:
    cell: CellReport
    lines: tuple[str, ...]
    split: Split | None


@dataclass(frozen=True, slots=True)
class HtmlPage:
    title: str
    outcomes: tuple[tuple[CellOutcome, int], ...]
    severities: tuple[SeverityCurve, ...]
    more_severities: int
    advised: tuple[Advised, ...]
    history: tuple[tuple[HistoryLine, HistoryPlot], ...]
    settings: tuple[tuple[str, str], ...]


def build(report: Report) -> HtmlPage:
    """Order and selection; every number is the report's."""
    worst = sorted(report.cells, key=lambda c: OUTCOMES.index(c.outcome))
    curves = plots.severity_curves(worst)
    history: Sequence[HistoryLine] = report.history or ()
    return HtmlPage(
        title=f"robusttest: {report.run.label or report.run.id}",
        outcomes=tuple((o, n) for o in OUTCOMES if o != "none" if (n := report.count(o))),
        severities=tuple(curves[:PANELS]),
        more_severities=max(0, len(curves) - PANELS),
        advised=tuple(_advised(report)),
        history=tuple((line, plots.history_plot(line)) for line in history if len(line.versions) > 1),
        settings=tuple((k, _setting(v)) for k, v in sorted(report.run.settings.items())),
    )


def _advised(report: Report) -> list[Advised]:
    """The largest error first: there is the most to gain."""
    cells = [c for c in report.cells if c.advice is not None]
    cells.sort(key=lambda c: -(c.advice.error or 0.0))
    found = plots.splits(c.advice for c in cells)
    return [
        Advised(c, tuple(plain(s.text) for s in cell_words.advised(c)), split)
        for c, split in zip(cells, found, strict=True)
    ]


def _setting(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
