"""Ten seconds without a key: the support desk's four versions, in the terminal and as HTML.

Tickets are put as they are and with typos, scanning errors and other capitals to four versions of a small classifier, whose
recorded answers ship with robusttest. The fourth part of the output is what a release gate would say: version 3 is more
accurate than version 2, and breaks more often when tickets are typed in a hurry.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from robusttest.cli.console import color, encoding, say, width

if TYPE_CHECKING:
    from robusttest.compare import Comparison
    from robusttest.engine.cell import Cell

HELP = "see it work, in ten seconds and without a key"


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--html",
        default="robusttest-demo.html",
        metavar="PATH",
        help="the report (default robusttest-demo.html)",
    )


def run(a: argparse.Namespace) -> None:
    from robusttest.demo.desk import PERTURBATIONS, VARIANTS, VERSIONS, task
    from robusttest.evaluation import evaluate
    from robusttest.report import files, terminal
    from robusttest.report.build import build
    from robusttest.report.told import told
    from robusttest.settings import ReportTarget
    from robusttest.store import new_run

    target = ReportTarget.parse(f"html:{a.html}")
    files.check_writable(target.path)
    desk = task()
    say(
        f"{len(desk.cases)} support tickets, each put as it is and in {VARIANTS} variants of {len(PERTURBATIONS)} kinds, to four"
    )
    say("versions of a small classifier (their recorded answers: no key, no network).")
    say()
    names = [f"python:robusttest.demo.desk:{v}" for v in VERSIONS]
    with tempfile.TemporaryDirectory() as folder:
        cells = evaluate(
            desk,
            model=names,
            perturbations=PERTURBATIONS,
            variants=VARIANTS,
            expect=["accuracy >= 0.75", "robust_accuracy >= 0.4"],
            directory=Path(folder),
        )
    asked = sum(len(c) for c in cells)
    run = replace(new_run(label="demo", models=names), complete=True, calls=asked, cost=0.0)
    released, candidate = cells[1], cells[2]
    compared = _against(released, candidate)
    report = build(run, cells)
    for line in terminal.render(report, width=width(), color=color(), encoding=encoding()):
        say(line)
    say()
    say("Would you release version 3 in the place of version 2? The gate compares them variant by variant:")
    say()
    for line in told(compared, width=width(), color=color(), encoding=encoding()):
        say(line)
    say()
    written = files.write(replace(report, comparison=compared), target)
    say(f"The report with every failing ticket: {os.fspath(written)}")
    say("Next: robusttest init writes a first test for your own model.")


def _against(old: Cell, new: Cell) -> Comparison:
    """What ``--robust-baseline`` says of the new version, under one name as a release has it."""
    from robusttest.compare import Version, compare
    from robusttest.store import new_run

    def version(cell: Cell) -> Version:
        label = cell.model.rpartition(":")[2]
        records = [replace(r, model="support desk") for r in cell.records]
        run = replace(new_run(label=label, models=["support desk"]), complete=True)
        return Version.of(run, records, name=label)

    return compare(version(old), version(new))
