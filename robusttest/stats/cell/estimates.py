"""Metrics by name: `estimate` makes an `Estimate` (value, interval, n, or the reason why there is none)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robusttest.core.nouns import Estimate
from robusttest.errors import UsageError
from robusttest.metrics import METRICS, get_metric
from robusttest.stats.cell import agreement, consistency, intervals, ratios, sequential, variants
from robusttest.stats.cell.frame import REPEAT, Frame
from robusttest.stats.cell.intervals import Limits
from robusttest.stats.cell.measures import Measures, measures

Floats = NDArray[np.float64]

NO_DATA = "no_data"
NO_REFERENCE = "no reference: no scored reply to an unperturbed prompt"
NO_VARIANTS = "no variants: no case has a reply to a perturbed prompt"
NO_PAIRS = "fewer than two variants: nothing to compare"
NO_ANSWERS = "no answers recorded"
NO_REPEATS = "no repeat variants: run noise not measured"

PER_PERTURBATION = (
    "pass_rate", "drop", "net_drop", "flip_rate", "net_flip_rate", "any_flip_rate", "right_to_wrong",
    "robust_accuracy", "output_consistency", "parse_failure_rate",
)  # fmt: skip
"""What `estimates` says of each perturbation."""


def estimate(cell: Frame, metric: str, perturbation: str | None = None, *, level: float = 0.95) -> Estimate:
    """One metric of one cell, overall or at one perturbation (a family or a whole spec).

    ``low`` and ``high`` are two-sided at ``level``; ``lower`` and ``upper`` are the one-sided 95 % limits that a
    gate decides by. Where the value is undefined it is None and ``reason`` says why; where only the interval
    is, the limits are None and ``reason`` says so.

    Raises `UnknownNameError` for an unknown metric or perturbation.
    """
    get_metric(metric)
    if not 0 < level < 1:
        raise UsageError(f"level {level!r}: an interval's level is between 0 and 1, as 0.95")
    memo = cell.memo.setdefault("estimates", {})
    key = (metric, perturbation, level)
    if key not in memo:
        memo[key] = _estimate(cell, metric, perturbation, level)
    return memo[key]  # type: ignore[no-any-return]


def estimates(cell: Frame, metrics: Iterable[str] | None = None, *, level: float = 0.95) -> list[Estimate]:
    """Every metric overall, then those of each perturbation (`PER_PERTURBATION`, or ``metrics``), in order.

    Without ``metrics`` those over the noise floor are left out of the perturbations where there are no repeats.
    """
    names = list(METRICS) if metrics is None else list(metrics)
    local = [m for m in PER_PERTURBATION if cell.has_repeats or m not in NET] if metrics is None else names
    rows = [estimate(cell, name, level=level) for name in names]
    for perturbation in per_perturbation(cell):
        rows += [estimate(cell, name, perturbation, level=level) for name in local]
    return rows


def per_perturbation(cell: Frame) -> list[str]:
    """The perturbations to report on: each spec, before it its family where that pools several severities."""
    names: dict[str, None] = {}
    for family in cell.families:
        specs = [p for p in cell.perturbations if p.partition(":")[0].strip() == family]
        if len(specs) > 1:
            names[family] = None
        names.update(dict.fromkeys(specs))
    if cell.has_repeats:
        names[REPEAT] = None
    return list(names)


class CaseMean(NamedTuple):
    """A metric that is the mean of one number per case."""

    per_case: Callable[[Measures], Floats]
    reason: str
    """Why there is no value, where no case has one."""


def _conditional(m: Measures) -> Floats:
    return np.where((m.reference == 1) & (m.perturbed == m.perturbed), (m.worst == 1).astype(float), np.nan)


CASE_MEANS: dict[str, CaseMean] = {
    "accuracy": CaseMean(lambda m: m.reference, NO_REFERENCE),
    "pass_rate": CaseMean(lambda m: m.perturbed, NO_VARIANTS),
    "overall_accuracy": CaseMean(lambda m: m.mean, NO_DATA),
    "drop": CaseMean(lambda m: m.drop, NO_VARIANTS),
    "robust_accuracy": CaseMean(lambda m: m.worst, NO_PAIRS),
    "success_consistency": CaseMean(lambda m: m.worst, NO_PAIRS),
    "helm_worst_case": CaseMean(lambda m: m.worst, NO_PAIRS),
    "best_case_accuracy": CaseMean(lambda m: m.best, NO_PAIRS),
    "output_consistency": CaseMean(lambda m: m.all_equal, NO_PAIRS),
    "tara": CaseMean(lambda m: m.all_equal, NO_PAIRS),
    "tarr": CaseMean(lambda m: m.replies_equal, NO_PAIRS),
    "pairwise_consistency": CaseMean(lambda m: m.equal_pairs, NO_PAIRS),
    "reference_consistency": CaseMean(lambda m: 1 - m.flips, NO_VARIANTS),
    "flip_rate": CaseMean(lambda m: m.flips, NO_VARIANTS),
    "any_flip_rate": CaseMean(lambda m: m.any_flip, NO_VARIANTS),
    "conditional_robustness": CaseMean(_conditional, "no case whose reference is right"),
    "score_std": CaseMean(lambda m: m.std, NO_PAIRS),
    "pss": CaseMean(lambda m: m.pair_distance, NO_PAIRS),
    "torr": CaseMean(lambda m: 1 - (m.best - m.worst), NO_PAIRS),
    "persistent_error": CaseMean(lambda m: (1 - m.mean) - m.within, NO_PAIRS),
}


Found = tuple[float | None, Limits, int]
Compute = Callable[[Measures, "NDArray[np.int64] | None", float], Found]


class Computed(NamedTuple):
    """A metric that is a function of several means."""

    compute: Compute
    reason: str


def _named(function: Callable[..., Found], *names: str, reason: str) -> dict[str, Computed]:
    def bind(name: str) -> Compute:
        return lambda m, clusters, level: function(m, name, clusters, level=level)

    return {name: Computed(bind(name), reason) for name in names}


COMPUTED: dict[str, Computed] = {
    **_named(variants.across_variants, *variants.METRICS, reason=NO_PAIRS),
    **_named(ratios.pdr, "pdr", "pdr_worst", reason=NO_VARIANTS),
    **_named(ratios.crossed_over, "right_to_wrong", reason="no case whose reference is right"),
    **_named(ratios.crossed_over, "wrong_to_right", reason="no case whose reference is wrong"),
    **_named(
        consistency.chance_corrected, "consistency_icc", "consistency_kappa", "latent_r", reason=NO_PAIRS
    ),
    **_named(
        consistency.excess,
        "excess_consistency",
        "excess_robust_accuracy",
        "normalised_excess",
        reason=NO_PAIRS,
    ),
    "apdr": Computed(lambda m, c, level: ratios.apdr(m, c, level=level), NO_VARIANTS),
    "cohen_h": Computed(lambda m, c, level: ratios.cohen_h(m, c, level=level), NO_VARIANTS),
    "cr_micro": Computed(lambda m, c, level: ratios.cr_micro(m, c, level=level), NO_PAIRS),
    "answer_kappa": Computed(lambda m, c, level: agreement.answer_kappa(m, c, level=level), NO_PAIRS),
    "krippendorff_alpha": Computed(
        lambda m, c, level: agreement.krippendorff_nominal(m, c, level=level), NO_PAIRS
    ),
    "krippendorff_alpha_interval": Computed(
        lambda m, c, level: agreement.krippendorff_interval(m, c, level=level), NO_PAIRS
    ),
    "kendall_w": Computed(
        lambda m, c, level: agreement.kendall_w(m, c, corrected=True, level=level), NO_PAIRS
    ),
    "kendall_w_uncorrected": Computed(
        lambda m, c, level: agreement.kendall_w(m, c, corrected=False, level=level), NO_PAIRS
    ),
    "recoverable_error": Computed(
        lambda m, c, level: consistency.recoverable_error(m, c, level=level), NO_PAIRS
    ),
}

REPLY_RATES = {"parse_failure_rate": "unparsed", "refusal_rate": "refused"}
NET = {"net_drop": "drop", "net_flip_rate": "flip_rate"}
NEEDS_REFERENCE = {
    "accuracy", "drop", "net_drop", "reference_consistency", "flip_rate", "net_flip_rate", "any_flip_rate",
    "right_to_wrong", "wrong_to_right", "conditional_robustness", "pdr", "apdr", "pdr_worst", "cohen_h",
}  # fmt: skip
SIGNED = {"drop", "net_drop", "net_flip_rate"}
"""Means of differences in [-1, 1]."""
CHANCE_CORRECTED = {
    "consistency_icc", "consistency_kappa", "latent_r", "answer_kappa", "krippendorff_alpha",
    "krippendorff_alpha_interval", "kendall_w", "kendall_w_uncorrected", "recoverable_error",
}  # fmt: skip
"""Without an interval, and so without a gate, below ten cases with a failure (or a disagreement)."""
OF_ANSWERS = {
    "output_consistency", "tara", "pairwise_consistency", "cr_micro", "reference_consistency", "flip_rate",
    "net_flip_rate", "any_flip_rate", "answer_kappa", "krippendorff_alpha", "excess_consistency",
}  # fmt: skip


def _estimate(cell: Frame, metric: str, perturbation: str | None, level: float) -> Estimate:
    at = cell.select(perturbation)
    m = measures(at)
    clusters = at.cluster_index
    value: float | None
    if metric in COMPUTED:
        spec = COMPUTED[metric]
        value, limits, n = spec.compute(m, clusters, level)
        if value is None:
            limits = limits._replace(reason=limits.reason or _why(at, m, metric, perturbation, spec.reason))
        elif cell.sequential:
            limits = _anytime(m, metric, clusters, level)
    else:
        x, reason = _per_case(cell, m, metric, perturbation)
        there = ~np.isnan(x)
        n = int(there.sum())
        if n:
            value = float(x[there].mean())
            if cell.sequential:
                limits = _anytime_mean(x, clusters, level, signed=metric in SIGNED)
            else:
                make = intervals.difference if metric in SIGNED else intervals.proportion
                limits = make(x[there], None if clusters is None else clusters[there], level=level)
        else:
            value, limits = None, Limits(reason=_why(at, m, metric, perturbation, reason))
    if value is not None:
        value, limits = _within_bounds(metric, value, limits)
    return Estimate(
        metric=metric, perturbation=perturbation, value=value, low=limits.low, high=limits.high,
        lower=limits.lower, upper=limits.upper, n=n, k=_k(m), method=limits.method, level=level,
        reason=limits.reason,
    )  # fmt: skip


def _within_bounds(metric: str, value: float, limits: Limits) -> tuple[float, Limits]:
    """Limits of a t-interval may lie beyond what the metric can be; a sum of floats may miss a bound by an ulp."""
    low, high = METRICS[metric].low, METRICS[metric].high

    def clip(x: float | None) -> float | None:
        if x is None:
            return None
        x = x if low is None else max(x, low)
        x = x if high is None else min(x, high)
        return 0.0 if abs(x) < 1e-15 else float(x)

    limits = limits._replace(
        low=clip(limits.low), high=clip(limits.high), lower=clip(limits.lower), upper=clip(limits.upper)
    )
    return clip(value) or 0.0, limits


def _anytime(m: Measures, metric: str, clusters: NDArray[np.int64] | None, level: float) -> Limits:
    """Anytime-valid limits of a metric that is no mean over all cases, where there are some (4.6)."""
    if metric == "right_to_wrong":
        return _anytime_mean(right_to_wrong(m), clusters, level)
    if metric == "pdr":
        both = m.drop * 0  # NaN unless the case has both
        reference, perturbed = (sequential.units(x + both, clusters) for x in (m.reference, m.perturbed))
        if reference is not None and perturbed is not None:
            return sequential.performance_drop_limits(reference, perturbed, level=level)
    return Limits(method=sequential.METHOD, reason=sequential.STOPPED)


def _anytime_mean(
    x: Floats, clusters: NDArray[np.int64] | None, level: float, *, signed: bool = False
) -> Limits:
    units = sequential.units(x, clusters)
    if units is None:
        return Limits(
            method=sequential.METHOD, reason=f"{sequential.STOPPED} of clusters that differ in size"
        )
    return (sequential.difference if signed else sequential.proportion)(units, level=level)


def right_to_wrong(m: Measures) -> Floats:
    """The share of wrong variants of each case whose reference is right; NaN elsewhere."""
    return np.where(m.reference == 1, 1 - m.perturbed, np.nan)


def _per_case(cell: Frame, m: Measures, metric: str, perturbation: str | None) -> tuple[Floats, str]:
    """The case-mean metric's numbers, and why there is no value where no case has one."""
    if metric in REPLY_RATES:
        mask = getattr(m.cell, REPLY_RATES[metric])
        return m.share_of_replies(mask, perturbed_only=perturbation is not None), NO_VARIANTS
    if metric in NET:
        if perturbation == REPEAT:
            return m.none, "repeat is the noise floor itself"
        if not cell.has_repeats:
            return m.none, NO_REPEATS
        floor = measures(cell.select(REPEAT))
        if metric == "net_drop":
            return floor.perturbed - m.perturbed, NO_VARIANTS
        return m.flips - floor.flips, NO_VARIANTS
    if metric == "accuracy" and perturbation is not None:
        metric = "pass_rate"
    return CASE_MEANS[metric].per_case(m), CASE_MEANS[metric].reason


def _why(at: Frame, m: Measures, metric: str, perturbation: str | None, reason: str) -> str:
    """The first thing that is missing."""
    scored, answered = m.there.any(), (at.answers >= 0).any()
    if not scored and not answered:
        return NO_DATA
    needs_reference = metric in NEEDS_REFERENCE and not (metric == "accuracy" and perturbation is not None)
    if needs_reference and not (m.there[:, m.ref].any() or (at.answers[:, m.ref] >= 0).any()):
        return NO_REFERENCE
    if metric == "tarr":
        return NO_PAIRS if at.replies is not None else "no replies recorded"
    if metric in OF_ANSWERS and not answered:
        return NO_ANSWERS
    if metric not in OF_ANSWERS and metric not in REPLY_RATES and not scored:
        return "no scores recorded"
    return reason


def _k(m: Measures) -> int | None:
    return int(max(m.k.max(initial=0), m.ties.valid.max(initial=0))) or None
