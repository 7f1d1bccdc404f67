"""A fast slice of ``benchmarks/calibration.py``: intervals hold, gates and stopping rules keep their error."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import calibration
import calibration_across
import calibration_contract
import calibration_factors
from simulated import World, beta

from robusttest.metrics import METRICS

SOME = (
    "accuracy", "pass_rate", "overall_accuracy", "drop", "robust_accuracy", "output_consistency", "flip_rate", "pdr",
    "pdr_worst", "maxp", "avgp", "consistency_icc", "recoverable_error",
)  # fmt: skip


def off(lines) -> list[str]:
    lines = list(lines)
    assert lines
    return [str(line) for line in lines if not line.ok]


@pytest.mark.parametrize("world", calibration.WORLDS[:4], ids=lambda w: w.name)
def test_intervals_hold_and_gates_keep_alpha(world):
    assert not off(calibration.coverage(60, (100,), worlds=[world], metrics=SOME, big=6000))


@pytest.mark.parametrize(
    "section",
    [
        "gates",
        "judges",
        "stopping",
        "consistency",
        "blame",
        "claims",
        "residuals",
        "two-way",
        "advice",
        "paired",
    ],
)
def test_the_other_sections(section):
    assert not off(calibration.SECTIONS[section](100))


def test_every_metric_is_covered_or_said_to_need_more():
    assert set(calibration.COVERED) | set(calibration.NEED_MORE) == set(METRICS)


def test_it_would_notice_intervals_that_are_too_short(monkeypatch):
    true = calibration.estimate

    def half(cell, metric):
        e = true(cell, metric)
        if cell.n_cases > 1000 or e.low is None or e.lower is None:
            return e
        return replace(e, **{k: (e.value + getattr(e, k)) / 2 for k in ("low", "high", "lower", "upper")})

    monkeypatch.setattr(calibration, "estimate", half)
    found = off(calibration.coverage(150, (100,), worlds=calibration.WORLDS[:1], metrics=SOME[:4], big=6000))
    assert len(found) >= 6


def test_it_would_notice_limits_without_the_judges_own_error(monkeypatch):
    true = calibration.corrected
    monkeypatch.setattr(calibration, "corrected", lambda e, j: true(e, j, exact=True))
    assert len(off(calibration.judges(400))) >= 5


def test_it_would_notice_a_stopping_rule_that_peeks(monkeypatch):
    def peeks(s, n, m):
        """The likelihood ratio of the best fit: no mixture pays for having chosen it."""
        with np.errstate(all="ignore"):
            p = np.maximum(s / n, m)
            log = s * np.log(p / m) + np.where(n > s, (n - s) * np.log((1 - p) / (1 - m)), 0)
        return 2 * log

    monkeypatch.setattr(calibration.sequential, "log_evidence_above", peeks)
    found = off(calibration.stopping(200))
    assert any("500 looks, truth = tau = 0.9: passed" in line for line in found)


def test_worlds_have_the_moments_they_say():
    y = World("", beta(0.8, 0.5), variants=10).scores(20_000, np.random.default_rng(0))[0]
    m = y.mean(axis=1)
    assert m.mean() == pytest.approx(0.8, abs=0.01)
    within = (m * (1 - m)).mean() * 10 / 9
    assert 1 - within / (m.mean() * (1 - m.mean())) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("p", "g", "sizes"),
    [(0.8, 20, "unequal"), (0.9, 50, "unequal"), (0.95, 40, "equal"), (0.9, 50, "a few large")],
)
def test_means_of_clustered_cases(p, g, sizes):
    rates = calibration_contract.clusters(p, g, 0.3, sizes=sizes, runs=200)
    assert rates.coverage >= 0.91
    assert rates.wrong_low <= 0.08


@pytest.mark.parametrize(("p", "rho"), [(0.8, 0.7), (0.8, 0.4)])
def test_the_interval_of_the_icc(p, rho):
    rates, told = calibration_contract.icc(p, rho, 100, 5, runs=120)
    assert told >= 0.95
    assert rates.coverage >= 0.9


def test_changes_between_versions():
    """A/A is hardly ever called; a drop of three points at 100 × 24 is found as often as the sign-flip test finds it."""
    same = calibration_contract.changes(0.9, 0.0, 60, 24, runs=120)
    assert same.regressed <= 0.06
    assert same.rates.coverage >= 0.91
    dropped = calibration_contract.changes(0.9, 0.03, 100, 24, runs=40)
    assert dropped.regressed >= 0.9
    assert dropped.flagged - dropped.regressed <= 0.03
    assert dropped.rates.coverage >= 0.88
    assert dropped.rates.width < 0.03


@pytest.mark.parametrize("world", calibration_across.WORLDS)
def test_whose_robustness_is(world):
    sources, second = calibration_across.said_of(world, 30)
    _, right, least = calibration_across.WORLDS[world]
    assert sum(sources.get(x, 0) for x in right) >= least - 0.17
    if world == "competence-driven":
        assert second.get("supported", 0) >= 0.7
    else:
        assert second.get("supported", 0) <= 0.2


def test_which_knob_matters():
    """Of no knob that does nothing is it said (but in 5 % of designs); the one that does something is found, and is first."""
    rng = np.random.default_rng(3)
    none = calibration_factors.found(rng, 20, 60, {}, cluster=2)
    assert sum(any(f.matters for f in d.factors) for d in none) <= 4
    one = calibration_factors.found(rng, 8, 100, {"noise": 0.5})
    assert all(d.factors[0].name == "noise" and d.factors[0].matters for d in one)


def test_the_smallest_drop_that_shows():
    """In four of five samples."""
    world = calibration_contract.Broken(4, 1, 0.1, 0.0)
    assert 0.62 <= world.found(66, measures=1, runs=60) <= 0.95


def test_no_benchmark_hides_a_module_of_the_standard_library():
    """A script's folder comes first in its path: a ``numbers.py`` there, and numpy can't be imported."""
    names = {path.stem for path in (Path(__file__).parents[1] / "benchmarks").glob("*.py")}
    assert not names & sys.stdlib_module_names
