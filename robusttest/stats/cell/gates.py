"""Verdicts: a threshold against an estimate, three-valued, and how many cases a verdict takes.

A threshold ``metric >= limit`` is settled where the one-sided 95 % limit is on one side of it: *passed* if the
lower one is at or above the limit, *failed* if the upper one is below it. Between, the policy decides: `point`, the
default, goes by the estimate, always.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import bdtr, bdtrik

from robusttest.core.nouns import Estimate, Judging, Threshold, Verdict, VerdictStatus
from robusttest.errors import UnknownNameError
from robusttest.metrics import get_metric
from robusttest.settings import InconclusivePolicy
from robusttest.stats.cell import sequential
from robusttest.stats.cell.consistency import MIN_FAILING
from robusttest.stats.cell.estimates import (
    LACKS,
    NO_ANSWERS,
    NO_CASE,
    NO_LABELS,
    NO_PAIRS,
    NO_REFERENCE,
    NO_REPEATS,
    NO_SENSITIVE,
    NO_VARIANTS,
    ONLY_REPEATS,
    estimate,
    selected,
)
from robusttest.stats.cell.frame import REPEAT, Frame
from robusttest.stats.cell.intervals import ALPHA, cp_lower, cp_upper, z_quantile
from robusttest.stats.cell.judges import CORRECTED, corrected, graded, labelled, rates

POWER = 0.8
POWERED = 1 + z_quantile(POWER) / z_quantile(1 - ALPHA)
"""How much further a limit has to be from the value for four of five samples to be across, not every second."""
MOST_CASES = 10_000_000
"""More cases than this are not worth a number."""


def judge(
    cell: Frame,
    threshold: Threshold,
    *,
    policy: InconclusivePolicy = "point",
    min_coverage: float = 0.95,
    judging: Judging | None = None,
) -> Verdict:
    """One threshold on one cell.

    ``error`` where nothing can be said: no data, an unknown perturbation, an undefined metric (saturated), or fewer
    replies than ``min_coverage`` of the planned calls that the metric reads. Where the interval straddles the limit, or
    there is none that a gate may go by (too few failing cases or clusters), ``settled`` is False: policy ``point`` then
    goes by the estimate, the others say ``inconclusive``.

    Where a model judges that has errors on labelled answers (``judging``), accuracies and drops are decided behind those
    errors. What they swallow is ``inconclusive`` by any policy.
    """

    def verdict(status: VerdictStatus, reason: str, e: Estimate | None = None) -> Verdict:
        return Verdict(
            threshold=threshold, status=status, reason=reason, estimate=e, settled=status == "error"
        )

    try:
        e = estimate(cell, threshold.metric, threshold.perturbation)
    except UnknownNameError as error:
        return verdict("error", str(error))
    if (gap := _coverage_gap(cell, threshold, min_coverage)) is not None:
        return verdict("error", gap, e)
    if e.value is None:
        return verdict("error", f"{_name(threshold)} is undefined: {e.why}{_takes(e.reason)}", e)
    if judging is not None and threshold.metric in CORRECTED:
        return _behind(judging, threshold, e, policy, graded(cell, threshold.metric, threshold.perturbation))
    if e.lower is None or e.upper is None:
        why = e.why or "it has no limit to go by"
        if policy == "point":
            return verdict(_by_point(threshold, e.value), f"{_value(threshold, e)}; not settled: {why}", e)
        return verdict("inconclusive", f"{_value(threshold, e)}: {why}", e)
    return _decide(threshold, e, policy)


def _behind(
    judging: Judging, threshold: Threshold, e: Estimate, policy: InconclusivePolicy, graded: float | None
) -> Verdict:
    """A threshold on what a judge's errors leave of an estimate."""
    found = corrected(e, judging, graded=graded)
    if found.value is None:
        note = f"{_value(threshold, e)} as judged; {found.reason}"
        return Verdict(
            threshold=threshold, status="inconclusive", reason=note, estimate=e, settled=False, note=note
        )
    (se, sp), n, limit = rates(judging), labelled(judging), f"{threshold.limit:g}"
    errors = f"sensitivity {se:.3f}, specificity {sp:.3f} on {n} labelled answers"
    said = f"behind the judge's errors ({errors}); {e.value:.3f} as judged"
    status, settled = _settled(threshold, found), True
    if status is None:
        settled = False
        # Were the judge's errors known for sure, or were there none, the cases would decide.
        exact = corrected(e, judging, exact=True, graded=graded)
        if _settled(threshold, e) is not None or _settled(threshold, exact) is not None:
            status = "inconclusive"
            said = f"the judge's errors swallow the difference to {limit}, and more labelled answers would settle it: {said}"
        else:
            status = _by_point(threshold, found.value) if policy == "point" else "inconclusive"
            said += f"; not settled: the 95 % interval reaches across {limit}"
    return Verdict(
        threshold=threshold,
        status=status,
        reason=f"{_value(threshold, found)}: {said}",
        estimate=found,
        settled=settled,
        note=said,
    )


