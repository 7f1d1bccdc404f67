"""Answers as codes, and how they agree within a case. What an answer says does not matter here, only equality."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from types import NoneType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robusttest.core import equality
from robusttest.core.nouns import Json

ABSENT = -1
UNREADABLE = -2
"""An unparsed or refused reply, until `settle_unreadable` gives it a code."""
ALONE = -3
"""An answer that equals nothing, not even itself (NaN), until then."""


class Coder:
    """Values → 0, 1, 2 … in first-seen order; None is `ABSENT`.

    Equal is what ``key`` says: answers by default; ``str`` for what is compared as it is written (replies, hashes).
    """

    __slots__ = ("_codes", "_key", "_texts")

    def __init__(self, key: Callable[[Json], Hashable | None] = equality.key) -> None:
        self._key = key
        self._codes: dict[Hashable, int] = {}
        self._texts: dict[str, int] = {}
        """Codes of the very texts that were seen."""

    def __call__(self, value: Json) -> int:
        if value is None:
            return ABSENT
        text = type(value) is str
        if text and (known := self._texts.get(value)) is not None:
            return known
        key = self._key(value)
        if key is None:
            return ALONE
        code = self._codes.setdefault(key, len(self._codes))
        if text:
            self._texts[value] = code
        return code

    def codes(self, values: Sequence[Json]) -> NDArray[np.int64]:
        """(n,) codes of many values, as of each."""
        if values.count(None) == len(values):
            return np.full(len(values), ABSENT, dtype=np.int64)
        if not {str, NoneType}.issuperset(map(type, values)):
            return np.array([self(v) for v in values], dtype=np.int64)
        known = {v: self(v) for v in dict.fromkeys(values)}
        return np.array([known[v] for v in values], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._codes)


def settle_unreadable(
    answers: NDArray[np.int64], replies: NDArray[np.int64] | None = None, *, equal: bool = False
) -> NDArray[np.int64]:
    """Codes for unreadable replies: one for each raw text (``replies``), so that equal texts agree; where the text is
    unknown, one of its own, so that it agrees with nothing (or, ``equal``, one for all). An answer that equals nothing
    has one of its own.
    """
    open_ = answers < ABSENT
    count = int(open_.sum())
    if not count:
        return answers
    first = int(answers.max(initial=-1)) + 1
    codes = np.arange(first, first + count)
    unreadable = answers[open_] == UNREADABLE
    if equal:
        codes[unreadable] = first + count
    elif replies is not None:
        text = replies[open_]
        codes = np.where(unreadable & (text >= 0), first + count + text, codes)
    answers[open_] = codes
    return answers


class Ties(NamedTuple):
    """How the answers of each case (row) coincide; each an (n,) array.

    A pair of two unreadable replies counts only where the raw texts are equal; a readable and an unreadable one differ.
    """

    valid: NDArray[np.int64]
    """Answers that are there."""
    pairs: NDArray[np.int64]
    """Unordered pairs that can be compared."""
    equal_pairs: NDArray[np.int64]

    @property
    def differ(self) -> NDArray[np.int64]:
        return self.pairs - self.equal_pairs


def ties(codes: NDArray[np.int64], unreadable: NDArray[np.bool_] | None = None) -> Ties:
    """Count pairs of equal codes within each row."""
    valid = (codes >= 0).sum(axis=1)
    equal = _equal_pairs(codes)
    pairs = valid * (valid - 1) // 2
    if unreadable is not None and unreadable.any():
        among = np.where(unreadable, codes, ABSENT)
        count = (among >= 0).sum(axis=1)
        pairs = pairs - count * (count - 1) // 2 + _equal_pairs(among)
    return Ties(valid, pairs, equal)


def _equal_pairs(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """In O(nK log K): in a sorted row, an element at place j of its run of equal codes closes j pairs."""
    n, k = codes.shape
    ordered = np.sort(codes, axis=1)
    new = np.ones((n, k), dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    place = np.arange(k)
    start = np.maximum.accumulate(np.where(new, place, 0), axis=1)
    out: NDArray[np.int64] = ((place - start) * (ordered >= 0)).sum(axis=1)
    return out


class AnswerSums(NamedTuple):
    """Answers counted over all cases, t_c by answer, and over each group of them, q_c."""

    square: float
    """Σ_c t_c²."""
    dots: NDArray[np.float64]
    """(G,) Σ_c q_c t_c."""
    squares: NDArray[np.float64] | None
    """(G,) Σ_c q_c²; None where groups of several cases are not known answer by answer."""


def tally(codes: NDArray[np.int64], weights: NDArray[np.float64], groups: NDArray[np.int64]) -> AnswerSums:
    """Each answer of case i counts ``weights[i]``. In O(nK log nK), with a table of groups × answers only where it is
    small: without group q the square is Σt² - 2Σqt + Σq².
    """
    g = int(groups.max(initial=-1)) + 1
    there = codes >= 0
    flat = codes[there]
    c, count = flat, int(flat.max(initial=-1)) + 1
    if count > len(flat):
        names, c = np.unique(flat, return_inverse=True)
        count = len(names)
    w = np.broadcast_to(weights[:, None], codes.shape)[there]
    group = np.broadcast_to(groups[:, None], codes.shape)[there]
    totals = np.bincount(c, weights=w, minlength=count).astype(float)
    if g * count <= 4 * len(flat):
        table = np.bincount(group * count + c, weights=w, minlength=g * count).reshape(g, count)
        return AnswerSums(float((totals**2).sum()), table @ totals, (table**2).sum(axis=1))
    pairs, p = np.unique(group * count + c, return_inverse=True)
    own = np.bincount(p, weights=w)
    of_group, of_code = pairs // count, pairs % count
    dots = np.bincount(of_group, weights=own * totals[of_code], minlength=g).astype(float)
    squares = np.bincount(of_group, weights=own**2, minlength=g).astype(float)
    return AnswerSums(float((totals**2).sum()), dots, squares)
