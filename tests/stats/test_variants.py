from __future__ import annotations

import numpy as np
import pytest

from robusttest.stats.estimates import estimate
from robusttest.stats.measures import measures
from robusttest.stats.variants import variant_accuracies


def test_accuracies_of_example_a(example_a):
    assert variant_accuracies(measures(example_a)).tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 3, 1 / 3])


def test_a_missing_reply_is_in_no_variants_mean(cell_of):
    found = variant_accuracies(measures(cell_of(["AB", "A.", "BA"], "AAA")))
    assert found.tolist() == pytest.approx([2 / 3, 0.5])


def test_a_variant_without_any_reply_is_not_the_worst(cell_of):
    cell = cell_of(["AA.", "AB."], "AA")
    assert estimate(cell, "worst_variant_accuracy").value == 0.5
    assert estimate(cell, "spread").value == 0.5


def test_the_bootstrap_is_the_same_each_time_and_about_right(right_wrong):
    rng = np.random.default_rng(8)
    rows = ["1" + "".join("1" if rng.random() < p else "0" for p in (0.9, 0.6)) for _ in range(200)]
    first, again = (estimate(right_wrong(rows), "worst_variant_accuracy") for _ in range(2))
    assert (first.low, first.high) == (again.low, again.high)
    assert first.method == "bootstrap"
    se = np.sqrt(first.value * (1 - first.value) / 200)
    assert first.low == pytest.approx(first.value - 1.96 * se, abs=0.015)
    assert first.lower == pytest.approx(first.value - 1.645 * se, abs=0.015)


@pytest.mark.parametrize(
    ("metric", "low"), [("worst_variant_accuracy", 0.9), ("maxp", 0.9), ("saturation", 0.9)]
)
def test_nothing_varies_and_nothing_is_certain(right_wrong, metric, low):
    e = estimate(right_wrong(["111"] * 60), metric)
    assert e.value == 1
    assert low < e.lower < 0.97


def test_no_spread_seen_leaves_one_open(right_wrong):
    e = estimate(right_wrong(["111"] * 60 + ["000"] * 60), "spread")
    assert e.value == 0
    assert 0.01 < e.upper < 0.05


def test_cps_of_a_perfect_model_has_no_interval(right_wrong):
    e = estimate(right_wrong(["111"] * 60), "cps")
    assert e.value == 1
    assert "unreliable" in e.reason
