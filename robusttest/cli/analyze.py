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

from robusttest.cli.console import color, encoding, option, say, width
from robusttest.errors import UsageError
from robusttest.store.readers.file import FORMATS

if TYPE_CHECKING:
    from robusttest.core.nouns import Record, RunInfo, Threshold
    from robusttest.report.model import Report

HELP = "metrics of recorded results: inspect_ai, lm-eval, promptfoo, HELM …, or a table"


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "files", nargs="+", metavar="FILE",
        help="what another tool left, a table (csv, tsv, jsonl, json, parquet), or a run of robusttest",
    )  # fmt: skip
    p.add_argument(
        "--format", metavar="NAME", help=f"say it where the content does not: {', '.join(FORMATS)}"
    )
    p.add_argument(
        "--set", action="append", default=[], metavar="COLUMN=VALUE", type=_pair, dest="constants",
        help="a column that the table does not have, as in model=mine (repeatable)",
    )  # fmt: skip
    p.add_argument(
        "--wide", metavar="COLUMNS", type=_names, default=(),
        help="columns that are variants and hold scores, as in original,typo,paraphrase",
    )  # fmt: skip
    p.add_argument(
        "--right", action="append", default=[], metavar="VALUE",
        help="a value of the score's column that means right, all others wrong (repeatable)",
    )  # fmt: skip
    p.add_argument(
        "--map", action="append", default=[], metavar="OURS=THEIRS", type=_pair,
        help="the table's name of one of our columns: case_id=item, variant=format+shots, case_id=doc.id, variant=file "
        "(repeatable)",
    )  # fmt: skip
    p.add_argument(
        "--reference", metavar="VARIANT",
        help="the variant that is the unperturbed prompt (default: the one with an empty perturbation, if any)",
    )  # fmt: skip
    p.add_argument(
        "--expect", action="append", default=[], metavar="THRESHOLD",
        help="'accuracy >= 0.9', 'flip_rate[ocr] <= 0.05': judged for each model and task (repeatable)",
    )  # fmt: skip
    option(p, "report", help="also write html, md, json, csv or eee (repeatable)")
    p.add_argument("--encoding", default="utf-8", metavar="NAME", help="of text files (default utf-8)")
    p.add_argument("-v", "--verbose", action="count", default=0, help="every perturbation, reason and cell")
    p.add_argument("-q", "--quiet", action="count", default=0, help="one line")


def run(a: argparse.Namespace) -> int:
    from robusttest.report import files, terminal

    for target in a.report:
        files.renderer(target.kind)
        files.check_writable(target.path)
    report = _of_cells(a) or _of_records(a)
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
    from robusttest.store.readers import read

    expected = thresholds(a.expect, "--expect")

    records, notes = read(
        a.files,
        format=a.format,
        mapping=_once("--map", a.map),
        constants=_once("--set", a.constants),
        wide=a.wide,
        right=a.right,
        reference=a.reference,
        encoding=a.encoding,
    )
    return replace(_report(records, expected), notes=tuple(notes))


def _once(flag: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
    names = [ours for ours, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"{flag} names {twice[0]!r} twice")
    return dict(pairs)


def _report(records: list[Record], thresholds: Sequence[Threshold]) -> Report:
    from robusttest.engine.cell import Cell, grouped
    from robusttest.report.build import build

    cells = [Cell(key, rows, thresholds=tuple(thresholds)) for key, rows in grouped(records).items()]
    return build(_run_of(tuple(dict.fromkeys(c.model for c in cells))), cells)


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not equals or not ours or not theirs:
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME=VALUE, as in case_id=item or model=mine")
    return ours, theirs


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r}: write names of columns, each once, as in original,typo")
    return names
