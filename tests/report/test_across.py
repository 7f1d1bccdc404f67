"""What a report says of several cells together."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from markupsafe import escape
from synthetic_results import made_cell, records, result, run_info
from test_report_terminal import same_as_golden

from robusttest.cli.analyze import report_of
from robusttest.core.nouns import Estimate, Record
from robusttest.report import html, markdown
from robusttest.report import json as json_report
from robusttest.report.build import build
from robusttest.report.html import plots
from robusttest.report.model import Report, label
from robusttest.report.terminal import render
from robusttest.report.told import told


def test_three_models_on_three_tasks_are_set_against_accuracy(nine: Report):
    e = nine.emergence
    assert (len(e.models), len(e.tasks), len(e.points)) == (3, 3, 9)
    same_as_golden("nine-80.txt", render(nine, width=80))


def test_json_holds_the_analysis_and_the_advice(nine: Report):
    data = json.loads(json_report.render(nine))
    assert [c["key"] for c in data["emergence"]["claims"]] == [
        "competence",
        "task_not_model",
        "models_alike",
    ]
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
    assert "of the model.** Cannot tell: " in page
    assert "errors stay when reworded" in page


def test_each_figure_says_what_is_to_be_seen_and_on_which_accuracy_it_stands(nine: Report):
    page = html.render(nine)
    for metric, caption in plots.CAPTIONS.items():
        assert f"<b>{label(metric)}</b> against overall accuracy" in page
        assert str(escape(caption)) in page
    assert page.count(">overall accuracy</text>") == 3
    # a figure without a dot is not drawn, nor is a row of a table with no cell behind it
    e = nine.emergence
    none = Estimate(metric="output_consistency", value=None, reason="no answers recorded")
    points = tuple(replace(p, output_consistency=none) for p in e.points)
    relations = tuple(
        replace(r, n=0, slope=None) if r.metric == "output_consistency" else r for r in e.relations
    )
    bare = replace(nine, emergence=replace(e, points=points, relations=relations))
    page = html.render(bare)
    assert page.count(">overall accuracy</text>") == 2
    assert "| consistency | all |" in markdown.render(nine)
    assert "| consistency | all |" not in markdown.render(bare)


def test_perturbations_without_an_unperturbed_prompt_make_no_map():
    def report(reference: bool) -> Report:
        return report_of(
            [
                Record(
                    task="t", model=m, case_id=f"c{i}", variant=v, perturbation=v, score=1.0, answer="A",
                    level="input" if v else "reference",
                )
                for m in ("a", "b") for i in range(3) for v in (("", "p") if reference else ("p", "q"))
            ]
        )  # fmt: skip

    assert "## Perturbations and models" in markdown.render(report(True))
    assert "## Perturbations and models" not in markdown.render(report(False))


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
    assert told(many_cells.emergence) == []
    assert "Robustness against accuracy" not in markdown.render(many_cells)


def test_no_advice_where_there_is_nothing_to_compare():
    rows = [r for r in records() if not r.variant]
    (cell,) = build(run_info(), [made_cell("t", "m", None, rows)]).cells
    assert cell.advice is None


def test_an_adaptive_run_stopped_on_other_questions(nine: Report):
    made = result()
    made.adaptive = SimpleNamespace(lines=["stopped early"])
    (cell,) = build(run_info(), [made]).cells
    assert (cell.advice, cell.spread, cell.over_prompts) == (None, None, None)
    full = [result(model=f"m{i}", cases=30) for i in range(2)]
    assert build(run_info(), [made, full[0]]).emergence is None
    assert len(build(run_info(), [made, *full]).emergence.points) == 2


def test_spread_is_set_against_noise(one_cell: Report):
    (cell,) = one_cell.cells
    assert cell.spread.spread == pytest.approx(cell.overall["spread"].value, abs=0.02)  # of whole cases
    data = json.loads(json_report.render(one_cell))["cells"][0]["spread"]
    assert data["p"] == cell.spread.p
    assert 0 < data["p"] <= 1
    assert data["q_df"] is None or data["q_df"] == 20
    prompts = json.loads(json_report.render(one_cell))["cells"][0]["over_prompts"]
    assert prompts["low"] < prompts["value"] < prompts["high"]
    assert "by noise alone up to" in markdown.render(one_cell)


@pytest.fixture(scope="module")
def over_a_floor() -> Report:
    rows = [
        replace(r, level="repeat") if r.perturbation == "repeat" else r
        for r in records(harm={"keyboard": 0.1, "ocr:0.2": 0.2, "repeat": 0.05}, variants=4)
    ]
    return build(run_info(), [made_cell("support-intents", "m", rows[0].test, rows)])


def test_flips_and_drops_are_told_over_the_floor(over_a_floor: Report):
    by_name = {r.perturbation: r for r in over_a_floor.cells[0].perturbations}
    net = by_name["keyboard"].net_flip_rate
    assert net.value == pytest.approx(by_name["keyboard"].flip_rate.value - by_name["repeat"].flip_rate.value)
    assert net.low < net.value < net.high
    same_as_golden("floor-80.txt", render(over_a_floor, width=80))
    wide = "\n".join(render(over_a_floor, width=120))
    assert "net flip rate" in wide
    assert "net drop" in wide
    assert f"{by_name['ocr:0.2'].net_drop.value:.3f}" in wide
    page = markdown.render(over_a_floor)
    assert "| net flip rate | net drop |" in page
    assert f"{net.value:.3f} [{net.low:.3f}, {net.high:.3f}]" in page


def test_without_repeats_there_is_no_floor(one_cell: Report):
    assert "net flip" not in "\n".join(render(one_cell, width=120)) + markdown.render(one_cell)


def test_a_table_of_negative_numbers_fits_the_page(nine: Report):
    def worst(c):
        return replace(
            c,
            overall={
                m: replace(e, value=-0.46, low=-0.53, high=-0.39) if m in ("consistency_icc", "drop") else e
                for m, e in c.overall.items()
            },
        )

    lines = render(replace(nine, cells=tuple(map(worst, nine.cells))), width=80)
    assert "-.46 [-.53, -.39] -.46 [-.53, -.39]" in "\n".join(lines)
    assert max(map(len, lines)) <= 80
