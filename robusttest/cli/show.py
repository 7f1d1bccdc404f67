"""Print a stored run as it was printed at its end, or write a report of it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from robusttest.cli.console import color, directory, encoding, option, say, width

if TYPE_CHECKING:
    from robusttest.report.model import Report
    from robusttest.settings import ReportTarget
    from robusttest.store import Run

HELP = "print a stored run, or write a report of it"


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "run", nargs="?", default="latest", metavar="RUN",
        help="a path, the beginning of an id, a label, a git ref, or 'latest' (the default); the folder or URL of a run with parts, to be told by sums",
    )  # fmt: skip
    option(p, "report", help="write html, md, json or csv instead of printing")
    p.add_argument("-v", "--verbose", action="count", default=0, help="every perturbation, reason and cell")
    p.add_argument("-q", "--quiet", action="count", default=0, help="one line")
    directory(p)


def run(a: argparse.Namespace) -> None:
    from robusttest.report import files, terminal
    from robusttest.store import find_run, read_run
    from robusttest.store.shared import is_shared

    for target in a.report:
        files.check_writable(target.path)
    shared = is_shared(a.run)
    report = of_sums(a.run, a.report) if shared else _report(read_run(find_run(a.run, a.directory)))
    if not shared and any(target.kind == "html" for target in a.report):
        from robusttest.report.past import with_history

        report = with_history(report, a.directory)
    for target in a.report:
        say(f"wrote {os.fspath(files.write(report, target))}")
    if a.report:
        return
    run = report.run
    facts = (run.created, run.label, (run.commit or "")[:10] + ("*" if run.dirty else ""), run.id)
    if a.quiet <= a.verbose:
        say(" ".join(["run", *(x for x in facts if x)]))
        say()
    lines = terminal.render(
        report, width=width(), color=color(), verbosity=a.verbose - a.quiet, encoding=encoding()
    )
    for line in lines:
        say(line)


def of_sums(ref: str, targets: Sequence[ReportTarget]) -> Report:
    """The report of the run in a folder or at a URL, by its sums, to be written to these."""
    from robusttest.report.sums import build, check_kinds
    from robusttest.store.shared import read_sums, the_run

    check_kinds(targets)
    return build(*read_sums(the_run(ref)))


def _report(run: Run) -> Report:
    from robusttest.report.build import build

    return build(run.info, run.cells)
