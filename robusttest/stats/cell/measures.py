"""What each case contributes: one number for each case, NaN where the case says nothing about it.

`robusttest.metrics` names the property that a metric is the mean of (over the cases that have a number), so that a
case with many variants weighs as much as a case with few.

The worst and the best count every scored case, one with a single score with that one, so that the worst is never above
the mean. What compares two replies needs two.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robusttest.stats.cell.answers import AnswerSums, Ties, tally, ties
from robusttest.stats.cell.frame import REPEAT, Frame
from robusttest.stats.cell.variant_sums import VariantSums, variant_sums

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

NEEDS_ROWS = "sums have a value; its interval takes single replies"


def measures(cell: Frame) -> Measures:
    """The per-case numbers of a cell as it is (select its columns first); computed once."""
    made: Measures | None = cell.memo.get("measures")
    if made is None:
        made = cell.memo["measures"] = Measures(cell)
    return made


class Measures:
    """Each property is an (n,) array over the cell's cases. ``y`` is scores, ``a`` answers, v=0 the reference.

    Of a variant that was run several times ``y`` has the first run; what says so has the mean over its runs.
    """

    has_rows = True
    """Whether there are single replies, not sums alone."""

    def __init__(self, cell: Frame) -> None:
        self.cell = cell
        self.y = cell.scores
        self.there = ~np.isnan(self.y)
        self.ref = cell.is_reference
        self.none = np.full(cell.n_cases, np.nan)
        self.memo: dict[str, Any] = {}
        """What the modules of metrics have computed of these."""
        self._by_variant: VariantSums | None = None

    # scores

    @cached_property
    def k(self) -> NDArray[np.int64]:
        """Scores of the case, K_i."""
        return np.asarray(self.there.sum(axis=1))

    @cached_property
    def most(self) -> int:
        """The most scores, or answers, that a case has."""
        return int(max(self.k.max(initial=0), self.ties.valid.max(initial=0)))

    @cached_property
    def total(self) -> Floats:
        """Σ_v y_iv."""
        return np.asarray(np.where(self.there, self.y, 0.0).sum(axis=1))

    @cached_property
    def square(self) -> Floats:
        """Σ_v y_iv²."""
        return np.asarray((np.where(self.there, self.y, 0.0) ** 2).sum(axis=1))

    @cached_property
    def mean(self) -> Floats:
        """m_i = mean_v y_iv."""
        return _ratio(self.total, self.k)

    @cached_property
    def perturbed_k(self) -> Counts:
        """Scores at v >= 1."""
        return np.asarray(self.there[:, ~self.ref].sum(axis=1))

    @cached_property
    def perturbed_total(self) -> Floats:
        """Σ_{v>=1} y_iv, of the first run of each."""
        there = self.there[:, ~self.ref]
        return np.asarray(np.where(there, self.y[:, ~self.ref], 0.0).sum(axis=1))

    @cached_property
    def _averaged(self) -> tuple[Floats, NDArray[np.bool_]]:
        y = self.y if self.cell.averaged is None else self.cell.averaged
        return y, ~np.isnan(y)

    @cached_property
    def reference(self) -> Floats:
        """y_i0, the mean over its runs."""
        y, there = self._averaged
        return _mean(y[:, self.ref], there[:, self.ref])

    @cached_property
    def first(self) -> Floats:
        """y_i0 of the first run."""
        return _mean(self.y[:, self.ref], self.there[:, self.ref])

    @cached_property
    def perturbed(self) -> Floats:
        """mean_{v>=1} y_iv, each the mean over its runs."""
        y, there = self._averaged
        return _mean(y[:, ~self.ref], there[:, ~self.ref])

    @cached_property
    def unperturbed_or_chosen(self) -> Floats:
        """``reference``; where one perturbation is chosen, ``perturbed``."""
        return self.reference if self.chosen is None else self.perturbed

    @property
    def chosen(self) -> str | None:
        """The perturbation that was selected."""
        return self.cell.chosen

    @cached_property
    def drop(self) -> Floats:
        return self.reference - self.perturbed

    @cached_property
    def net_drop(self) -> Floats:
        """The drop less that of repeats of the unperturbed prompt."""
        return self._over_noise("drop")

    @cached_property
    def net_flips(self) -> Floats:
        return self._over_noise("flips")

    def _over_noise(self, name: str) -> Floats:
        whole = self.cell.whole or self.cell
        if not whole.has_repeats or self.cell.chosen == REPEAT:
            return self.none
        floor: Floats = getattr(measures(whole.select(REPEAT)), name)
        return np.asarray(getattr(self, name) - floor)

    @cached_property
    def lowest(self) -> Floats:
        """min_v y_iv over the scores that the case has, be it one."""
        return self._scored(np.where(self.there, self.y, np.inf).min(axis=1, initial=np.inf))

    @cached_property
    def worst(self) -> Floats:
        """``lowest``, where some case has two scores: of one reply each there is no worst."""
        return self.lowest if bool((self.k >= 2).any()) else self.none

    @cached_property
    def best(self) -> Floats:
        """``highest`` likewise."""
        return self.highest if bool((self.k >= 2).any()) else self.none

    @cached_property
    def highest(self) -> Floats:
        """max_v y_iv over the scores that the case has, be it one."""
        return self._scored(np.where(self.there, self.y, -np.inf).max(axis=1, initial=-np.inf))

    @cached_property
    def range_kept(self) -> Floats:
        """1 - (max_v y_iv - min_v y_iv) of cases with two scores or more."""
        return self._of_several(1 - (self.best - self.worst))

    @cached_property
    def kept_right(self) -> Floats:
        """1 if every variant is right, of cases whose reference is right."""
        known = (self.first == 1) & (self.perturbed_k > 0)
        return np.where(known, (self.lowest == 1).astype(float), np.nan)

    @cached_property
    def lost(self) -> Floats:
        """The share of wrong variants of cases whose reference is right."""
        return np.where(self.first == 1, 1 - _ratio(self.perturbed_total, self.perturbed_k), np.nan)

    @cached_property
    def persistent(self) -> Floats:
        """(1 - m_i) - w_i: error that stays under another wording."""
        return np.asarray((1 - self.mean) - self.within)

    @cached_property
    def std(self) -> Floats:
        """Standard deviation of the case's scores, ddof 0."""
        return np.sqrt(np.maximum(self._of_several(_ratio(self.square, self.k) - self.mean**2), 0))

    @cached_property
    def within(self) -> Floats:
        """w_i: the case's variance, ddof 1; for right/wrong scores m_i(1-m_i)K_i/(K_i-1)."""
        with np.errstate(all="ignore"):
            return self.std**2 * self.k / (self.k - 1.0)

    @cached_property
    def pair_distance(self) -> Floats:
        """mean_{v<w} |y_iv - y_iw|: in the sorted row the score at place j counts 2j-K+1 times."""
        with np.errstate(all="ignore"):
            return self._of_several(self.apart / (self.k * (self.k - 1) / 2))

    @cached_property
    def apart(self) -> Floats:
        """Σ_{v<w} |y_iv - y_iw|; c(K - c) where c of K right/wrong scores are 1."""
        if self.binary:
            return np.asarray(self.total * (self.k - self.total))
        ordered = np.sort(self.y, axis=1)  # NaN last
        place = np.arange(self.y.shape[1])
        times = 2.0 * place - self.k[:, None] + 1
        return np.asarray((np.where(place < self.k[:, None], ordered, 0.0) * times).sum(axis=1))

    @cached_property
    def binary(self) -> bool:
        """All scores are 0 or 1: of numbers in [0, 1] those alone are their own squares."""
        return bool((self.square == self.total).all())

    # answers

    @cached_property
    def ties(self) -> Ties:
        return ties(self.cell.answers, self.cell.unreadable)

    @cached_property
    def all_equal(self) -> Floats:
        return np.where(self.ties.pairs > 0, (self.ties.differ == 0).astype(float), np.nan)

    @cached_property
    def equal_pairs(self) -> Floats:
        """Equal pairs of answers / pairs."""
        return _ratio(self.ties.equal_pairs, self.ties.pairs)

    @cached_property
    def replies_equal(self) -> Floats:
        t = self.reply_ties
        return self.none if t is None else np.where(t.pairs > 0, (t.differ == 0).astype(float), np.nan)

    @cached_property
    def reply_ties(self) -> Ties | None:
        """How the raw replies of each case coincide."""
        return None if self.cell.replies is None else ties(self.cell.replies)

    def tally(self, rows: NDArray[np.bool_], groups: Counts, *, shares: bool) -> AnswerSums:
        """What the cases of ``rows``, or groups of them, have in common with all of them: answers counted, or (``shares``)
        as shares of a case's answers.
        """
        codes, valid = self.cell.answers[rows], self.ties.valid[rows]
        return tally(codes, 1 / valid if shares else np.ones(len(codes)), groups)

    @cached_property
    def against_reference(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(perturbed answers that differ from the reference's, perturbed answers), where both are there; two unreadable
        replies count where their texts are equal.
        """
        if not self.ref.any():
            zero = np.zeros(self.cell.n_cases, dtype=np.int64)
            return zero, zero
        at = [int(np.argmax(self.ref))]
        first, others = self.cell.answers[:, at], self.cell.answers[:, ~self.ref]
        both = (others >= 0) & (first >= 0)
        differ = both & (others != first)
        if self.cell.unreadable.any():
            unknown = differ & self.cell.unreadable[:, at] & self.cell.unreadable[:, ~self.ref]
            both, differ = both & ~unknown, differ & ~unknown
        return differ.sum(axis=1), both.sum(axis=1)

    @cached_property
    def flips(self) -> Floats:
        """Share of the perturbed answers that differ from the reference's first answer."""
        return _ratio(*self.against_reference)

    @cached_property
    def unmoved(self) -> Floats:
        return np.asarray(1 - self.flips)

    @cached_property
    def reacted(self) -> Floats:
        """Share of the perturbed scores of variants whose answer is another one than the reference's: an answer that stays, and
        is the right one now, was no reaction. Where one of the two answers is not known, the score decides.
        """
        y, there = self._averaged
        stayed = np.zeros_like(there)
        if self.ref.any():
            answers = self.cell.answers
            first = answers[:, [int(np.argmax(self.ref))]]
            stayed = (answers == first) & (first >= 0)
        return _mean(np.where(stayed, 0.0, y)[:, ~self.ref], there[:, ~self.ref])

    @cached_property
    def any_flip(self) -> Floats:
        differ, both = self.against_reference
        return np.where(both > 0, (differ > 0).astype(float), np.nan)

    # replies

    @cached_property
    def unparsed(self) -> Floats:
        return _ratio(self.counts.unparsed, self.counts.replied)

    @cached_property
    def refused(self) -> Floats:
        return _ratio(self.counts.refused, self.counts.replied)

    @cached_property
    def unreadable(self) -> Floats:
        return _ratio(self.counts.unreadable, self.counts.replied)

    @cached_property
    def cut(self) -> Floats:
        return _ratio(self.counts.cut, self.counts.replied)

    @cached_property
    def counts(self) -> Replies:
        """The case's replies, counted; of a chosen perturbation, its own."""
        cell = self.cell
        replied = cell.planned & ~cell.errors
        if self.chosen is not None:
            replied = replied & ~self.ref
        masks = (cell.unparsed, cell.refused, cell.unreadable, cell.cut)
        return Replies(replied.sum(axis=1), *((m & replied).sum(axis=1) for m in masks))

    # variants

    @cached_property
    def by_variant(self) -> Floats:
        """(n, V) scores, each the mean over the runs of a variant; NaN where there is none."""
        return self._averaged[0]

    def variant_sums(self, *, products: bool = False) -> VariantSums:
        """The scores by variant; ``products`` also of each two variants."""
        if self._by_variant is None or (products and self._by_variant.products is None):
            names = tuple("" if c.is_reference else c.variant for c in self.cell.columns)
            made = variant_sums(self.by_variant, names, self.reference, self.ref, products=products)
            self._by_variant = made
        return self._by_variant

    def _of_several(self, values: Floats) -> Floats:
        return np.where(self.k >= 2, values, np.nan)

    def _scored(self, values: Floats) -> Floats:
        return np.where(self.k >= 1, values, np.nan)


class Replies(NamedTuple):
    """Counts of replies, an (n,) array each."""

    replied: Counts
    unparsed: Counts
    refused: Counts
    unreadable: Counts
    """Unparsed or refused."""
    cut: Counts


def _mean(y: Floats, there: NDArray[np.bool_]) -> Floats:
    return _ratio(np.where(there, y, 0.0).sum(axis=1), there.sum(axis=1))


def _ratio(part: Floats | Counts, whole: Counts) -> Floats:
    if whole.all():
        return np.asarray(part / whole)
    with np.errstate(all="ignore"):
        out: Floats = np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
    return out
