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
    OutcomeWord,
    Piece,
    Section,
    Sentence,
    Strong,
    Table,
    Term,
    Text,
    Value,
    walk,
)
from robusttest.report.build import answer_text
from robusttest.report.escape import code, cut, markdown, table_code
from robusttest.report.inline import Glyphs, Style, diff_lines
from robusttest.report.model import FailureReport, Report
from robusttest.report.words import sections
from robusttest.report.words.terms import TERMS

if TYPE_CHECKING:
    pass

MARKS = {
    "passed": "✅", "failed": "❌", "error": "❌", "inconclusive": "⚠️", "not_run": "⚠️", "xpassed": "⚠️",
    "xfailed": "", "skipped": "", "none": "",
}  # fmt: skip
WORST = 5
LONGEST = 300
"""Characters of a text of others in a cell or a sentence."""


TERM, END = "\0", "\1"
"""Around a term until it is known whether a page has anchors; no text of others has them."""


def render(report: Report, *, max_bytes: int | None = None) -> str:
    """GitHub-flavoured Markdown. With ``max_bytes``, as for a comment or a run's summary, whole sections are left out
    from the end, and it says so; headings have no anchors there, so that no term is a link to its explanation.
    """
    found = sections(report)
    told = [*(_section(s) for s in found), _glossary(found)]
    if max_bytes is not None:
        told = _fitting(told, max_bytes)
    begin, end = ("[", "](#words)") if max_bytes is None else ("", "")
    return "\n\n".join(s for s in told if s).replace(TERM, begin).replace(END, end) + "\n"


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


def _glossary(found: Sequence[Section]) -> str:
    """The terms that the sentences use."""
    used = {
        p.of
        for b in walk(found)
        if isinstance(b, Sentence) and b.on in ("", "page")
        for p in b.text
        if isinstance(p, Term)
    }
    words = [f"- **{markdown(of)}**: {markdown(e.said)}" for of, e in TERMS.items() if of in used]
    return "\n".join(["## Words", "", *words]) if words else ""


def _section(s: Section) -> str:
    if s.on in ("terminal", "html"):
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
    if block.on in ("terminal", "html"):
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
            return markdown(p.text) if table or p.of not in TERMS else f"{TERM}{markdown(p.text)}{END}"
        case Code():
            return table_code(p.text) if table else code(p.text)
        case Strong():
            return f"**{markdown(p.text)}**"
        case OutcomeWord():
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


def _failure(f: FailureReport) -> str:
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
