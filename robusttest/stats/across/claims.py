"""The two claims of arXiv 2602.03344, each by a test that arithmetic alone does not pass.

Consistency and accuracy go together by arithmetic: a world in which all cells have the same chance-corrected
consistency gives R² of .7 to .98. So the claims are tested on the ICC of the cells.

*Claim 1*, robustness rises with competence: one point for each task, since tasks differ for reasons of their own; the
plain mean over models of the cells' ICC on the mean accuracy, OLS, t with T-2 degrees of freedom; and so for the mean of
atanh of the cells' latent r. (ICCs pooled over models, 1 - ΣW/ΣT, move with accuracy where robustness is the models'.)
Both fall on easier tasks where cases merely differ as much there, on a logit scale, as on harder ones, and faster where
variants differ in difficulty: a test of the two alone says *contradicted* of .3 to 1.0 of such worlds. So it is said only
where the odds ratio of two variants, each taken with its own accuracy, falls as well (.00 of them).

*Claim 2*, and comes with the task, not with the model, is three lines: claim 1; whose robustness is (`whose`); and
whether models are alike beyond their accuracy. It is supported where the first is and the second says *task*. The third
alone would support it in a world where nothing differs, and where robustness is the model's, as what goes with a
model's mean accuracy is taken out of it:

    d_mt = ((T-W)_mt - κ_t T_mt) / mean T, κ_t = 1 - Σ_m W_mt / Σ_m T_mt, e_m = mean_t d_mt, less the line of e_m on accuracy

Do these differ between models by more than from task to task (F, M-2 and (M-1)(T-1) degrees of freedom), and by how
much (Williams' and Tukey's interval of a variance component)?
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Literal

import numpy as np
from scipy.special import chdtri, fdtrc, fdtri

from robusttest.stats.across.grid import Grid, left_over
from robusttest.stats.across.whose import SD_MIN, Source, Whose, whose
from robusttest.stats.cell.frame import Floats
from robusttest.stats.cell.intervals import ALPHA, t_quantile
from robusttest.stats.cell.moments import Slope, slope_test

DELTA_MIN = 0.35
"""Slopes below this (.035 ICC for 10 points of accuracy) are no rise worth the name."""
MIN_TASKS, MIN_MODELS, MIN_RANGE = 5, 2, 0.15
MIN_MODELS_WITHIN = 5
MIN_MODELS_APART, MIN_TASKS_APART = 4, 3
_POWER = 0.8
_MOST = 10_000
_EXACT = 7
"""Permutations of up to so many tasks are counted."""

Answer = Literal["supported", "not supported", "contradicted", "cannot tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """How far models differ beyond their accuracy, as a standard deviation of κ; limits one-sided 95 % each."""

    n_models: int
    n_tasks: int
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    f: float | None = None
    p: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim, what the data say of it, and what it would take where they can't."""

    key: Literal["competence", "task_not_model", "models_alike"]
    claim: str
    answer: Answer
    sentence: str
    """One plain sentence with the numbers that decide."""
    slopes: tuple[Slope, ...] = ()
    """Claim 1: ICC, latent r and log odds ratio between tasks (they decide), and κ within tasks (a better model on the same
    task)."""
    whose: Whose | None = None
    """Claim 2: the task's, the model's, neither's."""
    apart: Apart | None = None
    """Models alike beyond their accuracy."""
    p_permutation: float | None = None
    """Claim 1: exact one-sided permutation p of the ICC slope, up to 7 tasks."""
    tasks_needed: int | None = None
    """About how many tasks (with as many models) would tell; None where that would not, or nothing is missing."""
    models_needed: int | None = None


COMPETENCE = "Robustness rises with competence at the task, beyond what arithmetic gives."
TASK_NOT_MODEL = "Robustness comes with competence at the task and is no property of the model."
MODELS_ALIKE = "Models are alike in robustness beyond their accuracy."


def within_tasks(g: Grid) -> Slope:
    """A better model on the same task: e_m = Σ_t[(T-W) - κ_t T]/Σ_t T on x_m = mean_t(p_mt - mean p_t), df M-2."""
    m = len(g.p)
    if m < MIN_MODELS_WITHIN:
        return Slope(
            scale="kappa within tasks",
            n=m,
            df=max(m - 2, 0),
            reason=f"{m} models, {MIN_MODELS_WITHIN} needed",
        )
    left = left_over(g)
    total = g.total.sum(axis=1)
    keep = total > 1e-12
    x = (g.p - g.p.mean(axis=0)).mean(axis=1)
    return slope_test(x[keep], left.sum(axis=1)[keep] / total[keep], scale="kappa within tasks")


