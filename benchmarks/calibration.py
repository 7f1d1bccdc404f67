"""Are the intervals, gates and stopping rules as good as they say? Simulated, with the code that users run.

``python benchmarks/calibration.py`` (about five minutes on one core), ``--quick`` (seconds), ``--only SECTION``. Each
line is a number, where it should be, and whether it is there; beyond it by more than three standard errors of the
simulation is OFF, and the exit code 1. Where an interval is known to hold less than 95 % ± 2 the line says why (`known`).
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))

import calibration_across
import calibration_contract
import calibration_factors
from calibration_lines import Floats, Line, share
from simulated import World, beta, beta_quantiles, easy_and_hard, latent

from robusttest.core.nouns import Estimate, Judging
from robusttest.metrics import METRICS
from robusttest.stats.cell import sequential
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.gates import cases_for_power, cases_needed
from robusttest.stats.cell.intervals import ALPHA, cp_lower, cp_upper, mean_se, on_effective_n, proportion
from robusttest.stats.cell.judges import corrected

# --- coverage of every interval, and the error of every gate -----------------------------------------------------

WORLDS = (
    World("beta .8, rho .5", beta(0.8, 0.5)),
    World("beta .9, rho .7", beta(0.9, 0.7)),
    World("skewed", easy_and_hard()),
    World("clusters of 4", beta(0.8, 0.5), cluster=4),
    World("graded variants", beta(0.8, 0.5), graded=True),
    World("scores in [0, 1]", beta(0.8, 0.5), fractional=True),
)

NEED_MORE = ("net_drop", "net_flip_rate", "parse_failure_rate", "refusal_rate")
"""Need repeats or replies; they are computed as ``drop``, ``flip_rate`` and ``pass_rate`` are."""

COVERED = tuple(m for m in METRICS if m not in NEED_MORE)

JACKKNIFED = {m.name for m in METRICS.values() if m.guard}
"""Intervals from a jackknife or a linearised error: a few cases with failures carry all they know."""


class Known(NamedTuple):
    least: float = 0.93
    """Coverage."""
    most: float = ALPHA
    """Error of a gate."""
    why: str = ""


def known(metric: str, world: World, n: int) -> Known:
    """Where an interval holds less than 95 % ± 2, or a gate passes more than alpha of models at its limit, and why."""
    found = Known()
    if metric in JACKKNIFED:
        found = Known(0.92) if n >= 100 else Known(0.87, ALPHA, "few cases with a failure")
    if metric in ("cohen_h", "normalised_excess"):
        found = found._replace(most=0.09, why="skewed near saturation")
    if world.cluster > 1:
        why = f"{n // world.cluster} clusters"
        if metric in JACKKNIFED:
            found = Known(0.87 if n >= 100 else 0.77, 0.09, why)
        else:
            found = Known(0.90, 0.08, why)
    return found


def coverage(
    reps: int,
    sizes: tuple[int, ...],
    *,
    worlds: Sequence[World] = WORLDS,
    metrics: Sequence[str] = COVERED,
    big: int = 40_000,
) -> Iterator[Line]:
    """Two-sided 95 % intervals hold the truth; one-sided limits that pass a model at its limit err in 5 %.

    The truth is the metric of ``big`` cases of the same world. An interval that is not given (too few failures) is not
    counted: the share of cells that have one is told where it is below 1.
    """
    for w, world in enumerate(worlds):
        found = next(iter(world.cells(big, 1, np.random.default_rng([1, w]))))
        truth = {m: estimate(found, m).value for m in metrics}
        for n in sizes:
            n -= n % world.cluster
            cells = world.cells(n, reps, np.random.default_rng([2, w, n]))
            for m in metrics:
                where = f"{world.name}, n={n}"
                yield from _covered(m, where, truth[m], [estimate(c, m) for c in cells], known(m, world, n))


def _covered(
    metric: str, where: str, truth: float | None, found: Sequence[Estimate], allowed: Known
) -> Iterator[Line]:
    if truth is None:
        return
    inside, passed = [], []
    up = METRICS[metric].direction != "down"
    for e in found:
        if e.low is not None and e.high is not None:
            inside.append(e.low - 1e-9 <= truth <= e.high + 1e-9)
        if e.lower is not None and e.upper is not None:
            passed.append(e.lower > truth + 1e-9 if up else e.upper < truth - 1e-9)
    if len(inside) >= len(found) / 2:
        part = f"{len(inside) / len(found):.0%} have one" if len(inside) < len(found) else ""
        note = "; ".join(x for x in (part, allowed.why) if x)
        yield share(f"{metric} covered: {where}", inside, low=allowed.least, note=note)
    if len(passed) >= len(found) / 2:
        yield share(f"{metric} passed at its limit: {where}", passed, high=allowed.most, note=allowed.why)


# --- gates (section 4.5) -------------------------------------------------------------------------------------------


def gates(reps: int) -> Iterator[Line]:
    """Verdicts at a truth of exactly the limit, and how many cases they take."""
    rng = np.random.default_rng(3)
    right = rng.binomial(100, 0.9, reps)
    lower = np.array([cp_lower(k, 100) for k in range(101)])
    upper = np.array([cp_upper(k, 100) for k in range(101)])
    yield share(
        "yes/no cases, tau .9, n=100: passed at the limit", lower[right] >= 0.9, high=ALPHA, note="(.024)"
    )
    again = rng.binomial(100, 0.9, reps)
    yield share(
        "point verdict differs on fresh cases",
        (right >= 90) != (again >= 90),
        low=0.45,
        high=0.51,
        note="(.49)",
    )

    def three(k: NDArray[np.int64]) -> NDArray[np.int64]:
        return (lower[k] >= 0.9).astype(int) - (upper[k] < 0.9)

    yield share("three-valued: passed against failed", three(right) * three(again) == -1, high=0.002)
    for tau, needed in {0.8: (14, 22, 30, 37), 0.9: (29, 46, 61, 76), 0.95: (59, 93, 124, 153)}.items():
        for failures, n in enumerate(needed):
            yield Line(
                f"cases to pass {tau} with {failures} failures", cases_needed(tau, failures) or 0, n, n
            )
    for (tau, truth), n in {
        (0.8, 0.9): 94, (0.9, 0.95): 203, (0.9, 0.97): 89, (0.95, 0.99): 124, (0.8, 0.85): 398,
    }.items():  # fmt: skip
        yield Line(f"cases to pass {tau} with power .8 at {truth}", cases_for_power(tau, truth) or 0, n, n)
    for p, rho, k, n in ((0.9, 0.5, 5, 100), (0.9, 0.8, 24, 100), (0.95, 0.6, 5, 200), (0.8, 0.3, 5, 50)):
        y = World("", beta(p, rho), variants=k).scores(n, rng, reps).mean(axis=2)
        limits = [on_effective_n(float(x.mean()), n, mean_se(x)).lower for x in y]
        what = f"case means, truth = tau = {p}, rho {rho}, K {k}, n {n}: passed"
        yield share(what, np.array(limits) >= p, high=ALPHA, note="(.000-.038)")


# --- stopping (section 4.6) ----------------------------------------------------------------------------------------

TAU = 0.9
CALLS = {
    500: {0.75: 0.09, 0.80: 0.20, 0.85: 0.65, 0.93: 0.75, 0.95: 0.40, 0.98: 0.14},
    200: {0.80: 0.48, 0.95: 0.73, 0.98: 0.36},
}
"""N → truth → share of the calls of a fixed N that an adaptive run takes."""
LEAST = 0.05, 0.10
"""So far above, or below, the limit an adaptive run is to take at most 40 % of 500 cases."""


def stopping(reps: int) -> Iterator[Line]:
    """Errors over all looks, and what it saves."""
    rng = np.random.default_rng(4)
    for tau in (0.8, 0.9, 0.95):
        x = (rng.random((reps, 500)) < tau).astype(float)
        yield share(
            f"yes/no cases, 500 looks, truth = tau = {tau}: passed", _decided(x, tau)[1] == 1, high=ALPHA
        )
        yield share(
            f"yes/no cases, 500 looks, truth = tau = {tau}: failed", _decided(x, tau)[1] == -1, high=ALPHA
        )
        means = rng.beta(tau * 2, (1 - tau) * 2, (reps, 500))
        yield share(
            f"case means in [0, 1], truth = tau = {tau}: passed", _decided(means, tau)[1] == 1, high=ALPHA
        )
        yield share(
            f"case means in [0, 1], truth = tau = {tau}: failed", _decided(means, tau)[1] == -1, high=ALPHA
        )
    drops = _drops(reps, rng)
    yield share("pdr at its limit, 300 looks: passed", drops == 1, high=ALPHA)
    yield share("pdr at its limit, 300 looks: failed", drops == -1, high=ALPHA)
    yield _peeking(reps, rng)
    for n, table in CALLS.items():
        for truth, expected in table.items():
            at, _ = _decided((rng.random((reps, n)) < truth).astype(float), TAU)
            used = at / n
            se = float(used.std()) / math.sqrt(reps)
            yield Line(
                f"share of {n} calls, tau {TAU}, truth {truth}",
                float(used.mean()),
                expected - 0.03,
                expected + 0.03,
                se,
                f"({expected})",
            )
    for truth in (TAU - LEAST[1], TAU + LEAST[0]):  # .405 at .95: .40 to two digits
        at, _ = _decided((rng.random((reps, 500)) < truth).astype(float), TAU)
        yield Line(
            f"at most .40 of 500 calls at {truth:.2f}",
            float(at.mean()) / 500,
            high=0.405,
            se=float(at.std()) / 500 / math.sqrt(reps),
        )


def _decided(x: Floats, tau: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(cases taken, 1 passed / -1 failed / 0 open) of each row, as the first look says that has enough evidence."""
    s, n = np.cumsum(x, axis=1), np.arange(1, x.shape[1] + 1)
    bar = -math.log(ALPHA)
    above = sequential.log_evidence_above(s, n, tau) >= bar
    below = sequential.log_evidence_below(s, n, tau) >= bar
    never = x.shape[1]
    first_above = np.where(above.any(axis=1), above.argmax(axis=1), never)
    first_below = np.where(below.any(axis=1), below.argmax(axis=1), never)
    at = np.minimum(first_above, first_below)
    verdict = np.where(at == never, 0, np.where(first_above < first_below, 1, -1))
    return np.minimum(at + 1, never), verdict


