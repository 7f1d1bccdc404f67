"""What notebooks show: escaped, whole, and with figures that stand where the numbers say."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from synthetic_results import records, result, run_info

from robusttest.compare import Version, compare
from robusttest.engine.cell import Result
from robusttest.engine.results import ResultList
from robusttest.errors import StorageError, UsageError
from robusttest.report import notebook
from robusttest.report.build import build
from robusttest.report.html import plots
from robusttest.stats.across.emergence import analyse

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def one() -> Result:
    return result("accuracy >= 0.9")


def test_a_result_shows_its_sentence_thresholds_and_a_figure(one):
    html = one._repr_html_()
    assert re.search(r"right on <b>\d+ %</b> of <b>60</b> cases", html)
    assert "accuracy &gt;= 0.9" in html
    for name in ("keyboard", "ocr:0.2", "casing", "format"):
        assert f">{name}</text>" in html
    assert 'href="#' not in html, "the glossary is not in a notebook"
    assert "<style" not in html
    assert "<script" not in html


def test_a_figure_stands_where_the_numbers_say(one):
    html = one._repr_html_()
    report = build(run_info(), [one])
    (cell,) = report.cells
    axis = plots.effect_axis(e for _, e in plots.effects(cell))
    left = notebook.LETTER * max(len(r.perturbation) for r in cell.perturbations) + notebook.GAP
    values = [r.drop.value for r in cell.perturbations]
    assert len(set(values)) > 1
    drawn = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', html)]
    assert drawn == pytest.approx([left + axis.at(v) for v in values], abs=0.1)


def test_what_a_model_or_a_task_is_called_is_no_markup():
    cell = result("accuracy >= 0.9", task=f"t{EVIL}", model=f"m{EVIL}", cases=12)
    for html in (cell._repr_html_(), ResultList([cell, cell])._repr_html_(), cell.report()._repr_html_()):
        assert EVIL not in html
        assert "alert(1)" in html


def test_a_report_is_a_frame_that_reaches_nothing(one):
    html = one.report()._repr_html_()
    assert html.startswith(
        '<iframe title="robusttest: report" sandbox="allow-scripts allow-downloads" srcdoc="'
    )
    assert html.count("<") == 2, "the page is an attribute"
    assert html.endswith("></iframe>")


@pytest.mark.parametrize(("name", "begins"), [("r.html", "<!doctype html>"), ("r.md", "#"), ("r.json", "{")])
def test_a_report_is_written_by_its_ending(one, tmp_path, name, begins):
    one.report(str(tmp_path / name))
    assert (tmp_path / name).read_text(encoding="utf-8").lstrip().startswith(begins)


def test_what_can_not_be_written_is_refused(one, tmp_path):
    with pytest.raises(UsageError, match=r"the ending says what is written: \.html, \.md"):
        one.report("report.docx")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        one.report(str(tmp_path / "file" / "r.html"))


def test_several_results_are_a_table_of_metrics_and_models():
    few = ResultList([result(model=m, cases=12, seed=i) for i, m in enumerate(("a", "b"))])
    assert list(few.frame.columns) == ["a", "b"]
    assert few.frame.loc["accuracy", "b"] == few[1].accuracy.value
    assert few.frame.loc["flip_rate"].tolist() == [r.flip_rate.value for r in few]
    assert few.frame.loc["net_drop"].isna().all(), "no repeats ran: undefined, not 0"
    two = ResultList([*few, result(task="other", model="a", cases=12)]).frame
    assert list(two.columns) == [("support-intents", "a"), ("support-intents", "b"), ("other", "a")]
    html = few._repr_html_()
    assert html.count("<figure") == 2
    assert "no results" in ResultList()._repr_html_()


def test_figures_beyond_a_handful_are_counted():
    many = ResultList([result(model=f"m{i}", cases=6, seed=i) for i in range(notebook.FIGURES + 2)])
    html = many._repr_html_()
    assert html.count("<figure") == notebook.FIGURES
    assert "2 more figures are in" in html


def test_a_comparison_shows_its_changes():
    old, new = (records(cases=40, accuracy=a) for a in (0.98, 0.6))
    found = compare(Version.of(run_info(), old), Version.of(replace(run_info(), id="new"), new))
    html = found._repr_html_()
    assert "regressed" in html
    assert html.count("<circle") == len([c for c in found.cells[0].changes if c.difference is not None])


def test_claims_show_their_figure():
    cells = [
        result(task=t, model=m, cases=20, variants=2, seed=i, accuracy=a).frame
        for i, (t, a) in enumerate([("x", 0.9), ("y", 0.7), ("z", 0.5)])
        for m in ("a", "b", "c")
    ]
    found = analyse(cells)
    html = found._repr_html_()
    for claim in found.claims:
        assert claim.claim in html
    assert html.count("<circle") == sum(len(s.dots) for s in plots.scatters(found))
    assert html.count("<figure") == len(plots.scatters(found))
