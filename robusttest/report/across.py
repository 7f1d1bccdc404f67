"""What a report says of several cells together: where work pays on each, and robustness against accuracy over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from robusttest.report.model import CellReport

if TYPE_CHECKING:
    from robusttest.stats.emergence import Emergence
    from robusttest.stats.frame import Cell


def advised(reports: Sequence[CellReport], cells: Sequence[Cell | None]) -> tuple[CellReport, ...]:
    """Each report with its spread against noise, and the advice on its cell, compared with all others.

    Without them where no case was put in two ways, and after an adaptive run, which stopped on other questions.
    """
    from robusttest.stats.advice import advise
    from robusttest.stats.spread import IN_REPORT, spread_test
    from robusttest.stats.two_way import over_prompts

    asked = {
        i: cell
        for i, (r, cell) in enumerate(zip(reports, cells, strict=True))
        if cell is not None and r.adaptive is None and cell.select(None).n_variants > 1
    }
    out = list(reports)
    for (i, cell), advice in zip(asked.items(), advise(list(asked.values())), strict=True):
        spread = spread_test(cell, most_scores=IN_REPORT)
        out[i] = replace(
            out[i], advice=out[i].advice or advice, spread=spread, over_prompts=over_prompts(cell)
        )
    return tuple(out)


def emergence(cells: Sequence[Cell | None]) -> Emergence | None:
    """Over the cells of a run; None for a single one. Cells of adaptive runs are left out, and that is said."""
    from robusttest.stats.emergence import analyse

    every = [cell for cell in cells if cell is not None]
    there = [cell for cell in every if not cell.sequential]
    if len(there) < 2:
        return None
    found = analyse(there)
    if len(there) == len(every):
        return found
    note = f"{len(every) - len(there)} cells of adaptive runs are left out: they stopped when their thresholds were decided"
    return replace(found, notes=(*found.notes, note))
