"""Where work pays on one task × model: on its accuracy, on its robustness, or nowhere.

The errors of a model, 1-p = H + W: H stays under another wording of the case, W goes away. φ = W/(1-p) = P(another
variant is right | this one is wrong), whatever the number of variants. Where φ is surely above one half, most errors
come and go with the wording (*fragile*); surely below, most stay (*competence-limited*: raise accuracy first).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import bdtr

from robusttest.stats.across.residuals import Residual, residuals
from robusttest.stats.cell.consistency import MIN_FAILING, recoverable_error, recoverable_error_spread
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.frame import Frame
from robusttest.stats.cell.gates import POWER, cases_for_power
from robusttest.stats.cell.intervals import ALPHA, MIN_CLUSTERS, t_quantile, z_quantile
from robusttest.stats.cell.measures import measures
from robusttest.stats.cell.moments import moments

SATURATED = 0.95
"""Robust accuracy surely at or above this leaves little to test."""
HALF = 0.5
"""φ at which as many errors go away as stay."""
LESS_ROBUST = -0.02
"""A cell whose Holm-adjusted residual is surely below this is fragile whatever φ says."""
MIN_CASES, MIN_COVERAGE, MIN_OTHERS = 20, 0.95, 5
_MOST = 1_000_000

UNREADABLE = 0.5
"""Of replies: at this share nothing else is worth saying."""

Kind = Literal["competence-limited", "fragile", "saturated", "format-limited", "does not react", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One cell's kind, with the numbers it stands on; None where they are undefined."""

    kind: Kind
    reason: str
    """Why, in one line with the deciding number."""
    n: int
    """Cases with two replies or more; of ``format-limited`` those with a reply."""
    error: float | None = None
    """1 - p over the reference and every input and prompt variant."""
    persistent: float | None = None
    """H: error that stays under another wording."""
    recoverable: float | None = None
    """W: error that goes away; H + W = 1 - p."""
    share: float | None = None
    """φ = W/(1-p)."""
    share_lower: float | None = None
    """One-sided 95 % limits of φ."""
    share_upper: float | None = None
    robust_accuracy_lower: float | None = None
    """One-sided 95 % limit, against the bound of *saturated*."""
    residual: float | None = None
    """E_c: pairwise agreement above what the other cells predict; with its Holm-adjusted interval."""
    residual_low: float | None = None
    residual_high: float | None = None
    cases_needed: int | None = None
    """About how many cases would decide in four of five samples, where it is undecided; None where no number of them would."""


def where_to_work(
    cell: Frame,
    others: Iterable[Frame] = (),
    *,
    saturated: float = SATURATED,
    min_coverage: float = MIN_COVERAGE,
) -> Advice:
    """The advice on one cell. ``others`` are the cells it is compared with; five or more are needed for that."""
    rest = [c for c in others if c is not cell]
    residual = residuals([moments(c) for c in (cell, *rest)])[0] if len(rest) >= MIN_OTHERS else None
    return _advice(cell, residual, saturated, min_coverage)


def advise(
    cells: Sequence[Frame], *, saturated: float = SATURATED, min_coverage: float = MIN_COVERAGE
) -> list[Advice]:
    """The advice on each of ``cells``, every one compared with all others."""
    found: Sequence[Residual | None] = [None] * len(cells)
    if len(cells) > MIN_OTHERS:
        found = residuals([moments(c) for c in cells])
    return [_advice(c, r, saturated, min_coverage) for c, r in zip(cells, found, strict=True)]


