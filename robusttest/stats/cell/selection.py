"""The columns that a metric runs over: the reference and the variants of a perturbation, each once.

A unit (one variant of one case) that was run several times has its first reply in the arrays, and the mean over its
runs in `Frame.averaged`, which accuracy and spread read. Reruns are variants of ``repeat`` alone: a column ``repeat``
and the perturbation ``repeat`` say the same. Variants that keep the right answer and those that change it are never
in one selection.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robusttest.errors import UnknownNameError
from robusttest.stats.cell.frame import OWN_NAME_ONLY, REPEAT, Column, Floats, Frame, Mask


def select(cell: Frame, perturbation: str | None, *, sensitive: bool = False) -> Frame:
    """See `Frame.select`. Raises `UnknownNameError` for a perturbation that this cell has never seen."""
    if perturbation is not None:
        perturbation = _known(cell, perturbation)
    if perturbation == REPEAT:
        return _repeats(cell, sensitive)
    if perturbation is None:
        keep = [i for i, c in enumerate(cell.columns) if c.is_reference or c.level not in OWN_NAME_ONLY]
    else:
        keep = sorted({*map(int, np.flatnonzero(cell.is_reference)), *cell.columns_of(perturbation)})
    of: dict[str, Any] = {"whole": cell, "chosen": perturbation}
    kept = replace(cell, **of) if len(keep) == len(cell.columns) else cell.take(keep, **of)
    made = _without(kept, ~kept.sensitive if sensitive else kept.sensitive)
    once = _once(made)
    rerun = [i for i, c in enumerate(cell.columns) if c.level == REPEAT]
    if rerun and cell.has_reference:
        once = _with_reruns(once, cell.scores[:, [*map(int, np.flatnonzero(cell.is_reference)), *rerun]])
    return once


def _known(cell: Frame, perturbation: str) -> str:
    if perturbation in cell.known:
        return perturbation
    names = {*cell.known, *cell.families, *([REPEAT] if cell.has_repeats else [])}
    if perturbation in names:
        return perturbation
    from robusttest.perturbations.base.catalog import meant

    if (found := meant(perturbation, names)) is None:
        raise UnknownNameError("perturbation", perturbation, names)
    return found


def _repeats(cell: Frame, sensitive: bool) -> Frame:
    """The first run of the reference, and its reruns as variants of ``repeat``."""
    runs = sorted(
        (int(i) for i in np.flatnonzero(cell.is_reference)), key=lambda i: (cell.columns[i].repeat, i)
    )
    columns = []
    for place, i in enumerate(runs):
        c = cell.columns[i]
        name = f"{REPEAT}@{c.repeat}"
        columns.append(c if not place else Column(name, REPEAT, REPEAT, REPEAT, None, place - 1))
    others = [i for i, c in enumerate(cell.columns) if c.level == REPEAT and not c.is_reference]
    columns += [cell.columns[i] for i in others]
    made = replace(cell.take([*runs, *others]), columns=tuple(columns))
    made = _without(made, ~made.sensitive if sensitive else made.sensitive)
    if runs:
        made = _with_reruns(made, made.scores)
    return replace(made, whole=cell, chosen=REPEAT)


def _without(cell: Frame, mask: Mask) -> Frame:
    """The cell with these entries absent (never those of the reference), without columns that had nothing else."""
    mask = mask & ~cell.is_reference & cell.planned
    if not mask.any():
        # Columns without a variant of the wanted kind stay: a perturbation that acts on no case is known all the same.
        return cell
    left = cell.planned & ~mask
    keep = np.flatnonzero(left.any(axis=0) | ~mask.any(axis=0))
    at, gone = cell.take([int(i) for i in keep]), mask[:, keep]

    def absent(values: NDArray[Any] | None, empty: Any) -> Any:
        return None if values is None else np.where(gone, empty, values)

    return replace(
        at,
        scores=absent(at.scores, np.nan),
        answers=absent(at.answers, -1),
        replies=absent(at.replies, -1),
        questions=absent(at.questions, -1),
        rows=absent(at.rows, None),
        checks=absent(at.checks, -1),
        **{name: getattr(at, name) & ~gone for name in _MASKS},
    )


_MASKS = ("planned", "unparsed", "refused", "errors", "sensitive", "cut")


def _once(cell: Frame) -> Frame:
    """One column for each variant: of several runs the first that has a reply, and the mean of their scores."""
    groups: dict[tuple[str, str], list[int]] = {}
    for i, c in enumerate(cell.columns):
        groups.setdefault((c.perturbation, c.variant), []).append(i)
    if len(groups) == len(cell.columns):
        return cell
    runs = [sorted(at, key=lambda i: (cell.columns[i].repeat, i)) for at in groups.values()]
    replied = cell.planned & ~cell.errors
    first = np.stack([_first(replied[:, at], cell.planned[:, at], at) for at in runs], axis=1)
    each = np.arange(cell.n_cases)[:, None]
    made = cell.take([at[0] for at in runs])
    names = ("scores", "answers", "replies", "questions", "rows", "checks", *_MASKS)
    taken: dict[str, Any] = {n: None if (a := getattr(cell, n)) is None else a[each, first] for n in names}
    averaged = np.stack([_mean(cell.scores[:, at]) for at in runs], axis=1)
    return replace(made, **taken, averaged=averaged)


def _first(replied: Mask, planned: Mask, at: list[int]) -> NDArray[np.int64]:
    """The column of each case's first reply; without one that of its first planned run."""
    order = np.where(replied.any(axis=1), replied.argmax(axis=1), planned.argmax(axis=1))
    found: NDArray[np.int64] = np.asarray(at, dtype=np.int64)[order]
    return found


def _with_reruns(cell: Frame, scores: Floats) -> Frame:
    """The reference's score averaged over ``scores``, all of its runs."""
    averaged = np.array(cell.scores if cell.averaged is None else cell.averaged)
    averaged[:, cell.is_reference] = _mean(scores)[:, None]
    return replace(cell, averaged=averaged)


def _mean(y: Floats) -> Floats:
    there = ~np.isnan(y)
    with np.errstate(all="ignore"):
        out: Floats = np.where(there, y, 0.0).sum(axis=1) / there.sum(axis=1)
    return out
