"""Anytime-valid evidence: what may be said of a mean while cases still come in, however often one looks.

For case values x in [0, 1] in random order, s their sum and n their number, the e-process against "the mean is at
most m" is the likelihood ratio of a yes/no rate drawn uniformly from (m, 1)::

    E(s, n; m) = ∫_m^1 p^s (1-p)^(n-s) dp / ((1-m) m^s (1-m)^(n-s))
    log E = log I_{1-m}(n-s+1, s+1) + ln B(s+1, n-s+1) - ln(1-m) - s ln m - (n-s) ln(1-m)

Under a mean of at most m, E exceeds 1/alpha at *any* time with probability at most alpha (Ville's inequality; Robbins
1970; Ramdas et al., arXiv 2210.01948). Fractional x are allowed, since a^x b^(1-x) is convex in x: a fraction never
has more evidence than yes/no cases of its mean have on average. "At least m" is the mirror image. An interval is the means
that no look has refuted.

Plain functions of arrays, without a cell or a metric's name; `robusttest.stats.cell.stopping` watches thresholds with them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaln, xlog1py, xlogy

from robusttest.stats.cell.intervals import ALPHA, Limits

Floats = NDArray[np.float64]

METHOD = "confidence sequence"
STOPPED = "no interval after an adaptive run"
"""Why a metric that 4.6 can't decide has none."""

_STEPS = 50


