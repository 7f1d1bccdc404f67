"""Intervals: plain functions of numbers and arrays, without a cell or a metric's name.

Every interval is a `Limits`: two-sided at ``level``, and the one-sided 95 % limits that a gate decides by.
Sources: Wilson 1927; Clopper & Pearson 1934; Korn & Graubard 1998 (effective n); Tango 1998; Miller,
arXiv 2411.00640 (clustered errors); Efron & Stein 1981 (jackknife).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri, stdtrit

Floats = NDArray[np.float64]

ALPHA = 0.05
"""One-sided error of a gate."""
MIN_CLUSTERS = 10
"""Fewer clusters give an interval to look at, and no gate."""
RESAMPLES = 2000


class Limits(NamedTuple):
    low: float | None = None
    high: float | None = None
    lower: float | None = None
    upper: float | None = None
    method: str = ""
    reason: str | None = None


def z_quantile(p: float) -> float:
    return float(ndtri(p))


def t_quantile(p: float, df: float) -> float:
    """Student's t; infinite below one degree of freedom."""
    return float(stdtrit(df, p)) if df >= 1 else math.inf


def wilson(k: float, n: float, *, level: float = 0.95, quantile: float | None = None) -> tuple[float, float]:
    """Wilson's score interval for k of n (both may be fractional); ``quantile`` replaces z."""
    z = z_quantile(0.5 + level / 2) if quantile is None else quantile
    if n <= 0 or math.isinf(z):
        return 0.0, 1.0
    p, zz = k / n, z * z
    middle = (p + zz / (2 * n)) / (1 + zz / n)
    half = z * math.sqrt(max(p * (1 - p), 0.0) / n + zz / (4 * n * n)) / (1 + zz / n)
    return (0.0 if k <= 0 else max(middle - half, 0.0)), (1.0 if k >= n else min(middle + half, 1.0))


