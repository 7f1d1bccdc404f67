"""One model on one task, one task over models, one model over tasks: what a scatter and its tables show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from robusttest.core.nouns import Estimate
from robusttest.stats.across.grid import Grid, left_over
from robusttest.stats.across.residuals import Residual, residuals
from robusttest.stats.cell import nulls
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.frame import Floats, Frame
from robusttest.stats.cell.measures import measures
from robusttest.stats.cell.moments import Moments

METRICS = ("output_consistency", "robust_accuracy", "consistency_icc", "consistency_kappa")
"""What is set against accuracy."""
ARITHMETIC = ("output_consistency", "robust_accuracy")
"""Those tied to it by arithmetic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One model on one task. Each `Estimate` has value, low, high, n, and a reason where something is missing."""

    task: str
    model: str
    test: str | None
    n: int
    """Cases with two replies or more."""
    k: int
    """Replies to each case over the reference and every input and prompt variant, the median."""
    accuracy: Estimate
    """``overall_accuracy``, the x of every plot: over all variants, the reference included."""
    output_consistency: Estimate
    robust_accuracy: Estimate
    consistency_icc: Estimate
    consistency_kappa: Estimate
    latent_r: Estimate
    by_accuracy_alone: float | None
    """p^K: consistency and robust accuracy if every case were equally hard (ρ = 0)."""
    robust_accuracy_predicted: float | None
    """Robust accuracy of a cell of this accuracy whose ICC is that of the other cells (beta-binomial)."""
    consistency_predicted: tuple[float, float] | None
    """Output consistency likewise: the least (no two wrong answers alike) and the most (all alike)."""
    residual: Residual
    """More or less robust than its accuracy predicts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPoint:
    """One task over the models of the complete grid: a point of claim 1."""

    task: str
    n_models: int
    accuracy: float
    """Mean over models."""
    output_consistency: float | None
    robust_accuracy: float | None
    by_accuracy_alone: float | None
    """Mean p^K."""
    robust_accuracy_predicted: float | None
    icc: float | None
    """Mean over models of the cells' ICC, what claim 1 reads; None where all answers are right, or all wrong."""
    latent_r: float | None
    """tanh of the mean over models of atanh r."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPoint:
    """One model over the tasks of the complete grid."""

    model: str
    n_tasks: int
    accuracy: float
    output_consistency: float | None
    robust_accuracy: float | None
    kappa_above_tasks: float | None
    """Its κ above what its tasks give."""


def points_of(cells: Sequence[Frame], tasks: Sequence[str], found: Sequence[Moments]) -> tuple[Point, ...]:
    apart = residuals(found)
    total, within = sum(m.total for m in found), sum(m.within for m in found)
    out = []
    for cell, task, m, r in zip(cells, tasks, found, apart, strict=True):
        p = min(max(m.p, 0.0), 1.0)
        rest = total - m.total
        rho = min(max(1 - (within - m.within) / rest, 0.0), 1.0) if len(found) > 1 and rest > 1e-12 else None
        predicted = None if rho is None or not m.binary else float(nulls.all_right(p, m.k, rho))
        most = None if rho is None or not m.binary else float(nulls.unanimous(p, m.k, rho))
        at = put_twice(cell)
        e = {name: estimate(at, name) for name in (*METRICS, "latent_r", "overall_accuracy")}
        out.append(
            Point(
                task=task,
                model=cell.model,
                test=cell.test,
                n=m.n,
                k=m.k,
                accuracy=e.pop("overall_accuracy"),
                **e,
                by_accuracy_alone=float(nulls.all_right(p, m.k)) if m.binary else None,
                robust_accuracy_predicted=predicted,
                consistency_predicted=None if predicted is None or most is None else (predicted, most),
                residual=r,
            )
        )
    return tuple(out)


def put_twice(cell: Frame) -> Frame:
    """Of its cases with two scores or more: x and y of a plot are of the same ones."""
    several = measures(cell.select(None)).k >= 2
    return cell if several.all() else cell.take_cases(several)


def values_of(points: Iterable[Point], metric: str) -> Floats:
    found = [getattr(p, metric).value for p in points]
    return np.array([np.nan if v is None else v for v in found], dtype=np.float64)


def _mean(values: Floats) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None


def by_task(rows: Sequence[Sequence[Point]], grid: Grid) -> tuple[TaskPoint, ...]:
    latent = np.tanh(grid.task_latent) if grid.binary else np.full(grid.p.shape[1], np.nan)
    icc = grid.task_icc
    out = []
    for j, column in enumerate(zip(*rows, strict=True)):
        null = [p.by_accuracy_alone for p in column]
        predicted = [p.robust_accuracy_predicted for p in column]
        out.append(
            TaskPoint(
                task=column[0].task,
                n_models=len(column),
                accuracy=float(grid.p[:, j].mean()),
                output_consistency=_mean(values_of(column, "output_consistency")),
                robust_accuracy=_mean(values_of(column, "robust_accuracy")),
                by_accuracy_alone=_mean_of(null),
                robust_accuracy_predicted=_mean_of(predicted),
                icc=_number(icc[j]),
                latent_r=_number(latent[j]),
            )
        )
    return tuple(out)


def _mean_of(values: Sequence[float | None]) -> float | None:
    there = [v for v in values if v is not None]
    return sum(there) / len(there) if there else None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def by_model(rows: Sequence[Sequence[Point]], grid: Grid) -> tuple[ModelPoint, ...]:
    left, total = left_over(grid).sum(axis=1), grid.total.sum(axis=1)
    return tuple(
        ModelPoint(
            model=row[0].model,
            n_tasks=len(row),
            accuracy=float(grid.p[i].mean()),
            output_consistency=_mean(values_of(row, "output_consistency")),
            robust_accuracy=_mean(values_of(row, "robust_accuracy")),
            kappa_above_tasks=float(left[i] / total[i]) if total[i] > 1e-12 else None,
        )
        for i, row in enumerate(rows)
    )
