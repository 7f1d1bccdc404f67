"""What a report says of several cells together: where work pays on each, and robustness against accuracy over all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robusttest.core.nouns import Estimate
    from robusttest.engine.cell import Cell
    from robusttest.stats.across.advice import Advice
    from robusttest.stats.across.emergence import Emergence
    from robusttest.stats.across.factors import FactorRow
    from robusttest.stats.across.levers import Lever
    from robusttest.stats.across.prompts import SideBySide
    from robusttest.stats.across.suite import SuiteMean
    from robusttest.stats.cell.frame import Frame
    from robusttest.stats.cell.spread import SpreadTest


def _asked(cell: Frame | None) -> bool:
    """Whether there is anything to advise on: not where no case was put in two ways, where nothing says what is right, or after
    an adaptive run, which stopped on other questions.
    """
    from robusttest.stats.cell.estimates import NO_LABELS, estimate

    return (
        cell is not None
        and not cell.sequential
        and cell.select(None).n_variants > 1
        and estimate(cell, "accuracy").reason != NO_LABELS
    )


def advice_of(cells: Sequence[Frame | None]) -> Callable[[int], Advice | None]:
    """The advice on the i-th cell, compared with all others: computed for all of them when it is first asked for. Where most
    replies can't be read that is said, whatever else there is to ask of the cell.
    """

    @cache
    def found() -> dict[int, Advice | None]:
        from robusttest.stats.across.advice import advise, format_limited

        asked = {i: cell for i, cell in enumerate(cells) if cell is not None and _asked(cell)}
        others = {i: format_limited(c) for i, c in enumerate(cells) if c is not None and i not in asked}
        return {**others, **dict(zip(asked, advise(list(asked.values())), strict=True))}

    return lambda i: found().get(i)


def spread(cell: Frame) -> SpreadTest | None:
    """The spread between variants against noise."""
    from robusttest.stats.cell.spread import IN_REPORT, spread_test

    return spread_test(cell, most_scores=IN_REPORT) if _asked(cell) else None


def over_prompts(cell: Frame) -> Estimate | None:
    """The pass rate for prompts like these."""
    from robusttest.stats.across import two_way

    return two_way.over_prompts(cell) if _asked(cell) else None


def lever(cell: Frame) -> Lever | None:
    """What to work on."""
    from robusttest.stats.across import levers

    return levers.lever(cell) if _asked(cell) else None


def reaction(cell: Frame) -> Advice | None:
    """The advice on sensitivity, where some variants change the right answer."""
    from robusttest.stats.across import advice
    from robusttest.stats.cell.estimates import per_perturbation

    sensitive = any(cell.has(name, sensitive=True) for name in per_perturbation(cell))
    return advice.reaction(cell) if sensitive else None


def emergence(cells: Sequence[Frame | None]) -> Emergence | None:
    """Over the cells of a run; None for a single one, those of adaptive runs not counted."""
    from robusttest.stats.across.emergence import analyse

    there = [cell for cell in cells if cell is not None]
    return analyse(there) if sum(not cell.sequential for cell in there) > 1 else None


def prompts(cells: Sequence[Frame | None]) -> tuple[SideBySide, ...]:
    """The tasks that were put by several prompts, each with its prompts side by side."""
    if not any(cell is not None and cell.prompt is not None for cell in cells):
        return ()
    from robusttest.stats.across.prompts import side_by_side

    return side_by_side(cell for cell in cells if cell is not None)


def factors(cells: Sequence[Cell]) -> tuple[FactorRow, ...]:
    """Each factor of the crossed designs over the cells that have it; none where there are not two such cells."""
    found = [design for cell in cells for design in cell.factors]
    if len({design.key for design in found}) < 2:
        return ()
    from robusttest.stats.across.factors import table

    return table(found)


def suite(cells: Sequence[Frame | None]) -> tuple[SuiteMean, ...]:
    """Means over the tasks of each model that has two or more."""
    from robusttest.stats.across.suite import suite_means

    return suite_means(cell for cell in cells if cell is not None)
