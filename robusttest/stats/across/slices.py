"""Slices: the results of one cell by a column of its cases (``by=``), each slice against all others.

A slice differs from the rest where its mean overall accuracy (without labels: its mean flip rate) does so by more than
a draw of as many cases without replacement from the whole would (two-sided permutation test, drawn `DRAWS` times from
the hypergeometric; clusters are drawn whole where each lies in one slice). p-values are Holm's over all slices of the
cell, whatever their column; a column of two slices is one test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from robusttest.core.nouns import CellKey, Estimate, derive_seed
from robusttest.stats.cell.estimates import NO_LABELS, estimate
from robusttest.stats.cell.frame import Floats, Frame
from robusttest.stats.cell.measures import measures
from robusttest.stats.versions.multiplicity import holm

METRICS = ("accuracy", "robust_accuracy", "overall_accuracy", "flip_rate", "consistency_icc", "drop")
DRAWS = 20_000
MOST = 200
"""Slices of a column; one with more is an identifier, and tells of single cases."""
ALPHA = 0.05
NO_VALUE = "(none)"
_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The cases that share one value of a column."""

    column: str
    value: str
    n: int
    metrics: tuple[Estimate, ...]
    """`METRICS` over its cases alone."""
    difference: float | None = None
    """Its overall accuracy (without labels: flip rate) less that of all other cases."""
    p: float | None = None
    p_adjusted: float | None = None
    reason: str | None = None
    """Why there is no p."""

    @property
    def differs(self) -> bool:
        return self.p_adjusted is not None and self.p_adjusted <= ALPHA

    def metric(self, name: str) -> Estimate:
        return next(e for e in self.metrics if e.metric == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """One cell by its columns: the slices in the order of their overall accuracy, the lowest first, column by column."""

    key: CellKey
    compared: str
    """The metric whose differences are tested."""
    slices: tuple[Slice, ...]
    notes: tuple[str, ...] = ()


def slices(
    cell: Frame, columns: Sequence[str] | None = None, *, metrics: Sequence[str] = METRICS
) -> Slices | None:
    """The cell by its columns (``None``: all that its records have), with these metrics of each slice; None where there
    is no column.
    """
    names = [c for c in (cell.by if columns is None else columns) if c in cell.by]
    if not names:
        return None
    compared = "flip_rate" if estimate(cell, "overall_accuracy").reason == NO_LABELS else "overall_accuracy"
    whole = measures(cell.select(None))
    values = whole.flips if compared == "flip_rate" else whole.mean
    found: list[Slice] = []
    notes: list[str] = []
    for name in names:
        held = [NO_VALUE if v is None else v for v in cell.by[name]]
        groups: dict[str, list[int]] = {}
        for i, value in enumerate(held):
            groups.setdefault(value, []).append(i)
        if len(groups) < 2:
            notes.append(f"every case has the same {name}: {next(iter(groups))}")
            continue
        if len(groups) > MOST:
            notes.append(f"{name} has {len(groups):,} values: more than {MOST} are no slices")
            continue
        made = []
        index = cell.cluster_index
        codes = np.unique(held, return_inverse=True)[1]
        nested = index is not None and len(np.unique(np.stack([index, codes]), axis=1).T) == len(
            np.unique(index)
        )
        if index is not None and not nested:
            notes.append(f"clusters lie across the values of {name}: its p-values take cases as independent")
        for value, at in groups.items():
            part = cell.take_cases(at)
            tested = partial(_tested, values, np.isin(np.arange(cell.n_cases), at), index if nested else None)
            difference, p, reason = tested(derive_seed("slice", cell.task, cell.model, name, value))
            made.append(
                Slice(
                    column=name, value=value, n=len(at), metrics=tuple(estimate(part, m) for m in dict.fromkeys([*metrics, compared])),
                    difference=difference, p=p, reason=reason,
                )
            )  # fmt: skip
        found += sorted(made, key=partial(_order, compared))
    if not found:
        return Slices(key=cell.key, compared=compared, slices=(), notes=tuple(notes)) if notes else None
    return Slices(key=cell.key, compared=compared, slices=tuple(_adjusted(found)), notes=tuple(notes))


def _adjusted(found: Sequence[Slice]) -> list[Slice]:
    """With Holm's p-values over all of them; the two slices of a column that has two are one test."""
    times = Counter(s.column for s in found)
    names = [s.column if times[s.column] == 2 else (s.column, s.value) for s in found]
    tests = {name: s.p for name, s in zip(names, found, strict=True) if s.p is not None}
    adjusted = dict(zip(tests, holm(list(tests.values())), strict=True))
    return [replace(s, p_adjusted=adjusted.get(name)) for name, s in zip(names, found, strict=True)]


def _order(compared: str, s: Slice) -> float:
    value = s.metric(compared).value
    return 2.0 if value is None else -value if compared == "flip_rate" else value


def _tested(
    values: Floats,
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]],
    clusters: np.ndarray[tuple[int], np.dtype[np.int64]] | None,
    seed: int,
) -> tuple[float | None, float | None, str | None]:
    """(difference of the means, p, why there is no p)."""
    there = ~np.isnan(values)
    x, inside = values[there], inside[there]
    m, n = int(inside.sum()), len(x)
    if not m or m == n:
        return None, None, "no case of the slice, or of the rest, has a value"
    difference = float(x[inside].mean() - x[~inside].mean())
    rng = np.random.Generator(np.random.PCG64(seed))
    if clusters is None:
        distinct, counts = np.unique(np.round(x, 9), return_counts=True)
        if len(distinct) == 1:
            return difference, 1.0, None
        drawn = rng.multivariate_hypergeometric(
            counts, m, size=min(DRAWS, _AT_ONCE // len(distinct)), method="marginals"
        )
        sums = drawn @ distinct
        apart = np.abs(sums / m - (x.sum() - sums) / (n - m))
    else:
        names, index = np.unique(clusters[there], return_inverse=True)
        size = np.bincount(index).astype(float)
        total = np.bincount(index, weights=x)
        chosen = np.zeros(len(names), dtype=bool)
        chosen[index[inside]] = True
        g = int(chosen.sum())
        if g == len(names) or min(g, len(names) - g) < 1 or len(names) < 4:
            return difference, None, f"only {len(names)} clusters"
        draws = min(DRAWS, max(_AT_ONCE // len(names), 1000))
        picked = np.argsort(rng.random((draws, len(names))), axis=1)[:, :g]
        sums, count = total[picked].sum(axis=1), size[picked].sum(axis=1)
        apart = np.abs(sums / count - (total.sum() - sums) / (n - count))
    return difference, float((1 + (apart >= abs(difference) - 1e-9).sum()) / (1 + len(apart))), None
