"""What a report says of several cells together: where work pays on each, and robustness against accuracy over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from robusttest.report.model import CellReport

if TYPE_CHECKING:
    from robusttest.stats.across.emergence import Emergence
    from robusttest.stats.cell.frame import Frame


def advised(reports: Sequence[CellReport], cells: Sequence[Frame | None]) -> tuple[CellReport, ...]:
    """Each report with its spread against noise, and the advice on its cell, compared with all others.

    Without them where no case was put in two ways, where nothing says what is right, and after an adaptive run, which stopped on other questions.
    """
    from robusttest.stats.across.advice import advise, reaction
    from robusttest.stats.across.two_way import over_prompts
    from robusttest.stats.cell.estimates import NO_LABELS, estimate
    from robusttest.stats.cell.spread import IN_REPORT, spread_test

    asked = {
        i: cell
        for i, cell in enumerate(cells)
        if cell is not None
        and not cell.sequential
        and cell.select(None).n_variants > 1
        and estimate(cell, "accuracy").reason != NO_LABELS
    }
    out = [
        r if cell is None or not r.reactions else replace(r, reaction=reaction(cell))
        for r, cell in zip(reports, cells, strict=True)
    ]
    for (i, cell), advice in zip(asked.items(), advise(list(asked.values())), strict=True):
        spread = spread_test(cell, most_scores=IN_REPORT)
        out[i] = replace(
            out[i], advice=out[i].advice or advice, spread=spread, over_prompts=over_prompts(cell)
        )
    return tuple(out)


def emergence(cells: Sequence[Frame | None]) -> Emergence | None:
    """Over the cells of a run; None for a single one, those of adaptive runs not counted."""
    from robusttest.stats.across.emergence import analyse

    there = [cell for cell in cells if cell is not None]
    return analyse(there) if sum(not cell.sequential for cell in there) > 1 else None
