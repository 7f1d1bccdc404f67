"""Answers as codes, and how they agree within a case. What an answer says does not matter here, only equality."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robusttest.core import equality
from robusttest.core.nouns import Json

ABSENT = -1
UNREADABLE = -2
"""An unparsed or refused reply, until `settle_unreadable` gives it a code."""


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
            return UNREADABLE
        code = self._codes.setdefault(key, len(self._codes))
        if text:
            self._texts[value] = code
        return code

    def __len__(self) -> int:
        return len(self._codes)


def settle_unreadable(answers: NDArray[np.int64], *, equal: bool = False) -> NDArray[np.int64]:
    """Each unreadable reply gets a code of its own, so that it agrees with nothing (or all get one)."""
    unreadable = answers == UNREADABLE
    count = int(unreadable.sum())
    if count:
        first = int(answers.max(initial=-1)) + 1
        answers[unreadable] = first if equal else np.arange(first, first + count)
    return answers


class Ties(NamedTuple):
    """How the codes of each case (row) coincide; each an (n,) array."""

    valid: NDArray[np.int64]
    """Codes that are there."""
    distinct: NDArray[np.int64]
    equal_pairs: NDArray[np.int64]
    """Unordered pairs of equal codes."""

    @property
    def pairs(self) -> NDArray[np.int64]:
        return self.valid * (self.valid - 1) // 2


def ties(codes: NDArray[np.int64]) -> Ties:
    """Count equal codes within each row in O(nK log K): in a sorted row, an element at place j of its run of
    equal codes closes j pairs.
    """
    n, k = codes.shape
    ordered = np.sort(codes, axis=1)
    there = ordered >= 0
    new = np.ones((n, k), dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    place = np.arange(k)
    start = np.maximum.accumulate(np.where(new, place, 0), axis=1)
    return Ties(there.sum(axis=1), (new & there).sum(axis=1), ((place - start) * there).sum(axis=1))
