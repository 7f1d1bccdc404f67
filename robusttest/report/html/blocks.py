"""Blocks as HTML. Every text is escaped here, and what a reader would not see is shown as its escape."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from robusttest.report import text as written
from robusttest.report.blocks import (
    LIMIT,
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
    TableRow,
    Term,
    Text,
    Value,
    plain,
)
from robusttest.report.escape import visible
from robusttest.report.words import evidence
from robusttest.report.words.terms import TERMS, anchor

if TYPE_CHECKING:
    from robusttest.stats.across.blame import Blame

STEP, STEPS = 4, 5
"""A map's colours, from two points on: a step for each four points, five steps either way."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A column that HTML alone has: what is drawn beside a row's words."""

    after: int
    """Columns before it."""
    row: Callable[[TableRow], Markup]
    head: Markup = Markup('<span class="sr">plot</span>')  # noqa: RUF009  # it is immutable


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a page draws: columns by the shape of a table, figures by their kind; and where a row's name leads."""

    plots: Mapping[str, Plot] = field(default_factory=dict)
    figures: Mapping[str, Callable[[Any], Markup]] = field(default_factory=dict)
    linked: Callable[[TableRow, Markup], Markup] = field(default=lambda row, name: name)
    folded: Container[int] = ()
    """Sections of these places are closed."""


PLAIN = Drawn()
FOLDED = ("cell", "compared")
"""Sections that a reader opens."""
BEHIND = ("points", "relations", "shares")
"""Shapes of tables that a reader opens: a figure, or a sentence, has told what is in them."""
TONES = {"floor": "noise floor", "pooled": "all severities"}
CLASSES = {"results": "results sortable stacked", "changes": "forest"}
"""By the shape of a table, where it is not its name."""
MARKS = {
    "passed": "✓", "failed": "✗", "error": "!", "inconclusive": "?", "not_run": "–", "xpassed": "?", "xfailed": "–",
    "skipped": "–", "none": "–",
}  # fmt: skip


def laid(blocks: Sequence[Block], of: str = "", drawn: Drawn = PLAIN) -> Markup:
    """Blocks under each other; sentences that are items make one list. ``of``: whose they are, for tables' names."""
    out = Markup()
    items = Markup()
    for block in blocks:
        if block.on == "terminal":
            continue
        if isinstance(block, Sentence) and block.tone == "item":
            items += Markup("<li>{}</li>").format(said(block.text))
            continue
        out += _listed(items)
        items = Markup()
        out += _block(block, of, drawn)
    return out + _listed(items)


def _listed(items: Markup) -> Markup:
    return Markup('<ul class="words">{}</ul>').format(items) if items else Markup()


def _block(block: Block, of: str, drawn: Drawn) -> Markup:
    match block:
        case Section():
            if block.key in FOLDED:
                return _folded(block, drawn)
            head = _block(block.heading, of, drawn) if block.heading is not None else Markup()
            return head + laid(block.blocks, of, drawn)
        case Heading():
            return Markup("<h3>{}</h3>").format(said(block.text))
        case Sentence():
            kind = {"note": "notes", "first": "first", "lead": "lead"}.get(block.tone, "told")
            return Markup('<p class="{}">{}</p>').format(kind, said(block.text))
        case Table():
            return _table(block, of, drawn) if block.rows else Markup()
        case Listing():
            head = Markup("<p>{}</p>").format(said(block.head)) if block.head else Markup()
            items = Markup().join(Markup("<li>{}</li>").format(said(item)) for _, item in block.items)
            return head + Markup("<ul>{}</ul>").format(items)
        case Figure():
            draw = drawn.figures.get(block.kind, _bar if block.kind == "blame" else None)
            return Markup() if draw is None else draw(block.data)
        case Failing():  # the explorer holds it
            return Markup()


