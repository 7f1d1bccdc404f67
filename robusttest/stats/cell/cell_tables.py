"""Somebody's table of finished numbers, one row for each model × task: robustness against accuracy, where no reply is left.

Columns ``model``, ``task``, ``accuracy`` (over all variants) and any of ``output_consistency`` (``tara``),
``robust_accuracy`` (``helm_worst_case``), ``consistency_icc`` and ``consistency_kappa``; optional ``n`` (cases) and
``k`` (replies to each). Lines, correlations and shares of variance come out of them; no claim is tested, since that
takes the replies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from robusttest.core.nouns import Estimate
from robusttest.errors import CaseError, UsageError
from robusttest.stats.across import decomposition, scatter
from robusttest.stats.across.decomposition import Shares
from robusttest.stats.across.emergence import MIN_LEVELS, VIEWS, Emergence
from robusttest.stats.across.residuals import Residual
from robusttest.stats.cell import nulls
from robusttest.stats.cell.curves import curves
from robusttest.stats.cell.points import ARITHMETIC, METRICS, Point, TaskPoint, values_of
from robusttest.tasks.sources import SourceRow, rows

ALIASES = {
    "accuracy": ("accuracy", "overall_accuracy"),
    "output_consistency": ("output_consistency", "tara"),
    "robust_accuracy": ("robust_accuracy", "helm_worst_case", "success_consistency"),
    "consistency_icc": ("consistency_icc",),
    "consistency_kappa": ("consistency_kappa",),
}
"""What a point holds, and the columns it is read from."""
COLUMNS = ("model", "task", "n", "k", *(name for names in ALIASES.values() for name in names))
_MISSING = "not in the table"


def is_cell_table(path: str | PathLike[str], mapping: Mapping[str, str], encoding: str = "utf-8") -> bool:
    """Whether a table has accuracies of models on tasks, and no cases."""
    if "case_id" in mapping:
        return False
    _, found = rows(path, encoding)
    first = next(found, None)
    if first is None:
        return False
    columns: Mapping[str, Any] = first.values  # type: ignore[assignment]  # numbers and texts, as Any
    there = {ours for ours in (*COLUMNS, "case_id") if mapping.get(ours, ours) in columns}
    return "case_id" not in there and any(name in there for name in ALIASES["accuracy"])


def emergence_of(
    path: str | PathLike[str], *, mapping: Mapping[str, str] | None = None, encoding: str = "utf-8"
) -> Emergence:
    """Robustness against accuracy over the rows of a csv, jsonl or parquet file.

    ``mapping`` says our column → the table's; ``a+b`` are the texts of two columns joined. Raises `UsageError` and
    `CaseError` that name file, row and column.
    """
    mapping = dict(mapping or {})
    for name in mapping:
        if name not in COLUMNS:
            raise UsageError(
                f"mapping: {name!r} is not one of the columns of a table of cells: {', '.join(COLUMNS)}"
            )
    name, found = rows(path, encoding)
    points: dict[tuple[str, str], tuple[Point, str]] = {}
    for row in found:
        p = _point(row, mapping)
        if (first := points.get((p.model, p.task))) is not None:
            raise CaseError(
                f"{row.place} repeats {first[1]}: model {p.model!r}, task {p.task!r}; a further column may be part of "
                "the task, as in task=task+shots"
            )
        points[p.model, p.task] = p, row.place
    if not points:
        raise UsageError(f"{name} has no rows")
    return _emergence([p for p, _ in points.values()])


def _point(row: SourceRow, mapping: Mapping[str, str]) -> Point:
    values: Mapping[str, Any] = row.values  # type: ignore[assignment]  # numbers and texts, as Any

    def text(ours: str) -> str:
        theirs = mapping.get(ours, ours)
        parts = [theirs] if theirs in values else theirs.split("+")
        if missing := [part for part in parts if values.get(part) in (None, "")]:
            raise CaseError(f"{row.place}, column {missing[0]!r}: empty, or not there")
        return " ".join(str(values[part]) for part in parts)

    def number(ours: str, low: float, high: float) -> float | None:
        theirs = mapping.get(ours, ours)
        value = values.get(theirs)
        if value is None or value == "":
            if ours in mapping and theirs not in values:
                raise CaseError(f"{row.place}: no column {theirs!r}, only {', '.join(map(repr, values))}")
            return None
        try:
            made = float(value)
        except (TypeError, ValueError):
            made = float("nan")
        if not low <= made <= high:
            raise CaseError(
                f"{row.place}, column {theirs!r}: {value!r} is not a number in [{low:g}, {high:g}]"
            )
        return made

    n, k = number("n", 0, float("inf")), number("k", 1, float("inf"))

    def estimate(metric: str) -> Estimate:
        low = -1.0 if metric.startswith("consistency") else 0.0
        found = [v for ours in ALIASES[metric] if (v := number(ours, low, 1)) is not None]
        shown = "overall_accuracy" if metric == "accuracy" else metric
        if not found:
            return Estimate(metric=shown, reason=_MISSING)
        return Estimate(
            metric=shown, value=found[0], n=int(n or 0), k=None if k is None else int(k), reason=_MISSING
        )

    accuracy = estimate("accuracy")
    if accuracy.value is None:
        raise CaseError(f"{row.place}, column {mapping.get('accuracy', 'accuracy')!r}: missing")
    return Point(
        task=text("task"), model=text("model"), test=None, n=int(n or 0), k=int(k or 0), accuracy=accuracy,
        **{metric: estimate(metric) for metric in METRICS},
        latent_r=Estimate(metric="latent_r", reason=_MISSING),
        by_accuracy_alone=None if k is None else float(nulls.all_right(accuracy.value, int(k))),
        robust_accuracy_predicted=None, consistency_predicted=None, residual=Residual(reason=_MISSING),
    )  # fmt: skip


def _emergence(points: Sequence[Point]) -> Emergence:
    models, tasks = (tuple(dict.fromkeys(x)) for x in ((p.model for p in points), (p.task for p in points)))
    at = {(p.model, p.task): p for p in points}
    there = np.array([[(m, t) in at for t in tasks] for m in models])
    i, j = decomposition.complete_grid(there)
    enough = len(i) >= MIN_LEVELS and len(j) >= MIN_LEVELS
    sizes = [p.k for p in points if p.k]
    k = int(np.median(sizes)) if sizes else None
    grid = [[at[models[a], tasks[b]] for b in j] for a in i]
    return Emergence(
        models=models, tasks=tasks, grid_models=tuple(models[a] for a in i), grid_tasks=tuple(tasks[b] for b in j),
        points=tuple(points), curves=() if k is None else curves(k, None), k=k, icc=None,
        by_task=tuple(_task_point([row[b] for row in grid]) for b in range(len(j))) if enough else (),
        relations=_relations(points, models, tasks) if enough else (),
        shares=tuple(s for m in METRICS if (s := _shares(grid, m)) is not None) if enough else (),
        reason=None if enough
        else f"{len(models)} model{'s' * (len(models) != 1)} on {len(tasks)} task{'s' * (len(tasks) != 1)}: a statistic needs {MIN_LEVELS} of each",
        notes=(
            "a table of finished numbers: no claim is tested"
            + ("" if all(p.n for p in points) else ", and no sampling noise taken out of shares (it has no n)"),
        ),
    )  # fmt: skip


def _relations(
    points: Sequence[Point], models: Sequence[str], tasks: Sequence[str]
) -> tuple[scatter.Relation, ...]:
    m = np.array([models.index(p.model) for p in points], dtype=np.int64)
    t = np.array([tasks.index(p.task) for p in points], dtype=np.int64)
    x = values_of(points, "accuracy")
    return tuple(
        scatter.relation(x, y, m, t, metric=metric, view=view, arithmetic=metric in ARITHMETIC)
        for metric in METRICS
        for view in VIEWS
        if not np.isnan(y := values_of(points, metric)).all()
    )


def _shares(grid: Sequence[Sequence[Point]], metric: str) -> Shares | None:
    values = np.stack([values_of(row, metric) for row in grid])
    if np.isnan(values).any():
        return None
    n = np.array([[p.n for p in row] for row in grid])
    noise = 0.0
    if metric in ARITHMETIC and (n > 1).all():  # shares of cases: p(1-p)/(n-1)
        noise = float((values * (1 - values) / (n - 1)).mean())
    accuracy = np.stack([values_of(row, "accuracy") for row in grid])
    return decomposition.shares(values, accuracy, noise=noise, metric=metric)


def _task_point(column: Sequence[Point]) -> TaskPoint:
    def mean(value: Callable[[Point], float | None]) -> float | None:
        found = [v for p in column if (v := value(p)) is not None]
        return sum(found) / len(found) if found else None

    return TaskPoint(
        task=column[0].task,
        n_models=len(column),
        accuracy=mean(lambda p: p.accuracy.value) or 0.0,
        output_consistency=mean(lambda p: p.output_consistency.value),
        robust_accuracy=mean(lambda p: p.robust_accuracy.value),
        by_accuracy_alone=mean(lambda p: p.by_accuracy_alone),
        robust_accuracy_predicted=None,
        icc=mean(lambda p: p.consistency_icc.value),
        latent_r=None,
    )
