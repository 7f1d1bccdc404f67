"""Chance-corrected consistency of correctness: how much of the variance of right and wrong lies between cases.

m_i and w_i are a case's mean score and its variance over variants (ddof 1). W = mean w_i is unbiased for the
variance within cases; T = mean(y²) - p² + s²(m)/n for the total one. For right/wrong scores mean(y²) = p,
so that T = p(1-p) + s²(m)/n and W = mean m_i(1-m_i)K_i/(K_i-1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, owens_t

from robusttest.stats.cell.frame import Frame
from robusttest.stats.cell.intervals import (
    ALPHA,
    Limits,
    Spread,
    cp_bounds,
    failing_clusters,
    fisher_z,
    jackknife,
    leave_one_out,
    mean_se,
    none_of,
    t_interval,
)
from robusttest.stats.cell.measures import Measures, measures

Floats = NDArray[np.float64]

MIN_FAILING = 10
"""Fewer cases with a failure (a success, if p < .5) carry no interval of a chance-corrected metric."""
MIN_FAILING_NEAR_1, NEAR_1, SCATTERED = 15, 0.9, 0.4
"""At an accuracy of .9 or more (.1 or less) whose failures are scattered (ICC of .4 or less) it takes more of them."""
_ZERO = 1e-12


class Variances(NamedTuple):
    """p, W and T of one cell; arrays where they are made from many sums at once."""

    p: Floats
    within: Floats
    """W."""
    total: Floats
    """T, unbiased."""
    plain_total: Floats
    """mean(y²) - p²: p(1-p) for right/wrong scores; biased down by s²(m)/n."""

    @property
    def icc(self) -> Floats:
        return _one_minus(self.within, self.total, self.plain_total > _ZERO)

    @property
    def kappa(self) -> Floats:
        return _one_minus(self.within, self.plain_total, self.plain_total > _ZERO)

    @property
    def latent_r(self) -> Floats:
        return latent_r(self.p, self.kappa)


def parts(m: Measures) -> Floats:
    """(n, 5) columns that sum to what `variances` reads, of the cases with two scores or more."""
    rows = m.k >= 2
    mean, within = m.mean[rows], m.within[rows]
    square = m.std[rows] ** 2 + mean**2
    return np.stack([np.ones_like(mean), mean, mean**2, square, within], axis=1)


def variances(sums: Floats) -> Variances:
    """W and T from sums over cases of ``parts``, (…, 5)."""
    n, m, mm, yy, w = np.moveaxis(sums, -1, 0)
    with np.errstate(all="ignore"):
        p = m / n
        plain = yy / n - p**2
        between = (mm - n * p**2) / (n - 1)
        return Variances(p, w / n, plain + between / n, plain)


def of_cell(cell: Frame) -> Variances:
    """p, W and T of a cell (over its columns as they are: select first)."""
    return variances(parts(measures(cell)).sum(axis=0))


def n_failing(m: Measures) -> int:
    """Cases with at least one failure; with at least one success, if most answers are wrong."""
    rows = m.k >= 2
    mean = m.mean[rows]
    if not len(mean):
        return 0
    return int((mean < 1).sum() if mean.mean() >= 0.5 else (mean > 0).sum())


MANY = 500
BISECTED = 6


def latent_r(p: Floats, kappa: Floats) -> Floats:
    """R with Φ₂(z, z; r) = p² + κp(1-p), z = Φ⁻¹(p): the correlation on the latent normal scale.

    Bisection, then Newton's steps, on the angle θ with r = cos 2θ, where Φ₂ falls from p to max(0, 2p-1). NaN in, NaN out.
    """
    p, kappa = np.broadcast_arrays(np.asarray(p, dtype=float), np.asarray(kappa, dtype=float))
    if p.size > MANY:  # replicates of right/wrong scores: as many different ones as there are sums of a case
        names, index = np.unique(np.ravel(p) + 1j * np.ravel(kappa), return_inverse=True)
        if len(names) * 2 < p.size:
            return np.asarray(latent_r(names.real, names.imag)[index.reshape(p.shape)])
    z = ndtri(p)
    goal = p * (1 - p) * (1 - kappa) / 2  # of Owen's T, which rises with θ
    low, high = np.zeros(p.shape), np.full(p.shape, np.pi / 2)
    for _ in range(BISECTED):
        middle = (low + high) / 2
        below = owens_t(z, np.tan(middle)) < goal
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    # T is concave in θ: Newton's steps from below rise to the root, and none goes beyond it.
    with np.errstate(all="ignore"):
        for _ in range(48):
            a = np.tan(low)
            step = (goal - owens_t(z, a)) * (2 * np.pi) * np.exp(z * z * (1 + a * a) / 2)
            low = np.where(step > 0, np.minimum(low + step, high), low)
            if not (step > 1e-9).any():  # the next one would be its square
                break
    # Near the least joint probability that p allows the curve is flat: there r is -1, not noise.
    lowest = p * p + kappa * p * (1 - p) - np.maximum(0, 2 * p - 1) <= 1e-9
    return _where((p > 0) & (p < 1) & ~np.isnan(kappa), np.where(lowest, -1.0, np.cos(2 * low)))


def chance_corrected(
    m: Measures, metric: str, clusters: NDArray[np.int64] | None, *, level: float = 0.95
) -> tuple[float | None, Limits, int]:
    """``consistency_icc``, ``consistency_kappa`` or ``latent_r``: value, jackknife-t interval on Fisher's z, n."""
    read = {"consistency_icc": "icc", "consistency_kappa": "kappa", "latent_r": "latent_r"}[metric]
    each = parts(m)
    n = len(each)
    if not n:
        return None, Limits(), 0
    if read == "latent_r" and not m.binary:
        return None, Limits(reason="needs right/wrong scores (0 or 1)"), n
    value = float(getattr(variances(each.sum(axis=0)), read))
    if np.isnan(value):
        return None, Limits(reason=saturated(m)), n
    if (few := too_few(m)) is not None:
        return value, Limits(method="jackknife-z", reason=few), n
    groups = None if clusters is None else clusters[m.k >= 2]
    if value >= 1 - _ZERO:
        return value, _always_the_same(m, read, groups, level), n
    replicates = leave_one_out(each, lambda s: getattr(variances(s), read), groups)
    spread = jackknife(replicates, groups)
    spread = spread._replace(df=min(spread.df, n_failing(m) - 1))
    k = 2.0 if read == "latent_r" else float(m.k[m.k >= 2].mean())
    return value, fisher_z(value, spread, k=k, level=level), n