def _settled(threshold: Threshold, e: Estimate) -> VerdictStatus | None:
    """What the one-sided limits decide; None where they don't."""
    if e.lower is None or e.upper is None:
        return None
    up, limit = threshold.op == ">=", threshold.limit
    if (e.lower >= limit) if up else (e.upper <= limit):
        return "passed"
    return "failed" if ((e.upper < limit) if up else (e.lower > limit)) else None


def _by_point(threshold: Threshold, value: float) -> VerdictStatus:
    met = value >= threshold.limit if threshold.op == ">=" else value <= threshold.limit
    return "passed" if met else "failed"


TAKES = {
    NO_REFERENCE: "each case's prompt as it is, unperturbed",
    NO_VARIANTS: "perturbations, or rows of perturbed prompts",
    NO_PAIRS: "perturbations, or rows of perturbed prompts",
    NO_ANSWERS: "answers, not scores alone",
    NO_REPEATS: "the perturbation 'repeat', or rows of reruns",
    ONLY_REPEATS: "another perturbation than 'repeat', or a threshold on flip_rate['repeat']",
    NO_SENSITIVE: "a perturbation that changes the right answer, as directional('negation', expect='changes')",
    LACKS["right"]: "cases that are answered right unperturbed",
    LACKS["wrong"]: "cases that are answered wrong unperturbed",
}
"""What would make an undefined metric defined, where more of the same cases do not."""


def _takes(reason: str | None) -> str:
    if reason == NO_LABELS:
        return ": nothing says what is right; it takes targets, or a threshold on consistency or flip_rate"
    if reason is not None and reason.endswith(NO_CASE):
        return "; it takes cases that it acts on"
    if reason in TAKES:
        return f"; it takes {TAKES[reason]}"
    if reason is None or not reason.startswith("saturated"):
        return ""
    if "right" in reason or "no error" in reason:
        return "; it takes harder cases, or a threshold on accuracy or robust_accuracy"
    if "wrong" in reason:
        return "; it takes easier cases, or a threshold on accuracy"
    return "; it takes cases that are answered differently, or a threshold on consistency"


def _decide(threshold: Threshold, e: Estimate, policy: InconclusivePolicy) -> Verdict:
    assert e.value is not None
    assert e.lower is not None
    assert e.upper is not None
    up, limit = threshold.op == ">=", threshold.limit
    point = _by_point(threshold, e.value)
    met = point == "passed"
    decided = _settled(threshold, e)
    if decided is not None:
        bound, word = (e.lower, "at least") if (decided == "passed") == up else (e.upper, "at most")
        reason = f"{_value(threshold, e)}; {word} {bound:.3f} at 95 % confidence"
        return Verdict(threshold=threshold, status=decided, reason=reason, estimate=e)
    needed = cases_to_settle(threshold, e)
    bound = e.lower if met == up else e.upper
    reason = (
        f"{_value(threshold, e)}; not settled: the 95 % limit {bound:.3f} is across {limit:g}, "
        "so another sample of cases may decide otherwise"
    )
    if needed is not None:
        reason += f"; about {needed:,} cases would settle it"
    status = point if policy == "point" else "inconclusive"
    return Verdict(
        threshold=threshold, status=status, reason=reason, estimate=e, settled=False, cases_needed=needed
    )


