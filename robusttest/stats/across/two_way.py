"""Means over two crossed populations: models × tasks, or cases × variants.

A mean of A × B numbers that is to hold for other rows *and* other columns has a variance from each side.
v = max(v_A + v_B - v_res, v_A, v_B) with v_A = var(row means)/A, v_B = var(column means)/B, v_res = MS_res/(AB); t with
Satterthwaite's df v²/(v_A²/(A-1) + v_B²/(B-1)).
"""

from __future__ import annotations

import math

import numpy as np

from robusttest.core.nouns import Estimate
from robusttest.stats.cell.frame import REPEAT, Floats, Frame
from robusttest.stats.cell.intervals import ALPHA, Limits, t_quantile
from robusttest.stats.cell.measures import measures

MIN_LEVELS = 3
"""Fewer rows or columns say nothing about others like them."""


def two_way(table: Floats, *, level: float = 0.95, sides: tuple[str, str] = ("rows", "columns")) -> Limits:
    """The interval of ``table.mean()``, (A, B) without gaps, for rows and columns like these.

    Below three levels on a side there is none, with the reason.
    """
    a, b = table.shape
    for count, side in zip((a, b), sides, strict=True):
        if count < MIN_LEVELS:
            return Limits(method="two-way", reason=f"for these {side} only: {count}, {MIN_LEVELS} needed")
    mean = float(table.mean())
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    v_a, v_b = float(rows.var(ddof=1)) / a, float(columns.var(ddof=1)) / b
    left = table - rows[:, None] - columns + mean
    v_res = float((left**2).sum()) / ((a - 1) * (b - 1)) / (a * b)
    v = max(v_a + v_b - v_res, v_a, v_b)
    if v <= 1e-24:
        return Limits(method="two-way", reason="interval unreliable: nothing varies")
    df = v**2 / (v_a**2 / (a - 1) + v_b**2 / (b - 1))
    se = math.sqrt(v)
    two, one = t_quantile(0.5 + level / 2, max(df, 1.0)) * se, t_quantile(1 - ALPHA, max(df, 1.0)) * se
    return Limits(mean - two, mean + two, mean - one, mean + one, f"two-way, df {df:.1f}")


def over_prompts(cell: Frame, perturbation: str | None = None, *, level: float = 0.95) -> Estimate:
    """``pass_rate`` for prompts like these, and not only for these, with its two-way interval.

    Cases × perturbed variants, over the cases that have a score at every one of them. The intervals of
    `robusttest.stats.cell.estimates` are for the variants that ran.
    """
    m = measures(cell.select(perturbation))
    y = m.by_variant[:, ~m.ref & np.array([c.level != REPEAT for c in m.cell.columns], dtype=bool)]
    y = y[~np.isnan(y).any(axis=1)] if y.size else y
    if not y.size:
        return Estimate(
            metric="pass_rate",
            perturbation=perturbation,
            level=level,
            reason="no case has a score at every variant",
        )
    limits = two_way(y, level=level, sides=("cases", "variants"))
    low, high, lower, upper = (None if x is None else min(max(x, 0.0), 1.0) for x in limits[:4])
    return Estimate(
        metric="pass_rate", perturbation=perturbation, value=float(y.mean()), low=low, high=high, lower=lower, upper=upper,
        n=len(y), k=y.shape[1], method=limits.method, level=level, reason=limits.reason,
    )  # fmt: skip
