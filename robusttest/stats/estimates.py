"""Metrics by name: `estimate` makes an `Estimate` (value, interval, n, or the reason why there is none)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robusttest.data import Estimate
from robusttest.metrics import METRICS, get_metric
from robusttest.stats import intervals
from robusttest.stats.frame import REPEAT, Cell
from robusttest.stats.intervals import Limits
from robusttest.stats.measures import Measures, measures

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


def estimate(cell: Cell, metric: str, perturbation: str | None = None, *, level: float = 0.95) -> Estimate:
    """One metric of one cell, overall or at one perturbation (a family or a whole spec).

    ``low`` and ``high`` are two-sided at ``level``; ``lower`` and ``upper`` are the one-sided 95 % limits that a
    gate decides by. Where the value is undefined it is None and ``reason`` says why; where only the interval
    is, the limits are None and ``reason`` says so.

    Raises `UnknownNameError` for an unknown metric or perturbation.
    """
    get_metric(metric)
    memo = cell.memo.setdefault("estimates", {})
    key = (metric, perturbation, level)
    if key not in memo:
        memo[key] = _estimate(cell, metric, perturbation, level)
    return memo[key]  # type: ignore[no-any-return]


def estimates(cell: Cell, metrics: Iterable[str] | None = None, *, level: float = 0.95) -> list[Estimate]:
    """Every metric overall, then those of each perturbation (`PER_PERTURBATION`, or ``metrics``), in order."""
    names = list(METRICS) if metrics is None else list(metrics)
    local = PER_PERTURBATION if metrics is None else names
    rows = [estimate(cell, name, level=level) for name in names]
    for perturbation in per_perturbation(cell):
        rows += [estimate(cell, name, perturbation, level=level) for name in local]
    return rows


def per_perturbation(cell: Cell) -> list[str]:
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
    signed: bool = False
    """In [-1, 1] rather than [0, 1]."""


def _conditional(m: Measures) -> Floats:
    return np.where((m.reference == 1) & (m.perturbed == m.perturbed), (m.worst == 1).astype(float), np.nan)


CASE_MEANS: dict[str, CaseMean] = {
    "accuracy": CaseMean(lambda m: m.reference, NO_REFERENCE),
    "pass_rate": CaseMean(lambda m: m.perturbed, NO_VARIANTS),
    "overall_accuracy": CaseMean(lambda m: m.mean, NO_DATA),
    "drop": CaseMean(lambda m: m.drop, NO_VARIANTS, signed=True),
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


def _estimate(cell: Cell, metric: str, perturbation: str | None, level: float) -> Estimate:
    at = cell.select(perturbation)
    m = measures(at)

    def undefined(reason: str) -> Estimate:
        return Estimate(metric=metric, perturbation=perturbation, level=level, reason=reason, k=_k(m))

    if not m.there.any() and not (at.answers >= 0).any():
        return undefined(NO_DATA)
    if metric == "accuracy" and perturbation is not None:
        spec = CASE_MEANS["pass_rate"]
    elif metric in CASE_MEANS:
        spec = CASE_MEANS[metric]
    else:
        return undefined("not computed")
    x = spec.per_case(m)
    there = ~np.isnan(x)
    if not there.any():
        return undefined(_why(at, m, metric, spec.reason))
    clusters = None if cell.cluster_index is None else cell.cluster_index[there]
    x = x[there]
    limits = (intervals.difference if spec.signed else intervals.proportion)(x, clusters, level=level)
    return _made(metric, perturbation, float(x.mean()), limits, len(x), _k(m), level)


def _k(m: Measures) -> int | None:
    return int(max(m.k.max(initial=0), m.ties.valid.max(initial=0))) or None


def _made(
    metric: str, perturbation: str | None, value: float, limits: Limits, n: int, k: int | None, level: float
) -> Estimate:
    return Estimate(
        metric=metric, perturbation=perturbation, value=value, low=limits.low, high=limits.high,
        lower=limits.lower, upper=limits.upper, n=n, k=k, method=limits.method, level=level, reason=limits.reason,
    )  # fmt: skip


def _why(at: Cell, m: Measures, metric: str, reason: str) -> str:
    return reason
