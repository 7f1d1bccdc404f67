"""Metrics that divide one mean by another: relative drops, and shares of what the reference got right."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from robusttest.stats.cell.consistency import too_few
from robusttest.stats.cell.intervals import (
    Limits,
    jackknife,
    leave_one_out,
    mean_se,
    proportion,
    ratio_of_sums,
    t_interval,
    z_quantile,
    zero_width,
)
from robusttest.stats.cell.measures import NEEDS_ROWS, Measures

Floats = NDArray[np.float64]
Found = tuple[float | None, Limits, int]
Clusters = NDArray[np.int64] | None

REFERENCE_ZERO = "the reference accuracy is 0: no relative drop"


def pdr(m: Measures, metric: str, clusters: Clusters, *, level: float = 0.95) -> Found:
    """``pdr`` 1 - pass_rate/accuracy, ``pdr_worst`` 1 - robust_accuracy/accuracy, of cases that have both.

    0/0 is 0. Delta method: residuals (y - (1-PDR)·y_ref)/accuracy, t; never narrower than what as many cases
    without any drop would leave open. What is kept in the worst case is a share of what the reference has, in [0, 1]:
    a proportion on the effective n (with t a gate would pass .12 of models at the limit, at an accuracy of .9).
    """
    other = m.perturbed if metric == "pdr" else m.worst
    rows = ~np.isnan(m.reference) & ~np.isnan(other)
    n = int(rows.sum())
    if not n:
        return None, Limits(), 0
    ref, y = m.reference[rows], other[rows]
    base = float(ref.mean())
    if base == 0:
        if y.any():
            return None, Limits(reason=REFERENCE_ZERO), n
        return 0.0, Limits(reason="0/0: neither the reference nor a variant is ever right"), n
    kept = float(y.mean()) / base
    if metric == "pdr_worst":
        there = ref > 0
        _, share, _ = _pooled(y[there], ref[there], _of(_of(clusters, rows), there), level)
        low, high, lower, upper = (None if x is None else 1 - x for x in share[:4])
        return 1 - kept, Limits(high, low, upper, lower, share.method, share.reason), n
    spread = mean_se((y - kept * ref) / base, _of(clusters, rows))
    units = n if spread.clusters is None else spread.clusters
    limits = t_interval(
        1 - kept, spread, level=level, method="delta", floor=lambda p: zero_width(units, z_quantile(p)) / base
    )
    return 1 - kept, limits, n


def apdr(m: Measures, _metric: str, clusters: Clusters, *, level: float = 0.95) -> Found:
    """Mean over the variants v>=1 of 1 - Σ y_iv / Σ y_i0, each over the cases that have both. Jackknife-t."""
    rows = ~np.isnan(m.reference) & ~np.isnan(m.perturbed)
    n = int(rows.sum())
    if not n:
        return None, Limits(), 0
    sums = m.variant_sums()
    paired = sums.paired_count > 0
    v = int(paired.sum())
    totals = np.concatenate([sums.paired_total[paired], sums.paired_reference[paired]])

    def value(sums: Floats) -> Floats:
        with np.errstate(all="ignore"):
            out: Floats = np.mean(1 - sums[..., :v] / sums[..., v:], axis=-1)
        return out

    if not totals[v:].all():
        if totals.any():
            return None, Limits(reason=REFERENCE_ZERO), n
        return 0.0, Limits(reason="0/0: neither the reference nor a variant is ever right"), n
    found = float(value(totals))
    if not m.has_rows:
        return found, Limits(reason=NEEDS_ROWS), n
    first = m.reference[:, None]
    y = m.by_variant[:, ~m.ref]
    both = ~np.isnan(y) & ~np.isnan(first)
    y, both = y[:, both.any(axis=0)], both[:, both.any(axis=0)]
    parts = np.concatenate([np.where(both, y, 0.0), np.where(both, first, 0.0)], axis=1)[rows]
    groups = _of(clusters, rows)
    spread = jackknife(leave_one_out(parts, value, groups), groups)
    return found, t_interval(found, spread, level=level, method="jackknife-t"), n


def cohen_h(m: Measures, _metric: str, clusters: Clusters, *, level: float = 0.95) -> Found:
    """2(asin √accuracy - asin √pass_rate)/π in [-1, 1], of cases that have both. Jackknife-t."""
    rows = ~np.isnan(m.reference) & ~np.isnan(m.perturbed)
    n = int(rows.sum())
    if not n:
        return None, Limits(), 0
    parts = np.stack([np.ones(n), m.reference[rows], m.perturbed[rows]], axis=1)

    def value(sums: Floats) -> Floats:
        shares = np.clip(sums[..., 1:] / sums[..., :1], 0, 1)
        angles = np.arcsin(np.sqrt(shares))
        out: Floats = 2 * (angles[..., 0] - angles[..., 1]) / math.pi
        return out

    found = float(value(parts.sum(axis=0)))
    if (few := too_few(m)) is not None:
        return found, Limits(method="jackknife-t", reason=few), n
    groups = _of(clusters, rows)
    spread = jackknife(leave_one_out(parts, value, groups), groups)
    return found, t_interval(found, spread, level=level, method="jackknife-t"), n


def crossed_over(m: Measures, metric: str, clusters: Clusters, *, level: float = 0.95) -> Found:
    """``right_to_wrong``: the share lost by variants of cases whose reference scores 1.

    ``wrong_to_right``: the share won by variants of cases whose reference scores 0. Pooled over replies.
    """
    right = metric == "right_to_wrong"
    rows = (m.first == (1 if right else 0)) & (m.perturbed_k > 0)
    n = int(rows.sum())
    if not n:
        return None, Limits(), 0
    won, whole = m.perturbed_total[rows], m.perturbed_k[rows].astype(float)
    return _pooled(whole - won if right else won, whole, _of(clusters, rows), level)


def cr_micro(m: Measures, _metric: str, clusters: Clusters, *, level: float = 0.95) -> Found:
    """Equal pairs of answers / pairs, pooled over cases (lm-eval's consistency rate)."""
    rows = m.ties.pairs > 0
    if not rows.any():
        return None, Limits(), 0
    part, whole = m.ties.equal_pairs[rows].astype(float), m.ties.pairs[rows].astype(float)
    return _pooled(part, whole, _of(clusters, rows), level)


def _pooled(part: Floats, whole: Floats, clusters: Clusters, level: float) -> Found:
    if (whole == whole[0]).all():
        limits = proportion(part / whole, clusters, level=level)
    else:
        limits = ratio_of_sums(part, whole, clusters, level=level)
    return float(part.sum() / whole.sum()), limits, len(part)


def _of(clusters: Clusters, rows: NDArray[np.bool_]) -> Clusters:
    return None if clusters is None else clusters[rows]
