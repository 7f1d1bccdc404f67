"""Several tests at once: p-values adjusted so that a threshold on them bounds the errors of the whole family.

Adjusted values are at most 1 and keep the order of the given ones; compare them with α as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from robusttest.errors import UsageError
from robusttest.stats.cell.frame import Floats


def holm(p: Sequence[float], weights: Sequence[float] | None = None) -> list[float]:
    """Step-down: bounds the chance of *any* false rejection, whatever the dependence (Holm 1979).

    ``weights`` (positive, of any scale) give some tests a larger share of α, as in Holm's section 4: the tests are
    ordered by p/w, and each is multiplied by the weight that is left over its own.
    """
    values = _checked(p)
    w = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(w) != len(values) or not bool((w > 0).all()):
        raise UsageError("holm: one positive weight for each p-value")
    order = np.argsort(values / w, kind="stable")
    left = w[order][::-1].cumsum()[::-1]
    return _placed(np.maximum.accumulate(values[order] * left / w[order]), order)


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Step-up: bounds the expected share of false ones among the rejections, for independent or positively dependent
    tests, as variants of the same cases are (Benjamini & Hochberg 1995; Benjamini & Yekutieli 2001).
    """
    values = _checked(p)
    order = np.argsort(values, kind="stable")
    m = len(values)
    raw = values[order] * m / np.arange(1, m + 1)
    return _placed(np.minimum.accumulate(raw[::-1])[::-1], order)


def _checked(p: Sequence[float]) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not bool(((values >= 0) & (values <= 1)).all()):
        raise UsageError(f"p-values are numbers in [0, 1], not {list(p)!r}")
    return values


def _placed(ordered: Floats, order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[float]:
    out = np.empty(len(order))
    out[order] = np.minimum(ordered, 1.0)
    return [float(x) for x in out]
