"""Simulated models: what every case and variant would score, and cells of it as `robusttest.stats` reads them.

A world says how the chance to be right varies over cases; answers follow from right and wrong. All draws come from the
generator that is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

from robusttest.stats.cell.frame import Column, Frame

Floats = NDArray[np.float64]
Draw = Callable[[int, np.random.Generator], Floats]
"""(cases, generator) → the chance of each case to be right."""


def beta(p: float, rho: float) -> Draw:
    """Beta with mean p and intra-class correlation rho: V = rho p(1-p)."""
    a, b = p * (1 / rho - 1), (1 - p) * (1 / rho - 1)
    return lambda n, rng: rng.beta(a, b, n)


def easy_and_hard(p_easy: float = 0.99, share_hard: float = 0.2, p_hard: float = 0.4) -> Draw:
    """Skewed: most cases almost never fail, a few often do."""
    return lambda n, rng: np.where(rng.random(n) < share_hard, p_hard, p_easy)


def latent(p: float, r: float) -> Draw:
    """Latent normal: a case's ability and a variant's noise share one unit of variance, r : 1-r."""
    from scipy.special import ndtri

    z = ndtri(p)
    return lambda n, rng: ndtr((z + np.sqrt(r) * rng.standard_normal(n)) / np.sqrt(1 - r))


@dataclass(frozen=True)
class World:
    name: str
    draw: Draw
    variants: int = 5
    """Columns, the reference included."""
    cluster: int = 1
    """Cases that share their chance."""
    graded: bool = False
    """Later variants fail more often (up to 20 points of what the case has)."""
    fractional: bool = False
    """Scores are any number in [0, 1] around the chance, as a judge gives."""
    wrong: int = 3
    """Different wrong answers."""

    def scores(self, n: int, rng: np.random.Generator, reps: int = 1) -> Floats:
        """(reps, n, K)."""
        k = self.variants
        chance = self.draw(reps * n // self.cluster, rng).reshape(reps, n // self.cluster)
        chance = np.repeat(chance, self.cluster, axis=1)[:, :, None]
        if self.graded:
            chance = chance * (1 - np.linspace(0, 0.2, k))
        if self.fractional:
            noisy = chance + rng.normal(0, 0.15, (reps, n, k))
            return np.clip(noisy, 0, 1)
        return (rng.random((reps, n, k)) < chance).astype(float)

    def cells(self, n: int, reps: int, rng: np.random.Generator) -> list[Frame]:
        y = self.scores(n, rng, reps)
        answers = np.where(y > 0.5, 0, rng.integers(1, self.wrong + 1, y.shape))
        return [cell(y[r], answers[r], self.cluster) for r in range(reps)]


def cell(y: Floats, answers: NDArray[np.int64] | None = None, cluster: int = 1) -> Frame:
    """(n, K) scores as a cell; column 0 is the reference, the others are variants of one perturbation."""
    n, k = y.shape
    nothing = np.zeros((n, k), dtype=bool)
    codes = np.where(y > 0.5, 0, 1) if answers is None else answers
    columns = [Column("", "", "", "reference"), *(Column(f"p#{v}", "p", "p", index=v) for v in range(k - 1))]
    return Frame(
        task="t", model="m", test=None,
        case_ids=tuple(map(str, range(n))),
        clusters=tuple(str(i // cluster) if cluster > 1 else None for i in range(n)),
        columns=tuple(columns), scores=y, answers=codes, replies=codes,
        planned=~nothing, unparsed=nothing, refused=nothing, errors=nothing, sensitive=nothing, cut=nothing, known=("p",),
    )  # fmt: skip


def beta_quantiles(p: float, rho: float, n: int) -> Floats:
    """n cases that stand for a beta world: its quantiles."""
    a, b = p * (1 / rho - 1), (1 - p) * (1 / rho - 1)
    return np.asarray(betaincinv(a, b, (np.arange(n) + 0.5) / n))
