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


@lru_cache(maxsize=256)
def z_quantile(p: float) -> float:
    return float(ndtri(p))


@lru_cache(maxsize=1024)
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


def cp_lower(k: float, n: float, alpha: float = ALPHA) -> float:
    """One-sided lower limit, BetaInv(alpha, k, n-k+1)."""
    return 0.0 if k <= 0 or n <= 0 else float(betaincinv(k, max(n - k, 0.0) + 1, alpha))


def cp_upper(k: float, n: float, alpha: float = ALPHA) -> float:
    """One-sided upper limit, BetaInv(1-alpha, k+1, n-k)."""
    return 1.0 if k >= n or n <= 0 else float(betaincinv(max(k, 0.0) + 1, n - k, 1 - alpha))


def cp_bounds(k: float, n: float, alpha: float) -> tuple[float, float]:
    """Both one-sided limits."""
    return cp_lower(k, n, alpha), cp_upper(k, n, alpha)


class Spread(NamedTuple):
    """The standard error of a mean, and what it stands on."""

    se: float
    df: float
    """Degrees of freedom: cases - 1, or of the cluster jackknife (Bell & McCaffrey 2002)."""
    clusters: int | None
    flat: float | None = None
    """Independent units where nothing varies: n²/Σm_g² for clusters of m_g cases."""
    components: float = 0.0
    """The SE by the variance between and within clusters, for which all clusters speak; see `components_se`."""


def mean_se(x: Floats, clusters: NDArray[np.int64] | None = None) -> Spread:
    """SE of mean(x): sd/sqrt(n); of clustered cases by the jackknife over clusters (CR3).

    v = (G-1)/G Σ_g (x̄_(-g) - mean of them)². Its degrees of freedom are (tr Γ)²/tr(Γ²), Γ the covariance of the
    weighted cluster residuals of independent cases: G - 1 for equal clusters, fewer for unequal ones.
    """
    n = len(x)
    groups = _groups(clusters)
    if groups is None:
        if n < 2:
            return Spread(0.0, n - 1, None)
        off = x - x.sum() / n
        return Spread(math.sqrt(float(off @ off) / (n - 1)) / math.sqrt(n), n - 1, None)
    index, g = groups
    size = np.bincount(index, minlength=g).astype(float)
    flat = n * n / float(size @ size)
    if g < 2:
        return Spread(0.0, 0, g, flat)
    left = (float(x.sum()) - np.bincount(index, weights=x, minlength=g)) / (n - size)
    variance = (g - 1) / g * float(((left - left.mean()) ** 2).sum())
    return Spread(math.sqrt(variance), cluster_df(size), g, flat, components_se(x, index, size))


def components_se(x: Floats, index: NDArray[np.int64], size: Floats) -> float:
    """sqrt(σ²_b Σm_g²/n² + σ²_w/n), the variances between and within clusters by analysis of variance.

    For equal clusters it is the jackknife's. Where a few clusters hold most cases and happen to show no failure, the
    jackknife sees next to no variance and a gate would pass .11 of models at its limit (p .9, a tenth of 100 clusters
    with two thirds of the cases); of the two the larger keeps it at .04 and less.
    """
    n, g = len(x), len(size)
    means = np.bincount(index, weights=x, minlength=g) / size
    within = float(((x - means[index]) ** 2).sum()) / (n - g)
    between = float((size * (means - x.mean()) ** 2).sum()) / (g - 1)
    square = float(size @ size)
    own = max(0.0, (between - within) * (g - 1) / (n - square / n))
    return math.sqrt(own * square / n**2 + within / n)


def cluster_df(size: Floats) -> float:
    """Bell & McCaffrey's degrees of freedom of a mean over clusters of these sizes, for the jackknife."""
    n = float(size.sum())
    w = size / (1 - size / n)
    total, square = float(w.sum()), float((w**2).sum())
    off = float((w**2).sum()) ** 2 - float((w**4).sum())  # Σ_{g≠h} w_g² w_h²
    return total**2 / (square + off / n**2)


def failing_clusters(x: Floats, clusters: NDArray[np.int64] | None) -> int | None:
    """Clusters with a value below 1 (above 0, if the mean is below one half); None where the cases are independent."""
    groups = _groups(clusters)
    if groups is None:
        return None
    failed = x < 1 if x.mean() >= 0.5 else x > 0
    return len(np.unique(groups[0][failed]))


def _groups(clusters: NDArray[np.int64] | None) -> tuple[NDArray[np.int64], int] | None:
    """Clusters renumbered 0..G-1; None where each case stands for itself."""
    if clusters is None:
        return None
    names, index = np.unique(clusters, return_inverse=True)
    return (index, len(names)) if len(names) < len(index) else None


