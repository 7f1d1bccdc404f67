"""Cells by their sums → `Report`: the numbers of a run whose records are too many to read, cell by cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache

from robusttest.core.nouns import Estimate, RunInfo
from robusttest.errors import UsageError
from robusttest.metrics import METRICS
from robusttest.report.build import command_of, perturbation_rows, reactions, told_first, weakest
from robusttest.report.later import Later, LaterMapping
from robusttest.report.model import CellReport, Report
from robusttest.settings import ReportTarget
from robusttest.stats.cell.estimates import local, per_perturbation
from robusttest.stats.cell.table_cell import CellFacts, TableCell
from robusttest.store.shared import StoredSums

LEFT_OUT = "told by sums of cases: failing variants, advice and what else takes single records is left out"


OF_RECORDS = ("csv", "eee")
"""Reports that are a row or a file for each record."""


def check_kinds(targets: Iterable[ReportTarget]) -> None:
    """Raises `UsageError` for a report that sums have nothing for."""
    for target in targets:
        if target.kind in OF_RECORDS:
            raise UsageError(
                f"{target.kind}:{target.path}: this report is of records, and the folder of a run is told by its sums: give the run file in it"
            )


def build(run: RunInfo, cells: Iterable[StoredSums]) -> Report:
    """The report of a run by the sums of its cells, which are read when something is asked of them."""
    found = list(cells)
    times = Counter((s.cell.task, s.cell.model) for s in found)
    return Report(
        run=run,
        cells=tuple(_cell(s, ambiguous=times[s.cell.task, s.cell.model] > 1) for s in found),
        notes=(*run.notes, LEFT_OUT),
    )


def _cell(stored: StoredSums, *, ambiguous: bool) -> CellReport:
    cell, facts, load = stored

    @cache
    def ask(metric: str, perturbation: str | None = None, *, level: float = 0.95) -> Estimate:
        return load().estimate(metric, perturbation, level=level)

    rows = cache(lambda: tuple(perturbation_rows(load(), ask, *_of_facts(facts))))
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
        local=Later(lambda: tuple(ask(m, p) for p in per_perturbation(load()) for m in local(load(), p))),
        ways=Later(lambda: _ways(load())),
        graded=Later(lambda: not load().tables[None, False].measures.binary),
        weakest=Later(lambda: weakest(load(), ask, rows())),
        perturbations=Later(rows),
        reactions=Later(lambda: tuple(reactions(load(), ask))),
        first=Later(lambda: tuple(told_first(ask, facts.counts))),
        counts=facts.counts,
        n_failures=facts.n_failures,
        notes=cell.notes,
        adaptive=cell.adaptive,
        ambiguous=ambiguous,
    )


def _ways(sums: TableCell) -> tuple[int, int] | None:
    there = [int(k) for k in sums.tables[None, False].sums.k if k]
    return (min(there), max(there)) if there else None


def _of_facts(facts: CellFacts) -> tuple[dict[tuple[str, str], int], dict[str, tuple[str, float | None]]]:
    found = facts.perturbations
    left_out = {(p.spec, status): n for p in found for status, n in (p.counts or {}).items()}
    return left_out, {p.spec: (p.level, p.severity) for p in found}
