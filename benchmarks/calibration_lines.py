"""One simulated number, the range it belongs in, and how it is printed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Hits = NDArray[np.bool_] | Sequence[bool]


@dataclass(frozen=True)
class Line:
    """``se`` is the simulation's; ``sigmas`` of it beyond the range are let pass."""

    what: str
    value: float
    low: float = -math.inf
    high: float = math.inf
    se: float = 0.0
    note: str = ""
    sigmas: float = 3.0

    @property
    def ok(self) -> bool:
        slack = self.sigmas * self.se + 1e-9
        return self.low - slack <= self.value <= self.high + slack

    def __str__(self) -> str:
        if self.low == self.high:
            inside = f"{self.low:g}"
        elif self.low == -math.inf:
            inside = f"<= {self.high:g}"
        else:
            inside = f">= {self.low:g}" if self.high == math.inf else f"{self.low:g}..{self.high:g}"
        word = "ok " if self.ok else "OFF"
        return f"{word} {self.what:<60} {self.value:>8.4f}  {inside:<14} {self.note}".rstrip()


def rate(hits: Hits) -> tuple[float, float]:
    """(share, its standard error)."""
    p, n = float(np.mean(hits)), len(hits)
    return p, math.sqrt(max(p * (1 - p), 0.5 / n) / n)


def share(
    what: str,
    hits: Hits,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    note: str = "",
    sigmas: float = 3.0,
) -> Line:
    p, se = rate(hits)
    return Line(what, p, low, high, se, note, sigmas)
