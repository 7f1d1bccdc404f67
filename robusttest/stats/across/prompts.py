"""Several prompts of one task side by side, paired over cases: which is best, how surely, and what choosing it may cost.

Compared is each case's mean score over all its variants (without labels: its share of flips), over the cases that every
prompt has. The probability to be best, and the regret, are of the Bayesian bootstrap over cases (clusters): `DRAWS`
draws of weights, in each of which one prompt is the best (Rubin 1981). Regret is by how much the best of a draw stands above
a prompt, on average: what is lost by choosing that prompt for good. Differences from the best have the t-interval of
paired differences and the exact sign-flip p, Holm's over the other prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from robusttest.core.nouns import CellKey, Estimate, derive_seed
from robusttest.stats.cell.estimates import NO_LABELS, estimate
from robusttest.stats.cell.frame import Codes, Floats, Frame
from robusttest.stats.cell.intervals import difference, sum_by
from robusttest.stats.cell.measures import measures
from robusttest.stats.versions.multiplicity import holm
from robusttest.stats.versions.paired import sign_flip

DRAWS = 10_000
SHOWN = ("accuracy", "robust_accuracy", "overall_accuracy", "flip_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompted:
    """One prompt: its numbers over the cases that all have."""

    name: str
    metrics: tuple[Estimate, ...]
    best: float
    """Probability to be the best of them."""
    regret: float
    """Mean distance from the best one."""
    behind: float
    """The best one's mean less this one's, on the same cases; 0 for the best."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None

    def metric(self, name: str) -> Estimate:
        return next(e for e in self.metrics if e.metric == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """The prompts of one task and model, the best first."""

    key: CellKey
    """``task`` is the name without a prompt's."""
    compared: str
    """``overall_accuracy``; ``flip_rate`` without labels, where less is better."""
    prompts: tuple[Prompted, ...]
    n: int
    """Cases that every prompt has."""
    of: int


def side_by_side(cells: Iterable[Frame]) -> tuple[SideBySide, ...]:
    """The comparison of each (test, task, model) that was put by two prompts or more, in first-seen order."""
    groups: dict[CellKey, list[Frame]] = {}
    for cell in cells:
        if cell.prompt is not None and not cell.sequential:
            groups.setdefault(CellKey(cell.test, cell.base_task, cell.model), []).append(cell)
    made = (_compared(key, found) for key, found in groups.items() if len(found) > 1)
    return tuple(m for m in made if m is not None)


def _compared(key: CellKey, cells: Sequence[Frame]) -> SideBySide | None:
    bare = all(estimate(c, "overall_accuracy").reason == NO_LABELS for c in cells)
    compared = "flip_rate" if bare else "overall_accuracy"
    values: list[dict[str, float]] = []
    for cell in cells:
        m = measures(cell.select(None))
        each = m.flips if bare else m.mean
        values.append(
            {case: float(x) for case, x in zip(cell.case_ids, each, strict=True) if not np.isnan(x)}
        )
    every = dict.fromkeys(case for held in values for case in held)
    common = [case for case in every if all(case in held for held in values)]
    if len(common) < 2:
        return None
    x = np.array([[held[case] for held in values] for case in common])
    score = -x if bare else x
    place = {case: i for i, case in enumerate(cells[0].case_ids)}
    index = cells[0].cluster_index
    clusters = None if index is None else index[[place[case] for case in common]]
    chance, regret = _bootstrap(score, clusters, derive_seed("prompts", key.task, key.model))
    order = sorted(range(len(cells)), key=lambda j: (-float(score[:, j].mean()), j))
    best = order[0]
    made = []
    for j in order:
        held = set(common)
        part = cells[j].take_cases([i for i, case in enumerate(cells[j].case_ids) if case in held])
        one = Prompted(
            name=cells[j].prompt or "", metrics=tuple(estimate(part, m) for m in SHOWN), best=float(chance[j]),
            regret=float(regret[j]), behind=float((score[:, best] - score[:, j]).mean()),
        )  # fmt: skip
        if j != best:
            d = score[:, best] - score[:, j]
            limits = difference(d, clusters)
            units = d if clusters is None else sum_by(d[:, None], *_numbered(clusters))[:, 0]
            found = sign_flip(units)
            one = replace(one, low=limits.low, high=limits.high, p=found.p)
        made.append(one)
    adjusted = iter(holm([one.p for one in made if one.p is not None]))
    made = [one if one.p is None else replace(one, p_adjusted=next(adjusted)) for one in made]
    return SideBySide(key=key, compared=compared, prompts=tuple(made), n=len(common), of=len(every))


def _bootstrap(score: Floats, clusters: Codes | None, seed: int) -> tuple[Floats, Floats]:
    """Each prompt's probability to be best, ties shared, and its mean regret."""
    n, k = score.shape
    parts = np.column_stack([score, np.ones(n)])
    if clusters is not None:
        parts = sum_by(parts, *_numbered(clusters))
    rng = np.random.Generator(np.random.PCG64(seed))
    chance, regret, done = np.zeros(k), np.zeros(k), 0
    step = max(1, min(DRAWS, 4_000_000 // len(parts)))
    while done < DRAWS:
        draws = min(step, DRAWS - done)
        sums = rng.standard_exponential((draws, len(parts))) @ parts
        means = sums[:, :k] / sums[:, k:]
        top = means.max(axis=1, keepdims=True)
        won = means >= top - 1e-12
        chance += (won / won.sum(axis=1, keepdims=True)).sum(axis=0)
        regret += (top - means).sum(axis=0)
        done += draws
    return chance / DRAWS, regret / DRAWS


def _numbered(clusters: Codes) -> tuple[Codes, int]:
    names, index = np.unique(clusters, return_inverse=True)
    return index, len(names)
