"""All of k, or one of k: what is expected of a draw of k of a case's runs (or variants), without replacement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robusttest.stats.cell.intervals import Limits, proportion
from robusttest.stats.cell.measures import Measures

if TYPE_CHECKING:
    from robusttest.core.nouns import Estimate
    from robusttest.stats.cell.frame import Frame

Floats = NDArray[np.float64]


def at_k(
    m: Measures, metric: str, clusters: NDArray[np.int64] | None, *, level: float = 0.95
) -> tuple[float | None, Limits, int]:
    """``pass^k`` and ``robust_accuracy@k``: mean_i C(c_i,k)/C(n_i,k), c_i of the case's n_i right; ``pass@k``:
    1 - mean_i C(n_i-c_i,k)/C(n_i,k). k is at most the least n_i; 4 of 5 right: pass^2 .6, pass^3 .4, pass@2 1.

    Sources: Yao et al., arXiv 2406.12045 (pass^k); Chen et al., arXiv 2107.03374 (pass@k).
    """
    k = int(metric.rpartition("^" if "^" in metric else "@")[2])
    rows = m.k >= 1
    n = int(rows.sum())
    if not n:
        return None, Limits(), 0
    if not m.binary:
        return None, Limits(reason="needs right/wrong scores (0 or 1)"), n
    runs = m.k[rows]
    if k > (least := int(runs.min())):
        return None, Limits(reason=f"k = {k}: a case has {least} only"), n
    right = np.rint(m.mean[rows] * runs).astype(np.int64)
    x = 1 - drawn_all(runs - right, runs, k) if metric.startswith("pass@") else drawn_all(right, runs, k)
    return float(x.mean()), proportion(x, None if clusters is None else clusters[rows], level=level), n


def all_runs(frame: Frame) -> Estimate | None:
    """``pass^k`` for as many runs as each case's prompt has; None where there are not two, or nothing says what is right."""
    from robusttest.stats.cell.estimates import estimate
    from robusttest.stats.cell.measures import measures

    if not frame.has_repeats or not frame.has_reference:
        return None
    m = measures(frame.select("repeat"))
    runs = m.k[m.k >= 1]
    if not len(runs) or (k := int(runs.min())) < 2:
        return None
    found = estimate(frame, f"pass^{k}")
    return found if found.value is not None else None


def drawn_all(c: NDArray[np.int64], n: NDArray[np.int64], k: int) -> Floats:
    """C(c,k)/C(n,k) = Π_{j<k} (c-j)/(n-j): the chance that k of n drawn are all among c of them."""
    out = np.ones(len(c))
    for j in range(k):
        out *= np.maximum(c - j, 0) / (n - j)
    return out
