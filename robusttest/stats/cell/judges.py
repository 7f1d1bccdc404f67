"""How far a judge is to be trusted: whether it agrees with itself and with people, and what its errors leave of a score.

A judge of sensitivity ``se`` (right answers that it grades right) and specificity ``sp`` (wrong answers that it grades
wrong) shows a share ``p`` of right answers where the true share is θ (Rogan & Gladen 1978)::

    θ = (p + sp - 1) / (se + sp - 1), clipped to [0, 1];   a difference d of shares is d / (se + sp - 1)

The standard error is the delta method's over the three proportions. Limits take the interval of each of them, and their
squares add up (Zou & Donner 2008): near 0 and 1, where judges are, the delta method's own limits pass one gate in ten
that should pass one in twenty. Where se + sp <= `LEAST` nothing is corrected: such a judge hardly tells right from wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robusttest.core.nouns import REFERENCE, Estimate, Judging, Record
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.frame import Frame
from robusttest.stats.cell.intervals import (
    ALPHA,
    Limits,
    cp_bounds,
    difference,
    proportion,
    wilson,
    z_quantile,
)

LEAST = 1.2
"""Sensitivity + specificity of a judge that is worth a correction; 1 is a coin."""

COIN = 1.1
"""Limits of sensitivity + specificity end here, nearly at a coin's 1, so that what is divided by them stays finite."""

RIGHT = 0.5
"""The grade from which on an answer counts as right."""

SHARES = ("accuracy", "pass_rate", "overall_accuracy")
DIFFERENCES = ("drop", "net_drop")
CORRECTED = (*SHARES, *DIFFERENCES)
"""Metrics that are means of right and wrong, or differences of such. A worst case over variants is none."""

METHOD = "corrected for the judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What is known of the judge of one cell; an estimate that nothing was asked for is None."""

    model: str
    self_agreement: Estimate | None = None
    """Share of pairs of verdicts on the very same question that agree on right or wrong."""
    wording_agreement: Estimate | None = None
    """Share of verdicts by another wording of the rubric that agree with the first one."""
    order_agreement: Estimate | None = None
    """Share of verdicts with the two answers exchanged that agree with the first one."""
    position_bias: Estimate | None = None
    """Mean grade in the order as given, less that in the other order."""
    kappa: Estimate | None = None
    """Cohen's κ of verdicts and labels."""
    se: Estimate | None = None
    sp: Estimate | None = None
    corrected: tuple[Estimate, ...] = ()
    """`CORRECTED` metrics of the cell, as they are behind the judge's errors."""
    observed: tuple[Estimate, ...] = ()
    """The same as judged."""
    ungraded: int = 0
    """Further verdicts without a grade, of answers and of labelled ones; they count in none of these."""
    refused: str | None = None
    """Why nothing is corrected, where labels are there."""

    @property
    def told(self) -> tuple[tuple[str, Estimate], ...]:
        """Each with its name for readers, in the order of a report."""
        named = (
            ("agrees with itself", self.self_agreement), ("agrees over wordings of the rubric", self.wording_agreement),
            ("agrees over the order of the answers", self.order_agreement), ("position bias", self.position_bias),
            ("kappa with labels", self.kappa), ("sensitivity of the judge", self.se), ("specificity of the judge", self.sp),
        )  # fmt: skip
        return tuple((name, e) for name, e in named if e is not None)


def judge_of(records: Sequence[Record], judging: Judging | None, frame: Frame | None) -> Judge | None:
    """What is known of the judge; None where it was asked nothing but its verdicts."""
    asked = [r for r in records if r.grades and r.score is not None and r.perturbation == REFERENCE]
    if judging is None and not asked:
        return None
    clusters = _clusters(asked)
    found: dict[str, Any] = {
        "self_agreement": _share("self_agreement", asked, clusters, _pairs),
        "wording_agreement": _share("wording_agreement", asked, clusters, _with_first("reworded")),
        "order_agreement": _share("order_agreement", asked, clusters, _with_first("swapped")),
        "position_bias": _bias(asked, clusters),
    }
    lost = sum(g is None for r in asked for grades in (r.grades or {}).values() for g in grades)
    if judging is None:
        return Judge(model="", ungraded=lost, **found)
    observed = [] if frame is None else [estimate(frame, m) for m in CORRECTED[:2] + DIFFERENCES[:1]]
    observed = [e for e in observed if e.value is not None]
    refused = refusal(judging)

    def read(metric: str) -> float | None:
        return None if frame is None else graded(frame, metric)

    return Judge(
        model=judging.model, **found, kappa=kappa(judging), se=_part(judging, True), sp=_part(judging, False),
        corrected=() if refused else tuple(corrected(e, judging, graded=read(e.metric)) for e in observed),
        observed=() if refused else tuple(observed), ungraded=lost + judging.ungraded, refused=refused,
    )  # fmt: skip


