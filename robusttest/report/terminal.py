"""The section at the end of pytest's output: plain lines, readable at 80 columns and without colour.

One or two cells are told in full; more become a table, with the failing ones in full below it.
"""

from __future__ import annotations

from robusttest.report import text
from robusttest.report.cell import WORST, cell_lines, tally_lines, threshold_lines
from robusttest.report.cell import failure_lines as _failure_lines
from robusttest.report.escape import encodable, visible
from robusttest.report.model import OUTCOMES, CellReport, Report, label, outcome_word
from robusttest.report.page import Page
from robusttest.report.table import table_lines

FULL = 2
"""Up to this many cells are told in full whatever their verdicts."""

DETAILED = 3
"""Of many cells, at most so many failing ones are told in full."""


QUIET = "robustness: "
"""What pytest's ``-q`` puts before the one line."""


def render(
    report: Report,
    *,
    width: int = 80,
    color: bool = False,
    verbosity: int = 0,
    encoding: str = "utf-8",
    told: bool = False,
) -> list[str]:
    """Lines without line ends. ``verbosity`` < 0 is one line, > 0 shows every perturbation and reason, and
    every failing cell in full, > 1 every cell.

    ``encoding`` is the stream's: what it can't show is written in ASCII. No line is wider than ``width`` but the
    replay commands, which are to be copied whole. ``told``: the failing variants of failed tests stand elsewhere.
    Nothing from a case or a model reaches the terminal unescaped.
    """
    page = Page.of(width, color, encoding, verbosity, elsewhere=told)
    lines = [_one_line(page, report)] if verbosity < 0 else _whole(page, report)
    return [encodable(line.rstrip(), encoding) for line in lines]


def failure_lines(
    cell: CellReport, *, width: int = 80, color: bool = False, limit: int = WORST, encoding: str = "utf-8"
) -> list[str]:
    """A failing test's text: the thresholds that were missed and the worst variants with their replay commands."""
    page = Page.of(width, color, encoding)
    lines = [*threshold_lines(page, cell), *tally_lines(page, cell)]
    worst = _failure_lines(page, cell, limit)
    lines += ["", *worst] if worst else []
    return [encodable(line.rstrip(), encoding) for line in lines]


def _one_line(page: Page, report: Report) -> str:
    g = page.glyphs
    parts = [_outcomes(page, report)]
    parts += [
        f"{label(e.metric)} {text.number(e.value)}"
        for e in (report.cells[0].shown[:2] if len(report.cells) == 1 else ())
    ]
    if report.comparison is not None:
        parts.append(visible(report.comparison.summary))
    calls, *rest = _run_parts(page, report) or [""]
    short = calls.partition(" (")[0] + (f" ({report.run.errors:,} failed)" if report.run.errors else "")
    last = [] if report.run.complete else rest[-1:]  # that it is incomplete stays
    for said in ([calls, *rest], [short, *rest], [short, *rest[:1], *last], [short, *last]):
        line = f" {g.dot} ".join(x for x in [*parts, *dict.fromkeys(said)] if x)
        if page.size(line) <= page.width - len(QUIET):
            break
    return line


def _whole(page: Page, report: Report) -> list[str]:
    cells = report.cells
    lines: list[str] = []
    if len(cells) > FULL:
        lines += table_lines(page, cells)
        failing = [c for c in cells if c.outcome in ("failed", "error")]
        shown = list(cells) if page.verbosity > 1 else failing if page.verbosity > 0 else failing[:DETAILED]
        for cell in shown:
            lines += ["", *cell_lines(page, cell)]
        if page.verbosity <= 0 and len(failing) > len(shown):
            lines += ["", f"{len(failing) - len(shown)} more failing: see above, or -v for all in full"]
    else:
        for i, cell in enumerate(cells):
            lines += [*([""] if i else []), *cell_lines(page, cell)]
    if not cells and report.emergence is None:
        lines.append("no results")
    for note in report.notes:
        lines += page.wrapped(f"note: {visible(note)}", indent=2)
    for extra in (report.emergence, report.comparison, report.history):
        if told := page.told(extra):
            lines += ["", *told]
    return [*lines, "", *_footer(page, report)]


def _footer(page: Page, report: Report) -> list[str]:
    lines: list[str] = []
    for part in [_outcomes(page, report), *_run_parts(page, report)]:
        joined = f"{lines[-1]} {page.glyphs.dot} {part}" if lines else part
        if lines and page.size(joined) <= page.width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def _outcomes(page: Page, report: Report) -> str:
    said = [
        page.style.outcome(outcome, f"{n} {outcome_word(outcome)}")
        for outcome in OUTCOMES
        if (n := report.count(outcome))
    ]
    return ", ".join(said) or "nothing judged"


def _run_parts(page: Page, report: Report) -> list[str]:
    run = report.run
    if run.complete and not run.calls and run.cost is None:  # recorded elsewhere
        replies = sum(c.n_calls for c in report.cells)
        return [text.count(replies, "recorded reply", "recorded replies")] if report.cells else []
    calls = text.count(run.calls, "call")
    aside = [f"{run.cached:,} replayed"] if run.cached else []
    if aside and report.reply_age is not None:
        aside[0] += f", up to {text.duration(report.reply_age)} old"
    aside += [f"{run.errors:,} failed"] if run.errors else []
    parts = [calls + (f" ({', '.join(aside)})" if aside else ""), text.money(run.cost)]
    if run.duration is not None:
        parts.append(text.duration(run.duration))
    if not run.complete:
        parts.append(page.style.outcome("inconclusive", "incomplete run"))
    return parts
