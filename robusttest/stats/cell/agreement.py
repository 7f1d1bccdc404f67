"""Agreement coefficients over answers and scores: Fleiss' κ, Krippendorff's α, Kendall's W.

Cases are the units, variants the raters. Each function gives the value and the replicates with one case (or
cluster) left out; a case counts where it has two values or more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robusttest.stats.cell.intervals import Limits, fisher_z, jackknife, leave_one_out
from robusttest.stats.cell.measures import Measures

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Clusters = NDArray[np.int64] | None

MIN_DISAGREEING = 10
"""Fewer cases with a disagreement carry no interval (as for the metrics of correctness)."""
MAX_RANKED = 2000
"""Kendall's W with each of more cases left out would take n² memory: value only."""

NEEDS_ANSWERS = "the answers of clustered cases are not recorded one by one"


class Found(NamedTuple):
    value: float | None
    limits: Limits
    n: int


def _each(rows: NDArray[np.bool_], clusters: Clusters) -> tuple[Codes, int]:
    if clusters is None:
        n = int(rows.sum())
        return np.arange(n), n
    names, index = np.unique(clusters[rows], return_inverse=True)
    return index, len(names)


def answer_kappa(m: Measures, _metric: str, clusters: Clusters, *, level: float = 0.95) -> Found:
    """Fleiss' κ over answers: (Ā - A₀)/(1 - A₀), Ā the mean pairwise agreement of a case, A₀ = Σ_c p_c².

    p_c is the mean over cases of the answer's share. For closed answer sets: where every question has its own
    answers, A₀ is near 0 and κ is the plain agreement.
    """
    rows = m.ties.pairs > 0
    if not rows.any():
        return Found(None, Limits(), 0)
    agreement = m.equal_pairs[rows]
    index, g = _each(rows, clusters)
    square, dots, squares = m.tally(rows, index, shares=True)
    n = len(agreement)
    sizes = np.bincount(index, minlength=g)

    def kappa(agree: Floats, sums: Floats, count: Floats) -> Floats:
        with np.errstate(all="ignore"):
            chance = sums / count**2
            out: Floats = np.where(chance < 1 - 1e-12, (agree / count - chance) / (1 - chance), np.nan)
        return out

    value = float(kappa(np.array(agreement.sum()), np.array(square), np.array(float(n))))
    if np.isnan(value):
        return Found(None, Limits(reason="saturated: all answers are the same"), n)
    if (few := _too_few(m.ties.differ[rows] > 0)) is not None:
        return Found(value, Limits(method="jackknife-z", reason=few), n)
    if squares is None:
        return Found(value, Limits(reason=NEEDS_ANSWERS), n)
    rest = kappa(
        agreement.sum() - np.bincount(index, weights=agreement, minlength=g),
        square - 2 * dots + squares,
        n - sizes.astype(float),
    )
    return Found(
        value,
        fisher_z(value, jackknife(rest, clusters if clusters is None else clusters[rows]), level=level),
        n,
    )


def krippendorff_nominal(m: Measures, _metric: str, clusters: Clusters, *, level: float = 0.95) -> Found:
    """Krippendorff's α over answers, 1 - D_o/D_e from the coincidence matrix.

    D_o = Σ_i K_i(1-A_i)/N, D_e = 1 - Σ_c n_c(n_c-1)/(N(N-1)), N the answers of cases with two or more.
    """
    rows = m.ties.pairs > 0
    if not rows.any():
        return Found(None, Limits(), 0)
    valid: Floats = m.ties.valid[rows].astype(float)
    n = len(valid)
    disagreement = valid * (1 - m.equal_pairs[rows])
    index, g = _each(rows, clusters)
    square, dots, squares = m.tally(rows, index, shares=False)

    def alpha(apart: Floats, square: Floats, count: Floats) -> Floats:
        with np.errstate(all="ignore"):
            expected = 1 - (square - count) / (count * (count - 1))
            out: Floats = np.where(expected > 1e-12, 1 - apart / count / expected, np.nan)
        return out

    count = float(valid.sum())
    value = float(alpha(np.array(disagreement.sum()), np.array(square), np.array(count)))
    if np.isnan(value):
        return Found(None, Limits(reason="saturated: all answers are the same"), n)
    if (few := _too_few(m.ties.differ[rows] > 0)) is not None:
        return Found(value, Limits(method="jackknife-z", reason=few), n)
    if squares is None:
        return Found(value, Limits(reason=NEEDS_ANSWERS), n)
    rest = alpha(
        disagreement.sum() - np.bincount(index, weights=disagreement, minlength=g),
        square - 2 * dots + squares,
        np.asarray(count - np.bincount(index, weights=valid, minlength=g), dtype=float),
    )
    groups = None if clusters is None else clusters[rows]
    return Found(value, fisher_z(value, jackknife(rest, groups), level=level), n)


