"""BCa bootstrap intervals (Efron 1987) of functions of means over cases, with their Monte-Carlo error.

Whole cases (or clusters) are resampled, vectorised and seeded by their number (`intervals.bootstrap`), so that the limits
are the same in every process. The acceleration comes from the jackknife.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from robusttest.stats.cell.frame import Codes, Floats
from robusttest.stats.cell.intervals import ALPHA, Limits, bootstrap, leave_one_out

RESAMPLES = 5000
MIN_UNITS = 5
"""Fewer cases (or clusters) have too few different resamples."""


class Bca(NamedTuple):
    limits: Limits
    low_error: float | None
    """Monte-Carlo standard error of the limits: how far another seed would move them."""
    high_error: float | None
    left_out: int
    """Resamples for which the value is undefined."""


def bca(
    parts: Floats,
    value: Callable[[Floats], Floats],
    clusters: Codes | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Bca:
    """The interval of ``value`` of the column sums of ``parts``, (n, q), one row for each case.

    None, with the reason, for fewer than five units, where nothing varies, and where the value is undefined for more
    than a tenth of the resamples.
    """
    units = len(parts) if clusters is None else len(np.unique(clusters))

    def none(reason: str, left_out: int = 0) -> Bca:
        return Bca(Limits(method="bca", reason=reason), None, None, left_out)

    if units < MIN_UNITS:
        return none(f"{units} independent cases, {MIN_UNITS} needed")
    with np.errstate(all="ignore"):
        found = float(np.asarray(value(parts.sum(axis=0)[None]))[0])
    drawn = np.asarray(bootstrap(parts, value, clusters, resamples=resamples, seed=seed), dtype=np.float64)
    kept = np.sort(drawn[np.isfinite(drawn)])
    left_out = len(drawn) - len(kept)
    if not math.isfinite(found) or left_out > 0.1 * resamples:
        return none("interval unreliable: undefined for many resamples", left_out)
    rest = leave_one_out(parts, value, clusters)
    rest = rest[np.isfinite(rest)]
    if float(np.ptp(kept)) < 1e-12 or len(rest) < 2:
        return none("interval unreliable: no case varies from the others", left_out)
    below = (float((kept < found - 1e-12).sum()) + float((kept <= found + 1e-12).sum())) / 2 / len(kept)
    bias = float(ndtri(min(max(below, 1 / len(kept)), 1 - 1 / len(kept))))
    off = rest.mean() - rest
    scale = float((off**2).sum()) ** 1.5
    acceleration = float((off**3).sum()) / (6 * scale) if scale > 0 else 0.0

    def at(p: float) -> tuple[float, float]:
        """The limit with ``p`` below it, and its Monte-Carlo error."""
        z = bias + float(ndtri(p))
        corrected = float(ndtr(bias + z / max(1 - acceleration * z, 1e-9)))
        delta = math.sqrt(corrected * (1 - corrected) / len(kept))
        low, middle, high = np.quantile(
            kept, np.clip([corrected - delta, corrected, corrected + delta], 0, 1)
        )
        return float(middle), float(high - low) / 2

    tail = (1 - level) / 2
    (low, low_error), (high, high_error) = at(tail), at(1 - tail)
    lower, upper = at(ALPHA)[0], at(1 - ALPHA)[0]
    return Bca(Limits(low, high, lower, upper, f"bca, B={resamples}"), low_error, high_error, left_out)
