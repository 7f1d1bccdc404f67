"""Coverage and error rates in worlds whose truth is known: means of clustered cases, the ICC, guarded metrics, changes
between two versions, and the smallest drop that one shows. Sections of ``benchmarks/calibration.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from calibration_lines import Line
from numpy.typing import NDArray
from simulated import World, beta, cell

from robusttest.metrics import METRICS
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.intervals import proportion
from robusttest.stats.versions.paired import change, settle
from robusttest.stats.versions.power import regression_cases

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


SIZES = ("equal", "unequal", "a few large")
"""Of clusters: five cases each; 1 to 20 (geometric); 30 cases in each tenth one, 2 in the others."""


def clusters(p: float, g: int, rho: float, *, sizes: str, runs: int, seed: int = 0) -> Rates:
    """Yes/no cases in ``g`` clusters of `SIZES`: beta-distributed chances with ICC ``rho`` around ``p``."""
    rng = np.random.default_rng([seed, g, int(1000 * p), int(100 * rho), SIZES.index(sizes)])
    scale = 1 / rho - 1
    found: tuple[list[float], ...] = ([], [], [], [])
    for _ in range(runs):
        size = np.full(g, 5)
        if sizes == "unequal":
            size = rng.geometric(0.15, g).clip(1, 20)
        elif sizes == "a few large":
            size = np.where(np.arange(g) % 10 == 0, 30, 2)
        index = np.repeat(np.arange(g), size)
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


class Broken(NamedTuple):
    """A new version in which a share of the cases lost ``lost`` of their variants, and another won as many."""

    variants: int
    lost: int
    broke: float
    fixed: float

    @property
    def step(self) -> float:
        return self.lost / self.variants

    @property
    def drop(self) -> float:
        return (self.broke - self.fixed) * self.step

    @property
    def sd(self) -> float:
        return math.sqrt((self.broke + self.fixed) * self.step**2 - self.drop**2)

    def found(self, n: int, *, measures: int, runs: int) -> float:
        """The share of samples of ``n`` cases in which it is called regressed, as one of a family of ``measures``."""
        rng = np.random.default_rng([n, measures, *map(int, (self.variants, self.lost, 1000 * self.broke))])
        called = 0
        for _ in range(runs):
            at, first = rng.random((n, 1)), np.arange(self.variants) < self.lost
            old = np.where((self.broke <= at) & (at < self.broke + self.fixed) & first, 0.0, 1.0)
            new = np.where((at < self.broke) & first, 0.0, 1.0)
            same = change("same", np.ones((n, 1)), np.ones((n, 1)))
            found = [change("all", old, new), *[same] * (measures - 1)]
            called += settle([c for c in found if c is not None])[0].verdict == "regressed"
        return called / runs


# --- the lines of benchmarks/calibration.py ------------------------------------------------------------------------


def clustered(reps: int) -> Iterator[Line]:
    """Means of clustered cases (5.2): intervals hold, and a gate passes a model at its limit in 5 %."""
    for p in (0.8, 0.9, 0.95):
        for g in (10, 20, 50, 100):
            for sizes in SIZES:
                r = clusters(p, g, 0.3, sizes=sizes, runs=reps)
                where = f"p {p}, {g} clusters, {sizes}"
                yield _line(f"covered: {where}", r.coverage, r.runs, low=0.93)
                yield _line(f"passed at its limit: {where}", r.wrong_low, r.runs, high=0.05)
                yield _line(f"failed at its limit: {where}", r.wrong_high, r.runs, high=0.05)


def icc_interval(reps: int) -> Iterator[Line]:
    """The ICC's interval, and how many cells have one (5.2)."""
    for p in (0.6, 0.8, 0.9, 0.95):
        for rho in (0.4, 0.7, 0.9):
            r, told = icc(p, rho, 100, 5, runs=max(reps // 2, 40))
            if r.runs < 20:  # hardly a cell has ten cases with a failure
                continue
            yield _line(
                f"ICC covered: p {p}, rho {rho}", r.coverage, r.runs, low=0.917, note=f"{told:.0%} have one"
            )


GUARDED = ("cohen_h", "excess_consistency", "excess_robust_accuracy", "normalised_excess")


def guards(reps: int) -> Iterator[Line]:
    """Gates of the guarded metrics at a truth of the limit (5.2: without the guard .12-.23 failed, near 1)."""
    for p, rho, n in ((0.9, 0.4, 60), (0.95, 0.4, 100), (0.95, 0.7, 100), (0.8, 0.5, 60)):
        world = World("", beta(p, rho))
        truth = {m: estimate(world.cells(40_000, 1, np.random.default_rng(1))[0], m).value for m in GUARDED}
        cells = world.cells(n, reps, np.random.default_rng([2, n]))
        for m in GUARDED:
            wanted, found = truth[m], [estimate(c, m) for c in cells]
            assert wanted is not None
            told = [e for e in found if e.lower is not None and e.upper is not None]
            if len(told) < 20:
                continue
            up = METRICS[m].direction == "up"
            failed = [(e.upper < wanted) if up else (e.lower > wanted) for e in told]  # type: ignore[operator]
            # of all cells: one without an interval is not failed
            rate = sum(failed) / len(found)
            note = f"{len(told) / len(found):.0%} have an interval"
            yield _line(
                f"{m} failed at its limit: p {p}, rho {rho}, n {n}", rate, len(found), high=0.09, note=note
            )


def changed(reps: int) -> Iterator[Line]:
    """Changes (5.3): intervals hold, nothing changed is hardly ever called, a drop is found as the sign-flip test finds it."""
    for p in (0.8, 0.9, 0.95):
        for n, k in ((30, 2), (60, 24), (100, 5), (100, 24), (200, 5)):
            for drop in (0.0, 0.03):
                c = changes(p, drop, n, k, runs=max(reps // 2, 40))
                where = f"p {p}, {n} x {k}, drop {drop}"
                yield _line(f"change covered: {where}", c.rates.coverage, c.rates.runs, low=0.92)
                if drop:
                    lost = c.flagged - c.regressed
                    yield _line(
                        f"found by the sign-flip test, not called: {where}", lost, c.rates.runs, high=0.03
                    )
                    continue
                yield _line(
                    f"upper limit below no change: {where}", c.rates.wrong_high, c.rates.runs, high=0.049
                )
                yield _line(f"A/A regressed: {where}", c.regressed, c.rates.runs, high=0.05)


def detectable(reps: int) -> Iterator[Line]:
    """The smallest drop that is said to show does so in four of five samples, whatever the steps and the family."""
    for world in (
        Broken(1, 1, 0.08, 0.02), Broken(1, 1, 0.05, 0.0), Broken(4, 1, 0.2, 0.05), Broken(24, 6, 0.1, 0.05),
        Broken(4, 1, 0.1, 0.0),
    ):  # fmt: skip
        for measures in (1, 5):
            n = regression_cases(world.sd, world.step, world.drop, alpha=0.05 / measures)
            assert n is not None
            found = world.found(n, measures=measures, runs=max(reps // 4, 40))
            what = (
                f"drop {world.drop:.4f} by steps of {world.step}, 1 of {measures} measures, {n} cases: found"
            )
            yield _line(what, found, max(reps // 4, 40), low=0.74, high=0.9)


def _line(
    what: str, value: float, runs: int, *, low: float = -math.inf, high: float = math.inf, note: str = ""
) -> Line:
    se = math.sqrt(max(value * (1 - value), 0.5 / max(runs, 1)) / max(runs, 1))
    return Line(what, value, low, high, se, note)
