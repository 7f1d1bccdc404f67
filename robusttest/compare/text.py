"""A comparison in words: lines for the terminal, and the parts that Markdown says too."""

from __future__ import annotations

import json
from collections.abc import Sequence

from robusttest.compare.model import REASONS, VERDICTS, CaseChange, CellComparison, Comparison
from robusttest.core.nouns import Json
from robusttest.stats.versions.paired import MARGIN, Change, ComparisonVerdict, about_p, fact, points

SHOWN_CASES = 3
SHOWN_CELLS = 8
"""Of cells that are neither regressed nor undecided, as many are told."""
SHOWN_NAMES = 6
ANSWER = 28
"""Characters of an answer in a line."""

WORDS: dict[ComparisonVerdict, str] = {
    "regressed": "REGRESSED",
    "undecided": "undecided",
    "no_worse": "no worse",
    "improved": "improved",
}
MEASURES = {"all": "all variants", "accuracy": "accuracy", "robust_accuracy": "robust accuracy"}


def lines(c: Comparison) -> list[str]:
    """One block for each cell, the worst first."""
    out = [f"against {c.old}: {summary(c)}"]
    quiet = [cell for cell in c.cells if cell.verdict in ("no_worse", "improved")]
    left_out = {id(cell) for cell in quiet[SHOWN_CELLS:]}
    for cell in c.cells:
        if id(cell) not in left_out:
            out += cell_lines(c, cell)
    if left_out:
        out.append(f"  and {len(left_out)} more that are no worse or improved")
    return [*out, *(f"  {line}" for line in outside(c))]


def outside(c: Comparison) -> list[str]:
    """What was not compared at all, and notes."""
    out = []
    for names, said in ((c.only_new, "not in the old run"), (c.only_old, "not in the new run")):
        if names:
            more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
            out.append(f"{said}: {', '.join(names[:SHOWN_NAMES])}{more}")
    return [*out, *(f"note: {note}" for note in c.notes)]


def summary(c: Comparison) -> str:
    """``1 regressed, 2 no worse``."""
    counts = [f"{n} {WORDS[v].lower()}" for v in VERDICTS if (n := c.count(v))]
    return ", ".join(counts) or "nothing compared"


def cell_lines(c: Comparison, cell: CellComparison) -> list[str]:
    """One cell in full: each line is indented by two or more."""
    main = cell.main
    head = f"  {WORDS[cell.verdict]}: {cell.name}"
    if main is None:
        out = [head]
    elif cell.verdict == "no_worse" and not any(_moved(x) for x in cell.changes):
        out = [f"{head}: {measure(main)}"]
    else:
        shown = [main, *(x for x in cell.changes[1:] if x.verdict in _TOLD or _moved(x))]
        out = [head, *(f"    {line}" for line in table(shown))]
    return [*out, *(f"    {line}" for line in details(cell, c.margin))]


_TOLD = ("regressed", "improved")


