from __future__ import annotations

import pytest

from robusttest.core.nouns import Estimate
from robusttest.report import text
from robusttest.report.history import spark


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.9166, "0.917"), (-0.0004, "0.000"), (-0.0006, "-0.001"), (1.0, "1.000"), (None, "-")],
)
def test_numbers(value: float | None, said: str):
    assert text.number(value) == said


def test_short_numbers_have_no_leading_zero():
    assert text.short(Estimate(metric="x", value=0.917, low=0.819, high=1.0)) == ".92 [.82, 1.0]"
    assert text.short(Estimate(metric="x", value=-0.02, low=-0.05, high=0.0)) == "-.02 [-.05, .00]"
    assert (
        text.short(Estimate(metric="x", value=0.415, low=0.865, high=-0.415)) == ".42 [.87, -.42]"
    )  # as 42 %
    assert text.short(Estimate(metric="x", value=10.5)) == "10.50"
    assert text.short(Estimate(metric="x")) == "-"


def test_all_is_not_said_of_nearly_all():
    assert text.percent(1.0) == "100 %"
    assert text.percent(0.99999) == "99.9 %"
    assert text.percent(0.97) == "97 %"
    assert text.percent(2 / 3) == "66.7 %"
    assert text.percent(None) == "-"


@pytest.mark.parametrize(
    ("dollars", "said"),
    [
        (None, "cost unknown"),
        (0.0, "$0"),
        (0.42, "$0.42"),
        (1234.5, "$1,234.50"),
        (0.0123, "$0.012"),
        (1e-6, "$1.0e-06"),
    ],
)
def test_money(dollars: float | None, said: str):
    assert text.money(dollars) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.84, "0.8 s"), (42, "42 s"), (180, "3 min"), (7200, "2 h"), (3 * 86_400, "3 days")],
)
def test_durations(seconds: float, said: str):
    assert text.duration(seconds) == said


def test_sparklines():
    assert spark([0.1, 0.5, 0.9]) == "▁▅█"
    assert spark([0.5, None, 0.5]) == "▄ ▄"
    assert spark([None]) == ""


def test_p_values_are_never_zero():
    assert [text.p_value(p) for p in (None, 0.0, 0.0009, 0.001, 0.0351, 1.0)] == [
        "-", "<0.001", "<0.001", "0.001", "0.035", "1.000",
    ]  # fmt: skip
