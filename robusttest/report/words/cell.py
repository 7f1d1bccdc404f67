"""One test × task × model in full: the sentence, thresholds, numbers, perturbations, what was no answer, what failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from robusttest.core.nouns import Estimate, Verdict
from robusttest.report import text as written
from robusttest.report.blocks import (
    Block,
    Code,
    Failing,
    Heading,
    Number,
    OutcomeWord,
    Section,
    Sentence,
    Table,
    TableColumn,
    TableRow,
    Term,
    Text,
    Value,
    count,
)
from robusttest.report.model import CellReport, PerturbationRow, label, outcome_word
from robusttest.report.words import advice as advising
from robusttest.report.words import evidence
from robusttest.report.words.summary import summary_sentence

if TYPE_CHECKING:
    from robusttest.compare import Comparison

ROWS = 6
"""Perturbations that a terminal shows where there are more: the ones with the lowest pass rate."""

ORDER = ("error", "failed", "inconclusive", "passed")
"""Of thresholds: what needs a look comes first."""

BRIEF = {"robust accuracy": "robust acc."}
"""Heads where it gets tight."""


def section(c: CellReport, index: int = 0, found: Comparison | None = None) -> Section:
    lead = summary_sentence(c, found)
    blocks: list[Block] = [] if lead is None else [lead]
    if c.outcome not in ("passed", "none") and c.reason:
        said = f"{outcome_word(c.outcome)}: {c.reason}"
        blocks.append(Sentence(text=(said,), indent=2, cut=True, elsewhere=True))
    blocks += [Sentence(text=(said,), tone="first", indent=2) for said in c.first]
    if c.verdicts:
        blocks.append(thresholds(c))
    blocks += _metrics(c)
    if c.perturbations:
        blocks.append(_perturbations(c))
    if c.reactions:
        blocks.append(_reactions(c))
    blocks += _tallies(c)
    blocks += advice(c)
    blocks += evidence.of_cell(c)
    blocks += [Sentence(text=(note,), tone="note", indent=2) for note in c.notes]
    if c.failures:
        shown = c.item in ("failed", "error")
        detail = int(c.outcome == "passed")
        blocks.append(Failing(failures=c.failures, total=c.n_failures, elsewhere=shown, detail=detail))
    return Section(
        key="cell", heading=heading(c), blocks=tuple(blocks), outcome=c.outcome, index=index,
    )  # fmt: skip


def heading(c: CellReport) -> Heading:
    facts: Text = (*count(c.n_cases, "case"), " × ", *count(c.n_variants, "variant"))
    if c.coverage is not None and c.coverage < 1:
        facts += (", ", Number(c.coverage, written.percent(c.coverage)), f" of {c.got}")
    return Heading(
        text=(c.title,), level=2, facts=facts,
        outcome=None if c.outcome == "none" else OutcomeWord(outcome_word(c.outcome).upper(), c.outcome),
    )  # fmt: skip


def thresholds(c: CellReport) -> Table:
    """A cell's thresholds, the missed ones first."""
    return Table(
        label="Thresholds and their verdicts",
        columns=_THRESHOLD_COLUMNS,
        rows=tuple(threshold_row(v) for v in sorted(c.verdicts, key=lambda v: ORDER.index(v.status))),
        heads=False,
        on="terminal",
        shape="verdicts",
    )


_THRESHOLD_COLUMNS = (
    TableColumn(head=("verdict",), least=11),
    TableColumn(head=(Term("threshold", "threshold"),), name=True),
    TableColumn(head=("value",)),
    TableColumn(head=("n",), align="right", aside="n={}"),
)


def threshold_row(v: Verdict) -> TableRow:
    e = v.estimate
    note = written.verdict_note(v)
    status = OutcomeWord(v.status, v.status)
    if e is None or e.value is None:
        return TableRow(
            cells=((status,), (Code(str(v.threshold)),), (), ()), note=(note or v.reason,), plot=v
        )
    return TableRow(
        cells=((status,), (Code(str(v.threshold)),), (Value(e),), (Number(e.n, f"{e.n:,}"),)),
        note=(note,) if note else (), plot=v,
    )  # fmt: skip


