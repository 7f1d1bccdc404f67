"""Worlds of models and tasks with a known link between accuracy and consistency (beta-binomial cases)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import expit, logit

from robusttest.stats.cell.frame import Column, Frame

TASKS = (0.96, 0.88, 0.80, 0.72, 0.65, 0.45)
"""Task means at the paper's size: 9 models, 6 tasks, 100 cases, 24 variants."""

IccOf = Callable[[float, int, int], float]
"""(accuracy, model, task) → the ICC of that cell."""


def cell_of_scores(
    scores: np.ndarray, *, task: str = "t", model: str = "m", test: str | None = None
) -> Frame:
    """(n, K) right and wrong; the first column is the reference. Wrong answers are all alike."""
    n, k = scores.shape
    none = np.zeros((n, k), dtype=bool)
    columns = (
        Column("", "", "", "reference"),
        *(Column(f"p#{i}", "p", "p", "input", None, i) for i in range(k - 1)),
    )
    return Frame(
        task=task,
        model=model,
        test=test,
        case_ids=tuple(f"c{i}" for i in range(n)),
        clusters=(None,) * n,
        columns=columns,
        scores=scores.astype(float),
        answers=np.where(scores > 0, 0, 1).astype(np.int64),
        replies=None,
        planned=~none,
        unparsed=none,
        refused=none,
        errors=none,
        sensitive=none,
        cut=none,
        known=("p",),
    )


def case_scores(rng: np.random.Generator, p: float, icc: float, n: int, k: int) -> np.ndarray:
    own = rng.beta(p * (1 / icc - 1), (1 - p) * (1 / icc - 1), n)
    return (rng.random((n, k)) < own[:, None]).astype(int)


def world(
    seed: int,
    icc_of: IccOf = lambda p, m, t: 0.7,
    *,
    models: int = 9,
    tasks: Sequence[float] = TASKS,
    n: int = 100,
    k: int = 24,
    spread: float = 0.25,
) -> list[Frame]:
    """Models' abilities and cells' difficulties vary on the logit scale."""
    rng = np.random.default_rng(seed)
    ability = rng.normal(0, spread, models)
    cells = []
    for t, mean in enumerate(tasks):
        for m in range(models):
            p = float(expit(logit(mean) + ability[m] + rng.normal(0, 0.1)))
            scores = case_scores(rng, p, icc_of(p, m, t), n, k)
            cells.append(cell_of_scores(scores, task=f"task{t}", model=f"model{m}"))
    return cells
