"""What a run's last line says of each cell, so that a history reads one line a run and no record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from robusttest.core import codec
from robusttest.core.locations import Location
from robusttest.core.nouns import CellKey, CellSummary, Estimate, RunInfo
from robusttest.store.reader import last_line, read_run

if TYPE_CHECKING:
    from robusttest.stats.cell.frame import Frame

METRICS = ("accuracy", "robust_accuracy", "consistency_icc")


def summary(key: CellKey, n_cases: int, estimate: Callable[[str], Estimate]) -> CellSummary:
    """A cell's summary, by what gives its metrics by name."""
    return CellSummary(key=key, n_cases=n_cases, estimates=tuple(map(estimate, METRICS)))


def summary_of(frame: Frame) -> CellSummary:
    from robusttest.stats.cell.estimates import estimate

    return summary(frame.key, frame.n_cases, lambda metric: estimate(frame, metric))


def read_summaries(path: Path | Location) -> tuple[RunInfo, list[CellSummary]]:
    """The run, and its cells by the last line; of a run that did not end, or is older than such lines, by its records.

    Raises `StorageError` as `read_run`.
    """
    info, line = last_line(path)
    if line is not None and isinstance(line.get("cells"), list):
        return info, [codec.read(CellSummary, cell) for cell in line["cells"]]
    run = read_run(path)
    return run.info, [summary_of(frame) for frame in run.frames]
