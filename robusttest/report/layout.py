"""Blocks → lines of a terminal. One layout for every table: columns fit the page, wide characters count, numbers align."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from robusttest.report import text as written
from robusttest.report.blocks import (
    LIMIT,
    Code,
    Listing,
    Number,
    OutcomeWord,
    Piece,
    Sentence,
    Strong,
    Table,
    TableColumn,
    TableRow,
    Term,
    Text,
    Value,
)
from robusttest.report.escape import cut, visible
from robusttest.report.page import GLUE, Page

NAME_LINES = 3
"""A name that is longer than so many lines loses its middle."""


def said(page: Page, text: Text, *, digits: int = 3, color: bool = True) -> str:
    """Pieces as one string, escaped; spaces within a number are glued."""
    return "".join(_piece(page, p, digits, color) for p in text)


def _piece(page: Page, p: Piece, digits: int, color: bool) -> str:
    style = page.style
    match p:
        case str():
            return page.shown(p)
        case Number():
            return p.text.replace(" ", GLUE)
        case Value():
            value, limits = _parts(p, digits)
            return f"{value} {limits}".rstrip().replace(" ", GLUE)
        case OutcomeWord():
            return style.outcome(p.like, page.shown(p.text)) if color else page.shown(p.text)
        case Strong():
            return style.bold(page.shown(p.text)) if color else page.shown(p.text)
        case Term():
            return page.shown(p.text).replace(" ", GLUE)
        case Code():
            return LIMIT.sub(lambda m: m[0].replace(" ", GLUE), page.shown(p.text))


def _parts(p: Value, digits: int) -> tuple[str, str]:
    """The value (and an n that is not the usual one), and the interval."""
    e = p.estimate
    if digits == 2:
        value, _, limits = written.short(e).partition(" ")
    else:
        value, limits = written.number(e.value), written.interval(e)
    return value, limits


def sentence_lines(page: Page, s: Sentence) -> list[str]:
    if page.verbosity < s.detail or (s.until is not None and page.verbosity >= s.until):
        return []
    lead = " " * s.indent
    line = said(page, s.text)
    if s.tone == "note":
        line = f"note: {line}"
    if s.cut and page.verbosity <= 0:
        tail = said(page, s.tail).replace(GLUE, " ")
        room = page.width - s.indent - page.size(tail)
        lines = [lead + cut(line.replace(GLUE, " "), room, page.glyphs.more) + tail]
    else:
        lines = page.wrapped(lead + line, indent=s.indent + (0 if s.tone == "lead" else 2))
    return [page.style.dim(x) for x in lines] if s.tone == "dim" else lines


def listing_lines(page: Page, block: Listing) -> list[str]:
    lines = (
        page.wrapped(" " * block.indent + said(page, block.head), indent=block.indent + 2)
        if block.head
        else []
    )
    inner = block.indent + (2 if block.head else 0)
    for depth, item in block.items:
        lead = inner + 2 * depth
        lines += page.wrapped(" " * lead + said(page, item), indent=lead + 2)
    return lines


# tables


@dataclass(frozen=True)
class _Plan:
    """One way to lay a table out, tried in the order from the roomiest to the tightest."""

    dropped: int
    """Optional columns from this number on are left out."""
    digits: int
    gap: int
    brief: bool = False
    own_line: bool = False
    """Names have lines of their own."""
    under: bool = False
    """Intervals stand under their values, where a line has no room for both."""


def _plans(table: Table) -> Iterator[_Plan]:
    ranks = sorted({c.optional for c in table.columns if c.optional}, reverse=True)
    levels = [1 + max(ranks, default=0), *ranks]
    own = any(c.name for c in table.columns)
    for dropped in levels:
        yield _Plan(dropped, table.digits, 2)
    least = levels[-1]
    yield _Plan(least, table.digits, 1, brief=True)
    if table.digits == 3 and not own:
        yield _Plan(least, 2, 2, brief=True)
    if own:
        if not table.stacked:
            yield _Plan(least, 2, 2, brief=True)
            yield _Plan(least, 2, 1, brief=True)
        yield _Plan(least, table.digits, 2, own_line=True)
        yield _Plan(least, table.digits, 1, brief=True, own_line=True)
    yield _Plan(least, 2, 2, brief=True, own_line=own)
    yield _Plan(least, 2, 1, brief=True, own_line=own)
    yield _Plan(least, 2, 1, brief=True, own_line=own, under=True)


def table_lines(page: Page, table: Table) -> list[str]:
    """The table on the page: the roomiest way that fits; names are never cut to make room for numbers."""
    rows = table.rows if page.verbosity > 0 else tuple(r for r in table.rows if r.brief)
    if not rows:
        return []
    laid = None
    for plan in _plans(table):
        laid = _laid(page, table, rows, plan)
        if laid.width <= page.width:
            break
    assert laid is not None
    lines = laid.lines()
    left = len(table.rows) - len(rows)
    pad = " " * table.indent
    if left and table.left:
        told = tuple(p.replace("{}", f"{left:,}") if isinstance(p, str) else p for p in table.left)
        lines += [page.style.dim(x) for x in page.wrapped(pad + said(page, told), indent=len(pad) + 2)]
    if table.legend:
        lines += [
            page.style.dim(x) for x in page.wrapped(pad + said(page, table.legend), indent=len(pad) + 2)
        ]
    return lines


@dataclass
class _Cell:
    """A cell as it is shown: a value and its interval are aligned on their own."""

    value: str
    limits: str = ""
    split: bool = False


@dataclass
class _Grid:
    page: Page
    plan: _Plan
    table: Table
    columns: list[TableColumn]
    asides: list[TableColumn]
    name: TableColumn | None
    rows: Sequence[TableRow]
    cells: list[list[_Cell]]
    heads: list[str]
    names: list[str]
    aside: list[list[str]]
    widths: list[int]
    values: list[int]
    """Of the values alone, and of their intervals: these align within a column."""
    limits: list[int]

    @property
    def stacked(self) -> bool:
        return self.table.stacked or self.plan.under

    @property
    def needed(self) -> int:
        return sum(self.widths) + self.plan.gap * (len(self.widths) - 1)

    @property
    def lead(self) -> int:
        """Indentation; what there is room for where names stand on lines of their own."""
        wanted = self.table.indent + (2 if self.plan.own_line else 0)
        return max(0, min(wanted, self.page.width - self.needed)) if self.plan.own_line else wanted

    @property
    def width(self) -> int:
        return self.lead + self.needed

    def lines(self) -> list[str]:
        page, style = self.page, self.page.style
        pad, gap = " " * self.lead, " " * self.plan.gap
        out: list[str] = []
        if self.table.heads:
            heads = [
                _justified(page, h, w, c.align)
                for h, w, c in zip(self.heads, self.widths, self.columns, strict=True)
            ]
            out.append(style.dim((pad + gap.join(heads)).rstrip()))
        for i, row in enumerate(self.rows):
            if self.plan.own_line:
                out += self._named(i)
            shown = [self._shown(c, j) for j, c in enumerate(self.cells[i])]
            line = (pad + gap.join(shown)).rstrip()
            if not line.strip():
                line = ""
            out += self._noted([line] if line else [], row)
            if self.stacked:
                under = [
                    _justified(page, c.limits, w, "left")
                    for c, w in zip(self.cells[i], self.widths, strict=True)
                ]
                if below := (pad + gap.join(under)).rstrip():
                    out.append(below)
        return out

    def _shown(self, cell: _Cell, j: int) -> str:
        page, column = self.page, self.columns[j]
        if self.stacked:
            return _justified(page, cell.value, self.widths[j], "left")
        if not cell.split:
            return _justified(page, cell.value, self.widths[j], column.align)
        value = _justified(page, cell.value, self.values[j], "right")
        if self.limits[j]:
            value += " " + _justified(page, cell.limits, self.limits[j], "right")
        return _justified(page, value, self.widths[j], column.align)

    def _named(self, i: int) -> list[str]:
        page = self.page
        pad = " " * self.table.indent
        name, right = self.names[i], "  ".join(x for x in self.aside[i] if x)
        if not name and not right:
            return []
        size = page.size(name) + len(pad)
        if size + 2 + page.size(right) <= page.width:
            between = " " * (page.width - size - page.size(right))
            return [(pad + page.style.bold(name) + between + right).rstrip()]
        broken = [pad + page.style.bold(x) for x in page.broken(name, page.width - len(pad), NAME_LINES)]
        if not right:
            return broken
        if page.size(broken[-1]) + 2 + page.size(right) <= page.width:
            broken[-1] += " " * (page.width - page.size(broken[-1]) - page.size(right)) + right
            return broken
        return [*broken, " " * max(len(pad), page.width - page.size(right)) + right]

    def _noted(self, lines: list[str], row: TableRow) -> list[str]:
        if not row.note:
            return lines
        note = said(self.page, row.note)
        if lines and self.page.size(lines[-1]) + 2 + self.page.size(note) <= self.page.width:
            return [*lines[:-1], f"{lines[-1]}, {note.replace(GLUE, ' ')}"]
        lead = " " * min(15, self.page.width // 4)
        return [*lines, *self.page.wrapped(lead + note, indent=len(lead))]


def _laid(page: Page, table: Table, rows: Sequence[TableRow], plan: _Plan) -> _Grid:
    def there(c: TableColumn) -> bool:
        return c.on in ("", "terminal") and (not c.optional or c.optional < plan.dropped)

    kept = [i for i, c in enumerate(table.columns) if there(c)]
    name = next((i for i in kept if table.columns[i].name), None)
    asides = [i for i in kept if table.columns[i].aside] if plan.own_line else []
    inline = [i for i in kept if not (plan.own_line and (i == name or i in asides))]
    columns = [table.columns[i] for i in inline]
    heads = [c.brief if plan.brief and c.brief else said(page, c.head).replace(GLUE, " ") for c in columns]
    cells = [[_cell(page, row, i, table, plan) for i in inline] for row in rows]
    values = [
        max((page.size(r[j].value) for r in cells if r[j].split), default=0) for j in range(len(columns))
    ]
    limits = [max((page.size(r[j].limits) for r in cells), default=0) for j in range(len(columns))]
    widths = []
    for j in range(len(columns)):
        if table.stacked or plan.under:
            size = max(limits[j], *(page.size(r[j].value) for r in cells))
        else:
            both = values[j] + 1 + limits[j] if limits[j] else values[j]
            size = max(both, *(page.size(r[j].value) for r in cells if not r[j].split), 0) if cells else both
        widths.append(max(size, page.size(heads[j]) if table.heads else 0, columns[j].least))
    return _Grid(
        page=page, plan=plan, table=table, columns=columns, asides=[table.columns[i] for i in asides],
        name=None if name is None else table.columns[name], rows=rows, cells=cells, heads=heads,
        names=[said(page, r.cells[name]).replace(GLUE, " ") if name is not None else "" for r in rows],
        aside=[[_aside(page, table.columns[i], r.cells[i]) for i in reversed(asides)] for r in rows],
        widths=widths, values=values, limits=limits,
    )  # fmt: skip


def _aside(page: Page, column: TableColumn, cell: Text) -> str:
    shown = said(page, cell).replace(GLUE, " ")
    return column.aside.format(shown) if shown else ""


def _cell(page: Page, row: TableRow, i: int, table: Table, plan: _Plan) -> _Cell:
    cell = row.cells[i]
    pad = " " * row.indent if table.columns[i].name else ""
    if len(cell) == 1 and isinstance(p := cell[0], Value):
        value, limits = _parts(p, plan.digits)
        if table.stacked:
            e = p.estimate
            if e.value is not None:
                value = page.style.bold(value) + page.style.dim(f" n={e.n:,}")
            return _Cell(value, limits or _absent(page, p), split=True)
        return _Cell(value, limits, split=True)
    shown = said(page, cell).replace(GLUE, " ")
    column = table.columns[i]
    if shown and column.aside and not table.heads:
        shown = column.aside.format(shown)
    return _Cell(pad + shown)


def _absent(page: Page, p: Value) -> str:
    """Why there is no value, or that there is no interval, in the room of an interval; ``-v`` has the reason."""
    if p.estimate.value is not None:
        return "no interval"
    reason = (p.estimate.why or "").partition(":")[0]
    return cut(visible(reason), 15, page.glyphs.more)


def _justified(page: Page, text: str, width: int, align: str) -> str:
    pad = " " * max(0, width - page.size(text))
    return pad + text if align == "right" else text + pad
