"""nlpaug's augmenters of words on a private random generator.

They change every text they read (their tokenizer drops newlines and moves punctuation) and draw from the global
generators. So none of them ever sees a text: we find the words and hand them over one by one. Their two sources of
randomness, ``sample`` and ``prob``, are shadowed on a copy by ours.
"""

from __future__ import annotations

import random
from typing import Any


def one_token(text: str) -> list[str]:
    return [text]


def bound(augmenter: Any, rng: random.Random) -> Any:
    """A copy of the augmenter that draws from ``rng``: nothing else of it depends on the moment or the thread."""

    def sample(x: Any, num: int | None = None) -> Any:
        if isinstance(x, int):
            return rng.randint(1, x - 2)
        return [x[int(rng.random() * len(x))]] if num == 1 else rng.sample(x, num or 0)

    copy = object.__new__(type(augmenter))
    copy.__dict__.update(augmenter.__dict__)
    copy.sample = sample
    copy.prob = rng.random
    return copy
