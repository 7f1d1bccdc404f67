"""Is the spread between variants more than noise? The best of K noisy variants beats the worst under no effect at all.

- A permutation null: variant labels are shuffled within each case, which keeps each case's difficulty.
- Cochran's Q of right/wrong scores, chi-square with V-1 degrees of freedom (Cochran 1950).
- A cross-fit spread: best and worst variant are chosen on one half of the cases and scored on the other, so that the
  choice does not bias it up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from robusttest.core.nouns import derive_seed
from robusttest.stats.cell.frame import Floats, Frame, Mask
from robusttest.stats.cell.intervals import Limits, mean_se, t_quantile, tango
from robusttest.stats.cell.measures import measures

RESAMPLES = 2000
SPLITS = 100
MOST_SCORES = 100_000_000
"""Scores shuffled at most (2 s); a report of many cells has less for each. Beyond, the shuffles' normal limit."""
IN_REPORT = 1_000_000
_CHUNK = 4_000_000
"""Scores shuffled at once: 32 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadTest:
    """The spread of one cell against its nulls. A value that is undefined is None, with the reason."""

    spread: float | None = None
    """max_v ȳ_v - min_v ȳ_v over the cases scored at every variant."""
    n: int = 0
    """Those cases."""
    variants: int = 0
    """V, the reference included; reruns of a variant are one."""
    null_mean: float | None = None
    """Mean spread where variants make no difference."""
    null_high: float | None = None
    """Its 95 % quantile."""
    p: float | None = None
    """Share of shuffles with at least this spread, (1+b)/(1+B)."""
    p_error: float | None = None
    """Monte-Carlo standard error of ``p``."""
    resamples: int = 0
    method: str = ""
    """``permutation``, or its ``normal limit`` where shuffling all scores would take long."""
    q: float | None = None
    q_df: int | None = None
    q_p: float | None = None
    cross_fit: float | None = None
    """Spread of the variants that were best and worst on other cases, in [-1, 1]; no bias upward."""
    cross_fit_low: float | None = None
    cross_fit_high: float | None = None
    """95 % interval over cases."""
    reason: str | None = None


def spread_test(
    cell: Frame,
    perturbation: str | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    most_scores: int = MOST_SCORES,
) -> SpreadTest:
    """The variants of ``perturbation`` (all input and prompt variants if None) and the reference.

    Seeded by the names of task and model and ``seed``: the same in every order and process.
    """
    at = cell.select(perturbation)
    y = measures(at).by_variant
    y = y[:, ~np.isnan(y).all(axis=0)] if y.size else y
    whole = ~np.isnan(y).any(axis=1)
    names = sorted(np.flatnonzero(whole), key=at.case_ids.__getitem__)
    y = y[names]
    n, v = y.shape
    if v < 2 or n < 2:
        return SpreadTest(n=n, variants=v, reason="fewer than two cases scored at two variants or more")
    means = y.mean(axis=0)
    seen = float(means.max() - means.min())
    entropy = derive_seed("spread", cell.task, cell.model, perturbation or "", seed)
    rng = np.random.Generator(np.random.PCG64(entropy))
    shuffled = (np.ptp(y, axis=1) > 0).sum() * v * resamples <= most_scores
    null = shuffled_spreads(y, rng, resamples) if shuffled else normal_spreads(y, rng, resamples)
    p = (1 + int((null >= seen - (1e-12 if shuffled else 0.5 / n)).sum())) / (1 + resamples)
    q, q_p = cochran_q(y)
    index = at.cluster_index
    clusters = None if index is None else index[names]
    gaps = cross_fit_gaps(y, rng)
    limits = _gap_limits(gaps, clusters)
    return SpreadTest(
        spread=seen, n=n, variants=v, null_mean=float(null.mean()), null_high=float(np.quantile(null, 0.95)), p=p,
        p_error=math.sqrt(p * (1 - p) / resamples), resamples=resamples, method="permutation" if shuffled else "permutation, normal limit", q=q, q_df=None if q is None else v - 1, q_p=q_p,
        cross_fit=float(gaps.mean()), cross_fit_low=limits.low, cross_fit_high=limits.high,
        reason=None if q is not None else "Cochran's Q needs right/wrong scores that differ within a case",
    )  # fmt: skip


def shuffled_spreads(y: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """(B,) spreads of (n, V) scores, each case's scores shuffled over the variants. Cases without a difference stay."""
    n = len(y)
    varied = y[np.ptp(y, axis=1) > 0]
    if not len(varied):
        return np.zeros(resamples)
    step = max(1, _CHUNK // varied.size)
    out = []
    for first in range(0, resamples, step):
        count = min(step, resamples - first)
        drawn = rng.permuted(np.broadcast_to(varied, (count, *varied.shape)), axis=2)
        sums = drawn.sum(axis=1)
        out.append((sums.max(axis=1) - sums.min(axis=1)) / n)
    return np.concatenate(out)


def normal_spreads(y: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """(B,) spreads by the central limit of the shuffles: means with variance Σ_i s_i²/n² each (s_i² with ddof 1, over
    the variants), and the sum over variants fixed.
    """
    n, v = y.shape
    scale = math.sqrt(float(y.var(axis=1, ddof=1).sum())) / n
    drawn = rng.normal(0, scale, (resamples, v))
    return np.asarray(drawn.max(axis=1) - drawn.min(axis=1))


def cochran_q(y: Floats) -> tuple[float | None, float | None]:
    """(V-1)(V ΣC² - N²)/(V N - ΣR²) with column sums C, row sums R, total N, and its chi-square p."""
    v = y.shape[1]
    if not bool(((y == 0) | (y == 1)).all()):
        return None, None
    columns, rows = y.sum(axis=0), y.sum(axis=1)
    total = float(y.sum())
    below = v * total - float((rows**2).sum())
    if below <= 0:
        return None, None
    q = (v - 1) * (v * float((columns**2).sum()) - total**2) / below
    return q, float(chdtrc(v - 1, q))


def _gap_limits(gaps: Floats, clusters: NDArray[np.int64] | None) -> Limits:
    """A 95 % interval of the mean gap: Tango's on the number of cases that has the observed SE, at most 1.5n.

    Student's t on the gaps, as for changes between versions, is too narrow here (coverage .77): the splits of a case share
    what was chosen on the others.
    """
    n, mean = len(gaps), float(gaps.mean())
    spread = mean_se(gaps, clusters)
    if n < 2 or spread.df <= 0:
        return Limits(method="tango", reason="one independent case gives no interval")
    gain, loss = float(np.maximum(gaps, 0).sum()) / n, float(np.maximum(-gaps, 0).sum()) / n
    n_eff = float(n if spread.clusters is None else spread.clusters)
    if spread.se > 1e-12:
        n_eff = min((gain + loss - mean**2) / spread.se**2, 1.5 * n if spread.clusters is None else float(n))
    low, high = tango(gain * n_eff, loss * n_eff, n_eff, quantile=t_quantile(0.975, max(spread.df, 1.0)))
    return Limits(low, high, method="tango")


def cross_fit_gaps(y: Floats, rng: np.random.Generator, splits: int = SPLITS) -> Floats:
    """(n,) score at the variant that was best less that at the one that was worst on the other half, over ``splits``."""
    n, _ = y.shape
    total, times = np.zeros(n), np.zeros(n)
    half = np.zeros(n, dtype=bool)
    half[: n // 2] = True
    for _ in range(splits):
        first = rng.permuted(half)
        for chosen_on in (first, ~first):
            _add_gaps(y, chosen_on, total, times)
    return np.asarray(total / times)


def _add_gaps(y: Floats, chosen_on: Mask, total: Floats, times: Floats) -> None:
    means = y[chosen_on].mean(axis=0)
    rest = ~chosen_on
    total[rest] += y[rest, int(means.argmax())] - y[rest, int(means.argmin())]
    times[rest] += 1
