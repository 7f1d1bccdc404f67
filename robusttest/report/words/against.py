"""A comparison in words: the verdict on each test first, what changed by how much, which cases broke, what was left out."""

from __future__ import annotations

import json
from collections.abc import Sequence

from robusttest.compare.model import REASONS, VERDICTS, CaseChange, CellComparison, Comparison
from robusttest.core.nouns import Json
from robusttest.report.blocks import (
    Block,
    Heading,
    Listing,
    Number,
    OutcomeWord,
    Section,
    Sentence,
    Table,
    TableColumn,
    TableRow,
    Term,
    Text,
)
from robusttest.report.model import CellOutcome
from robusttest.report.text import p_value
from robusttest.stats.versions.paired import MARGIN, Change, ComparisonVerdict, about_p, fact, points

SHOWN_CASES = 3
SHOWN_CELLS = 8
"""Of cells that are neither regressed nor undecided, a terminal tells as many."""
SHOWN_NAMES = 6
ANSWER = 28
"""Characters of an answer in a line."""

WORDS: dict[ComparisonVerdict, str] = {
    "regressed": "REGRESSED",
    "undecided": "undecided",
    "no_worse": "no worse",
    "improved": "improved",
}
LIKE: dict[ComparisonVerdict, CellOutcome] = {
    "regressed": "failed", "undecided": "inconclusive", "no_worse": "passed", "improved": "passed",
}  # fmt: skip
"""Verdict → the outcome that it is coloured like."""
MEASURES = {"all": "all variants", "accuracy": "accuracy", "robust_accuracy": "robust accuracy"}
TOLD = ("regressed", "improved")


def section(c: Comparison) -> Section:
    """The worst first; on a terminal the quiet ones beyond `SHOWN_CELLS` are counted."""
    quiet = [cell for cell in c.cells if cell.verdict in ("no_worse", "improved")]
    left_out = {id(cell) for cell in quiet[SHOWN_CELLS:]}
    blocks: list[Block] = [Sentence(text=(f"against {c.old}: {summary(c)}",), on="terminal")]
    if c.cells:
        blocks.append(_overview(c))
    for cell in c.cells:
        blocks.append(cell_section(c, cell, detail=int(id(cell) in left_out)))
    if left_out:
        said = f"and {len(left_out)} more that are no worse or improved"
        blocks.append(Sentence(text=(said,), indent=2, on="terminal", until=1))
    blocks += [
        Sentence(text=(line,), tone="note" if note else "plain", indent=2) for note, line in outside(c)
    ]
    return Section(
        key="comparison", heading=Heading(text=(f"Against {c.old}: {summary(c)}",)), blocks=tuple(blocks)
    )


def summary(c: Comparison) -> str:
    """``1 regressed, 2 no worse``."""
    counts = [f"{n} {WORDS[v].lower()}" for v in VERDICTS if (n := c.count(v))]
    return ", ".join(counts) or "nothing compared"


def outside(c: Comparison) -> list[tuple[bool, str]]:
    """What was not compared at all, and notes (True)."""
    out = []
    for names, said in ((c.only_new, "not in the old run"), (c.only_old, "not in the new run")):
        if names:
            more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
            out.append((False, f"{said}: {', '.join(names[:SHOWN_NAMES])}{more}"))
    return [*out, *((True, note) for note in c.notes)]


def _overview(c: Comparison) -> Table:
    """Of each cell the change over all variants, and what regressed or improved: for pages."""
    rows = []
    for cell in c.cells:
        shown = [x for i, x in enumerate(cell.changes) if i == 0 or x.verdict in TOLD]
        for i, x in enumerate(shown):
            verdict = cell.verdict if i == 0 else x.verdict
            said: Text = (OutcomeWord(WORDS[verdict], LIKE[verdict] if i == 0 else "none"),)
            rows.append(TableRow(cells=(said, (cell.name,), *columns(x)), plot=x))
        if not shown:
            rows.append(
                TableRow(
                    cells=((OutcomeWord(WORDS[cell.verdict], LIKE[cell.verdict]),), (cell.name,), *[()] * 7)
                )
            )
    return Table(
        label="Changes against the old version",
        columns=(TableColumn(head=("",)), TableColumn(head=("test",)), *COLUMNS),
        rows=tuple(rows),
        on="page",
        shape="overview",
    )


def cell_section(c: Comparison, cell: CellComparison, *, detail: int = 0) -> Section:
    """One cell in full."""
    main = cell.main
    blocks: list[Block] = []
    head = f"{WORDS[cell.verdict]}: {cell.name}"
    told = main is not None and cell.verdict == "no_worse" and not any(_moved(x) for x in cell.changes)
    facts: Text = (": ", *measure(main)) if told and main is not None else ()
    blocks.append(
        Sentence(
            text=(OutcomeWord(WORDS[cell.verdict], LIKE[cell.verdict]), f": {cell.name}", *facts),
            indent=2,
            on="terminal",
        )
    )
    if cell.changes:
        blocks.append(_changes(cell, hidden=told))
    blocks += details(cell, c.margin)
    return Section(
        key="compared", heading=Heading(text=(cell.name,), level=3, outcome=OutcomeWord(head.partition(":")[0].lower(), LIKE[cell.verdict])),
        blocks=tuple(blocks), detail=detail, opened=cell.verdict in ("regressed", "undecided"),
    )  # fmt: skip


