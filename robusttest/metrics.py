"""The one table of metrics: what each is called, means, may be, and which function computes it. No arithmetic here.

::

    from robusttest.metrics import accuracy, flip_rate
    accuracy >= 0.90
    flip_rate["keyboard"] <= 0.05       # one perturbation, all its severities; ["ocr:0.2"] is that one

Notation of the definitions: case i, variant v (0 is the reference), answer a_iv, score y_iv in [0, 1]; K_i
variants of case i; W and T are the mean within-case and the total variance of correctness (4.1 there).
Metrics without ``[perturbation]`` run over the reference and every input and prompt variant that keeps the right answer;
repeats and decoding variants count only under their own name. Variants that change the right answer have metrics of
their own (``sensitivity``).

To add a metric is one entry here and one function in `robusttest.stats.cell`. A metric of your own is one function,
from the records of a case (the unperturbed one first) to its number::

    @metric("top2", direction="higher")
    def top2(records):
        return sum(r.target in r.answer[:2] for r in records) / len(records)

    expect = [top2 >= 0.9, top2["keyboard"] >= 0.8]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from robusttest.core.nouns import Record, Threshold
from robusttest.errors import ThresholdError, UnknownNameError, UsageError

Direction = Literal["up", "down", "info"]
Family = Literal[
    "accuracy", "worst case", "consistency", "change", "chance-corrected", "variants", "sensitivity", "replies", "repeats",
    "own",
]  # fmt: skip
Lacks = Literal["data", "reference", "variants", "pairs", "right", "wrong", "repeats", "sensitive"]
"""What is missing where no case says anything."""


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A metric's name, and (indexed) its name at one perturbation. Comparing it makes a `Threshold`."""

    name: str
    direction: Direction
    definition: str
    """Formula, and its source."""
    low: float | None = 0.0
    """Smallest possible value; None: unbounded."""
    high: float | None = 1.0
    adaptive: bool = False
    """Can be decided while cases still come in (``--robust-adaptive``)."""
    perturbation: str | None = None
    by: str = ""
    """The function: a property of `robusttest.stats.cell.measures.Measures` that the metric is the mean of, or
    ``module:function`` of `robusttest.stats.cell` from ``(measures, name, clusters, level)`` to value, limits and n."""
    family: Family = "accuracy"
    label: str = ""
    """How it is headed where people read."""
    alias_of: str | None = None
    """Another name of the same number."""
    needs_reference: bool = False
    of_answers: bool = False
    """Of the answers, not of their scores: it stands without labels."""
    signed: bool = False
    """A mean of differences in [-1, 1]."""
    guard: bool = False
    """Without an interval, and so without a gate, below ten cases with a failure (or a disagreement)."""
    local: bool = False
    """Told of each perturbation where nothing is asked for."""
    lacks: Lacks = "pairs"
    own: Callable[[Sequence[Record]], Any] | None = None
    """A user's function from the records of one case to its number (or None)."""

    @property
    def over(self) -> Literal["same", "sensitive", "repeats"]:
        """The variants that it runs over where no perturbation is named."""
        return {"sensitivity": "sensitive", "repeats": "repeats"}.get(self.family, "same")  # type: ignore[return-value]  # one of the three

    @property
    def is_net(self) -> bool:
        """Whether it is over the noise floor of repeated prompts."""
        return self.name.startswith("net_")

    @property
    def needs_repeats(self) -> bool:
        return self.is_net or self.over == "repeats"

    @property
    def case_mean(self) -> bool:
        """Whether it is the mean of one number for each case."""
        return ":" not in self.by

    def __call__(self, records: Sequence[Record]) -> Any:
        """A metric of your own, at one case."""
        if self.own is None:
            raise ThresholdError(
                f"{self} is computed over a whole cell: robusttest.stats.cell.estimates.estimate"
            )
        return self.own(records)

    def __getitem__(self, perturbation: str) -> Metric:
        if not isinstance(perturbation, str) or not perturbation:
            raise ThresholdError(
                f"{self.name}[{perturbation!r}]: name a perturbation, as in {self.name}['keyboard']"
            )
        if self.perturbation is not None:
            raise ThresholdError(f"{self.name}['{self.perturbation}'] is for one perturbation already")
        return replace(self, perturbation=perturbation)

    def __ge__(self, limit: object) -> Threshold:
        return self._threshold(">=", limit)

    def __le__(self, limit: object) -> Threshold:
        return self._threshold("<=", limit)

    def _strict(self, op: str, limit: object) -> Threshold:
        raise ThresholdError(
            f"{self} {op} {limit!r}: write {op[0]}= (an estimate is never compared strictly)"
        )

    def __gt__(self, limit: object) -> Threshold:
        return self._strict(">", limit)

    def __lt__(self, limit: object) -> Threshold:
        return self._strict("<", limit)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Metric):
            return (self.name, self.perturbation) == (other.name, other.perturbation)
        raise ThresholdError(f"{self} == {other!r}: write >= or <= (an estimate never equals a number)")

    def __hash__(self) -> int:
        return hash((self.name, self.perturbation))

    def __bool__(self) -> bool:
        raise ThresholdError(f"the metric {self} has no truth value: compare it, as in {self} >= 0.9")

    def __str__(self) -> str:
        return f"{self.name}[{self.perturbation}]" if self.perturbation is not None else self.name

    def __repr__(self) -> str:
        return f"<metric {self}>"

    def _threshold(self, op: Literal[">=", "<="], limit: object) -> Threshold:
        if isinstance(limit, bool) or not isinstance(limit, int | float) or limit != limit:
            raise ThresholdError(f"{self} {op} {limit!r}: the limit must be a number")
        wanted = {"up": ">=", "down": "<="}.get(self.direction)
        if wanted is None:
            raise ThresholdError(
                f"{self} {op} {limit:g}: {self.name} has no better direction, so no threshold"
            )
        if op != wanted:
            better = "higher" if self.direction == "up" else "lower"
            raise ThresholdError(
                f"{self} {op} {limit:g}: {better} {self.name} is better, so a threshold reads {self} {wanted} …"
            )
        if (self.low is not None and limit < self.low) or (self.high is not None and limit > self.high):
            low = "-inf" if self.low is None else f"{self.low:g}"
            high = "inf" if self.high is None else f"{self.high:g}"
            percent = (
                f" (for {limit:g} % write {limit / 100:g})" if self.high == 1 and 1 < limit <= 100 else ""
            )
            raise ThresholdError(f"{self} {op} {limit:g}: {self.name} is in [{low}, {high}]{percent}")
        return Threshold(metric=self.name, op=op, limit=float(limit), perturbation=self.perturbation)


