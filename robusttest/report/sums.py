"""Cells by their sums → `Report`: the numbers of a run whose records are too many to read, cell by cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache

from robusttest.core.nouns import RunInfo
from robusttest.engine.cell import Cell
from robusttest.metrics import METRICS
from robusttest.report.build import command_of, perturbation_rows, reactions, told_first, weakest
from robusttest.report.later import Later, LaterMapping
from robusttest.report.model import CellReport, Report
from robusttest.stats.cell.estimates import local, per_perturbation
from robusttest.stats.cell.table_cell import TableCell

LEFT_OUT = "told by sums of cases: failing variants, advice and what else takes single records is left out"


def build(run: RunInfo, cells: Iterable[tuple[Cell, TableCell]]) -> Report:
    """The report of a run; a cell is what the run file says of it (its verdicts, its outcome), with its sums."""
    found = list(cells)
    times = Counter((cell.task, cell.model) for cell, _ in found)
    return Report(
        run=run,
        cells=tuple(_cell(cell, sums, ambiguous=times[cell.task, cell.model] > 1) for cell, sums in found),
        notes=(*run.notes, LEFT_OUT),
    )


def _cell(cell: Cell, sums: TableCell, *, ambiguous: bool) -> CellReport:
    facts, ask = sums.facts, cache(sums.estimate)
    rows = cache(lambda: tuple(perturbation_rows(sums, ask, *_of_facts(sums))))
    names = per_perturbation(sums)
    measures = sums.tables[None, False].measures
    return CellReport(
        key=cell.key,
        item=cell.outcome,
        reason=cell.reason,
        verdicts=cell.verdicts,
        command=command_of(cell),
        n_cases=facts.n_cases,
        n_variants=facts.n_variants,
        n_calls=facts.n_calls,
        coverage=facts.coverage,
        overall=LaterMapping(METRICS, ask),
        local=Later(lambda: tuple(ask(m, p) for p in names for m in local(sums, p))),
        ways=Later(lambda: (min(ways), max(ways)) if (ways := [int(k) for k in measures.k if k]) else None),
        graded=Later(lambda: not measures.binary),
        weakest=Later(lambda: weakest(sums, ask, rows())),
        perturbations=Later(rows),
        reactions=Later(lambda: tuple(reactions(sums, ask))),
        first=Later(lambda: tuple(told_first(ask, facts.counts))),
        counts=facts.counts,
        n_failures=facts.n_failures,
        notes=cell.notes,
        adaptive=cell.adaptive,
        ambiguous=ambiguous,
    )


def _of_facts(sums: TableCell) -> tuple[dict[tuple[str, str], int], dict[str, tuple[str, float | None]]]:
    found = sums.facts.perturbations
    left_out = {(p.spec, status): n for p in found for status, n in (p.counts or {}).items()}
    return left_out, {p.spec: (p.level, p.severity) for p in found}
