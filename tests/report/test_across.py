"""What a report says of several cells together."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from synthetic_results import FakeResult, records, result, run_info
from test_report_terminal import same_as_golden

from robusttest.report import json as json_report
from robusttest.report import markdown
from robusttest.report.build import build
from robusttest.report.model import Report
from robusttest.report.terminal import render


@pytest.fixture(scope="module")
def nine() -> Report:
    return build(
        run_info(),
        [
            result(
                "accuracy >= 0.5", task=task, model=model, cases=60, variants=2, seed=seed, accuracy=accuracy - 0.02 * m,
                test=f"tests/test_suite.py::test_{task}",
            )
            for seed, (task, accuracy) in enumerate([("intents", 0.95), ("sentiment", 0.8), ("entailment", 0.6)])
            for m, model in enumerate(("openai/gpt-4o-mini", "ollama/llama3.2", "python:desk:v1"))
        ],
    )  # fmt: skip


def test_three_models_on_three_tasks_are_set_against_accuracy(nine: Report):
    e = nine.emergence
    assert (len(e.models), len(e.tasks), len(e.points)) == (3, 3, 9)
    same_as_golden("nine-80.txt", render(nine, width=80))


def test_json_holds_the_analysis_and_the_advice(nine: Report):
    data = json.loads(json_report.render(nine))
    assert [c["key"] for c in data["emergence"]["claims"]] == ["competence", "task_not_model"]
    assert len(data["emergence"]["points"]) == 9
    assert {c["advice"]["kind"] for c in data["cells"]} <= {
        "competence-limited",
        "fragile",
        "saturated",
        "undecided",
    }
    assert all(c["advice"]["reason"] for c in data["cells"])


def test_markdown_tells_it(nine: Report):
    page = markdown.render(nine)
    assert "## Robustness against accuracy" in page
    assert page.count("| intents | ") >= 3
    assert "arithmetic included" in page
    assert "**cannot tell**" in page
    assert "errors stay when reworded" in page


def test_names_are_escaped(nine: Report):
    e = nine.emergence
    bad = replace(e.points[0], task="<b>\x1b[2J|", model="*x*")
    report = replace(nine, emergence=replace(e, points=(bad, *e.points[1:])))
    page, lines = markdown.render(report), "\n".join(render(report))
    assert "<b>" not in page
    assert "\x1b" not in page + lines


def test_one_cell_has_advice_and_no_analysis(one_cell: Report):
    assert one_cell.emergence is None
    assert one_cell.cells[0].advice.kind == "undecided"


def test_few_cells_are_in_json_alone(many_cells: Report):
    assert len(many_cells.emergence.points) == 10
    assert many_cells.emergence.lines == []
    assert "Robustness against accuracy" not in markdown.render(many_cells)


def test_no_advice_where_there_is_nothing_to_compare():
    rows = [r for r in records() if not r.variant]
    (cell,) = build(run_info(), [FakeResult("t", "m", None, rows)]).cells
    assert cell.advice is None


def test_an_adaptive_run_stopped_on_other_questions():
    made = result()
    made.adaptive = SimpleNamespace(lines=["stopped early"])  # type: ignore[attr-defined]
    (cell,) = build(run_info(), [made]).cells
    assert cell.advice is None