def competence(g: Grid) -> Claim:
    """Claim 1. *Supported*: both one-sided lower limits above 0. *Contradicted*: both upper ones below 0, and that of the
    odds ratio. *Not supported*: the ICC's upper limit below `DELTA_MIN`. Else it can't be told.
    """
    m, tasks = g.p.shape
    each, latent = g.task_icc, g.task_latent
    keep = ~np.isnan(each)
    x, y = g.p.mean(axis=0)[keep], each[keep]
    t = int(keep.sum())
    inside = within_tasks(g)

    def cannot(why: str, *slopes: Slope, tasks_needed: int | None = None) -> Claim:
        return Claim(
            key="competence", claim=COMPETENCE, answer="cannot tell", sentence=f"Cannot tell: {why}.",
            slopes=(*slopes, inside), tasks_needed=tasks_needed,
        )  # fmt: skip

    if m < MIN_MODELS:
        return cannot(f"{m} model; the test needs {MIN_MODELS} or more")
    if t < MIN_TASKS:
        saturated = f" ({tasks - t} more are all right or all wrong)" if t < tasks else ""
        return cannot(f"{t} tasks{saturated}; the test needs {MIN_TASKS} or more", tasks_needed=MIN_TASKS)
    if float(np.ptp(x)) < MIN_RANGE:
        return cannot(
            f"the tasks' accuracies span {float(np.ptp(x)):.2f}; the test needs {MIN_RANGE:.2f} or more, "
            "so easier or harder tasks"
        )
    first = slope_test(x, y, scale="ICC")
    second = Slope(scale="atanh latent r", n=t, df=t - 2, reason="needs right/wrong scores (0 or 1)")
    odds = g.task_odds
    third = Slope(scale="log odds ratio", n=t, df=t - 2, reason=second.reason)
    if g.binary:
        second = slope_test(x, latent[keep], scale="atanh latent r")
        known = keep & ~np.isnan(odds)
        third = slope_test(g.p.mean(axis=0)[known], odds[known], scale="log odds ratio")
    answer = _competence(first, second, third)
    needed = _tasks_needed(first, second) if answer == "cannot tell" else None
    return Claim(
        key="competence", claim=COMPETENCE, answer=answer, slopes=(first, second, third, inside),
        sentence=_told(answer, first, second, t, m, needed), p_permutation=_permutation(x, y), tasks_needed=needed,
    )  # fmt: skip


def _competence(first: Slope, second: Slope, third: Slope) -> Answer:
    if first.low is None or first.high is None:
        return "cannot tell"
    if second.low is not None and second.high is not None:
        if first.low > 0 and second.low > 0:
            return "supported"
        if _falls(first) and _falls(second) and _falls(third):
            return "contradicted"
    return "not supported" if first.high < DELTA_MIN else "cannot tell"


def _falls(slope: Slope) -> bool:
    return slope.high is not None and slope.high < 0


def _told(answer: Answer, first: Slope, second: Slope, tasks: int, models: int, needed: int | None) -> str:
    def ten(value: float | None) -> str:
        return f"{(value or 0.0) / 10:+.3f}"

    rise = f"{ten(first.slope)} [{ten(first.low)}, {ten(first.high)}]"
    base = f"{models} models, {tasks} tasks"
    if answer == "supported":
        return (
            f"Supported: ICC rises by {rise} for 10 points of task accuracy, and so does latent r ({base})."
        )
    if answer == "contradicted":
        return (
            f"Contradicted: ICC falls on easier tasks, by {rise} for 10 points of accuracy, and so do latent r and the odds "
            f"ratio of two variants ({base})."
        )
    if answer == "not supported":
        both = _falls(first) and _falls(second)
        open_ = (
            "; that it falls may be arithmetic: the odds ratio of two variants does not surely"
            if both
            else ""
        )
        return (
            f"Not supported: ICC changes by {rise} for 10 points of task accuracy, "
            f"less than +{DELTA_MIN / 10:.3f} ({base}){open_}."
        )
    scale = ""
    if first.low is not None and first.low > 0:
        scale = (
            "on its own scale alone "
            if second.low is not None
            else "(no latent scale without right/wrong scores) "
        )
    more = f"; about {needed:,} tasks like these would tell" if needed is not None else ""
    return f"Cannot tell: ICC changes {scale}by {rise} for 10 points of task accuracy ({base}){more}."


