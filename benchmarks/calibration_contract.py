"""Coverage and error rates of what the contract of `robusttest.stats` promises, in worlds whose truth is known.

    python benchmarks/calibration_contract.py [--runs 2000]

prints a table for each: means of clustered cases, the ICC, a change between two versions. ``tests/stats`` runs small
slices of the same functions.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from simulated import cell

from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.intervals import proportion
from robusttest.stats.versions.paired import change, settle

Floats = NDArray[np.float64]


class Rates(NamedTuple):
    """Shares of ``runs`` simulated samples."""

    coverage: float
    """Of the two-sided 95 % interval."""
    wrong_low: float
    """The one-sided lower limit above the truth: a false PASS at a threshold there."""
    wrong_high: float
    width: float
    runs: int


def _rates(
    low: list[float], high: list[float], lower: list[float], upper: list[float], truth: float
) -> Rates:
    a, b, c, d = (np.array(x) for x in (low, high, lower, upper))
    return Rates(
        float(((a <= truth) & (truth <= b)).mean()), float((c > truth).mean()), float((d < truth).mean()),
        float((b - a).mean()), len(a),
    )  # fmt: skip


def clusters(p: float, g: int, rho: float, *, unequal: bool, runs: int, seed: int = 0) -> Rates:
    """Yes/no cases in ``g`` clusters of 5 (or of 1 to 20): beta-distributed chances with ICC ``rho`` around ``p``."""
    rng = np.random.default_rng([seed, g, int(1000 * p), int(100 * rho), unequal])
    scale = 1 / rho - 1
    found: tuple[list[float], ...] = ([], [], [], [])
    for _ in range(runs):
        size = np.maximum(1, np.rint(rng.geometric(0.15, g))).clip(1, 20) if unequal else np.full(g, 5)
        index = np.repeat(np.arange(g), size.astype(int))
        chance = rng.beta(p * scale, (1 - p) * scale, g)
        x = (rng.random(len(index)) < chance[index]).astype(float)
        limits = proportion(x, index)
        for name, into in zip(("low", "high", "lower", "upper"), found, strict=True):
            value = getattr(limits, name)
            into.append(np.nan if value is None else value)
    return _rates(*found, p)


def icc(p: float, rho: float, n: int, k: int, *, runs: int, seed: int = 0) -> tuple[Rates, float]:
    """The interval of `consistency_icc`, where there is one; and the share of runs that have one."""
    rng = np.random.default_rng([seed, n, k, int(1000 * p), int(100 * rho)])
    scale = 1 / rho - 1
    found: tuple[list[float], ...] = ([], [], [], [])
    for _ in range(runs):
        chance = rng.beta(p * scale, (1 - p) * scale, n)
        e = estimate(cell((rng.random((n, k)) < chance[:, None]).astype(float)), "consistency_icc")
        if e.low is None or e.high is None or e.lower is None or e.upper is None:
            continue
        for value, into in zip((e.low, e.high, e.lower, e.upper), found, strict=True):
            into.append(value)
    if not found[0]:
        return Rates(np.nan, np.nan, np.nan, np.nan, 0), 0.0
    return _rates(*found, rho), len(found[0]) / runs


class Changes(NamedTuple):
    rates: Rates
    regressed: float
    """Share of runs that are called regressed."""
    flagged: float
    """Share of runs where the sign-flip test alone rejects (one-sided)."""


def changes(
    p: float, drop: float, n: int, k: int, *, turnover: float = 0.1, runs: int, seed: int = 0
) -> Changes:
    """Two versions on the same ``n`` cases × ``k`` variants. A variant's answer is drawn anew with ``turnover``; the new
    version has ``drop`` less of each case's chance."""
    rng = np.random.default_rng([seed, n, k, int(1000 * p), int(1000 * drop), int(100 * turnover)])
    found: tuple[list[float], ...] = ([], [], [], [])
    regressed = flagged = 0
    for _ in range(runs):
        chance = rng.beta(p * 0.6, (1 - p) * 0.6, (n, 1))
        old = rng.random((n, k)) < chance
        again = rng.random((n, k)) < chance
        new = np.where(rng.random((n, k)) < turnover, again, old)
        new &= rng.random((n, k)) >= drop / p
        c = change("all", old.astype(float), new.astype(float))
        assert c is not None
        (c,) = settle([c])
        for value, into in zip((c.low, c.high, c.lower, c.upper), found, strict=True):
            into.append(np.nan if value is None else value)
        regressed += c.verdict == "regressed"
        flagged += c.p_worse <= 0.05
    return Changes(_rates(*found, -drop), regressed / runs, flagged / runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    print("clustered cases: coverage, false PASS, false FAIL, width")
    for p in (0.8, 0.9, 0.95):
        for g in (10, 20, 50, 100):
            for unequal in (False, True):
                r = clusters(p, g, 0.3, unequal=unequal, runs=runs)
                print(
                    f"  p {p} G {g:3d} {'unequal' if unequal else 'equal  '}  {r.coverage:.3f} {r.wrong_low:.3f} {r.wrong_high:.3f} {r.width:.3f}"
                )
    print("ICC: coverage, lower limit above the truth, upper below, share with an interval")
    for p in (0.6, 0.8, 0.9, 0.95):
        for rho in (0.4, 0.7, 0.9):
            r, share = icc(p, rho, 100, 5, runs=runs // 2)
            print(f"  p {p} ρ {rho}  {r.coverage:.3f} {r.wrong_low:.3f} {r.wrong_high:.3f}  {share:.2f}")
    print("changes: coverage, P(upper < truth), width, regressed, sign-flip test")
    for p in (0.8, 0.9, 0.95):
        for n, k in ((30, 2), (60, 24), (100, 5), (100, 24), (200, 5)):
            for drop in (0.0, 0.03):
                c = changes(p, drop, n, k, runs=runs // 2)
                r = c.rates
                print(
                    f"  p {p} n {n:3d} K {k:2d} drop {drop}  {r.coverage:.3f} {r.wrong_high:.3f} {r.width:.3f}  {c.regressed:.3f} {c.flagged:.3f}"
                )


if __name__ == "__main__":
    main()
