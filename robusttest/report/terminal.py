"""The section at the end of pytest's output: plain lines, readable from 60 columns on and without colour.

One or two cells are told in full; more become sentences and a table, with the failing ones in full below it.
"""

from __future__ import annotations

from collections.abc import Sequence

from robusttest.report import text
from robusttest.report.blocks import Block, Failing, Heading, Listing, Section, Sentence, Table, Text
from robusttest.report.escape import encodable, visible
from robusttest.report.failing import failing_lines
from robusttest.report.layout import listing_lines, said, sentence_lines, table_lines
from robusttest.report.model import CellReport, Report, label
from robusttest.report.page import GLUE, Page
from robusttest.report.words import against
from robusttest.report.words import run as words
from robusttest.report.words.cell import failing as failing_blocks

FULL = 2
"""Up to this many cells are told in full whatever their verdicts."""

DETAILED = 3
"""Of many cells, at most so many failing ones are told in full."""

WORST = 3
"""Failing variants of a cell."""

TIGHT = ("compared",)
"""Sections without an empty line before them."""

QUIET = "robustness: "
"""What pytest's ``-q`` puts before the one line."""


def render(
    report: Report,
    *,
    width: int = 80,
    color: bool = False,
    verbosity: int = 0,
    encoding: str = "utf-8",
    told: bool = False,
) -> list[str]:
    """Lines without line ends. ``verbosity`` < 0 is one line, > 0 shows every perturbation and reason, and
    every failing cell in full, > 1 every cell.

    ``encoding`` is the stream's: what it can't show is written in ASCII. No line is wider than ``width`` but the
    replay commands, which are to be copied whole. ``told``: the failing variants of failed tests stand elsewhere.
    Nothing from a case or a model reaches the terminal unescaped.
    """
    page = Page.of(width, color, encoding, verbosity, elsewhere=told)
    lines = [_one_line(page, report)] if verbosity < 0 else _whole(page, report)
    return [encodable(line.rstrip(), encoding) for line in lines]


def failure_lines(
    cell: CellReport, *, width: int = 80, color: bool = False, limit: int = WORST, encoding: str = "utf-8"
) -> list[str]:
    """A failing test's text: the thresholds that were missed and the worst variants with their replay commands."""
    page = Page.of(width, color, encoding)
    lines = block_lines(page, failing_blocks(cell, limit))
    return [encodable(line.rstrip(), encoding) for line in lines]


def block_lines(page: Page, blocks: Sequence[Block], *, limit: int = WORST) -> list[str]:
    """Blocks under each other, an empty line before tables and failing variants."""
    out: list[str] = []
    for block in blocks:
        if block.on in ("page", "html"):
            continue
        lines: list[str] = []
        gap = False
        match block:
            case Heading():
                lines = heading_lines(page, block)
            case Sentence():
                lines = [] if block.elsewhere and page.elsewhere else sentence_lines(page, block)
            case Table():
                lines, gap = table_lines(page, block), block.gap
            case Listing():
                lines = listing_lines(page, block)
            case Failing():
                if page.verbosity >= block.detail and not (block.elsewhere and page.elsewhere):
                    lines, gap = failing_lines(page, block, limit), True
            case Section():
                lines = section_lines(page, block) if page.verbosity >= block.detail else []
                gap = block.key not in TIGHT
        if lines:
            out += ([""] if gap and out else []) + lines
    return out


def section_lines(page: Page, s: Section) -> list[str]:
    if s.on in ("page", "html"):
        return []
    head = heading_lines(page, s.heading) if s.heading is not None and s.key == "cell" else []
    return [*head, *block_lines(page, s.blocks)]


