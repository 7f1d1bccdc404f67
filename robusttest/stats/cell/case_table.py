"""A cell as sums, one row a case: all that every metric but Kendall's W reads, whoever added it up (a database, another run).

A `CaseTable` is what one model did on one task over the variants of one choice (all that keep the right answer, those of
one perturbation, ``repeat``): its keys, a row a case, a row a variant. `case_table` makes one of a `Frame`; `estimate`
takes either a frame (`robusttest.stats.cell.estimates`) or, here, a table, by the same functions. Its columns by name
(`CaseTable.columns`) are::

    keys    test, task, model, perturbation, sensitive, case_id, cluster
    n       k: scores of the case
    sums    total, square, lowest, highest, …: see `CaseSums`

Rows of different cases stand side by side: no sum of a case reads another's, but for the two ``*_dots``, which are made anew
where tables are joined. Limits are the record path's, but where they take whole rows: ``apdr``, metrics of single
variants of up to 2,000 cases, agreement of answers in clusters; those have their value and the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robusttest.core.nouns import CellKey, Estimate
from robusttest.errors import CaseError
from robusttest.metrics import get_metric
from robusttest.stats.cell.answers import AnswerSums, Ties
from robusttest.stats.cell.estimates import LACKS, estimate_of, per_perturbation
from robusttest.stats.cell.frame import REPEAT, Codes, Floats, Frame, cluster_numbers
from robusttest.stats.cell.measures import Counts, Measures, Replies, measures
from robusttest.stats.cell.variant_sums import VariantSums

NOT_FROM_SUMS = ("kendall_w", "kendall_w_uncorrected")
"""Metrics that take the ranks of all cases."""
KEYS = ("test", "task", "model", "perturbation", "sensitive", "case_id", "cluster")


class CaseSums(NamedTuple):
    """Columns of a case table, an (n,) array each; v=0 is the unperturbed prompt. NaN where a case has none."""

    k: Counts
    """Scores y_iv of the case."""
    total: Floats
    """Σ_v y_iv."""
    square: Floats
    """Σ_v y_iv²."""
    apart: Floats
    """Σ_{v<w} |y_iv - y_iw|; total·(k - total) for right/wrong scores."""
    lowest: Floats
    highest: Floats
    first: Floats
    """y_i0 of its first run."""
    reference: Floats
    """y_i0, the mean over its runs."""
    perturbed_k: Counts
    """Scores at v >= 1."""
    perturbed_total: Floats
    """Σ_{v>=1} y_iv of the first run of each."""
    perturbed: Floats
    """mean_{v>=1} y_iv, each the mean over its runs."""
    reacted: Floats
    """The same, y_iv counted as 0 where the answer is the unperturbed prompt's."""
    answers: Counts
    """Answers that are there."""
    answer_pairs: Counts
    """Pairs of them that can be compared: K(K-1)/2, less those of two unreadable replies with different texts."""
    equal_pairs: Counts
    """Σ_c n_c(n_c-1)/2 over the case's different answers c."""
    compared: Counts
    """Perturbed answers that can be compared with the first unperturbed one."""
    flipped: Counts
    """Those of them that differ."""
    answer_dots: Floats
    """Σ_c n_c t_c, t_c how often answer c is given by all cases with a pair."""
    share_dots: Floats
    """The same of each case's shares n_c/K."""
    replied: Counts
    unparsed: Counts
    refused: Counts
    unreadable: Counts
    cut: Counts
    reply_pairs: Counts
    """Pairs of raw replies; 0 where no text was recorded."""
    equal_reply_pairs: Counts


