from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robusttest.stats.cell.intervals import (
    Spread,
    _weights,
    bootstrap,
    cluster_df,
    cp_lower,
    cp_upper,
    difference,
    effective_n,
    fisher_z,
    jackknife_se,
    leave_one_out,
    mean_se,
    proportion,
    ratio_of_sums,
    t_interval,
    t_quantile,
    tango,
    wilson,
    z_quantile,
)

EXAMPLE_A_MEANS = np.array([1, 0.75, 0.75, 0.25, 0.25, 0])


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (2, 6, 0.096771, 0.700007),
        (0, 6, 0, 0.390334),
        (6, 6, 0.609666, 1),
        (18, 20, 0.698966, 0.972134),
        (95, 100, 0.888250, 0.978456),
    ],
)
def test_wilson_reference_values(k, n, low, high):
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-7)


def clopper_pearson(k, n):
    """The exact interval of 95 %, by its two limits."""
    return cp_lower(k, n, 0.025), cp_upper(k, n, 0.025)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (2, 6, 0.043272, 0.777222),
        (0, 6, 0, 0.459258),
        (6, 6, 0.540742, 1),
        (18, 20, 0.683017, 0.987651),
        (95, 100, 0.887165, 0.983568),
    ],
)
def test_clopper_pearson_reference_values(k, n, low, high):
    assert clopper_pearson(k, n) == pytest.approx((low, high), abs=5e-7)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_both_intervals_are_scipys(kn):
    k, n = kn
    found = stats.binomtest(k, n)
    assert wilson(k, n) == pytest.approx(tuple(found.proportion_ci(method="wilson")), abs=1e-9)
    assert clopper_pearson(k, n) == pytest.approx(tuple(found.proportion_ci(method="exact")), abs=1e-9)


@pytest.mark.parametrize(
    ("k", "n", "lower"), [(18, 20, 0.717381), (90, 100, 0.836282), (95, 100, 0.897747), (100, 100, 0.970487)]
)
def test_one_sided_lower_limits(k, n, lower):
    assert cp_lower(k, n) == pytest.approx(lower, abs=5e-7)
    assert cp_upper(n - k, n) == pytest.approx(1 - lower, abs=5e-7)


@pytest.mark.parametrize(
    ("p", "se", "n", "n_eff", "lower"),
    [(0.9, 0.025, 100, 144, 0.848964), (0.96, 0.012, 100, 150, 0.922582)],
)
def test_case_means_on_the_effective_n(p, se, n, n_eff, lower):
    found = effective_n(p, n, Spread(se, n - 1, None))
    assert found == pytest.approx(n_eff)
    assert cp_lower(p * found, found) == pytest.approx(lower, abs=5e-7)


def test_example_a_as_case_means():
    spread = mean_se(EXAMPLE_A_MEANS)
    assert spread.se == pytest.approx(0.158114, abs=5e-7)
    assert effective_n(0.5, 6, spread) == pytest.approx(9)
    limits = proportion(EXAMPLE_A_MEANS)
    assert limits.lower == pytest.approx(0.208684, abs=5e-7)
    assert limits.method == "case-means"
    assert (limits.low, limits.high) == pytest.approx(wilson(4.5, 9, quantile=stats.t.ppf(0.975, 5)))
    t = t_interval(0.5, spread)
    assert (t.low, t.high) == pytest.approx((0.093555, 0.906445), abs=5e-7)


def test_yes_no_cases_stand_on_n():
    limits = proportion(np.array([1.0, 1, 0, 0, 0, 0]))
    assert limits.method == "wilson"
    assert (limits.low, limits.high) == pytest.approx(wilson(2, 6))
    assert (limits.lower, limits.upper) == pytest.approx((cp_lower(2, 6), cp_upper(2, 6)))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_variance_is_not_certainty(value):
    limits = proportion(np.full(6, value))
    assert limits.low == pytest.approx(0.609666 if value else 0, abs=5e-7)
    assert limits.upper - limits.lower > 0.3


def test_no_variance_of_clustered_cases_stands_on_the_clusters():
    limits = proportion(np.ones(120), np.repeat(np.arange(12), 10))
    assert limits.lower == pytest.approx(0.05 ** (1 / 12), abs=0.06)
    assert limits.lower < cp_lower(120, 120) - 0.1


