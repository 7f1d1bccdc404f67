"""Metrics of the accuracies ȳ_v of the single variants: the worst, the best, and how far apart they are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from robusttest.stats.cell.intervals import (
    ALPHA,
    MIN_CLUSTERS,
    RESAMPLES,
    Limits,
    Spread,
    bootstrap,
    cp_lower,
    few_clusters,
    mean_se,
    on_effective_n,
    proportion,
    sum_by,
    t_quantile,
    zero_width,
)
from robusttest.stats.cell.measures import NEEDS_ROWS, Measures
from robusttest.stats.cell.variant_sums import VariantSums

Floats = NDArray[np.float64]
BOOTSTRAPPED = 2000
"""Of more cases (or clusters) the band is that of their normal limit: it is the same, without the resamples."""
FROM_SUMS = 200
"""Where there are sums alone, which can't be resampled, it is so from this many on: within .005 of the bootstrap's there."""
METRICS = ("worst_variant_accuracy", "spread", "maxp", "avgp", "saturation", "cps")


def across_variants(
    m: Measures, metric: str, clusters: NDArray[np.int64] | None, *, level: float = 0.95
) -> tuple[float | None, Limits, int]:
    """One of `METRICS`, with an interval from a simultaneous bootstrap band over all variants.

    The best and the worst of K noisy accuracies are biased, and a percentile interval is biased with them (where
    all variants are equally good it excludes a spread of 0 most of the time). The band holds for all ȳ_v at
    once, so it holds for the one that is truly the worst: with δ_v = ȳ*_v - ȳ_v over resamples of cases,
    min and max lie within the quantiles of max δ and -min δ, a spread within those of max δ - min δ.
    Conservative. ``avgp`` is a mean, and has the interval of one. Where no resample varies, what n cases without a failure (or a difference) leave open.
    """
    sums = m.variant_sums()
    n, means = sums.cases, sums.means
    v = len(means)
    if v < 2 or not n:
        return None, Limits(), n
    value = float(_value(metric, means))
    if not m.has_rows and (clusters is not None or (n < FROM_SUMS and metric != "avgp")):
        return value, Limits(reason=NEEDS_ROWS), n
    if not m.has_rows and metric == "avgp":
        return value, _mean_from_sums(m.variant_sums(products=True), level), n
    groups = None if clusters is None else clusters[_rows(m)]
    units = n if groups is None else len(np.unique(groups))
    if metric == "avgp":
        return value, _mean_of_means(_scored(m), means, groups, level), n
    band: Band | None = m.memo.get("band")
    if band is None:
        band = m.memo["band"] = Band(_deviations(m, means, groups, units))
    limits = _limits(metric, means, band, level)
    if limits.low is None:
        limits = _degenerate(metric, value, units, level)
    elif metric in ("spread", "saturation"):
        limits = _at_least(limits, _degenerate(metric, value, units, level), up=metric == "spread")
    elif metric == "maxp" and limits.lower is not None and limits.low is not None:
        # Near 1 the resamples vary too little: a gate would pass .09 of models at the limit. Each variant exactly,
        # at its share of the error, holds for the best of them.
        low, lower = (cp_lower(value * units, units, a / v) for a in ((1 - level) / 2, ALPHA))
        limits = limits._replace(low=min(limits.low, low), lower=min(limits.lower, lower))
    elif metric == "worst_variant_accuracy" and limits.lower is not None:
        limits = limits._replace(lower=min(limits.lower, cp_lower(value * units, units)))
    if groups is None or limits.low is None:
        return value, limits, n
    limits = limits._replace(method=f"{limits.method}, {units} clusters")
    if units < MIN_CLUSTERS:
        limits = limits._replace(lower=None, upper=None, reason=few_clusters(units))
    return value, limits, n


def _scored(m: Measures) -> Floats:
    """(n, V) scores of the cases and variants that have one."""
    y = m.by_variant
    return y[:, ~np.isnan(y).all(axis=0)][_rows(m)]


def _rows(m: Measures) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(m.by_variant).all(axis=1))


def _deviations(m: Measures, means: Floats, groups: NDArray[np.int64] | None, units: int) -> Floats:
    """(B, 3) deviations of the worst, the best and the mean over variants: of resamples, or of their normal limit."""
    if units > BOOTSTRAPPED or not m.has_rows:
        spread = (
            m.variant_sums(products=True).covariance() if groups is None else _clustered(m, means, groups)
        )
        return _extremes(normal_deviations(spread, units))
    order = _by_name(m, _rows(m))
    return bootstrap(
        _parts(_scored(m)[order], clustered=groups is not None),
        lambda sums: _extremes(_means(sums, len(means), len(order)) - means),
        None if groups is None else _first_seen(groups[order]),
    )


def _clustered(m: Measures, means: Floats, groups: NDArray[np.int64]) -> Floats:
    """`VariantSums.covariance` of clusters' shares."""
    y = _scored(m)
    there = ~np.isnan(y)
    names, index = np.unique(groups, return_inverse=True)
    shares = sum_by(np.where(there, y - means, 0.0) / there.sum(axis=0), index, len(names))
    return np.asarray(shares.T @ shares)


