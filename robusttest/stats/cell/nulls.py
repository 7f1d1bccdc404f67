"""What accuracy alone would give: consistency expected of cases whose right answers come and go by chance.

Each case has its own chance p_i of a right answer under a random variant, E p_i = p, Var p_i = ρp(1-p). ρ = 0: all
cases are equally hard; ρ = 1: each case is always right or always wrong. Beta-distributed p_i, K variants. Functions
take and return numbers or arrays in [0, 1] (source: Jensen's inequality, and the beta-binomial distribution).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from robusttest.errors import UsageError
from robusttest.stats.cell.frame import Floats


def pairwise_correctness(p: ArrayLike, rho: ArrayLike = 0.0) -> Floats:
    """P(two variants of a case are both right or both wrong): p² + (1-p)² + 2ρp(1-p)."""
    p, rho = _checked(p, rho)
    return np.asarray(p**2 + (1 - p) ** 2 + 2 * rho * p * (1 - p))


def all_right(p: ArrayLike, k: int, rho: ArrayLike = 0.0) -> Floats:
    """P(all K variants of a case are right): p^K where ρ = 0, else E p_i^K of the beta-binomial. At most p."""
    p, rho = _checked(p, rho)
    if k < 1:
        raise UsageError(f"k={k!r}: at least one variant")
    return _power_mean(p, k, rho)


def unanimous(p: ArrayLike, k: int, rho: ArrayLike = 0.0) -> Floats:
    """P(all K variants are right, or all are wrong): E[p_i^K + (1-p_i)^K]."""
    p, rho = _checked(p, rho)
    if k < 1:
        raise UsageError(f"k={k!r}: at least one variant")
    return np.asarray(_power_mean(p, k, rho) + _power_mean(1 - p, k, rho))


def same_answer(p: ArrayLike, k: int, options: int) -> Floats:
    """P(all K answers are equal) where wrong answers spread evenly over the other options and all cases are
    equally hard: p^K + (C-1)((1-p)/(C-1))^K.
    """
    p, _ = _checked(p, 0.0)
    if k < 1 or options < 2:
        raise UsageError(f"k={k!r}, options={options!r}: at least one variant and two options")
    return np.asarray(p**k + (options - 1) * ((1 - p) / (options - 1)) ** k)


def _power_mean(p: Floats, k: int, rho: Floats) -> Floats:
    """E p_i^K = Π_{j<K} (p(1-ρ) + jρ) / (1-ρ + jρ), p for j = 0: without a pole at ρ = 0 or 1."""
    out = np.array(p, dtype=np.float64)
    for j in range(1, k):
        out *= (p * (1 - rho) + j * rho) / (1 - rho + j * rho)
    return out


def _checked(p: ArrayLike, rho: ArrayLike) -> tuple[Floats, Floats]:
    p, rho = np.broadcast_arrays(np.asarray(p, dtype=np.float64), np.asarray(rho, dtype=np.float64))
    for name, values in (("p", p), ("rho", rho)):
        if not bool(((values >= 0) & (values <= 1)).all()):
            raise UsageError(f"{name}={values!r}: in [0, 1]")
    return p, rho
