"""Verdicts: an `Estimate` against a `Threshold`, three-valued."""

from __future__ import annotations

from robusttest.data import Estimate, Threshold, Verdict, VerdictStatus
from robusttest.errors import UnknownNameError
from robusttest.settings import InconclusivePolicy
from robusttest.stats.estimates import estimate
from robusttest.stats.frame import Cell


def judge(
    cell: Cell, threshold: Threshold, *, policy: InconclusivePolicy = "point", min_coverage: float = 0.95
) -> Verdict:
    try:
        e = estimate(cell, threshold.metric, threshold.perturbation)
    except UnknownNameError as error:
        return Verdict(threshold=threshold, status="error", reason=str(error))
    if e.value is None:
        return Verdict(threshold=threshold, status="error", reason=e.reason or "undefined", estimate=e)
    return _decide(threshold, e, policy)


def _decide(threshold: Threshold, e: Estimate, policy: InconclusivePolicy) -> Verdict:
    assert e.value is not None
    status: VerdictStatus
    up = threshold.op == ">="
    near, far = (e.lower, e.upper) if up else (e.upper, e.lower)
    met = e.value >= threshold.limit if up else e.value <= threshold.limit
    if near is None or far is None:
        return Verdict(
            threshold=threshold, status="inconclusive", reason=e.reason or "", estimate=e, settled=False
        )
    surely = near >= threshold.limit if up else near <= threshold.limit
    never = far < threshold.limit if up else far > threshold.limit
    settled = surely or never
    status = ("passed" if met else "failed") if settled or policy == "point" else "inconclusive"
    reason = f"{threshold.metric} {e.value:.3f} [{e.low:.3f}, {e.high:.3f}], n={e.n}"
    return Verdict(threshold=threshold, status=status, reason=reason, estimate=e, settled=settled)