def heading_lines(page: Page, h: Heading) -> list[str]:
    """Names left; facts and outcome right, the facts on a line of their own where the names are long."""
    word = page.shown(h.outcome.text) if h.outcome is not None else ""
    facts = said(page, h.facts).replace(GLUE, " ")
    name = said(page, h.text).replace(GLUE, " ")
    together = f"{facts}  {word}".rstrip() if facts else word
    below: list[str] = []
    right = facts + ("  " if word and facts else "")
    if page.size(name) + 2 + page.size(together) > page.width:
        right, below, together = "", ([f"  {facts}"] if facts else []), word
    coloured = page.style.outcome(h.outcome.like, word) if h.outcome is not None else ""
    names = page.broken(name, page.width, 3)
    if page.size(names[-1]) + 2 + page.size(together) <= page.width:
        gap = " " * (page.width - page.size(names[-1]) - page.size(together))
        lines = [*map(page.style.bold, names[:-1]), page.style.bold(names[-1]) + gap + right + coloured]
    else:
        pad = " " * (page.width - page.size(together))
        lines = [*map(page.style.bold, names), pad + right + coloured]
    return [*lines, *below]


def _whole(page: Page, report: Report) -> list[str]:
    out: list[str] = []
    full = _in_full(page, report)
    found = words.sections(report, only=full, detail=page.verbosity)
    for section in _chosen(page, report, found):
        lines = section_lines(page, section)
        if lines:
            out += ([""] if out else []) + lines
    return [*out, *([""] if out else []), *_footer(page, report)]


def _in_full(page: Page, report: Report) -> list[int]:
    """Which cells are told in full: few all of them, of many the first failing ones."""
    if len(report.cells) <= FULL or page.verbosity > 1:
        return list(range(len(report.cells)))
    failing = [i for word in ("error", "failed") for i, c in enumerate(report.cells) if c.outcome == word]
    return failing if page.verbosity > 0 else failing[:DETAILED]


def _chosen(page: Page, report: Report, sections: Sequence[Section]) -> list[Section]:
    """Of few tests each in full; of many the sentences, what was missed, the table, and the first failing ones in full."""
    shown = [s for s in sections if s.key == "cell"]
    rest = [s for s in sections if s.key not in ("cell", "summary", "verdicts", "results")]
    if len(report.cells) <= FULL:
        shown.sort(key=lambda s: s.index or 0)
        return [*shown, *rest]
    front = [s for s in sections if s.key in ("summary", "verdicts", "results")]
    left = sum(c.outcome in ("failed", "error") for c in report.cells) - len(shown)
    more = (
        [
            Section(
                key="more",
                blocks=(Sentence(text=(f"{left} more failing: see above, or -v for all in full",)),),
            )
        ]
        if page.verbosity <= 0 and left > 0
        else []
    )
    return [*front, *shown, *more, *rest]


def _line(page: Page, text: Text) -> str:
    return said(page, text).replace(GLUE, " ")


def _footer(page: Page, report: Report) -> list[str]:
    lines: list[str] = []
    for part in [_line(page, words.outcomes(report)), *(_line(page, p) for p in words.counts(report))]:
        joined = f"{lines[-1]} {page.glyphs.dot} {part}" if lines else part
        if lines and page.size(joined) <= page.width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def _one_line(page: Page, report: Report) -> str:
    g = page.glyphs
    parts = [_line(page, words.outcomes(report))]
    if (shard := report.run.settings.get("shard")) is not None:
        parts.append(f"shard {visible(str(shard))}: nothing judged")
    metrics = [
        f"{label(e.metric)} {text.number(e.value)}"
        for e in (report.cells[0].shown[:2] if len(report.cells) == 1 else ())
    ]
    parts += metrics
    if report.comparison is not None:
        parts.append(visible(against.summary(report.comparison)))
    calls, *rest = [_line(page, p) for p in words.counts(report)] or [""]
    short = calls.partition(" (")[0] + (f" ({report.run.errors:,} failed)" if report.run.errors else "")
    last = [] if report.run.complete else rest[-1:]  # that it is incomplete stays
    few = [x for x in parts if x not in metrics]
    for front, told in (
        (parts, [calls, *rest]), (parts, [short, *rest]), (parts, [short, *rest[:1], *last]), (parts, [short, *last]),
        (few, [short, *last]),
    ):  # fmt: skip
        line = f" {g.dot} ".join(x for x in [*front, *dict.fromkeys(told)] if x)
        if page.size(line) <= page.width - len(QUIET):
            break
    return line
