"""Robustness against accuracy: one straight line through the cells, and how far it can be trusted.

Cells of one model, or of one task, are not independent, so the intervals resample whole models and whole tasks (a
percentile interval, for display: with 3-5 of either it covers .82-.89).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robusttest.stats.cell.frame import Codes, Floats

RESAMPLES = 2000
View = Literal["all", "within_tasks", "within_models"]

_FLAT = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One metric against accuracy over cells. None where nothing varies; ``reason`` says so."""

    metric: str
    view: View
    """``all`` cells as they are; ``within_tasks``: less each task's mean (a better model on the same task);
    ``within_models``: less each model's mean (an easier task for the same model)."""
    n: int
    """Cells that have both."""
    slope: float | None = None
    intercept: float | None = None
    r_squared: float | None = None
    pearson: float | None = None
    spearman: float | None = None
    slope_low: float | None = None
    slope_high: float | None = None
    pearson_low: float | None = None
    pearson_high: float | None = None
    spearman_low: float | None = None
    spearman_high: float | None = None
    method: str = ""
    arithmetic: bool = False
    """True: the metric is tied to accuracy by arithmetic alone, so the relation is no evidence of anything."""
    reason: str | None = None


def relation(
    x: Floats,
    y: Floats,
    models: Codes,
    tasks: Codes,
    *,
    metric: str = "",
    view: View = "all",
    arithmetic: bool = False,
    seed: int = 0,
) -> Relation:
    """OLS of ``y`` on accuracy ``x``, Pearson and Spearman, over cells where ``y`` is there. (C,) each.

    Of a view that centres, the line goes through the centred cells (intercept 0).
    """
    there = ~(np.isnan(x) | np.isnan(y))
    x, y, models, tasks = x[there], y[there], models[there], tasks[there]
    n = len(x)
    groups = {"all": None, "within_tasks": tasks, "within_models": models}[view]
    if groups is not None:
        x, y = centred(x, groups), centred(y, groups)

    def without(reason: str) -> Relation:
        return Relation(metric=metric, view=view, n=n, arithmetic=arithmetic, reason=reason)

    if n < 3:
        return without(f"{n} cells have both")
    one = np.ones((1, n))
    slope, pearson = (float(v[0]) for v in _line(x, y, one))
    if math.isnan(slope):
        return without("accuracy is the same everywhere")
    flat = math.isnan(pearson)
    method = ""
    limits: list[tuple[float | None, float | None]] = [(None, None)] * 3
    if len(np.unique(models)) >= 3 and len(np.unique(tasks)) >= 3:
        method = "two-way percentile bootstrap"
        weights = two_way_weights(models, tasks, seed=seed)
        limits = [_percentiles(v) for v in (*_line(x, y, weights), _spearman(x, y, weights))]
    return Relation(
        metric=metric,
        view=view,
        n=n,
        slope=slope,
        intercept=float(y.mean() - slope * x.mean()),
        r_squared=None if flat else pearson**2,
        pearson=None if flat else pearson,
        spearman=None if flat else float(_spearman(x, y, one)[0]),
        slope_low=limits[0][0],
        slope_high=limits[0][1],
        pearson_low=None if flat else limits[1][0],
        pearson_high=None if flat else limits[1][1],
        spearman_low=None if flat else limits[2][0],
        spearman_high=None if flat else limits[2][1],
        method=method,
        arithmetic=arithmetic,
        reason=f"{metric or 'the metric'} is the same everywhere" if flat else None,
    )


def centred(values: Floats, groups: Codes) -> Floats:
    """Less the mean of its group."""
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(values - (np.bincount(index, weights=values) / counts)[index])


def two_way_weights(models: Codes, tasks: Codes, *, seed: int = 0, resamples: int = RESAMPLES) -> Floats:
    """(B, C): how often each cell is drawn where whole models and whole tasks are drawn with replacement."""
    rng = np.random.Generator(np.random.PCG64([seed, 4]))
    weights = np.ones((resamples, len(models)))
    for groups in (models, tasks):
        _, index = np.unique(groups, return_inverse=True)
        count = int(index.max()) + 1
        weights *= rng.multinomial(count, np.full(count, 1 / count), size=resamples)[:, index]
    return weights


def _line(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Slope and Pearson's r under each row of weights; NaN where x (or y) does not vary."""
    return _moments(np.broadcast_to(x, weights.shape), np.broadcast_to(y, weights.shape), weights)


def _moments(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats]:
    with np.errstate(all="ignore"):
        total = weights.sum(axis=1, keepdims=True)
        dx = x - (weights * x).sum(axis=1, keepdims=True) / total
        dy = y - (weights * y).sum(axis=1, keepdims=True) / total
        xx, yy, xy = ((weights * a * b).sum(axis=1) for a, b in ((dx, dx), (dy, dy), (dx, dy)))
        floor = _FLAT * total[:, 0]
        slope = np.where(xx > floor, xy / xx, np.nan)
        pearson = np.where((xx > floor) & (yy > floor), xy / np.sqrt(xx * yy), np.nan)
    return slope, np.clip(pearson, -1, 1)


def _spearman(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Pearson's r of the mid-ranks that the drawn cells have among themselves."""
    return _moments(_mid_ranks(x, weights), _mid_ranks(y, weights), weights)[1]


def _mid_ranks(x: Floats, weights: Floats) -> Floats:
    """Cells drawn below each value, and half of those at it."""
    _, index = np.unique(np.round(x, 12), return_inverse=True)
    one_hot = (index[:, None] == np.arange(int(index.max()) + 1)).astype(float)
    at = weights @ one_hot
    return np.asarray((at.cumsum(axis=1) - at / 2)[:, index])


def _percentiles(values: Floats) -> tuple[float | None, float | None]:
    kept = values[np.isfinite(values)]
    if len(kept) < 0.9 * len(values):
        return None, None
    low, high = np.quantile(kept, [0.025, 0.975])
    return (float(low), float(high)) if math.isfinite(low + high) else (None, None)
