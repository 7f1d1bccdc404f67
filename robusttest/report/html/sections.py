"""The report's one list of sections as a page has it: in its order, with what is drawn beside the words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from robusttest.report import text
from robusttest.report.blocks import Block, Section, Table, TableRow, plain
from robusttest.report.html import plots
from robusttest.report.html.against import change_axis, change_mark, change_ticks
from robusttest.report.html.blocks import Drawn, Plot, laid
from robusttest.report.model import OUTCOMES, CellReport, Report
from robusttest.report.words import sections

MANY_VERDICTS = 15
"""More than so many: the passed ones are folded away."""
DETAILED = 40
"""Cells told in full; the worst first."""
OPEN = 3
"""Of these so many are unfolded."""

ANCHORS = {"summary": "words", "cell": "perturbations"}
"""Of sections that go by another name on a page."""
TITLES = {"comparison": "Comparison with the baseline", "cell": "Each test"}
NAVIGATION = {
    "summary": "In words", "verdicts": "Verdicts", "results": "Results", "emergence": "Robustness vs accuracy",
    "comparison": "Comparison", "map": "Map", "cell": "Perturbations",
}  # fmt: skip
NO_THRESHOLDS = "No thresholds were set, so nothing was judged."
HINTS = {
    "results": "Each value with its 95 % interval. Select a heading to sort.",
    "comparison": "Differences in points, paired case by case, with 95 % intervals; to the left of the line is a loss.",
}


@dataclass(frozen=True, slots=True)
class PageSection:
    key: str
    """Its anchor."""
    title: str
    hint: str
    body: Markup
    navigation: str = ""
    """What it is called in the list of sections; empty where it is not there."""


@dataclass(frozen=True, slots=True)
class Words:
    head: Markup
    """What the run was, and what is missing in it."""
    sections: tuple[PageSection, ...]


def words(report: Report, environment: Environment) -> Words:
    """What a report says, laid out; of many tests the `DETAILED` worst in full."""
    told = _detailed(report)
    drawn = _drawn(report, told, environment)
    found = sections(report, only=set(told))
    head = next(s for s in found if s.key == "head")
    made = tuple(_unique(_made(_ordered(report, found), drawn, report, len(told))))
    return Words(laid(head.blocks), made)


def _detailed(report: Report) -> list[int]:
    """Places of the cells that are told in full, in the order in which they are told."""
    ranked = sorted(range(len(report.cells)), key=lambda i: OUTCOMES.index(report.cells[i].outcome))
    return [i for i in ranked if _has_detail(report.cells[i])][:DETAILED]


def _has_detail(c: CellReport) -> bool:
    return bool(
        c.perturbations or c.reactions or c.first or c.tallies or c.notes or c.judge is not None or c.turns
    )


def _ordered(report: Report, found: Sequence[Section]) -> list[Section]:
    """For a study the figure comes before the thresholds."""
    shown = [s for s in found if s.key != "head" and s.on != "terminal"]
    if report.emergence is not None and report.emergence.relations:
        shown.sort(
            key=lambda s: ("summary", "emergence").index(s.key) if s.key in ("summary", "emergence") else 2
        )
    return shown


def _made(found: Sequence[Section], drawn: Drawn, report: Report, told: int) -> Iterator[PageSection]:
    cells = [s for s in found if s.key == "cell"]
    judged = any(s.key == "verdicts" for s in found)
    for s in found:
        if s.key == "cell":
            if s is cells[0]:
                yield _section("cell", _cells_hint(report, told), laid(cells, drawn=drawn))
            continue
        if s.key == "results" and not judged:
            yield _section("verdicts", NO_THRESHOLDS, Markup())
        blocks = s.blocks
        if s.key == "comparison" and sum(isinstance(b, Section) for b in blocks) == 1:  # it is the overview
            blocks = tuple(b for b in blocks if not isinstance(b, Table))
        body = _verdicts(blocks, drawn) if s.key == "verdicts" else laid(blocks, drawn=drawn)
        title = plain(s.heading.text) if s.heading is not None else ""
        hint = HINTS.get(s.key, "")
        yield _section(s.key, f"{title}. {hint}" if s.key == "comparison" else hint, body, title)


def _section(key: str, hint: str, body: Markup, title: str = "") -> PageSection:
    named = TITLES.get(key, title) or NAVIGATION[key]
    return PageSection(ANCHORS.get(key, key), named, hint, body, NAVIGATION.get(key, ""))


def _unique(found: Iterator[PageSection]) -> Iterator[PageSection]:
    """An anchor each."""
    seen: dict[str, int] = {}
    for s in found:
        seen[s.key] = seen.get(s.key, 0) + 1
        yield s if seen[s.key] == 1 else replace(s, key=f"{s.key}-{seen[s.key]}", navigation="")


def _cells_hint(report: Report, told: int) -> str:
    drawn = any(c.perturbations for c in report.cells)
    bars = (
        "Bars are 95 % intervals of the drop, over the noise floor where repeats ran; to the right of the line is a loss."
        if drawn
        else ""
    )
    left = len(report.cells) - told
    more = (
        f"{told} of {told + left} tests, those with the worst verdicts first; the JSON report has all."
        if left
        else ""
    )
    return " ".join(filter(None, (bars, more)))


def _verdicts(blocks: Sequence[Block], drawn: Drawn) -> Markup:
    """Thresholds; where there are many, those that passed are opened."""
    (table,) = [b for b in blocks if isinstance(b, Table)]
    passed = tuple(r for r in table.rows if not r.brief)
    if len(table.rows) <= MANY_VERDICTS or not passed:
        return laid([table], drawn=drawn)
    missed = replace(table, rows=tuple(r for r in table.rows if r.brief))
    return laid([missed], drawn=drawn) + Markup("<details><summary>{} passed</summary>{}</details>").format(
        text.count(len(passed), "threshold"), laid([replace(table, rows=passed)], drawn=drawn)
    )


def _drawn(report: Report, told: Sequence[int], environment: Environment) -> Drawn:
    draw: Any = environment.get_template("plots.html.j2").module
    made = {"verdicts": Plot(4, partial(_gauge, draw))}
    effects = {id(r): (i, e) for i in told for r, e in plots.effects(report.cells[i])}
    axis = plots.effect_axis(e for _, e in effects.values())
    ticks = axis.ticks(4)

    def effect(row: TableRow) -> Markup:
        _, e = effects[id(row.plot)]
        mark = plots.marked(axis, e)
        return Markup() if mark is None else Markup(draw.effect(mark, ticks, axis.at(0.0), plots.side(e)))

    def linked(row: TableRow, name: Markup) -> Markup:
        if id(row.plot) not in effects or row.tone == "floor":
            return name
        return Markup('<a href="#cases" data-cell="{}" data-perturbation="{}">{}</a>').format(
            effects[id(row.plot)][0], row.plot.perturbation, name
        )

    made["forest"] = Plot(1, effect, Markup(draw.ticks(ticks)))
    if report.comparison is not None:
        across = change_axis(report.comparison)
        marks = change_ticks(across)

        def change(row: TableRow) -> Markup:
            if row.plot is None:
                return Markup()
            mark, side = change_mark(across, row.plot)
            return Markup(draw.effect(mark, marks, across.at(0.0), side))

        made["overview"] = Plot(2, change, Markup(draw.ticks(marks)))
        made["changes"] = Plot(1, change, Markup(draw.ticks(marks)))
    return Drawn(
        plots=made,
        figures={"scatters": lambda e: Markup(draw.scatters(plots.scatters(e), e.tasks, plots.letters(e)))},
        linked=linked if report.cells else lambda row, name: name,
        folded=set(told[OPEN:]),
    )


def _gauge(draw: Any, row: TableRow) -> Markup:
    mark = plots.gauge(row.plot)
    return Markup() if mark is None else Markup(draw.gauge(mark, row.plot.status))