@dataclass(frozen=True, eq=False)
class CaseTable:
    """One cell over one choice of variants, as sums by case."""

    key: CellKey
    perturbation: str | None
    """None: every variant that keeps the right answer; ``repeat``: reruns of the unperturbed prompt."""
    sensitive: bool
    """Of the variants that change the right answer."""
    case_ids: tuple[str, ...]
    clusters: tuple[str | None, ...]
    sums: CaseSums
    variants: VariantSums
    """The same scores by variant."""

    @property
    def n(self) -> int:
        return len(self.case_ids)

    @cached_property
    def measures(self) -> TableMeasures:
        return TableMeasures(self)

    @cached_property
    def groups(self) -> Codes | None:
        """(n,) cluster number of each case; None if the cases are independent."""
        return cluster_numbers(self.case_ids, self.clusters)

    def columns(self) -> dict[str, Sequence[Any]]:
        """Keys and sums by name, as long as there are cases each."""
        same = (self.key.test, self.key.task, self.key.model, self.perturbation, self.sensitive)
        keys = {name: [value] * self.n for name, value in zip(KEYS, same, strict=False)}
        return {**keys, "case_id": self.case_ids, "cluster": self.clusters, **self.sums._asdict()}


def case_table(cell: Frame, perturbation: str | None = None, *, sensitive: bool = False) -> CaseTable:
    """The table of a cell over one choice of variants. Raises `UnknownNameError` for an unknown perturbation."""
    at = cell.select(perturbation, sensitive=sensitive)
    m = measures(at)
    replies, reply_ties = m.counts, m.reply_ties
    none = np.zeros(at.n_cases, dtype=np.int64)
    flipped, compared = m.against_reference
    lowest, highest = m.lowest, m.highest
    rows = m.ties.pairs > 0
    dots = []
    for shares in (False, True):
        column = np.zeros(at.n_cases)
        column[rows] = m.tally(rows, np.arange(int(rows.sum())), shares=shares).dots
        dots.append(column)
    sums = CaseSums(
        k=m.k, total=m.total, square=m.square, apart=m.apart, lowest=lowest, highest=highest, first=m.first,
        reference=m.reference, perturbed_k=m.perturbed_k, perturbed_total=m.perturbed_total, perturbed=m.perturbed, reacted=m.reacted,
        answers=m.ties.valid, answer_pairs=m.ties.pairs, equal_pairs=m.ties.equal_pairs, compared=compared,
        flipped=flipped, answer_dots=dots[0], share_dots=dots[1], replied=replies.replied, unparsed=replies.unparsed,
        refused=replies.refused, unreadable=replies.unreadable, cut=replies.cut,
        reply_pairs=none if reply_ties is None else reply_ties.pairs,
        equal_reply_pairs=none if reply_ties is None else reply_ties.equal_pairs,
    )  # fmt: skip
    return CaseTable(
        cell.key, at.chosen, sensitive, at.case_ids, at.clusters, sums, m.variant_sums(products=True)
    )


def tables_of(cell: Frame) -> Iterator[CaseTable]:
    """Every choice of variants that a report tells of: all that keep the right answer, all that change it, each perturbation's."""
    for name in (None, *per_perturbation(cell)):
        at = (
            range(cell.n_variants)
            if name is None
            else [i for i, c in enumerate(cell.columns) if name in (c.perturbation, c.family)]
        )
        yield case_table(cell, name)
        if bool((cell.planned & cell.sensitive)[:, list(at)].any()):
            yield case_table(cell, name, sensitive=True)


def table_of(columns: Mapping[str, Sequence[Any]], variants: VariantSums) -> CaseTable:
    """The table of columns as `CaseTable.columns` gives them. Raises `CaseError` for rows of different keys, and none."""
    keys = set(zip(*(columns[name] for name in KEYS[:5]), strict=True))
    if not keys:
        raise CaseError("a case table without rows")
    if len(keys) > 1:
        raise CaseError(f"rows of different cells in one case table: {sorted(map(str, keys))[:3]}")
    test, task, model, perturbation, sensitive = keys.pop()
    sums: dict[str, Any] = {
        name: np.asarray(columns[name], dtype=np.int64 if name in COUNTS else np.float64)
        for name in CaseSums._fields
    }
    return CaseTable(
        CellKey(test, task, model), perturbation, bool(sensitive), tuple(columns["case_id"]), tuple(columns["cluster"]),
        CaseSums(**sums), variants,
    )  # fmt: skip


