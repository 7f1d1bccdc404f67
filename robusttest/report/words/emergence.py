"""Robustness against accuracy over models and tasks, in words: the claims first, then the numbers that they stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robusttest.report import text as written
from robusttest.report.blocks import (
    Block,
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
from robusttest.report.model import label

if TYPE_CHECKING:
    from robusttest.stats.across.emergence import Emergence
    from robusttest.stats.across.scatter import Relation, View
    from robusttest.stats.cell.points import Point, TaskPoint

ROWS = 9
"""Cells that a terminal shows one by one, up to this many (three models on three tasks); above, tasks."""
STANDING = 5
"""Cells named as more or less robust than predicted, of each kind."""

HEADS = {
    "output_consistency": "consistency",
    "robust_accuracy": "robust accuracy",
    "consistency_icc": "ICC",
}
VIEWS: tuple[tuple[View, str], ...] = (
    ("within_tasks", "within tasks (better model)"),
    ("within_models", "within models (easier task)"),
)


def section(e: Emergence) -> Section | None:
    """None with fewer than three models or tasks, where there is nothing but the points."""
    if not e.relations:
        if not e.points:
            return None
        figure: list[Block] = [Figure(kind="scatters", data=e)]
        if e.reason:
            figure.append(Sentence(text=(f"No statistic: {e.reason}.",), on="html"))
        return Section(
            key="emergence",
            heading=Heading(text=("Robustness against accuracy",)),
            blocks=tuple(figure),
            on="html",
        )
    head = f"robustness against accuracy: {len(e.models)} models, {len(e.tasks)} tasks, {len(e.points)} cells"
    if e.k is not None:
        head += f", K={e.k}"
    blocks: list[Block] = [Sentence(text=(head,), on="terminal")]
    for claim in e.claims:
        blocks.append(Sentence(text=(Strong(claim.claim), " ", claim.sentence), indent=2))
    blocks.append(Figure(kind="scatters", data=e))
    blocks += _numbers(e)
    blocks += _relations(e)
    blocks += _shares(e)
    blocks += _standing(e)
    blocks += [Sentence(text=(note,), tone="note", indent=2) for note in e.notes]
    return Section(
        key="emergence", heading=Heading(text=("Robustness against accuracy",)), blocks=tuple(blocks)
    )


def _number(value: float | None, digits: int = 3) -> Text:
    return ("-",) if value is None else (Number(value, written.number(value, digits)),)


def _between(value: float | None, low: float | None, high: float | None, digits: int = 3) -> Text:
    if low is None or high is None:
        return _number(value, digits)
    return (*_number(value, digits), " [", *_number(low, digits), ", ", *_number(high, digits), "]")


_LEGEND = (
    "p^K: robust accuracy by accuracy alone, if all cases were equally hard; same ICC: with the chance-corrected "
    "consistency of the other cells"
)


def _numbers(e: Emergence) -> list[Block]:
    """A row for each cell; on a terminal, of more than nine cells, for each task."""
    legend: Text = () if all(p.by_accuracy_alone is None for p in e.points) else (_LEGEND,)
    few = len(e.points) <= ROWS
    rows = [_cell_row(p) for p in e.points] if few else _task_rows(e)
    return [
        Table(
            label="Robustness of each task and model" if few else "Robustness of each task",
            columns=(
                TableColumn(head=("task, model" if few else "task",), name=True),
                *(
                    TableColumn(head=(Term(head, of),), align="right")
                    for head, of in (
                        ("overall", "overall accuracy"), ("consist.", "consistency"), ("robust", "robust accuracy"),
                        ("p^K", "p^K"), ("same ICC", "same ICC"), ("ICC", "ICC"),
                    )
                ),
            ),
            rows=tuple(rows),
            left=("… {} more tasks between these (-v shows them)",),
            legend=legend,
            on="terminal",
            gap=False,
        ),
        Table(
            label="Robustness of each task and model",
            columns=(
                TableColumn(head=("task",)), TableColumn(head=("model",)), TableColumn(head=(Term("overall accuracy", "overall accuracy"),)),
                TableColumn(head=(Term("consistency", "consistency"),)), TableColumn(head=(Term("robust accuracy", "robust accuracy"),)),
                TableColumn(head=(Term("p^K", "p^K"),)), TableColumn(head=(Term("same ICC", "same ICC"),)),
                TableColumn(head=(Term("ICC", "ICC"),)), TableColumn(head=("robustness",)),
            ),
            rows=tuple(
                TableRow(
                    cells=(
                        (p.task,), (p.model,), (Value(p.accuracy),), (Value(p.output_consistency),), (Value(p.robust_accuracy),),
                        _number(p.by_accuracy_alone), _number(p.robust_accuracy_predicted), (Value(p.consistency_icc),),
                        (p.residual.standing or p.residual.reason or "",),
                    )
                )
                for p in e.points
            ),
            legend=legend,
            on="page",
            shape="points",
        ),
    ]  # fmt: skip


def _cell_row(p: Point) -> TableRow:
    values = (
        p.accuracy.value, p.output_consistency.value, p.robust_accuracy.value, p.by_accuracy_alone,
        p.robust_accuracy_predicted, p.consistency_icc.value,
    )  # fmt: skip
    return TableRow(cells=((f"{p.task}, {p.model}",), *map(_number, values)))


def _task_rows(e: Emergence) -> list[TableRow]:
    ordered: list[TaskPoint] = sorted(e.by_task, key=lambda t: -t.accuracy)
    ends = {*range(ROWS // 2 + 1), *range(len(ordered) - ROWS // 2, len(ordered))}
    return [
        TableRow(
            cells=(
                (t.task,),
                *map(
                    _number,
                    (
                        t.accuracy, t.output_consistency, t.robust_accuracy, t.by_accuracy_alone,
                        t.robust_accuracy_predicted, t.icc,
                    ),
                ),
            ),
            brief=len(ordered) <= ROWS or i in ends,
        )
        for i, t in enumerate(ordered)
    ]  # fmt: skip


def _relations(e: Emergence) -> list[Block]:
    out: list[Block] = []
    for metric, head in HEADS.items():
        r = e.relation(metric)
        if r is None:
            continue
        if r.slope is None or r.pearson is None:
            said: Text = (f"{head} on overall accuracy: {r.reason}",)
        else:
            said = (
                f"{head} on overall accuracy: slope ", *_between(r.slope, r.slope_low, r.slope_high, 2), ", R2 ",
                *_number(r.r_squared, 2), ", Pearson ", *_number(r.pearson, 2), ", Spearman ", *_number(r.spearman, 2),
                ", n=", Number(r.n, f"{r.n}"), " (arithmetic included)" if r.arithmetic else "",
            )  # fmt: skip
        out.append(Sentence(text=said, indent=2, on="terminal"))
        if r.slope is None or r.pearson is None:
            continue
        within = [_within(e.relation(metric, view), name) for view, name in VIEWS]
        aside = tuple(p for i, w in enumerate(w for w in within if w) for p in ((("; ",) if i else ()) + w))
        if aside:
            out.append(Sentence(text=aside, indent=4, on="terminal"))
    out.append(
        Table(
            label="Relation to accuracy",
            columns=(
                TableColumn(head=("against overall accuracy",)), TableColumn(head=("over",)), TableColumn(head=("slope",)),
                TableColumn(head=("R²",)), TableColumn(head=("Pearson",)), TableColumn(head=("Spearman",)),
                TableColumn(head=("cells",), align="right"), TableColumn(head=("",)),
            ),
            rows=tuple(
                TableRow(
                    cells=(
                        (label(r.metric),), (r.view.replace("_", " "),), _between(r.slope, r.slope_low, r.slope_high),
                        _number(r.r_squared), _between(r.pearson, r.pearson_low, r.pearson_high),
                        _between(r.spearman, r.spearman_low, r.spearman_high), (Number(r.n, f"{r.n:,}"),),
                        ("arithmetic included" if r.arithmetic else r.reason or "",),
                    )
                )
                for r in e.relations
                if r.n
            ),
            on="page",
            shape="relations",
        )
    )  # fmt: skip
    return out


def _within(r: Relation | None, name: str) -> Text:
    return () if r is None or r.pearson is None else (f"{name} r ", *_number(r.pearson, 2))


def _shares(e: Emergence) -> list[Block]:
    out: list[Block] = []
    for s in e.shares:
        if s.metric not in ("output_consistency", "consistency_icc") or s.task is None:
            continue
        said: Text = (
            f"variance of {HEADS[s.metric]}: task ", *_share(s.task), ", model ", *_share(s.model), ", both ",
            *_share(s.interaction), ", sampling noise ", *_share(s.noise),
        )  # fmt: skip
        out.append(Sentence(text=said, indent=2, on="terminal"))
    if e.shares:
        out.append(
            Table(
                label="Shares of variance",
                columns=(
                    TableColumn(head=("variance of",)), TableColumn(head=("task",)), TableColumn(head=("model",)),
                    TableColumn(head=("both together",)), TableColumn(head=("sampling noise",)), TableColumn(head=("",)),
                ),
                rows=tuple(
                    TableRow(
                        cells=(
                            (label(s.metric),), *(_percent(v) for v in (s.task, s.model, s.interaction, s.noise)),
                            (s.reason or "",),
                        )
                    )
                    for s in e.shares
                    if s.task is not None or len(e.shares) == 1
                ),
                on="page",
                shape="shares",
            )
        )  # fmt: skip
    return out


def _share(share: float | None) -> Text:
    return ("-",) if share is None else (Number(share, f"{100 * share:.0f} %"),)


def _percent(share: float | None) -> Text:
    return ("-",) if share is None else (Number(share, written.percent(share)),)


def _standing(e: Emergence) -> list[Block]:
    out: list[Block] = []
    for word in ("more robust", "less robust"):
        there = [p for p in e.points if p.residual.standing == word]
        there.sort(key=lambda p: -abs(p.residual.value or 0.0))
        if not there:
            continue
        named = tuple(
            x for i, p in enumerate(there[:STANDING]) for x in ((("; ",) if i else ()) + _stands(p))
        )
        rest = f"; {len(there) - STANDING} more" if len(there) > STANDING else ""
        out.append(Sentence(text=(f"{word} than accuracy predicts: ", *named, rest), indent=2))
    tested = sum(p.residual.p is not None for p in e.points)
    if not out and tested:
        said = f"no cell is surely more or less robust than its accuracy predicts ({tested} tested, Holm)"
        out = [Sentence(text=(said,), indent=2)]
    return out


def _stands(p: Point) -> Text:
    r = p.residual
    value: Text = ("-",) if r.value is None else (Number(r.value, f"{r.value:+.3f}"),)
    return (
        f"{p.task}, {p.model} ",
        *value,
        " [",
        *_number(r.low_adjusted),
        ", ",
        *_number(r.high_adjusted),
        "]",
    )