def normal_deviations(covariance: Floats, units: int) -> Floats:
    """(B, V) deviations of the variants' means by the central limit of many cases (or clusters): normal, with the
    covariance of the cases' shares. Seeded by their numbers.
    """
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rng = np.random.Generator(np.random.PCG64([0, units, len(covariance)]))
    return np.asarray(rng.standard_normal((RESAMPLES, len(covariance))) @ root.T)


def _value(metric: str, means: Floats) -> Floats:
    worst, best, mean = np.moveaxis(_extremes(means), -1, 0)
    values: dict[str, Floats] = {
        "worst_variant_accuracy": worst,
        "spread": best - worst,
        "maxp": best,
        "avgp": mean,
        "saturation": 1 - (best - mean),
        "cps": (1 - (best - mean)) * best,
    }
    return values[metric]


class Band:
    """Quantiles of what the worst, the best and the mean over variants deviate by: (B, 3) of all three."""

    def __init__(self, deviations: Floats) -> None:
        there = deviations[np.isfinite(deviations).all(axis=1)]
        self.varies = len(there) >= 0.9 * RESAMPLES and float(np.ptp(there)) >= 1e-12
        self._columns = {"down": -there[:, 0], "up": there[:, 1], "middle": there[:, 2]}
        self._sorted: dict[str, Floats] = {}

    def quantile(self, of: str, p: float) -> float:
        """``of``: ``down``, ``up``, or two of the three added (``up + down``) or taken apart (``up - middle``)."""
        ordered = self._sorted.get(of)
        if ordered is None:
            first, sign, second = (*of.split(), "", "")[:3]
            made = self._columns[first]
            if sign:
                made = made + self._columns[second] if sign == "+" else made - self._columns[second]
            ordered = self._sorted[of] = np.sort(made)
        place = p * (len(ordered) - 1)
        below = min(int(place), len(ordered) - 2)
        low, high = float(ordered[below]), float(ordered[below + 1])
        return low + (high - low) * (place - below)


