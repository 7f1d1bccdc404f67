"""Metrics of the accuracies ȳ_v of the single variants: the worst, the best, and how far apart they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robusttest.stats.intervals import Limits, bootstrap, percentile, proportion, t_quantile, zero_width
from robusttest.stats.measures import Measures

Floats = NDArray[np.float64]
METRICS = ("worst_variant_accuracy", "spread", "maxp", "avgp", "saturation", "cps")


def variant_accuracies(m: Measures) -> Floats:
    """(V,) ȳ_v over the cases that have a score there; NaN where none has. Reruns of a variant are averaged."""
    y = m.by_variant
    there = ~np.isnan(y)
    with np.errstate(all="ignore"):
        out: Floats = np.where(there, y, 0.0).sum(axis=0) / there.sum(axis=0)
    return out


def across_variants(
    m: Measures, metric: str, clusters: NDArray[np.int64] | None, *, level: float = 0.95
) -> tuple[float | None, Limits, int]:
    """One of `METRICS` with a percentile bootstrap over cases (they are maxima, which no delta method fits).

    Where resamples cannot vary, one accuracy falls back to Clopper-Pearson, a distance to what n cases without a
    difference leave open.
    """
    y = m.by_variant
    y = y[:, ~np.isnan(y).all(axis=0)]
    rows = np.asarray(~np.isnan(y).all(axis=1))
    n, v = int(rows.sum()), y.shape[1]
    if v < 2 or not n:
        return None, Limits(), n
    y = y[rows]
    groups = None if clusters is None else clusters[rows]
    value = float(_read(_extremes(_parts(y).sum(axis=0), v), metric))
    memo = m.cell.memo
    if "extremes" not in memo:
        order = _by_name(m, rows)
        memo["extremes"] = bootstrap(
            _parts(y[order]),
            lambda sums: _extremes(sums, v),
            None if groups is None else _first_seen(groups[order]),
        )
    limits = percentile(_read(memo["extremes"], metric), level=level)
    if limits.low is None and metric != "cps":
        units = n if groups is None else len(np.unique(groups))
        limits = _degenerate(metric, value, units, level)
    return value, limits, n


def _by_name(m: Measures, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Cases by id, so that the order of rows does not change which ones a resample draws."""
    names = [m.cell.case_ids[i] for i in np.flatnonzero(rows)]
    return np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)


def _first_seen(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Groups renumbered in the order they come in."""
    _, first, index = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[index])


def _parts(y: Floats) -> Floats:
    there = ~np.isnan(y)
    return np.concatenate([np.where(there, y, 0.0), there], axis=1)


def _extremes(sums: Floats, v: int) -> Floats:
    """(…, 3): min, max and mean over variants of their accuracies."""
    with np.errstate(all="ignore"):
        means = sums[..., :v] / sums[..., v:]
    return np.stack([means.min(axis=-1), means.max(axis=-1), means.mean(axis=-1)], axis=-1)


def _read(extremes: Floats, metric: str) -> Floats:
    worst, best, mean = np.moveaxis(extremes, -1, 0)
    values: dict[str, Floats] = {
        "worst_variant_accuracy": worst,
        "spread": best - worst,
        "maxp": best,
        "avgp": mean,
        "saturation": 1 - (best - mean),
        "cps": (1 - (best - mean)) * best,
    }
    return values[metric]


def _degenerate(metric: str, value: float, units: int, level: float) -> Limits:
    if metric in ("spread", "saturation"):
        two, one = (zero_width(units, t_quantile(p, max(units - 1, 1))) for p in (0.5 + level / 2, 0.95))
        if metric == "spread":
            return Limits(0.0, min(value + two, 1.0), 0.0, min(value + one, 1.0), "no-difference")
        return Limits(max(value - two, 0.0), 1.0, max(value - one, 0.0), 1.0, "no-difference")
    if value in (0.0, 1.0):
        return proportion(np.full(units, value), level=level)
    return Limits(method="bootstrap", reason="interval unreliable: no case varies from the others")
