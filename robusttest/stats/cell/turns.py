"""Conversations that were scored turn by turn: how often each turn is right, as written and under perturbations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from robusttest.core.nouns import REFERENCE, Estimate, Record
from robusttest.stats.cell.intervals import proportion


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn over all conversations that have it."""

    number: int
    """From 1 on."""
    written: Estimate
    """Mean score in conversations as they were written."""
    perturbed: Estimate
    """Mean over cases of the mean score in their variants that keep the right answer."""


def turns(records: Iterable[Record]) -> tuple[Turn, ...]:
    """Each turn; empty where no conversation was scored so. Reruns of the same conversation count with neither."""
    kept = [r for r in records if r.turns and r.effect == "same" and r.level != "repeat"]
    most = max((len(r.turns or ()) for r in kept), default=0)
    return tuple(
        Turn(number=i + 1, written=_mean(kept, i, True), perturbed=_mean(kept, i, False)) for i in range(most)
    )


def _mean(records: Sequence[Record], turn: int, written: bool) -> Estimate:
    cases: dict[str, list[float]] = {}
    clusters: dict[str, str | None] = {}
    for r in records:
        if r.turns is not None and len(r.turns) > turn and (r.perturbation == REFERENCE) is written:
            cases.setdefault(r.case_id, []).append(r.turns[turn])
            clusters[r.case_id] = r.cluster
    if not cases:
        return Estimate(metric="turn", reason="no conversation has this turn")
    x = np.array([float(np.mean(found)) for found in cases.values()])
    index = None
    if any(c is not None for c in clusters.values()):
        names = [("case", case) if (c := clusters[case]) is None else ("cluster", c) for case in cases]
        place = {name: i for i, name in enumerate(dict.fromkeys(names))}
        index = np.array([place[name] for name in names], dtype=np.int64)
    limits = proportion(x, index)
    return Estimate(
        metric="turn", value=float(x.mean()), n=len(x), low=limits.low, high=limits.high, lower=limits.lower,
        upper=limits.upper, method=limits.method, reason=limits.reason,
    )  # fmt: skip