def _folded(s: Section, drawn: Drawn) -> Markup:
    """A test, or what became of it: its name and outcome, and what opens."""
    head = s.heading
    assert head is not None
    name = plain(head.text)
    opened = s.opened and s.index not in drawn.folded
    return Markup(
        '<details class="cell"{}{}><summary><span class="name">{}</span> {}{}</summary>{}</details>'
    ).format(
        Markup("") if s.index is None else Markup(' id="cell-{}"').format(s.index),
        Markup(" open") if opened else "",
        said(head.text),
        badge(head.outcome) if head.outcome is not None else "",
        Markup(' <span class="facts"><span>{}</span></span>').format(said(head.facts)) if head.facts else "",
        laid(s.blocks, name, drawn),
    )


def badge(word: OutcomeWord) -> Markup:
    return Markup('<span class="badge {}"><span aria-hidden="true">{}</span> {}</span>').format(
        word.like, MARKS[word.like], visible(word.text.lower())
    )


def said(pieces: Text) -> Markup:
    return Markup().join(map(_piece, pieces))


def _piece(p: Piece) -> Markup:
    match p:
        case str():
            return escape(visible(p))
        case Number():
            return Markup("<b>{}</b>").format(visible(p.text))
        case Value():
            return value(p)
        case Term():
            return term(p.text, p.of)
        case Code():
            return code(p.text)
        case Strong():
            return Markup("<strong>{}</strong>").format(visible(p.text))
        case OutcomeWord():
            return Markup('<span class="word {}">{}</span>').format(p.like, visible(p.text))


def code(text: str) -> Markup:
    """A threshold's number stays with what it is compared by."""
    end = LIMIT.search(text)
    if end is None:
        return Markup("<code>{}</code>").format(visible(text))
    return Markup('<code>{} <span class="whole">{}</span></code>').format(
        visible(text[: end.start()]), visible(end[0].lstrip(" "))
    )


def value(p: Value) -> Markup:
    e = p.estimate
    if e.value is None:
        return Markup('<span class="absent">{}</span>').format(visible(e.why or "-"))
    n = f" n={e.n:,}" if p.usual is not None and e.n != p.usual else ""
    return Markup('<b>{}</b> <span class="i">{}{}</span>').format(
        written.number(e.value), written.interval(e), n
    )


def term(text: str, of: str) -> Markup:
    """A link to the glossary, which says it on hover, too."""
    entry = TERMS.get(of)
    if entry is None:
        return escape(visible(text))
    return Markup('<a class="term" href="#{}" title="{}">{}</a>').format(
        anchor(of), entry.said, visible(text)
    )


def _table(t: Table, of: str, drawn: Drawn) -> Markup:
    kept = [i for i, c in enumerate(t.columns) if c.on != "terminal"]
    name = next((i for i in kept if t.columns[i].name), kept[0])
    numeric = {i for i in kept if i != name and _numeric(t, i)}
    plot = drawn.plots.get(t.shape)
    heads = [
        Markup('<th scope="col"{}>{}</th>').format(
            Markup(' class="n"') if i in numeric else "",
            said(t.columns[i].head) or Markup('<span class="sr">{}</span>').format(_unheaded(t, i)),
        )
        for i in kept
    ]
    if plot is not None:
        heads.insert(plot.after, Markup('<th scope="col" class="plot">{}</th>').format(plot.head))
    rows = Markup()
    for place, r in enumerate(t.rows):
        cells = [_name(t, r, i, drawn) if i == name else _cell(t, r, i, i in numeric, place) for i in kept]
        if plot is not None:
            cells.insert(plot.after, Markup('<td class="plot">{}</td>').format(plot.row(r)))
        tone = " ".join(filter(None, (r.tone, "noted" if r.note else "")))
        rows += Markup("<tr{}>{}</tr>").format(
            Markup(' class="{}"').format(tone) if tone else "", Markup().join(cells)
        )
        if r.note:
            rows += Markup('<tr class="note"><td></td><td colspan="{}">{}</td></tr>').format(
                len(heads) - 1, said(r.note)
            )
    legend = Markup('<p class="hint">{}</p>').format(said(t.legend)) if t.legend else Markup()
    label = visible(f"{t.label}: {of}" if of and of not in t.label else t.label)
    made = Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table class="{}"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>{}"
    ).format(label, CLASSES.get(t.shape, t.shape), Markup().join(heads), rows, legend)
    if t.shape not in BEHIND:
        return made
    return Markup("<details><summary>{} ({})</summary>{}</details>").format(
        visible(t.label), written.count(len(t.rows), "row"), made
    )


