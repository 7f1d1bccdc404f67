"""Robustness against accuracy over models and tasks, as plain data: `analyse` makes an `Emergence`.

Everything that a plot or a table shows is in its fields: points with intervals, curves of what accuracy alone would give,
lines through the points, shares of variance, two claims with an answer and a sentence each. Renderers compute
nothing. Source of the claims: arXiv 2602.03344; of the tests: `robusttest.stats.across.claims`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from robusttest.core.nouns import CellKey, Estimate
from robusttest.core.views import shown
from robusttest.stats.across import claims, decomposition, scatter
from robusttest.stats.across.claims import Claim
from robusttest.stats.across.decomposition import Shares
from robusttest.stats.across.grid import grid as grid_of
from robusttest.stats.across.scatter import Relation, View
from robusttest.stats.across.two_way import two_way
from robusttest.stats.cell.curves import Curve
from robusttest.stats.cell.curves import curves as curves_of
from robusttest.stats.cell.frame import Frame
from robusttest.stats.cell.intervals import mean_se
from robusttest.stats.cell.measures import measures
from robusttest.stats.cell.moments import Moments, moments
from robusttest.stats.cell.points import (
    ARITHMETIC,
    METRICS,
    ModelPoint,
    Point,
    TaskPoint,
    by_model,
    by_task,
    points_of,
    values_of,
)

MIN_LEVELS = 3
"""Fewer models or tasks: the points, and no statistic."""

MIN_COVERAGE = 0.95
VIEWS: tuple[View, ...] = ("all", "within_tasks", "within_models")


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergence:
    """Robustness against accuracy. With fewer than three models or tasks only ``points`` and ``curves``."""

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    grid_models: tuple[str, ...]
    """Models and tasks of the complete grid that shares and claims are computed on."""
    grid_tasks: tuple[str, ...]
    points: tuple[Point, ...]
    curves: tuple[Curve, ...]
    k: int | None
    """Replies per case of the curves: the median over points."""
    icc: float | None
    """ρ of the curves: 1 - ΣW/ΣT over all points."""
    by_task: tuple[TaskPoint, ...] = ()
    by_model: tuple[ModelPoint, ...] = ()
    means: tuple[Estimate, ...] = ()
    """Accuracy and each metric over the complete grid, for models *and* tasks like these (two-way interval)."""
    relations: tuple[Relation, ...] = ()
    shares: tuple[Shares, ...] = ()
    claims: tuple[Claim, ...] = ()
    reason: str | None = None
    """Why there is no statistic."""
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        return shown(self)

    def relation(self, metric: str, view: View = "all") -> Relation | None:
        return next((r for r in self.relations if (r.metric, r.view) == (metric, view)), None)

    def claim(self, key: str) -> Claim | None:
        return next((c for c in self.claims if c.key == key), None)


def analyse(cells: Iterable[Frame]) -> Emergence:
    """Cells of one run, of several stored ones, or of a recorded table.

    A model × task that comes twice (from two runs) counts once, the last; tasks of one name in several tests of
    a run are told apart by test. Cells with fewer than two cases that have two replies are left out, as are those of
    adaptive runs, and it says so.
    """
    every, further = _first_prompts(cells)
    chosen, names, notes = _once(c for c in every if not c.sequential)
    if further:
        notes.append(f"left out: {_cells(further)} of a task's further prompts: its first one stands for it")
    if early := sum(c.sequential for c in every):
        notes.append(
            f"left out: {_cells(early)} of adaptive runs, which stopped when their thresholds were decided"
        )
    seen = [
        (cell, name, m) for cell, name in zip(chosen, names, strict=True) if (m := moments(cell)) is not None
    ]
    seen.sort(
        key=lambda s: (s[1], s[0].model)
    )  # resampling goes by place: the order they came in changes nothing
    if len(seen) < len(chosen):
        notes.append(
            f"left out: {_cells(len(chosen) - len(seen))} with fewer than two cases that have two replies"
        )
    notes += _caveats([c for c, _, _ in seen], [m for _, _, m in seen])
    kept, tasks_of, found = [c for c, _, _ in seen], [t for _, t, _ in seen], [m for _, _, m in seen]
    models, tasks = tuple(dict.fromkeys(c.model for c in kept)), tuple(dict.fromkeys(tasks_of))
    points = points_of(kept, tasks_of, found)
    k, icc = (int(np.median([m.k for m in found])), _icc(found)) if found else (None, None)
    curves = curves_of(k, icc) if k is not None else ()
    rows, columns, table = _grid(kept, tasks_of, found, models, tasks)
    common = {
        "models": models, "tasks": tasks, "points": points, "curves": curves, "k": k, "icc": icc,
        "grid_models": tuple(models[i] for i in rows), "grid_tasks": tuple(tasks[j] for j in columns),
    }  # fmt: skip
    grid = grid_of(table) if table else None
    enough = len(rows) >= MIN_LEVELS and len(columns) >= MIN_LEVELS
    between = len(rows) >= claims.MIN_MODELS and len(columns) >= claims.MIN_TASKS
    if grid is None or not (enough or between):
        reason = f"{len(models)} model{'s' * (len(models) != 1)} on {len(tasks)} task{'s' * (len(tasks) != 1)}: a statistic needs {MIN_LEVELS} of each"
        if len(models) >= MIN_LEVELS and len(tasks) >= MIN_LEVELS:
            reason = f"too many gaps: only {len(rows)} models were each put to the same {len(columns)} tasks"
        return Emergence(**common, reason=reason, notes=tuple(notes))  # type: ignore[arg-type]  # common fields, gathered once
    if gaps := len(points) - len(rows) * len(columns):
        notes.append(
            f"{_cells(gaps)} outside the complete grid of {len(rows)} models and {len(columns)} tasks: "
            "in the scatter, not in the shares and the claims"
        )
    at = {(p.model, p.task): p for p in points}
    in_grid = [[at[models[i], tasks[j]] for j in columns] for i in rows]
    return Emergence(
        **common,  # type: ignore[arg-type]  # common fields, gathered once
        by_task=by_task(in_grid, grid),
        by_model=by_model(in_grid, grid),
        means=_means(in_grid) if enough else (),
        relations=_relations(points, models, tasks) if enough else (),
        shares=_shares(in_grid, table, kept, tasks_of) if enough else (),
        claims=claims.answers(grid, enough=enough),
        notes=tuple(notes),
    )


def _first_prompts(cells: Iterable[Frame]) -> tuple[list[Frame], int]:
    """Without the cells of a task's second prompt and on, which are not tasks of their own; and how many they are."""
    first: dict[tuple[str | None, str], str | None] = {}
    kept, left = [], 0
    for cell in cells:
        if cell.prompt is None or first.setdefault((cell.test, cell.base_task), cell.prompt) == cell.prompt:
            kept.append(cell)
        else:
            left += 1
    return kept, left


