from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from worlds import case_scores, cell_of_scores

from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.spread import (
    cochran_q,
    cross_fit_gaps,
    normal_spreads,
    shuffled_spreads,
    spread_test,
)


def test_example_a(example_a):
    t = spread_test(example_a)
    assert (t.spread, t.q, t.q_df) == pytest.approx((1 / 3, 4.0, 3))
    assert t.q_p == pytest.approx(0.261464, abs=5e-7)
    assert (t.n, t.variants) == (6, 4)
    assert t.spread == pytest.approx(estimate(example_a, "spread").value)
    assert 0.2 < t.p < 0.9


def test_cochran_by_hand_for_two_variants_is_mcnemar_without_correction():
    y = np.array([[1, 0]] * 12 + [[0, 1]] * 3 + [[1, 1]] * 20, dtype=float)
    q, _ = cochran_q(y)
    assert q == pytest.approx((12 - 3) ** 2 / 15)


@pytest.mark.parametrize(
    ("p", "n", "k", "mean", "high"),
    [
        (0.8, 100, 4, 0.082, 0.14),
        (0.8, 100, 24, 0.155, 0.21),
        (0.95, 100, 24, 0.083, 0.11),
        (0.5, 100, 10, 0.153, 0.22),
    ],
)
def test_noise_alone_spreads_independent_cases_this_far(p, n, k, mean, high):
    """Shuffling cases that are all equally hard gives the bound of independent cases."""
    rng = np.random.default_rng(1)
    drawn = np.concatenate(
        [shuffled_spreads((rng.random((n, k)) < p).astype(float), rng, 200) for _ in range(10)]
    )
    assert drawn.mean() == pytest.approx(mean, abs=0.006)
    assert np.quantile(drawn, 0.95) == pytest.approx(high, abs=0.012)


def test_level_and_power():
    rng = np.random.default_rng(2)
    harm = np.array([0.0, 0, 0, 0, 0.25])
    level = power = q_level = 0
    runs = 150
    for i in range(runs):
        same = cell_of_scores(case_scores(rng, 0.8, 0.6, 80, 5))
        other = cell_of_scores(case_scores(rng, 0.8, 0.6, 80, 5) * (rng.random((80, 5)) >= harm))
        t = spread_test(same, resamples=199, seed=i)
        level += t.p <= 0.05
        q_level += t.q_p <= 0.05
        power += spread_test(other, resamples=199, seed=i).p <= 0.05
    assert level / runs <= 0.05 + 2 * 0.018
    assert q_level / runs <= 0.05 + 2 * 0.018
    assert power / runs >= 0.8


def test_cross_fit_is_not_biased_up():
    rng = np.random.default_rng(3)
    naive, fair, covered = [], [], 0
    for i in range(60):
        t = spread_test(cell_of_scores(case_scores(rng, 0.8, 0.5, 60, 8)), resamples=1, seed=i)
        naive.append(t.spread)
        fair.append(t.cross_fit)
        covered += t.cross_fit_low <= 0 <= t.cross_fit_high
    assert np.mean(naive) > 0.08
    assert abs(np.mean(fair)) < 0.015
    assert covered / 60 >= 0.88


def test_cross_fit_finds_a_real_spread():
    y = np.column_stack([np.ones(40), np.ones(40), np.zeros(40)])
    assert cross_fit_gaps(y, np.random.default_rng(0)) == pytest.approx(np.ones(40))


def test_the_same_whatever_the_order_of_cases(example_a):
    rng = np.random.default_rng(4)
    cell = cell_of_scores(case_scores(rng, 0.7, 0.5, 30, 6))
    assert spread_test(cell) == spread_test(cell.take_cases(np.arange(30)[::-1]))
    assert spread_test(cell).p != spread_test(cell, seed=1).p or spread_test(cell).p > 0.9


def test_monte_carlo_error_is_what_other_seeds_do():
    cell = cell_of_scores(case_scores(np.random.default_rng(5), 0.7, 0.5, 40, 6))
    tests = [spread_test(cell, resamples=200, seed=s) for s in range(30)]
    assert np.std([t.p for t in tests]) == pytest.approx(np.mean([t.p_error for t in tests]), rel=0.4)


def test_nothing_differs():
    t = spread_test(cell_of_scores(np.ones((10, 4), dtype=int)))
    assert (t.spread, t.p, t.null_high, t.q) == (0, 1, 0, None)
    assert t.reason
    assert "nan" not in str(asdict(t)).lower()


def test_undefined(example_a):
    t = spread_test(example_a.take([0]))
    assert t.spread is None
    assert t.reason


def test_the_normal_limit_of_many_shuffles():
    rng = np.random.default_rng(6)
    y = case_scores(rng, 0.8, 0.6, 200, 12).astype(float)
    exact, limit = shuffled_spreads(y, rng, 3000), normal_spreads(y, rng, 3000)
    assert limit.mean() == pytest.approx(exact.mean(), rel=0.03)
    assert np.quantile(limit, 0.95) == pytest.approx(np.quantile(exact, 0.95), rel=0.05)
    for harm in (0.0, 0.03, 0.08):
        cell = cell_of_scores(
            case_scores(rng, 0.85, 0.6, 150, 8) * (rng.random((150, 8)) >= harm * np.arange(8) / 7)
        )
        full, fast = spread_test(cell), spread_test(cell, most_scores=0)
        assert (full.method, fast.method) == ("permutation", "permutation, normal limit")
        assert fast.p == pytest.approx(full.p, abs=0.05)
        assert fast.spread == full.spread
