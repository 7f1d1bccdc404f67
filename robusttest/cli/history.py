"""Accuracy, robust accuracy and chance-corrected consistency over the stored runs, with intervals."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from robusttest.cli.console import color, directory, encoding, positive, say, width
from robusttest.errors import RobusttestError, UsageError

if TYPE_CHECKING:
    from robusttest.core.nouns import CellSummary, RunInfo

HELP = "accuracy, robustness and consistency over the stored runs"


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--last", type=positive, default=10, metavar="N", help="the newest N runs (default 10)")
    p.add_argument("--task", metavar="TASK", help="this task alone")
    p.add_argument("--model", metavar="MODEL", help="this model alone")
    directory(p)


def run(a: argparse.Namespace) -> None:
    from robusttest.report import history
    from robusttest.store import list_runs
    from robusttest.store.shared import is_shared, shared_runs
    from robusttest.store.summaries import read_summaries

    shared = is_shared(a.directory)
    paths = (shared_runs(a.directory) if shared else list_runs(a.directory))[-a.last :]
    if not paths:
        raise UsageError(
            f"no runs are stored in {a.directory!r}: pytest writes one at each run with robust tests"
        )

    def stored() -> Iterator[tuple[RunInfo, list[CellSummary]]]:
        for path in paths:
            try:
                yield read_summaries(path)
            except RobusttestError as e:
                say(f"robusttest history: left out: {e}", sys.stderr)

    lines = [
        line
        for line in history.build(stored())
        if (a.task is None or line.task == a.task) and (a.model is None or line.model == a.model)
    ]
    if not lines:
        raise UsageError(f"none of the last {len(paths)} runs has task {a.task!r} and model {a.model!r}")
    for text in history.render(history.over_models(lines), width=width(), color=color(), encoding=encoding()):
        say(text)