def _limits(metric: str, means: Floats, band: Band, level: float) -> Limits:
    if not band.varies:
        return Limits(
            method="bootstrap", reason="interval unreliable: resamples do not vary or are undefined"
        )
    q = band.quantile
    worst, best, mean = (float(x) for x in _extremes(means))

    def between(p: float) -> tuple[float, float]:
        """Limits with 1-p beyond each (beyond both together, for a spread and for cps)."""
        if metric in ("worst_variant_accuracy", "maxp"):
            middle_one = worst if metric == "worst_variant_accuracy" else best
            return middle_one - q("up", p), middle_one + q("down", p)
        if metric == "spread":
            return best - worst - q("up + down", p), best - worst + q("up + down", p)
        gap = best - mean
        if metric == "saturation":
            return 1 - gap - q("middle + down", p), 1 - gap + q("up - middle", p)
        half = (1 + p) / 2  # two statements at once
        low = max(1 - gap - q("middle + down", half), 0.0) * max(best - q("up", half), 0.0)
        return low, min(1 - gap + q("up - middle", half), 1.0) * min(best + q("down", half), 1.0)

    two_sided = level if metric == "spread" else 0.5 + level / 2
    low, high, lower, upper = (min(max(x, 0.0), 1.0) for x in (*between(two_sided), *between(1 - ALPHA)))
    return Limits(low, high, lower, upper, "bootstrap band")


def _mean_of_means(y: Floats, means: Floats, groups: NDArray[np.int64] | None, level: float) -> Limits:
    """Of the mean over variants: linearised, each case's share in every variant's mean, on the effective n."""
    there = ~np.isnan(y)
    share = np.where(there, y - means, 0.0) * (len(y) / there.sum(axis=0))
    return on_effective_n(float(means.mean()), len(y), mean_se(share.mean(axis=1), groups), level=level)


def _mean_from_sums(sums: VariantSums, level: float) -> Limits:
    """The same of independent cases: the shares add up to 0, so that their sum of squares is that of the covariance."""
    n, v = sums.cases, len(sums.means)
    spread = Spread(math.sqrt(max(float(sums.covariance().sum()), 0.0) * n / max(n - 1, 1)) / v, n - 1, None)
    return on_effective_n(float(sums.means.mean()), n, spread, level=level)


def _by_name(m: Measures, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Cases by id, so that the order of rows does not change which ones a resample draws."""
    names = [m.cell.case_ids[i] for i in np.flatnonzero(rows)]
    return np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)


def _first_seen(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Groups renumbered in the order they come in."""
    _, first, index = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[index])


def _parts(y: Floats, *, clustered: bool) -> Floats:
    """Columns that sum to what `_means` divides: scores, then how many (one column where none is missing, and none where n is that of
    every resample).
    """
    there = ~np.isnan(y)
    if there.all():
        return np.concatenate([y, np.ones((len(y), 1))], axis=1) if clustered else y
    return np.concatenate([np.where(there, y, 0.0), there], axis=1)


def _means(sums: Floats, v: int, n: int) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray(sums[..., :v] / (n if sums.shape[-1] == v else sums[..., v:]))


def _extremes(values: Floats) -> Floats:
    """(…, 3): min, max and mean over variants."""
    return np.stack([values.min(axis=-1), values.max(axis=-1), values.mean(axis=-1)], axis=-1)


def _at_least(limits: Limits, least: Limits, *, up: bool) -> Limits:
    """Widened on the side of more spread to what as many cases without any difference would leave open."""
    pick = max if up else min
    sides = ("high", "upper") if up else ("low", "lower")
    return limits._replace(**{side: pick(getattr(limits, side), getattr(least, side)) for side in sides})


def _degenerate(metric: str, value: float, units: int, level: float) -> Limits:
    if metric == "cps":
        return Limits(method="bootstrap", reason="interval unreliable: no case varies from the others")
    if metric in ("spread", "saturation"):
        two, one = (zero_width(units, t_quantile(p, max(units - 1, 1))) for p in (0.5 + level / 2, 0.95))
        if metric == "spread":
            return Limits(0.0, min(value + two, 1.0), 0.0, min(value + one, 1.0), "no-difference")
        return Limits(max(value - two, 0.0), 1.0, max(value - one, 0.0), 1.0, "no-difference")
    if value in (0.0, 1.0):
        return proportion(np.full(units, value), level=level)
    return Limits(method="bootstrap", reason="interval unreliable: no case varies from the others")