def _metrics(c: CellReport) -> Iterable[Block]:
    """Headings, values with their n, intervals; pass^k on a line of its own, which takes no column from the headline."""
    shown = [e for e in c.shown if e is not c.repeated]
    if not shown:
        return
    yield Table(
        label="Metrics",
        columns=tuple(
            TableColumn(head=(Term(label(e.metric), label(e.metric)),), brief=BRIEF.get(label(e.metric), ""))
            for e in shown
        ),
        rows=(TableRow(cells=tuple((Value(e),) for e in shown)),),
        stacked=True,
        on="terminal",
    )
    if c.repeated is not None:
        n = Number(c.repeated.n, f"{c.repeated.n:,}")
        told: Text = (Term(label(c.repeated.metric), "pass^k"), ": ", Value(c.repeated), ", n=", n)
        yield Sentence(text=told, indent=2, on="terminal")
    for e in shown:
        if e.reason and (e.value is None or e.low is None):
            yield Sentence(text=(f"{label(e.metric)}: {e.why}",), indent=2, detail=1, on="terminal")


def _perturbations(c: CellReport) -> Table:
    rows = list(c.perturbations)
    ranked = sorted(rows, key=lambda r: 2.0 if r.pass_rate.value is None else r.pass_rate.value)
    keep = {id(r) for r in (ranked[:ROWS] if len(rows) > ROWS else rows)}
    floor = any(r.net_drop is not None and r.net_drop.value is not None for r in rows)
    name = "does it stay right?" if c.reactions else "perturbation"
    columns = [
        TableColumn(head=(name,), name=True),
        TableColumn(head=(Term("pass rate", "pass rate"),)),
        TableColumn(head=(Term("flip rate", "flip rate"),), optional=3 if floor else 0),
        TableColumn(head=(Term("drop", "drop"),), optional=2),
        *(
            [
                TableColumn(head=(Term("net flip rate", "net flip rate"),)),
                TableColumn(head=(Term("net drop", "net drop"),), optional=1),
            ]
            if floor
            else []
        ),
        TableColumn(head=("n",), align="right"),
    ]
    return Table(
        label=f"Perturbations of {c.title}",
        columns=tuple(columns),
        rows=tuple(_perturbation(r, c, floor, id(r) in keep) for r in rows),
        left=("… {} more, all passing at least as often (-v shows them)",),
        legend=("net: over what the repeats of the very same prompt show, the noise floor",) if floor else (),
        shape="forest",
    )


def _perturbation(r: PerturbationRow, c: CellReport, floor: bool, brief: bool) -> TableRow:
    """Over the noise floor, where there is one; the repeats, which are the floor, as they are."""
    e = r.pass_rate if r.pass_rate.value is not None else r.flip_rate
    n: Text = (Number(e.n, written.share_of(e.n, c.n_cases)),) if e.value is not None else (_nothing(r),)
    cells: list[Text] = [(Code(r.perturbation),), (Value(r.pass_rate),)]
    cells += [(Value(r.flip_rate),), (Value(r.drop),)]
    if floor:
        cells += [_net(r, r.net_flip_rate, r.flip_rate), _net(r, r.net_drop, r.drop)]
    cells.append(n)
    return TableRow(
        cells=tuple(cells), brief=brief, indent=2 if r.within else 0, plot=r,
        tone="floor" if r.level == "repeat" else "pooled" if r.pooled else "",
    )  # fmt: skip


def _net(r: PerturbationRow, net: Estimate | None, own: Estimate) -> Text:
    return (Value(own if r.level == "repeat" or net is None else net),)


def _nothing(row: PerturbationRow) -> str:
    return "n/a" if row.not_applicable else "0"


