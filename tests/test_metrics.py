"""Metric names: thresholds read like assertions, and mistakes in them are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from robusttest import metrics
from robusttest.core.nouns import CellKey, Record, Threshold
from robusttest.engine.cell import Cell
from robusttest.errors import ThresholdError, UnknownNameError, UsageError
from robusttest.metrics import (
    METRICS,
    accuracy,
    drop,
    flip_rate,
    get_metric,
    metric,
    parse_threshold,
    pass_at,
    pass_hat,
    robust_accuracy_at,
    thresholds,
    wrong_to_right,
)
from robusttest.report import html, json, markdown, terminal
from robusttest.report.build import build
from robusttest.stats.cell.estimates import estimate, estimates
from robusttest.stats.cell.frame import frames
from robusttest.stats.cell.gates import judge
from robusttest.store import new_run


def test_comparisons_make_thresholds():
    assert (accuracy >= 0.9) == Threshold(metric="accuracy", op=">=", limit=0.9)
    made = flip_rate["ocr:0.2"] <= 0.05
    assert (made.metric, made.op, made.limit, made.perturbation) == ("flip_rate", "<=", 0.05, "ocr:0.2")
    assert str(made) == "flip_rate[ocr:0.2] <= 0.05"
    assert str(drop <= -0.5) == "drop <= -0.5"


@pytest.mark.parametrize(
    "text",
    [
        "accuracy >= 0.9",
        "flip_rate[keyboard] <= 0.05",
        "flip_rate['ocr:0.2']<=0.05",
        'drop["a"] ≤ 0',
        "accuracy>=90%",
    ],
)
def test_texts_mean_the_same(text):
    made = parse_threshold(text)
    assert parse_threshold(str(made)) == made
    if "90%" in text:
        assert made == (accuracy >= 0.9)


@pytest.mark.parametrize(
    "make",
    [
        lambda: accuracy <= 0.9,
        lambda: flip_rate >= 0.1,
        lambda: accuracy >= 1.5,
        lambda: accuracy >= 90,
        lambda: accuracy >= -0.1,
        lambda: accuracy > 0.9,
        lambda: accuracy < 0.9,
        lambda: accuracy == 0.9,
        lambda: accuracy >= "0.9",
        lambda: accuracy >= True,
        lambda: accuracy >= float("nan"),
        lambda: bool(accuracy),
        lambda: bool(accuracy >= 0.9),
        lambda: 0.8 <= accuracy <= 0.9,
        lambda: accuracy[""],
        lambda: accuracy[1],
        lambda: accuracy["a"]["b"],
        lambda: parse_threshold("accuracy"),
        lambda: parse_threshold("accuracy => 0.9"),
        lambda: parse_threshold("accuracy >= high"),
        lambda: parse_threshold("accuracy > 0.9"),
        lambda: parse_threshold("accuracy == 0.9"),
        lambda: parse_threshold("flip_rate[] <= 0.9"),
        lambda: parse_threshold("accuracy >= nan"),
    ],
)
def test_mistakes_are_refused(make):
    with pytest.raises(ThresholdError):
        make()


def test_percent_is_hinted_at():
    with pytest.raises(ThresholdError, match=r"for 90 % write 0\.9"):
        accuracy.__ge__(90)


def test_unknown_metrics_say_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'accuracy'"):
        parse_threshold("acuracy >= 0.9")


def test_every_metric_is_importable_by_its_name():
    for name, m in METRICS.items():
        assert getattr(metrics, name) is m is get_metric(name)
        assert m.definition
        assert m.direction in ("up", "down", "info")


def test_an_informative_metric_takes_no_threshold():
    for make in (lambda: wrong_to_right >= 0.1, lambda: wrong_to_right <= 0.1):
        with pytest.raises(ThresholdError, match="no better direction"):
            make()


def test_metrics_are_names():
    assert flip_rate["a"] == flip_rate["a"] != flip_rate
    assert len({flip_rate, flip_rate["a"], flip_rate["a"]}) == 2
    assert repr(flip_rate["a"]) == "<metric flip_rate[a]>"


def test_the_table_is_whole():
    for m in METRICS.values():
        assert m.by, m.name
        assert m.label, m.name
        assert m.definition, m.name
        if m.alias_of is not None:
            assert METRICS[m.alias_of].by == m.by
            assert METRICS[m.alias_of].alias_of is None
        if m.signed:
            assert (m.low, m.high) == (-1.0, 1.0)


def test_numbered_metrics_go_by_their_number():
    assert (pass_hat(3) >= 0.5) == parse_threshold("pass^3 >= 0.5")
    assert str(pass_at(2)["keyboard"] >= 0.5) == "pass@2[keyboard] >= 0.5"
    assert robust_accuracy_at(4).name == "robust_accuracy@4"
    for wrong in ("pass^0", "pass^", "pass", "accuracy@2", "pass^-1"):
        with pytest.raises((UnknownNameError, ThresholdError)):
            parse_threshold(f"{wrong} >= 0.5")


@pytest.fixture
def top2():
    @metric("top2", direction="higher")
    def top2(records):
        """Share of replies that name the target among their first two."""
        return sum(r.target in (r.answer or [])[:2] for r in records) / len(records)

    yield top2
    del METRICS["top2"]


def test_a_metric_of_your_own(top2):
    rows = [
        Record(
            task="t", model="m", case_id=f"c{i}", variant=f"typo#{v}" if v else "", perturbation="typo" if v else "",
            level="input" if v else "reference", score=1.0, target="a", answer=["b", "a"] if v < 2 or i else ["b", "c"],
        )
        for i in range(30)
        for v in range(3)
    ]  # fmt: skip
    (cell,) = frames(rows)
    found = estimate(cell, "top2")
    assert found.value == pytest.approx((29 + 2 / 3) / 30)
    assert found.low < found.value < found.high
    assert estimate(cell, "top2", "typo").value == pytest.approx((29 + 2 / 3) / 30)
    assert estimate(cell, "top2", "typo").n == 30
    assert (top2["typo"] >= 0.9) == parse_threshold("top2[typo] >= 0.9")
    assert judge(cell, top2 >= 0.5).status == "passed"
    assert judge(cell, parse_threshold("top2 >= 99%")).status == "failed"
    assert top2(rows[:1]) == 1
    assert {("top2", None), ("top2", "typo")} <= {(e.metric, e.perturbation) for e in estimates(cell)}


def test_a_metric_of_your_own_is_in_every_output(top2):
    rows = [
        Record(
            task="t",
            model="m",
            case_id=f"c{i}",
            variant=v,
            perturbation=v[:6],
            score=1.0,
            target="a",
            answer=["a"],
        )
        for i in range(12)
        for v in ("", "casing#0")
    ]
    result = Cell(CellKey(None, "t", "m"), rows, thresholds=[parse_threshold("top2 >= 0.5")])
    assert result.top2.value == 1
    assert result["casing"].top2.value == 1
    assert [v.status for v in result.verdicts] == ["passed"]
    report = build(new_run(models=["m"]), [result])
    for renderer in (json, markdown, html):
        assert "top2" in renderer.render(report), renderer.__name__
    assert "top2" in "\n".join(terminal.render(report, width=120))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda records: 2.0, r"metric 'top2', case 'c': 2\.0 is not a number in \[0, 1\], nor None"),
        (lambda records: float("nan"), "nan is not a number"),
        (lambda records: "much", "'much' is not a number"),
        (lambda records: records[5], "IndexError"),
    ],
)
def test_what_a_metric_of_your_own_may_not_return(top2, function, message):
    METRICS["top2"] = replace(top2, own=function)
    (cell,) = frames([Record(task="t", model="m", case_id="c", score=1.0)])
    with pytest.raises(UsageError, match=message):
        estimate(cell, "top2")


def test_names_that_a_metric_of_your_own_may_not_have(top2):
    with pytest.raises(ThresholdError, match="taken"):
        metric("accuracy", direction="higher")(len)
    with pytest.raises(ThresholdError, match="taken"):
        metric("top2", direction="higher")(len)
    metric("top2", direction="lower")(top2.own)  # the same function again: its module was imported twice
    with pytest.raises(ThresholdError, match="letters, digits"):
        metric("top 2", direction="higher")
    with pytest.raises(UnknownNameError, match="direction"):
        metric("other", direction="up")


def test_a_case_that_a_metric_of_your_own_says_nothing_of_is_left_out(top2):
    METRICS["top2"] = replace(top2, own=lambda records: None if records[0].case_id == "c0" else 1)
    (cell,) = frames([Record(task="t", model="m", case_id=f"c{i}", score=0.0) for i in range(4)])
    assert (estimate(cell, "top2").value, estimate(cell, "top2").n) == (1.0, 3)


def test_a_dict_of_limits_has_no_direction():
    with pytest.raises(UsageError, match=r"expect=: .* is a dict: .*\[accuracy >= 0.9\]"):
        thresholds({"accuracy": 0.9}, "expect=")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["flip_rate=0.1<0.2"], "it compares twice; a threshold has one limit"),
        (["0.1 <= flip_rate <= 0.2"], "it compares twice"),
        (["flip_rate <= 0.1 <= 0.2"], "it compares twice"),
        (["accuracy = 0.9"], "write >= or <= for ="),
        ([0.1 < 0.2], "Python has compared two numbers there"),
        ({"accuracy": 0.9}, "is a dict: list thresholds with their direction, as in [accuracy >= 0.9]"),
        ({"flip_rate": 0.1}, "as in [flip_rate <= 0.1]"),
    ],
)
def test_what_is_no_threshold_is_told_how_to_be_written(given, said):
    with pytest.raises(UsageError) as e:
        thresholds(given, "expect")
    assert said in str(e.value)