def _unheaded(t: Table, i: int) -> str:
    """What a column without a head is called where it can't be seen what it is."""
    return "verdict" if any(isinstance(p, OutcomeWord) for r in t.rows for p in r.cells[i]) else "note"


def _numeric(t: Table, i: int) -> bool:
    """Whether a column holds numbers: they stand on the right, and are not broken."""
    cells = [r.cells[i] for r in t.rows if r.cells[i] and r.cells[i] != ("-",)]
    return t.columns[i].align == "right" or (
        bool(cells) and all(isinstance(c[0], Number | Value) for c in cells)
    )


def _name(t: Table, r: TableRow, i: int, drawn: Drawn) -> Markup:
    told = drawn.linked(r, said(r.cells[i]))
    if r.tone:
        told += Markup(' <span class="i">{}</span>').format(TONES[r.tone])
    kind = "within" if r.indent else "named" if t.shape in NAMED else ""
    return Markup('<th scope="row"{}>{}</th>').format(
        Markup(' class="{}"').format(kind) if kind else "", told
    )


def _cell(t: Table, r: TableRow, i: int, numeric: bool, place: int) -> Markup:
    cell = r.cells[i]
    only = cell[0] if len(cell) == 1 else None
    if isinstance(only, OutcomeWord) and t.shape in BADGED:
        return Markup('<td data-v="{}">{}</td>').format(place, badge(only))
    kind = "n" if numeric else "named" if t.columns[i].head == ("model",) else ""
    if t.shape == "map" and isinstance(only, Number):
        kind += f" {heat(only.value)}"
    value = (
        only.value if isinstance(only, Number) else only.estimate.value if isinstance(only, Value) else None
    )
    sort = Markup(' data-v="{}"').format(value) if t.shape == "results" and value is not None else ""
    return Markup('<td class="{}"{}>{}</td>').format(kind, sort, said(cell))


NAMED = ("results", "verdicts", "overview")
"""Shapes of tables whose rows have a test's name."""
BADGED = (*NAMED, "changes")


BAR = 360
"""Pixels of a stacked bar: all flips of a cell."""


def _bar(b: Blame) -> Markup:
    """The flips of a cell as one bar, a part for each of what made them."""
    if b.flips <= 0:
        return Markup()
    parts, items, x = Markup(), Markup(), 0.0
    for i, p in enumerate(b.parts):
        width = p.value / b.flips * BAR
        name = f"{p.label} {100 * p.value:.1f} %"
        parts += Markup(
            '<rect class="part h{}" x="{:.1f}" width="{:.1f}" height="14"><title>{}</title></rect>'
        ).format(i, x, width, name)
        items += Markup('<li><span class="dot h{}" aria-hidden="true"></span>{}</li>').format(i, p.label)
        x += width
    return Markup(
        '<figure class="blame"><svg width="{}" height="14" viewBox="0 0 {} 14" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
        '<ul class="legend">{}</ul></figure>'
    ).format(BAR, BAR, plain(evidence.flips(b)), parts, items)


def heat(cost: float) -> str:
    """The class of a colour: ``l3`` for a loss of 10 to 13 points, ``g1`` for a gain of 2 to 5; empty below."""
    step = min(STEPS, (round(100 * abs(cost)) - 2) // STEP + 1)
    return "" if step < 1 else f"{'l' if cost > 0 else 'g'}{step}"
