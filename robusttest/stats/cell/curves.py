"""What accuracy alone gives, as curves ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from robusttest.stats.cell import nulls
from robusttest.stats.cell.frame import Floats
from robusttest.stats.cell.points import ARITHMETIC

CURVE_POINTS = 101

CurveKey = Literal["independent", "constant_icc_least", "constant_icc_most", "constant_icc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What accuracy alone gives, ready to be drawn over ``x`` = accuracy."""

    key: CurveKey
    label: str
    metrics: tuple[str, ...]
    """The plots it belongs to."""
    k: int
    rho: float
    x: tuple[float, ...]
    y: tuple[float, ...]


def curves(k: int, icc: float | None) -> tuple[Curve, ...]:
    x = np.linspace(0, 1, CURVE_POINTS)

    def curve(key: CurveKey, label: str, metrics: tuple[str, ...], rho: float, y: Floats) -> Curve:
        rounded = tuple(round(float(v), 6) for v in y)
        return Curve(
            key=key,
            label=label,
            metrics=metrics,
            k=k,
            rho=rho,
            x=tuple(round(float(v), 6) for v in x),
            y=rounded,
        )

    out = [
        curve("independent", f"accuracy^{k}: all cases equally hard", ARITHMETIC, 0.0, nulls.all_right(x, k))
    ]
    if icc is None:
        return tuple(out)
    rho = min(max(icc, 0.0), 1.0)
    same = f"the same ICC {rho:.2f} everywhere"
    return (
        *out,
        curve(
            "constant_icc_least",
            f"{same}, wrong answers all different",
            ARITHMETIC,
            rho,
            nulls.all_right(x, k, rho),
        ),
        curve(
            "constant_icc_most",
            f"{same}, wrong answers all alike",
            ARITHMETIC[:1],
            rho,
            nulls.unanimous(x, k, rho),
        ),
        curve("constant_icc", same, ("consistency_icc", "consistency_kappa"), rho, np.full(len(x), rho)),
    )