def _always_the_same(m: Measures, read: str, groups: NDArray[np.int64] | None, level: float) -> Limits:
    """Where no case has both a success and a failure: at most u of the failing ones have (`none_of`), so that
    1 - W/T is at least 1 - u/max(p, 1-p).
    """
    p = float(m.mean[m.k >= 2].mean())
    units = n_failing(m) if groups is None else _failing_units(m, groups)
    two, one = (max(1 - u / max(p, 1 - p), -1.0) for u in none_of(units, level))
    if read == "latent_r":
        two, one = (float(latent_r(np.array(p), np.array(k))) for k in (two, one))
    return Limits(two, 1.0, one, 1.0, "none-of-n")


def _failing_units(m: Measures, groups: NDArray[np.int64]) -> int:
    return failing_clusters(m.mean[m.k >= 2], groups) or n_failing(m)


def saturated(m: Measures) -> str:
    """Why nothing varies, of the cases it is said of."""
    rows = m.k >= 2
    p = float(m.mean[rows].mean()) if rows.any() else 0.0
    what = "right" if p == 1 else "wrong" if p == 0 else f"scored {p:g}"
    n, of = int(rows.sum()), int((m.k >= 1).sum())
    where = "" if n == of else f" on the {n:,} of {of:,} cases with two replies or more"
    return f"saturated: every answer is {what}{where}"


def too_few(m: Measures) -> str | None:
    failing, needed = n_failing(m), failing_needed(m)
    if failing >= needed:
        return None
    mean = m.mean[m.k >= 2]
    kind = "failure" if not len(mean) or mean.mean() >= 0.5 else "success"
    return f"interval unreliable: {failing} cases with a {kind}, {needed} needed"


def failing_needed(m: Measures) -> int:
    """Failing cases that an interval takes."""
    mean = m.mean[m.k >= 2]
    p = float(mean.mean()) if len(mean) else 1.0
    if max(p, 1 - p) < NEAR_1:
        return MIN_FAILING
    icc = float(variances(parts(m).sum(axis=0)).icc)
    return MIN_FAILING_NEAR_1 if icc <= SCATTERED else MIN_FAILING


