"""What a report says, as a list of blocks: built once (`robusttest.report.words`), laid out by terminal, Markdown and HTML.

A text is a tuple of pieces: plain strings (escaped by whoever shows them), numbers that keep their value, terms of the
glossary, code, verdicts. A block is a `Heading`, `Sentence`, `Table`, `Listing`, `Failing` or `Figure`; a `Section`
holds blocks and sections. Nothing here computes, escapes or measures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

from robusttest.core.nouns import Estimate
from robusttest.report.model import CellOutcome, FailureReport

# pieces of a text

LIMIT = re.compile(r" (?:[<>]=?|==) \S+$")
"""The end of a threshold: what it is held against, which is not parted from its number."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written (``92 %``), with the value behind it. Never broken over two lines."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Value:
    """An estimate with its interval; ``usual`` is the n of its neighbours, so that another one is told."""

    estimate: Estimate
    usual: int | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """A word that the glossary explains, under the name ``of``."""

    text: str
    of: str


@dataclass(frozen=True, slots=True)
class Code:
    """What is typed or named in code: a threshold, a perturbation, a command."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    text: str


@dataclass(frozen=True, slots=True)
class OutcomeWord:
    """A verdict or outcome, coloured like ``like``; ``text`` is the word that is read."""

    text: str
    like: CellOutcome


Piece: TypeAlias = str | Number | Value | Term | Code | Strong | OutcomeWord
Text: TypeAlias = tuple[Piece, ...]

Place: TypeAlias = Literal["", "terminal", "page", "html"]
"""Where a block is shown: everywhere, on the terminal alone, on pages (Markdown, HTML) alone, in HTML alone."""

Tone: TypeAlias = Literal["lead", "plain", "first", "note", "dim", "item"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """``facts`` stand to its right, where there is room."""

    text: Text
    level: int = 2
    facts: Text = ()
    outcome: OutcomeWord | None = None
    on: Place = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    text: Text
    tone: Tone = "plain"
    indent: int = 0
    detail: int = 0
    """Shown from this verbosity of a terminal on; pages show all."""
    until: int | None = None
    """Not shown from this verbosity on."""
    on: Place = ""
    cut: bool = False
    """On a terminal one line, cut at its end (``-v`` shows all): text of others, of any length."""
    tail: Text = ()
    """Follows what was cut."""
    elsewhere: bool = False
    """A failed test's reason: pytest may have told it."""


Align: TypeAlias = Literal["left", "right"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    head: Text
    align: Align = "left"
    brief: str = ""
    """A shorter head for where it gets tight."""
    least: int = 0
    """Columns of a terminal that it takes at least."""
    optional: int = 0
    """0: always shown. Else it goes where it gets tight, the highest number first."""
    name: bool = False
    """The rows' name: on a line of its own, where it doesn't fit beside the numbers."""
    aside: str = ""
    """Where names have lines of their own, this column stands there on the right, written like this (``n={}``), and so
    where there are no heads."""
    on: Place = ""
    plot: Any = None
    """What HTML draws in this column, by row: see `robusttest.report.html.plots`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    cells: tuple[Text, ...]
    brief: bool = True
    """Whether a terminal without ``-v`` shows it."""
    note: Text = ()
    """Said after the row."""
    indent: int = 0
    plot: Any = None
    """What HTML draws for this row."""
    tone: Literal["", "floor", "pooled"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    label: str
    """What it shows, for a screen reader."""
    columns: tuple[TableColumn, ...]
    rows: tuple[TableRow, ...]
    digits: Literal[2, 3] = 3
    """Of estimates; 2 is the short form, ``.92 [.82, .96]``."""
    stacked: bool = False
    """Intervals stand under their values."""
    left: Text = ()
    """Said where rows were left out; ``{}`` in it is their number."""
    legend: Text = ()
    on: Place = ""
    gap: bool = True
    """An empty line goes before it."""
    indent: int = 2
    heads: bool = True
    """Whether a terminal shows the columns' heads."""
    shape: str = ""
    """What HTML makes of it: ``verdicts``, ``results``, ``forest``, ``split`` … (a style and its plots)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Items under each other; ``depth`` 1 belongs to the one before."""

    items: tuple[tuple[int, Text], ...]
    head: Text = ()
    indent: int = 2
    on: Place = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """Failing variants, the worst first; each place shows as many as it has room for."""

    failures: tuple[FailureReport, ...]
    total: int
    elsewhere: bool = False
    """A failed test's: pytest has shown them."""
    detail: int = 0
    on: Place = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Drawn by HTML alone; every number in it stands in a table, too."""

    kind: str
    data: Any = field(repr=False)
    on: Place = "page"


Block: TypeAlias = "Heading | Sentence | Table | Listing | Failing | Figure | Section"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """``key`` is its anchor and says what it is (``cell``, ``comparison`` …)."""

    key: str
    heading: Heading | None = None
    blocks: tuple[Block, ...] = ()
    opened: bool = True
    on: Place = ""
    outcome: CellOutcome | None = None
    detail: int = 0
    """Shown from this verbosity of a terminal on; pages show all."""
    index: int | None = None
    """Of a cell: its place in the report."""


def text(*pieces: Piece) -> Text:
    return pieces


def number(value: float, written: str) -> Number:
    return Number(float(value), written)


def count(n: int, noun: str, plural: str | None = None) -> Text:
    """``1 case``, ``1,560 calls``."""
    return (Number(float(n), f"{n:,}"), f" {noun if n == 1 else plural or noun + 's'}")


def plain(said: Text) -> str:
    """The words alone; an estimate with its interval."""
    from robusttest.report.text import value_interval

    return "".join(
        p if isinstance(p, str) else value_interval(p.estimate) if isinstance(p, Value) else p.text
        for p in said
    )


def walk(blocks: Sequence[Block]) -> Iterator[Block]:
    """Every block, depth first, sections before what they hold."""
    for block in blocks:
        yield block
        if isinstance(block, Section):
            if block.heading is not None:
                yield block.heading
            yield from walk(block.blocks)


def pieces(blocks: Sequence[Block]) -> Iterator[Piece]:
    """Every piece of every text."""
    for block in walk(blocks):
        if not isinstance(block, Section):
            yield from _pieces(block)


def numbers(blocks: Sequence[Block]) -> Iterator[float]:
    """Every number that some renderer shows, at full precision."""
    for piece in pieces(blocks):
        if isinstance(piece, Number):
            yield piece.value
        elif isinstance(piece, Value):
            e = piece.estimate
            yield from (v for v in (e.value, e.low, e.high) if v is not None)


def _pieces(value: Any) -> Iterator[Piece]:
    if isinstance(value, str | Number | Value | Term | Code | Strong | OutcomeWord):
        yield value
    elif isinstance(value, tuple):
        for v in value:
            yield from _pieces(v)
    elif isinstance(value, Heading | Sentence | Table | Listing | TableColumn | TableRow):
        for f in fields(value):
            yield from _pieces(getattr(value, f.name))
