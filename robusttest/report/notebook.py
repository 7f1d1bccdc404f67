"""What a notebook shows: results, comparisons and claims as small tables and figures, a report as the page that it is.

Notebooks keep outputs, and show them on pages of others: nothing here runs a script or has a style sheet, colours are the
page's own (``currentColor``), and every text is escaped as in the HTML report. A report is a frame (``srcdoc``) that reaches
nothing of the notebook.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from robusttest.compare.model import Comparison
from robusttest.core.nouns import RunInfo
from robusttest.engine.cell import Cell
from robusttest.errors import UsageError
from robusttest.report.blocks import plain
from robusttest.report.build import build
from robusttest.report.escape import visible
from robusttest.report.files import write
from robusttest.report.html import plots, render
from robusttest.report.html.against import change_axis, change_mark, change_ticks
from robusttest.report.html.blocks import laid
from robusttest.report.html.geometry import Axis, Tick
from robusttest.report.html.plots import Whisker
from robusttest.report.model import CellReport, Report
from robusttest.report.words import against as against_words
from robusttest.report.words import emergence as claims
from robusttest.report.words import sections
from robusttest.settings import ReportTarget

SHOWN = ("summary", "verdicts", "results", "map")
"""Sections of a report that results are shown by; the others are in the report."""
FIGURES = 6
"""Figures of an output at most; the others are in the report."""
ENDINGS = {".html": "html", ".htm": "html", ".md": "md", ".json": "json", ".csv": "csv"}
_TERM = re.compile(r'<a class="term" href="[^"]*" title="([^"]*)">(.*?)</a>')


def shown(value: Any) -> str:
    """HTML of a result, of a list of results, of a comparison or of a study's claims."""
    if isinstance(value, Cell):
        return _results([value])
    if isinstance(value, Comparison):
        made = laid(against_words.section(value).blocks) + _changes(value)
    elif hasattr(value, "claims"):
        section = claims.section(value)
        made = (laid(section.blocks) if section is not None else Markup()) + _scatters(value)
    else:
        return _results(value)
    return _page(made)


def reported(results: Sequence[Cell], path: str | None = None) -> Report:
    """The report of results, with the history of nothing but themselves; written to ``path``, if one is given."""
    run = next((r.run for r in results if r.run is not None), None)
    if run is None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        run = RunInfo(id="notebook", created=now, models=tuple(dict.fromkeys(r.model for r in results)))
    report = build(run, results)
    if path is not None:
        kind = ENDINGS.get(Path(path).suffix.lower())
        if kind is None:
            raise UsageError(
                f"report({path!r}): the ending says what is written: {', '.join(e for e in ENDINGS if e != '.htm')}"
            )
        write(report, ReportTarget(kind, str(path)))
    return report


def framed(report: Report) -> str:
    """The HTML report in a frame without an origin of its own: its script reaches the frame and nothing else."""
    return str(
        Markup(
            '<iframe title="robusttest: report" sandbox="allow-scripts allow-downloads" srcdoc="{}" '
            'style="width:100%;height:42em;border:1px solid #8886"></iframe>'
        ).format(render(report))
    )


def _results(results: Sequence[Cell]) -> str:
    if not results:
        return _page(Markup("<p>no results</p>"))
    report = reported(results)
    made = laid([b for s in sections(report, only=()) if s.key in SHOWN and s.key != "map" for b in s.blocks])
    drawn = [c for c in report.cells if c.perturbations]
    axis = plots.effect_axis(e for c in drawn for _, e in plots.effects(c))
    for cell in drawn[:FIGURES]:
        made += _forest(cell, axis)
    if len(drawn) > FIGURES:
        made += Markup("<p>{} more figures are in <code>results.report()</code></p>").format(
            len(drawn) - FIGURES
        )
    made += laid([b for s in sections(report, only=()) if s.key == "map" for b in s.blocks])
    return _page(made)


def _page(made: Markup) -> str:
    """Explanations stay, on hover; the glossary they are links to is not here."""
    told = _TERM.sub(r'<abbr title="\1">\2</abbr>', str(made))
    return f"<div>{told}</div>"


