from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from robusttest.stats.cell.sequential import (
    cases_to_decide,
    difference,
    log_evidence_above,
    log_evidence_below,
    lower_limit,
    performance_drop,
    performance_drop_limits,
    proportion,
    running_lower,
    running_upper,
    units,
    upper_limit,
)

RIGHT = np.array([1, 1, 1, 1, 0, 0.0])
PERTURBED = np.array([1, 2 / 3, 2 / 3, 0, 1 / 3, 0])
"""Example A: the reference's scores and the mean of each case's variants."""


@pytest.mark.parametrize(
    ("s", "n", "limit"),
    [(20, 20, 0.801127), (18, 20, 0.630333), (90, 100, 0.794710), (100, 100, 0.956021), (17.5, 20, 0.595629)],
)
def test_lower_limits(s, n, limit):
    assert lower_limit(s, n) == pytest.approx(limit, abs=5e-7)
    assert upper_limit(n - s, n) == pytest.approx(1 - limit, abs=5e-7)


@pytest.mark.parametrize(("limit", "n"), [(0.8, 20), (0.9, 43), (0.95, 88), (0.99, 449)])
def test_cases_that_pass_without_a_failure(limit, n):
    assert cases_to_decide(limit, 1) == n
    assert log_evidence_above(n, n, limit) >= math.log(20) > log_evidence_above(n - 1, n - 1, limit)


@pytest.mark.parametrize(("tau", "mean", "m"), [(0.1, 0.391813, 0.473684), (0.5, 0.407407, 0.333333)])
def test_a_performance_drop_as_a_mean(tau, mean, m):
    x, least = performance_drop(RIGHT, PERTURBED, tau)
    assert (x.mean(), least) == pytest.approx((mean, m), abs=5e-7)


@given(st.floats(-3, 0.99), st.floats(0, 1), st.floats(0, 1))
def test_a_performance_drop_stays_between_0_and_1(tau, reference, perturbed):
    x, _ = performance_drop(np.array([reference]), np.array([perturbed]), tau)
    assert -1e-12 <= x[0] <= 1 + 1e-12


@given(st.floats(0, 30), st.floats(0, 30), st.floats(0.02, 0.98))
def test_evidence_is_the_integral_it_is_defined_as(s, f, m):
    n = s + f

    def ratio(p):
        return (p / m) ** s * ((1 - p) / (1 - m)) ** f

    above, _ = integrate.quad(ratio, m, 1, limit=200)
    assert float(np.exp(log_evidence_above(s, n, m))) == pytest.approx(above / (1 - m), rel=1e-6)
    assert log_evidence_below(f, n, 1 - m) == pytest.approx(float(log_evidence_above(s, n, m)), abs=1e-9)


@given(st.integers(1, 40), st.floats(0.05, 0.95))
def test_evidence_is_worth_one_on_average_where_nothing_is_to_be_found(n, m):
    """The expectation under a rate of exactly m is 1 at every n: a fair bet."""
    s = np.arange(n + 1)
    log_choose = np.array([math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in s])
    chance = np.exp(log_choose + s * math.log(m) + (n - s) * math.log(1 - m))
    assert float(chance @ np.exp(log_evidence_above(s, n, m))) == pytest.approx(1, rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_running_limits_are_the_best_of_all_looks(values):
    x = np.array(values)
    sums = np.cumsum(x)
    looks = [lower_limit(float(s), n) for n, s in enumerate(sums, 1)]
    assert running_lower(x) == pytest.approx(max(looks), abs=2e-9)
    assert running_upper(x) == pytest.approx(
        min(upper_limit(float(s), n) for n, s in enumerate(sums, 1)), abs=2e-9
    )


def test_a_look_that_decided_stays_decided():
    x = np.array([1.0] * 43 + [0.0] * 3)
    assert running_lower(x) >= 0.9 > lower_limit(43, 46)


def test_evidence_at_the_edges():
    assert log_evidence_above(0, 0, 0.5) == pytest.approx(0)
    assert (lower_limit(0, 20), upper_limit(20, 20)) == (0, 1)
    assert float(log_evidence_below(19, 20, 1)) == math.inf, "one failure refutes a mean of 1"
    assert float(log_evidence_above(20, 20, 1)) == -math.inf, "nothing shows a mean of 1"
    assert cases_to_decide(1, 1) is None
    assert cases_to_decide(0.9, 0.9) is None


def test_limits_of_proportions_and_differences():
    made = proportion(np.array([1.0] * 90 + [0.0] * 10))
    assert made.method == "confidence sequence"
    assert (made.low, made.high) == pytest.approx((lower_limit(90, 100, 0.025), upper_limit(90, 100, 0.025)))
    assert made.low < 0.794710 < made.lower, "ninety right in a row were worth more"
    flat = difference(np.zeros(100))
    assert -1 < flat.low < 0 < flat.high < 1
    assert flat.low == pytest.approx(-flat.high)


def test_limits_of_a_performance_drop_decide_as_the_evidence_does():
    reference, perturbed = np.tile(RIGHT, 40), np.tile(PERTURBED, 40)
    made = performance_drop_limits(reference, perturbed)
    assert made.low < made.lower < 1 / 3 < made.upper < made.high
    n = np.arange(1.0, len(reference) + 1)

    def seen(tau):
        x, m = performance_drop(reference, perturbed, tau)
        return bool((log_evidence_above(np.cumsum(x), n, m) >= math.log(20)).any())

    assert seen(made.upper + 1e-6)
    assert not seen(made.upper - 1e-6)


def test_a_cluster_is_one_unit():
    clusters = np.array([7, 7, 3, 3])
    assert units(np.array([1, 0, 1, 1.0]), clusters).tolist() == [0.5, 1]
    assert units(np.array([np.nan, 0, np.nan, np.nan]), clusters).tolist() == [0]
    assert units(np.array([1, 0, 1.0]), np.array([0, 0, 1])) is None
    assert units(np.array([1, np.nan, 0]), None).tolist() == [1, 0]


def test_false_passes_stay_below_alpha_over_500_looks():
    """.030-.038 by simulation at a truth of exactly the limit; 3 Monte-Carlo SE above 0.05 is 0.0646 here."""
    rng = np.random.default_rng(4)
    n = np.arange(1, 501)
    for tau in (0.8, 0.9, 0.95):
        sums = np.cumsum(rng.random((2000, 500)) < tau, axis=1)
        decided = (log_evidence_above(sums, n, tau) >= math.log(20)).any(axis=1)
        assert 0.01 < decided.mean() < 0.05
