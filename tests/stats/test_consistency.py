from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robusttest.metrics import METRICS
from robusttest.stats.cell.consistency import (
    latent_r,
    n_failing,
    of_cell,
    parts,
    recoverable_error_spread,
    variances,
)
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.intervals import jackknife_se, leave_one_out
from robusttest.stats.cell.measures import measures


def phi2(z, r):
    """P(X <= z, Y <= z) of a standard bivariate normal with correlation r, by scipy."""
    return stats.multivariate_normal.cdf([z, z], mean=[0, 0], cov=[[1, r], [r, 1]])


def test_example_a(example_a):
    v = of_cell(example_a)
    assert float(v.within) == pytest.approx(0.166667, abs=5e-7)
    assert float(v.total) == pytest.approx(0.275)
    assert float(v.kappa) == pytest.approx(1 / 3)
    assert float(v.icc) == pytest.approx(0.393939, abs=5e-7)


@pytest.mark.parametrize(("read", "se"), [("kappa", 0.239566), ("icc", 0.240935)])
def test_jackknife_errors_of_example_a(example_a, read, se):
    replicates = leave_one_out(parts(measures(example_a)), lambda s: getattr(variances(s), read))
    assert jackknife_se(replicates) == pytest.approx(se, abs=5e-7)


def test_recoverable_error_of_example_a(example_a):
    m = measures(example_a)
    assert recoverable_error_spread(m.within, 1 - m.mean).se == pytest.approx(0.149071, abs=5e-7)
    each = np.stack([m.within, 1 - m.mean], axis=1)
    assert jackknife_se(leave_one_out(each, lambda s: s[..., 0] / s[..., 1])) == pytest.approx(
        0.170244, abs=5e-7
    )


@pytest.mark.parametrize(
    ("p", "kappa", "r", "digits"),
    [
        (0.5, 1 / 3, 0.5, 4),
        (0.8, 0.5, 0.7464, 4),
        (0.9, 0.7, 0.925, 3),
        (0.5, 0.7, 0.891, 3),
        (0.8, 0.7, 0.9081, 4),
        (0.96, 0.7, 0.9427, 4),
    ],
)
def test_latent_r_reference_values(p, kappa, r, digits):
    assert float(latent_r(np.array(p), np.array(kappa))) == pytest.approx(r, abs=0.6 * 10**-digits)


@pytest.mark.parametrize(
    ("p", "kappa"), [(0.5, 0.647), (0.8, 0.616), (0.9, 0.578), (0.95, 0.536), (0.98, 0.482)]
)
def test_a_constant_latent_r_gives_a_falling_kappa(p, kappa):
    z = stats.norm.ppf(p)
    assert (float(phi2(z, 0.85)) - p * p) / (p * (1 - p)) == pytest.approx(kappa, abs=6e-4)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.02, 0.98), st.floats(-0.5, 0.99))
def test_latent_r_solves_its_equation(p, r):
    joint = float(phi2(stats.norm.ppf(p), r))
    assert float(latent_r(np.array(p), np.array((joint - p * p) / (p * (1 - p))))) == pytest.approx(
        r, abs=1e-4
    )


def fleiss(rows):
    """From the n × 2 table of counts, as in the textbook."""
    table = np.array([[r.count("1"), r.count("0")] for r in rows], dtype=float)
    k = table.sum(axis=1)[0]
    share = table.sum(axis=0) / table.sum()
    agree = ((table**2).sum(axis=1) - k) / (k * (k - 1))
    return (agree.mean() - (share**2).sum()) / (1 - (share**2).sum())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("01", min_size=4, max_size=4), min_size=2, max_size=15))
def test_kappa_is_fleiss_and_icc_is_above_it(right_wrong, rows):
    text = "".join(rows)
    cell = right_wrong(rows)
    if "0" not in text or "1" not in text:
        assert estimate(cell, "consistency_kappa").value is None
        return
    kappa, icc = estimate(cell, "consistency_kappa").value, estimate(cell, "consistency_icc").value
    assert kappa == pytest.approx(fleiss(rows))
    assert kappa <= icc + 1e-12 <= 1 + 2e-12


def beta_cases(right_wrong, p, rho, n, k, seed):
    rng = np.random.default_rng(seed)
    shape = 1 / rho - 1
    return right_wrong(
        ["".join(rng.choice(["0", "1"], k, p=[1 - q, q])) for q in rng.beta(p * shape, (1 - p) * shape, n)]
    )


def test_icc_finds_rho_whatever_the_accuracy(right_wrong):
    for p in (0.5, 0.9):
        e = estimate(beta_cases(right_wrong, p, 0.6, 1500, 5, 1), "consistency_icc")
        assert e.value == pytest.approx(0.6, abs=0.06)
        assert e.low < 0.6 < e.high
        assert e.method == "jackknife-z"


def test_few_failing_cases_show_the_point_and_no_gate(right_wrong):
    cell = right_wrong(["1111"] * 31 + ["1101"] * 9)
    e = estimate(cell, "consistency_icc")
    assert n_failing(measures(cell)) == 9
    assert e.value is not None
    assert (e.low, e.lower) == (None, None)
    # At an accuracy of .94 with failures so scattered it takes 15.
    assert e.reason == "interval unreliable: 9 cases with a failure, 15 needed"
    assert estimate(right_wrong(["1111"] * 90 + ["1101"] * 10), "consistency_icc").lower is None
    assert estimate(right_wrong(["1111"] * 85 + ["1101"] * 15), "consistency_icc").lower is not None
    assert estimate(right_wrong(["1111"] * 10 + ["1001"] * 10), "consistency_icc").lower is not None
    lasting = right_wrong(["1111"] * 90 + ["0000"] * 9 + ["1101"])
    assert estimate(lasting, "consistency_icc").lower is not None


