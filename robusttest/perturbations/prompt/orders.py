"""Other orders of a few things: distinct for each index where there are few, drawn where there are many."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence

from robusttest.core.nouns import derive_seed

_COUNTED = 6
"""Up to 6! = 720 orders are walked without repetition; above it a repeated draw is rare."""


def other_order(n: int, index: int, rng: random.Random, *names: str) -> tuple[int, ...] | None:
    """A permutation of ``range(n)`` that is not the identity; None if ``index`` is beyond the last one.

    Up to six things every index has an order of its own, walked from a start that ``names`` decide; above that
    ``rng`` draws it.
    """
    if n > _COUNTED:
        order = list(range(n))
        while order == sorted(order):
            rng.shuffle(order)
        return tuple(order)
    total = math.factorial(n) - 1
    if index >= total:
        return None
    walk = list(range(1, total + 1))
    random.Random(derive_seed("order", *names)).shuffle(walk)
    return _unrank(walk[index], n)


def _unrank(rank: int, n: int) -> tuple[int, ...]:
    """The permutation of ``range(n)`` number ``rank`` in lexicographic order; 0 is the identity."""
    left, order = list(range(n)), []
    for i in range(n, 0, -1):
        place, rank = divmod(rank, math.factorial(i - 1))
        order.append(left.pop(place))
    return tuple(order)


_LETTERS = r"\(?{0}\)?(?:\s*(?:,|&|/|and|or|nor)\s*(?:and|or)?\s*\(?{0}\)?)+(?:\sonly)?"
_NAMES_LETTERS = re.compile(
    rf"\W*(?:{_LETTERS.format('[A-H]')}|(?i:(?:both|neither|either|only|all of)\s{_LETTERS.format('[a-h]')}))\W*"
)
_SPEAKS_OF_ALL = re.compile(
    r"\W*(?:all|none|any|both|neither|either|two|some|more than one|any two) of (?:the )?"
    r"(?:above|these|those|them|others?|(?:above|other|given) \w+|options|choices|answers)\b.{0,20}|.{0,24}\babove\W*",
    re.IGNORECASE,
)


def names_letters(choices: Sequence[str]) -> bool:
    """Whether an option speaks of others by their letter (``Both A and C``): in another order it means others."""
    return any(_NAMES_LETTERS.fullmatch(c) for c in choices)


def movable(choices: Sequence[str]) -> list[int]:
    """Which options may change places: not ``none of the above``, ``all of these``."""
    return [i for i, c in enumerate(choices) if not _SPEAKS_OF_ALL.fullmatch(c)]
