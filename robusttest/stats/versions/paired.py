"""One version against another on the same cases and variants: the change, its interval, an exact test, a verdict.

The unit is the case (or its cluster), never the variant: variants of one case stand or fall together, and pairs of
them pooled over cases reject equal models far too often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from robusttest.stats.cell import intervals
from robusttest.stats.cell.frame import Floats
from robusttest.stats.cell.intervals import ALPHA, z_quantile
from robusttest.stats.versions.multiplicity import benjamini_hochberg, holm
from robusttest.stats.versions.power import detectable_drop, paired_cases, regression_cases

ComparisonVerdict = Literal["improved", "regressed", "no_worse", "undecided"]

MARGIN = 0.05
"""A drop that `no_worse` excludes where no margin was given."""
DRAWS = 100_000
"""Sign patterns drawn where scores are on no grid."""
GRIDS = (1, 2, 3, 4, 5, 10, 12, 20, 60, 100, 1000)
"""Scores that are multiples of one over these are tested exactly."""

_ENUMERATED = 18
_WORK = 400_000_000
"""Additions that the convolution may take: about half a second."""


class SignFlip(NamedTuple):
    """How often chance signs give a sum as extreme as the one seen, if neither version is better."""

    p_worse: float
    """P(sum <= seen): small where the new version is worse."""
    p_better: float
    p: float
    """Two-sided."""
    method: str
    """``exact``, or ``permutation`` with the number of draws."""


def sign_flip(d: Floats, *, seed: int = 0) -> SignFlip:
    """The sign-flip (Fisher's randomization) test of the sum of ``d``, one number for each independent case.

    Numbers on a grid (whole case sums of right/wrong scores, or multiples of one of `GRIDS`) are tested exactly by
    convolution; where each is -1, 0 or 1 this is the exact McNemar test. A few numbers off any grid are
    enumerated; more are tested by `DRAWS` seeded draws, as (1 + hits) / (1 + draws). All zero: 1.
    """
    d = d[np.abs(d) > 1e-12]
    if not len(d):
        return SignFlip(1.0, 1.0, 1.0, "exact")
    whole = _on_grid(d)
    if whole is not None:
        size = np.abs(whole)
        if int(size.min()) == int(size.max()):
            gain = int((whole > 0).sum())
            return mcnemar(len(d) - gain, gain)
        tails = _convolved(whole)
        if tails is not None:
            return _both(*tails, "exact")
    if len(d) <= _ENUMERATED:
        sums = np.zeros(1)
        for x in np.abs(d):
            sums = np.concatenate([sums - x, sums + x])
        slack = 1e-9 * float(np.abs(d).sum())
        seen = float(d.sum())
        return _both(float((sums <= seen + slack).mean()), float((sums >= seen - slack).mean()), "exact")
    return _drawn(d, seed)


def mcnemar(loss: int, gain: int) -> SignFlip:
    """The exact McNemar test: ``loss`` cases got worse and ``gain`` better; (0, 0) has p = 1."""
    n = loss + gain
    if not n:
        return SignFlip(1.0, 1.0, 1.0, "exact")
    return _both(float(bdtr(gain, n, 0.5)), float(bdtr(loss, n, 0.5)), "exact")


def _both(worse: float, better: float, method: str) -> SignFlip:
    worse, better = min(worse, 1.0), min(better, 1.0)
    return SignFlip(worse, better, min(1.0, 2 * min(worse, better)), method)


def _on_grid(d: Floats) -> NDArray[np.int64] | None:
    for grid in GRIDS:
        scaled = d * grid
        near = np.rint(scaled)
        if bool((np.abs(scaled - near) < 1e-7).all()):
            return near.astype(np.int64)
    return None


def _convolved(d: NDArray[np.int64]) -> tuple[float, float] | None:
    """P(sum <= seen), P(sum >= seen) over all signs; None if it would take too long.

    Only sums within 20 standard deviations are kept: beyond lies less than e^-200 (Hoeffding).
    """
    size = np.sort(np.abs(d))
    reach = min(int(size.sum()), math.ceil(20 * math.sqrt(float((size.astype(np.float64) ** 2).sum()))))
    if len(size) * (2 * reach + 1) > _WORK:
        return None
    chance = np.zeros(2 * reach + 1)
    chance[reach] = 1.0
    for a in size:
        moved = np.zeros_like(chance)
        moved[a:] = chance[: len(chance) - a]
        moved[: len(chance) - a] += chance[a:]
        chance = moved / 2
    at = reach + int(d.sum())
    if not 0 <= at < len(chance):  # beyond 20 sd
        return (0.0, 1.0) if at < 0 else (1.0, 0.0)
    return float(chance[: at + 1].sum()), float(chance[at:].sum())


def _drawn(d: Floats, seed: int) -> SignFlip:
    rng = np.random.Generator(np.random.PCG64([seed, len(d)]))
    seen, slack = float(d.sum()), 1e-9 * float(np.abs(d).sum())
    below = above = done = 0
    step = max(1, min(DRAWS, 4_000_000 // len(d)))
    while done < DRAWS:
        count = min(step, DRAWS - done)
        sums = (rng.integers(0, 2, size=(count, len(d)), dtype=np.int8) * 2 - 1) @ d
        below += int((sums <= seen + slack).sum())
        above += int((sums >= seen - slack).sum())
        done += count
    return _both((1 + below) / (1 + DRAWS), (1 + above) / (1 + DRAWS), f"permutation, {DRAWS:,} draws")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """The judge's part in a change."""

    errors: str
    """Sensitivity and specificity on how many labelled answers, in words."""
    difference: float
    """As judged."""
    lower: float | None = None
    """One-sided limits as judged; None where nothing is corrected."""
    upper: float | None = None
    known: tuple[float | None, float | None] = (None, None)
    """One-sided limits, were the judge's errors known for sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What changed in one measure between two versions, over the cases and variants that both answered."""

    measure: str
    """``all`` (every text and prompt variant and the reference), ``accuracy`` (the reference alone),
    ``robust_accuracy`` (a case's worst variant) or a perturbation's family."""
    n: int
    """Cases with at least one pair."""
    pairs: int
    """Pairs of equal questions; for a worst case each case is one."""
    clusters: int | None = None
    """Independent clusters, where cases share some."""
    old: float
    """Mean over cases of the mean over their paired variants."""
    new: float
    difference: float
    """new - old, in [-1, 1]."""
    low: float | None = None
    """Two-sided 95 % interval of the difference."""
    high: float | None = None
    lower: float | None = None
    """One-sided 95 % limits: what the verdict goes by."""
    upper: float | None = None
    method: str = ""
    """How the interval was made: ``tango`` for yes/no cases, ``case-differences`` else."""
    reason: str | None = None
    """Why there is no interval or no verdict."""
    worse: int = 0
    """Cases whose sum of scores fell."""
    better: int = 0
    p_worse: float = 1.0
    """One-sided, unadjusted, by `sign_flip` on case sums."""
    p_better: float = 1.0
    p: float = 1.0
    """Two-sided, unadjusted."""
    test: str = "exact"
    adjusted_worse: float | None = None
    """Holm-adjusted over the family of measures and tests that it was judged in."""
    adjusted_better: float | None = None
    q_worse: float | None = None
    """Benjamini-Hochberg-adjusted, for a look at many: not what a gate goes by."""
    detectable: float | None = None
    """The smallest true drop that cases like these would show in four of five samples (one-sided 95 %)."""
    sd: float = 0.0
    """Standard deviation of a case's difference."""
    step: float = 0.0
    """What a case that changed changed by, the median; one variant where none did."""
    verdict: ComparisonVerdict = "undecided"
    cases_needed: int | None = None
    """About how many cases would decide it at what was seen; None where it is decided or can't be said."""
    behind: Behind | None = None
    """Where a judge graded whose errors are known: then shares, difference and limits are behind them."""
    swallowed: bool = False
    """Whether the cases would decide it, and the judge's errors do not let them."""

    @property
    def identical(self) -> bool:
        """No case's sum differs."""
        return not self.worse and not self.better


def change(
    measure: str,
    old: Floats,
    new: Floats,
    clusters: NDArray[np.int64] | None = None,
    *,
    worst: bool = False,
    seed: int = 0,
) -> Change | None:
    """The change from ``old`` to ``new``: (n, K) scores in [0, 1], NaN where there is none; None without a pair.

    Only places where both have a score count. ``worst`` compares each case's lowest score over them. The test is
    `sign_flip` on each case's sum of differences (each cluster's, where cases share clusters).
    """
    both = ~(np.isnan(old) | np.isnan(new))
    rows = np.asarray(both.any(axis=1))
    if not bool(rows.any()):
        return None
    old, new, both = old[rows], new[rows], both[rows]
    groups = None if clusters is None else clusters[rows]
    pairs = int(both.sum())
    if worst:
        old = np.where(both, old, np.inf).min(axis=1, keepdims=True)
        new = np.where(both, new, np.inf).min(axis=1, keepdims=True)
        both = np.ones_like(old, dtype=np.bool_)
        pairs = len(old)
    k = both.sum(axis=1)
    before, after = (np.where(both, y, 0.0).sum(axis=1) for y in (old, new))
    sums = np.where(np.abs(after - before) > 1e-12, after - before, 0.0)
    means = sums / k
    g, units = units_of(sums, groups)
    test = sign_flip(units, seed=seed)
    limits = intervals.difference(means, groups)
    spread = intervals.mean_se(means, groups)
    n = len(means)
    sd = spread.se * math.sqrt(n)
    moved = np.abs(means[sums != 0])
    step = float(np.median(moved)) if len(moved) else 1 / float(np.median(k))
    return Change(
        measure=measure,
        n=n,
        pairs=pairs,
        clusters=g,
        old=float((before / k).mean()),
        new=float((after / k).mean()),
        difference=float(means.mean()),
        low=limits.low,
        high=limits.high,
        lower=limits.lower,
        upper=limits.upper,
        method=limits.method,
        reason=limits.reason,
        worse=int((sums < 0).sum()),
        better=int((sums > 0).sum()),
        p_worse=test.p_worse,
        p_better=test.p_better,
        p=test.p,
        test=test.method,
        detectable=None if g is not None else detectable_drop(sd, n, step),
        step=step,
        sd=sd,
    )


def units_of(sums: Floats, groups: NDArray[np.int64] | None) -> tuple[int | None, Floats]:
    """(number of clusters, each one's sum); (None, the cases' sums) where the cases are independent."""
    if groups is None:
        return None, sums
    names, index = np.unique(groups, return_inverse=True)
    if len(names) == len(sums):
        return None, sums
    totals = np.zeros(len(names))
    np.add.at(totals, index, sums)
    return len(names), totals


def settle(
    changes: Sequence[Change],
    *,
    weights: Sequence[float] | None = None,
    margin: float | None = None,
    alpha: float = ALPHA,
) -> list[Change]:
    """The verdicts of a family of changes, tested together (Holm, with `weights`, over all of them).

    - ``regressed``: the one-sided upper limit is below 0 (below -margin, where one was given) and the adjusted
      one-sided p is at most ``alpha``. Two equal versions: at most ``alpha`` of families have one.
    - ``improved``: the lower limit is above 0 and its adjusted p at most ``alpha``.
    - ``no_worse``: the lower limit is above -margin (`MARGIN` where none was given).
    - ``undecided`` else; ``cases_needed`` says what would decide it.
    """
    worse = holm([c.p_worse for c in changes], weights)
    better = holm([c.p_better for c in changes], weights)
    q = benjamini_hochberg([c.p_worse for c in changes])
    shares = np.ones(len(changes)) if weights is None else np.asarray(weights, dtype=np.float64)
    shares = alpha * shares / shares.sum() if len(changes) else shares
    changes = [
        c
        if c.clusters is not None or c.behind is not None
        else replace(c, detectable=detectable_drop(c.sd, c.n, c.step, alpha=float(a)))
        for c, a in zip(changes, shares, strict=True)
    ]
    return [
        _judged(
            replace(c, adjusted_worse=worse[i], adjusted_better=better[i], q_worse=q[i]),
            margin,
            alpha,
            float(shares[i]),
        )
        for i, c in enumerate(changes)
    ]


def _judged(c: Change, margin: float | None, alpha: float, share: float) -> Change:
    def by(lower: float | None, upper: float | None) -> ComparisonVerdict:
        assert c.adjusted_worse is not None
        assert c.adjusted_better is not None
        if lower is None or upper is None:
            return "undecided"
        if upper < -(margin or 0.0) and c.adjusted_worse <= alpha:
            return "regressed"
        if lower > 0 and c.adjusted_better <= alpha:
            return "improved"
        return "no_worse" if lower > -(MARGIN if margin is None else margin) else "undecided"

    verdict = by(c.lower, c.upper)
    if verdict != "undecided":
        return replace(c, verdict=verdict)
    if c.behind is not None and {by(c.behind.lower, c.behind.upper), by(*c.behind.known)} != {"undecided"}:
        return replace(c, swallowed=True)
    return replace(c, cases_needed=cases_to_decide(c, margin, alpha=share))


def cases_to_decide(c: Change, margin: float | None = None, *, alpha: float = ALPHA) -> int | None:
    """About how many cases would decide an undecided change by `settle`'s rule, if what was seen is the truth (power .8):
    the fewest of those that call it regressed (or improved), at its share ``alpha`` of Holm's, and those that exclude a
    drop of ``margin``. None where no number of cases does.
    """
    allowed = MARGIN if margin is None else margin
    if c.lower is None:
        return None
    if c.identical:
        if not 0 < allowed < 1:
            return None
        ways = [math.ceil(z_quantile(1 - ALPHA) ** 2 * (1 - allowed) / allowed) + 1]
    else:
        regressed = regression_cases(c.sd, c.step, -c.difference, beyond=margin or 0.0, alpha=alpha)
        improved = regression_cases(c.sd, c.step, c.difference, alpha=alpha)
        excluded = paired_cases(c.sd, allowed + c.difference) if c.difference > -allowed else None
        ways = [n for n in (regressed, improved, excluded) if n is not None]
    # What did not decide takes more cases than it had.
    return max(min(ways), c.n + 1) if ways else None


def points(x: float) -> str:
    """``-9.0``, ``+1.5``: a difference of shares in percentage points."""
    text = f"{100 * x:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def fact(c: Change) -> str:
    """What happened on these very cases: no estimate, and true whatever the model's noise."""
    cases = f"{c.n:,} case{'s' * (c.n != 1)}"
    if c.identical:
        said = f"identical on {cases}"
        if c.high is None:
            return said
        return f"{said}; a true net change beyond ±{100 * c.high:.1f} points is excluded"
    return f"on these {cases} {c.worse:,} broke and {c.better:,} {'was' if c.better == 1 else 'were'} fixed"


def about_p(*, noise: float | None) -> str:
    """What the p-value is about. ``noise``: the share of repeats of one prompt whose answer differed in the two runs;
    None where none were measured.
    """
    if noise is None:
        return "run noise not measured (add the perturbation 'repeat'): p says whether cases like these would show it"
    if noise == 0:
        return (
            "repeats gave the same answers: what broke on these cases is a fact, not an estimate; "
            "p says whether cases like these would show it"
        )
    return (
        f"run noise: {100 * noise:.1f} % of repeated prompts changed their answer, so part of this is chance"
    )