def _tasks_needed(first: Slope, second: Slope) -> int | None:
    """Tasks at which, with the slope and scatter seen, the verdict comes with 80 % probability."""
    if first.slope is None:
        return None
    rising = [(s.slope, s) for s in (first, second)]
    found = []
    if all(b is not None and b > 0 for b, _ in rising):
        each = [_tasks_for(b or 0.0, s) for b, s in rising]
        if all(each):
            found.append(max(n or 0 for n in each))
    if first.slope < DELTA_MIN and (n := _tasks_for(DELTA_MIN - first.slope, first)) is not None:
        found.append(n)
    return min(found) if found else None


def _tasks_for(distance: float, s: Slope) -> int | None:
    """The fewest tasks at which (t_.95 + t_.80)·SE is within ``distance``, SE falling with their root."""
    if s.se is None or distance <= 0:
        return None
    for n in range(s.n + 1, _MOST):
        df = n - 2
        if (t_quantile(1 - ALPHA, df) + t_quantile(_POWER, df)) * s.se * math.sqrt(s.n / n) <= distance:
            return n
    return None


def _permutation(x: Floats, y: Floats) -> float | None:
    """Exact one-sided p of the slope over all orders of y; None where they are too many."""
    if len(x) > _EXACT:
        return None
    dx = x - x.mean()
    orders = np.array(list(permutations(range(len(x)))))
    values = y[orders] @ dx
    return float((values >= float(y @ dx) - 1e-12).mean())


def task_not_model(g: Grid, first: Claim) -> Claim:
    """Claim 2, given claim 1. *Supported*: that is, and robustness is the task's. *Contradicted*: it is the model's.
    *Not supported*: it is neither's; or the task's, and does not rise with competence. Else it can't be told.
    """
    found = whose(g.icc)
    answer = _second(found.source, first.answer)
    return Claim(
        key="task_not_model", claim=TASK_NOT_MODEL, answer=answer, whose=found,
        sentence=_told_whose(answer, found, first.answer),
    )  # fmt: skip


def _second(source: Source, first: Answer) -> Answer:
    if source == "model":
        return "contradicted"
    if source == "neither":
        return "not supported"
    if source == "task" and first != "cannot tell":
        return "supported" if first == "supported" else "not supported"
    return "cannot tell"


def _told_whose(answer: Answer, found: Whose, first: Answer) -> str:
    head = answer[0].upper() + answer[1:]
    if found.task is None or found.model is None:
        return f"{head}: {found.reason}."
    task, model = (f"{s.value:.3f} [{s.low:.3f}, {s.high:.3f}]" for s in (found.task, found.model))
    base = f"{found.n_models} models, {found.n_tasks} tasks"
    numbers = f"ICC differs between tasks by sd {task}, between models by sd {model} ({base})"
    said = {
        "task": "robustness is the task's",
        "model": "robustness is the model's",
        "neither": f"neither tasks nor models differ by {SD_MIN:g} or more",
        "cannot tell": "whether tasks or models differ more",
    }[found.source]
    if found.source == "cannot tell":
        return f"{head} {said}: {numbers}."
    if found.source == "task":
        link = {"supported": "rises with competence", "cannot tell": "may or may not rise with competence"}
        said += f" and {link.get(first, 'does not rise with competence')}"
    return f"{head}: {said}; {numbers}."


def models_alike(g: Grid) -> Claim:
    """*Supported*: models differ, beyond accuracy, by surely less than `SD_MIN`. *Contradicted*: by surely more. *Not
    supported*: they differ (p < .05), by more or less than that. Else it can't be told. What goes with a model's mean
    accuracy is taken out first.
    """
    apart = models_apart(g)
    answer: Answer = "cannot tell"
    tasks = models = None
    base = (
        f"{apart.n_models} models, {apart.n_tasks} tasks; what goes with a model's mean accuracy is taken out"
    )
    if apart.low is None or apart.high is None or apart.sd is None:
        sentence = f"Cannot tell: {apart.reason}."
        return Claim(key="models_alike", claim=MODELS_ALIKE, answer=answer, sentence=sentence, apart=apart)
    answer = _apart_answer(apart)
    size = {"supported": f", less than {SD_MIN:g}", "contradicted": f", more than {SD_MIN:g}"}.get(answer, "")
    take = ""
    if answer == "cannot tell":
        tasks, models = _more_for_apart(apart, g)
        if tasks is not None:
            take = f"; about {tasks:,} tasks with these models would tell"
        elif models is not None:
            take = f"; about {models:,} models would tell"
    sentence = (
        f"{answer[0].upper()}{answer[1:]}: they differ by sd {apart.sd:.3f} [{apart.low:.3f}, {apart.high:.3f}] "
        f"of ICC{size} ({base}){take}."
    )
    return Claim(
        key="models_alike", claim=MODELS_ALIKE, answer=answer, sentence=sentence, apart=apart,
        tasks_needed=tasks, models_needed=models,
    )  # fmt: skip