def effective_n(p: float, n: int, spread: Spread) -> float:
    """The n of independent yes/no cases that has this SE: min(p(1-p)/SE^2, 1.5n); for clustered cases n, and the larger
    of the two SEs; where nothing varies, the number of independent units.
    """
    if spread.se <= 1e-12 or not 0 < p < 1:
        return float(n if spread.flat is None else spread.flat)
    cap = 1.5 * n if spread.clusters is None else float(n)
    return min(p * (1 - p) / max(spread.se, spread.components) ** 2, cap)


def proportion(x: Floats, clusters: NDArray[np.int64] | None = None, *, level: float = 0.95) -> Limits:
    """A mean of per-case values in [0, 1].

    Yes/no values of independent cases: Wilson to look at, one-sided Clopper-Pearson to gate by, on n. Else
    the same on the effective n (`on_effective_n`).
    """
    n = len(x)
    if _groups(clusters) is None and bool((x * x == x).all()):  # 0 and 1 alone are their own squares
        return _of_yes_no(float(x.sum()), n, level)
    failing = failing_clusters(x, clusters)
    return on_effective_n(float(x.mean()), n, mean_se(x, clusters), failing=failing, level=level)


@lru_cache(maxsize=1024)
def _of_yes_no(k: float, n: int, level: float) -> Limits:
    low, high = wilson(k, n, level=level)
    return Limits(low, high, cp_lower(k, n), cp_upper(k, n), "wilson")


def ratio_of_sums(
    part: Floats, whole: Floats, clusters: NDArray[np.int64] | None = None, *, level: float = 0.95
) -> Limits:
    """Limits of Σ part / Σ whole in [0, 1], from the linearised SE, on the effective n."""
    value = float(part.sum() / whole.sum())
    residuals = (part - value * whole) / whole.mean()
    there = whole > 0
    failing = failing_clusters(part[there] / whole[there], None if clusters is None else clusters[there])
    return on_effective_n(value, len(part), mean_se(residuals, clusters), failing=failing, level=level)


def on_effective_n(
    value: float, n: int, spread: Spread, *, failing: int | None = None, level: float = 0.95
) -> Limits:
    """Wilson with a t quantile, and one-sided Clopper-Pearson, for a proportion of ``n`` cases with this SE.

    Clusters have max(1, min(df, F - 1)) degrees of freedom, F of them ``failing``, and cost (t_{n-1} / t_df)² of the
    gate's n; fewer than `MIN_CLUSTERS` of them give no gate.
    """
    p = min(max(value, 0.0), 1.0)
    if spread.df <= 0:
        return Limits(method="case-means", reason="one independent case gives no interval")
    df = spread.df
    if spread.clusters is not None and failing is not None and 0 < p < 1:
        df = min(df, failing - 1)
    df = max(df, 1.0)
    n_eff = effective_n(p, n, spread)
    low, high = wilson(p * n_eff, n_eff, quantile=t_quantile(0.5 + level / 2, df))
    if spread.clusters is None:
        return Limits(low, high, cp_lower(p * n_eff, n_eff), cp_upper(p * n_eff, n_eff), "case-means")
    method = clustered("case-means", spread.clusters, failing)
    if spread.clusters < MIN_CLUSTERS:
        return Limits(low, high, method=method, reason=few_clusters(spread.clusters))
    n_eff *= (t_quantile(1 - ALPHA, n - 1) / t_quantile(1 - ALPHA, df)) ** 2
    return Limits(low, high, cp_lower(p * n_eff, n_eff), cp_upper(p * n_eff, n_eff), method)


def clustered(method: str, clusters: int, failing: int | None = None) -> str:
    """``case-means, 24 clusters (5 with a failure)``."""
    told = "" if failing is None else f" ({failing} with a failure)"
    return f"{method}, {clusters} clusters{told}"


def few_clusters(g: int) -> str:
    return f"only {g} clusters: a gate needs {MIN_CLUSTERS}"


def zero_width(n: float, quantile: float) -> float:
    """How far from 0 a mean difference may be of which n cases show none (Tango at 0 against 0)."""
    return quantile**2 / (n + quantile**2)


@lru_cache(maxsize=4096)
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


FEW_DIFFERING = 6
"""Where fewer units differ, their signs say how little is known."""