def recoverable_error(
    m: Measures, _metric: str, clusters: NDArray[np.int64] | None, *, level: float = 0.95
) -> tuple[float | None, Limits, int]:
    """φ = W/(1-p) = P(another variant is right | this one is wrong), with its linearised SE.

    r_i = w_i - φ(1-m_i), SE = sqrt(Σr²/(n-1)/n)/(1-p); t with (cases with a failure) - 1 degrees of freedom.
    """
    rows = m.k >= 2
    n = int(rows.sum())
    if not n:
        return None, Limits(), 0
    if not m.binary:
        return None, Limits(reason="needs right/wrong scores (0 or 1)"), n
    wrong, w = 1 - m.mean[rows], m.within[rows]
    rate = float(wrong.mean())
    if rate <= _ZERO:
        return None, Limits(reason="saturated: no error to recover from"), n
    phi = float(w.mean()) / rate
    failing = int((wrong > 0).sum())
    if failing < MIN_FAILING:
        few = f"interval unreliable: {failing} cases with a failure, {MIN_FAILING} needed"
        return phi, Limits(method="linearised", reason=few), n
    groups = None if clusters is None else clusters[rows]
    if phi <= _ZERO or phi >= 1 - _ZERO:
        units = failing if groups is None else failing_clusters(1 - wrong, groups) or failing
        two, one = none_of(units, level)
        if phi <= _ZERO:
            return phi, Limits(0.0, two, 0.0, one, "none-of-n"), n
        return phi, Limits(1 - two, 1.0, 1 - one, 1.0, "none-of-n"), n
    spread = recoverable_error_spread(w, wrong, groups)
    df = min(failing - 1, spread.df)
    if spread.se <= _ZERO:  # every failing case alike
        both, sided = (cp_bounds(phi * failing, failing, a) for a in ((1 - level) / 2, ALPHA))
        return phi, Limits(*both, *sided, "clopper-pearson"), n
    return phi, t_interval(phi, spread._replace(df=df), level=level, method="linearised"), n


def recoverable_error_spread(w: Floats, wrong: Floats, clusters: NDArray[np.int64] | None = None) -> Spread:
    """The linearised SE of φ from each case's w_i and 1-m_i."""
    residuals = (w - float(w.mean() / wrong.mean()) * wrong) / wrong.mean()
    return mean_se(residuals, clusters)


def excess(
    m: Measures, metric: str, clusters: NDArray[np.int64] | None, *, level: float = 0.95
) -> tuple[float | None, Limits, int]:
    """What is left of unanimity above p^K, which cases of equal difficulty would give anyway.

    ``excess_consistency`` OC - p^K, ``excess_robust_accuracy`` R - p^K, ``normalised_excess``
    (R - p^K)/(p - p^K); where K differs between cases, p^K is the mean of p^{K_i}. Jackknife-t.
    """
    of_answers = metric == "excess_consistency"
    unanimous = m.all_equal if of_answers else m.worst
    rows = (m.k >= 2 if of_answers else m.k >= 1) & ~np.isnan(unanimous)
    n = int(rows.sum())
    if not n:
        return None, Limits(), 0
    if not m.binary:
        return None, Limits(reason="needs right/wrong scores (0 or 1)"), n
    mean = m.mean[rows]
    if mean.min() == mean.max() and mean[0] in (0, 1):
        return None, Limits(reason=saturated(m)), n
    sizes, which = np.unique(m.k[rows], return_inverse=True)
    one_hot = (which[:, None] == np.arange(len(sizes))).astype(float)
    each = np.concatenate([mean[:, None], unanimous[rows][:, None], one_hot], axis=1)

    def value(sums: Floats) -> Floats:
        count = sums[..., 2:].sum(axis=-1)
        p = sums[..., 0] / count
        null = (sums[..., 2:] * p[..., None] ** sizes).sum(axis=-1) / count
        over = sums[..., 1] / count - null
        return np.asarray(over / (p - null) if metric == "normalised_excess" else over)

    found = float(value(each.sum(axis=0)[None])[0])
    if (few := too_few(m)) is not None:
        return found, Limits(method="jackknife-t", reason=few), n
    groups = None if clusters is None else clusters[rows]
    spread = jackknife(leave_one_out(each, value, groups), groups)
    return found, t_interval(found, spread, level=level, method="jackknife-t"), n


def _one_minus(part: Floats, whole: Floats, defined: NDArray[np.bool_]) -> Floats:
    with np.errstate(all="ignore"):
        return _where(defined, 1 - part / whole)


def _where(condition: NDArray[np.bool_], value: Floats) -> Floats:
    out: Floats = np.where(condition, value, np.nan)
    return out
