"""Whose is robustness, the task's or the model's? Crossed random effects of the cells' ICC, by generalized pivots.

y_mt is the ICC of model m on task t. With SS_M, SS_T and SS_R the sums of squares of a two-way analysis of variance
without replication, and χ² independent::

    e = SS_R/χ²_{(M-1)(T-1)}    σ²_M = (SS_M/χ²_{M-1} - e)/T    σ²_T = (SS_T/χ²_{T-1} - e)/M

are draws from the generalized pivots of the variance components (Weerahandi 1993). Limits are quantiles of seeded draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robusttest.core.nouns import derive_seed
from robusttest.stats.across.decomposition import complete_grid
from robusttest.stats.cell.frame import Floats
from robusttest.stats.cell.intervals import ALPHA

SD_MIN = 0.05
"""A standard deviation of the ICC below this is no difference worth the name."""
DRAWS = 10_000
MIN_LEVELS = 3
_FLAT = 1e-18

Source = Literal["task", "model", "neither", "cannot tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sd:
    """A standard deviation of the ICC, with one-sided 95 % limits."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """How much tasks differ in robustness, and how much models do."""

    n_models: int
    n_tasks: int
    source: Source = "cannot tell"
    task: Sd | None = None
    model: Sd | None = None
    rest: float | None = None
    """Standard deviation of what is neither: interaction, and sampling noise."""
    share_task: float | None = None
    """Of the variance of a cell's ICC; these three add up to 1."""
    share_model: float | None = None
    share_rest: float | None = None
    more_task: tuple[float, float] | None = None
    """One-sided 95 % limits of σ²_T - σ²_M."""
    reason: str | None = None


def whose(icc: Floats) -> Whose:
    """Of (M, T) ICCs; NaN where a cell has none (all right, or all wrong), which leaves out its task or model.

    *neither* (asked first): both standard deviations are surely below `SD_MIN`. *task*: σ²_T is surely above σ²_M and
    above 0. *model*: it is surely below. Else it can't be told.
    """
    rows, columns = complete_grid(~np.isnan(icc))
    m, t = len(rows), len(columns)
    if m < MIN_LEVELS or t < MIN_LEVELS:
        return Whose(
            n_models=m, n_tasks=t,
            reason=f"{m} models on {t} tasks that vary; it takes {MIN_LEVELS} of each",
        )  # fmt: skip
    y = icc[np.ix_(rows, columns)]
    of_model = t * float(((y.mean(axis=1) - y.mean()) ** 2).sum())
    of_task = m * float(((y.mean(axis=0) - y.mean()) ** 2).sum())
    rest = max(float(((y - y.mean()) ** 2).sum()) - of_model - of_task, 0.0)
    if of_model + of_task + rest < _FLAT:
        nothing = Sd(value=0.0, low=0.0, high=0.0)
        return Whose(n_models=m, n_tasks=t, source="neither", task=nothing, model=nothing, rest=0.0)
    rng = np.random.Generator(np.random.PCG64(derive_seed("whose", m, t)))
    e = rest / rng.chisquare((m - 1) * (t - 1), DRAWS)
    model = (of_model / rng.chisquare(m - 1, DRAWS) - e) / t
    task = (of_task / rng.chisquare(t - 1, DRAWS) - e) / m
    more = tuple(float(q) for q in np.quantile(task - model, (ALPHA, 1 - ALPHA)))
    error = rest / ((m - 1) * (t - 1))
    parts = [max(of_task / (t - 1) - error, 0.0) / m, max(of_model / (m - 1) - error, 0.0) / t, error]
    total = sum(parts)
    sds = [_sd(x, draws) for x, draws in zip(parts, (task, model), strict=False)]
    return Whose(
        n_models=m, n_tasks=t, source=_source(task, model, more[0], more[1]), task=sds[0], model=sds[1],
        rest=math.sqrt(error), share_task=parts[0] / total, share_model=parts[1] / total,
        share_rest=parts[2] / total, more_task=(more[0], more[1]),
    )  # fmt: skip


def _sd(square: float, draws: Floats) -> Sd:
    low, high = (math.sqrt(max(float(q), 0.0)) for q in np.quantile(draws, (ALPHA, 1 - ALPHA)))
    return Sd(value=math.sqrt(square), low=low, high=high)


def _source(task: Floats, model: Floats, least: float, most: float) -> Source:
    if all(float(np.quantile(x, 1 - ALPHA)) < SD_MIN**2 for x in (task, model)):
        return "neither"
    if least > 0 and float(np.quantile(task, ALPHA)) > 0:
        return "task"
    return "model" if most < 0 else "cannot tell"
