"""Try tasks with the usual perturbations and print their weaknesses, ranked, each with its number and an example.

WHAT is test files, folders or node ids (their declared tasks are tried, in the place of what they ask for), or one task
as FILE.py:NAME. --write makes a test of it, whose limits are what this scan showed for sure.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from robusttest.cli.console import color, encoding, option, positive, say, width
from robusttest.errors import UsageError

if TYPE_CHECKING:
    from robusttest.engine.cell import Cell
    from robusttest.report.weaknesses import Weakness
    from robusttest.tasks.task import Task

HELP = "try tasks with the usual perturbations and rank their weaknesses"


class Scanned(NamedTuple):
    """One task on one model; ``file`` and ``name`` are where the task is to be imported from."""

    cell: Cell
    found: tuple[Weakness, ...]
    lines: list[str]
    file: Path
    name: str | None


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("what", nargs="+", metavar="WHAT", help="tests, or a task as FILE.py:NAME")
    option(
        p,
        "model",
        help="a model to try, in the place of those that the tests name; several times for several",
    )
    option(p, "variants", help="variants of each perturbation for each case (default 3)", default=3)
    option(p, "limit", help="cases of each task, from the first (default 100)", default=100)
    option(p, "seed", help="as --robust-seed (default 0)")
    option(p, "max_cost", help="as --robust-max-cost")
    option(p, "replies", help="as --robust-replies")
    p.add_argument(
        "--perturbations", nargs="+", default=["usual"], metavar="SPEC", help="instead of the usual ones"
    )
    p.add_argument(
        "--top", type=positive, default=5, metavar="N", help="perturbations of the written test (5)"
    )
    p.add_argument(
        "--write", metavar="FILE.py", help="write a test of what was found, as tests/test_robustness.py"
    )


def run(a: argparse.Namespace) -> int:
    if a.write is not None and Path(a.write).exists():
        raise UsageError(f"--write {a.write}: it is there already, and is not overwritten; name another file")
    done = _task(a) if len(a.what) == 1 and _is_task(a.what[0]) else _tests(a)
    for i, scanned in enumerate(done):
        for line in [*([""] if i else []), *scanned.lines]:
            say(line)
    if a.write is not None:
        path = Path(a.write)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written(done, a.variants, a.top), encoding="utf-8")
        say()
        say(f"wrote {path}; run it: pytest {path}")
        folders = {s.file.resolve().parent for s in done} - {path.resolve().parent}
        for folder in sorted(folders):
            say(f"it imports from {folder}: put that folder on pytest's pythonpath, if it is not")
    return 0


def _is_task(what: str) -> bool:
    file, colon, name = what.rpartition(":")
    return bool(colon) and file.endswith(".py") and name.isidentifier()


def _task(a: argparse.Namespace) -> list[Scanned]:
    from robusttest.cli.loading import load_task

    where, _, name = a.what[0].rpartition(":")
    task = load_task(Path(where), name)
    if not a.model:
        raise UsageError(
            "no model to try: give --model NAME, as in --model openai/gpt-4o-mini or python:module:callable"
        )
    return [_scan(a, task, model, Path(where), name) for model in a.model]


def _tests(a: argparse.Namespace) -> list[Scanned]:
    from robusttest.plugin.scanning import ScannedTask, collected

    done: list[Scanned] = []

    def act(found: list[ScannedTask]) -> None:
        for f in found:
            models = a.model or f.models
            if not models:
                raise UsageError("no model to try: give --model NAME, or robust_model in the ini file")
            done.extend(_scan(a, f.task, model, f.file, f.name, f.settings) for model in models)

    collected(a.what, a.model, act)
    return done


def _scan(
    a: argparse.Namespace, task: Task, model: str, file: Path, name: str | None, settings: Any = None
) -> Scanned:
    from robusttest.evaluation import evaluate
    from robusttest.report.build import cell_report, worst_failures
    from robusttest.report.page import Page
    from robusttest.report.weaknesses import lines, weaknesses
    from robusttest.settings import Settings

    told = {
        "variants": a.variants,
        "limit": a.limit,
        "report": (),
        **{k: getattr(a, k) for k in ("seed", "max_cost", "replies") if getattr(a, k) is not None},
    }
    cell = evaluate(
        task, model=model, perturbations=a.perturbations, settings=replace(settings or Settings(), **told)
    )
    report = cell_report(cell)
    if report is None:
        raise UsageError(f"task {task.name!r} gave nothing to report")
    failures, _ = worst_failures(cell.records, limit=None)
    found = weaknesses(report, failures)
    page = Page.of(width(), color(), encoding())
    return Scanned(cell, found, lines(page, report, found), file, name)


def written(done: list[Scanned], variants: int, top: int) -> str:
    """A test file of what was found: the weakest perturbations of each task, and limits that this scan showed for sure."""
    imports, tests = [], []
    for scanned in done:
        if scanned.name is None:
            raise UsageError(
                f"--write: task {scanned.cell.task!r} has no name in {scanned.file}, so that no test can import it; "
                "assign it to a name there"
            )
        line = f"from {scanned.file.stem} import {scanned.name}"
        if line not in imports:
            imports.append(line)
        tests.append(_test(scanned, variants, top))
    head = '"""Written by `robusttest scan`. The limits are what the scan showed for sure: raise them as the model gets better."""'
    return "\n".join(
        [head, "", *imports, "", "from robusttest import robust", "", "", "\n\n\n".join(tests), ""]
    )


def _test(scanned: Scanned, variants: int, top: int) -> str:
    cell = scanned.cell
    weak = [w.row.perturbation for w in scanned.found[:top]] or list(cell.perturbations[:top])
    expect = []
    for metric in ("accuracy", "robust_accuracy") if cell.accuracy.value is not None else ():
        low = cell.metric(metric).low
        if low:
            expect.append(f"{metric} >= {floor(low * 100) / 100:.2f}")
    for w in scanned.found[:top]:
        high = w.row.flip_rate.high
        if high is not None and high < 1:
            expect.append(f"flip_rate[{w.row.perturbation}] <= {ceil(high * 100) / 100:.2f}")
    slug = "".join(c if c.isalnum() else "_" for c in f"{cell.task}_{cell.model.rpartition(':')[2]}").lower()
    lines = [
        "@robust(",
        f"    {scanned.name},",
        f"    models={_listed([cell.model])},",
        f"    perturbations={_listed(weak)},",
        f"    variants={variants},",
        "    expect=[",
        *(f"        {json.dumps(e)}," for e in expect),
        "    ],",
        ")",
        f"def test_{slug}():",
        '    """Declared above: the task is asked, scored and judged."""',
    ]
    return "\n".join(lines)


def _listed(names: list[str]) -> str:
    return json.dumps(names, ensure_ascii=False)