def _name(threshold: Threshold) -> str:
    where = f"[{threshold.perturbation}]" if threshold.perturbation is not None else ""
    return f"{threshold.metric}{where}"


def _value(threshold: Threshold, e: Estimate) -> str:
    between = "" if e.low is None or e.high is None else f" [{e.low:.3f}, {e.high:.3f}]"
    return f"{_name(threshold)} {e.value:.3f}{between}, n={e.n}" + (f" in {e.clusters}" if e.clusters else "")


def _coverage_gap(cell: Frame, threshold: Threshold, least: float) -> str | None:
    at = selected(cell, threshold.metric, threshold.perturbation)
    shares = {"results": at.coverage}
    if get_metric(threshold.metric).needs_reference:
        shares["results of unperturbed prompts"] = at.reference_coverage
    if get_metric(threshold.metric).is_net and cell.has_repeats:
        shares["results of repeats"] = cell.select(REPEAT).coverage
    for what, share in shares.items():
        if share is not None and share < least:
            return f"{_name(threshold)}: {what} for {share:.1%} of the planned variants, {least:.0%} needed"
    return None


def cases_to_settle(threshold: Threshold, e: Estimate) -> int | None:
    """About how many cases would settle it in four of five samples, at the value and the spread seen (power .8); None
    where none would.
    """
    if e.value is None or e.lower is None or e.upper is None or e.n < 1 or e.value == threshold.limit:
        return None
    below = e.value < threshold.limit  # then the upper limit has to come down to the threshold
    seen = e.upper if below else e.lower
    if e.method == sequential.METHOD and not get_metric(e.metric).signed and e.metric != "pdr":
        needed = sequential.cases_to_decide(threshold.limit, e.value)
        return None if needed is None else max(needed, e.n + 1)
    if e.method.startswith(("wilson", "case-means")) and 0 <= e.value <= 1:
        n_eff = _solve_n(e.value, seen, below)
        limit, truth = threshold.limit, e.value
        goal = cases_for_power(1 - limit, 1 - truth) if below else cases_for_power(limit, truth)
        if n_eff is None or goal is None:
            return None
        factor = goal / n_eff
    else:
        factor = (POWERED * (seen - e.value) / (threshold.limit - e.value)) ** 2
    if not e.n * factor < MOST_CASES:
        return None
    return max(math.ceil(e.n * factor), e.n + 1)


def _solve_n(p: float, limit: float, upper: bool) -> float | None:
    """The n at which the one-sided Clopper-Pearson limit of p is ``limit``."""

    def reached(n: float) -> bool:
        return cp_upper(p * n, n) <= limit if upper else cp_lower(p * n, n) >= limit

    low, high = 1e-3, 1.0
    while not reached(high):
        low, high = high, high * 2
        if high > MOST_CASES:
            return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def cases_needed(limit: float, failures: int = 0) -> int | None:
    """The fewest yes/no cases with which ``rate >= limit`` passes at 95 % confidence in spite of ``failures``."""
    if limit <= 0:
        return failures + 1
    if limit >= 1:
        return None
    low, high = failures, failures + 1
    while cp_lower(high - failures, high) < limit:
        low, high = high, high * 2
        if high > MOST_CASES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if cp_lower(middle - failures, middle) >= limit else (middle, high)
    return high


