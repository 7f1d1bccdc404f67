"""The mean of a metric over the tasks of a suite, model by model: plain, and weighted by cases. For these tasks, not for others.

Tasks are independent samples of cases, so SE² = Σ_t w_t² SE_t² with w_t = 1/T (plain) or n_t/Σn (weighted), and Student's t
with Welch and Satterthwaite's degrees of freedom (Σ w²SE²)²/Σ (w²SE²)²/df_t, in the interval of a proportion on the effective n. For tasks like these see `robusttest.stats.across.two_way`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from robusttest.core.nouns import Estimate
from robusttest.stats.cell.estimates import case_values, selected
from robusttest.stats.cell.frame import Floats, Frame
from robusttest.stats.cell.intervals import Spread, mean_se, on_effective_n
from robusttest.stats.cell.measures import measures

METRICS = ("accuracy", "overall_accuracy", "robust_accuracy", "output_consistency", "flip_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteMean:
    """One model, one metric, over the tasks that have a value."""

    model: str
    metric: str
    tasks: int
    plain: Estimate
    """Each task alike."""
    weighted: Estimate
    """Each case alike."""


def suite_means(cells: Iterable[Frame], metrics: Iterable[str] = METRICS) -> tuple[SuiteMean, ...]:
    """Of each model with two tasks or more, in first-seen order; of a task's several prompts the first counts."""
    by_model: dict[str, dict[tuple[str | None, str], Frame]] = {}
    for cell in cells:
        if not cell.sequential:
            by_model.setdefault(cell.model, {}).setdefault((cell.test, cell.base_task), cell)
    names = tuple(metrics)
    made = (_mean(model, name, list(held.values())) for model, held in by_model.items() for name in names)
    return tuple(m for m in made if m is not None)


def _mean(model: str, metric: str, cells: list[Frame]) -> SuiteMean | None:
    parts: list[tuple[float, int, Spread]] = []
    for cell in cells:
        at = selected(cell, metric)
        x = case_values(measures(at), metric)
        there = ~np.isnan(x)
        if there.any():
            clusters = at.cluster_index
            spread = mean_se(x[there], None if clusters is None else clusters[there])
            parts.append((float(x[there].mean()), int(there.sum()), spread))
    if len(parts) < 2:
        return None
    values, n = np.array([p[0] for p in parts]), np.array([p[1] for p in parts], dtype=np.float64)
    spreads = [p[2] for p in parts]
    plain = _estimate(metric, values, np.full(len(parts), 1 / len(parts)), spreads, n)
    weighted = _estimate(metric, values, n / n.sum(), spreads, n)
    return SuiteMean(model=model, metric=metric, tasks=len(parts), plain=plain, weighted=weighted)


def _estimate(metric: str, values: Floats, weights: Floats, spreads: list[Spread], cases: Floats) -> Estimate:
    value, n = float(values @ weights), int(cases.sum())
    each = np.array([(w * s.se) ** 2 for w, s in zip(weights, spreads, strict=True)])
    df = np.array([max(s.df, 1.0) for s in spreads])
    total = float(each.sum())
    freedom = total**2 / float((each**2 / df).sum()) if total > 1e-24 else float(df.sum())
    # Wilson's on the n of independent cases with this SE: Student's t about the mean held .87 to .91 where tasks are nearly solved.
    units = sum(float(c if s.flat is None else s.flat) for c, s in zip(cases, spreads, strict=True))
    spread = Spread(math.sqrt(total), freedom, None, flat=units)
    limits = on_effective_n(value, n, spread)
    return Estimate(
        metric=metric, value=value, low=limits.low, high=limits.high, lower=limits.lower, upper=limits.upper, n=n,
        method="suite", reason=limits.reason,
    )  # fmt: skip