METRICS: dict[str, Metric] = {}
"""Every metric by name, in the order of the documentation."""


def _metric(
    name: str,
    direction: Direction,
    definition: str,
    by: str,
    family: Family,
    *,
    label: str | None = None,
    low: float | None = 0.0,
    lacks: Lacks | None = None,
    **facts: Any,
) -> Metric:
    if lacks is None:
        lacks = "variants" if facts.get("needs_reference") else "pairs"
    made = Metric(
        name,
        direction,
        definition,
        low,
        by=by,
        family=family,
        label=label or name.replace("_", " "),
        lacks=lacks,
        **facts,
    )
    METRICS[name] = made
    return made


def _alias(name: str, of: Metric, definition: str) -> Metric:
    METRICS[name] = made = replace(
        of, name=name, definition=definition, label=name.replace("_", " "), alias_of=of.name, local=False
    )
    return made


accuracy = _metric(
    "accuracy", "up", "mean_i y_i0 over the unperturbed prompts; accuracy[p]: mean over p's variants",
    "unperturbed_or_chosen", "accuracy", adaptive=True, needs_reference=True, lacks="reference",
)  # fmt: skip
pass_rate = _metric(
    "pass_rate", "up", "mean_i mean_{v>=1} y_iv: accuracy over perturbed variants",
    "perturbed", "accuracy", adaptive=True, local=True, lacks="variants",
)  # fmt: skip
overall_accuracy = _metric(
    "overall_accuracy", "up", "mean_i mean_v y_iv, reference included: the p of the null models",
    "mean", "accuracy", lacks="data",
)  # fmt: skip
drop = _metric(
    "drop", "down", "accuracy - pass_rate, of the cases that have both",
    "drop", "change", low=-1.0, needs_reference=True, signed=True, local=True,
)  # fmt: skip
net_drop = _metric(
    "net_drop", "down", "drop - drop[repeat]: over the noise floor of repeated prompts",
    "net_drop", "change", low=-1.0, needs_reference=True, signed=True, local=True,
)  # fmt: skip
robust_accuracy = _metric(
    "robust_accuracy", "up", "mean_i min_v y_iv over all scored cases (HELM worst case); falls with K",
    "worst", "worst case", adaptive=True, local=True,
)  # fmt: skip
success_consistency = _alias(
    "success_consistency", robust_accuracy, "robust_accuracy, as the paper's appendix names it"
)
helm_worst_case = _alias("helm_worst_case", robust_accuracy, "robust_accuracy, as HELM names it")
best_case_accuracy = _metric(
    "best_case_accuracy", "up", "mean_i max_v y_iv over all scored cases", "best", "worst case"
)
worst_variant_accuracy = _metric(
    "worst_variant_accuracy", "up", "min_v mean_i y_iv; biased down by noise", "variants:across_variants", "variants"
)  # fmt: skip
spread = _metric(
    "spread", "down", "max_v mean_i y_iv - min_v mean_i y_iv (FormatSpread); biased up by noise",
    "variants:across_variants", "variants",
)  # fmt: skip
output_consistency = _metric(
    "output_consistency", "up", "mean_i 1[all a_iv equal] (OC of arXiv 2602.03344, TARa)",
    "all_equal", "consistency", label="consistency", adaptive=True, of_answers=True, local=True,
)  # fmt: skip
pairwise_consistency = _metric(
    "pairwise_consistency", "up", "mean_i of the share of equal pairs of answers",
    "equal_pairs", "consistency", adaptive=True, of_answers=True,
)  # fmt: skip
reference_consistency = _metric(
    "reference_consistency", "up", "mean_i mean_{v>=1} 1[a_iv = a_i0]",
    "unmoved", "consistency", adaptive=True, needs_reference=True, of_answers=True,
)  # fmt: skip
flip_rate = _metric(
    "flip_rate", "down", "1 - reference_consistency",
    "flips", "consistency", adaptive=True, needs_reference=True, of_answers=True, local=True,
)  # fmt: skip
net_flip_rate = _metric(
    "net_flip_rate", "down", "flip_rate - flip_rate[repeat]: over the noise floor of repeated prompts",
    "net_flips", "consistency", low=-1.0, needs_reference=True, of_answers=True, signed=True, local=True,
)  # fmt: skip
any_flip_rate = _metric(
    "any_flip_rate", "down", "mean_i 1[some a_iv differs from a_i0] (CheckList INV failure)",
    "any_flip", "consistency", adaptive=True, needs_reference=True, of_answers=True, local=True,
)  # fmt: skip
right_to_wrong = _metric(
    "right_to_wrong", "down", "share of wrong variants where the reference is right",
    "ratios:crossed_over", "change", adaptive=True, needs_reference=True, local=True, lacks="right",
)  # fmt: skip
wrong_to_right = _metric(
    "wrong_to_right", "info", "share of right variants where the reference is wrong",
    "ratios:crossed_over", "change", needs_reference=True, lacks="wrong",
)  # fmt: skip
conditional_robustness = _metric(
    "conditional_robustness", "up", "P(all variants right | reference right) (TextAttack)",
    "kept_right", "worst case", adaptive=True, needs_reference=True, lacks="right",
)  # fmt: skip
pdr = _metric(
    "pdr", "down", "1 - pass_rate / accuracy, of the cases that have both (PromptBench)",
    "ratios:pdr", "change", label="PDR", low=None, adaptive=True, needs_reference=True,
)  # fmt: skip
apdr = _metric(
    "apdr", "down", "mean of the PDR of each variant", "ratios:apdr", "change", label="mean PDR", low=None,
    needs_reference=True,
)  # fmt: skip
pdr_worst = _metric(
    "pdr_worst", "down", "1 - robust_accuracy / accuracy", "ratios:pdr", "change", label="worst-case PDR",
    needs_reference=True,
)  # fmt: skip
cohen_h = _metric(
    "cohen_h", "down", "2(asin sqrt accuracy - asin sqrt pass_rate)/pi (unitxt, normalised; sign as a drop)",
    "ratios:cohen_h", "change", label="Cohen's h", low=-1.0, needs_reference=True, guard=True,
)  # fmt: skip
score_std = _metric(
    "score_std", "down", "mean_i sd_v(y_iv), ddof 0 (paper, App. C)", "std", "consistency", high=0.5
)
pss = _metric(
    "pss", "down", "mean_i mean_{v<w} |y_iv - y_iw| (ProSA)", "pair_distance", "consistency", label="PSS",
    adaptive=True,
)  # fmt: skip
torr = _metric(
    "torr", "up", "1 - mean_i (max_v y_iv - min_v y_iv) (ToRR)", "range_kept", "consistency", label="ToRR"
)
maxp = _metric(
    "maxp", "up", "max_v mean_i y_iv (Mizrahi et al.)", "variants:across_variants", "variants", label="MaxP"
)
avgp = _metric(
    "avgp", "up", "mean_v mean_i y_iv (Mizrahi et al.)", "variants:across_variants", "variants", label="AvgP"
)
saturation = _metric(
    "saturation", "up", "1 - (maxp - avgp) (Mizrahi et al.)", "variants:across_variants", "variants"
)
cps = _metric(
    "cps", "up", "saturation * maxp (Mizrahi et al.)", "variants:across_variants", "variants", label="CPS"
)
tara = _alias("tara", output_consistency, "share of cases whose parsed answers are all equal (TARa@N)")
tarr = _metric(
    "tarr", "up", "share of cases whose raw replies are all equal (TARr@N)", "replies_equal", "consistency",
    label="TARr",
)  # fmt: skip
cr_micro = _metric(
    "cr_micro", "up", "equal pairs / pairs, pooled over cases (lm-eval SCORE)", "ratios:cr_micro", "consistency",
    label="CR (micro)", of_answers=True,
)  # fmt: skip
consistency_icc = _metric(
    "consistency_icc", "up", "1 - W/T: chance-corrected consistency of correctness (ANOVA ICC)",
    "consistency:chance_corrected", "chance-corrected", label="ICC", low=-1.0, guard=True,
)  # fmt: skip
consistency_kappa = _metric(
    "consistency_kappa", "up", "Fleiss kappa of correctness, 1 - W/(p(1-p)); biased down at small n",
    "consistency:chance_corrected", "chance-corrected", label="kappa", low=-1.0, guard=True,
)  # fmt: skip
answer_kappa = _metric(
    "answer_kappa", "up", "Fleiss kappa over answers; closed answer sets only",
    "agreement:answer_kappa", "chance-corrected", low=-1.0, guard=True, of_answers=True,
)  # fmt: skip
latent_r = _metric(
    "latent_r", "up", "r with Phi2(z,z;r) = p^2 + kappa p(1-p): consistency on the latent normal scale",
    "consistency:chance_corrected", "chance-corrected", low=-1.0, guard=True,
)  # fmt: skip
excess_consistency = _metric(
    "excess_consistency", "up", "output_consistency - p^K (paper)",
    "consistency:excess", "chance-corrected", low=-1.0, guard=True, of_answers=True,
)  # fmt: skip
excess_robust_accuracy = _metric(
    "excess_robust_accuracy", "up", "robust_accuracy - p^K",
    "consistency:excess", "chance-corrected", low=-1.0, guard=True,
)  # fmt: skip
normalised_excess = _metric(
    "normalised_excess", "up", "(robust_accuracy - p^K)/(p - p^K)",
    "consistency:excess", "chance-corrected", low=None, guard=True,
)  # fmt: skip
krippendorff_alpha = _metric(
    "krippendorff_alpha", "up", "Krippendorff's alpha, nominal, over answers",
    "agreement:krippendorff_nominal", "chance-corrected", label="Krippendorff's alpha", low=-1.0, guard=True,
    of_answers=True,
)  # fmt: skip
krippendorff_alpha_interval = _metric(
    "krippendorff_alpha_interval", "up", "Krippendorff's alpha, interval, over scores",
    "agreement:krippendorff_interval", "chance-corrected", label="Krippendorff's alpha (scores)", low=-1.0, guard=True,
)  # fmt: skip
kendall_w = _metric(
    "kendall_w", "up", "Kendall's W over scores of cases ranked by each variant, corrected for ties",
    "agreement:kendall_w", "chance-corrected", label="Kendall's W", guard=True,
)  # fmt: skip
kendall_w_uncorrected = _metric(
    "kendall_w_uncorrected", "up", "Kendall's W without the correction for ties",
    "agreement:kendall_w", "chance-corrected", label="Kendall's W (uncorrected)", guard=True,
)  # fmt: skip
persistent_error = _metric(
    "persistent_error", "down", "H = (1-p) - W: error that stays under another wording", "persistent", "consistency"
)  # fmt: skip
recoverable_error = _metric(
    "recoverable_error", "down", "phi = W/(1-p): P(another variant is right | this one is wrong)",
    "consistency:recoverable_error", "chance-corrected", guard=True,
)  # fmt: skip
sensitivity = _metric(
    "sensitivity", "up", "mean_i of the share of variants that change the right answer whose answer moved as ruled",
    "reacted", "sensitivity", lacks="sensitive", local=True,
)  # fmt: skip
unmoved = _metric(
    "unmoved", "down", "mean_i of the share of variants that change the right answer where the answer stays a_i0",
    "unmoved", "sensitivity", needs_reference=True, of_answers=True, lacks="sensitive", local=True,
)  # fmt: skip
unreadable = _metric(
    "unreadable", "down", "share of replies without a readable answer: unparsed or refused",
    "unreadable", "replies", lacks="data", local=True,
)  # fmt: skip
parse_failure_rate = _metric(
    "parse_failure_rate", "down", "share of replies that could not be parsed", "unparsed", "replies", lacks="data",
    local=True,
)  # fmt: skip
refusal_rate = _metric(
    "refusal_rate", "down", "share of replies that the provider marked as refused", "refused", "replies", lacks="data"
)  # fmt: skip
cut = _metric(
    "cut", "down", "share of replies that stop at the token limit (finish reason length)", "cut", "replies",
    lacks="data",
)  # fmt: skip

