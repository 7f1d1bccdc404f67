"""Thresholds while cases come in: which of them an adaptive run can decide, and when it has decided them all.

`Watch` reads whole cases in the run's order and keeps one number for each case and threshold; the evidence is
`robusttest.stats.cell.sequential`'s. The verdict itself is `robusttest.stats.cell.gates.judge`'s, on the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robusttest.core.nouns import Threshold
from robusttest.errors import UnknownNameError
from robusttest.stats.cell import sequential
from robusttest.stats.cell.estimates import case_values, selected
from robusttest.stats.cell.frame import Frame
from robusttest.stats.cell.intervals import ALPHA
from robusttest.stats.cell.measures import measures

Floats = NDArray[np.float64]


class Observed(NamedTuple):
    """A threshold as a mean of case values in [0, 1] that has to reach ``limit``."""

    x: Floats
    """(n,), NaN for cases that say nothing about it."""
    limit: float
    up: bool
    """``mean >= limit`` (else ``<=``)."""


def observed(cell: Frame, threshold: Threshold) -> Observed:
    """What each case says about a threshold of a metric that ``robusttest.metrics`` marks as adaptive (4.6).

    ``conditional_robustness`` and ``right_to_wrong`` are means over the cases whose reference is right; ``pdr`` is
    shifted and scaled into a mean (`sequential.performance_drop`). A perturbation that no case has yet says nothing.
    """
    limit, up = threshold.limit, threshold.op == ">="
    try:
        m = measures(selected(cell, threshold.metric, threshold.perturbation))
    except UnknownNameError:
        return Observed(np.full(cell.n_cases, np.nan), limit, up)
    if threshold.metric == "pdr":
        x, least = sequential.performance_drop(m.reference, m.perturbed, limit)
        return Observed(x, least, True)
    if threshold.metric == "right_to_wrong":
        return Observed(m.lost, limit, up)
    return Observed(case_values(m, threshold.metric), limit, up)


class Watch:
    """The thresholds of one adaptive run.

    ::

        watch = Watch(thresholds)
        while not watch.decided and more:
            watch.add(cell_of_the_next_whole_cases)
    """

    def __init__(self, thresholds: Sequence[Threshold]) -> None:
        self.thresholds = tuple(thresholds)
        self._sums = [0.0] * len(self.thresholds)
        self._counts = [0] * len(self.thresholds)
        self._open = set(range(len(self.thresholds)))

    @property
    def decided(self) -> bool:
        return not self._open

    @property
    def open(self) -> tuple[Threshold, ...]:
        """Those that are not decided yet."""
        return tuple(self.thresholds[i] for i in sorted(self._open))

    def add(self, cell: Frame) -> None:
        """Look after each of these cases (all of a cluster's together), in their order."""
        for i in sorted(self._open):
            seen = observed(cell, self.thresholds[i])
            x = sequential.units(seen.x, cell.cluster_index)
            if x is None or not len(x):
                continue
            s = self._sums[i] + np.cumsum(x)
            n = self._counts[i] + np.arange(1, len(x) + 1)
            self._sums[i], self._counts[i] = float(s[-1]), int(n[-1])
            if _settled(s, n, seen.limit, seen.up):
                self._open.discard(i)


def _settled(s: Floats, n: NDArray[np.int64], limit: float, up: bool) -> bool:
    if (limit <= 0 and up) or (limit >= 1 and not up):
        return True  # nothing can miss it
    bar = -math.log(ALPHA)
    for test in (sequential.log_evidence_above, sequential.log_evidence_below):
        if bool((test(s, n, limit) >= bar).any()):
            return True
    return False
