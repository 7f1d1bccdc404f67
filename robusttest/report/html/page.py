"""What goes on the page and in which order; what is left out of a large one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from robusttest.core.nouns import Json, RunInfo, Verdict
from robusttest.report import text
from robusttest.report.blocks import plain
from robusttest.report.history import HistoryLine
from robusttest.report.html import plots
from robusttest.report.html.against import Against, against
from robusttest.report.html.plots import Forest, HistoryPlot, Scatter, SeverityCurve, Split, Whisker
from robusttest.report.model import OUTCOMES, CellOutcome, CellReport, Report
from robusttest.report.words import cell as cell_words
from robusttest.report.words.run import MODELS

MANY_VERDICTS = 15
"""More than so many: the passed ones are folded away."""
DETAILED = 40
"""Cells told in full; the worst first."""
OPEN = 3
"""Of these so many are unfolded."""
PANELS = 36
"""Severity curves."""

MARKS = {
    "passed": "✓", "failed": "✗", "error": "!", "inconclusive": "?", "not_run": "–", "xpassed": "?", "xfailed": "–",
    "skipped": "–", "none": "–",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class JudgedCell:
    cell: CellReport
    verdict: Verdict
    gauge: Whisker | None


@dataclass(frozen=True, slots=True)
class Numbered:
    """A cell with its place in the report, which is its anchor."""

    index: int
    cell: CellReport


@dataclass(frozen=True, slots=True)
class Detail:
    index: int
    cell: CellReport
    forest: Forest


@dataclass(frozen=True, slots=True)
class Advised:
    cell: CellReport
    lines: tuple[str, ...]
    split: Split | None


@dataclass(frozen=True, slots=True)
class HtmlPage:
    title: str
    outcomes: tuple[tuple[CellOutcome, int], ...]
    facts: tuple[str, ...]
    counts: tuple[str, ...]
    """Cells, calls, cost, time."""
    notes: tuple[str, ...]
    """What is missing, before anything else."""
    judged: tuple[JudgedCell, ...]
    passed: tuple[JudgedCell, ...]
    """Folded away where there are many."""
    cells: tuple[Numbered, ...]
    models: int
    scatters: tuple[Scatter, ...]
    details: tuple[Detail, ...]
    severities: tuple[SeverityCurve, ...]
    more_severities: int
    advised: tuple[Advised, ...]
    against: Against | None
    history: tuple[tuple[HistoryLine, HistoryPlot], ...]
    settings: tuple[tuple[str, str], ...]


def build(report: Report) -> HtmlPage:
    """Order and selection; every number is the report's."""
    numbered = [Numbered(i, c) for i, c in enumerate(report.cells)]
    worst = sorted(numbered, key=lambda n: OUTCOMES.index(n.cell.outcome))
    judged = [JudgedCell(n.cell, v, plots.gauge(v)) for n in worst for v in n.cell.verdicts]
    judged.sort(key=lambda j: OUTCOMES.index(j.verdict.status))
    fold = len(judged) > MANY_VERDICTS
    detailed = [
        n
        for n in worst
        if n.cell.perturbations
        or n.cell.reactions
        or n.cell.first
        or n.cell.tallies
        or n.cell.notes
        or n.cell.judge is not None
        or n.cell.turns
    ][:DETAILED]
    axis = plots.forest_axis(n.cell for n in detailed)
    curves = plots.severity_curves(n.cell for n in worst)
    history: Sequence[HistoryLine] = report.history or ()
    return HtmlPage(
        title=f"robusttest: {report.run.label or report.run.id}",
        outcomes=tuple((o, n) for o in OUTCOMES if o != "none" if (n := report.count(o))),
        facts=tuple(_facts(report)),
        counts=tuple(_counts(report)),
        notes=tuple(_notes(report)),
        judged=tuple(j for j in judged if not fold or j.verdict.status != "passed"),
        passed=tuple(j for j in judged if fold and j.verdict.status == "passed"),
        cells=tuple(worst),
        models=len({c.model for c in report.cells}),
        scatters=tuple(plots.scatters(report.emergence)) if report.emergence is not None else (),
        details=tuple(Detail(n.index, n.cell, plots.forest(n.cell, axis)) for n in detailed),
        severities=tuple(curves[:PANELS]),
        more_severities=max(0, len(curves) - PANELS),
        advised=tuple(_advised(report)),
        against=None if report.comparison is None else against(report.comparison),
        history=tuple((line, plots.history_plot(line)) for line in history if len(line.versions) > 1),
        settings=tuple((k, _setting(v)) for k, v in sorted(report.run.settings.items())),
    )


def _advised(report: Report) -> list[Advised]:
    """The largest error first: there is the most to gain."""
    cells = [c for c in report.cells if c.advice is not None]
    cells.sort(key=lambda c: -(c.advice.error or 0.0))
    found = plots.splits(c.advice for c in cells)
    return [
        Advised(c, tuple(plain(s.text) for s in cell_words.advised(c)), split)
        for c, split in zip(cells, found, strict=True)
    ]


def _facts(report: Report) -> list[str]:
    run = report.run
    return [
        *([f"label {run.label}"] if run.label else []),
        *(f"{model} version {version}" for model, version in list(run.model_versions.items())[:MODELS]),
        run.created[:16].replace("T", " ") + " UTC",
        *_commit(run),
    ]


def _commit(run: RunInfo) -> list[str]:
    return [f"commit {run.commit[:10]}{' with changes' if run.dirty else ''}"] if run.commit else []


def _counts(report: Report) -> list[str]:
    run = report.run
    cells = f"{text.count(len(report.cells), 'cell')} (task × model)"
    if run.complete and not run.calls and run.cost is None and report.cells:
        recorded = sum(c.n_calls for c in report.cells)
        return [cells, text.count(recorded, "recorded reply", "recorded replies")]
    calls = text.count(run.calls, "call")
    if run.cached:
        age = "" if report.reply_age is None else f", up to {text.duration(report.reply_age)} old"
        calls += f", {run.cached:,} replayed{age}"
    if run.errors:
        calls += f", {run.errors:,} failed"
    return [
        cells,
        calls,
        text.money(run.cost),
        *([] if run.duration is None else [text.duration(run.duration)]),
    ]


def _notes(report: Report) -> list[str]:
    run = report.run
    out = (
        []
        if run.complete
        else ["Incomplete run: it ended before all calls were made. Numbers are over what it had."]
    )
    if not report.cells:
        out.append("No results: the run holds no reply and no verdict, so there is nothing to show.")
    for c in report.cells:
        if c.n_cases == 0:
            out.append(f"{_name(c)}: no replies, so no numbers.")
        elif c.coverage is not None and c.coverage < 1:
            out.append(
                f"{_name(c)}: {text.percent(c.coverage)} of the planned {c.got}; the rest is in no number."
            )
    return [*out, *report.notes]


def _name(c: CellReport) -> str:
    return f"{c.name} · {c.model}" if c.model else c.name


def _setting(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
