"""One cell against the others: is this model on this task more or less robust than its accuracy predicts?

E_c = 2(λT_c - W_c), λ = ΣW/ΣT over the other cells: the share of pairs of variants that agree in being right or wrong,
above what a cell of this accuracy with the others' ICC would show. No shape of distribution is assumed. Student's t
from the jackknife over cases, with the uncertainty of λ; Holm over cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from scipy.special import stdtr

from robusttest.stats.cell.consistency import MIN_FAILING
from robusttest.stats.cell.intervals import ALPHA, MIN_CLUSTERS, t_quantile
from robusttest.stats.cell.moments import Moments
from robusttest.stats.versions.multiplicity import holm

Standing = Literal["more robust", "less robust", "as predicted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """Pairwise agreement above expectation, in [-1, 1]. None where the cell has too few failures; see ``reason``."""

    value: float | None = None
    se: float | None = None
    low: float | None = None
    """95 %, of this cell alone."""
    high: float | None = None
    low_adjusted: float | None = None
    """Holm-adjusted over the cells: excludes 0 exactly where ``p_adjusted`` < .05."""
    high_adjusted: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    standing: Standing | None = None
    reason: str | None = None


def residuals(cells: Sequence[Moments | None]) -> list[Residual]:
    """One for each cell, in order; ``None`` cells (nothing to compare) have only a reason."""
    there = [m for m in cells if m is not None]
    pooled = math.fsum(m.total for m in there)  # the same in every order
    share = math.fsum(m.within for m in there) / pooled if pooled > 0 else 0.0
    noise = {id(m): _square(m, share) for m in there}
    sums = _Sums(math.fsum(m.within for m in there), pooled, math.fsum(noise.values()))
    raw = [
        _one(m, sums, noise[id(m)])
        if m is not None
        else Residual(reason="fewer than two cases with two scores")
        for m in cells
    ]
    tested = [i for i, r in enumerate(raw) if r.p is not None]
    adjusted = holm([p for i in tested if (p := raw[i].p) is not None])
    order = sorted(range(len(tested)), key=lambda j: raw[tested[j]].p or 0.0)
    for place, j in enumerate(order):
        i = tested[j]
        m = cells[i]
        assert m is not None
        raw[i] = _placed(raw[i], m, adjusted[j], ALPHA / (len(tested) - place))
    return raw


def _square(m: Moments, share: float) -> float:
    spread = m.of_share(share)[1]
    return spread.se**2 if math.isfinite(spread.se) else 0.0


def _df(m: Moments) -> float:
    return m.of_share(0.0)[1].df


class _Sums(NamedTuple):
    """Over all cells."""

    within: float
    total: float
    noise: float


def _one(m: Moments, sums: _Sums, noise: float) -> Residual:
    total = sums.total - m.total
    if total <= 1e-12:
        return Residual(reason="no other cell varies: nothing to compare with")
    share = (sums.within - m.within) / total
    found, spread = m.of_share(share)
    value = -2 * found
    if m.failing < MIN_FAILING:
        return Residual(value=value, reason=f"{m.failing} cases with a failure, {MIN_FAILING} needed")
    if spread.clusters is not None and spread.clusters < MIN_CLUSTERS:
        return Residual(value=value, reason=f"only {spread.clusters} clusters, {MIN_CLUSTERS} needed")
    of_share = (sums.noise - noise) / total**2
    se = 2 * math.sqrt(spread.se**2 + m.total**2 * of_share)
    if not math.isfinite(se) or se <= 1e-12:
        return Residual(value=value, reason="interval unreliable: no case varies from the others")
    half = t_quantile(1 - ALPHA / 2, spread.df) * se
    p = 2 * float(stdtr(spread.df, -abs(value) / se))
    return Residual(value=value, se=se, low=value - half, high=value + half, p=p)


def _placed(r: Residual, m: Moments, p_adjusted: float, alpha: float) -> Residual:
    assert r.value is not None
    assert r.se is not None
    half = t_quantile(1 - alpha / 2, _df(m)) * r.se
    standing: Standing = "as predicted"
    if p_adjusted < ALPHA:
        standing = "more robust" if r.value > 0 else "less robust"
    else:  # an earlier test of the step-down may have stopped it
        half = max(half, abs(r.value))
    return Residual(
        value=r.value, se=r.se, low=r.low, high=r.high, p=r.p, p_adjusted=p_adjusted, standing=standing,
        low_adjusted=r.value - half, high_adjusted=r.value + half,
    )  # fmt: skip