def log_evidence_above(s: ArrayLike, n: ArrayLike, m: ArrayLike) -> Floats:
    """Log E against "the mean is at most m", of n values in [0, 1] with sum s; broadcasts."""
    s, n, m = np.asarray(s, float), np.asarray(n, float), np.asarray(m, float)
    f = np.maximum(n - s, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        out: Floats = (
            np.log(betainc(f + 1, s + 1, 1 - m))
            + betaln(s + 1, f + 1)
            - np.log1p(-m)
            - xlogy(s, m)
            - xlog1py(f, -m)
        )
    return np.where(np.isnan(out), -np.inf, out)


def log_evidence_below(s: ArrayLike, n: ArrayLike, m: ArrayLike) -> Floats:
    """Log E against "the mean is at least m"."""
    s, n = np.asarray(s, float), np.asarray(n, float)
    return log_evidence_above(np.maximum(n - s, 0.0), n, 1 - np.asarray(m, float))


def lower_limit(s: float, n: float, alpha: float = ALPHA) -> float:
    """The largest m that the mean is shown to exceed by s of n: E(s, n; m) = 1/alpha."""
    low, high, bar = 0.0, s / n if n else 0.0, -math.log(alpha)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if log_evidence_above(s, n, middle) >= bar:
            low = middle
        else:
            high = middle
    return low


def upper_limit(s: float, n: float, alpha: float = ALPHA) -> float:
    """The smallest m that the mean is shown to be below by s of n."""
    return 1 - lower_limit(max(n - s, 0.0), n, alpha)


def running_lower(x: Floats, alpha: float = ALPHA) -> float:
    """The highest `lower_limit` over the looks after each value of ``x``: valid whenever one stops."""
    if not len(x):
        return 0.0
    s, n, bar = np.cumsum(x), np.arange(1.0, len(x) + 1), -math.log(alpha)
    best = lower_limit(float(s[-1]), float(n[-1]), alpha)
    while best < 1:
        # Only a look whose evidence still stands a hair above the best limit can raise it.
        evidence = log_evidence_above(s, n, min(best + 1e-9, 1.0))
        i = int(np.argmax(evidence))
        if evidence[i] < bar:
            break
        best = max(lower_limit(float(s[i]), float(n[i]), alpha), best + 1e-9)
    return best


def running_upper(x: Floats, alpha: float = ALPHA) -> float:
    """The lowest `upper_limit` over the looks after each value of ``x``."""
    return 1 - running_lower(1 - x, alpha)


def proportion(x: Floats, *, level: float = 0.95) -> Limits:
    """Limits of the mean of values in [0, 1], in the order they came.

    ``lower`` and ``upper`` are over all looks, as a gate decides while they come in; ``low`` and ``high`` are at the
    last look, with half the error on each side.
    """
    s, n, half = float(x.sum()), len(x), (1 - level) / 2
    return Limits(
        lower_limit(s, n, half), upper_limit(s, n, half), running_lower(x), running_upper(x), METHOD
    )


def difference(d: Floats, *, level: float = 0.95) -> Limits:
    """Limits of a mean of differences in [-1, 1], as the mean of (1+d)/2."""
    made = proportion((1 + d) / 2, level=level)
    low, high, lower, upper = (None if v is None else 2 * v - 1 for v in made[:4])
    return Limits(low, high, lower, upper, METHOD)


def performance_drop(reference: Floats, perturbed: Floats, tau: float) -> tuple[Floats, float]:
    """``pdr <= tau`` as a mean: (x in [0, 1], the m that the mean of x must reach).

    1 - P/R <= tau iff mean(perturbed - (1-tau) reference) >= 0; shifted and scaled into [0, 1] for tau <= 1.
    """
    x = (perturbed - (1 - tau) * reference + 1 - tau) / (2 - tau)
    return x, (1 - tau) / (2 - tau)


def performance_drop_limits(reference: Floats, perturbed: Floats, *, level: float = 0.95) -> Limits:
    """Limits of the PDR: the tau in [-4, 1] that no look has refuted."""
    n = np.arange(1.0, len(reference) + 1)

    def edge(below: bool, alpha: float) -> float:
        """The tau nearest to the PDR that a look has shown it to be below (or above)."""
        bar = -math.log(alpha)
        test = log_evidence_above if below else log_evidence_below
        shown, open_ = (1.0, -4.0) if below else (-4.0, 1.0)
        for _ in range(40):
            tau = (shown + open_) / 2
            x, m = performance_drop(reference, perturbed, tau)
            if bool((test(np.cumsum(x), n, m) >= bar).any()):
                shown = tau
            else:
                open_ = tau
        return shown

    half = (1 - level) / 2
    return Limits(edge(False, half), edge(True, half), edge(False, ALPHA), edge(True, ALPHA), METHOD)


def units(x: Floats, clusters: NDArray[np.int64] | None) -> Floats | None:
    """One value for each independent unit that has one, in the order they came; NaN is a case without a value.

    Cases of one cluster are one unit, their mean. None where clusters differ in size: the mean of cluster means is
    the mean over cases only where they are equally large.
    """
    there = ~np.isnan(x)
    if clusters is None:
        return x[there]
    names, first, index = np.unique(clusters, return_index=True, return_inverse=True)
    sizes = np.bincount(index, minlength=len(names))
    if (sizes != sizes[:1]).any():
        return None
    counts = np.bincount(index, weights=there, minlength=len(names))
    with np.errstate(invalid="ignore"):
        means = np.bincount(index, weights=np.where(there, x, 0.0), minlength=len(names)) / counts
    means = means[np.argsort(first)]
    return means[~np.isnan(means)]


def cases_to_decide(limit: float, value: float, alpha: float = ALPHA) -> int | None:
    """About how many cases of this mean decide "at least ``limit``", either way; None where none would.

    With ``value`` 1 it is the number of cases that pass without a failure: 20 at .8, 43 at .9, 88 at .95, 449 at .99.
    """
    test = log_evidence_above if value > limit else log_evidence_below
    if value == limit or (value > limit and limit <= 0) or (value < limit and limit > 1):
        return 1 if value > limit else None
    bar, low, high = -math.log(alpha), 0, 1
    while float(test(value * high, high, limit)) < bar:
        low, high = high, high * 2
        if high > 10_000_000:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if float(test(value * middle, middle, limit)) >= bar else (middle, high)
    return high
