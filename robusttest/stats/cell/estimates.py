"""Metrics by name: `estimate` makes an `Estimate` (value, interval, n, or the reason why there is none).

What there is to compute is said by `robusttest.metrics.METRICS`: a property of `Measures` whose mean a metric is, or a
function of one of the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robusttest.core.nouns import Estimate
from robusttest.errors import UsageError
from robusttest.metrics import METRICS, Lacks, Metric, get_metric
from robusttest.stats.cell import intervals, own, sequential
from robusttest.stats.cell.frame import REPEAT, Frame
from robusttest.stats.cell.intervals import Limits
from robusttest.stats.cell.measures import Measures, measures

if TYPE_CHECKING:
    from robusttest.stats.cell.table_cell import TableCell

Floats = NDArray[np.float64]

NO_DATA = "no_data"
NO_LABELS = "no_labels"
NO_REFERENCE = "no reference: no scored reply to an unperturbed prompt"
NO_VARIANTS = "no variants: no case has a reply to a perturbed prompt"
NO_CASE = "acts on no case"
NO_PAIRS = "fewer than two variants: nothing to compare"
NO_ANSWERS = "no answers recorded"
NO_REPEATS = "no repeat variants: run noise not measured"
ONLY_REPEATS = "only reruns of one prompt: [repeat] tells of them"
NO_SENSITIVE = "no variants that change the right answer"
LACKS: dict[Lacks, str] = {
    "data": NO_DATA, "reference": NO_REFERENCE, "variants": NO_VARIANTS, "pairs": NO_PAIRS,
    "right": "no case whose reference is right", "wrong": "no case whose reference is wrong",
    "repeats": NO_REPEATS, "sensitive": NO_SENSITIVE,
}  # fmt: skip


def estimate(cell: Frame, metric: str, perturbation: str | None = None, *, level: float = 0.95) -> Estimate:
    """One metric of one cell, overall or at one perturbation (a family or a whole spec).

    ``low`` and ``high`` are two-sided at ``level``; ``lower`` and ``upper`` are the one-sided 95 % limits that a
    gate decides by. Where the value is undefined it is None and ``reason`` says why; where only the interval
    is, the limits are None and ``reason`` says so.

    Raises `UnknownNameError` for an unknown metric or perturbation.
    """
    spec = get_metric(metric)
    if not 0 < level < 1:
        raise UsageError(f"level {level!r}: an interval's level is between 0 and 1, as 0.95")
    memo = cell.memo.setdefault("estimates", {})
    key = (metric, perturbation, level)
    if key not in memo:
        memo[key] = _estimate(cell, spec, perturbation, level)
    return memo[key]  # type: ignore[no-any-return]  # of the type that its key says


def estimates(cell: Frame, metrics: Iterable[str] | None = None, *, level: float = 0.95) -> list[Estimate]:
    """Every metric overall, then those of each perturbation (`local`, or ``metrics``), in order."""
    names = list(METRICS) if metrics is None else list(metrics)
    rows = [estimate(cell, name, level=level) for name in names]
    for perturbation in per_perturbation(cell):
        mine = local(cell, perturbation) if metrics is None else names
        rows += [estimate(cell, name, perturbation, level=level) for name in mine]
    return rows


def local(cell: Frame | TableCell, perturbation: str) -> list[str]:
    """What is told of a perturbation: of invariance, of sensitivity, or both, as its variants are. Those over the noise
    floor are left out where there are no repeats.
    """
    sensitive = cell.has(perturbation, sensitive=True)
    same = cell.has(perturbation, sensitive=False) or not sensitive

    def told(m: Metric) -> bool:
        if m.family == "sensitivity":
            return sensitive
        return (same or m.family == "replies") and (cell.has_repeats or not m.is_net)

    return [m.name for m in METRICS.values() if (m.local or m.own is not None) and told(m)]


def per_perturbation(cell: Frame | TableCell) -> list[str]:
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


def selected(cell: Frame, metric: str, perturbation: str | None = None) -> Frame:
    """The reference and the variants that a metric runs over.

    Raises `UnknownNameError` for a perturbation that the cell has never seen.
    """
    spec = get_metric(metric)
    if spec.over == "repeats" and perturbation is None:
        # Without a rerun a prompt has its one run.
        return cell.select(REPEAT) if cell.has_repeats else cell.take([])
    if spec.name in ("tara", "tarr") and perturbation is None and _only_reruns(cell):
        return cell.select(REPEAT)  # of N runs of one prompt, which is what they were made for
    if spec.family == "replies":
        return _all_replies(cell, perturbation)
    return cell.select(perturbation, sensitive=spec.over == "sensitive")


def _only_reruns(cell: Frame) -> bool:
    return cell.has_repeats and all(c.is_reference or c.level == REPEAT for c in cell.columns)


def _all_replies(cell: Frame, perturbation: str | None) -> Frame:
    """Whether a reply can be read does not depend on what the right answer is: both kinds of variants of one
    perturbation, where it has no variant of the first kind.
    """
    only = (
        perturbation is not None
        and cell.has(perturbation, sensitive=True)
        and not cell.has(perturbation, sensitive=False)
    )
    return cell.select(perturbation, sensitive=only)


_ALL = slice(None)
Found = tuple[float | None, Limits, int]
Compute = Callable[..., Found]


@lru_cache(maxsize=256)
def _function(by: str) -> Compute:
    module, _, name = by.partition(":")
    return getattr(import_module(f"robusttest.stats.cell.{module}"), name)  # type: ignore[no-any-return]  # of the type that its key says


def case_values(m: Measures, metric: str) -> Floats:
    """(n,) what each case says about a metric that is a mean over cases; NaN where nothing."""
    spec = get_metric(metric)
    if spec.own is not None:
        return own.case_values(m, spec)
    found: Floats = getattr(m, spec.by)
    return found


def _estimate(cell: Frame, spec: Metric, perturbation: str | None, level: float) -> Estimate:
    at = selected(cell, spec.name, perturbation)
    m = measures(at)
    clusters = at.cluster_index
    anytime = partial(_anytime, m, spec, clusters, level) if cell.sequential else None
    return estimate_of(
        m, spec, perturbation, clusters, level, of=cell.n_scored, anytime=anytime,
        why=lambda: _why(cell, at, m, spec, perturbation),
    )  # fmt: skip


def estimate_of(
    m: Measures,
    spec: Metric,
    perturbation: str | None,
    clusters: NDArray[np.int64] | None,
    level: float,
    *,
    of: int,
    why: Callable[[], str],
    anytime: Callable[[], Limits] | None = None,
) -> Estimate:
    """A metric of what each case contributes. ``of``: scored cases; ``why`` says what is missing where nothing is left;
    ``anytime`` makes the limits of a run that stopped early.
    """
    value: float | None
    base: float | None = None
    if not spec.case_mean:
        value, limits, n = _function(spec.by)(m, spec.name, clusters, level=level)
    else:
        x = case_values(m, spec.name)
        known = ~np.isnan(x)
        n = int(np.count_nonzero(known))
        there = _ALL if n == len(x) else known
        value, limits = (float(x[there].sum()) / n, Limits()) if n else (None, Limits())
        if n and anytime is None:
            limits = _limits(spec, x[there], None if clusters is None else clusters[there], level)
        if n and spec.family == "change":
            base = float(m.reference[there].mean())
    if value is None:
        limits = limits._replace(reason=limits.reason or why())
    else:
        value, limits = _within_bounds(spec, value, limits if anytime is None else anytime())
    return Estimate(
        metric=spec.name, perturbation=perturbation, value=value, low=limits.low, high=limits.high,
        lower=limits.lower, upper=limits.upper, n=n, of=max(of, n), k=_k(m), base=base, method=limits.method,
        level=level, reason=limits.reason,
    )  # fmt: skip


def _limits(spec: Metric, x: Floats, clusters: NDArray[np.int64] | None, level: float) -> Limits:
    if spec.signed:
        return intervals.difference(x, clusters, level=level)
    if spec.own is not None and not (spec.low == 0 and spec.high == 1):
        return intervals.t_interval(float(x.mean()), intervals.mean_se(x, clusters), level=level)
    return intervals.proportion(x, clusters, level=level)


def _within_bounds(spec: Metric, value: float, limits: Limits) -> tuple[float, Limits]:
    """Limits of a t-interval may lie beyond what the metric can be; a sum of floats may miss a bound by an ulp."""
    least, most = spec.low, spec.high

    def clip(x: float | None) -> float | None:
        if x is None:
            return None
        if least is not None and x < least:
            x = least
        if most is not None and x > most:
            x = most
        return 0.0 if -1e-15 < x < 1e-15 else float(x)

    low, high, lower, upper, method, reason = limits
    return clip(value) or 0.0, Limits(clip(low), clip(high), clip(lower), clip(upper), method, reason)


def _anytime(m: Measures, spec: Metric, clusters: NDArray[np.int64] | None, level: float) -> Limits:
    """Anytime-valid limits: of a mean over cases, and of some others (4.6)."""
    if spec.case_mean:
        return _anytime_mean(case_values(m, spec.name), clusters, level, signed=spec.signed)
    if spec.name == "right_to_wrong":
        return _anytime_mean(m.lost, clusters, level)
    if spec.name == "pdr":
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


def _why(cell: Frame, at: Frame, m: Measures, spec: Metric, perturbation: str | None) -> str:
    """The first thing that is missing."""
    scored, answered = m.there.any(), (at.answers >= 0).any()
    if spec.over == "sensitive":
        variants = (at.planned & ~at.is_reference).any()
        if not variants:
            return NO_SENSITIVE
    elif perturbation is not None and spec.family != "replies":
        sensitive = cell.has(perturbation, sensitive=True)
        if sensitive and not cell.has(perturbation, sensitive=False):
            return f"{perturbation} changes the right answer: sensitivity[{perturbation}] is its metric"
    if spec.is_net and perturbation == REPEAT:
        return "repeat is the noise floor itself"
    if spec.needs_repeats and not cell.has_repeats:
        return NO_REPEATS
    if perturbation not in (None, REPEAT) and not (at.planned & ~at.is_reference).any():
        return f"{perturbation} {NO_CASE}"
    if not scored and not answered:
        return NO_DATA
    if (
        not spec.of_answers
        and spec.by != "replies_equal"
        and spec.family not in ("replies", "own")
        and not scored
    ):
        return NO_LABELS
    needs_reference = spec.needs_reference and not (spec.name == "accuracy" and perturbation is not None)
    if needs_reference and not (m.there[:, m.ref].any() or (at.answers[:, m.ref] >= 0).any()):
        return NO_REFERENCE
    if spec.by == "replies_equal":
        return NO_PAIRS if at.replies is not None else "no replies recorded"
    if spec.of_answers and not answered:
        return NO_ANSWERS
    if spec.name == "accuracy" and perturbation is not None:
        return NO_VARIANTS
    if perturbation is None and spec.lacks in ("pairs", "variants") and _only_reruns(cell):
        return ONLY_REPEATS
    return LACKS[spec.lacks]


def _k(m: Measures) -> int | None:
    return m.most or None
