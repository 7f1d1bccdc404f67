"""How scores spread within a case: the distribution over cases of the standard deviation of a case's scores, task by task.

The picture of arXiv 2602.03344, appendix C.2: as accuracy rises most cases stand still and a small tail carries the
variance. A case that stands still is always right (success consistency) or always wrong (failure consistency): equally
consistent, and not equally good. Each model weighs the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from robusttest.stats.cell.frame import Frame
from robusttest.stats.cell.measures import measures

BINS = 10
"""Of the standard deviation, from 0 (not counted in the first bin) to .5, the most that scores in [0, 1] can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSpread:
    """One task over its models."""

    task: str
    n_models: int
    n: int
    """Cases over all models."""
    accuracy: float
    always_right: float
    always_wrong: float
    still: float
    """Share of cases without any spread: those two, and cases whose partial scores are all equal."""
    moving: float
    median: float
    """Of the standard deviation, over all cases."""
    tail: float
    """Its 95th percentile."""
    tail_share: float | None
    """Share of all variance within cases that the tenth of cases with the most of it carries; None where there is none."""
    bins: tuple[float, ...]
    """Shares of cases by standard deviation, in `BINS` equal steps from above 0 to .5."""


def case_spreads(cells: Iterable[Frame]) -> tuple[CaseSpread, ...]:
    """The tasks, the one of highest accuracy first; cases with one score say nothing."""
    by_task: dict[str, list[Frame]] = {}
    for cell in cells:
        by_task.setdefault(cell.base_task, []).append(cell)
    made = [s for task, held in by_task.items() if (s := _one(task, held)) is not None]
    return tuple(sorted(made, key=lambda s: -s.accuracy))


def _one(task: str, cells: list[Frame]) -> CaseSpread | None:
    edges = np.linspace(0, 0.5, BINS + 1)
    rows, counts, every = [], 0, []
    for cell in cells:
        m = measures(cell.select(None))
        there = ~np.isnan(m.std)
        if not there.any():
            continue
        sd, mean = m.std[there], m.mean[there]
        still = sd <= 1e-9
        inside = np.clip(np.digitize(sd[~still], edges, right=True) - 1, 0, BINS - 1)
        bins = np.bincount(inside, minlength=BINS) / len(sd)
        rows.append(
            [
                mean.mean(),
                (still & (mean >= 1 - 1e-9)).mean(),
                (still & (mean <= 1e-9)).mean(),
                still.mean(),
                *bins,
            ]
        )
        counts += len(sd)
        every.append(sd)
    if not rows:
        return None
    accuracy, right, wrong, unmoved, *shares = (float(x) for x in np.mean(rows, axis=0))
    sd = np.concatenate(every)
    square = np.sort(sd**2)[::-1]
    total = float(square.sum())
    most = square[: max(1, round(len(square) / 10))]
    return CaseSpread(
        task=task, n_models=len(rows), n=counts, accuracy=accuracy, always_right=right, always_wrong=wrong, still=unmoved,
        moving=1 - unmoved, median=float(np.median(sd)), tail=float(np.quantile(sd, 0.95)),
        tail_share=float(most.sum()) / total if total > 1e-12 else None, bins=tuple(shares),
    )  # fmt: skip