def table(changes: Sequence[Change]) -> list[str]:
    """Changes under each other: points with their interval, then and now, n, the adjusted p, the verdict."""
    rows = [("", *COLUMNS[1:-2], COLUMNS[-1], "")]
    for c in changes:
        name, points_, old, new, n, _, adjusted = columns(c)
        rows.append(
            (name, points_, old, new, n, adjusted, WORDS[c.verdict].lower() if c.verdict in _TOLD else "")
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(x.ljust(w) for x, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def details(cell: CellComparison, margin: float | None) -> list[str]:
    """Beyond the numbers: what would decide it, what happened on these cases, which ones, what was left out.

    A line that begins with two spaces belongs to the one before it.
    """
    main, quiet = cell.main, cell.verdict == "no_worse"
    out = [] if cell.covered else [uncovered(cell)]
    if cell.verdict == "undecided" and main is not None:
        out.append(verdict_reason(cell, margin))
    if main is not None:
        out.append(_excluded_drop(main, margin) if quiet else facts(cell))
    out += flips("broke", cell.broke, cell.n_broke)
    if not quiet:
        out += flips("fixed", cell.fixed, cell.n_fixed)
    if said := excluded(cell):
        out.append(f"not compared: {said}")
    return [*out, *(f"note: {note}" for note in cell.notes)]


def uncovered(cell: CellComparison) -> str:
    """What a gate fails whatever the verdict."""
    return f"the baseline does not cover this run: {cell.pairs:,} of {cell.held:,} variants that it holds were compared"


def _excluded_drop(main: Change, margin: float | None) -> str:
    allowed = MARGIN if margin is None else margin
    return fact(main) + ("" if main.identical else f"; a drop of {100 * allowed:g} points is excluded")


def _moved(c: Change) -> bool:
    """Worth a line of its own: the interval excludes no change."""
    return c.low is not None and c.high is not None and not c.low <= 0 <= c.high


COLUMNS = ("measure", "points", "then", "now", "n", "p", "Holm p")
"""Points are hundredths of the score; ``Holm p`` is adjusted over the suite, and is what the verdict goes by."""


def columns(c: Change) -> tuple[str, ...]:
    """One change as cells of a table, under `COLUMNS`."""
    interval = "" if c.low is None or c.high is None else f" [{points(c.low)}, {points(c.high)}]"
    worse = c.p_worse <= c.p_better
    adjusted = c.adjusted_worse if worse else c.adjusted_better
    return (
        MEASURES.get(c.measure, c.measure),
        points(c.difference) + interval,
        f"{c.old:.3f}",
        f"{c.new:.3f}",
        f"{c.n:,}" + (f" in {c.clusters:,} clusters" if c.clusters is not None else ""),
        p_value(c.p_worse if worse else c.p_better),
        "" if adjusted is None else p_value(adjusted),
    )


def measure(c: Change) -> str:
    """``all variants 0.0 points [-3.7, +3.7], 0.910 to 0.910, n=100``."""
    name, difference, old, new, n, _, _ = columns(c)
    value, _, interval = difference.partition(" ")
    return f"{name} {value} points {interval}".rstrip() + f", {old} to {new}, n={n}"


def p_value(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def verdict_reason(cell: CellComparison, margin: float | None) -> str:
    """Why there is no verdict, and what would bring one."""
    main = cell.main
    if main is None:
        return "nothing could be compared"
    if main.lower is None:
        return main.reason or "no interval"
    allowed = MARGIN if margin is None else margin
    said = f"a drop of {100 * allowed:g} points is not excluded, nor is one shown"
    if main.cases_needed is not None:
        said += f"; about {main.cases_needed:,} cases would decide it"
    return said


def facts(cell: CellComparison) -> str:
    """What happened on these cases, and what the p-value is about."""
    main = cell.main
    assert main is not None
    said = f"{fact(main)}; {about_p(noise=cell.noise)}"
    if main.detectable is not None:
        said += f"; a true drop of {100 * main.detectable:.1f} points would show in four of five samples like this"
    return said


def flips(head: str, changes: tuple[CaseChange, ...], total: int) -> list[str]:
    """The first cases, with both answers; each is indented under the count."""
    if not total:
        return []
    out = [f"{head}: {total:,} case{'s' * (total != 1)}", *(f"  {flip(x)}" for x in changes[:SHOWN_CASES])]
    return [*out, f"  and {total - SHOWN_CASES:,} more"] if total > SHOWN_CASES else out


def flip(x: CaseChange) -> str:
    """``t17::keyboard#0 (3 of 6 variants): billing → delivery (target billing)``."""
    name = f"{x.case_id}::{x.variants[0]}" if x.variants[0] else x.case_id
    many = f" ({len(x.variants)} of {x.of} variants)" if x.of > 1 else ""
    said = f"{name}{many}: {_said(x.old_answer, x.old_status, x.old_score)} → {_said(x.new_answer, x.new_status, x.new_score)}"
    if x.target is not None and x.target not in (x.old_answer, x.new_answer):
        said += f" (target {_text(x.target)})"
    return said


def _said(answer: Json, status: str, score: float) -> str:
    if answer is not None and status == "ok":
        return _text(answer)
    if status != "ok":
        return f"<{status}>"
    return "<right>" if score >= 1 else "<wrong>"


def _text(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= ANSWER else text[: ANSWER - 1] + "…"


def excluded(cell: CellComparison) -> str:
    """``12 of new cases, 3 other text put to the model``."""
    return ", ".join(f"{n:,} {REASONS[reason]}" for reason, n in cell.excluded.items())
