"""Metric names: thresholds read like assertions, and mistakes in them are refused."""

from __future__ import annotations

import pytest

from robusttest import metrics
from robusttest.core.nouns import Threshold
from robusttest.errors import ThresholdError, UnknownNameError
from robusttest.metrics import METRICS, accuracy, drop, flip_rate, get_metric, parse_threshold, wrong_to_right


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
    for name, metric in METRICS.items():
        assert getattr(metrics, name) is metric is get_metric(name)
        assert metric.definition
        assert metric.direction in ("up", "down", "info")


def test_an_informative_metric_takes_no_threshold():
    for make in (lambda: wrong_to_right >= 0.1, lambda: wrong_to_right <= 0.1):
        with pytest.raises(ThresholdError, match="no better direction"):
            make()


def test_metrics_are_names():
    assert flip_rate["a"] == flip_rate["a"] != flip_rate
    assert len({flip_rate, flip_rate["a"], flip_rate["a"]}) == 2
    assert repr(flip_rate["a"]) == "<metric flip_rate[a]>"