def refusal(judging: Judging) -> str | None:
    """Why a judge's errors can't be corrected for; None where they can."""
    for right, word in ((True, "right"), (False, "wrong")):
        if _counts(judging, right)[1] == 0:
            return f"no answer that is labelled {word} was graded by {judging.model}, so its errors are not known"
    se, sp = rates(judging)
    if se + sp <= LEAST:
        return (
            f"the judge hardly tells right from wrong: sensitivity {se:.3f} + specificity {sp:.3f} = {se + sp:.3f} "
            f"on {labelled(judging)} labelled answers; a coin has 1, and from {LEAST:g} down nothing is corrected"
        )
    return None


def labelled(judging: Judging) -> int:
    """Labelled answers with a verdict."""
    return _counts(judging, True)[1] + _counts(judging, False)[1]


def graded(frame: Frame, metric: str, perturbation: str | None = None) -> float | None:
    """A metric of `CORRECTED` of the share that the judge graded in the place of the score: a reply that could not be read is
    wrong without a judge, and the judge's errors are none of its.
    """
    if not bool(frame.unreadable.any()):
        return None
    read = np.where(np.isnan(frame.scores), np.nan, 1.0 - frame.unreadable)
    return estimate(replace(frame, scores=read, averaged=None), metric, perturbation).value


def corrected(e: Estimate, judging: Judging, *, exact: bool = False, graded: float | None = None) -> Estimate:
    """An estimate of `CORRECTED` behind the errors of its judge, whose own uncertainty its limits carry.

    ``exact``: as if the judge's sensitivity and specificity were known without error. ``graded``: see `graded`; None where the judge
    graded every reply. Without a value (and with the reason) where `refusal` has one.
    """
    if e.value is None:
        return e
    empty = replace(e, value=None, low=None, high=None, lower=None, upper=None, method=METHOD)
    if (why := refusal(judging)) is not None:
        return replace(empty, reason=why)
    (a, n1), (b, n0) = _counts(judging, True), _counts(judging, False)
    every = float(
        e.metric not in DIFFERENCES
    )  # of a difference the judge's own share of wrong verdicts falls out
    through = partial(true_share, graded=every if graded is None else graded)
    value = through(e.value, a / n1, b / n0)
    known = None if exact else judging
    low, high = _between(through, e.value, e.low, e.high, *rates(judging), known, one=False)
    lower, upper = _between(through, e.value, e.lower, e.upper, *rates(judging), known, one=True)
    least = -1.0 if e.metric in DIFFERENCES else 0.0
    clip = partial(_clipped, least)
    return replace(
        empty, value=clip(value), low=clip(low), high=clip(high), lower=clip(lower), upper=clip(upper)
    )


def _clipped(least: float, value: float | None) -> float | None:
    return None if value is None else min(max(value, least), 1.0)


def kappa(judging: Judging) -> Estimate:
    """Cohen's κ of verdicts and labels, with the large-sample error of Fleiss, Cohen and Everitt (1969)."""
    table = np.array(
        [[judging.right_right, judging.right_wrong], [judging.wrong_right, judging.wrong_wrong]], dtype=float
    )
    n = int(table.sum())
    e = Estimate(metric="kappa", n=n, method="fleiss-cohen-everitt")
    if n == 0:
        return replace(e, reason="no labelled answer was graded")
    share = table / n
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    seen, chance = float(np.trace(share)), float(rows @ columns)
    if chance > 1 - 1e-12:
        return replace(e, reason="all labels and verdicts are one and the same")
    value = (seen - chance) / (1 - chance)
    sums = rows[None, :] + columns[:, None]  # p_.i + p_j. of cell (i, j)
    diagonal = float((np.diag(share) * (1 - (rows + columns) * (1 - value)) ** 2).sum())
    off = share * sums**2
    rest = (1 - value) ** 2 * float(off.sum() - np.trace(off))
    variance = (diagonal + rest - (value - chance * (1 - value)) ** 2) / (n * (1 - chance) ** 2)
    se = math.sqrt(max(variance, 0.0))
    if se < 1e-12:
        return replace(e, value=value, reason="verdicts and labels differ nowhere, or everywhere")
    z, one = z_quantile(0.975) * se, z_quantile(1 - ALPHA) * se
    return replace(
        e, value=value, low=max(value - z, -1.0), high=min(value + z, 1.0), lower=value - one, upper=value + one
    )  # fmt: skip


def true_share(p: Any, se: float, sp: float, graded: Any = 1.0) -> Any:
    return (p - (1 - sp) * graded) / (se + sp - 1)


