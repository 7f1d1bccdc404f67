r"""A comparison, an analysis or advice as lines of text: ``print("\n".join(told(found)))``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from robusttest.compare.model import Comparison
from robusttest.report.blocks import Block
from robusttest.report.escape import encodable
from robusttest.report.page import Page
from robusttest.report.terminal import block_lines
from robusttest.report.words import against, cell
from robusttest.report.words import emergence as words

if TYPE_CHECKING:
    from robusttest.compare.model import CellComparison


def told(
    found: Any, *, width: int = 80, color: bool = False, verbosity: int = 0, encoding: str = "utf-8"
) -> list[str]:
    """What the terminal says of a `Comparison`, an `Emergence`, an `Advice` or a `Stopping`; empty where it says nothing.

    Lines without line ends, escaped, at most ``width`` columns.
    """
    page = Page.of(width, color, encoding, verbosity)
    return [encodable(line.rstrip(), encoding) for line in block_lines(page, _blocks(found))]


def cell_told(found: Comparison, one: CellComparison, *, width: int = 1_000) -> list[str]:
    """One cell of a comparison, for a failed test's text, whose lines pytest lays out."""
    page = Page.of(width, False, "utf-8")
    return [line.rstrip() for line in block_lines(page, against.cell_section(found, one).blocks)]


def _blocks(found: Any) -> Sequence[Block]:
    if isinstance(found, Comparison):
        return against.section(found).blocks
    if hasattr(found, "claims"):
        section = words.section(found)
        return section.blocks if section is not None and section.on != "html" else ()
    return list(cell.said(found))
