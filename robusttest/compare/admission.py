"""Whether a run can carry a baseline, and what the baseline will be able to show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator

from robusttest.compare.against import MAIN_SHARE
from robusttest.compare.rows import CellRows, Version, noise
from robusttest.core.nouns import REFERENCE
from robusttest.stats.cell.frame import OWN_NAME_ONLY
from robusttest.stats.cell.intervals import ALPHA

UNREADABLE = 0.5
"""From this share of unreadable replies on, a cell says more of the format than of the model."""
TOLD = 3
"""Cells of which it is told what they can show: those that show least."""


def refusals(version: Version, min_coverage: float) -> list[str]:
    """Why this run can't carry a baseline, by cell; empty where it can.

    What is compared with a baseline of failed calls, or of replies that nobody could read, is compared with nothing.
    """
    out, name_of = [], _names(version)
    for cell in version.cells:
        planned = len(cell.rows)
        answered = [row for row in cell.rows.values() if row.score is not None]
        if not planned or len(answered) < min_coverage * planned:
            share = f", {100 * len(answered) / planned:.0f} %" if planned else ""
            out.append(
                f"{name_of(cell)} has replies to {len(answered):,} of {planned:,} variants{share} (the least is "
                f"{100 * min_coverage:g} %)"
            )
            continue
        unreadable = sum(row.status != "ok" for row in answered)
        if unreadable >= UNREADABLE * len(answered):
            out.append(
                f"of {name_of(cell)} {unreadable:,} of {len(answered):,} replies are unreadable: change the prompt, "
                "max_tokens or the scorer first"
            )
    return out


def least_broken(cells: int, alpha: float = ALPHA) -> int:
    """The fewest broken cases, with none fixed, that a gate can call regressed in a suite of this many cells: 2^-b has to
    be at most the cell's Holm share of α.
    """
    return math.ceil(math.log2(cells / (MAIN_SHARE * alpha)) - 1e-9)


def powers(version: Version) -> Iterator[str]:
    """What a comparison with this version can show, said of the cells that show least; and how often repeats disagree."""
    fewest = least_broken(len(version.cells))
    told = sorted(
        ((_smallest(cell, fewest), cell) for cell in version.cells), key=lambda x: (-x[0], x[1].key)
    )
    name_of = _names(version)
    for drop, cell in told[:TOLD]:
        cases, variants = _size(cell)
        what = f"{cases:,} case{'s' * (cases != 1)} × {variants:,} variant{'s' * (variants != 1)}"
        if drop > 1:
            yield (
                f"no drop in {name_of(cell)} can show against it: a regression takes {fewest} broken cases or clusters, and "
                f"it has {_units(cell):,} ({what})"
            )
        else:
            yield (
                f"the smallest drop in {name_of(cell)} that can show against it is {100 * drop:.1f} points: {fewest} cases "
                f"that each lose a variant ({what})"
            )
    if len(told) > TOLD:
        yield f"in {len(told) - TOLD} more tests smaller drops can show"
    for cell in version.cells:
        differ, total = noise(cell)
        if total:
            yield f"{name_of(cell)} disagrees with itself on {differ:,} of {total:,} repeats of the same prompt"


def _smallest(cell: CellRows, fewest: int) -> float:
    """As a share of the score; more than 1 where there is none."""
    if _units(cell) < fewest:
        return 2.0
    cases, variants = _size(cell)
    return fewest / (cases * variants)


def _units(cell: CellRows) -> int:
    return len({case if cluster is None else ("", cluster) for case, cluster in cell.clusters.items()})


def _size(cell: CellRows) -> tuple[int, int]:
    """(cases, variants of a case that ``all`` is over, the largest number)."""
    counts: dict[str, int] = {}
    for case, perturbation, _, _ in cell.rows:
        if cell.levels.get(perturbation, REFERENCE) not in OWN_NAME_ONLY:
            counts[case] = counts.get(case, 0) + 1
    return len(counts), max(counts.values(), default=1)


def _names(version: Version) -> Callable[[CellRows], str]:
    """A cell's task and model, with the test where these alone could be another's."""
    times = Counter((c.task, c.model) for c in version.cells)

    def name(cell: CellRows) -> str:
        parts = [cell.task, *([cell.model] if cell.model else [])]
        if times[cell.task, cell.model] > 1 and cell.test is not None:
            parts.insert(1, cell.test.rpartition("/")[2])
        return " · ".join(parts)

    return name
