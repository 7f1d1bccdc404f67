"""Runs in a row: accuracy, robust accuracy and chance-corrected consistency of each task × model over versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from robusttest.core.nouns import CellKey, Estimate, RunInfo
from robusttest.report import text
from robusttest.report.escape import cut_middle, encodable, visible, width_of
from robusttest.report.inline import Glyphs, Style
from robusttest.report.model import Report

if TYPE_CHECKING:
    from robusttest.stats.cell.frame import Frame

METRICS = ("accuracy", "robust_accuracy", "consistency_icc")
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One run's numbers on one task × model."""

    run: RunInfo
    n_cases: int
    estimates: tuple[Estimate, ...]
    """Of `METRICS`, in that order."""
    model: str = ""

    @property
    def name(self) -> str:
        """The label, else the version that the model declares, else the commit's beginning, else the run's id."""
        return self.declared or (self.run.commit or "")[:8] or self.run.id

    @property
    def declared(self) -> str | None:
        """What somebody called it."""
        return self.run.label or self.run.model_versions.get(self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One task × model over the versions, the oldest first."""

    task: str
    model: str
    test: str | None
    versions: tuple[Version, ...]


def build(runs: Iterable[tuple[RunInfo, Iterable[Frame]]]) -> list[Line]:
    """The history of every test × task × model in ``runs``, given the oldest first."""
    from robusttest.stats.cell.estimates import estimate

    found: dict[CellKey, list[Version]] = {}
    for info, found_cells in runs:
        for cell in found_cells:
            version = Version(
                run=info,
                n_cases=cell.n_cases,
                estimates=tuple(estimate(cell, m) for m in METRICS),
                model=cell.model,
            )
            found.setdefault(cell.key, []).append(version)
    return [
        Line(task=task, model=model, test=test, versions=tuple(versions))
        for (test, task, model), versions in found.items()
    ]


def lines_of(report: Report) -> list[Line]:
    """One version each: what a report says of its own run."""
    return [
        Line(
            task=c.task,
            model=c.model,
            test=c.test,
            versions=(
                Version(
                    run=report.run,
                    n_cases=c.n_cases,
                    estimates=tuple(c.overall[m] for m in METRICS),
                    model=c.model,
                ),
            ),
        )
        for c in report.cells
        if c.overall
    ]


def render(
    lines: Sequence[Line], *, width: int = 80, color: bool = False, encoding: str = "utf-8"
) -> list[str]:
    """A table for each task × model, a sparkline of each metric under it."""
    style, glyphs = Style(color), Glyphs.for_encoding(encoding)
    out: list[str] = []
    for line in lines:
        name = visible(line.task) + (f" {glyphs.dot} {visible(line.model)}" if line.model else "")
        out += ["", style.bold(cut_middle(name, width, glyphs.more))]
        out += _table(line, width, style, glyphs, encoding)
    return [encodable(x.rstrip(), encoding) for x in out[1:]]


def _table(line: Line, width: int, style: Style, glyphs: Glyphs, encoding: str) -> list[str]:
    heads = ["", "version", "n", "accuracy", "robust accuracy", "ICC"]
    rows = [
        [
            v.run.created[:16].replace("T", " "),
            visible(v.name) + ("*" if v.run.dirty and not v.declared else ""),
            f"{v.n_cases:,}",
            *(text.value_interval(e) for e in v.estimates),
        ]
        for v in line.versions
    ]
    days = [row[0][:10] for row in rows]
    if width < 100:  # the day; the time where several runs share one
        rows = [[row[0][5:] if days.count(row[0][:10]) > 1 else row[0][:10], *row[1:]] for row in rows]
    if len(rows) > 1 and (bars := _sparks(line, encoding)):
        rows.append(["", "", "", *bars])
    table = [heads, *rows]
    widths = [max(width_of(row[i]) for row in table) for i in range(len(heads))]
    over = sum(widths) + 2 * len(widths) - width
    short = over > 0
    if short:  # two digits: three intervals and a name in 80 columns
        for row, v in zip(rows, line.versions, strict=False):
            row[3:] = [text.short(e) for e in v.estimates]
        widths = [max(width_of(row[i]) for row in table) for i in range(len(heads))]
        over = sum(widths) + 2 * len(widths) - width
        widths[1] -= max(0, min(over, widths[1] - 8))
    out = []
    for i, row in enumerate(table):
        cells = [row[0], cut_middle(row[1], widths[1], glyphs.more), *row[2:]]
        joined = "  " + "  ".join(c + " " * (w - width_of(c)) for c, w in zip(cells, widths, strict=True))
        out.append(style.dim(joined.rstrip()) if i == 0 else joined)
    return out


def _sparks(line: Line, encoding: str) -> list[str]:
    """One bar a version on a scale from the metric's lowest to its highest value; none where it is undefined."""
    try:
        _BARS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return []
    return [spark([v.estimates[i].value for v in line.versions]) for i in range(len(METRICS))]


def spark(values: Sequence[float | None]) -> str:
    """``▁▅█``: the lowest value is the lowest bar; equal values are middle bars; a missing one is a space."""
    there = [v for v in values if v is not None]
    if not there:
        return ""
    low, high = min(there), max(there)
    scale = len(_BARS) - 1
    return "".join(
        " "
        if v is None
        else _BARS[scale // 2]
        if high == low
        else _BARS[round((v - low) / (high - low) * scale)]
        for v in values
    )
