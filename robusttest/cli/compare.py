"""Compare two stored runs, baselines or recorded results, variant by variant: what got worse, by how much, and how sure
that is. Files of other tools and tables are read as by `robusttest analyze`.

A verdict is improved, regressed, no worse (a drop of more than 5 points, or MARGIN, is excluded) or undecided. With
--fail-on the exit code is 1 where the gate fails.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from robusttest.cli import reading
from robusttest.cli.console import color, directory, encoding, option, say, width
from robusttest.errors import UsageError

if TYPE_CHECKING:
    from robusttest.compare import Comparison, Version
    from robusttest.report.model import Report

HELP = "compare two stored runs, baselines or recorded results, paired"

_REF = "a path (of a run, a baseline, a table, what another tool left, a folder or URL with a run in parts), the beginning of an id, a label, a git ref, or 'latest'"


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("old", metavar="OLD", help=_REF)
    p.add_argument("new", nargs="?", default="latest", metavar="NEW", help="likewise (default latest)")
    option(
        p, "fail_on", help="exit with 1 on regression, regression:MARGIN (as in regression:0.02) or undecided"
    )
    p.add_argument("--task", metavar="TASK", help="this task alone")
    p.add_argument("--model", metavar="MODEL", help="this model alone; OLD=NEW where its name has changed")
    option(p, "report", help="write html, md, json or csv of the new run with the comparison")
    reading.arguments(p)
    directory(p)


def run(a: argparse.Namespace) -> int:
    from robusttest.compare import compare
    from robusttest.core.fail_on import FailOn
    from robusttest.report import files
    from robusttest.report.told import told

    gate = None if a.fail_on is None else FailOn.parse(a.fail_on)
    for wanted in a.report:
        files.check_writable(wanted.path)
    then, arrow, now = (a.model or "").partition("=")
    old = _narrowed(_version(a, a.old), a.task, then)
    new = _narrowed(_version(a, a.new), a.task, now if arrow else then)
    found = compare(old, new, margin=None if gate is None else gate.margin)
    for wanted in a.report:
        say(f"wrote {os.fspath(files.write(_report(a, found), wanted))}")
    if not a.report:
        for line in told(found, width=width(), color=color(), encoding=encoding()):
            say(line)
    failing = [] if gate is None else found.failing(gate)
    if failing:
        say(f"failed by --fail-on {a.fail_on}: {len(failing)} of {len(found.cells)}")
    return 1 if failing else 0


def _version(a: argparse.Namespace, ref: str) -> Version:
    from robusttest.store.shared import is_shared, the_run
    from robusttest.store.versions import is_recorded, load_version, recorded

    if is_shared(ref):
        from robusttest.store.stored_rows import stored_version

        file = the_run(ref)
        return stored_version(file, file.parent.name)
    return recorded(ref, reading.read(a, [ref])[0]) if is_recorded(ref) else load_version(ref, a.directory)


def _narrowed(version: Version, task: str | None, model: str) -> Version:
    """The cells of this task and model; ``model`` empty: of all."""
    kept = tuple(
        c for c in version.cells if (task is None or c.task == task) and (not model or c.model == model)
    )
    if not kept and version.cells:
        known = ", ".join(sorted({f"{c.task} · {c.model}" for c in version.cells}))
        asked = " and ".join(x for x in (task and f"task {task!r}", model and f"model {model!r}") if x)
        raise UsageError(f"{version.title} has no {asked}. It has: {known}")
    return replace(version, cells=kept)


def _report(a: argparse.Namespace, found: Comparison) -> Report:
    from robusttest.report.build import build
    from robusttest.report.model import Report
    from robusttest.store import find_run, read_run
    from robusttest.store.shared import is_shared
    from robusttest.store.versions import is_baseline, is_recorded, load_version

    if is_shared(a.new):
        from robusttest.cli.show import of_sums

        return replace(of_sums(a.new, a.report), comparison=found)
    if is_recorded(a.new):
        from robusttest.cli.analyze import report_of

        return replace(report_of(reading.read(a, [a.new])[0]), comparison=found)

    if is_baseline(a.new):
        return Report(run=load_version(a.new, a.directory).info, cells=(), comparison=found)
    run = read_run(find_run(a.new, a.directory))
    return replace(build(run.info, run.cells), comparison=found)