_COUNTED: dict[str, Metric] = {
    "pass^": Metric(
        "pass^", "up", "mean_i C(c_i,k)/C(n_i,k): k of the n_i runs of a prompt all right (tau-bench)",
        by="repeats:at_k", family="repeats", lacks="repeats",
    ),
    "pass@": Metric(
        "pass@", "up", "1 - mean_i C(n_i-c_i,k)/C(n_i,k): one of k runs of a prompt right (HumanEval)",
        by="repeats:at_k", family="repeats", lacks="repeats",
    ),
    "robust_accuracy@": Metric(
        "robust_accuracy@", "up", "mean_i C(c_i,k)/C(K_i,k): worst case of k of the K_i variants, for unequal K",
        by="repeats:at_k", family="worst case",
    ),
}  # fmt: skip
"""Metrics with a number in their name: ``pass^3``."""


def pass_hat(k: int) -> Metric:
    """``pass^k``: all of k runs right."""
    return get_metric(f"pass^{k}")


def pass_at(k: int) -> Metric:
    """``pass@k``: at least one of k runs right."""
    return get_metric(f"pass@{k}")


def robust_accuracy_at(k: int) -> Metric:
    """``robust_accuracy@k``: all of k variants right, whatever number each case has."""
    return get_metric(f"robust_accuracy@{k}")


