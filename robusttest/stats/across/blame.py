"""To whom the flips belong: the flip rate of a cell, split by what made an answer differ from the unperturbed prompt's.

Asked in this order, each pair of answers once: run noise (the same prompt again, ``repeat``), a reply that nobody could
read against one that was read, the scorer (a second one reads the same two replies as one answer: ``scorer_check=``) or
the judge (asked again, it grades both alike), and only then the wording. With x_i a case's share of perturbed answers
that differ and are of a kind, and x'_i the same among reruns of its unperturbed prompt::

    kind = max(0, mean_i(x_i - x'_i)),   run noise = flip rate - the sum of the other kinds

so that the parts sum to the flip rate and none is negative. What was not measured (no repeats, no second scorer) is
within the wording, and is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from robusttest.core.nouns import CellKey
from robusttest.stats.cell.frame import REPEAT, Floats, Frame
from robusttest.stats.cell.intervals import Limits, difference, proportion

Kind = Literal["noise", "unreadable", "scorer", "judge", "wording"]
WORDS: dict[Kind, str] = {
    "noise": "run noise", "unreadable": "unreadable replies", "scorer": "scorer", "judge": "judge", "wording": "wording",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BlamePart:
    """One kind's part of the flip rate, with its two-sided 95 % interval."""

    kind: Kind
    value: float
    low: float | None
    high: float | None

    @property
    def label(self) -> str:
        return WORDS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """A cell's flip rate and its parts, which sum to it."""

    key: CellKey
    flips: float
    low: float | None
    high: float | None
    parts: tuple[BlamePart, ...]
    """Those that were measured, in the order in which they are asked; the wording last."""
    unmeasured: tuple[str, ...]
    """What is within the wording, as nothing measured it."""
    n: int
    """Cases with an answer to compare, and where there are repeats one to compare those with."""
    of: Literal["answers", "grades"]
    """What differs: answers; or, where a model judges, whether they are right."""

    @property
    def told(self) -> tuple[BlamePart, ...]:
        """The parts that a sentence names: of unreadable replies only where there are some."""
        return tuple(p for p in self.parts if p.value or p.kind != "unreadable")


def blame(cell: Frame) -> Blame | None:
    """The split of one cell's flips; None where nothing can be compared, or nothing but the wording was measured and no
    reply was unreadable.
    """
    of: Literal["answers", "grades"] = "grades" if cell.judged else "answers"
    each = _kinds(cell.select(None))
    again = _kinds(cell.select(REPEAT)) if cell.has_repeats else None
    there = ~np.isnan(each["flips"])
    if again is not None and (both := there & ~np.isnan(again["flips"])).any():
        there = both
    else:
        again = None
    if not there.any():
        return None
    index = cell.cluster_index
    clusters = None if index is None else index[there]
    second: Kind = "judge" if cell.judged else "scorer"
    asked: list[Kind] = ["unreadable", *([] if cell.checks is None else [second]), "wording"]
    if again is None and cell.checks is None and not each["unreadable"][there].any():
        return None
    flips = each["flips"][there]
    whole = float(flips.mean())
    parts: list[BlamePart] = []
    for kind in asked:
        x = each["checked" if kind in ("scorer", "judge") else kind][there]
        if again is None:
            limits = proportion(x, clusters)
            value = float(x.mean())
        else:
            x = x - again["checked" if kind in ("scorer", "judge") else kind][there]
            limits, value = _above_zero(difference(x, clusters)), max(float(x.mean()), 0.0)
        parts.append(BlamePart(kind=kind, value=value, low=limits.low, high=limits.high))
    if again is not None:
        limits = proportion(again["flips"][there], clusters)
        value = max(whole - sum(p.value for p in parts), 0.0)
        parts.insert(0, BlamePart(kind="noise", value=value, low=limits.low, high=limits.high))
    limits = proportion(flips, clusters)
    return Blame(
        key=cell.key, flips=whole, low=limits.low, high=limits.high, parts=tuple(parts), n=int(there.sum()), of=of,
        unmeasured=(
            *(("run noise (no repeats)",) if again is None else ()),
            *(("the scorer (no scorer_check)",) if cell.checks is None else ()),
        ),
    )  # fmt: skip


def _above_zero(limits: Limits) -> Limits:
    return limits._replace(
        low=None if limits.low is None else max(limits.low, 0.0),
        high=None if limits.high is None else max(limits.high, 0.0),
    )


def _kinds(cell: Frame) -> dict[str, Floats]:
    """Each case's share of perturbed answers that differ from the reference's, in all and of each kind."""
    ref = cell.is_reference
    if not ref.any():
        nothing = np.full(cell.n_cases, np.nan)
        return dict.fromkeys(("flips", "unreadable", "checked", "wording"), nothing)
    first, rest = [int(np.argmax(ref))], ~ref
    if cell.judged:
        codes = np.where(np.isnan(cell.scores), -1, cell.scores >= 0.5).astype(np.int64)
    else:
        codes = cell.answers
    there = (codes[:, first] >= 0) & (codes[:, rest] >= 0)
    differ = there & (codes[:, first] != codes[:, rest])
    lost = cell.unreadable[:, first].astype(int) + cell.unreadable[:, rest]
    neither = differ & (lost == 2)  # two unreadable replies of different texts: nothing to compare
    there, differ = there & ~neither, differ & ~neither
    unreadable = differ & (lost == 1)
    checked = np.zeros_like(differ)
    if cell.checks is not None:
        a, b = cell.checks[:, first], cell.checks[:, rest]
        checked = differ & ~unreadable & (a >= 0) & (a == b)
    count = there.sum(axis=1)

    def share(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
        with np.errstate(all="ignore"):
            return np.where(count > 0, mask.sum(axis=1) / np.maximum(count, 1), np.nan)

    return {
        "flips": share(differ),
        "unreadable": share(unreadable),
        "checked": share(checked),
        "wording": share(differ & ~unreadable & ~checked),
    }