def difference(d: Floats, clusters: NDArray[np.int64] | None = None, *, level: float = 0.95) -> Limits:
    """A mean of per-case differences in [-1, 1]: Student's t on them; where fewer than `FEW_DIFFERING` cases (clusters)
    differ, the wider of that and Tango's interval on their signs. Tango alone where each case is one yes/no (-1, 0, 1).
    """
    n, mean = len(d), float(d.mean())
    if n < 2:
        return Limits(method="tango", reason="one case gives no interval")
    groups = _groups(clusters)
    if groups is None and bool((d == np.sign(d)).all()):
        low, high, lower, upper = _by_signs(d, level)
        return Limits(low, high, lower, upper, "tango")
    spread = mean_se(d, clusters)
    if spread.df <= 0:
        return Limits(method="case-differences", reason="one independent case gives no interval")
    df = max(spread.df, 1.0)
    two, one = (t_quantile(p, df) * spread.se for p in (0.5 + level / 2, 1 - ALPHA))
    limits = (mean - two, mean + two, mean - one, mean + one)
    units = d if groups is None else np.bincount(groups[0], weights=d, minlength=groups[1])
    if int((np.abs(units) > 1e-12).sum()) < FEW_DIFFERING:
        signs = _by_signs(np.where(np.abs(units) > 1e-12, np.sign(units), 0.0), level)
        limits = tuple(pick(a, b) for pick, a, b in zip((min, max, min, max), limits, signs, strict=True))  # type: ignore[assignment]  # four in, four out
    low, high, lower, upper = (min(max(x, -1.0), 1.0) for x in limits)
    if spread.clusters is None:
        return Limits(low, high, lower, upper, "case-differences")
    method = clustered("case-differences", spread.clusters)
    if spread.clusters < MIN_CLUSTERS:
        return Limits(low, high, method=method, reason=few_clusters(spread.clusters))
    return Limits(low, high, lower, upper, method)


def _by_signs(signs: Floats, level: float) -> tuple[float, float, float, float]:
    gain, loss = float((signs > 0).sum()), float((signs < 0).sum())
    low, high = tango(gain, loss, len(signs), quantile=z_quantile(0.5 + level / 2))
    lower, upper = tango(gain, loss, len(signs), quantile=z_quantile(1 - ALPHA))
    return low, high, lower, upper


def t_interval(
    value: float,
    spread: Spread,
    *,
    level: float = 0.95,
    method: str = "t",
    floor: Callable[[float], float] | None = None,
) -> Limits:
    """``value`` ± t·SE. ``floor``: the least half-width at probability p, where a zero SE would claim certainty."""
    if spread.df <= 0 or not math.isfinite(spread.se):
        return Limits(method=method, reason="one independent case gives no interval")
    if spread.se <= 1e-12 and floor is None:
        return Limits(method=method, reason="interval unreliable: no case varies from the others")

    def half(p: float) -> float:
        t = t_quantile(p, max(spread.df, 1.0))
        return max(t * spread.se, floor(p) if floor else 0.0)

    two, one = half(0.5 + level / 2), half(1 - ALPHA)
    if spread.clusters is None:
        return Limits(value - two, value + two, value - one, value + one, method)
    method = clustered(method, spread.clusters)
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


def fisher_z(
    value: float, spread: Spread, *, k: float = 2.0, level: float = 0.95, method: str = "jackknife-z"
) -> Limits:
    """t-interval on Fisher's z, for coefficients in (-1/(k-1), 1): z = ½ ln[(1+(k-1)r)/(1-r)], for intraclass
    correlations of ``k`` replies (Fisher 1925); k = 2 is the plain z, for coefficients in [-1, 1].

    The SE is carried over by dz = dr k/(2(1-r)(1+(k-1)r)), so that a jackknife replicate at exactly 1 does no harm.
    """
    if value >= 1 - 1e-12 or 1 + (k - 1) * value <= 1e-12:
        return Limits(method=method, reason="interval unreliable: no case varies from the others")
    z = 0.5 * math.log((1 + (k - 1) * value) / (1 - value))
    slope = k / (2 * (1 - value) * (1 + (k - 1) * value))
    on_z = t_interval(z, spread._replace(se=spread.se * slope), level=level, method=method)

    def back(z: float | None) -> float | None:
        if z is None:
            return None
        e = math.exp(-2 * abs(z))
        return (1 - e) / (1 + (k - 1) * e) if z >= 0 else (e - 1) / (k - 1 + e)

    low, high, lower, upper = (back(x) for x in on_z[:4])
    return Limits(low, high, lower, upper, on_z.method, on_z.reason)


def none_of(n: int, level: float = 0.95) -> tuple[float, float]:
    """The largest shares that n cases without one leave open: two-sided at ``level``, and one-sided at 95 %."""
    return 1 - ((1 - level) / 2) ** (1 / n), 1 - ALPHA ** (1 / n)


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
            out.append(value(_product(make(units, first, min(step, resamples - first), seed), each)))
    return np.concatenate(out)


_ONE_THREAD = 250_000
"""Multiplications that BLAS does in one thread: of more it wakes others, which takes longer than the work."""


def _product(weights: Floats, each: Floats) -> Floats:
    """``weights @ each``, of many rows some at a time."""
    step = _ONE_THREAD // max(each.size, 1)
    if step < 16:
        return np.asarray(weights @ each)
    out = np.empty((len(weights), each.shape[1]))
    for i in range(0, len(weights), step):
        np.matmul(weights[i : i + step], each, out=out[i : i + step])
    return out