def answers(g: Grid, *, enough: bool = True) -> tuple[Claim, ...]:
    """Claim 1; where there are ``enough`` models and tasks also claim 2 and whether models are alike."""
    first = competence(g)
    return (first, task_not_model(g, first), models_alike(g)) if enough else (first,)


def _apart_answer(a: Apart) -> Answer:
    if a.low is None or a.high is None or a.p is None:
        return "cannot tell"
    if a.high < SD_MIN:
        return "supported"
    if a.low > SD_MIN:
        return "contradicted"
    return "not supported" if a.p <= ALPHA else "cannot tell"


def models_apart(g: Grid) -> Apart:
    """The variance of models' κ beyond the line of e_m on their accuracy, over tasks as a random sample."""
    keep = g.task_total > 1e-12
    m, t = len(g.p), int(keep.sum())
    empty = Apart(n_models=m, n_tasks=t)
    if m < MIN_MODELS_APART or t < MIN_TASKS_APART:
        return replace(
            empty,
            reason=f"{m} models on {t} tasks that vary; the test needs {MIN_MODELS_APART} on {MIN_TASKS_APART}",
        )
    d = left_over(g)[:, keep] / float(g.total[:, keep].mean())
    e = d.mean(axis=1)
    x = (g.p - g.p.mean(axis=0))[:, keep].mean(axis=1)
    xx = float((x**2).sum())
    line = float((x * e).sum()) / xx * x if xx > 1e-12 else np.zeros(m)
    df_model, df_rest = m - 2, (m - 1) * (t - 1)
    of_model = t * float(((e - line) ** 2).sum()) / df_model
    of_rest = float(((d - e[:, None]) ** 2).sum()) / df_rest
    if of_rest < 1e-18:
        return replace(empty, reason="nothing varies beyond accuracy")
    return _variance_component(empty, of_model, of_rest, df_model, df_rest)


def _variance_component(empty: Apart, of_model: float, of_rest: float, df_model: int, df_rest: int) -> Apart:
    """Williams' (1962) and Tukey's (1951) limits: SS/(T χ²)·(1 - F_crit/F)."""
    f, t = of_model / of_rest, empty.n_tasks
    square = max(of_model - of_rest, 0.0) / t

    def limit(tail: float) -> float:
        """The upper limit at ``tail`` = α, the lower at 1-α."""
        critical = float(fdtri(df_model, df_rest, tail))
        chi = float(chdtri(df_model, 1 - tail))
        return math.sqrt(max(df_model * of_model * (1 - critical / f), 0.0) / (t * chi))

    return replace(
        empty, sd=math.sqrt(square), low=limit(1 - ALPHA), high=limit(ALPHA), f=f,
        p=float(fdtrc(df_model, df_rest, f)),
    )  # fmt: skip


def _more_for_apart(a: Apart, g: Grid) -> tuple[int | None, int | None]:
    """Tasks, or else models, with which the same spreads would give an answer."""
    assert a.sd is not None
    assert a.f is not None
    # MS_rest from F and the variance component (or from F alone, where that is 0).
    keep = g.task_total > 1e-12
    d = left_over(g)[:, keep] / float(g.total[:, keep].mean())
    of_rest = float(((d - d.mean(axis=1, keepdims=True)) ** 2).sum()) / ((a.n_models - 1) * (a.n_tasks - 1))

    def answered(models: int, tasks: int) -> bool:
        seen = _variance_component(
            Apart(n_models=models, n_tasks=tasks), of_rest + tasks * (a.sd or 0.0) ** 2, of_rest, models - 2,
            (models - 1) * (tasks - 1),
        )  # fmt: skip
        return _apart_answer(seen) != "cannot tell"

    for tasks in _steps(a.n_tasks + 1, 500):
        if answered(a.n_models, tasks):
            return tasks, None
    for models in _steps(a.n_models + 1, 500):
        if answered(models, a.n_tasks):
            return None, models
    return None, None


def _steps(first: int, last: int) -> list[int]:
    return [*range(first, min(first + 40, last)), *range(first + 40, last, 20)]