@lru_cache(maxsize=256)
def cases_for_power(limit: float, truth: float, power: float = POWER) -> int | None:
    """The n from which on a model of rate ``truth`` passes ``rate >= limit`` with at least this probability.

    The probability saws: with f failures allowed it falls until n allows f+1. This is the start of the first
    run from which no later run falls below ``power`` any more.
    """
    if not 0 < limit < truth <= 1:
        return None
    spread = z_quantile(1 - ALPHA) * math.sqrt(limit * (1 - limit)) + z_quantile(power) * math.sqrt(
        truth * (1 - truth)
    )
    about = (spread / (truth - limit)) ** 2 + 1 / (truth - limit)
    if about > MOST_CASES:
        return None
    if about > _EXACT_UP_TO:
        return math.ceil(about)
    n = np.arange(1, math.ceil(1.5 * about) + 50, dtype=np.float64)
    # The fewest right answers that pass: P(Bin(n, limit) >= k) <= alpha.
    k = np.ceil(bdtrik(1 - ALPHA, n, limit) - 1e-9) + 1
    k = np.where(bdtr(np.maximum(k - 2, 0), n.astype(np.int64), limit) >= 1 - ALPHA, k - 1, k)
    passes = np.where(k <= n, 1 - bdtr(np.minimum(k, n) - 1, n.astype(np.int64), truth), 0.0)
    bad = np.flatnonzero(passes < power)
    return int(n[bad[-1]]) + 1 if len(bad) else 1


_EXACT_UP_TO = 5_000
"""Beyond, exact and asymptotic numbers differ by less than 1 %."""


def cannot_pass(
    threshold: Threshold, n_cases: int, *, adaptive: bool = False, units: str = "cases"
) -> str | None:
    """Said before any call: why ``n_cases`` cannot settle this threshold as passed, even without a failure.

    None where they can, and for metrics whose best case has no bound to go by. ``adaptive``: where the cases are
    looked at one after another, which takes more of them. ``units``: what is counted, ``clusters`` where cases share some.
    """
    metric = get_metric(threshold.metric)
    up, limit = threshold.op == ">=", threshold.limit
    needed: int | None
    if metric.guard:
        if n_cases >= MIN_FAILING:
            return None
        return f"'{threshold}' cannot be settled with {n_cases} {units}: {metric.name} needs {MIN_FAILING} with a failure"
    if adaptive and metric.name != "pdr" and 0 < (rate := limit if up else 1 - limit) < 1:
        needed = sequential.cases_to_decide(rate, 1.0)
        edge = sequential.lower_limit(n_cases, n_cases)
        best, word = (edge, "at least") if up else (1 - edge, "at most")
    elif metric.signed or metric.name == "pdr":
        # No case with a drop: Tango's upper limit z²/(n+z²), for a perfect reference.
        if limit <= 0:
            return None
        zz = z_quantile(1 - ALPHA) ** 2
        needed = math.ceil(zz * (1 - limit) / limit - 1e-9)
        best = zz / (n_cases + zz)
        word = "at most"
    elif metric.low == 0 and metric.high == 1 and metric.name not in _UNBOUNDED:
        needed = cases_needed(limit if up else 1 - limit)
        edge = ALPHA ** (1 / n_cases) if n_cases else 0.0
        best, word = (edge, "at least") if up else (1 - edge, "at most")
    else:
        return None
    if needed is None:
        return (
            f"'{threshold}' cannot pass with confidence at any number of {units}: no sample shows a rate of "
            f"exactly {limit:g}; leave room, as in '{_with_room(threshold)}'"
        )
    if n_cases >= needed:
        return None
    return (
        f"'{threshold}' cannot pass with confidence with {n_cases} {units}: without a single failure they show "
        f"{word} {best:.3f}; {needed:,} {units} are needed"
    )


_UNBOUNDED = {
    "spread",
    "saturation",
    "cps",
    "worst_variant_accuracy",
    "maxp",
    "avgp",
    "kendall_w",
    "kendall_w_uncorrected",
}
"""In [0, 1], and not the mean of one yes/no number per case."""


def _with_room(threshold: Threshold) -> str:
    room = 0.99 if threshold.op == ">=" else 0.01
    return f"{_name(threshold)} {threshold.op} {room:g}"
