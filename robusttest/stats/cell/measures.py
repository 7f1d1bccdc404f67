"""What each case contributes: one number for each case, NaN where the case says nothing about it.

Sections of the definitions: `robusttest.metrics`. A metric's value is the mean over the cases that have one, so
that a case with many variants weighs as much as a case with few.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from robusttest.stats.cell.answers import Ties, ties
from robusttest.stats.cell.frame import Frame

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def measures(cell: Frame) -> Measures:
    """The per-case numbers of a cell as it is (select its columns first); computed once."""
    made: Measures | None = cell.memo.get("measures")
    if made is None:
        made = cell.memo["measures"] = Measures(cell)
    return made


class Measures:
    """Each property is an (n,) array over the cell's cases. ``y`` is scores, ``a`` answers, v=0 the reference."""

    def __init__(self, cell: Frame) -> None:
        self.cell = cell
        self.y = cell.scores
        self.there = ~np.isnan(self.y)
        self.ref = cell.is_reference
        self.none = np.full(cell.n_cases, np.nan)

    # scores

    @cached_property
    def k(self) -> NDArray[np.int64]:
        """Scores of the case, K_i."""
        return np.asarray(self.there.sum(axis=1))

    @cached_property
    def mean(self) -> Floats:
        """m_i = mean_v y_iv."""
        return _mean(self.y, self.there)

    @cached_property
    def reference(self) -> Floats:
        """y_i0 (the mean over reruns of the reference, where there are some)."""
        return _mean(self.y[:, self.ref], self.there[:, self.ref])

    @cached_property
    def perturbed(self) -> Floats:
        """mean_{v>=1} y_iv."""
        return _mean(self.y[:, ~self.ref], self.there[:, ~self.ref])

    @cached_property
    def drop(self) -> Floats:
        return self.reference - self.perturbed

    @cached_property
    def worst(self) -> Floats:
        """min_v y_iv of cases with two scores or more."""
        return self._of_several(np.where(self.there, self.y, np.inf).min(axis=1, initial=np.inf))

    @cached_property
    def best(self) -> Floats:
        return self._of_several(np.where(self.there, self.y, -np.inf).max(axis=1, initial=-np.inf))

    @cached_property
    def std(self) -> Floats:
        """Standard deviation of the case's scores, ddof 0."""
        return np.sqrt(np.maximum(self._of_several(_mean(self.y**2, self.there) - self.mean**2), 0))

    @cached_property
    def within(self) -> Floats:
        """w_i: the case's variance, ddof 1; for right/wrong scores m_i(1-m_i)K_i/(K_i-1)."""
        with np.errstate(all="ignore"):
            return self.std**2 * self.k / (self.k - 1.0)

    @cached_property
    def pair_distance(self) -> Floats:
        """mean_{v<w} |y_iv - y_iw|: in the sorted row the score at place j counts 2j-K+1 times."""
        ordered = np.sort(self.y, axis=1)  # NaN last
        place = np.arange(self.y.shape[1])
        times = 2.0 * place - self.k[:, None] + 1
        with np.errstate(all="ignore"):
            return self._of_several(
                (np.where(place < self.k[:, None], ordered, 0.0) * times).sum(axis=1)
                / (self.k * (self.k - 1) / 2)
            )

    @cached_property
    def binary(self) -> bool:
        """All scores are 0 or 1."""
        return bool(((self.y == 0) | (self.y == 1) | ~self.there).all())

    # answers

    @cached_property
    def ties(self) -> Ties:
        return ties(self.cell.answers)

    @cached_property
    def all_equal(self) -> Floats:
        return np.where(self.ties.valid >= 2, (self.ties.distinct == 1).astype(float), np.nan)

    @cached_property
    def equal_pairs(self) -> Floats:
        """Equal pairs of answers / pairs."""
        return _ratio(self.ties.equal_pairs, self.ties.pairs)

    @cached_property
    def replies_equal(self) -> Floats:
        if self.cell.replies is None:
            return self.none
        t = ties(self.cell.replies)
        return np.where(t.valid >= 2, (t.distinct == 1).astype(float), np.nan)

    @cached_property
    def _against_reference(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(perturbed answers that differ from the reference's, perturbed answers), where both are there."""
        if not self.ref.any():
            zero = np.zeros(self.cell.n_cases, dtype=np.int64)
            return zero, zero
        first = self.cell.answers[:, [int(np.argmax(self.ref))]]
        others = self.cell.answers[:, ~self.ref]
        both = (others >= 0) & (first >= 0)
        return ((others != first) & both).sum(axis=1), both.sum(axis=1)

    @cached_property
    def flips(self) -> Floats:
        """Share of the perturbed answers that differ from the reference's first answer."""
        return _ratio(*self._against_reference)

    @cached_property
    def any_flip(self) -> Floats:
        differ, both = self._against_reference
        return np.where(both > 0, (differ > 0).astype(float), np.nan)

    # replies

    def share_of_replies(self, mask: NDArray[np.bool_], *, perturbed_only: bool) -> Floats:
        """Share of the case's replies that are in ``mask``."""
        replied = self.cell.planned & ~self.cell.errors
        if perturbed_only:
            mask, replied = mask[:, ~self.ref], replied[:, ~self.ref]
        return _ratio((mask & replied).sum(axis=1), replied.sum(axis=1))

    # variants

    @cached_property
    def variant_groups(self) -> tuple[NDArray[np.int64], int]:
        """Column → variant (reruns of one variant are one), and how many variants there are."""
        names: dict[tuple[str, str], int] = {}
        index = [names.setdefault((c.perturbation, c.variant), len(names)) for c in self.cell.columns]
        return np.array(index, dtype=np.int64), len(names)

    @cached_property
    def by_variant(self) -> Floats:
        """(n, V) scores averaged over the reruns of a variant, NaN where there is none."""
        index, v = self.variant_groups
        if v == len(index):
            return self.y
        return np.stack([_mean(self.y[:, index == i], self.there[:, index == i]) for i in range(v)], axis=1)

    def _of_several(self, values: Floats) -> Floats:
        return np.where(self.k >= 2, values, np.nan)


def _mean(y: Floats, there: NDArray[np.bool_]) -> Floats:
    return _ratio(np.where(there, y, 0.0).sum(axis=1), there.sum(axis=1))


def _ratio(part: Floats | Counts, whole: Counts) -> Floats:
    with np.errstate(all="ignore"):
        out: Floats = np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
    return out
