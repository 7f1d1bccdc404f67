"""The metric names that thresholds are written with. No arithmetic here: `robusttest.stats` computes them.

::

    from robusttest.metrics import accuracy, flip_rate
    accuracy >= 0.90
    flip_rate["keyboard"] <= 0.05       # one perturbation, all its severities; ["ocr:0.2"] is that one

Notation of the definitions: case i, variant v (0 is the reference), answer a_iv, score y_iv in [0, 1]; K_i
variants of case i; W and T are the mean within-case and the total variance of correctness (4.1 there).
Metrics without ``[perturbation]`` run over the reference and every input and prompt variant; repeats and
decoding variants count only under their own name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from robusttest.core.nouns import Threshold
from robusttest.errors import ThresholdError, UnknownNameError

Direction = Literal["up", "down", "info"]


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

    def __getitem__(self, perturbation: str) -> Metric:
        if not isinstance(perturbation, str) or not perturbation:
            raise ThresholdError(
                f"{self.name}[{perturbation!r}]: name a perturbation, as in {self.name}['keyboard']"
            )
        if self.perturbation is not None:
            raise ThresholdError(f"{self.name}['{self.perturbation}'] is for one perturbation already")
        return Metric(
            self.name, self.direction, self.definition, self.low, self.high, self.adaptive, perturbation
        )

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
    *,
    low: float | None = 0.0,
    high: float | None = 1.0,
    adaptive: bool = False,
) -> Metric:
    METRICS[name] = made = Metric(name, direction, definition, low, high, adaptive)
    return made


accuracy = _metric(
    "accuracy",
    "up",
    "mean_i y_i0 over the unperturbed prompts; accuracy[p]: mean over p's variants",
    adaptive=True,
)
pass_rate = _metric(
    "pass_rate", "up", "mean_i mean_{v>=1} y_iv: accuracy over perturbed variants", adaptive=True
)
overall_accuracy = _metric(
    "overall_accuracy", "up", "mean_i mean_v y_iv, reference included: the p of the null models"
)
drop = _metric("drop", "down", "accuracy - pass_rate", low=-1.0)
net_drop = _metric(
    "net_drop", "down", "drop - drop[repeat]: over the noise floor of repeated prompts", low=-1.0
)
robust_accuracy = _metric(
    "robust_accuracy", "up", "mean_i min_v y_iv (HELM worst case); falls with K", adaptive=True
)
success_consistency = _metric(
    "success_consistency", "up", "robust_accuracy, as the paper's appendix names it", adaptive=True
)
helm_worst_case = _metric("helm_worst_case", "up", "robust_accuracy, as HELM names it", adaptive=True)
best_case_accuracy = _metric("best_case_accuracy", "up", "mean_i max_v y_iv")
worst_variant_accuracy = _metric("worst_variant_accuracy", "up", "min_v mean_i y_iv; biased down by noise")
spread = _metric("spread", "down", "max_v mean_i y_iv - min_v mean_i y_iv (FormatSpread); biased up by noise")
output_consistency = _metric(
    "output_consistency", "up", "mean_i 1[all a_iv equal] (OC of arXiv 2602.03344, TARa)", adaptive=True
)
pairwise_consistency = _metric(
    "pairwise_consistency", "up", "mean_i of the share of equal pairs of answers", adaptive=True
)
reference_consistency = _metric(
    "reference_consistency", "up", "mean_i mean_{v>=1} 1[a_iv = a_i0]", adaptive=True
)
flip_rate = _metric("flip_rate", "down", "1 - reference_consistency", adaptive=True)
net_flip_rate = _metric(
    "net_flip_rate",
    "down",
    "flip_rate - flip_rate[repeat]: over the noise floor of repeated prompts",
    low=-1.0,
)
any_flip_rate = _metric(
    "any_flip_rate", "down", "mean_i 1[some a_iv differs from a_i0] (CheckList INV failure)", adaptive=True
)
right_to_wrong = _metric(
    "right_to_wrong", "down", "share of wrong variants where the reference is right", adaptive=True
)
wrong_to_right = _metric("wrong_to_right", "info", "share of right variants where the reference is wrong")
conditional_robustness = _metric(
    "conditional_robustness", "up", "P(all variants right | reference right) (TextAttack)", adaptive=True
)
pdr = _metric("pdr", "down", "1 - pass_rate / accuracy (PromptBench)", low=None, adaptive=True)
apdr = _metric("apdr", "down", "mean of the PDR of each variant", low=None)
pdr_worst = _metric("pdr_worst", "down", "1 - robust_accuracy / accuracy")
cohen_h = _metric(
    "cohen_h",
    "down",
    "2(asin sqrt accuracy - asin sqrt pass_rate)/pi (unitxt, normalised; sign as a drop)",
    low=-1.0,
)
score_std = _metric("score_std", "down", "mean_i sd_v(y_iv), ddof 0 (paper, App. C)", high=0.5)
pss = _metric("pss", "down", "mean_i mean_{v<w} |y_iv - y_iw| (ProSA)", adaptive=True)
torr = _metric("torr", "up", "1 - mean_i (max_v y_iv - min_v y_iv) (ToRR)")
maxp = _metric("maxp", "up", "max_v mean_i y_iv (Mizrahi et al.)")
avgp = _metric("avgp", "up", "mean_v mean_i y_iv (Mizrahi et al.)")
saturation = _metric("saturation", "up", "1 - (maxp - avgp) (Mizrahi et al.)")
cps = _metric("cps", "up", "saturation * maxp (Mizrahi et al.)")
tara = _metric("tara", "up", "share of cases whose parsed answers are all equal (TARa@N)")
tarr = _metric("tarr", "up", "share of cases whose raw replies are all equal (TARr@N)")
cr_micro = _metric("cr_micro", "up", "equal pairs / pairs, pooled over cases (lm-eval SCORE)")
consistency_icc = _metric(
    "consistency_icc", "up", "1 - W/T: chance-corrected consistency of correctness (ANOVA ICC)", low=-1.0
)
consistency_kappa = _metric(
    "consistency_kappa", "up", "Fleiss kappa of correctness, 1 - W/(p(1-p)); biased down at small n", low=-1.0
)
answer_kappa = _metric("answer_kappa", "up", "Fleiss kappa over answers; closed answer sets only", low=-1.0)
latent_r = _metric(
    "latent_r",
    "up",
    "r with Phi2(z,z;r) = p^2 + kappa p(1-p): consistency on the latent normal scale",
    low=-1.0,
)
excess_consistency = _metric("excess_consistency", "up", "output_consistency - p^K (paper)", low=-1.0)
excess_robust_accuracy = _metric("excess_robust_accuracy", "up", "robust_accuracy - p^K", low=-1.0)
normalised_excess = _metric("normalised_excess", "up", "(robust_accuracy - p^K)/(p - p^K)", low=None)
krippendorff_alpha = _metric(
    "krippendorff_alpha", "up", "Krippendorff's alpha, nominal, over answers", low=-1.0
)
krippendorff_alpha_interval = _metric(
    "krippendorff_alpha_interval", "up", "Krippendorff's alpha, interval, over scores", low=-1.0
)
kendall_w = _metric(
    "kendall_w", "up", "Kendall's W over scores of cases ranked by each variant, corrected for ties"
)
kendall_w_uncorrected = _metric("kendall_w_uncorrected", "up", "Kendall's W without the correction for ties")
persistent_error = _metric(
    "persistent_error", "down", "H = (1-p) - W: error that stays under another wording"
)
recoverable_error = _metric(
    "recoverable_error", "down", "phi = W/(1-p): P(another variant is right | this one is wrong)"
)
parse_failure_rate = _metric("parse_failure_rate", "down", "share of replies with no readable answer")
refusal_rate = _metric("refusal_rate", "down", "share of replies that the provider marked as refused")

_FORM = re.compile(
    r"\s*([A-Za-z_]\w*)\s*(?:\[\s*(['\"]?)(.+?)\2\s*\])?\s*(>=|<=|==|>|<|≥|≤)\s*(\S+?)\s*(%?)\s*"
)


def get_metric(name: str) -> Metric:
    """The metric of that name, or `UnknownNameError` with the nearest one."""
    try:
        return METRICS[name]
    except KeyError:
        raise UnknownNameError("metric", name, METRICS) from None


def parse_threshold(text: str) -> Threshold:
    """``"flip_rate[keyboard] <= 0.05"`` → the same `Threshold` as ``flip_rate["keyboard"] <= 0.05``."""
    found = _FORM.fullmatch(text)
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
        return metric._strict(op, limit) if op != "==" else metric == limit  # type: ignore[return-value]
    return metric >= limit if op == ">=" else metric <= limit