def clopper_pearson(k: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval for k of n; k and n may be fractional (an effective n)."""
    tail = (1 - level) / 2
    return cp_lower(k, n, tail), cp_upper(k, n, tail)


def cp_lower(k: float, n: float, alpha: float = ALPHA) -> float:
    """One-sided lower limit, BetaInv(alpha, k, n-k+1)."""
    return 0.0 if k <= 0 or n <= 0 else float(betaincinv(k, max(n - k, 0.0) + 1, alpha))


def cp_upper(k: float, n: float, alpha: float = ALPHA) -> float:
    """One-sided upper limit, BetaInv(1-alpha, k+1, n-k)."""
    return 1.0 if k >= n or n <= 0 else float(betaincinv(max(k, 0.0) + 1, n - k, 1 - alpha))


class Spread(NamedTuple):
    """The standard error of a mean, and what it stands on."""

    se: float
    df: int
    """Independent units - 1."""
    clusters: int | None


def mean_se(x: Floats, clusters: NDArray[np.int64] | None = None) -> Spread:
    """SE of mean(x): sd/sqrt(n), or over the sums of residuals of each cluster, G/(G-1) corrected."""
    n = len(x)
    groups = _groups(clusters)
    if groups is None:
        return Spread(float(x.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0, n - 1, None)
    index, g = groups
    sums = np.bincount(index, weights=x - x.mean(), minlength=g)
    variance = float(sums @ sums) / n**2 * (g / (g - 1) if g > 1 else 1.0)
    return Spread(math.sqrt(variance), g - 1, g)


def _groups(clusters: NDArray[np.int64] | None) -> tuple[NDArray[np.int64], int] | None:
    """Clusters renumbered 0..G-1; None where each case stands for itself."""
    if clusters is None:
        return None
    names, index = np.unique(clusters, return_inverse=True)
    return (index, len(names)) if len(names) < len(index) else None


def effective_n(p: float, n: int, spread: Spread) -> float:
    """The n of independent yes/no cases that has this SE: min(p(1-p)/SE^2, 1.5n), n for clustered cases; where
    nothing varies, the number of independent units.
    """
    if spread.se <= 1e-12 or not 0 < p < 1:
        return float(n if spread.clusters is None else spread.clusters)
    cap = 1.5 * n if spread.clusters is None else float(n)
    return min(p * (1 - p) / spread.se**2, cap)


def proportion(x: Floats, clusters: NDArray[np.int64] | None = None, *, level: float = 0.95) -> Limits:
    """A mean of per-case values in [0, 1].

    Yes/no values of independent cases: Wilson to look at, one-sided Clopper-Pearson to gate by, on n. Else
    the same on the effective n (`on_effective_n`).
    """
    n = len(x)
    if _groups(clusters) is None and bool(((x == 0) | (x == 1)).all()):
        k = float(x.sum())
        low, high = wilson(k, n, level=level)
        return Limits(low, high, cp_lower(k, n), cp_upper(k, n), "wilson")
    return on_effective_n(float(x.mean()), n, mean_se(x, clusters), level=level)


def ratio_of_sums(
    part: Floats, whole: Floats, clusters: NDArray[np.int64] | None = None, *, level: float = 0.95
) -> Limits:
    """Limits of Σ part / Σ whole in [0, 1], from the linearised SE, on the effective n."""
    value = float(part.sum() / whole.sum())
    residuals = (part - value * whole) / whole.mean()
    return on_effective_n(value, len(part), mean_se(residuals, clusters), level=level)


def on_effective_n(value: float, n: int, spread: Spread, *, level: float = 0.95) -> Limits:
    """Wilson with a t quantile, and one-sided Clopper-Pearson, for a proportion of ``n`` cases with this SE.

    Clusters cost (t_{n-1} / t_{G-1})^2 of the gate's n; fewer than `MIN_CLUSTERS` of them give no gate.
    """
    p = min(max(value, 0.0), 1.0)
    if spread.df < 1:
        return Limits(method="case-means", reason="one independent case gives no interval")
    n_eff = effective_n(p, n, spread)
    low, high = wilson(p * n_eff, n_eff, quantile=t_quantile(0.5 + level / 2, spread.df))
    if spread.clusters is None:
        return Limits(low, high, cp_lower(p * n_eff, n_eff), cp_upper(p * n_eff, n_eff), "case-means")
    method = f"case-means, {spread.clusters} clusters"
    if spread.clusters < MIN_CLUSTERS:
        return Limits(low, high, method=method, reason=few_clusters(spread.clusters))
    n_eff *= (t_quantile(1 - ALPHA, n - 1) / t_quantile(1 - ALPHA, spread.df)) ** 2
    return Limits(low, high, cp_lower(p * n_eff, n_eff), cp_upper(p * n_eff, n_eff), method)


def few_clusters(g: int) -> str:
    return f"only {g} clusters: a gate needs {MIN_CLUSTERS}"


def zero_width(n: float, quantile: float) -> float:
    """How far from 0 a mean difference may be of which n cases show none (Tango at 0 against 0)."""
    return quantile**2 / (n + quantile**2)


def tango(gain: float, loss: float, n: float, *, quantile: float) -> tuple[float, float]:
    """Tango's score limits for a paired difference (gain - loss)/n; the counts may be fractional.

    Each limit is where the score statistic with the constrained discordance equals ±quantile.
    """
    observed = (gain - loss) / n

    def score(delta: float) -> float:
        a, b, c = 2 * n, -gain - loss + (2 * n - gain + loss) * delta, -loss * delta * (1 - delta)
        q = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        variance = n * (2 * q + delta * (1 - delta))
        return (
            (gain - loss - n * delta) / math.sqrt(variance)
            if variance > 0
            else math.copysign(math.inf, observed - delta)
        )

    def solve(inside: float, outside: float, target: float) -> float:
        for _ in range(48):
            middle = (inside + outside) / 2
            if abs(score(middle)) < target:
                inside = middle
            else:
                outside = middle
        return (inside + outside) / 2

    return (
        -1.0 if observed <= -1 else solve(observed, -1.0, quantile),
        1.0 if observed >= 1 else solve(observed, 1.0, quantile),
    )


def difference(d: Floats, clusters: NDArray[np.int64] | None = None, *, level: float = 0.95) -> Limits:
    """A mean of per-case differences in [-1, 1]: Tango's interval on the number of cases that has the observed
    SE (at most 1.5n; n for yes/no cases), with t quantiles where the cases are not yes/no.
    """
    n, mean = len(d), float(d.mean())
    if n < 2:
        return Limits(method="tango", reason="one case gives no interval")
    spread = mean_se(d, clusters)
    if spread.df < 1:
        return Limits(method="tango", reason="one independent case gives no interval")
    gain, loss = float(np.maximum(d, 0).sum()) / n, float(np.maximum(-d, 0).sum()) / n
    yes_no = spread.clusters is None and bool(np.isin(d, (-1, 0, 1)).all())
    n_eff = float(n)
    if not yes_no and spread.se > 1e-12:
        n_eff = (gain + loss - mean**2) / spread.se**2
        n_eff = min(n_eff, 1.5 * n if spread.clusters is None else float(n))
    elif spread.clusters is not None:
        n_eff = float(spread.clusters)

    def at(p: float) -> tuple[float, float]:
        q = z_quantile(p) if yes_no else t_quantile(p, spread.df)
        return tango(gain * n_eff, loss * n_eff, n_eff, quantile=q)

    low, high = at(0.5 + level / 2)
    lower, upper = at(1 - ALPHA)
    if spread.clusters is None:
        return Limits(low, high, lower, upper, "tango" if yes_no else "case-differences")
    method = f"case-differences, {spread.clusters} clusters"
    if spread.clusters < MIN_CLUSTERS:
        return Limits(low, high, method=method, reason=few_clusters(spread.clusters))
    return Limits(low, high, lower, upper, method)


def t_interval(
    value: float,
    spread: Spread,
    *,
    level: float = 0.95,
    method: str = "t",
    floor: Callable[[float], float] | None = None,
) -> Limits:
    """``value`` ± t·SE. ``floor``: the least half-width at probability p, where a zero SE would claim certainty."""
    if spread.df < 1 or not math.isfinite(spread.se):
        return Limits(method=method, reason="one independent case gives no interval")
    if spread.se <= 1e-12 and floor is None:
        return Limits(method=method, reason="interval unreliable: no case varies from the others")

    def half(p: float) -> float:
        t = t_quantile(p, spread.df)
        return max(t * spread.se, floor(p) if floor else 0.0)

    two, one = half(0.5 + level / 2), half(1 - ALPHA)
    if spread.clusters is None:
        return Limits(value - two, value + two, value - one, value + one, method)
    method = f"{method}, {spread.clusters} clusters"
    if spread.clusters < MIN_CLUSTERS:
        return Limits(value - two, value + two, method=method, reason=few_clusters(spread.clusters))
    return Limits(value - two, value + two, value - one, value + one, method)


def jackknife_se(leave_one_out: Floats) -> float:
    """sqrt((n-1)/n Σ(θ_(i) - mean)^2), undefined replicates left out; NaN if fewer than two are left."""
    kept = leave_one_out[np.isfinite(leave_one_out)]
    g = len(kept)
    return math.sqrt((g - 1) / g * float(((kept - kept.mean()) ** 2).sum())) if g > 1 else math.nan


def jackknife(replicates: Floats, clusters: NDArray[np.int64] | None = None) -> Spread:
    """The jackknife SE of ``replicates`` (from `leave_one_out` with the same clusters)."""
    groups = _groups(clusters)
    return Spread(jackknife_se(replicates), len(replicates) - 1, None if groups is None else groups[1])


def fisher_z(value: float, spread: Spread, *, level: float = 0.95, method: str = "jackknife-z") -> Limits:
    """t-interval on Fisher's z, for coefficients in [-1, 1].

    The SE is carried over by dz = dθ/(1-θ^2), so that a jackknife replicate at exactly 1 does no harm.
    """
    if abs(value) >= 1 - 1e-12:
        return Limits(method=method, reason="interval unreliable: no case varies from the others")
    on_z = t_interval(
        math.atanh(value), spread._replace(se=spread.se / (1 - value**2)), level=level, method=method
    )
    low, high, lower, upper = (None if x is None else math.tanh(x) for x in on_z[:4])
    return Limits(low, high, lower, upper, on_z.method, on_z.reason)


def leave_one_out(
    parts: Floats, value: Callable[[Floats], Floats], clusters: NDArray[np.int64] | None = None
) -> Floats:
    """``value`` of column sums, with each case (or cluster) left out in turn. ``parts``: (n, q)."""
    groups = _groups(clusters)
    each = parts if groups is None else sum_by(parts, *groups)
    with np.errstate(all="ignore"):
        return value(parts.sum(axis=0) - each)


def sum_by(parts: Floats, index: NDArray[np.int64], g: int) -> Floats:
    """Column sums of (n, q) within each group: (g, q)."""
    out = np.zeros((g, parts.shape[1]))
    np.add.at(out, index, parts)
    return out


@lru_cache(maxsize=16)
def _weights(units: int, first: int, count: int, seed: int) -> Floats:
    rng = np.random.Generator(np.random.PCG64([seed, units, first]))
    drawn = rng.multinomial(units, np.full(units, 1 / units), size=count)
    return drawn.astype(np.float64)


def bootstrap(
    parts: Floats,
    value: Callable[[Floats], Floats],
    clusters: NDArray[np.int64] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Floats:
    """Resample whole cases (or clusters) with replacement: ``value`` of the column sums, (B, …).

    Seeded by ``seed`` and the number of units alone, in chunks that keep memory under about 50 MB.
    """
    groups = _groups(clusters)
    each = parts if groups is None else sum_by(parts, *groups)
    units = len(each)
    step = max(1, min(resamples, 4_000_000 // max(units, parts.shape[1])))
    make = _weights if units <= 500 else _weights.__wrapped__
    out = []
    with np.errstate(all="ignore"):
        for first in range(0, resamples, step):
            out.append(value(make(units, first, min(step, resamples - first), seed) @ each))
    return np.concatenate(out)
