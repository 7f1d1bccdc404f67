from __future__ import annotations

import numpy as np
import pytest

from robusttest.stats.cell import variants
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.frame import Column, Frame
from robusttest.stats.cell.intervals import cp_lower


def values(cell):
    return tuple(estimate(cell, name).value for name in ("worst_variant_accuracy", "avgp", "maxp"))


def test_accuracies_of_example_a(example_a):
    # [2/3, 2/3, 1/3, 1/3]
    assert values(example_a) == pytest.approx((1 / 3, 0.5, 2 / 3))


def test_a_missing_reply_is_in_no_variants_mean(cell_of):
    # [2/3, 1/2]
    assert values(cell_of(["AB", "A.", "BA"], "AAA")) == pytest.approx((0.5, 7 / 12, 2 / 3))


def test_a_variant_without_any_reply_is_not_the_worst(cell_of):
    cell = cell_of(["AA.", "AB."], "AA")
    assert estimate(cell, "worst_variant_accuracy").value == 0.5
    assert estimate(cell, "spread").value == 0.5


def test_the_bootstrap_is_the_same_each_time_and_about_right(right_wrong):
    rng = np.random.default_rng(8)
    rows = ["1" + "".join("1" if rng.random() < p else "0" for p in (0.9, 0.6)) for _ in range(200)]
    first, again = (estimate(right_wrong(rows), "worst_variant_accuracy") for _ in range(2))
    assert (first.low, first.high) == (again.low, again.high)
    assert first.method == "bootstrap band"
    # Two variants that fail by themselves (the reference never does): Šidák's quantile of two normal deviates.
    good, bad = (np.sqrt(p * (1 - p) / 200) for p in (0.9, first.value))
    draws = np.random.default_rng(0).normal(size=(200_000, 2)) * (good, bad)
    for limit, p in ((first.low, 0.975), (first.lower, 0.95)):
        assert first.value - limit == pytest.approx(np.quantile(draws.max(axis=1), p), abs=0.008)


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


def test_equal_variants_show_no_spread():
    """A percentile interval of max - min excludes the true 0 about two times in three; here at most one in 20."""
    rng = np.random.default_rng(3)
    wrong = {"worst": 0, "spread": 0}
    for _ in range(120):
        y = (rng.random((80, 5)) < rng.beta(1.7, 0.3, 80)[:, None]).astype(float)
        worst, spread = (estimate(cell_of_scores(y), name) for name in ("worst_variant_accuracy", "spread"))
        wrong["worst"] += not worst.lower <= 0.85 <= worst.upper
        wrong["spread"] += spread.lower > 0
    assert wrong["worst"] <= 12
    assert wrong["spread"] <= 12


def cell_of_scores(y):
    n, k = y.shape
    nothing = np.zeros((n, k), dtype=bool)
    columns = tuple(Column(f"p#{v}", "p", "p", "input") for v in range(k))
    return Frame(
        task="t", model="m", test=None, case_ids=tuple(map(str, range(n))), clusters=(None,) * n, columns=columns,
        scores=y, answers=y.astype(np.int64), replies=None, planned=~nothing, unparsed=nothing, refused=nothing,
        errors=nothing, sensitive=nothing, cut=nothing, known=("p",),
    )  # fmt: skip


def test_few_clusters_give_a_band_to_look_at_and_no_gate(right_wrong):
    clusters = [f"s{i // 10}" for i in range(90)]
    e = estimate(right_wrong(["11", "10", "00"] * 30, clusters=clusters), "spread")
    assert e.low is not None
    assert e.upper is None
    assert "9 clusters" in e.reason


def test_one_failure_in_sixty_is_no_better_known_than_by_counting(right_wrong):
    e = estimate(right_wrong(["111"] * 59 + ["110"]), "worst_variant_accuracy")
    assert e.lower <= cp_lower(59, 60)


def test_of_many_cases_the_band_is_the_bootstraps_without_the_resamples(monkeypatch):
    rng = np.random.default_rng(5)
    chance = rng.beta(3, 1, (2500, 1)) * np.array([1.0, 0.97, 0.95, 0.9])
    y = (rng.random((2500, 4)) < chance).astype(float)
    quick = [
        estimate(cell_of_scores(y), name) for name in ("worst_variant_accuracy", "spread", "maxp", "cps")
    ]
    monkeypatch.setattr(variants, "BOOTSTRAPPED", 10_000)
    for e in quick:
        slow = estimate(cell_of_scores(y), e.metric)
        assert (e.value, e.n, e.method) == (slow.value, slow.n, slow.method)
        for name in ("low", "high", "lower", "upper"):
            assert getattr(e, name) == pytest.approx(getattr(slow, name), abs=0.002), (e.metric, name)


def test_quantiles_of_a_band_are_numpys():
    deviations = np.random.default_rng(0).normal(size=(2000, 3))
    down, up, middle = -deviations[:, 0], deviations[:, 1], deviations[:, 2]
    band = variants.Band(deviations)
    whole = {
        "down": down,
        "up": up,
        "up + down": up + down,
        "middle + down": middle + down,
        "up - middle": up - middle,
    }
    for of, values in whole.items():
        for p in (0.0, 0.05, 0.5, 0.975, 1.0):
            assert band.quantile(of, p) == pytest.approx(np.quantile(values, p), abs=1e-15)