def moves(
    through: Callable[[float, float], float], judging: Judging, *, one: bool
) -> Iterator[tuple[float, float]]:
    """How far a value that follows from sensitivity and specificity may lie below and above, by the limits of each of the two;
    ``one``: by their one-sided limits.
    """
    se, sp = rates(judging)
    value = through(se, sp)
    limits: Callable[[float, float], tuple[float, float]] = _one_sided if one else wilson
    for ends in (
        [through(max(x, COIN - sp), sp) for x in limits(*_counts(judging, True))],
        [through(se, max(x, COIN - se)) for x in limits(*_counts(judging, False))],
    ):
        yield max(value - min(ends), 0.0), max(max(ends) - value, 0.0)


def joined(
    value: float, low: float | None, high: float | None, more: Iterable[tuple[float, float]]
) -> tuple[float | None, float | None]:
    """Lower and upper limit: from the value, the root of the squares of what it may be moved by."""
    if low is None or high is None:
        return None, None
    moved = [(value - low, high - value), *more]
    below, above = (math.sqrt(sum(m[side] ** 2 for m in moved)) for side in (0, 1))
    return value - below, value + above


def _between(
    through: Callable[[float, float, float], float],
    p: float, p_low: float | None, p_high: float | None,
    se: float, sp: float, judging: Judging | None, *, one: bool,
) -> tuple[float | None, float | None]:  # fmt: skip
    if p_low is None or p_high is None:
        return None, None
    more = [] if judging is None else moves(partial(through, p), judging, one=one)
    return joined(through(p, se, sp), through(p_low, se, sp), through(p_high, se, sp), more)


def _one_sided(k: float, n: float) -> tuple[float, float]:
    return cp_bounds(k, n, ALPHA)


def _counts(judging: Judging, right: bool) -> tuple[int, int]:
    """Labelled so and graded so, of those that are labelled so and graded."""
    if right:
        return judging.right_right, judging.right_right + judging.right_wrong
    return judging.wrong_wrong, judging.wrong_wrong + judging.wrong_right


def rates(judging: Judging) -> tuple[float, float]:
    """Sensitivity and specificity on the labelled answers."""
    (a, n1), (b, n0) = _counts(judging, True), _counts(judging, False)
    return a / n1, b / n0


def _part(judging: Judging, right: bool) -> Estimate:
    k, n = _counts(judging, right)
    name = "sensitivity" if right else "specificity"
    if n == 0:
        return Estimate(
            metric=name, reason=f"no answer that is labelled {'right' if right else 'wrong'} was graded"
        )
    return _made(name, k / n, n, proportion(np.repeat([1.0, 0.0], [k, n - k])))


def _made(name: str, value: float, n: int, limits: Limits) -> Estimate:
    return Estimate(
        metric=name, value=value, n=n, low=limits.low, high=limits.high, lower=limits.lower, upper=limits.upper,
        method=limits.method, reason=limits.reason,
    )  # fmt: skip


def _clusters(records: Sequence[Record]) -> NDArray[np.int64] | None:
    if all(r.cluster is None for r in records):
        return None
    names = [("cluster", r.cluster) if r.cluster is not None else ("case", r.case_id) for r in records]
    place = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([place[name] for name in names], dtype=np.int64)


def _pairs(r: Record) -> float | None:
    assert r.score is not None
    said = [g >= RIGHT for g in (r.score, *(r.grades or {}).get("again", ())) if g is not None]
    n, yes = len(said), int(sum(said))
    if n < 2 or "again" not in (r.grades or {}):
        return None
    return float(yes * (yes - 1) + (n - yes) * (n - yes - 1)) / (n * (n - 1))


def _with_first(kind: str) -> Callable[[Record], float | None]:
    def share(r: Record) -> float | None:
        assert r.score is not None
        same = [(g >= RIGHT) == (r.score >= RIGHT) for g in (r.grades or {}).get(kind, ()) if g is not None]
        return sum(same) / len(same) if same else None

    return share


def _share(
    name: str,
    records: Sequence[Record],
    clusters: NDArray[np.int64] | None,
    of: Callable[[Record], float | None],
) -> Estimate | None:
    found = [(i, x) for i, x in enumerate(map(of, records)) if x is not None]
    if not found:
        return None
    x = np.array([x for _, x in found])
    return _made(name, float(x.mean()), len(x), proportion(x, _only(clusters, [i for i, _ in found])))


def _bias(records: Sequence[Record], clusters: NDArray[np.int64] | None) -> Estimate | None:
    found = [
        (i, r.score - g)
        for i, r in enumerate(records)
        for g in (r.grades or {}).get("swapped", ())
        if g is not None and r.score is not None
    ]
    if not found:
        return None
    d = np.array([x for _, x in found])
    return _made(
        "position_bias", float(d.mean()), len(d), difference(d, _only(clusters, [i for i, _ in found]))
    )


def _only(clusters: NDArray[np.int64] | None, kept: Sequence[int]) -> NDArray[np.int64] | None:
    return None if clusters is None else np.unique(clusters[list(kept)], return_inverse=True)[1]
