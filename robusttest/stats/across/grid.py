"""Correctness of all models on all tasks as arrays, and what each task has in common over its models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from robusttest.stats.cell.consistency import latent_r
from robusttest.stats.cell.frame import Floats
from robusttest.stats.cell.moments import Moments

LARGEST_R = 0.999


def _mean_over_models(values: Floats) -> Floats:
    there = ~np.isnan(values)
    with np.errstate(all="ignore"):
        return np.asarray(np.where(there, values, 0.0).sum(axis=0) / there.sum(axis=0))


class Grid(NamedTuple):
    """Moments of a complete grid, (M, T) each."""

    p: Floats
    within: Floats
    total: Floats
    binary: bool
    log_odds: Floats
    """Of each cell, `moments.log_odds_ratio`."""

    @property
    def task_total(self) -> Floats:
        return np.asarray(self.total.sum(axis=0))

    @property
    def icc(self) -> Floats:
        """(M, T) 1 - W/T of each cell; NaN where its answers are all right, or all wrong."""
        with np.errstate(all="ignore"):
            return np.asarray(np.where(self.total > 1e-12, 1 - self.within / self.total, np.nan))

    @property
    def task_icc(self) -> Floats:
        """(T,) plain mean over models, of the cells that have one; NaN where none has."""
        return _mean_over_models(self.icc)

    @property
    def task_latent(self) -> Floats:
        """(T,) mean over models of atanh of the cell's r on the latent normal scale."""
        r = np.clip(latent_r(self.p, self.icc), -LARGEST_R, LARGEST_R)
        return _mean_over_models(np.arctanh(r))

    @property
    def task_odds(self) -> Floats:
        """(T,) mean over models of the cells' log odds ratio, of those that have one."""
        return _mean_over_models(self.log_odds)

    @property
    def task_kappa(self) -> Floats:
        """(T,) κ_t; NaN where all answers to a task are right, or all wrong."""
        with np.errstate(all="ignore"):
            return np.asarray(
                np.where(self.task_total > 1e-12, 1 - self.within.sum(axis=0) / self.task_total, np.nan)
            )


def grid(rows: Sequence[Sequence[Moments]]) -> Grid:
    """Rows are models, columns tasks."""
    flat = [m for row in rows for m in row]

    def table(name: str) -> Floats:
        return np.array([[getattr(m, name) for m in row] for row in rows], dtype=np.float64)

    return Grid(
        table("p"), table("within"), np.maximum(table("total"), 0.0), all(m.binary for m in flat), table("log_odds")
    )  # fmt: skip


def left_over(g: Grid) -> Floats:
    """(M, T) (T-W) - κ_t T, 0 on tasks without any variance; each task's column sums to 0."""
    kappa = np.nan_to_num(g.task_kappa, nan=0.0)
    return np.asarray(np.where(g.task_total > 1e-12, g.total - g.within - kappa * g.total, 0.0))
