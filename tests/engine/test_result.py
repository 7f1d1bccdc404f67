"""Results: metrics by name, verdicts, worst variants, what is printed."""

from __future__ import annotations

import pytest

from robusttest.core.nouns import CellKey, Record
from robusttest.engine.cell import Cell
from robusttest.errors import UnknownNameError, UsageError
from robusttest.metrics import METRICS, accuracy, flip_rate
from robusttest.settings import Settings


def rows() -> list[Record]:
    """Two cases: the first is right but under the second typo, the second wrong but under the first."""
    table = [
        ("a", "", 1, "x"), ("a", "keyboard#0", 1, "x"), ("a", "keyboard#1", 0, "y"), ("a", "ocr:0.2#0", 0, "z"),
        ("b", "", 0, "y"), ("b", "keyboard#0", 1, "x"), ("b", "keyboard#1", 0, "y"), ("b", "ocr:0.2#0", 0, "y"),
    ]  # fmt: skip
    return [
        Record(task="t", model="m", case_id=case, variant=variant, perturbation=variant.partition("#")[0],
               level="input" if variant else "reference", index=int(variant[-1]) if variant else 0,
               score=float(score), answer=answer, target="x", text=f"{case} {variant}")
        for case, variant, score, answer in table
    ]  # fmt: skip


def result(**changes) -> Cell:
    return Cell(CellKey(None, "t", "m"), rows(), **changes)


def test_every_metric_is_an_attribute():
    made = result()
    assert made.accuracy.value == 0.5
    assert made.flip_rate.value == pytest.approx((2 / 3 + 1 / 3) / 2)
    for name in METRICS:
        assert getattr(made, name).metric == name
    assert set(METRICS) <= set(dir(made))


def test_metrics_at_one_perturbation():
    made = result()
    assert made["keyboard"].flip_rate.value == 0.5
    assert made["ocr"].pass_rate.value == made["ocr:0.2"].pass_rate.value == 0.0
    assert [r.variant for r in made["ocr"].records] == ["ocr:0.2#0"] * 2
    assert made.perturbations == ("keyboard", "ocr:0.2")
    with pytest.raises(UnknownNameError, match="Did you mean 'keyboard'"):
        made["keybord"]


def test_a_wrong_name_says_the_nearest():
    with pytest.raises(AttributeError, match="Did you mean 'accuracy'"):
        result().acuracy
    with pytest.raises(AttributeError):
        result()._private


def test_verdicts_follow_the_settings():
    limits = [accuracy >= 0.9, flip_rate["keyboard"] <= 0.9]
    assert [v.status for v in result(thresholds=limits).verdicts] == ["failed", "passed"]
    careful = result(thresholds=limits, settings=Settings(inconclusive="fail"))
    assert [v.status for v in careful.verdicts] == ["inconclusive", "inconclusive"]
    assert not careful.passed
    assert result().passed


def test_without_records_nothing_is_claimed():
    empty = Cell(CellKey(None, "t", "m"), [], thresholds=[accuracy >= 0.5])
    assert empty.frame is None
    assert (empty.accuracy.value, empty.accuracy.reason) == (None, "no_data")
    assert empty.coverage is None
    assert [v.status for v in empty.verdicts] == ["error"]
    assert empty.worst() == []
    assert "no calls" in str(empty)


def test_errors_lower_coverage():
    lost = Record(task="t", model="m", case_id="a", variant="x#0", perturbation="x", status="error")
    made = Cell(CellKey(None, "t", "m"), [*rows(), lost])
    assert made.coverage == pytest.approx(8 / 9)
    judged = [accuracy >= 0.1, flip_rate <= 0.9]
    strict = Cell(CellKey(None, "t", "m"), [*rows(), lost], thresholds=judged)
    loose = Cell(
        CellKey(None, "t", "m"), [*rows(), lost], thresholds=judged, settings=Settings(min_coverage=0.8)
    )
    assert strict.verdicts[1].status == "error"
    assert loose.verdicts[1].status == "passed"


def test_the_worst_are_flips_of_right_cases_first():
    assert [(r.case_id, r.variant) for r in result().worst(2)] == [("a", "keyboard#1"), ("a", "ocr:0.2#0")]
    backwards = Cell(CellKey(None, "t", "m"), rows()[::-1]).worst(2)
    assert {r.case_id for r in backwards} == {"a"}
    assert len(result().worst(None)) == 5
    assert all(r.score < 1 for r in result().worst(None))


def test_a_result_is_of_one_task_and_model():
    other = Record(task="u", model="m", case_id="a", score=1.0)
    with pytest.raises(UsageError, match="of 2"):
        Cell(CellKey(None, "t", "m"), [*rows(), other]).frame


def test_a_frame_has_a_row_for_each_record():
    pytest.importorskip("pandas")
    frame = result().to_frame()
    assert len(frame) == len(result()) == 8
    assert list(frame["case_id"])[:4] == ["a"] * 4


def test_what_is_shown_is_short_and_escaped():
    made = Cell(CellKey(None, "<t>", "m"), rows(), thresholds=[accuracy >= 0.9])
    lines = str(made).splitlines()
    assert len(lines) <= 12
    assert "0.500" in lines[1]
    assert "n=2" in lines[1]
    html = made._repr_html_()
    assert "<t>" not in html
    assert "&lt;t&gt;" in html
    assert "accuracy &gt;= 0.9" in html
    assert repr(result()) == "<result of 't' × 'm': 8 records>"


def test_a_result_is_made_by_names_too():
    from robusttest import Record, Result

    rows = [Record(task="t", model="m", case_id=f"c{i}", score=float(i > 0), answer="x") for i in range(4)]
    for made in (
        Result("t", "m", rows),
        Result("t", "m", rows, test="test_it.py::test_it"),
        Result("t", model="m", records=rows),
    ):
        assert (made.task, made.model, made.accuracy.value) == ("t", "m", 0.75)
    assert Result("t", "m", rows, test="x").test == "x"
