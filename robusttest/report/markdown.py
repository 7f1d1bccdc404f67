"""``--robust-report=md:PATH`` and the GitHub step summary: the blocks of a report as GitHub-flavoured Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from robusttest.report import text
from robusttest.report.blocks import (
    Block,
    Code,
    Failing,
    Figure,
    Heading,
    Listing,
    Number,
    Outcome,
    Piece,
    Section,
    Sentence,
    Strong,
    Table,
    Term,
    Text,
    Value,
)
from robusttest.report.build import answer_text
from robusttest.report.escape import code, cut, markdown, table_code
from robusttest.report.inline import Glyphs, Style, diff_lines
from robusttest.report.model import Failure, Report, label
from robusttest.report.words import sections

if TYPE_CHECKING:
    from robusttest.compare import Comparison
    from robusttest.stats.across.emergence import Emergence

MARKS = {
    "passed": "✅", "failed": "❌", "error": "❌", "inconclusive": "⚠️", "not_run": "⚠️", "xpassed": "⚠️",
    "xfailed": "", "skipped": "", "none": "",
}  # fmt: skip
WORST = 5
LONGEST = 300
"""Characters of a text of others in a cell or a sentence."""


def render(report: Report, *, max_bytes: int | None = None) -> str:
    """GitHub-flavoured Markdown. With ``max_bytes`` whole sections are left out from the end, and it says so."""
    found = sections(report)
    told = [_section(s) for s in found if s.key != "cell"]
    told += [_comparison(report.comparison), _emergence(report.emergence)]
    told += [_section(s) for s in found if s.key == "cell"]
    if max_bytes is not None:
        told = _fitting(told, max_bytes)
    return "\n\n".join(s for s in told if s) + "\n"


def _fitting(sections: list[str], room: int) -> list[str]:
    room -= 200
    kept: list[str] = []
    for section in sections:
        size = len(section.encode("utf-8", "backslashreplace")) + 2
        if size > room:
            break
        room -= size
        kept.append(section)
    left = len(sections) - len(kept)
    if left:
        kept.append(f"_{text.count(left, 'section')} left out: the limit of this page is reached._")
    return kept


def _section(s: Section) -> str:
    if s.on == "terminal":
        return ""
    parts = [*([_heading(s.heading)] if s.heading is not None else []), *map(_block, s.blocks)]
    joined: list[str] = []
    for part in parts:
        if not part:
            continue
        if joined and part.startswith("- ") and joined[-1].rpartition("\n")[2].startswith("- "):
            joined[-1] += f"\n{part}"
        else:
            joined.append(part)
    return "\n\n".join(joined)


def _block(block: Block) -> str:
    if block.on == "terminal":
        return ""
    match block:
        case Section():
            return _section(block)
        case Heading():
            return _heading(block)
        case Sentence():
            return _sentence(block)
        case Table():
            return _table(block)
        case Listing():
            head = [_said(block.head)] if block.head else []
            return "\n\n".join([*head, "\n".join(f"{'  ' * d}- {_said(item)}" for d, item in block.items)])
        case Failing():
            return _failing(block)
        case Figure():
            return ""


def _heading(h: Heading) -> str:
    mark = MARKS[h.outcome.like] if h.outcome is not None else ""
    head = f"{'#' * h.level} {mark + ' ' if mark else ''}{_said(h.text)}"
    return f"{head}\n\n{_said(h.facts)}" if h.facts else head


def _sentence(s: Sentence) -> str:
    said = _said(s.text)
    if s.tone == "note":
        return f"> {said}"
    if s.tone == "item":
        return f"- {said}"
    return f"**{said}**" if s.tone == "first" else said


def _said(pieces: Text, *, table: bool = False, usual: bool = True) -> str:
    return "".join(_piece(p, table) for p in pieces)


def _piece(p: Piece, table: bool) -> str:
    match p:
        case str():
            return markdown(cut(p, LONGEST))
        case Number():
            return markdown(p.text)
        case Value():
            e = p.estimate
            n = f" n={e.n:,}" if p.usual is not None and e.value is not None and e.n != p.usual else ""
            return text.value_interval(e) + n
        case Term():
            return markdown(p.text)
        case Code():
            return table_code(p.text) if table else code(p.text)
        case Strong():
            return f"**{markdown(p.text)}**"
        case Outcome():
            mark = MARKS[p.like]
            return f"{mark} {markdown(p.text)}" if mark and table else markdown(p.text)


def _table(table: Table) -> str:
    kept = [i for i, c in enumerate(table.columns) if c.on != "terminal"]
    noted = any(r.note for r in table.rows)
    heads = [_said(table.columns[i].head, table=True) for i in kept] + ([""] if noted else [])
    rows = [
        [_said(r.cells[i], table=True) for i in kept] + ([_said(r.note, table=True)] if noted else [])
        for r in table.rows
    ]
    told = _rows(heads, rows)
    return f"{told}\n\n{_said(table.legend)}" if table.legend else told


def _failing(block: Failing) -> str:
    shown = block.failures[:WORST]
    head = f"**{text.count(block.total, 'failing variant')}**" + (
        f", the worst {len(shown)}:" if block.total > len(shown) else ":"
    )
    return "\n\n".join([head, "\n".join(_failure(f) for f in shown)])


def _comparison(found: Comparison | None) -> str:
    """What regressed, and the cases behind it."""
    if found is None:
        return ""
    from robusttest.compare import text as said

    parts = [f"## Against {markdown(found.old)}: {said.summary(found)}"]
    rows = []
    for cell in found.cells:
        for i, c in enumerate(cell.changes):
            if i == 0 or c.verdict in ("regressed", "improved"):
                verdict = cell.verdict if i == 0 else c.verdict
                mark = {"regressed": "❌ ", "undecided": "⚠️ "}.get(verdict, "") if i == 0 else ""
                rows.append(
                    [mark + said.WORDS[verdict], markdown(cell.name), *map(markdown, said.columns(c))]
                )
        if not cell.changes:
            rows.append([f"⚠️ {said.WORDS[cell.verdict]}", markdown(cell.name), *[""] * len(said.COLUMNS)])
    if rows:
        parts.append(_rows(["", "", *said.COLUMNS], rows))
    for cell in found.cells:
        told = said.details(cell, found.margin)
        if told:
            parts.append(f"**{markdown(cell.name)}**\n\n" + "\n".join(_bullet(line) for line in told))
    parts += [f"> {markdown(line)}" for line in said.outside(found)]
    return "\n\n".join(parts)


def _bullet(line: str) -> str:
    return f"{'  ' * line.startswith('  ')}- {markdown(line.strip())}"


def _emergence(e: Emergence | None) -> str:
    """Robustness against accuracy; empty with fewer than three models or tasks."""
    if e is None or not e.relations:
        return ""
    parts = ["## Robustness against accuracy"]
    parts += [f"- **{markdown(c.claim)}** {markdown(c.sentence)}" for c in e.claims]
    parts.append(
        _rows(
            [
                "metric",
                "slope on accuracy",
                "R²",
                "Pearson",
                "Spearman",
                "within tasks",
                "within models",
                "cells",
                "",
            ],
            [
                [
                    label(metric),
                    _line(r.slope, r.slope_low, r.slope_high),
                    text.number(r.r_squared),
                    _line(r.pearson, r.pearson_low, r.pearson_high),
                    _line(r.spearman, r.spearman_low, r.spearman_high),
                    *(
                        text.number(getattr(e.relation(metric, view), "pearson", None))
                        for view in ("within_tasks", "within_models")
                    ),
                    f"{r.n}",
                    "arithmetic included" if r.arithmetic else markdown(r.reason or ""),
                ]
                for metric in dict.fromkeys(r.metric for r in e.relations)
                if (r := e.relation(metric)) is not None
            ],
        )
    )
    parts.append(
        _rows(
            ["variance of", "task", "model", "both together", "sampling noise", ""],
            [
                [
                    label(s.metric),
                    *(text.percent(share) for share in (s.task, s.model, s.interaction, s.noise)),
                    markdown(s.reason or ""),
                ]
                for s in e.shares
            ],
        )
    )
    parts.append(
        _rows(
            [
                "task",
                "model",
                "accuracy",
                "consistency",
                "robust accuracy",
                "p^K",
                "predicted",
                "ICC",
                "robustness",
            ],
            [
                [
                    markdown(p.task),
                    markdown(p.model),
                    text.value_interval(p.accuracy),
                    text.value_interval(p.output_consistency),
                    text.value_interval(p.robust_accuracy),
                    text.number(p.by_accuracy_alone),
                    text.number(p.robust_accuracy_predicted),
                    text.value_interval(p.consistency_icc),
                    p.residual.standing or markdown(p.residual.reason or ""),
                ]
                for p in e.points
            ],
        )
    )
    parts.append(
        "p^K: robust accuracy by accuracy alone, if all cases were equally hard; predicted: robust accuracy with the "
        "chance-corrected consistency (ICC) of the other cells."
    )
    return "\n\n".join([*parts, *(f"> {markdown(note)}" for note in e.notes)])


def _line(value: float | None, low: float | None, high: float | None) -> str:
    limits = "" if low is None or high is None else f" [{text.number(low)}, {text.number(high)}]"
    return text.number(value) + limits


def _failure(f: Failure) -> str:
    def said(value: object) -> str:
        return "_none_" if value is None else code(cut(answer_text(value), 200))

    answer = said(f.answer)
    if f.status != "ok":
        answer = f"_{f.status}_" + (f" {said(f.reply)}" if f.reply else "")
    if f.variant:
        answer = f"{said(f.reference_answer)} → {answer}"
    if f.target is not None:
        answer += f" (target {said(f.target)})"
    lines = [f"- {code(f.name)}: {answer}"]
    diff = diff_lines(f.shrunk or f.diff, f.text, width=400, style=Style(), glyphs=Glyphs(), indent="")
    lines += [f"  <br>{code(line)}" for line in diff]
    if f.enough is not None:
        lines.append(f"  <br>{markdown(f.enough)}")
    if f.replay is not None:
        lines.append(f"  <br>{code(f.replay)}")
    return "\n".join(lines)


def _rows(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)
