"""Metrics, intervals and verdicts of recorded results: a table with one row for each reply, from anywhere.

Columns: model, task, case_id, variant, and score (in [0, 1]), or answer and target. Optional: perturbation, repeat,
cluster, status, reply. Run files of robusttest are read as they are, and a table of finished numbers (model, task,
accuracy, output_consistency, robust_accuracy …) is set in relation. Exit code 1 where a threshold of --expect is missed or
can't be judged.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from robusttest.cli.console import color, encoding, report_target, say, width
from robusttest.errors import UsageError

if TYPE_CHECKING:
    from robusttest.core.nouns import Record, RunInfo, Threshold
    from robusttest.report.model import Report

HELP = "metrics of recorded results (csv, jsonl, parquet)"


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "files", nargs="+", metavar="FILE", help="csv, tsv, jsonl, json, parquet, or a run of robusttest"
    )
    p.add_argument(
        "--map", action="append", default=[], metavar="OURS=THEIRS", type=_pair,
        help="the table's name of one of our columns, as in case_id=item, or variant=format+shots (repeatable)",
    )  # fmt: skip
    p.add_argument(
        "--reference", metavar="VARIANT",
        help="the variant that is the unperturbed prompt (default: the one with an empty perturbation, if any)",
    )  # fmt: skip
    p.add_argument(
        "--expect", action="append", default=[], metavar="THRESHOLD", type=_threshold,
        help="'accuracy >= 0.9', 'flip_rate[ocr] <= 0.05': judged for each model and task (repeatable)",
    )  # fmt: skip
    p.add_argument(
        "--report", action="append", default=[], metavar="KIND:PATH", type=report_target,
        help="also write html, md, json or csv (repeatable)",
    )  # fmt: skip
    p.add_argument("--encoding", default="utf-8", metavar="NAME", help="of text files (default utf-8)")
    p.add_argument("-v", "--verbose", action="count", default=0, help="every perturbation, reason and cell")
    p.add_argument("-q", "--quiet", action="count", default=0, help="one line")


def run(a: argparse.Namespace) -> int:
    from robusttest.report import files, terminal

    for target in a.report:
        files.renderer(target.kind)
        files.check_writable(target.path)
    report = _of_cells(a) or _report([r for file in a.files for r in _records(file, a)], a.expect)
    lines = terminal.render(
        report, width=width(), color=color(), verbosity=a.verbose - a.quiet, encoding=encoding()
    )
    for line in lines:
        say(line)
    for target in a.report:
        say(f"wrote {os.fspath(files.write(report, target))}")
    return int(any(v.status in ("failed", "error") for cell in report.cells for v in cell.verdicts))


def _of_cells(a: argparse.Namespace) -> Report | None:
    """The report of a table of finished numbers; None for tables of replies."""
    from robusttest.stats.cell import cell_tables

    file, mapping = a.files[0], dict(a.map)
    if _is_run(file) or not cell_tables.is_cell_table(file, mapping, a.encoding):
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


def _records(file: str, a: argparse.Namespace) -> list[Record]:
    from robusttest.stats.cell.tables import records_from_file

    if _is_run(file):
        from robusttest.store import read_run

        if a.map or a.reference is not None:
            raise UsageError(f"{file} is a run of robusttest: --map and --reference are for other tables")
        return read_run(file).records
    mapping = dict(a.map)
    if len(mapping) < len(a.map):
        names = [ours for ours, _ in a.map]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"--map names {twice!r} twice")
    return records_from_file(file, mapping=mapping, reference=a.reference, encoding=a.encoding)


def _is_run(file: str) -> bool:
    try:
        with open(file, "rb") as f:
            return file.endswith(".jsonl") and b'"kind":"run"' in f.readline(10_000).replace(b" ", b"")
    except OSError:
        return False


def _report(records: list[Record], thresholds: list[Threshold]) -> Report:
    from robusttest.engine.cell import Result
    from robusttest.report.build import build

    groups: dict[tuple[str | None, str, str], list[Record]] = {}
    for r in records:
        groups.setdefault((r.test, r.task, r.model), []).append(r)
    results = [
        Result(task, model, rows, test=test, thresholds=thresholds)
        for (test, task, model), rows in groups.items()
    ]
    models = tuple(dict.fromkeys(model for _, _, model in groups))
    return build(_run_of(models), results)


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not equals or not ours or not theirs:
        raise argparse.ArgumentTypeError(f"{text!r}: write OURS=THEIRS, as in case_id=item")
    return ours, theirs


def _threshold(text: str) -> Threshold:
    from robusttest.metrics import parse_threshold

    try:
        return parse_threshold(text)
    except UsageError as e:
        raise argparse.ArgumentTypeError(str(e)) from None
