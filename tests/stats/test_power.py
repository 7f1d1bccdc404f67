from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom, binomtest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import calibration_contract

from robusttest.errors import UsageError
from robusttest.stats.versions import power
from robusttest.stats.versions.paired import mcnemar


@pytest.mark.parametrize(
    ("discordance", "drop", "asymptotic", "exact"),
    [(0.2, 0.05, 626, 658), (0.1, 0.05, 312, 337), (0.1, 0.03, 870, 920), (0.3, 0.1, 234, 249)],
)
def test_cases_for_mcnemar(discordance, drop, asymptotic, exact):
    assert power.mcnemar_cases_asymptotic(discordance, drop) == asymptotic
    assert power.mcnemar_cases(discordance, drop) == exact
    assert power.mcnemar_cases(discordance, -drop) == exact
    assert (
        power.mcnemar_power(exact, discordance, drop)
        >= 0.8
        > power.mcnemar_power(exact - 1, discordance, drop)
    )


@pytest.mark.parametrize(
    ("discordance", "margin", "n"), [(0.1, 0.05, 248), (0.2, 0.05, 495), (0.1, 0.03, 687), (0.05, 0.02, 773)]
)
def test_cases_for_no_worse(discordance, margin, n):
    assert power.no_worse_cases(discordance, margin) == n


@pytest.mark.parametrize(
    ("n", "discordance", "drop"), [(1, 0.5, 0.2), (7, 1.0, 0.6), (30, 0.4, 0.3), (60, 0.2, 0.2)]
)
def test_power_is_the_sum_over_every_outcome(n, discordance, drop):
    lost = (discordance + drop) / (2 * discordance)
    expected = sum(
        binom.pmf(m, n, discordance) * binom.pmf(b, m, lost)
        for m in range(1, n + 1)
        for b in range(m + 1)
        if binomtest(min(b, m - b), m).pvalue <= 0.05
    )
    assert power.mcnemar_power(n, discordance, drop) == pytest.approx(expected, abs=1e-9)


def test_the_smallest_drop_and_the_cases_for_it_are_one_formula():
    n = power.paired_cases(0.4, 0.05)
    assert n is not None
    assert power.detectable(0.4, n) == pytest.approx(0.05, rel=1e-3)
    rng = np.random.default_rng(0)
    drops = rng.normal(-0.05, 0.4, size=(4000, n))
    upper = drops.mean(axis=1) + 1.6449 * drops.std(axis=1) / np.sqrt(n)
    assert (upper < 0).mean() == pytest.approx(0.8, abs=0.02)


def test_no_number_of_cases():
    assert power.paired_cases(0.4, 0) is None
    assert power.paired_cases(0.4, 1e-6) is None
    assert power.mcnemar_cases(0.5, 1e-5) is None


def test_impossible_shares_are_refused():
    for discordance, drop in ((0.1, 0.2), (0.1, 0.0), (1.5, 0.1)):
        with pytest.raises(UsageError, match="discordance"):
            power.mcnemar_cases(discordance, drop)
    with pytest.raises(UsageError, match="margin"):
        power.no_worse_cases(0.1, 0)


def test_a_drop_is_found_by_the_rule_that_decides():
    """12 cases × 4 variants: nothing under 5 broken cases (10.4 points) can reach p <= .05."""
    assert power.fewest_cases(0.05) == 5
    assert mcnemar(5, 0).p_worse <= 0.05 < mcnemar(4, 0).p_worse
    found = power.detectable_drop(0.0, 12, 0.25)
    assert found is not None
    assert found >= 5 * 0.25 / 12
    q = found / 0.25
    assert binom.sf(4, 12, q) == pytest.approx(0.8, abs=1e-6)
    assert power.detectable_drop(0.0, 12, 0.25, alpha=0.01) > found
    assert power.detectable_drop(0.0, 4, 0.25) is None
    assert power.detectable_drop(0.5, 4000, 0.01) == pytest.approx(power.detectable(0.5, 4000), rel=1e-3)


def test_the_cases_that_a_regression_takes_are_enough_by_the_rule_that_decides():
    """Simulated through `settle`, one of two measures (``benchmarks/calibration.py --only detectable`` has more)."""
    world = calibration_contract.Broken(variants=4, lost=1, broke=0.2, fixed=0.05)
    n = power.regression_cases(world.sd, world.step, world.drop, alpha=0.025)
    assert n is not None
    assert power.regression_cases(world.sd, world.step, world.drop, beyond=world.drop) is None
    assert power.regression_cases(world.sd, world.step, world.drop, beyond=world.drop / 2, alpha=0.025) > n
    assert 0.6 <= world.found(n, measures=2, runs=60) <= 0.97
    assert world.found(n // 3, measures=2, runs=60) < 0.55
