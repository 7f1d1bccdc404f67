from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from robusttest.stats.cell.bca import bca


def ratio(sums):
    return sums[..., 0] / sums[..., 1]


def bca_mean(x, clusters=None, **keywords):
    return bca(np.stack([x, np.ones(len(x))], axis=1), ratio, clusters, **keywords)


def test_scipys_interval():
    x = np.random.default_rng(1).exponential(1, 60)
    ours = bca_mean(x)
    theirs = scipy_bootstrap((x,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(2))
    low, high = theirs.confidence_interval
    assert ours.limits.low == pytest.approx(low, abs=6 * ours.low_error)
    assert ours.limits.high == pytest.approx(high, abs=6 * ours.high_error)
    assert ours.limits.low < ours.limits.lower < x.mean() < ours.limits.upper < ours.limits.high


def test_scipys_interval_of_a_ratio():
    rng = np.random.default_rng(3)
    parts = np.stack([rng.gamma(2, 1, 40), rng.gamma(3, 1, 40)], axis=1)
    ours = bca(parts, ratio)
    theirs = scipy_bootstrap(
        (parts[:, 0], parts[:, 1]), lambda a, b, axis: a.sum(axis) / b.sum(axis), paired=True, method="BCa",
        n_resamples=20_000, vectorized=True, rng=np.random.default_rng(4),
    )  # fmt: skip
    assert (ours.limits.low, ours.limits.high) == pytest.approx(theirs.confidence_interval, abs=0.02)


def test_the_monte_carlo_error_is_what_other_seeds_do():
    x = np.random.default_rng(5).exponential(1, 40)
    found = [bca_mean(x, seed=s) for s in range(30)]
    spread = np.std([b.limits.low for b in found])
    assert spread == pytest.approx(np.mean([b.low_error for b in found]), rel=0.5)


def test_coverage_of_a_skewed_mean():
    rng = np.random.default_rng(6)
    hit = 0
    for _ in range(200):
        limits = bca_mean(rng.beta(4, 0.5, 40)).limits
        hit += limits.low <= 4 / 4.5 <= limits.high
    assert hit / 200 >= 0.9


def test_clusters_are_drawn_whole():
    x = np.repeat(np.random.default_rng(7).random(12), 5)
    clusters = np.repeat(np.arange(12), 5)
    alone, whole = bca_mean(x).limits, bca_mean(x, clusters).limits
    assert whole.high - whole.low > 1.7 * (alone.high - alone.low)


def test_same_seed_same_limits():
    x = np.random.default_rng(8).random(30)
    assert bca_mean(x) == bca_mean(x)


@pytest.mark.parametrize(
    ("x", "why"), [(np.ones(20), "no case varies"), (np.array([0.0, 1, 1]), "3 independent cases, 5 needed")]
)
def test_refused(x, why):
    found = bca_mean(x)
    assert found.limits.low is None
    assert why in found.limits.reason


def test_undefined_resamples_are_counted():
    parts = np.array([[1.0, 0]] * 17 + [[1.0, 1]] * 3)
    found = bca(parts, lambda s: np.where(s[..., 1] > 0, s[..., 1] / s[..., 0], np.nan))
    assert 0 < found.left_out < 500
    assert found.limits.low is not None
    rare = np.array([[1.0, 0]] * 19 + [[1.0, 1]])
    assert "undefined" in bca(rare, lambda s: np.where(s[..., 1] > 0, s[..., 1], np.nan)).limits.reason