def test_clusters_of_equal_cases_are_worth_one_case_each():
    x = np.array([1.0, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1])
    apart, together = proportion(x), proportion(np.repeat(x, 10), np.repeat(np.arange(12), 10))
    assert mean_se(np.repeat(x, 10), np.repeat(np.arange(12), 10)).se == pytest.approx(mean_se(x).se)
    assert together.lower <= apart.lower
    assert together.method == "case-means, 12 clusters (3 with a failure)"


def test_cluster_price_is_the_squared_ratio_of_t_quantiles():
    rng = np.random.default_rng(1)
    x, index = rng.random(60), np.repeat(np.arange(20), 3)
    p, spread = x.mean(), mean_se(x, index)
    n_eff = min(p * (1 - p) / spread.se**2, 60) * (stats.t.ppf(0.95, 59) / stats.t.ppf(0.95, 19)) ** 2
    assert proportion(x, index).lower == pytest.approx(stats.beta.ppf(0.05, p * n_eff, n_eff - p * n_eff + 1))


def test_fewer_than_ten_clusters_give_no_gate():
    limits = proportion(np.linspace(0, 1, 27), np.repeat(np.arange(9), 3))
    assert limits.lower is None
    assert limits.upper is None
    assert limits.low is not None
    assert "9 clusters" in limits.reason


def test_clustered_error_leaves_out_each_cluster():
    x, index = np.array([0.1, 0.4, 0.8, 0.9, 0.3, 1.0, 0.2]), np.array([0, 0, 1, 1, 2, 2, 2])
    left = np.array([x[index != g].mean() for g in range(3)])
    assert mean_se(x, index).se == pytest.approx(math.sqrt(2 / 3 * ((left - left.mean()) ** 2).sum()))
    assert mean_se(x, index).flat == pytest.approx(49 / 17)


def test_degrees_of_freedom_are_bell_and_mccaffreys():
    """(tr Γ)²/tr(Γ²), Γ the covariance of the weighted cluster residuals of independent cases, here by matrices."""
    for size in (np.array([4.0, 4, 4, 4, 4]), np.array([1.0, 2, 3, 10, 30])):
        n, g = size.sum(), len(size)
        members = np.repeat(np.eye(g), size.astype(int), axis=1)
        residual = members @ (np.eye(int(n)) - np.ones((int(n), int(n))) / n)
        weighted = residual / (1 - size / n)[:, None]
        gamma = weighted @ weighted.T
        assert cluster_df(size) == pytest.approx(np.trace(gamma) ** 2 / np.trace(gamma @ gamma))
    assert cluster_df(np.full(5, 4.0)) == pytest.approx(4)


def test_clusters_without_a_failure_tell_little():
    """One of 20 clusters has all failures: one degree of freedom."""
    x = np.ones(200)
    x[:6] = 0
    limits = proportion(x, np.repeat(np.arange(20), 10))
    assert limits.method == "case-means, 20 clusters (1 with a failure)"
    assert limits.low < 0.8 < 0.97 < limits.high


@pytest.mark.parametrize(
    ("loss", "gain", "n", "low", "high"),
    [
        (12, 3, 100, -0.173743, -0.015977),
        (9, 1, 50, -0.292936, -0.044509),
        (0, 0, 100, -0.036993, 0.036993),
        (5, 5, 100, -0.070221, 0.070221),
    ],
)
def test_tango_reference_values(loss, gain, n, low, high):
    assert tango(gain, loss, n, quantile=z_quantile(0.975)) == pytest.approx((low, high), abs=6e-7)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.data())
def test_tango_holds_its_estimate_and_mirrors(n, data):
    gain = data.draw(st.integers(0, n))
    loss = data.draw(st.integers(0, n - gain))
    low, high = tango(gain, loss, n, quantile=1.96)
    assert -1 <= low <= (gain - loss) / n <= high <= 1
    assert tango(loss, gain, n, quantile=1.96) == pytest.approx((-high, -low), abs=1e-9)


def test_yes_no_differences_are_tango_and_graded_ones_near_t():
    d = np.concatenate([np.full(12, -1.0), np.full(3, 1.0), np.zeros(85)])
    limits = difference(d)
    assert (limits.low, limits.high) == pytest.approx((-0.173743, -0.015977), abs=6e-7)
    graded = np.random.default_rng(0).choice([-1, -0.5, 0, 0.5, 1], 400, p=[0.1, 0.1, 0.4, 0.2, 0.2])
    limits, t = difference(graded), t_interval(graded.mean(), mean_se(graded))
    assert (limits.low, limits.high) == pytest.approx((t.low, t.high), abs=0.004)


