"""An `Emergence` in words: at most 80 columns, ASCII only, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from robusttest.stats.across.scatter import Relation, View

if TYPE_CHECKING:
    from robusttest.stats.across.emergence import Emergence
    from robusttest.stats.cell.points import Point

WIDTH = 80
ROWS = 9
"""Cells shown one by one up to this many (three models on three tasks); above, tasks."""
STANDING = 5
"""Cells named as more or less robust than predicted, of each kind."""

_HEADS = {
    "output_consistency": "consistency",
    "robust_accuracy": "robust accuracy",
    "consistency_icc": "ICC",
}


def lines(e: Emergence) -> list[str]:
    if not e.relations:
        return []
    head = f"robustness against accuracy: {len(e.models)} models, {len(e.tasks)} tasks, {len(e.points)} cells"
    if e.k is not None:
        head += f", K={e.k}"
    out = _wrapped(head)
    out += _cells(e) if len(e.points) <= ROWS else _tasks(e)
    out += _relations(e)
    out += _shares(e)
    out += _standing(e)
    for claim in e.claims:
        out += _wrapped(f"  {claim.claim}", 4)
        out += _wrapped(f"    {claim.sentence}", 6)
    for note in e.notes:
        out += _wrapped(f"  note: {note}", 4)
    return out


def _wrapped(text: str, indent: int = 2) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False, drop_whitespace=True
    ) or [text]


def number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "-"
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


_WIDTHS = {"accuracy": 8, "consist.": 8, "robust": 6, "p^K": 5, "same ICC": 8, "ICC": 6}
_COLUMNS = "  ".join(f"{head:>{width}}" for head, width in _WIDTHS.items())


def _row(name: str, values: tuple[float | None, ...]) -> str:
    room = WIDTH - len(_COLUMNS) - 4
    shown = (
        name if len(name) <= room else f"{name[: room // 2 - 1]}..{name[len(name) - room + room // 2 + 1 :]}"
    )
    numbers = (f"{number(v):>{w}}" for v, w in zip(values, _WIDTHS.values(), strict=True))
    return f"  {shown:<{room}}  " + "  ".join(numbers)


def _table(rows: Sequence[tuple[str, tuple[float | None, ...]]], first: str) -> list[str]:
    room = WIDTH - len(_COLUMNS) - 4
    return [f"  {first:<{room}}  {_COLUMNS}", *(_row(name, values) for name, values in rows)]


def _cells(e: Emergence) -> list[str]:
    rows = [
        (
            f"{p.task}, {p.model}",
            (
                p.accuracy.value,
                p.output_consistency.value,
                p.robust_accuracy.value,
                p.by_accuracy_alone,
                p.robust_accuracy_predicted,
                p.consistency_icc.value,
            ),
        )
        for p in e.points
    ]
    return [*_table(rows, "task, model"), *_legend(e)]


def _tasks(e: Emergence) -> list[str]:
    ordered = sorted(e.by_task, key=lambda t: -t.accuracy)
    shown = ordered if len(ordered) <= ROWS else [*ordered[: ROWS // 2 + 1], *ordered[-(ROWS // 2) :]]
    rows = [
        (
            t.task,
            (
                t.accuracy,
                t.output_consistency,
                t.robust_accuracy,
                t.by_accuracy_alone,
                t.robust_accuracy_predicted,
                t.icc,
            ),
        )
        for t in shown
    ]
    out = _table(rows, "task")
    if len(shown) < len(ordered):
        out.insert(1 + ROWS // 2 + 1, f"  ... {len(ordered) - len(shown)} more tasks between these")
    return [*out, *_legend(e)]


def _legend(e: Emergence) -> list[str]:
    if all(p.by_accuracy_alone is None for p in e.points):
        return []
    return _wrapped(
        "  p^K: robust accuracy by accuracy alone, if all cases were equally hard; same ICC: with the "
        "chance-corrected consistency of the other cells"
    )


def _relations(e: Emergence) -> list[str]:
    out = []
    for metric, head in _HEADS.items():
        r = e.relation(metric)
        if r is None:
            continue
        if r.slope is None or r.pearson is None:
            out += _wrapped(f"  {head} on accuracy: {r.reason}", 4)
            continue
        interval = "" if r.slope_low is None else f" [{number(r.slope_low, 2)}, {number(r.slope_high, 2)}]"
        told = (
            f"  {head} on accuracy: slope {number(r.slope, 2)}{interval}, R2 {number(r.r_squared, 2)}, "
            f"Pearson {number(r.pearson, 2)}, Spearman {number(r.spearman, 2)}, n={r.n}"
        )
        within = [_within(e.relation(metric, view), name) for view, name in _VIEWS]
        aside = "; ".join(w for w in within if w)
        out += _wrapped(told + (" (arithmetic included)" if r.arithmetic else ""), 4)
        if aside:
            out += _wrapped(f"    {aside}", 4)
    return out


_VIEWS: tuple[tuple[View, str], ...] = (
    ("within_tasks", "within tasks (better model)"),
    ("within_models", "within models (easier task)"),
)


def _within(r: Relation | None, name: str) -> str:
    return "" if r is None or r.pearson is None else f"{name} r {number(r.pearson, 2)}"


def _shares(e: Emergence) -> list[str]:
    out: list[str] = []
    for s in e.shares:
        if s.metric not in ("output_consistency", "consistency_icc") or s.task is None:
            continue
        parts = f"task {_percent(s.task)}, model {_percent(s.model)}, both {_percent(s.interaction)}"
        out += _wrapped(f"  variance of {_HEADS[s.metric]}: {parts}, sampling noise {_percent(s.noise)}", 4)
    return out


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _standing(e: Emergence) -> list[str]:
    out: list[str] = []
    for word in ("more robust", "less robust"):
        there = [p for p in e.points if p.residual.standing == word]
        there.sort(key=lambda p: -abs(p.residual.value or 0.0))
        if not there:
            continue
        named = "; ".join(_stands(p) for p in there[:STANDING])
        rest = f"; {len(there) - STANDING} more" if len(there) > STANDING else ""
        out += _wrapped(f"  {word} than accuracy predicts: {named}{rest}", 4)
    tested = sum(p.residual.p is not None for p in e.points)
    if not out and tested:
        out = _wrapped(
            f"  no cell is surely more or less robust than its accuracy predicts ({tested} tested, Holm)", 4
        )
    return out


def _stands(p: Point) -> str:
    r = p.residual
    return f"{p.task}, {p.model} {r.value:+.3f} [{number(r.low_adjusted)}, {number(r.high_adjusted)}]"