def _drops(reps: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """pdr <= .125 where it is .125: accuracy .8, pass rate .7."""
    reference = (rng.random((reps, 300)) < 0.8).astype(float)
    perturbed = reference * (rng.random((reps, 300)) < 0.875)
    x, m = sequential.performance_drop(reference, perturbed, 0.125)
    return _decided(x, m)[1]


def _peeking(reps: int, rng: np.random.Generator) -> Line:
    """What the rule is for: Clopper-Pearson looked at every ten cases."""
    s = np.cumsum(rng.random((reps, 300)) < TAU, axis=1)[:, 9::10]
    table = [np.array([cp_lower(k, n) for k in range(n + 1)]) for n in range(10, 301, 10)]
    hit = np.zeros(reps, dtype=bool)
    for j, lower in enumerate(table):
        hit |= lower[s[:, j]] >= TAU
    return share(
        "for scale, peeking at fixed-n limits to 300: passed", hit, low=0.14, high=0.19, note="(.165)"
    )


# --- consistency (section 4.1) -------------------------------------------------------------------------------------


def consistency(reps: int) -> Iterator[Line]:
    """Kappa is biased down in small samples, the ICC is not; and both move with accuracy if latent r is constant."""
    rng = np.random.default_rng(5)
    for n, k, bias in ((10, 2, -0.049), (20, 4, -0.016), (100, 4, -0.003)):
        y = World("", beta(0.7, 0.5), variants=k).scores(n, rng, 8 * reps)
        m = y.mean(axis=2)
        w = (m * (1 - m)).mean(axis=1) * k / (k - 1)
        p = m.mean(axis=1)
        total = p * (1 - p) + m.var(axis=1, ddof=1) / n
        some = (p > 0) & (p < 1)
        kappa, icc = 1 - w[some] / (p * (1 - p))[some], 1 - w[some] / total[some]
        for name, x, low, high in (("kappa", kappa, bias - 0.015, bias + 0.015), ("icc", icc, -0.03, 0.03)):
            se = float(x.std()) / math.sqrt(len(x))
            yield Line(
                f"bias of {name}, n {n}, K {k}",
                float(x.mean()) - 0.5,
                low,
                high,
                se,
                f"({bias})" if name == "kappa" else "",
            )
    for p, kappa in ((0.5, 0.647), (0.8, 0.616), (0.9, 0.578), (0.95, 0.536), (0.98, 0.482)):
        chance = latent(p, 0.85)(200 * reps, rng)
        mean = float(chance.mean())
        yield Line(
            f"kappa at p {p} where latent r is .85",
            float(chance.var()) / (mean * (1 - mean)),
            kappa - 0.01,
            kappa + 0.01,
            0.003,
            f"({kappa})",
        )
    cell = next(iter(World("", lambda n, _: beta_quantiles(0.9, 0.7, n), variants=24).cells(4000, 1, rng)))
    yield Line(
        "latent r of (p .9, kappa .7)", estimate(cell, "latent_r").value or 0, 0.915, 0.935, 0.003, "(.925)"
    )


JUDGES = (
    (0.8, 0.9, 0.8, 100, 50),
    (0.9, 0.95, 0.9, 100, 40),
    (0.95, 0.98, 0.98, 100, 60),
    (0.8, 0.9, 0.7, 400, 200),
    (0.6, 0.9, 0.9, 60, 60),
)
"""True share of right answers, sensitivity, specificity, answers, labelled answers (half of them right)."""


def judges(reps: int) -> Iterator[Line]:
    """What is corrected for a judge of known errors holds the truth; gates behind it pass a model at its limit in 5 %."""
    for truth, se, sp, n, labels in JUDGES:
        rng = np.random.default_rng([7, n, labels])
        half = labels // 2
        inside, passed, failed = [], [], []
        for _ in range(reps):
            right = rng.random(n) < truth
            k = int((rng.random(n) < np.where(right, se, 1 - sp)).sum())
            a, b = int(rng.binomial(half, se)), int(rng.binomial(half, sp))
            j = Judging(model="j", right_right=a, right_wrong=half - a, wrong_wrong=b, wrong_right=half - b)
            limits = proportion(np.repeat([1.0, 0.0], [k, n - k]))
            seen = Estimate(
                metric="accuracy",
                value=k / n,
                low=limits.low,
                high=limits.high,
                lower=limits.lower,
                upper=limits.upper,
            )
            e = corrected(seen, j)
            if e.low is None or e.high is None or e.lower is None or e.upper is None:
                continue
            inside.append(e.low <= truth <= e.high)
            passed.append(e.lower > truth)
            failed.append(e.upper < truth)
        where = f"{truth:g} by a judge of {se:g}, {sp:g}: n={n}, {labels} labels"
        yield share(f"covered: {where}", inside, low=0.94)
        yield share(f"passes at its limit: {where}", passed, high=ALPHA)
        yield share(f"fails at its limit: {where}", failed, high=ALPHA)


SECTIONS: dict[str, Callable[[int], Iterator[Line]]] = {
    "coverage": lambda reps: coverage(reps, (30, 100), big=max(40 * reps, 8000)),
    "gates": lambda reps: gates(5 * reps),
    "judges": lambda reps: judges(2 * reps),
    "stopping": stopping,
    "consistency": consistency,
    "clusters": calibration_contract.clustered,
    "icc": calibration_contract.icc_interval,
    "guards": calibration_contract.guards,
    "changes": calibration_contract.changed,
    "detectable": calibration_contract.detectable,
    "factors": calibration_factors.factors,
    "blame": calibration_factors.blame_split,
    "claims": calibration_across.two_claims,
    "difficulty": calibration_across.difficulty,
    "whose": calibration_across.whose,
    "residuals": calibration_across.residual,
    "two-way": calibration_across.crossed,
    "suites": calibration_across.suites,
    "advice": calibration_across.advice,
    "paired": calibration_across.paired,
}
FULL, QUICK = 1000, 60


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} repetitions instead of {FULL}")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="this section (repeatable)")
    parser.add_argument("--off", action="store_true", help="print only what is off")
    a = parser.parse_args()
    reps, off, count = QUICK if a.quick else FULL, 0, 0
    for name in a.only or SECTIONS:
        start = time.perf_counter()
        print(f"--- {name}, {reps} repetitions")
        for line in SECTIONS[name](reps):
            count += 1
            off += not line.ok
            if not a.off or not line.ok:
                print(line, flush=True)
        print(f"    {time.perf_counter() - start:.1f} s")
    print(f"{count} numbers, {off} off")
    return int(off > 0)


if __name__ == "__main__":
    sys.exit(main())