def _once(cells: Iterable[Frame]) -> tuple[list[Frame], list[str], list[str]]:
    """Each (test, task, model) once; tasks named with their test where a model has one name twice."""
    last: dict[CellKey, Frame] = {}
    count = 0
    for cell in cells:
        count += 1
        last[cell.key] = cell
    times = Counter((c.task, c.model) for c in last.values())
    several = {task for (task, _), n in times.items() if n > 1}
    names = [
        f"{c.task} ({(c.test or '').rpartition('/')[2]})" if c.task in several else c.task
        for c in last.values()
    ]
    notes = [f"{_cells(count - len(last))} came more than once: the last counts"] if count > len(last) else []
    return list(last.values()), names, notes


def _cells(n: int) -> str:
    return f"{n} cell{'s' * (n != 1)}"


def _caveats(cells: Sequence[Frame], found: Sequence[Moments]) -> list[str]:
    """What makes cells less comparable than they look."""
    notes = []
    least, most = min((m.k for m in found), default=0), max((m.k for m in found), default=0)
    if most > least:
        notes.append(
            f"K differs between cells ({least} to {most}): consistency and robust accuracy fall with K, ICC and kappa "
            "do not"
        )
    if low := sum(c.coverage is not None and c.coverage < MIN_COVERAGE for c in cells):
        notes.append(f"in {_cells(low)} fewer than {MIN_COVERAGE * 100:g} % of the variants have a result")
    return notes


