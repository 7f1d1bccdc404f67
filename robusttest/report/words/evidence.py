"""What is behind the numbers: what made answers flip, which knob matters, slices, answers taken for others, prompts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from robusttest.core.nouns import Estimate
from robusttest.report import text as written
from robusttest.report.blocks import (
    Block,
    Code,
    Figure,
    Heading,
    Number,
    Section,
    Sentence,
    Strong,
    Table,
    TableColumn,
    TableRow,
    Term,
    Text,
    Value,
)
from robusttest.report.model import CellReport, Report, label
from robusttest.report.words import lines

if TYPE_CHECKING:
    from robusttest.stats.across.blame import Blame
    from robusttest.stats.across.factors import Design, FactorRow
    from robusttest.stats.across.prompts import SideBySide
    from robusttest.stats.across.slices import Slices
    from robusttest.stats.cell.confusion import Confusion
    from robusttest.stats.cell.judges import Judge
    from robusttest.stats.cell.turns import Turn


def of_cell(c: CellReport) -> Iterable[Block]:
    if c.judge is not None:
        yield from _judge(c.judge)
    if c.turns:
        yield _turns(c.turns)
    if c.blame is not None:
        yield from _blame(c.blame)
    for design in c.factors:
        yield from _design(design)
    if c.slices is not None:
        yield from _slices(c.slices)
    if c.confusion is not None and c.confusion.pairs:
        yield from _confusion(c.confusion, detail=0 if c.slices is not None else 1)


def of_run(report: Report) -> Iterable[Section]:
    """Prompts side by side, and factors over all cells."""
    for found in report.prompts:
        yield Section(
            key="prompts", heading=Heading(text=(f"Prompts of {found.key.task}",)), blocks=_prompts(found)
        )
    if report.factors:
        yield Section(
            key="factors", heading=Heading(text=("Which knob matters",)), blocks=_table(report.factors)
        )


def _lines(told: Iterable[str], detail: int = 0) -> Iterable[Sentence]:
    for line in told:
        lead = len(line) - len(line.lstrip(" "))
        yield Sentence(text=(line.lstrip(" "),), indent=2 + lead, on="terminal", detail=detail)


def _number(value: float | None, digits: int = 3) -> Text:
    return ("-",) if value is None else (Number(value, written.number(value, digits)),)


def _p(value: float | None, reason: str | None) -> Text:
    return (reason or "-",) if value is None else (Number(value, written.p_value(value)),)


TELLING = 1 / 3
"""Where nothing but unreadable replies was told from the wording, a terminal says so if they are this share of flips."""


def _blame(b: Blame) -> Iterable[Block]:
    unreadable = sum(p.value for p in b.parts if p.kind == "unreadable")
    brief = len(b.unmeasured) < 2 or unreadable >= TELLING * b.flips
    yield Sentence(text=flips(b), indent=2, detail=int(not brief))
    yield Figure(kind="blame", data=b)
    yield Table(
        label="What made answers flip",
        columns=(TableColumn(head=(f"{b.of} that flip",), name=True), TableColumn(head=("share [95 %]",)), TableColumn(head=("n",), align="right")),
        rows=tuple(
            TableRow(cells=((name,), (_share(value), _limits(low, high)), (Number(b.n, f"{b.n:,}"),)))
            for name, value, low, high in (
                *((p.label, p.value, p.low, p.high) for p in b.parts), ("all", b.flips, b.low, b.high),
            )
        ),
        legend=(
            ("not measured, so within the wording: " + ", ".join(b.unmeasured),) if b.unmeasured else ()
        ),
        on="page",
        shape="blame",
    )  # fmt: skip


def flips(b: Blame) -> Text:
    """How many answers (grades) flip, and what of it is whose doing."""
    parts = [p for part in b.told for p in (", ", f"{part.label} ", _share(part.value))][1:]
    rest = f"; not measured, so within the wording: {', '.join(b.unmeasured)}" if b.unmeasured else ""
    return (f"{b.of} flip ", _share(b.flips), " (n=", Number(b.n, f"{b.n:,}"), "): ", *parts, rest)


def _share(value: float) -> Number:
    return Number(value, f"{100 * value:.1f} %")


def _limits(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]"


def _turns(found: Sequence[Turn]) -> Table:
    """Where a conversation goes wrong."""
    varied = any(t.perturbed.value is not None for t in found)
    columns = [
        TableColumn(head=("turn of the conversation",), name=True), TableColumn(head=(Term("as written", "as written"),)),
        *([TableColumn(head=(Term("pass rate", "pass rate"),))] if varied else []), TableColumn(head=("n",), align="right"),
    ]  # fmt: skip
    rows = []
    for t in found:
        n = max(t.written.n, t.perturbed.n)
        values: list[Text] = [(Value(t.written),), *([(Value(t.perturbed),)] if varied else [])]
        rows.append(TableRow(cells=((f"{t.number}",), *values, (Number(n, f"{n:,}"),))))
    return Table(label="Conversations turn by turn", columns=tuple(columns), rows=tuple(rows))


def _judge(j: Judge) -> Iterable[Block]:
    rows = [TableRow(cells=((name,), (Value(e),), (Number(e.n, f"{e.n:,}"),))) for name, e in j.told]
    for seen, true in zip(j.observed, j.corrected, strict=True):
        name = label(seen.metric)
        rows.append(
            TableRow(cells=((f"{name} as judged",), (Value(seen),), (Number(seen.n, f"{seen.n:,}"),)))
        )
        rows.append(
            TableRow(cells=((f"{name} behind its errors",), (Value(true),), (Number(true.n, f"{true.n:,}"),)))
        )
    said = [j.refused] if j.refused else []
    if j.ungraded:
        said.append(f"{j.ungraded:,} further verdicts had no grade and count in none of these")
    if j.corrected:
        said.append("worst cases over variants, flips and consistency are as judged")
    head = f"the judge {j.model}" if j.model else "the judge"
    yield Table(
        label="How far the judge is to be trusted",
        columns=(
            TableColumn(head=(Term(head, "judge"),), name=True), TableColumn(head=("value [95 %]",)),
            TableColumn(head=("n",), align="right"),
        ),
        rows=tuple(rows),
        legend=("; ".join(said),) if said else (),
    )  # fmt: skip


def _design(d: Design) -> Iterable[Block]:
    yield from _lines(lines.of_design(d))
    rows = []
    for f in (*d.factors, *([d.together] if d.together is not None else [])):
        levels = ", ".join(f"{level.name} {level.accuracy:.3f}" for level in f.levels)
        rows.append(
            TableRow(
                cells=(
                    (Strong(f.name),) if f.matters else (f.name,), (levels,), _number(f.eta2),
                    ("-",) if f.f is None or f.df is None else (Number(f.f, f"{f.f:.2f} ({f.df[0]:g}, {f.df[1]:.4g})"),),
                    _p(f.p_adjusted if f.levels else f.p, f.reason),
                )
            )
        )  # fmt: skip
    yield Table(
        label="Which knob matters",
        columns=(
            TableColumn(head=(Term("factor", "factor"),), name=True), TableColumn(head=("accuracy at each level",)),
            TableColumn(head=(Term("partial η²", "partial eta squared"),), align="right"), TableColumn(head=("F (df)",), align="right"),
            TableColumn(head=("p (Holm)",), align="right"),
        ),
        rows=tuple(rows),
        legend=(
            "a factor is one knob of the crossed design; partial η² is the share of what varies within cases, and is not other "
            f"factors' doing, that goes with it; {d.n:,} cases in {d.configurations} configurations; together: what the levels do "
            "beyond the sum of what each does",
        ),
        on="page",
        shape="factors",
    )  # fmt: skip


def _slices(s: Slices) -> Iterable[Block]:
    yield from _lines(lines.of_slices(s))
    names = (
        ("flip_rate", "output_consistency")
        if s.compared == "flip_rate"
        else ("accuracy", "robust_accuracy", "flip_rate")
    )
    shown = [m for m in names if s.slices and any(e.metric == m for e in s.slices[0].metrics)]
    for column in dict.fromkeys(x.column for x in s.slices):
        yield Table(
            label=f"By {column}",
            columns=(
                TableColumn(head=(f"by {column}",), name=True), TableColumn(head=("n",), align="right"),
                *(TableColumn(head=(Term(label(m), label(m)),)) for m in shown),
                TableColumn(head=("against the rest",), align="right"), TableColumn(head=("p (Holm)",), align="right"),
            ),
            rows=tuple(
                TableRow(
                    cells=(
                        (Strong(x.value),) if x.differs else (x.value,), (Number(x.n, f"{x.n:,}"),),
                        *((Value(x.metric(m)),) for m in shown),
                        ("-",) if x.difference is None else (Number(x.difference, f"{written.points(x.difference)} points"),),
                        _p(x.p_adjusted, x.reason),
                    )
                )
                for x in s.slices
                if x.column == column
            ),
            on="page",
            shape="slices",
        )  # fmt: skip
    for note in s.notes:
        yield Sentence(text=(note,), tone="note", on="page")


def _confusion(c: Confusion, detail: int) -> Iterable[Block]:
    yield from _lines(lines.of_confusion(c), detail)
    yield Table(
        label="Answers taken for others",
        columns=(
            TableColumn(head=("right answer",), name=True), TableColumn(head=("given instead",)), TableColumn(head=("replies",), align="right"),
            TableColumn(head=("of those unperturbed",), align="right"), TableColumn(head=("cases",), align="right"),
        ),
        rows=tuple(
            TableRow(
                cells=(
                    (_answer(p.target),), (_answer(p.answer),), (Number(p.count, f"{p.count:,} of {p.of:,}"),),
                    (Number(p.unperturbed, f"{p.unperturbed:,} of {p.of_unperturbed:,}"),), (Number(p.cases, f"{p.cases:,}"),),
                )
            )
            for p in c.pairs
        ),
        on="page",
        shape="confusion",
    )  # fmt: skip


def _answer(value: Any) -> Code:
    from robusttest.stats.cell.confusion import text

    return Code(text(value))


def _prompts(found: SideBySide) -> tuple[Block, ...]:
    first, *rest = lines.of_prompts(found)
    shown = [
        m
        for m in ("accuracy", "robust_accuracy", "flip_rate")
        if any(p.metric(m).value is not None for p in found.prompts)
    ]
    table = Table(
        label=f"Prompts of {found.key.task} on {found.key.model}" if found.key.model else f"Prompts of {found.key.task}",
        columns=(
            TableColumn(head=("prompt",), name=True), *(TableColumn(head=(Term(label(m), label(m)),)) for m in shown),
            TableColumn(head=("behind the best",)), TableColumn(head=("p (Holm)",), align="right"),
            TableColumn(head=("best with probability",), align="right"), TableColumn(head=("regret",), align="right"),
        ),
        rows=tuple(
            TableRow(
                cells=(
                    (p.name,), *((Value(p.metric(m)),) for m in shown),
                    (Value(Estimate(metric="drop", value=p.behind, low=p.low, high=p.high, n=found.n)),) if p.p is not None else ("-",),
                    _p(p.p_adjusted, None), _number(p.best, 2), _number(p.regret),
                )
            )
            for p in found.prompts
        ),
        legend=("regret: by how much the best prompt is better, on average over what the cases leave open",),
        on="page",
        shape="prompts",
    )  # fmt: skip
    return (
        Sentence(text=(first,)),
        *(Sentence(text=(line.strip(),), indent=2, on="terminal") for line in rest),
        table,
    )


def _table(rows: tuple[FactorRow, ...]) -> tuple[Block, ...]:
    return (
        Table(
            label="Factors over all cells",
            columns=(
                TableColumn(head=(Term("factor", "factor"),), name=True), TableColumn(head=("matters in",), align="right"),
                TableColumn(head=(Term("partial η²", "partial eta squared"), ", median"), brief="η² median", align="right"),
                TableColumn(head=("largest",), align="right"),
                TableColumn(head=("best to worst level, median",), brief="range", align="right"),
            ),
            rows=tuple(
                TableRow(
                    cells=(
                        (r.name,), (Number(r.mattering, f"{r.mattering:,} of {r.tested:,} tested ({r.cells:,} cells)"),),
                        _number(r.eta2_median), _number(r.eta2_most), _number(r.range_median),
                    )
                )
                for r in rows
            ),
            shape="factors",
        ),
    )  # fmt: skip
