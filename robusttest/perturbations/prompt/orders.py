"""Other orders of a few things: distinct for each index where there are few, drawn where there are many."""

from __future__ import annotations

import math
import random

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
