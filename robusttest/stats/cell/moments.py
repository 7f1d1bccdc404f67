"""What the analyses over several cells read of each: p, W and T of one model on one task, and how sure they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from robusttest.stats.cell.consistency import n_failing, parts, variances
from robusttest.stats.cell.frame import Codes, Floats, Frame
from robusttest.stats.cell.intervals import ALPHA, Spread, jackknife, leave_one_out, t_quantile
from robusttest.stats.cell.measures import measures

_FLAT = 1e-12


@dataclass(frozen=True, eq=False)
class Moments:
    """Correctness of one cell over the reference and every input and prompt variant, of cases with two or more.

    W is the mean variance within cases, T the total one (both unbiased): 1 - W/T is the ICC.
    """

    n: int
    """Cases with two scores or more."""
    k: int
    """Scores per case, the median."""
    p: float
    within: float
    """W."""
    total: float
    """T."""
    failing: int
    """Cases with a failure (a success, if p < .5)."""
    binary: bool
    log_odds: float
    """`log_odds_ratio` of the replies; NaN without right/wrong scores, and where all are right, or all wrong."""
    each: Floats = field(repr=False)
    """(n, 5), see `consistency.parts`."""
    clusters: Codes | None = field(default=None, repr=False)

    def of_share(self, share: float) -> tuple[float, Spread]:
        """W - share·T with its jackknife SE over cases (or clusters)."""

        def value(sums: Floats) -> Floats:
            v = variances(sums)
            return np.asarray(v.within - share * v.total)

        found = float(value(self.each.sum(axis=0)))
        return found, jackknife(leave_one_out(self.each, value, self.clusters), self.clusters)


def moments(cell: Frame) -> Moments | None:
    """None with fewer than two cases that have two scores."""
    at = cell.select(None)
    m = measures(at)
    each = parts(m)
    if len(each) < 2:
        return None
    rows = m.k >= 2
    v = variances(each.sum(axis=0))
    clusters = at.cluster_index
    return Moments(
        n=len(each), k=int(np.median(m.k[rows])), p=float(v.p), within=float(v.within),
        total=float(v.total), failing=n_failing(m), binary=m.binary, log_odds=log_odds_ratio(m.y) if m.binary else math.nan, each=each,
        clusters=None if clusters is None else clusters[rows],
    )  # fmt: skip


def log_odds_ratio(y: Floats) -> float:
    """Log of the odds of another variant being right where this one is, over those where this one is wrong. Pooled over
    pairs of variants by Mantel and Haenszel (1959), Σ n₁₁n₀₀/n over Σ n₁₀n₀₁/n, half a product added to each.

    Of (n, K) right and wrong scores, NaN where there is none. Each pair is compared with its own two accuracies: a variant
    that is harder than the others for all cases alike leaves it as it is, and so does an easier task (it rises there
    a little, where cases differ as much), while W and T take in both.
    """
    there = ~np.isnan(y)
    right = np.where(there, y, 0.0)
    wrong = there - right
    a, b = np.triu_indices(y.shape[1], 1)
    both = (there.T.astype(float) @ there)[a, b]
    some = both > 0
    alike = (right.T @ right) * (wrong.T @ wrong)
    apart = right.T @ wrong
    kept, crossed = ((x[a, b][some] / both[some]).sum() for x in (alike, apart * apart.T))
    return math.log((kept + 0.5) / (crossed + 0.5)) if kept or crossed else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """An OLS line with Student's t: ``low`` and ``high`` are the two one-sided 95 % limits (a 90 % interval)."""

    scale: str
    """What is regressed on accuracy."""
    n: int
    df: int
    slope: float | None = None
    intercept: float | None = None
    se: float | None = None
    low: float | None = None
    high: float | None = None
    t: float | None = None
    p: float | None = None
    """One-sided, for a slope above 0."""
    residual_sd: float | None = None
    reason: str | None = None


def slope_test(x: Floats, y: Floats, *, scale: str) -> Slope:
    """OLS of y on x, n-2 degrees of freedom."""
    from scipy.special import stdtr

    n = len(x)
    df = n - 2
    dx = x - x.mean() if n else x
    xx = float((dx**2).sum())
    if df < 1 or xx < _FLAT:
        return Slope(
            scale=scale, n=n, df=max(df, 0), reason="too few points, or accuracy is the same everywhere"
        )
    b = float((dx * y).sum()) / xx
    left = y - y.mean() - b * dx
    sd = math.sqrt(float((left**2).sum()) / df)
    se = sd / math.sqrt(xx)
    half = t_quantile(1 - ALPHA, df) * se
    t = b / se if se > _FLAT else None
    p = float(stdtr(df, -t)) if t is not None else None
    return Slope(
        scale=scale, n=n, df=df, slope=b, intercept=float(y.mean() - b * x.mean()), se=se, low=b - half,
        high=b + half, t=t, p=p, residual_sd=sd,
    )  # fmt: skip