def krippendorff_interval(m: Measures, _metric: str, clusters: Clusters, *, level: float = 0.95) -> Found:
    """Krippendorff's α with the interval metric (squared differences) over scores."""
    rows = m.k >= 2
    n = int(rows.sum())
    if not n:
        return Found(None, Limits(), 0)
    k, total, square = m.k[rows].astype(float), m.total[rows], m.square[rows]
    parts = np.stack([2 * (k * square - total**2) / (k - 1), k, total, square], axis=1)

    def alpha(sums: Floats) -> Floats:
        apart, count, s, ss = np.moveaxis(sums, -1, 0)
        with np.errstate(all="ignore"):
            expected = 2 * (count * ss - s**2) / (count * (count - 1))
            out: Floats = np.where(expected > 1e-12, 1 - apart / count / expected, np.nan)
        return out

    value = float(alpha(parts.sum(axis=0)))
    if np.isnan(value):
        return Found(None, Limits(reason="saturated: all scores are the same"), n)
    if (few := _too_few(m.worst[rows] < m.best[rows])) is not None:
        return Found(value, Limits(method="jackknife-z", reason=few), n)
    groups = None if clusters is None else clusters[rows]
    return Found(
        value, fisher_z(value, jackknife(leave_one_out(parts, alpha, groups), groups), level=level), n
    )


def kendall_w(m: Measures, metric: str, clusters: Clusters, *, level: float = 0.95) -> Found:
    """Kendall's W of the cases' mid-ranks by score, variants as judges: 12S/(K²(n³-n) - K Σ_v Σ(t³-t)).

    ``kendall_w_uncorrected``: without the sum over ties. Over cases scored at every variant; jackknife over cases.
    """
    corrected = metric == "kendall_w"
    columns = m.there.any(axis=0)
    rows = m.there[:, columns].all(axis=1)
    y = m.y[rows][:, columns]
    n, k = y.shape
    if n < 2 or k < 2:
        return Found(None, Limits(), n if k >= 2 else 0)
    memo = m.cell.memo
    if "ranks" not in memo:
        memo["ranks"] = _ranks(y)
    ranks, tied = memo["ranks"]
    value = float(_w(((ranks - (n + 1) / 2).sum(axis=1) ** 2).sum(), tied.sum(), n, k, corrected))
    if np.isnan(value):
        return Found(None, Limits(reason="saturated: each variant scores all cases the same"), n)
    if n > MAX_RANKED or clusters is not None:
        why = "clustered cases" if clusters is not None else f"more than {MAX_RANKED:,} cases"
        return Found(value, Limits(reason=f"no interval for {why}"), n)
    if (few := _too_few(y.min(axis=1) < y.max(axis=1))) is not None:
        return Found(value, Limits(method="jackknife-z", reason=few), n)
    if "ranks_without_each" not in memo:
        memo["ranks_without_each"] = _without_each(y, ranks)
    off, less_tied = memo["ranks_without_each"]
    rest = _w(off, tied.sum() - less_tied, n - 1, k, corrected)
    return Found(value, fisher_z(value, jackknife(rest), level=level), n)


def _ranks(y: Floats) -> tuple[Floats, Floats]:
    """Mid-ranks within each column, and Σ(t³-t) over each column's ties."""
    n, k = y.shape
    if ((y == 0) | (y == 1)).all():  # right and wrong: two ranks a column
        right = y.sum(axis=0)
        wrong = n - right
        tied = (right**3 - right) + (wrong**3 - wrong)
        return np.where(y == 1, wrong + (right + 1) / 2, (wrong + 1) / 2), tied
    ranks, tied = np.empty((n, k)), np.empty(k)
    for v in range(k):
        _, where, counts = np.unique(y[:, v], return_inverse=True, return_counts=True)
        ranks[:, v] = (np.cumsum(counts) - (counts - 1) / 2)[where]
        tied[v] = float((counts.astype(float) ** 3 - counts).sum())
    return ranks, tied


def _w(s: Floats | float, tied: Floats | float, n: int, k: int, corrected: bool) -> Floats:
    room = np.asarray(k * k * (float(n) ** 3 - n) - (k * np.asarray(tied) if corrected else 0.0))
    with np.errstate(all="ignore"):
        out: Floats = np.where(room > 1e-9, 12 * np.asarray(s) / room, np.nan)
    return out


def _without_each(y: Floats, ranks: Floats) -> tuple[Floats, Floats]:
    """S and the loss of Σ(t³-t) with each case left out: the rank of case i falls by 1 for a lower case j, by 1/2 for
    an equal one.
    """
    n, k = y.shape
    falls, less_tied = np.full((n, n), 0.5 * k), np.zeros(n)
    # Of a column with two values the sign of a difference is the difference, and adds up.
    low, high = y.min(axis=0), y.max(axis=0)
    two = ((y == low) | (y == high)).all(axis=0)
    at = y[:, two] > low[two]
    more = at.sum(axis=0).astype(float)
    t = np.where(at, more, n - more)
    less_tied += (3 * t * (t - 1)).sum(axis=1)
    above = at.sum(axis=1).astype(float)
    for v in np.flatnonzero(~two):
        _, at, counts = np.unique(y[:, v], return_inverse=True, return_counts=True)
        t = counts.astype(float)[at]
        less_tied += 3 * t * (t - 1)
        falls += 0.5 * np.sign(at - at[:, None])
    falls += 0.5 * (above - above[:, None])
    sums = ranks.sum(axis=1)[None, :] - falls  # [j, i]: R_i without case j
    off = sums - k * n / 2
    np.fill_diagonal(off, 0.0)
    return (off**2).sum(axis=1), less_tied


def _too_few(disagreeing: NDArray[np.bool_]) -> str | None:
    count = int(disagreeing.sum())
    if count >= MIN_DISAGREEING:
        return None
    return f"interval unreliable: {count} cases with a disagreement, {MIN_DISAGREEING} needed"
