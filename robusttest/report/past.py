"""Earlier runs beside a report: the history of versions that the HTML report shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from robusttest.core.nouns import CellSummary, RunInfo
from robusttest.errors import RobusttestError
from robusttest.report import history
from robusttest.report.model import Report
from robusttest.store import list_runs, read_info
from robusttest.store.summaries import read_summaries

RUNS = 10
"""Earlier runs at most."""
BYTES = 100_000_000
"""Of run files that are read at most: a report is not to take longer for what came before it."""


def with_history(report: Report, directory: str | os.PathLike[str]) -> Report:
    """The report with the earlier runs in ``directory`` of its own tests, tasks and models, the oldest first.

    Runs that began later, and those that can't be read, are left out.
    """
    earlier = {
        (line.test, line.task, line.model): line.versions
        for line in history.build(_earlier(report.run, directory))
    }
    lines = tuple(
        replace(line, versions=(*earlier[key], *line.versions))
        for line in history.lines_of(report)
        if (key := (line.test, line.task, line.model)) in earlier
    )
    return replace(report, history=lines or None)


def _earlier(run: RunInfo, directory: str | os.PathLike[str]) -> Iterator[tuple[RunInfo, list[CellSummary]]]:
    for path in reversed(_chosen(run, directory)):
        try:
            yield read_summaries(path)
        except RobusttestError:
            continue


def _chosen(run: RunInfo, directory: str | os.PathLike[str]) -> list[Path]:
    """The newest runs before this one, the newest first, as far as the limits allow."""
    out: list[Path] = []
    size = 0
    for path in reversed(list_runs(directory)):
        try:
            info, more = read_info(path), path.stat().st_size
        except (RobusttestError, OSError):
            continue
        if info.id == run.id or info.created > run.created:
            continue
        size += more
        if size > BYTES or len(out) == RUNS:
            break
        out.append(path)
    return out
