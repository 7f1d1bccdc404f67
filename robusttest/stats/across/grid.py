"""Correctness of all models on all tasks as arrays, and what each task has in common over its models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, owens_t

from robusttest.stats.cell.frame import Floats
from robusttest.stats.cell.moments import Moments


class Grid(NamedTuple):
    """Moments of a complete grid, (M, T) each."""

    p: Floats
    within: Floats
    total: Floats
    binary: bool

    @property
    def task_total(self) -> Floats:
        return np.asarray(self.total.sum(axis=0))

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

    return Grid(table("p"), table("within"), np.maximum(table("total"), 0.0), all(m.binary for m in flat))


def task_latent_r(g: Grid) -> Floats:
    """(T,) the r that all models share on a task: Σ_m Φ₂(z_m, z_m; r) = Σ_m (p_m² + κ_t p_m(1-p_m)).

    Bisection on θ, r = cos 2θ, as in `consistency.latent_r`. NaN where κ_t is.
    """
    kappa = g.task_kappa
    with np.errstate(divide="ignore"):
        z = ndtri(g.p)
    goal = (1 - kappa) * (g.p * (1 - g.p)).sum(axis=0) / 2
    low, high = np.zeros(len(kappa)), np.full(len(kappa), np.pi / 2)
    finite = np.isfinite(z)
    for _ in range(48):
        middle = (low + high) / 2
        reached = np.where(finite, owens_t(np.where(finite, z, 0.0), np.tan(middle)), 0.0).sum(axis=0)
        below = reached < goal
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(np.where(np.isnan(kappa), np.nan, np.cos(low + high)))


def left_over(g: Grid) -> Floats:
    """(M, T) (T-W) - κ_t T, 0 on tasks without any variance; each task's column sums to 0."""
    kappa = np.nan_to_num(g.task_kappa, nan=0.0)
    return np.asarray(np.where(g.task_total > 1e-12, g.total - g.within - kappa * g.total, 0.0))