@pytest.mark.parametrize(
    "metric",
    ["excess_robust_accuracy", "excess_consistency", "normalised_excess", "cohen_h", "recoverable_error"],
)
def test_all_that_stands_on_failing_cases_needs_ten_of_them(right_wrong, metric):
    few = estimate(right_wrong(["1111"] * 10 + ["1001"] * 5 + ["1000"] * 4), metric)
    assert few.value is not None
    assert few.lower is None
    assert "9 cases with a failure, 10 needed" in few.reason
    assert METRICS[metric].guard
    assert estimate(right_wrong(["1111"] * 10 + ["1001"] * 5 + ["1000"] * 5), metric).lower is not None


def test_below_one_half_it_is_successes_that_count(right_wrong):
    e = estimate(right_wrong(["0000"] * 31 + ["0010"] * 9), "consistency_kappa")
    assert e.reason == "interval unreliable: 9 cases with a success, 15 needed"


def test_perfect_consistency_is_no_certainty(right_wrong):
    """None of 12 failing cases has a success: at most 1 - .05^(1/12) = .221 of such cases have, one-sided."""
    cell = right_wrong(["111"] * 88 + ["000"] * 12)
    phi = estimate(cell, "recoverable_error")
    assert (phi.value, phi.lower, phi.low) == (0, 0, 0)
    assert phi.upper == pytest.approx(1 - 0.05 ** (1 / 12), abs=1e-9) == pytest.approx(0.221, abs=5e-4)
    assert phi.high == pytest.approx(1 - 0.025 ** (1 / 12))
    icc = estimate(cell, "consistency_icc")
    assert (icc.value, icc.upper, icc.method) == (1, 1, "none-of-n")
    assert icc.lower == pytest.approx(1 - 0.221 / 0.88, abs=1e-3)
    assert estimate(cell, "latent_r").lower < 1
    always = estimate(right_wrong(["111"] * 88 + ["000"] * 9), "recoverable_error")
    assert "9 cases with a failure" in always.reason


def test_the_interval_of_the_icc_is_on_its_own_scale(right_wrong):
    """z = ½ ln[(1+(K-1)r)/(1-r)], a jackknife SE, t with failing cases - 1 degrees of freedom."""
    rng = np.random.default_rng(3)
    chance = rng.beta(1.2, 0.8, 80)
    rows = ["".join(str(int(x)) for x in rng.random(5) < p) for p in chance]
    cell = right_wrong(rows)
    y = np.array([[int(x) for x in r] for r in rows], dtype=float)

    def icc(y):
        m, n = y.mean(axis=1), len(y)
        within = (m * (1 - m) * 5 / 4).mean()
        return 1 - within / (m.mean() * (1 - m.mean()) + m.var(ddof=1) / n)

    def z(r):
        return 0.5 * np.log((1 + 4 * r) / (1 - r))

    r = icc(y)
    left = np.array([icc(np.delete(y, i, axis=0)) for i in range(80)])
    se = np.sqrt(79 / 80 * ((left - left.mean()) ** 2).sum())
    slope = (z(r + 1e-6) - z(r - 1e-6)) / 2e-6
    failing = int((y.mean(axis=1) < 1).sum())
    e = estimate(cell, "consistency_icc")
    assert e.value == pytest.approx(r)
    for limit, sign in ((e.low, -1), (e.high, 1)):
        assert z(limit) == pytest.approx(z(r) + sign * stats.t.ppf(0.975, failing - 1) * slope * se, rel=1e-6)


def test_excess_with_unequal_k_takes_each_cases_own_null(right_wrong):
    rows = ["1110", "11  ", "0100"]
    p = (0.75 + 1 + 0.25) / 3
    null = (p**4 + p**2 + p**4) / 3
    assert estimate(right_wrong(rows), "excess_robust_accuracy").value == pytest.approx(1 / 3 - null)


def test_equal_cases_have_no_excess(right_wrong):
    rng = np.random.default_rng(1)
    rows = ["".join(rng.choice(["0", "1"], 4, p=[0.2, 0.8])) for _ in range(4000)]
    e = estimate(right_wrong(rows), "excess_robust_accuracy")
    assert abs(e.value) < 0.02
    assert e.low < 0 < e.high


def test_recoverable_error_uses_failing_cases_for_its_degrees_of_freedom(right_wrong):
    cell = right_wrong(["1111"] * 30 + ["1010"] * 6 + ["0000"] * 6)
    e, m = estimate(cell, "recoverable_error"), measures(cell)
    half = stats.t.ppf(0.95, 11) * recoverable_error_spread(m.within, 1 - m.mean).se
    assert e.lower == pytest.approx(e.value - half)
    assert e.value == pytest.approx((6 / 3 / 42) / (9 / 42))
    assert math.isclose(
        estimate(cell, "persistent_error").value + float(of_cell(cell).within), 9 / 42, abs_tol=1e-12
    )


@pytest.mark.parametrize("error", [-1e-15, 0, 1e-15])
def test_never_right_twice_is_a_latent_minus_1_in_spite_of_rounding(error):
    kappa = -0.125 / 0.875 + error
    assert float(latent_r(np.array(0.125), np.array(kappa))) == -1


def test_many_equal_replicates_have_the_latent_r_of_each_alone() -> None:
    p = np.repeat([0.2, 0.5, 0.9], 400)
    kappa = np.tile([0.1, 0.4, 0.7, np.nan], 300)
    each = np.array(
        [float(latent_r(np.array(a), np.array(b))) for a, b in zip(p[::133], kappa[::133], strict=True)]
    )
    np.testing.assert_array_equal(latent_r(p, kappa)[::133], each)
