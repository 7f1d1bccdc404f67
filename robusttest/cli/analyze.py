"""Metrics, intervals and verdicts of recorded results: what other tools leave, or a table with one row for each reply.

Read as they are: logs of inspect_ai (.eval, .json), samples of lm-eval, results of promptfoo, HELM's per-instance
files, logs of OpenAI evals, test runs of DeepEval, Every Eval Ever, and runs of robusttest; all also as .gz and .zst.
Of any other table the columns: model, task, case_id, variant, and score (in [0, 1]), or answer and target. Optional:
perturbation, repeat, cluster, status, reply. A table of finished numbers (model, task, accuracy, output_consistency,
robust_accuracy …) is set in relation. Exit code 1 where a threshold of --expect is missed or can't be judged.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from robusttest.cli import reading
from robusttest.cli.console import color, encoding, option, say, width
from robusttest.errors import UsageError

if TYPE_CHECKING:
    from robusttest.core.nouns import CellKey, Record, RunInfo, Threshold
    from robusttest.report.model import Report
    from robusttest.store.shared import StoredSums

HELP = "metrics of recorded results: inspect_ai, lm-eval, promptfoo, HELM …, or a table"


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "files", nargs="+", metavar="FILE",
        help="what another tool left, a table (csv, tsv, jsonl, json, parquet), a run of robusttest, or a folder or URL with runs in parts",
    )  # fmt: skip
    reading.arguments(p)
    p.add_argument(
        "--expect", action="append", default=[], metavar="THRESHOLD",
        help="'accuracy >= 0.9', 'flip_rate[ocr] <= 0.05': judged for each model and task (repeatable)",
    )  # fmt: skip
    option(p, "report", help="also write html, md, json, csv or eee (repeatable)")
    p.add_argument("-v", "--verbose", action="count", default=0, help="every perturbation, reason and cell")
    p.add_argument("-q", "--quiet", action="count", default=0, help="one line")


def run(a: argparse.Namespace) -> int:
    from robusttest.report import files, terminal

    for target in a.report:
        files.renderer(target.kind)
        files.check_writable(target.path)
    report = _of_sums(a) or _of_cells(a) or _of_records(a)
    lines = terminal.render(
        report, width=width(), color=color(), verbosity=a.verbose - a.quiet, encoding=encoding()
    )
    for line in lines:
        say(line)
    for target in a.report:
        say(f"wrote {os.fspath(files.write(report, target))}")
    return int(any(v.status in ("failed", "error") for cell in report.cells for v in cell.verdicts))


def _of_sums(a: argparse.Namespace) -> Report | None:
    """The report of runs with parts, by their sums; None for anything else."""
    from robusttest.store.shared import is_shared, read_sums, shared_runs

    if not all(map(is_shared, a.files)):
        return None
    if a.expect or a.map or a.reference is not None or a.format:
        raise UsageError(
            "a folder or URL of runs is told by sums, as they were judged: --expect, --map, --reference and --format are for records; give the "
            "run files"
        )
    from robusttest.report.sums import build, check_kinds

    check_kinds(a.report)
    found: dict[CellKey, StoredSums] = {}
    for file in (file for ref in a.files for file in shared_runs(ref)):
        for sums in read_sums(file)[1]:
            if (key := sums.cell.key) in found:
                raise UsageError(
                    f"{file.parent}: {key.task} × {key.model} is in another run, too: name one of them, or join shards by robusttest merge"
                )
            found[key] = sums
    return build(_run_of(tuple(dict.fromkeys(key.model for key in found))), found.values())


def _of_cells(a: argparse.Namespace) -> Report | None:
    """The report of a table of finished numbers; None for tables of replies."""
    from robusttest.stats.cell import cell_tables
    from robusttest.store.readers.sniff import is_run, open_file

    file, mapping = a.files[0], dict(a.map)
    if a.wide or a.format or is_run(file) or open_file(file, encoding=a.encoding).format != "table":
        return None
    if not cell_tables.is_cell_table(file, mapping, a.encoding):
        return None
    if len(a.files) > 1 or a.expect or a.reference is not None:
        raise UsageError(
            f"{file} holds finished numbers of models on tasks: give it alone, without --expect and --reference"
        )
    from robusttest.report.model import Report

    found = cell_tables.emergence_of(file, mapping=mapping, encoding=a.encoding)
    notes = () if found.reason is None else (found.reason,)
    return Report(run=_run_of(found.models), cells=(), notes=notes, emergence=found)


def _run_of(models: tuple[str, ...]) -> RunInfo:
    from robusttest.store import new_run

    made = new_run(label="recorded results", models=models)
    return replace(made, commit=None, dirty=None, complete=True)


def _of_records(a: argparse.Namespace) -> Report:
    from robusttest.metrics import thresholds

    expected = thresholds(a.expect, "--expect")
    records, notes = reading.read(a, a.files)
    if moved := sum(r.effect == "target" for r in records):
        notes.append(
            f"{moved:,} of {len(records):,} rows have another right answer than their case unperturbed: whether the model moves "
            "with it is told apart (sensitivity)"
        )
    return replace(report_of(records, expected), notes=tuple(notes))


def report_of(records: Sequence[Record], thresholds: Sequence[Threshold] = ()) -> Report:
    from robusttest.engine.cell import Cell, grouped
    from robusttest.report.build import build

    cells = [Cell(key, rows, thresholds=tuple(thresholds)) for key, rows in grouped(records).items()]
    return build(_run_of(tuple(dict.fromkeys(c.model for c in cells))), cells)
