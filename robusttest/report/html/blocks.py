"""Blocks as HTML. Every text is escaped here, and what a reader would not see is shown as its escape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from robusttest.report import text as written
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
    plain,
)
from robusttest.report.escape import visible
from robusttest.report.words import evidence
from robusttest.report.words.terms import TERMS, anchor

if TYPE_CHECKING:
    from robusttest.stats.across.blame import Blame

STEP, STEPS = 4, 5
"""A map's colours, from two points on: a step for each four points, five steps either way."""


def laid(blocks: Sequence[Block], of: str = "") -> Markup:
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
        out += _block(block, of)
    return out + _listed(items)


def _listed(items: Markup) -> Markup:
    return Markup('<ul class="words">{}</ul>').format(items) if items else Markup()


def _block(block: Block, of: str = "") -> Markup:
    match block:
        case Section():
            head = _block(block.heading, of) if block.heading is not None else Markup()
            return head + laid(block.blocks, of)
        case Heading():
            return Markup("<h3>{}</h3>").format(said(block.text))
        case Sentence():
            kind = {"note": "notes", "first": "first", "lead": "lead"}.get(block.tone, "told")
            return Markup('<p class="{}">{}</p>').format(kind, said(block.text))
        case Table():
            return _table(block, of)
        case Listing():
            head = Markup("<p>{}</p>").format(said(block.head)) if block.head else Markup()
            items = Markup().join(Markup("<li>{}</li>").format(said(item)) for _, item in block.items)
            return head + Markup("<ul>{}</ul>").format(items)
        case Figure():
            return _bar(block.data) if block.kind == "blame" else Markup()  # the page draws all others
        case Failing():  # the explorer holds it
            return Markup()


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
            return Markup("<code>{}</code>").format(visible(p.text))
        case Strong():
            return Markup("<strong>{}</strong>").format(visible(p.text))
        case OutcomeWord():
            return Markup('<span class="word {}">{}</span>').format(p.like, visible(p.text))


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


def _table(t: Table, of: str) -> Markup:
    kept = [i for i, c in enumerate(t.columns) if c.on != "terminal"]
    noted = any(r.note for r in t.rows)
    right = [t.columns[i].align == "right" for i in kept]
    heads = Markup().join(
        Markup('<th scope="col"{}>{}</th>').format(Markup(' class="n"') if r else "", said(t.columns[i].head))
        for i, r in zip(kept, right, strict=True)
    )
    rows = Markup().join(
        Markup("<tr>{}{}</tr>").format(
            Markup().join(
                _cell(t, r.cells[i], j == 0, number, r.indent)
                for j, (i, number) in enumerate(zip(kept, right, strict=True))
            ),
            Markup('<td class="i">{}</td>').format(said(r.note)) if noted else "",
        )
        for r in t.rows
    )
    legend = Markup('<p class="hint">{}</p>').format(said(t.legend)) if t.legend else Markup()
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table class="{}"><thead><tr>{}{}</tr></thead>'
        "<tbody>{}</tbody></table></div>{}"
    ).format(
        visible(f"{t.label}: {of}" if of else t.label),
        t.shape,
        heads,
        Markup('<th scope="col">note</th>') if noted else "",
        rows,
        legend,
    )


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
        '<ul class="legend">{}</ul><svg class="blame" width="{}" height="14" viewBox="0 0 {} 14" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(items, BAR, BAR, plain(evidence.flips(b)), parts)


def _cell(t: Table, cell: Text, first: bool, right: bool, indent: int) -> Markup:
    if first:
        return Markup('<th scope="row"{}>{}</th>').format(
            Markup(' class="within"') if indent else "", said(cell)
        )
    kind = "n" if right or any(isinstance(p, Value) for p in cell) else ""
    if t.shape == "map" and len(cell) == 1 and isinstance(p := cell[0], Number):
        kind += f" {heat(p.value)}"
    return Markup('<td class="{}">{}</td>').format(kind, said(cell))


def heat(cost: float) -> str:
    """The class of a colour: ``l3`` for a loss of 10 to 13 points, ``g1`` for a gain of 2 to 5; empty below."""
    step = min(STEPS, (round(100 * abs(cost)) - 2) // STEP + 1)
    return "" if step < 1 else f"{'l' if cost > 0 else 'g'}{step}"