COUNTS = frozenset(n for n, kind in CaseSums.__annotations__.items() if kind == "Counts")
"""The whole numbers among the sums."""


def estimate(
    table: CaseTable, metric: str, *, noise: CaseTable | None = None, level: float = 0.95
) -> Estimate:
    """A metric of a table, as `robusttest.stats.cell.estimates.estimate` has it of a frame.

    ``noise``: the table of ``repeat``, for the metrics over the noise floor. Where a value is undefined it is None, with
    a reason. Raises `UnknownNameError` for an unknown metric, and `CaseError` for one that sums are not enough for, or that
    is of other variants than the table's.
    """
    spec = get_metric(metric)
    if spec.name in NOT_FROM_SUMS or spec.own is not None:
        raise CaseError(f"{spec.name} takes the scores of single replies: a table of sums has none")
    wanted = {"sensitive": True, "same": False}.get(spec.over)
    if spec.family != "replies" and wanted is not None and wanted != table.sensitive:
        raise CaseError(
            f"{spec.name} is not of variants that {'change' if table.sensitive else 'keep'} the right answer"
        )
    if spec.over == "repeats" and table.perturbation != REPEAT:
        raise CaseError(f"{spec.name} is of runs of one prompt: the table of {REPEAT!r}")
    m = table.measures if noise is None else TableMeasures(table, noise)
    return estimate_of(
        m,
        spec,
        table.perturbation,
        table.groups,
        level,
        of=int((m.k > 0).sum()),
        why=lambda: LACKS[spec.lacks],
    )


class TableMeasures(Measures):
    """`Measures` of a case table: what others derive from scores and answers is read."""

    has_rows = False

    def __init__(self, table: CaseTable, noise: CaseTable | None = None) -> None:
        s = table.sums
        self.table, self._noise = table, noise
        self.none = np.full(table.n, np.nan)
        self.memo = {}
        # These stand in the place of the cached properties of the same names.
        vars(self).update(
            {
                "k": s.k, "total": s.total, "square": s.square, "apart": s.apart, "lowest": s.lowest,
                "highest": s.highest, "first": s.first, "reference": s.reference, "perturbed_k": s.perturbed_k,
                "perturbed_total": s.perturbed_total, "perturbed": s.perturbed, "reacted": s.reacted,
                "ties": Ties(s.answers, s.answer_pairs, s.equal_pairs), "against_reference": (s.flipped, s.compared),
                "counts": Replies(s.replied, s.unparsed, s.refused, s.unreadable, s.cut),
                "reply_ties": Ties(s.reply_pairs, s.reply_pairs, s.equal_reply_pairs),
            }
        )  # fmt: skip

    @property
    def chosen(self) -> str | None:
        return self.table.perturbation

    def variant_sums(self, *, products: bool = False) -> VariantSums:
        return self.table.variants

    def tally(self, rows: NDArray[np.bool_], groups: Counts, *, shares: bool) -> AnswerSums:
        s = self.table.sums
        each = (s.share_dots if shares else s.answer_dots)[rows]
        dots = np.bincount(groups, weights=each).astype(float)
        square = (2 * s.equal_pairs + s.answers)[rows]  # Σ_c n_c²
        alone = len(dots) == len(each)
        own = square / s.answers[rows] ** 2.0 if shares else square.astype(float)
        return AnswerSums(float(each.sum()), dots, own if alone else None)

    def _over_noise(self, name: str) -> Floats:
        if self._noise is None or self.chosen == REPEAT:
            return self.none
        floor: Floats = getattr(TableMeasures(self._noise), name)
        place = {case: i for i, case in enumerate(self._noise.case_ids)}
        at = np.array([place.get(case, -1) for case in self.table.case_ids], dtype=np.int64)
        return np.asarray(getattr(self, name) - np.where(at >= 0, floor[at], np.nan))