def _icc(found: Sequence[Moments]) -> float | None:
    total = sum(m.total for m in found)
    return 1 - sum(m.within for m in found) / total if total > 1e-12 else None


def _grid(
    cells: Sequence[Frame],
    tasks_of: Sequence[str],
    found: Sequence[Moments],
    models: Sequence[str],
    tasks: Sequence[str],
) -> tuple[list[int], list[int], list[list[Moments]]]:
    at = {(c.model, t): m for c, t, m in zip(cells, tasks_of, found, strict=True)}
    there = np.array([[(model, task) in at for task in tasks] for model in models], dtype=bool).reshape(
        len(models), len(tasks)
    )
    rows, columns = decomposition.complete_grid(there)
    return rows, columns, [[at[models[i], tasks[j]] for j in columns] for i in rows]


def _relations(points: Sequence[Point], models: Sequence[str], tasks: Sequence[str]) -> tuple[Relation, ...]:
    m = np.array([models.index(p.model) for p in points], dtype=np.int64)
    t = np.array([tasks.index(p.task) for p in points], dtype=np.int64)
    x = values_of(points, "accuracy")
    return tuple(
        scatter.relation(
            x, values_of(points, metric), m, t, metric=metric, view=view, arithmetic=metric in ARITHMETIC
        )
        for metric in METRICS
        for view in VIEWS
    )


def _means(rows: Sequence[Sequence[Point]]) -> tuple[Estimate, ...]:
    out = []
    for metric in ("accuracy", *METRICS):
        values = np.stack([values_of(row, metric) for row in rows])
        i, j = decomposition.complete_grid(~np.isnan(values))
        name = "overall_accuracy" if metric == "accuracy" else metric
        if not i:
            out.append(Estimate(metric=name, reason="undefined in every cell"))
            continue
        table = values[np.ix_(i, j)]
        limits = two_way(table, sides=("models", "tasks"))
        low, high, lower, upper = (
            None if x is None else min(max(x, -1.0 if name.startswith("consistency") else 0.0), 1.0)
            for x in limits[:4]
        )
        out.append(
            Estimate(
                metric=name,
                value=float(table.mean()),
                low=low,
                high=high,
                lower=lower,
                upper=upper,
                n=table.size,
                method=limits.method,
                reason=limits.reason,
            )
        )
    return tuple(out)


def _shares(
    rows: Sequence[Sequence[Point]],
    table: list[list[Moments]],
    cells: Sequence[Frame],
    tasks_of: Sequence[str],
) -> tuple[Shares, ...]:
    """η² and nested R² of each metric, over its complete part of the grid."""
    cell_of = {(c.model, t): c for c, t in zip(cells, tasks_of, strict=True)}
    out = []
    for metric in METRICS:
        values = np.stack([values_of(row, metric) for row in rows])
        accuracy = np.stack([values_of(row, "accuracy") for row in rows])
        i, j = decomposition.complete_grid(~np.isnan(values))
        noise = [
            _square(metric, cell_of[rows[a][b].model, rows[a][b].task], table[a][b], float(values[a, b]))
            for a in i
            for b in j
        ]
        at = np.ix_(i, j)
        out.append(
            decomposition.shares(
                values[at], accuracy[at], noise=float(np.mean(noise)) if noise else 0.0, metric=metric
            )
        )
    return tuple(out)


def _square(metric: str, cell: Frame, m: Moments, value: float) -> float:
    """SE² of a cell's metric: of the mean over cases, or the jackknife's of W - (1-ρ)T over T."""
    if metric in ARITHMETIC:
        at = cell.select(None)
        each = measures(at)
        x = each.all_equal if metric == "output_consistency" else each.worst
        there = ~np.isnan(x)
        clusters = at.cluster_index
        return mean_se(x[there], None if clusters is None else clusters[there]).se ** 2
    se = m.of_share(1 - value)[1].se / m.total if m.total > 1e-12 else 0.0
    return se**2 if np.isfinite(se) else 0.0