def _changes(cell: CellComparison, *, hidden: bool) -> Table:
    """Changes under each other: points with their interval, then and now, n, the adjusted p, the verdict."""
    return Table(
        label=f"Changes of {cell.name}",
        columns=(*COLUMNS, TableColumn(head=("",))),
        rows=tuple(
            TableRow(
                cells=(*columns(x), (OutcomeWord(WORDS[x.verdict].lower(), LIKE[x.verdict]),) if x.verdict in TOLD else ()),
                brief=i == 0 or x.verdict in TOLD or _moved(x), plot=x,
            )
            for i, x in enumerate(cell.changes)
        ),
        indent=4,
        gap=False,
        on="page" if hidden else "",
        shape="changes",
    )  # fmt: skip


COLUMNS = (
    TableColumn(head=("",), name=True),
    TableColumn(head=(Term("points", "points"),)),
    TableColumn(head=("then",)),
    TableColumn(head=("now",)),
    TableColumn(head=("n",), align="right"),
    TableColumn(head=("p",), on="page"),
    TableColumn(head=(Term("Holm p", "Holm p"),)),
)
"""Points are hundredths of the score; ``Holm p`` is adjusted over the suite, and is what the verdict goes by."""


def columns(c: Change) -> tuple[Text, ...]:
    """One change as cells of a table, under `COLUMNS`."""
    worse = c.p_worse <= c.p_better
    p = c.p_worse if worse else c.p_better
    adjusted = c.adjusted_worse if worse else c.adjusted_better
    many: Text = (
        (" in ", Number(c.clusters, f"{c.clusters:,}"), " clusters") if c.clusters is not None else ()
    )
    return (
        (MEASURES.get(c.measure, c.measure),),
        _difference(c),
        (Number(c.old, f"{c.old:.3f}"),),
        (Number(c.new, f"{c.new:.3f}"),),
        (Number(c.n, f"{c.n:,}"), *many),
        (Number(p, p_value(p)),),
        () if adjusted is None else (Number(adjusted, p_value(adjusted)),),
    )


def _difference(c: Change) -> Text:
    value = Number(c.difference, points(c.difference))
    if c.low is None or c.high is None:
        return (value,)
    return (value, " [", Number(c.low, points(c.low)), ", ", Number(c.high, points(c.high)), "]")


def measure(c: Change) -> Text:
    """``all variants 0.0 points [-3.7, +3.7], 0.910 to 0.910, n=100``."""
    name, (value, *limits), old, new, n, _, _ = columns(c)
    between: Text = (" [", *limits[1:]) if limits else ()
    return (*name, " ", value, " points", *between, ", ", *old, " to ", *new, ", n=", *n)


def _moved(c: Change) -> bool:
    """Worth a line of its own: the interval excludes no change."""
    return c.low is not None and c.high is not None and not c.low <= 0 <= c.high


def details(cell: CellComparison, margin: float | None) -> list[Block]:
    """Beyond the numbers: what would decide it, what happened on these cases, which ones, what was left out."""
    main, quiet = cell.main, cell.verdict == "no_worse"
    said = [] if cell.covered else [uncovered(cell)]
    if cell.verdict == "undecided" and main is not None:
        said.append(verdict_reason(cell, margin))
    if main is not None:
        said.append(_excluded_drop(main, margin) if quiet else facts(cell))
    said += behind(cell)
    out: list[Block] = [Sentence(text=(line,), indent=4) for line in said]
    out += flips("broke", cell.broke, cell.n_broke)
    if not quiet:
        out += flips("fixed", cell.fixed, cell.n_fixed)
    if left := excluded(cell):
        out.append(Sentence(text=(f"not compared: {left}",), indent=4))
    return [*out, *(Sentence(text=(note,), tone="note", indent=4) for note in cell.notes)]


def uncovered(cell: CellComparison) -> str:
    """What a gate fails whatever the verdict."""
    return f"the baseline does not cover this run: {cell.pairs:,} of {cell.held:,} variants that it holds were compared"


def _excluded_drop(main: Change, margin: float | None) -> str:
    allowed = MARGIN if margin is None else margin
    return fact(main) + ("" if main.identical else f"; a drop of {100 * allowed:g} points is excluded")


def verdict_reason(cell: CellComparison, margin: float | None) -> str:
    """Why there is no verdict, and what would bring one."""
    main = cell.main
    if main is None:
        return "nothing could be compared"
    if main.lower is None:
        return main.reason or "no interval"
    if main.swallowed:
        return "the judge's errors swallow the difference, and more labelled answers would settle it"
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


def behind(cell: CellComparison) -> list[str]:
    """What the judge's errors do to the changes."""
    main = cell.main
    if main is None or main.behind is None:
        return []
    judged = f"{points(main.behind.difference)} points as judged"
    if main.lower is None and main.reason == main.behind.errors:
        return [judged + " say nothing of the model"]
    said = [f"behind the judge's errors ({main.behind.errors}); {judged}"]
    if names := [MEASURES.get(c.measure, c.measure) for c in cell.changes[1:] if c.swallowed]:
        said.append(f"the judge's errors swallow the difference in {', '.join(names)}, too")
    if any(c.measure == "robust_accuracy" and c.behind is None for c in cell.changes):
        said.append(
            "robust accuracy is as judged: no formula takes a judge's errors back from worst variants"
        )
    return said


def flips(head: str, changes: Sequence[CaseChange], total: int) -> list[Block]:
    """The first cases, with both answers; each is indented under the count."""
    if not total:
        return []
    items: list[tuple[int, Text]] = [(0, (flip(x),)) for x in changes[:SHOWN_CASES]]
    if total > SHOWN_CASES:
        items.append((0, (f"and {total - SHOWN_CASES:,} more",)))
    return [Listing(head=(f"{head}: {total:,} case{'s' * (total != 1)}",), items=tuple(items), indent=4)]


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
