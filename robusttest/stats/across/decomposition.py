"""Whose property is robustness: how much of its variance over models × tasks goes with either, and with accuracy.

Two-way analysis of variance without replication (η²), and R² of accuracy alone, with models, and with tasks. The cells
are estimates: s², the mean squared standard error of a cell, is in every sum of squares once for each degree of
freedom, and is taken out. Shares describe the models and tasks that were chosen: with easier or more alike tasks they are
others. They are no test (see `robusttest.stats.across.claims`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robusttest.stats.cell.frame import Floats

_FLAT = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """R² of one linear model of the metric. ``net`` has sampling noise out of both sides; None if all is noise."""

    terms: str
    """``accuracy``, ``accuracy + model`` or ``accuracy + task``."""
    r_squared: float
    adjusted: float | None
    net: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares of the variance of one metric over a complete models × tasks grid."""

    metric: str
    n_models: int
    n_tasks: int
    eta_model: float | None = None
    """η²: these three, noise included, add up to 1."""
    eta_task: float | None = None
    eta_rest: float | None = None
    model: float | None = None
    """The same with sampling noise out; with ``noise`` these four add up to 1."""
    task: float | None = None
    interaction: float | None = None
    noise: float | None = None
    nested: tuple[Nested, ...] = ()
    reason: str | None = None


def shares(values: Floats, accuracy: Floats, *, noise: float = 0.0, metric: str = "") -> Shares:
    """Of ``values`` (M, T) without gaps; ``noise`` is s², the mean over cells of SE²."""
    m, t = values.shape

    def without(reason: str) -> Shares:
        return Shares(metric=metric, n_models=m, n_tasks=t, reason=reason)

    if m < 2 or t < 2:
        return without(f"{m} models on {t} tasks: two of each needed")
    mean = values.mean()
    rows, columns = values.mean(axis=1) - mean, values.mean(axis=0) - mean
    total = float(((values - mean) ** 2).sum())
    if total < _FLAT:
        return without(f"{metric or 'the metric'} is the same everywhere")
    of_model, of_task = t * float((rows**2).sum()), m * float((columns**2).sum())
    rest = max(total - of_model - of_task, 0.0)
    taken = [
        min(df * noise, ss) for df, ss in ((m - 1, of_model), (t - 1, of_task), ((m - 1) * (t - 1), rest))
    ]
    return Shares(
        metric=metric, n_models=m, n_tasks=t,
        eta_model=of_model / total, eta_task=of_task / total, eta_rest=rest / total,
        model=(of_model - taken[0]) / total, task=(of_task - taken[1]) / total,
        interaction=(rest - taken[2]) / total, noise=sum(taken) / total,
        nested=_nested(values, accuracy, noise, total),
    )  # fmt: skip


def _nested(values: Floats, accuracy: Floats, noise: float, total: float) -> tuple[Nested, ...]:
    m, t = values.shape
    n = m * t
    y, x = values.ravel(), accuracy.ravel()
    model, task = np.repeat(np.eye(m), t, axis=0), np.tile(np.eye(t), (m, 1))
    out = []
    for terms, dummies in (
        ("accuracy", np.ones((n, 1))),
        ("accuracy + model", model),
        ("accuracy + task", task),
    ):
        design = np.column_stack([x, dummies])
        fit, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
        left = float(((y - design @ fit) ** 2).sum())
        df = n - int(rank)
        real = total - (n - 1) * noise
        net = None
        if real > _FLAT:
            net = min(max((total - left - (int(rank) - 1) * noise) / real, 0.0), 1.0)
        out.append(
            Nested(
                terms=terms,
                r_squared=1 - left / total,
                adjusted=1 - left / df / (total / (n - 1)) if df > 0 else None,
                net=net,
            )
        )
    return tuple(out)


def complete_grid(there: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> tuple[list[int], list[int]]:
    """Rows and columns of a grid without gaps: the line with the most gaps goes first, of equals the later one."""
    rows, columns = list(range(there.shape[0])), list(range(there.shape[1]))
    while rows and columns:
        gaps = ~there[np.ix_(rows, columns)]
        if not gaps.any():
            return rows, columns
        by_row, by_column = gaps.mean(axis=1), gaps.mean(axis=0)
        if by_row.max() >= by_column.max():
            del rows[len(rows) - 1 - int(np.argmax(by_row[::-1]))]
        else:
            del columns[len(columns) - 1 - int(np.argmax(by_column[::-1]))]
    return [], []