def _advice(cell: Frame, residual: Residual | None, saturated: float, min_coverage: float) -> Advice:
    """The rules in their order; the first that applies names the cell."""
    at = cell.select(None)
    m = measures(at)
    rows = m.k >= 2
    n = int(rows.sum())
    if (limited := format_limited(cell)) is not None:
        return limited
    if at.coverage is not None and at.coverage < min_coverage:
        return Advice(
            kind="undecided",
            n=n,
            reason=f"results of {_percent(at.coverage)} of variants, {_percent(min_coverage)} needed",
        )
    if cell.sequential:
        return Advice(kind="undecided", n=n, reason="an adaptive run stops on other questions")
    if n == 0:
        return Advice(kind="undecided", n=n, reason="no case was put in two ways or more")
    if n < MIN_CASES:
        return Advice(
            kind="undecided",
            n=n,
            reason=f"{n} case{'s' * (n != 1)}, {MIN_CASES} needed",
            cases_needed=MIN_CASES,
        )
    if not m.binary:
        return Advice(kind="undecided", n=n, reason="needs right/wrong scores (0 or 1)")
    robust = estimate(cell, "robust_accuracy")
    wrong, w = 1 - m.mean[rows], m.within[rows]
    error, recoverable = float(wrong.mean()), float(w.mean())
    numbers: dict[str, float | None] = {
        "error": error, "persistent": error - recoverable, "recoverable": recoverable,
        "robust_accuracy_lower": robust.lower,
    }  # fmt: skip
    if residual is not None and residual.low_adjusted is not None:
        numbers |= {
            "residual": residual.value, "residual_low": residual.low_adjusted, "residual_high": residual.high_adjusted,
        }  # fmt: skip
    if error > 0:
        numbers["share"] = recoverable / error

    def told(kind: Kind, reason: str, needed: int | None = None) -> Advice:
        return Advice(kind=kind, reason=reason, n=n, cases_needed=needed, **numbers)

    if robust.lower is not None and robust.lower >= saturated:
        return told("saturated", f"robust accuracy at least {robust.lower:.3f}")
    failing = int((wrong > 0).sum())
    if failing < MIN_FAILING:
        scored = int((m.k >= 1).sum())
        cases = f"{n} cases fail" if scored == n else f"the {n} cases with two replies or more fail"
        return told(
            "undecided",
            f"only {failing} of {cases}, {MIN_FAILING} needed",
            _for_failures(n, failing, scored, robust.value, saturated),
        )
    clusters = at.cluster_index
    groups = None if clusters is None else clusters[rows]
    if groups is not None and (g := len(np.unique(groups))) < min(MIN_CLUSTERS, len(groups)):
        return told("undecided", f"only {g} clusters, {MIN_CLUSTERS} needed")
    share, limits, _ = recoverable_error(m, "recoverable_error", clusters)
    assert share is not None
    assert limits.lower is not None
    assert limits.upper is not None
    lower, upper = max(limits.lower, 0.0), min(limits.upper, 1.0)
    numbers |= {"share_lower": lower, "share_upper": upper}
    if lower > HALF:
        return told("fragile", f"at least {_percent(lower)} of errors go when reworded")
    if residual is not None and residual.high_adjusted is not None and residual.high_adjusted < LESS_ROBUST:
        return told(
            "fragile",
            f"pairs agree at least {-residual.high_adjusted:.3f} less than at this accuracy",
        )
    if upper < HALF:
        return told("competence-limited", f"at least {_percent(1 - upper)} of errors stay when reworded")
    se = recoverable_error_spread(w, wrong, groups).se
    return told(
        "undecided",
        f"{_percent(share)} [{100 * lower:.0f}, {100 * upper:.0f}] of errors go when reworded",
        _for_share(n, share, se, failing),
    )


def format_limited(cell: Frame) -> Advice | None:
    """``format-limited`` where half of the replies or more are unreadable, with labels and without; else None."""
    unread = estimate(cell, "unreadable")
    if unread.value is None or unread.value < UNREADABLE:
        return None
    return Advice(
        kind="format-limited", n=unread.n, reason=f"{_percent(unread.value)} of replies are unreadable"
    )


def reaction(cell: Frame) -> Advice | None:
    """The advice on sensitivity: ``does not react`` where surely more than half of the variants that change the right
    answer leave the model's as it was. None where that isn't so, or there are no such variants.
    """
    if format_limited(cell) is not None:
        return None  # what nobody can read does not move either
    stays = estimate(cell, "unmoved")
    if stays.value is None or stays.lower is None or stays.lower <= HALF:
        return None
    return Advice(
        kind="does not react", n=stays.n,
        reason=f"at least {_percent(stays.lower)} of answers stay where the right one changes",
    )  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _for_failures(n: int, failing: int, scored: int, robust: float | None, saturated: float) -> int | None:
    """Cases of which ten or more fail in four of five samples, at the rate seen; or, where fewer, that show the cell
    to be saturated. ``n`` of ``scored`` cases have two replies.
    """
    needed = [] if robust is None else [cases_for_power(saturated, robust)]
    if failing:
        enough = math.ceil(n * MIN_FAILING / failing)
        while float(bdtr(MIN_FAILING - 1, enough, failing / n)) > 1 - POWER:
            enough += max(1, enough // 50)
        needed.append(math.ceil(enough * scored / n))
    return min((max(x, scored + 1) for x in needed if x is not None), default=None)


def _for_share(n: int, share: float, se: float, failing: int) -> int | None:
    """The n at which φ's limit is across one half in four of five samples, at the share and the spread seen."""
    distance = abs(share - HALF)
    if distance * _MOST < se or se <= 0:
        return None
    needed = n
    for _ in range(20):  # t's degrees of freedom grow with n
        t = t_quantile(1 - ALPHA, max(failing * needed / n - 1, failing - 1))
        needed = max(math.ceil(n * ((t + z_quantile(POWER)) * se / distance) ** 2), n + 1)
        if needed > _MOST:
            return None
    return needed