def metric(
    name: str,
    *,
    direction: Literal["higher", "lower", "neither"],
    low: float | None = 0.0,
    high: float | None = 1.0,
    label: str | None = None,
) -> Callable[[Callable[[Sequence[Record]], Any]], Metric]:
    """Register a metric of your own: a function from one case's records to its number, None where it has none.

    The records are those that have a reply, of the variants that the metric is asked about, the unperturbed one first.
    The metric is the mean over cases, with an interval; it stands in thresholds and reports like any other.

    ``direction``: which is better. ``low``, ``high``: what a number may be; None is unbounded. Raises `ThresholdError` for
    a name that is taken, or is no identifier.
    """
    directions: dict[str, Direction] = {"higher": "up", "lower": "down", "neither": "info"}
    if direction not in directions:
        raise UnknownNameError("direction", str(direction), directions)
    if not isinstance(name, str) or not name.isidentifier():
        raise ThresholdError(
            f"metric({name!r}): a name of letters, digits and _ that does not begin with a digit"
        )

    def register(function: Callable[[Sequence[Record]], Any]) -> Metric:
        taken = METRICS.get(name)
        if taken is not None and (taken.own is None or not _same_function(taken.own, function)):
            raise ThresholdError(f"metric({name!r}): the name is taken by another metric")
        METRICS[name] = made = Metric(
            name, directions[direction], (function.__doc__ or name).strip().splitlines()[0], low, high, by="own",
            family="own", label=label or name.replace("_", " "), signed=low == -1 and high == 1, lacks="data",
            own=function,
        )  # fmt: skip
        return made

    return register


