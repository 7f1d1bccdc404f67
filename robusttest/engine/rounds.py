"""``--robust-adaptive``: whole cases in seeded random order, a round at a time, until every threshold is decided.

A `Plan` is made once, before any call, and says why where there is none; `Rounds` hands out its cases and looks at
what came of them; `Stopping` is what the report says about it. Which thresholds can be decided, and when they are, is
`robusttest.stats.cell.stopping`'s business.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from robusttest.core.nouns import Case, Record, Threshold, derive_seed
from robusttest.metrics import get_metric
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.settings import Settings
from robusttest.variants.select import Selected, calls_per_case, select_cases

if TYPE_CHECKING:
    from robusttest.stats.cell.stopping import Watch

SUBSEQUENCE = ("conditional_robustness", "right_to_wrong")
"""Means over the cases whose reference is right: with clusters, that is no mean of cluster means."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The order in which an adaptive run takes its cases."""

    units: tuple[tuple[Selected, ...], ...]
    """Independent units: a case, or the cases of one cluster."""
    available: int
    """Cases that a full run takes."""
    round_size: int
    """Cases asked between two looks: enough to keep the calls in flight."""
    thresholds: tuple[Threshold, ...]

    @property
    def cases(self) -> list[Selected]:
        """All of them, in order."""
        return [s for unit in self.units for s in unit]


def plan(
    cases: Sequence[Case],
    thresholds: Sequence[Threshold],
    wanted: Sequence[Perturbation],
    settings: Settings,
) -> tuple[Plan | None, str | None]:
    """The plan of an adaptive run, or a note that says why the test runs in full; neither where none was asked for.

    The place of a case depends on the seed and its id (or cluster) alone, so that every model meets the cases in the
    same order. ``settings.max_cases`` caps the run.
    """
    if not settings.adaptive or settings.case:
        return None, None
    selected = select_cases(cases, replace(settings, max_cases=None))
    units: dict[tuple[str, str], list[Selected]] = {}
    for s in selected:
        key = ("case", s.case.id) if s.case.cluster is None else ("cluster", s.case.cluster)
        units.setdefault(key, []).append(s)
    if (why := _refusal(thresholds, [len(u) for u in units.values()])) is not None:
        return None, f"not adaptive, every case is run: {why}"
    ordered = sorted(units, key=lambda key: (derive_seed(settings.seed, "adaptive", *key), key))
    kept: list[tuple[Selected, ...]] = []
    for key in ordered:
        if (
            kept
            and settings.max_cases is not None
            and sum(map(len, kept)) + len(units[key]) > settings.max_cases
        ):
            break
        kept.append(tuple(units[key]))
    size = max(1, math.ceil(settings.concurrency / calls_per_case(wanted, settings)))
    return Plan(tuple(kept), len(selected), size, tuple(thresholds)), None


def _refusal(thresholds: Sequence[Threshold], sizes: Sequence[int]) -> str | None:
    if not thresholds:
        return "it has no threshold to decide"
    for t in thresholds:
        if not get_metric(t.metric).adaptive:
            return f"'{t}' can't be decided while cases come in ({t.metric} is no mean over cases)"
    if max(sizes, default=1) > 1:
        if len(set(sizes)) > 1:
            found = Counter(sizes)
            return f"its clusters differ in size ({min(found)} to {max(found)} cases)"
        for t in thresholds:
            if t.metric in SUBSEQUENCE:
                return (
                    f"'{t}' can't be decided while clusters come in ({t.metric} is over a part of the cases)"
                )
    return None


class Rounds:
    """The cases of a plan, handed out a round at a time.

    ::

        rounds = Rounds(plan)
        while batch := rounds.next():
            rounds.look(records_of(batch))
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._taken = 0
        self._asked = 0
        self._watch: Watch | None = None

    @property
    def decided(self) -> bool:
        return self._watch is not None and self._watch.decided

    def next(self) -> list[Selected]:
        """The next cases to ask; empty where every threshold is decided, or no case is left."""
        batch: list[Selected] = []
        if self.decided:
            return batch
        while self._taken < len(self.plan.units) and len(batch) < self.plan.round_size:
            batch += self.plan.units[self._taken]
            self._taken += 1
        self._asked += len(batch)
        return batch

    def look(self, records: Iterable[Record]) -> None:
        """Take in the records of the cases handed out last, in their order."""
        from robusttest.stats.cell.frame import frames
        from robusttest.stats.cell.stopping import Watch

        self._watch = self._watch or Watch(self.plan.thresholds)
        for cell in frames(records):
            self._watch.add(cell)

    def stopping(self, records: Iterable[Record], *, of: str = "call") -> Stopping:
        """How it ended; ``records`` are all there are, ``of`` is what one of them is."""
        made = sum(r.status not in ("rejected", "not_applicable") for r in records)
        left = self.plan.available - self._asked
        return Stopping(
            cases=self._asked,
            available=self.plan.available,
            made=made,
            saved=round(made / self._asked * left) if self._asked else 0,
            decided=self.decided,
            of=of,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """How an adaptive run ended."""

    cases: int
    """Cases asked."""
    available: int
    """Cases that a full run asks."""
    made: int
    """Calls (or runs of a body) that were planned for them."""
    saved: int
    """About how many calls the other cases would have taken, at as many for each."""
    decided: bool
    """Every threshold; False where the cases ran out, or reached ``--robust-max-cases``."""
    of: str = "call"
