"""A metric of the user's own: a function from the records of one case to its number."""

from __future__ import annotations

import numpy as np

from robusttest.core.nouns import Record
from robusttest.errors import UsageError
from robusttest.metrics import Metric
from robusttest.stats.cell.frame import Floats
from robusttest.stats.cell.measures import Measures

_REPLIED = ("ok", "unparsed", "refused")


def case_values(m: Measures, metric: Metric) -> Floats:
    """(n,) the function's number for each case; NaN where it returns None, or the case has no reply.

    Of one perturbation a case counts where it has a variant. Raises `UsageError` where the function raises, or returns
    what is no number or out of range, naming metric and case.
    """
    assert metric.own is not None
    rows = m.cell.rows
    if rows is None:
        if not m.cell.planned.any():
            return m.none
        raise UsageError(
            f"metric {metric.name!r}: it was registered after the records were read into this cell; register it first"
        )
    out = np.full(m.cell.n_cases, np.nan)
    for i, row in enumerate(rows):
        records: list[Record] = [r for r in row if r is not None and r.status in _REPLIED]
        chosen = m.cell.chosen is None or any(r.perturbation for r in records)
        if records and chosen:
            out[i] = _number(metric, m.cell.case_ids[i], records)
    return out


def _number(metric: Metric, case: str, records: list[Record]) -> float:
    assert metric.own is not None
    try:
        found = metric.own(records)
    except Exception as e:
        raise UsageError(f"metric {metric.name!r}, case {case!r}: {type(e).__name__}: {e}") from e
    if found is None:
        return float("nan")
    try:
        value = float(found)
    except (TypeError, ValueError):
        value = float("nan")
    low = float("-inf") if metric.low is None else metric.low
    high = float("inf") if metric.high is None else metric.high
    if not low <= value <= high or value in (float("inf"), float("-inf")):
        raise UsageError(
            f"metric {metric.name!r}, case {case!r}: {found!r} is not a number in [{low:g}, {high:g}], nor None"
        )
    return value
