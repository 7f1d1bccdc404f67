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