def test_graded_differences_are_students_t():
    tiny = np.random.default_rng(0).uniform(-0.02, 0.02, 100)
    limits = difference(tiny)
    assert (limits.low, limits.high) == pytest.approx(stats.ttest_1samp(tiny, 0).confidence_interval())
    assert limits.method == "case-differences"


def test_where_few_cases_differ_their_signs_count_too():
    d = np.zeros(60)
    d[:5] = -1 / 24
    limits = difference(d)
    signs, t = tango(0, 5, 60, quantile=stats.norm.ppf(0.975)), stats.ttest_1samp(d, 0).confidence_interval()
    assert (limits.low, limits.high) == pytest.approx((signs[0], t.high))
    d[5] = -1 / 24
    assert difference(d).low > -0.01


def test_a_narrow_change_has_a_narrow_interval():
    """60 cases × 24 variants, 14 lose 2 variants each, none gains."""
    d = np.zeros(60)
    d[:14] = -2 / 24
    limits = difference(d)
    assert (limits.low, limits.high) == pytest.approx((-0.029, -0.010), abs=5e-4)
    assert limits.upper < 0


def test_a_difference_that_never_shows_is_not_excluded():
    limits = difference(np.zeros(100))
    assert (limits.low, limits.high) == pytest.approx((-0.036993, 0.036993), abs=6e-7)


def test_ratio_of_sums_with_equal_weights_is_the_mean():
    x = np.array([0.2, 0.9, 0.5, 1.0, 0.0, 0.4])
    ratio, mean = ratio_of_sums(3 * x, np.full(6, 3.0)), proportion(x)
    assert ratio[:4] == pytest.approx(mean[:4])


def test_quantiles_are_scipys():
    assert t_quantile(0.975, 5) == pytest.approx(stats.t.ppf(0.975, 5))
    assert z_quantile(0.95) == pytest.approx(stats.norm.ppf(0.95))
    assert math.isinf(t_quantile(0.975, 0))


def test_jackknife_of_a_mean_is_its_standard_error():
    x = np.random.default_rng(2).random(30)
    replicates = leave_one_out(np.stack([np.ones(30), x], axis=1), lambda sums: sums[..., 1] / sums[..., 0])
    assert jackknife_se(replicates) == pytest.approx(mean_se(x).se)


def test_fisher_z_is_inside_one_and_refuses_a_certain_value():
    limits = fisher_z(0.97, Spread(0.05, 30, None))
    assert 0 < limits.low < limits.lower < 0.97 < limits.upper < limits.high < 1
    assert fisher_z(1.0, Spread(0.0, 30, None)).low is None


def test_bootstrap_is_seeded_by_its_size_alone_and_matches_the_mean():
    x = np.random.default_rng(3).random((80, 1))
    first, again = (bootstrap(x, lambda sums: sums[..., 0] / 80) for _ in range(2))
    assert (first == again).all()
    assert first.std() == pytest.approx(x.std() / math.sqrt(80), rel=0.06)


def test_bootstrap_in_chunks_counts_every_resample():
    x = np.random.default_rng(3).random((5000, 2))
    draws = bootstrap(x, lambda sums: sums[..., 0] / 5000)
    assert draws.shape == (2000,)
    assert draws.std() == pytest.approx(x[:, 0].std() / math.sqrt(5000), rel=0.08)


def test_bootstrap_resamples_whole_clusters():
    x, index = np.repeat(np.arange(10.0), 7)[:, None], np.repeat(np.arange(10), 7)
    draws = bootstrap(x, lambda sums: sums[..., 0] / 70, index)
    assert draws.std() == pytest.approx(np.arange(10.0).std() / math.sqrt(10), rel=0.06)


def test_clusters_without_a_difference_count_once_each():
    limits = difference(np.zeros(120), np.repeat(np.arange(12), 10))
    assert limits.high == pytest.approx(tango(0, 0, 12, quantile=stats.norm.ppf(0.975))[1], abs=1e-9)


@pytest.mark.parametrize("q", [1, 7, 4000])
def test_a_bootstrap_in_pieces_is_one_product(q):
    parts = np.random.default_rng(0).normal(size=(60, q))
    drawn = _weights.__wrapped__(60, 0, 300, 0)
    np.testing.assert_allclose(bootstrap(parts, lambda s: s[:, :2], resamples=300), (drawn @ parts)[:, :2])