def _reactions(c: CellReport) -> Table:
    return Table(
        label=f"Sensitivity of {c.title}",
        columns=(
            TableColumn(head=("does it react?",), name=True),
            TableColumn(head=(Term("sensitivity", "sensitivity"),)),
            TableColumn(head=(Term("unmoved", "unmoved"),)),
            TableColumn(head=("n",), align="right"),
        ),
        rows=tuple(
            TableRow(
                cells=(
                    (Code(r.perturbation),), (Value(r.sensitivity),), (Value(r.unmoved),),
                    (Number(r.sensitivity.n, written.share_of(r.sensitivity.n, c.n_cases)),),
                )
            )
            for r in c.reactions
        ),
        shape="reactions",
    )  # fmt: skip


def _tallies(c: CellReport) -> Iterable[Block]:
    """A line for each status that is no plain answer: how many, and the most frequent reasons; a table on pages."""
    for status, found in written.by_status(c.tallies).items():
        total = sum(t.count for t in found)
        head: Text = (Number(total, f"{total:,}"), f" {written.status_word(status, total)}: ")
        reasons = [(t.reason, *((f" ({t.count:,})",) if len(found) > 1 else ())) for t in found]
        rest = len(found) - 1
        more: Text = (f" and {written.count(rest, 'other reason')}",) if rest else ()
        yield Sentence(text=(*head, *reasons[0]), tail=more, indent=2, cut=True, on="terminal", until=1)
        every = tuple(p for i, r in enumerate(reasons) for p in ((("; ",) if i else ()) + r))
        yield Sentence(text=(*head, *every), indent=2, detail=1, on="terminal")
    if c.tallies:
        yield Table(
            label="Not plain answers",
            columns=(
                TableColumn(head=("",)), TableColumn(head=("reason",)), TableColumn(head=("perturbation",)),
                TableColumn(head=("variants",), align="right"),
            ),
            rows=tuple(
                TableRow(
                    cells=(
                        (written.status_word(t.status, t.count),), (t.reason,), (t.perturbation or "",),
                        (Number(t.count, f"{t.count:,}"),),
                    )
                )
                for t in c.tallies
            ),
            on="page",
            shape="tallies",
        )  # fmt: skip


def advice(c: CellReport) -> Iterable[Block]:
    """Where work pays, whether it reacts, how an adaptive run ended, whether the variants differ by more than noise."""
    yield from advised(c)
    for extra in (c.reaction, c.adaptive):
        yield from said(extra)
    if c.spread is not None and c.spread.spread is not None:
        yield Sentence(
            text=(
                "Spread between variants ", Number(c.spread.spread, written.number(c.spread.spread)),
                ", by noise alone up to ",
                *((Number(c.spread.null_high, written.number(c.spread.null_high)),) if c.spread.null_high is not None else ("-",)),
                " (permutation p ", Number(c.spread.p if c.spread.p is not None else 0.0, written.p_value(c.spread.p)), ")",
            ),
            on="page",
        )  # fmt: skip


def advised(c: CellReport) -> Iterable[Sentence]:
    """Where work pays, and on what."""
    yield from said(c.advice)
    if c.advice is not None and c.lever is not None and c.advice.kind in advising.LEVERED:
        yield Sentence(text=advising.lever(c.lever), indent=2)


def said(extra: Any) -> Iterable[Sentence]:
    """An `Advice`, or how an adaptive run stopped."""
    if extra is not None:
        for line in _lines(extra):
            yield Sentence(text=line, indent=2)


def _lines(extra: Any) -> list[Text]:
    if hasattr(extra, "decided"):
        return advising.stopping(extra)
    return [advising.advice(extra)]


def failing(c: CellReport, limit: int) -> Sequence[Block]:
    """A failing test's text: the thresholds that were missed, what was no answer, the worst variants."""
    blocks: list[Block] = [thresholds(c)] if c.verdicts else []
    blocks += [b for b in _tallies(c) if not (isinstance(b, Table))]
    if c.failures:
        blocks.append(Failing(failures=c.failures[:limit], total=c.n_failures))
    return blocks
