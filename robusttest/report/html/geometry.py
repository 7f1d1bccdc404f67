"""Where things go in a plot: numbers → pixels, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Tick(NamedTuple):
    at: float
    """Pixels."""
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """``low``…``high`` over the pixels ``start``…``end`` (which fall where ``end`` < ``start``: y grows downwards)."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Pixels of a value; beyond the axis it is at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, wanted: int = 5) -> list[Tick]:
        """About so many round values."""
        step = _round_step((self.high - self.low) / max(1, wanted))
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [Tick(self.at(i * step), f"{i * step:.{digits}f}") for i in range(first, last + 1)]


def _round_step(rough: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= rough * 0.999)


def spanning(
    values: Iterable[float | None],
    start: float,
    end: float,
    *,
    least: tuple[float, float],
    most: tuple[float, float],
) -> Axis:
    """An axis that shows every value and ``least``, with a little room around them, but nothing beyond ``most``."""
    there = [v for v in values if v is not None]
    low, high = min([least[0], *there]), max([least[1], *there])
    room = 0.04 * (high - low)
    return Axis(max(most[0], low - room), min(most[1], high + room), start, end)


def path(points: Iterable[tuple[float, float]]) -> str:
    """An SVG path through the points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
