"""One list of blocks: every number in it is in the JSON report, and every place shows the same text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic_results import made_cell, records, result, run_info
from test_formats import compared

from robusttest.report import html, markdown, terminal
from robusttest.report import json as json_report
from robusttest.report.blocks import Number, Table, TableColumn, TableRow, Term, Value, numbers, pieces, walk
from robusttest.report.build import build
from robusttest.report.html.blocks import heat
from robusttest.report.layout import table_lines
from robusttest.report.model import Report
from robusttest.report.page import Page
from robusttest.report.words import sections
from robusttest.report.words.terms import TERMS, anchor


def held(value: Any) -> set[float]:
    """Every number in a JSON value."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return set()
    if isinstance(value, int | float):
        return {float(value)}
    return {n for v in (value.values() if isinstance(value, dict) else value) for n in held(v)}


def floor() -> Report:
    rows = [
        replace(r, level="repeat") if r.perturbation == "repeat" else r
        for r in records(harm={"keyboard": 0.1, "ocr:0.2": 0.2, "repeat": 0.05}, variants=3, cases=30)
    ]
    return build(run_info(), [made_cell("support-intents", "m", rows[0].test, rows)])


def test_json_holds_every_number_of_the_blocks(one_cell: Report, many_cells: Report, nine: Report):
    for report in (one_cell, many_cells, nine, floor(), compared()):
        there = held(json.loads(json_report.render(report)))
        shown = list(numbers(sections(report)))
        assert len(shown) > 30
        missing = [n for n in shown if not any(abs(n - t) < 1e-12 for t in there)]
        assert missing == []


def test_a_number_that_json_lacks_is_seen(one_cell: Report):
    there = held(json.loads(json_report.render(one_cell)))
    assert 0.123456789 not in there
    assert list(numbers(sections(one_cell)))  # the walk reaches tables within sections
    kinds = {type(b).__name__ for b in walk(sections(one_cell))}
    assert {"Section", "Heading", "Sentence", "Table", "Failing"} <= kinds


def test_every_text_of_the_blocks_is_on_the_page(one_cell: Report):
    page, lines = markdown.render(one_cell), " ".join(terminal.render(one_cell, width=200, verbosity=1))
    for piece in pieces(sections(one_cell)):
        if isinstance(piece, Value) and piece.estimate.value is not None:
            assert f"{piece.estimate.value:.3f}" in page
            assert f"{piece.estimate.value:.3f}" in lines
        elif isinstance(piece, Number):
            assert piece.text.replace("$", "\\$") in page or piece.text in lines


# the table layout


def table(*rows: tuple[str, str], **options: Any) -> Table:
    columns = (
        TableColumn(head=("what",), name=True),
        TableColumn(head=("how much",)),
        TableColumn(head=("n",), align="right"),
    )
    return Table(
        label="t",
        columns=columns,
        rows=tuple(TableRow(cells=((name,), (value,), (str(len(name)),))) for name, value in rows),
        **options,
    )


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_columns_fit_the_page_and_align(width: int):
    page = Page.of(width, False, "utf-8")
    names = ["short", "包裹在哪里：客户询问", "a-name-" + "x" * 60]
    lines = table_lines(page, table(*((n, "0.5") for n in names)))
    assert all(page.size(line) <= width for line in lines)
    joined = "".join(lines).replace(" ", "")
    assert all(n.replace(" ", "") in joined for n in names), "names are whole"
    if width >= 120:
        starts = {page.size(line.partition("0.5")[0]) for line in lines if "0.5" in line}
        assert len(starts) == 1, "wide characters count twice"
        assert len({page.size(line) for line in lines}) == 1, "numbers end in one column"


def test_a_column_that_may_go_goes_before_digits_do(one_cell: Report):
    def heads(width: int) -> str:
        return next(x for x in terminal.render(one_cell, width=width) if "pass rate" in x)

    assert "drop" in heads(120)
    assert "drop" not in heads(80)
    narrow = terminal.render(one_cell, width=50)
    assert any(re.search(r"\.88 \[\.\d\d, \.93\]", line) for line in narrow)
    for width in (60, 70):
        lines = terminal.render(one_cell, width=width, verbosity=1)
        assert all(len(line) <= width or line.lstrip().startswith("pytest ") for line in lines)


def test_a_number_is_not_broken_over_two_lines():
    (cell,) = build(run_info(), [result(cases=30, variants=2)]).cells
    for width in range(50, 100):
        for line in terminal.render(Report(run=run_info(), cells=(cell,)), width=width):
            assert not line.rstrip().endswith((" 97", "all 9")), line
            assert not line.lstrip().startswith(("%", "ways")), line


# the glossary


def test_every_term_is_explained_and_linked(nine: Report):
    docs = Path(__file__).parents[2] / "docs"
    assert [e.page for e in TERMS.values() if not (docs / e.page).is_file()] == []
    reports = (nine, floor(), compared())
    used = {p.of for report in reports for p in pieces(sections(report)) if isinstance(p, Term)}
    labels = {"kappa", "perturbation"}
    assert used - set(TERMS) - labels == set()
    page = html.render(nine)
    targets = set(re.findall(r'href="#(word-[^"]+)"', page))
    assert targets
    assert targets <= set(re.findall(r'<div id="(word-[^"]+)"', page))
    assert f'href="#{anchor("robust accuracy")}" title="Share of cases that are right in every way' in page
    told = markdown.render(nine)
    assert "[all 9 ways](#words)" in told
    assert "- **robust accuracy**: Share of cases" in told


def test_a_study_has_its_claims_before_its_verdicts_and_a_map(nine: Report):
    page = html.render(nine)
    order = [
        page.index(f'<section id="{key}"')
        for key in ("words", "emergence", "verdicts", "results", "map", "perturbations")
    ]
    assert order == sorted(order)
    assert nine.emergence is not None
    for claim in nine.emergence.claims:
        assert page.index(f"<strong>{claim.claim}</strong>") < page.index('class="plot-svg"')
    (cell,) = [c for c in nine.cells if (c.task, c.model) == ("intents", "ollama/llama3.2")]
    row = next(r for r in cell.perturbations if r.perturbation == "ocr:0.2")
    map_ = page.partition('<section id="map"')[2].partition("</section>")[0]
    shown = re.findall(r"<code>ocr:0.2</code></th>(.*?)</tr>", map_)[0]
    (_, told, _) = re.findall(r'<td class="n ?(\w*)"><b>([^<]*)</b>', shown)
    assert told == (heat(row.drop.value), f"{-100 * row.drop.value:+.0f}")
    assert (heat(0.019), heat(0.02), heat(0.13), heat(0.5), heat(-0.06)) == ("l1", "l1", "l3", "l5", "g2")
    assert heat(0.01) == ""


def test_the_comparison_comes_before_the_cases():
    page = html.render(compared())
    assert page.index('<section id="comparison"') < page.index('<section id="cases"')
    assert page.index('<section id="words"') < page.index('<section id="verdicts"')