def _forest(cell: CellReport, axis: Axis) -> Markup:
    rows = plots.effects(cell)
    over = " over the noise floor" if any(e is r.net_drop for r, e in rows) else ""
    return chart(
        f"{cell.title}: drop of accuracy{over} by each perturbation, with 95 % intervals",
        [(r.perturbation, plots.marked(axis, e)) for r, e in rows],
        axis.ticks(4),
        axis.at(0.0),
    )


def _changes(c: Comparison) -> Markup:
    axis = change_axis(c)
    made = Markup()
    for cell in c.cells[:FIGURES]:
        if cell.changes:
            made += chart(
                f"{cell.name}: change in points against {c.old}, with 95 % intervals",
                [(plain(against_words.columns(x)[0]), change_mark(axis, x)[0]) for x in cell.changes],
                change_ticks(axis),
                axis.at(0.0),
            )
    return made


ROW, LETTER, GAP = 20, 7, 10
"""Pixels."""


def chart(
    title: str, rows: Iterable[tuple[str, Whisker | None]], ticks: Sequence[Tick], zero: float
) -> Markup:
    """Whiskers under each other, whole names beside them, an axis below."""
    named = [(visible(name), mark) for name, mark in rows]
    left = LETTER * max((len(name) for name, _ in named), default=0) + GAP
    width, height = left + plots.FOREST + 2 * GAP, ROW * (len(named) + 1)
    made = Markup(
        '<line x1="{0}" x2="{0}" y1="0" y2="{1}" stroke="currentColor" stroke-opacity=".35"/>'
    ).format(_px(left + zero), ROW * len(named))
    for i, (name, mark) in enumerate(named):
        y = ROW * i + ROW / 2
        made += Markup('<text x="{}" y="{}" text-anchor="end" fill="currentColor">{}</text>').format(
            left - GAP, _px(y + 4), name
        )
        if mark is None:
            continue
        if mark.low is not None and mark.high is not None:
            made += Markup(
                '<line x1="{0}" x2="{1}" y1="{2}" y2="{2}" stroke="currentColor" stroke-width="2" stroke-opacity=".6"/>'
            ).format(_px(left + mark.low), _px(left + mark.high), _px(y))
        made += Markup('<circle cx="{}" cy="{}" r="4" fill="currentColor"/>').format(
            _px(left + mark.value), _px(y)
        )
    for tick in ticks:
        made += Markup('<text x="{}" y="{}" text-anchor="middle" fill="currentColor">{}</text>').format(
            _px(left + tick.at), height - 5, tick.label
        )
    return _figure(title, width, height, made)


def _scatters(e: Any) -> Markup:
    made = Markup()
    width, height = plots.SCATTER
    for s in plots.scatters(e):
        drawn = Markup()
        for t in s.y:
            drawn += Markup(
                '<line x1="40" x2="{0}" y1="{1}" y2="{1}" stroke="currentColor" stroke-opacity=".15"/>'
                '<text x="35" y="{1}" text-anchor="end" fill="currentColor">{2}</text>'
            ).format(width - 8, _px(t.at), t.label)
        for t in s.x:
            drawn += Markup('<text x="{}" y="{}" text-anchor="middle" fill="currentColor">{}</text>').format(
                _px(t.at), height - 19, t.label
            )
        for n in s.nulls:
            drawn += Markup(
                '<path d="{}" fill="none" stroke="currentColor" stroke-opacity=".5" stroke-dasharray="5 4">'
                "<title>{}</title></path>"
            ).format(n.path, visible(n.label))
        for d in s.dots:
            drawn += Markup(
                '<circle cx="{}" cy="{}" r="4" fill="currentColor" fill-opacity=".7"><title>{}</title></circle>'
            ).format(_px(d.x), _px(d.y), visible(f"{d.name}: {d.detail}"))
        made += _figure(
            f"{s.title} against overall accuracy. {s.caption}{' Dashed: what accuracy alone gives.' if s.nulls else ''}",
            width,
            height,
            drawn,
        )
    return made


def _figure(title: str, width: float, height: float, drawn: Markup) -> Markup:
    said = escape(visible(title))
    return Markup(
        '<figure style="margin:1em 0"><figcaption>{0}</figcaption><svg role="img" aria-label="{0}" width="{1}" height="{2}" '
        'viewBox="0 0 {1} {2}" font-size="12" font-family="sans-serif" style="max-width:100%">{3}</svg></figure>'
    ).format(said, _px(width), _px(height), drawn)


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
