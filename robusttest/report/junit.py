"""Properties of a test case in JUnit XML: the headline numbers, for CI systems that chart them."""

from __future__ import annotations

import re

from robusttest.report.escape import visible
from robusttest.report.model import HEADLINE, CellReport

_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def properties(cell: CellReport) -> list[tuple[str, str]]:
    """``(name, value)`` pairs for ``item.user_properties``: each metric with its interval and n, each verdict.

    ``robust.accuracy``, ``robust.accuracy_low``, ``robust.accuracy_high``, ``robust.accuracy_n`` …, and
    ``robust.verdict[accuracy >= 0.9]``. A value that is undefined is left out.
    """
    out: list[tuple[str, str]] = [
        ("robust.task", cell.task),
        ("robust.model", cell.model),
        ("robust.n", str(cell.n_cases)),
        ("robust.variants", str(cell.n_variants)),
        ("robust.calls", str(cell.n_calls)),
    ]
    if cell.coverage is not None:
        out.append(("robust.coverage", f"{cell.coverage:.6g}"))
    told = [(name, cell.overall.get(name)) for name in (*HEADLINE, "unreadable", "cut")]
    if cell.repeated is not None:
        told.append((cell.repeated.metric, cell.repeated))
    for name, e in told:
        if e is None or e.value is None:
            continue
        out.append((f"robust.{name}", f"{e.value:.6g}"))
        if e.low is not None and e.high is not None:
            out += [(f"robust.{name}_low", f"{e.low:.6g}"), (f"robust.{name}_high", f"{e.high:.6g}")]
        out.append((f"robust.{name}_n", str(e.n)))
    for row in cell.perturbations:
        if row.pass_rate.value is not None:
            out.append((f"robust.pass_rate[{row.perturbation}]", f"{row.pass_rate.value:.6g}"))
    for reaction in cell.reactions:
        if reaction.sensitivity.value is not None:
            out.append((f"robust.sensitivity[{reaction.perturbation}]", f"{reaction.sensitivity.value:.6g}"))
    out += [(f"robust.verdict[{v.threshold}]", v.status) for v in cell.verdicts]
    return [(_safe(name), _safe(value)) for name, value in out]


def _safe(text: str) -> str:
    """Without what XML 1.0 can't hold."""
    return _XML.sub("?", visible(text))
