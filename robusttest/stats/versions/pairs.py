"""Scores of two versions side by side, as arrays for `robusttest.stats.versions.paired`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from robusttest.stats.cell.frame import Codes, Floats

Column: TypeAlias = tuple[str, str, int]
"""(perturbation, variant, repeat)."""


@dataclass(frozen=True, slots=True, eq=False)
class PairsTable:
    """``n`` cases × ``K`` variants, twice; NaN where a variant has no pair."""

    case_ids: tuple[str, ...]
    columns: tuple[Column, ...]
    old: Floats
    new: Floats

    def clusters(self, by_case: Mapping[str, str | None]) -> Codes | None:
        """(n,) cluster number of each case; None if no case shares one."""
        seen: dict[tuple[bool, str], int] = {}
        index = []
        for case in self.case_ids:
            cluster = by_case.get(case)
            key = (True, case) if cluster is None else (False, cluster)
            index.append(seen.setdefault(key, len(seen)))
        return np.array(index, dtype=np.int64) if len(seen) < len(index) else None


def pairs_table(rows: Iterable[tuple[str, Column, float | None, float | None]]) -> PairsTable:
    """From (case, variant, old score, new score): cases and variants sorted, so that the order of rows
    changes no sum and no draw.
    """
    cases: dict[str, int] = {}
    columns: dict[Column, int] = {}
    at: list[tuple[int, int]] = []
    scores: list[tuple[float | None, float | None]] = []
    for case, column, old, new in rows:
        at.append((cases.setdefault(case, len(cases)), columns.setdefault(column, len(columns))))
        scores.append((old, new))
    place = np.array(at, dtype=np.int64).reshape(-1, 2)
    place = np.stack([_ranks(cases)[place[:, 0]], _ranks(columns)[place[:, 1]]], axis=1)
    values = np.array(scores, dtype=np.float64).reshape(-1, 2)  # None becomes NaN
    sides = np.full((2, len(cases), len(columns)), np.nan)
    sides[:, place[:, 0], place[:, 1]] = values.T
    return PairsTable(tuple(sorted(cases)), tuple(sorted(columns)), sides[0], sides[1])


def _ranks(names: Mapping[Any, int]) -> Codes:
    """First-seen number → place in sorted order."""
    out = np.empty(len(names), dtype=np.int64)
    for rank, name in enumerate(sorted(names)):
        out[names[name]] = rank
    return out
