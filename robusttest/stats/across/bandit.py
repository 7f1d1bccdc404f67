"""Which of many arms is the best, or the worst, within few pulls: Thompson sampling with Beta posteriors.

As FormatSpread searches prompt formats (Sclar et al. 2023, arXiv 2310.11324, section 3.2): half of the budget looks for
the best arm, half for the worst, and what the first half learnt stays known. An arm is pulled on cases it was not pulled on
yet, so that one that was pulled on all of them is known and never pulled again. Pure: asks nobody.

The best of many noisy means is too good, and the worst too bad: `gap` is for cases that chose neither.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from robusttest.core.nouns import Estimate
from robusttest.stats.cell.frame import Codes, Floats
from robusttest.stats.cell.intervals import Limits, difference, proportion

PRIOR = (1.0, 1.0)
"""Alpha and beta before any pull: each accuracy is as likely as another."""


@dataclass(slots=True)
class Arm:
    """What is known of one arm."""

    number: int
    n: int = 0
    total: float = 0.0
    """Sum of scores, each from 0 to 1."""

    @property
    def mean(self) -> float | None:
        """Mean score; None before the first pull."""
        return self.total / self.n if self.n else None

    def drawn(self, rng: random.Random) -> float:
        """An accuracy drawn from its posterior."""
        alpha, beta = PRIOR
        return rng.betavariate(alpha + self.total, beta + max(self.n - self.total, 0.0))


@dataclass(slots=True)
class Search:
    """Best and worst of ``arms`` arms over ``cases`` cases, in at most ``budget`` scores, ``batch`` a pull."""

    arms: int
    cases: int
    budget: int
    batch: int
    seed: int = 0
    held: list[Arm] = field(init=False)

    def __post_init__(self) -> None:
        self.held = [Arm(i) for i in range(self.arms)]

    def pulls(self) -> Generator[tuple[int, range], Sequence[float], None]:
        """Yields ``(arm, cases to score)``, by their place, and is sent the scores: fewer where calls failed."""
        rng = random.Random(self.seed)
        asked = [0] * self.arms
        spent = 0
        for sign, until in ((1, self.budget // 2), (-1, self.budget)):
            while spent < until:
                free = [arm for arm in self.held if asked[arm.number] < self.cases]
                if not free:
                    return
                # Of equal draws the first: sorting by number keeps it the same on every machine.
                arm = max(free, key=lambda a: sign * a.drawn(rng))
                start = asked[arm.number]
                some = range(start, min(start + self.batch, self.cases, start + until - spent))
                scores = yield arm.number, some
                asked[arm.number] += len(some)
                spent += len(some)
                arm.n += len(scores)
                arm.total += sum(scores)

    def extremes(self) -> tuple[Arm, Arm] | None:
        """The best and the worst by their posterior means, of those that were pulled; None where fewer than two were."""
        alpha, beta = PRIOR
        tried = [arm for arm in self.held if arm.n]
        if len(tried) < 2:
            return None

        def mean(arm: Arm) -> float:
            return (alpha + arm.total) / (alpha + beta + arm.n)

        return max(tried, key=lambda a: (mean(a), a.n, -a.number)), min(
            tried, key=lambda a: (mean(a), -a.n, a.number)
        )


def level(scores: Sequence[float | None], clusters: Sequence[str | None]) -> Estimate:
    """The mean score of one arm, with its interval; cases without a score are left out."""
    x, index, n = _known([scores], clusters)
    if n == 0:
        return Estimate(metric="accuracy", reason="no call came back with a score", n=0, of=len(scores))
    return _estimate("accuracy", float(x[0].mean()), proportion(x[0], index), n, len(scores))


def gap(
    best: Sequence[float | None], worst: Sequence[float | None], clusters: Sequence[str | None]
) -> Estimate:
    """``best`` less ``worst`` in mean score, paired over the cases for which both have one."""
    (x, y), index, n = _known([best, worst], clusters)
    if n < 2:
        return Estimate(
            metric="format_spread", reason="fewer than two cases have a score in both", n=n, of=len(best)
        )
    d = x - y
    return _estimate("format_spread", float(d.mean()), difference(d, index), n, len(best))


def _known(
    rows: Sequence[Sequence[float | None]], clusters: Sequence[str | None]
) -> tuple[Floats, Codes | None, int]:
    x = np.array([[np.nan if s is None else s for s in row] for row in rows], dtype=float)
    kept = ~np.isnan(x).any(axis=0)
    names = [c if c is not None else i for i, c in enumerate(clusters)]
    places = {name: i for i, name in enumerate(dict.fromkeys(names))}
    index = np.array([places[name] for name in names], dtype=np.int64)[kept]
    return x[:, kept], None if len(places) == len(names) else index, int(kept.sum())


def _estimate(metric: str, value: float, limits: Limits, n: int, of: int) -> Estimate:
    low, high, lower, upper, method, reason = limits
    return Estimate(
        metric=metric,
        value=value,
        low=low,
        high=high,
        lower=lower,
        upper=upper,
        n=n,
        of=of,
        method=method,
        reason=reason,
    )
