"""A change between two versions behind the errors of the judge that graded them.

A judge of sensitivity ``se`` and specificity ``sp`` shows a true difference of shares as ``se + sp - 1`` times as much
(see `robusttest.stats.cell.judges`); two judges, or one that was changed, show a difference where there is none. Replies
that no judge saw, as they can't be read, are wrong for sure, and are not corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robusttest.core.nouns import Judging
from robusttest.stats.cell import intervals
from robusttest.stats.cell.frame import Floats
from robusttest.stats.cell.intervals import Limits
from robusttest.stats.cell.judges import METHOD, joined, labelled, moves, rates, refusal, true_share
from robusttest.stats.versions.paired import Behind, Change, sign_flip, units_of


class Side(NamedTuple):
    """One version's part in a measure: (n, K) each, NaN where there is none."""

    scores: Floats
    graded: Floats
    """1 where the judge graded, 0 where a reply could not be read."""
    judging: Judging

    def of(self, columns: Sequence[int]) -> Side:
        return self._replace(scores=self.scores[:, columns], graded=self.graded[:, columns])


def behind(
    c: Change, old: Side, new: Side, clusters: NDArray[np.int64] | None = None, *, worst: bool = False, seed: int = 0
) -> Change:  # fmt: skip
    """The change as it is behind the errors of its judge, which its limits carry.

    ``worst``: a worst case over variants, of which no formula takes errors back; it stays as judged where both versions
    had the same judge. Where the judge hardly tells right from wrong (`refusal`), or is another one for such a worst
    case, there is no interval, and the reason says why.
    """
    one = old.judging == new.judging
    why = refusal(new.judging) or refusal(old.judging)
    if why is None and worst:
        if one:
            return c
        why = "the judge is not as it was, and no formula takes its errors back from worst variants"
    if why is not None:
        none = Behind(errors=why, difference=c.difference)
        return replace(
            c, low=None, high=None, lower=None, upper=None, reason=why, detectable=None, behind=none
        )
    errors = _errors(new) if one else f"then {_errors(old)}, now {_errors(new)}"
    both = ~(np.isnan(old.scores) | np.isnan(new.scores))
    rows = np.asarray(both.any(axis=1))
    k = both[rows].sum(axis=1)

    def share(x: Floats) -> Floats:
        return np.asarray(np.where(both, x, 0.0)[rows].sum(axis=1) / k)

    y0, a0, y1, a1 = map(share, (old.scores, old.graded, new.scores, new.graded))
    r0, r1 = rates(old.judging), rates(new.judging)
    then, now = true_share(y0, *r0, a0), true_share(y1, *r1, a1)
    d = now - then
    value, tells = float(d.mean()), sum(r1) - 1
    tested: dict[str, Any] = {}
    if one and bool(
        (a0 == a1).all()
    ):  # a multiple of what was judged: its limits are, and chance signs give the same
        limits = _times(Limits(c.low, c.high, c.lower, c.upper, reason=c.reason), 1 / tells)
    else:
        groups = None if clusters is None else clusters[rows]
        size = max(1.0, float(np.abs(d).max()))
        limits = _times(intervals.difference(d / size, groups), size)
        sums = np.where(np.abs(d) > 1e-12, d * k, 0.0)
        test = sign_flip(units_of(sums, groups)[1], seed=seed)
        tested = {"p_worse": test.p_worse, "p_better": test.p_better, "p": test.p, "test": test.method}

    def at(*, before: bool, after: bool) -> Callable[[float, float], float]:
        """The change, had the judge of the versions that are named other rates."""

        def through(se: float, sp: float) -> float:
            new_rates, old_rates = (se, sp) if after else r1, (se, sp) if before else r0
            return float((true_share(y1, *new_rates, a1) - true_share(y0, *old_rates, a0)).mean())

        return through

    judges = [(at(before=one, after=True), new.judging)]
    if not one:
        judges.append((at(before=True, after=False), old.judging))
    two, single = ([m for f, j in judges for m in moves(f, j, one=x)] for x in (False, True))
    low, high = map(_clipped, joined(value, limits.low, limits.high, two))
    lower, upper = map(_clipped, joined(value, limits.lower, limits.upper, single))
    return replace(
        c, old=_share(then), new=_share(now), difference=min(max(value, -1.0), 1.0),
        low=low, high=high, lower=lower, upper=upper, method=METHOD, reason=limits.reason,
        sd=c.sd / tells, step=min(c.step / tells, 1.0), detectable=None,
        behind=Behind(
            errors=errors, difference=c.difference, lower=c.lower, upper=c.upper, known=(limits.lower, limits.upper)
        ),
        **tested,
    )  # fmt: skip


def _times(x: Limits, factor: float) -> Limits:
    low, high, lower, upper = (None if end is None else end * factor for end in x[:4])
    return Limits(low, high, lower, upper, x.method, x.reason)


def _share(x: Floats) -> float:
    return min(max(float(x.mean()), 0.0), 1.0)


def _clipped(x: float | None) -> float | None:
    return None if x is None else min(max(x, -1.0), 1.0)


def _errors(side: Side) -> str:
    se, sp = rates(side.judging)
    return f"sensitivity {se:.3f}, specificity {sp:.3f} on {labelled(side.judging)} labelled answers"