def _same_function(a: Callable[..., Any], b: Callable[..., Any]) -> bool:
    """The same definition, as where a module is imported twice."""
    return (getattr(a, "__module__", None), getattr(a, "__qualname__", None)) == (
        getattr(b, "__module__", None),
        getattr(b, "__qualname__", None),
    )


_FORM = re.compile(
    r"\s*([A-Za-z_]\w*(?:[\^@]\d+)?)\s*(?:\[\s*(['\"]?)(.+?)\2\s*\])?\s*(>=|<=|==|>|<|≥|≤)\s*(\S+?)\s*(%?)\s*"
)


_COMPARES = re.compile(r"[<>=!]=|[<>=≥≤]")
_COUNT = re.compile(r"(pass\^|pass@|robust_accuracy@)([1-9][0-9]{0,3})")


def get_metric(name: str) -> Metric:
    """The metric of that name, or `UnknownNameError` with the nearest one."""
    found = METRICS.get(name)
    if found is not None:
        return found
    if (at := _COUNT.fullmatch(name)) is not None:
        base = _COUNTED[at[1]]
        return replace(base, name=name, label=name.replace("_", " "))
    raise UnknownNameError("metric", name, [*METRICS, *(f"{prefix}2" for prefix in _COUNTED)])


def thresholds(given: Any, where: str) -> tuple[Threshold, ...]:
    """One threshold or several, as objects or texts, each checked for its metric's direction and range.

    Raises `UsageError` that begins with ``where`` for what is none, and for one that is listed twice.
    """
    if isinstance(given, Mapping):
        down = {name for name, metric in METRICS.items() if metric.direction == "down"}
        shown = ", ".join(
            f"{name} {'<=' if name in down else '>='} {limit}" for name, limit in list(given.items())[:3]
        )
        raise UsageError(
            f"{where}: {_short(given)} is a dict: list thresholds with their direction, as in [{shown}]"
        )
    items = [given] if isinstance(given, str | Threshold | Metric) else given
    if items is None or not isinstance(items, Iterable):
        raise UsageError(
            f"{where}: {_short(given)} ({type(given).__name__}): list thresholds, as in [accuracy >= 0.9]"
        )
    out: list[Threshold] = []
    for item in items:
        if isinstance(item, Metric):
            raise UsageError(
                f"{where}: '{item}' is a metric without a limit; write {item} >= 0.9 or {item} <= 0.1"
            )
        try:
            found = parse_threshold(item) if isinstance(item, str) else item
            if not isinstance(found, Threshold):
                evaluated = (
                    "; Python has compared two numbers there: write a metric and one limit"
                    if isinstance(found, bool)
                    else "; write accuracy >= 0.9"
                )
                raise UsageError(f"{_short(item)} ({type(item).__name__}) is not a threshold{evaluated}")
            # Made again: one that was built by hand is held to direction and range, too.
            metric = get_metric(found.metric)
            _ = (metric >= found.limit) if found.op == ">=" else (metric <= found.limit)
        except UsageError as e:
            raise (
                type(e)(f"{where}: {e}")
                if type(e) in (UsageError, ThresholdError)
                else UsageError(f"{where}: {e}")
            ) from None
        if found in out:
            raise UsageError(f"{where}: '{found}' is listed twice")
        out.append(found)
    return tuple(out)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def parse_threshold(text: str) -> Threshold:
    """``"flip_rate[keyboard] <= 0.05"`` → the same `Threshold` as ``flip_rate["keyboard"] <= 0.05``."""
    found = _FORM.fullmatch(text)
    signs = _COMPARES.findall(text)
    if len(signs) > 1:
        raise ThresholdError(
            f"can't read the threshold {text!r}: it compares twice; a threshold has one limit, so write "
            "'flip_rate <= 0.1', and a second threshold for a second limit"
        )
    if signs == ["="]:
        raise ThresholdError(
            f"can't read the threshold {text!r}: write >= or <= for =, as in 'accuracy >= 0.9'"
        )
    if not found:
        raise ThresholdError(
            f"can't read the threshold {text!r}: write it as 'accuracy >= 0.9' or 'flip_rate[ocr] <= 0.05'"
        )
    name, _, perturbation, op, number, percent = found.groups()
    metric = get_metric(name)
    if perturbation:
        metric = metric[perturbation]
    try:
        limit = float(number) / (100 if percent else 1)
    except ValueError:
        raise ThresholdError(f"can't read the threshold {text!r}: {number!r} is not a number") from None
    op = {"≥": ">=", "≤": "<="}.get(op, op)
    if op in (">", "<", "=="):
        return metric._strict(op, limit) if op != "==" else metric == limit  # type: ignore[return-value]  # a Metric's == makes a threshold
    return metric >= limit if op == ">=" else metric <= limit
