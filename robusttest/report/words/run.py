"""A whole run as sections: the sentences, what was missed, the numbers, what is behind them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from robusttest.compare import served
from robusttest.report import text as written
from robusttest.report.blocks import (
    Block,
    Code,
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
from robusttest.report.model import HEADLINE, OUTCOMES, CellReport, Report, label, outcome_word
from robusttest.report.words import against, emergence, evidence, grid
from robusttest.report.words import cell as cells
from robusttest.report.words.summary import summary

INCOMPLETE = "Incomplete run: it ended before all calls were made. Numbers are over what it had."
NO_RESULTS = "No results: the run holds no reply and no verdict, so there is nothing to show."

ROWS = 24
"""Tests that a terminal tells in a table where there are more and all others passed."""

MODELS = 3
"""Models whose declared versions the head of a page names."""

SENTENCES = 12
"""Tests told in a sentence each on a terminal without ``-v``; those that need a look come first."""


def sections(report: Report, *, only: Collection[int] | None = None, detail: int = 1) -> tuple[Section, ...]:
    """The report from the top: sentences, thresholds, numbers, each test in full.

    What a reader won't be shown need not be computed: ``only`` are the places of the cells that are told in full (all), and
    ``detail`` is the verbosity of a terminal.
    """
    out = [head(report)]
    if report.cells:
        ranked = sorted(enumerate(report.cells), key=lambda ic: OUTCOMES.index(ic[1].outcome))
        out += [
            _sentences(report, ranked if detail > 0 else ranked[:SENTENCES], len(ranked)),
            *_thresholds(ranked),
            _results(ranked),
        ]
    if report.emergence is not None and (section := emergence.section(report.emergence)) is not None:
        out.append(section)
    if report.comparison is not None:
        out.append(against.section(report.comparison))
    if report.cells:
        if (map_ := grid.section(report)) is not None:
            out.append(map_)
        out += evidence.of_run(report)
        out += [cells.section(c, i, report.comparison) for i, c in ranked if only is None or i in only]
    return tuple(out)


def head(report: Report) -> Section:
    run = report.run
    outcomes = [
        f"{n} {outcome_word(word)}" for word in OUTCOMES if word != "none" and (n := report.count(word))
    ]
    facts: list[Text] = [*counts(report)]
    if run.label:
        facts.append(("label ", Code(run.label)))
    for model, version in list(run.model_versions.items())[:MODELS]:
        facts.append((f"{model} version ", Code(version)))
    for model, names in list(run.served.items())[:MODELS]:
        if names != (model.partition("/")[2],):
            facts.append((f"{model} answered as ", Code(", ".join(names[: served.SHOWN]))))
    if run.commit:
        facts.append(("commit ", Code(run.commit[:10]), " with changes" if run.dirty else ""))
    facts.append(("run ", Code(run.id)))
    joined = tuple(p for i, f in enumerate(facts) for p in ((", ",) if i else ()) + f)
    blocks: list[Block] = [Sentence(text=joined, on="page")]
    if not run.complete:
        blocks.append(Sentence(text=(INCOMPLETE,), tone="note", on="page"))
    if not report.cells and report.emergence is None:
        blocks.append(Sentence(text=("no results",), on="terminal"))
        blocks.append(Sentence(text=(NO_RESULTS,), tone="note", on="page"))
    blocks += [Sentence(text=(note,), tone="note") for note in report.notes]
    title = f"robusttest: {', '.join(outcomes) or 'nothing judged'}"
    return Section(key="head", heading=Heading(text=(title,), level=1), blocks=tuple(blocks))


def counts(report: Report) -> list[Text]:
    """Calls, cost, time: what a run took; that it is incomplete."""
    run = report.run
    if run.complete and not run.calls and run.cost is None:  # recorded elsewhere
        replies = sum(c.n_calls for c in report.cells)
        return [count(replies, "recorded reply", "recorded replies")] if report.cells else []
    aside: list[Text] = []
    if run.cached:
        age = f", up to {written.duration(report.reply_age)} old" if report.reply_age is not None else ""
        aside.append((Number(run.cached, f"{run.cached:,}"), f" replayed{age}"))
    if run.errors:
        aside.append((Number(run.errors, f"{run.errors:,}"), " failed"))
    calls = count(run.calls, "call")
    if aside:
        calls += (" (", *(p for i, a in enumerate(aside) for p in ((", ",) if i else ()) + a), ")")
    parts: list[Text] = [calls]
    parts.append((written.money(None),) if run.cost is None else (Number(run.cost, written.money(run.cost)),))
    if run.duration is not None:
        parts.append((Number(run.duration, written.duration(run.duration)),))
    if not run.complete:
        parts.append((OutcomeWord("incomplete run", "inconclusive"),))
    return parts


def outcomes(report: Report) -> Text:
    found = [(word, n) for word in OUTCOMES if (n := report.count(word))]
    said = tuple(
        p
        for i, (word, n) in enumerate(found)
        for p in (*((", ",) if i else ()), OutcomeWord(f"{n} {outcome_word(word)}", word))
    )
    return said or ("nothing judged",)


Ranked = Sequence[tuple[int, CellReport]]


def _sentences(report: Report, ranked: Ranked, every: int) -> Section:
    """One sentence for each test, the ones that need a look first."""
    blocks: list[Block] = []
    for place, (_, c) in enumerate(ranked):
        said = summary(c, report.comparison)
        if said:
            blocks.append(
                Sentence(text=(*name_of(c), ": ", *said), tone="item", detail=int(place >= SENTENCES))
            )
    left = every - SENTENCES
    if left > 0:
        blocks.append(
            Sentence(text=(f"… {left:,} more (-v tells them)",), tone="dim", on="terminal", until=1)
        )
    return Section(key="summary", heading=Heading(text=("In words",)), blocks=tuple(blocks))


def name_of(c: CellReport) -> Text:
    return (OutcomeWord(c.title, c.outcome),)


def _thresholds(ranked: Ranked) -> list[Section]:
    rows = []
    pairs = [(c, v) for _, c in ranked for v in c.verdicts]
    pairs.sort(key=lambda cv: cells.ORDER.index(cv[1].status))
    for c, v in pairs:
        made = cells.threshold_row(v)
        status, name, value, n = made.cells
        named = (c.title,)
        rows.append(
            TableRow(
                cells=(status, name, named, value, n), note=made.note, plot=v, brief=v.status != "passed"
            )
        )
    if not rows:
        return []
    table = Table(
        label="Thresholds and their verdicts",
        columns=(
            TableColumn(head=("verdict",), least=11),
            TableColumn(head=(Term("threshold", "threshold"),)),
            TableColumn(head=("test",), name=True),
            TableColumn(head=("value",)),
            TableColumn(head=("n",), align="right", aside="n={}"),
        ),
        rows=tuple(rows),
        left=("{} passed (-v shows them)",),
        shape="verdicts",
        gap=False,
    )
    return [Section(key="verdicts", heading=Heading(text=("Thresholds",)), blocks=(table,))]


def _results(ranked: Ranked) -> Section:
    """A row of numbers for each test."""
    rows = [c for _, c in ranked]
    one_model = len({c.model for c in rows}) == 1
    keep = _kept(rows)
    kinds = any(c.advice is not None for c in rows)
    repeated = {c.repeated.metric for c in rows if c.repeated is not None}
    of_runs = "" if not repeated else repeated.pop() if len(repeated) == 1 else "pass^k"
    table = Table(
        label="Results of each task and model",
        columns=(
            TableColumn(head=("",), aside="{}"),
            TableColumn(head=("task",), name=True, on="terminal"),
            TableColumn(head=("task",), name=True, on="page"),
            TableColumn(head=("model",), on="page"),
            TableColumn(head=("n",), align="right", aside="n={}"),
            TableColumn(head=("variants",), align="right", on="page"),
            *(
                TableColumn(head=(Term(label(m), label(m)),), brief=cells.BRIEF.get(label(m), ""))
                for m in HEADLINE
            ),
            *([TableColumn(head=(Term(of_runs, "pass^k"),))] if of_runs else []),
            *([TableColumn(head=(Term("where to work", "where to work"),), aside="{}")] if kinds else []),
        ),
        rows=tuple(_result(c, one_model, kinds, id(c) in keep, of_runs) for c in rows),
        digits=2,
        left=("… {} more passed, all at least as robust (-v shows them)",),
        shape="results",
        gap=False,
    )
    model: list[Block] = []
    if one_model and rows[0].model:
        model.append(Sentence(text=(f"model {rows[0].model}",), on="terminal"))
    return Section(key="results", heading=Heading(text=("Results",)), blocks=(*model, table))


def _result(c: CellReport, one_model: bool, kinds: bool, brief: bool, of_runs: str) -> TableRow:
    word = "" if c.outcome == "none" else outcome_word(c.outcome)
    name = c.name if one_model else c.title
    values: list[Text] = [
        (Value(e, c.n_cases),) if (e := c.overall.get(m)) is not None else ("-",) for m in HEADLINE
    ]
    if of_runs:
        e = c.repeated
        k: Text = () if e is None or of_runs == e.metric else (f" ({e.metric})",)
        values.append(("-",) if e is None else (Value(e, c.n_cases), *k))
    return TableRow(
        cells=(
            (OutcomeWord(word, c.outcome),) if word else (), (name,), (c.name,), (c.model,), (Number(c.n_cases, f"{c.n_cases:,}"),),
            (Number(c.n_variants, f"{c.n_variants:,}"),), *values,
            *([(getattr(c.advice, "kind", ""),)] if kinds else []),
        ),
        brief=brief,
    )  # fmt: skip


def _kept(rows: Sequence[CellReport]) -> set[int]:
    """Of many rows those that did not pass, and the passed ones with the lowest robust accuracy."""
    passed = [c for c in rows if c.outcome == "passed"]
    room = max(ROWS - (len(rows) - len(passed)), 0)
    if len(passed) <= room + 1:
        return {id(c) for c in rows}
    return {id(c) for c in rows if c.outcome != "passed"} | {
        id(c) for c in sorted(passed, key=_robustness)[:room]
    }


def _robustness(c: CellReport) -> float:
    e = c.overall.get("robust_accuracy")
    return 2.0 if e is None or e.value is None else e.value
