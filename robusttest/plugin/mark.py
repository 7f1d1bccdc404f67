"""`robust`, the mark, and what a mark says once it has been checked."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import pytest

from robusttest import settings as table
from robusttest.core.nouns import Threshold
from robusttest.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from robusttest.core.nouns import Case
    from robusttest.perturbations.base.protocol import Perturbation
    from robusttest.perturbations.base.validity import Validity
    from robusttest.scorers.protocol import Scorer
    from robusttest.settings import InconclusivePolicy
    from robusttest.tasks.task import Task


P = ParamSpec("P")
R = TypeVar("R")


def _by_name(function: Callable[P, R]) -> Callable[P, R]:
    """Refuses an unknown argument with the nearest one that there is."""

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        _refuse_unknown(kwargs, ARGUMENTS)
        return function(*args, **kwargs)

    return checked


def _refuse_unknown(given: Iterable[str], known: Sequence[str]) -> None:
    for key in given:
        if key in known:
            continue
        from robusttest.metrics import METRICS, Metric

        found: Metric | None = METRICS.get(key)
        if found is not None:
            limit = "<= 0.1" if found.direction == "down" else ">= 0.9"
            raise UsageError(
                f"robust({key}=…): that is a metric; a threshold is written expect=[{key} {limit}]"
            )
        raise UnknownNameError("argument of robust()", key, known)


@_by_name
def robust(
    task: Task | Callable[..., Task] | None = None,
    /,
    *,
    cases: Any = None,
    perturbations: Any = (),
    expect: Threshold | str | Sequence[Threshold | str] = (),
    models: str | Sequence[str] | None = None,
    variants: int | None = None,
    name: str | None = None,
    protect: Iterable[Any] = (),
    validity: Validity | None = None,
    limit: int | None = None,
    seed: int | None = None,
    concurrency: int | None = None,
    scorer: Any = None,
    writer: str | None = None,
    adaptive: bool | None = None,
    max_cases: int | None = None,
    inconclusive: InconclusivePolicy | None = None,
    min_coverage: float | None = None,
    by: str | Sequence[str] | None = None,
) -> pytest.MarkDecorator:
    """Mark a test (or a class of them) as a robustness test. Same as ``@pytest.mark.robust(...)``, typed.

    ``@robust(task, …)``: the task's prompts are put to each model, scored and judged; the test's body is optional and
    may take ``result``. ``@robust(cases=…, …)``: the body runs once for each variant of each case, takes ``variant``
    (and ``ask``, to call the model), and its outcome is the score: a failed assertion is 0, None is 1, a bool or a
    number in [0, 1] is the score, a text or `robusttest.Answer` is the answer. With ``scorer=…`` (as a `Task` takes it, `judge`
    too) what the body returns, a text or a `Completion`, is scored as a task's reply is.

    ``perturbations``: names (``"ocr:0.2"``), objects, functions. ``expect``: thresholds. ``models``: instead of
    ``robust_model`` of the ini file. ``variants``: of each perturbation for each case. ``name``: the task's name in
    reports, for a test with a body of its own. A function for ``task`` or ``cases`` is called with the parameters
    of the test that it names: ``@robust(lambda lang: tasks[lang])``. ``protect``: what no perturbation may change,
    and ``validity``: what a variant must keep to be asked, where there is no task to say so. ``concurrency`` also runs a sync body of one's own in so many threads; the rest
    are settings, each with a flag and an ini key of the same name.

    What is wrong is said at collection, before any call.
    """
    if inspect.isfunction(task) and task.__name__.startswith("test"):
        raise UsageError(
            f"@robust above {task.__name__}: write @robust(…) with its arguments, the task or cases=…"
        )
    given = {k: v for k, v in locals().items() if k != "task" and v is not _SIGNATURE.parameters[k].default}
    args = () if task is None else (task,)
    # with_args: a mark called with one function alone would take it for the test to mark.
    return _Mark.of(pytest.mark.robust.with_args(*args, **given))


PLUGIN_IS_OFF = "the plugin robusttest, which runs this test (switched off, as by -p no:robusttest?)"
"""A fixture that every marked test asks for and the plugin takes off: without the plugin pytest says that it is not
found, where a test whose body is empty would pass and have measured nothing."""


class _Mark(pytest.MarkDecorator):
    """The mark ``robust``, which also asks for that fixture where it decorates a test or a class."""

    @classmethod
    def of(cls, made: pytest.MarkDecorator) -> pytest.MarkDecorator:
        mark = cls.__new__(cls)
        mark.mark = made.mark
        return mark

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        marked = super().__call__(*args, **kwargs)
        if isinstance(marked, pytest.MarkDecorator):  # given arguments, not a test
            return marked
        return pytest.mark.usefixtures(PLUGIN_IS_OFF)(marked)


_SIGNATURE = inspect.signature(robust)
ARGUMENTS = tuple(p for p in _SIGNATURE.parameters if p != "task")


def arguments() -> tuple[str, ...]:
    """What a mark may be given by name: the parameters of `robust`, and the options of the table that may stand in a mark."""
    return (*ARGUMENTS, *(o.field for o in table.OPTIONS if o.mark and o.field not in ARGUMENTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What one mark says: checked, perturbations made, thresholds read."""

    task: Task | Callable[..., Task] | None
    cases: Any
    """Cases, or a function of the test's parameters; None for a declared task."""
    perturbations: tuple[Perturbation, ...]
    specs: tuple[Any, ...] = ()
    """The perturbations as they were listed: variants of plain names are kept in the reply store."""
    thresholds: tuple[Threshold, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    protect: tuple[Any, ...] = ()
    scorer: Scorer | None = None
    """What scores what a body of the test's own returns; None where the body does."""
    validity: Validity | None = None
    """None for a declared task, which says so itself, and where nothing is said."""

    @property
    def declared(self) -> bool:
        return self.cases is None


def read(mark: pytest.Mark, default_expect: Sequence[Threshold] = ()) -> Marked:
    """A mark, checked. Raises `UsageError` that names the argument, its value and the nearest valid one."""
    _refuse_unknown(mark.kwargs, arguments())
    if len(mark.args) > 1:
        raise UsageError(
            f"robust() takes one task, not {len(mark.args)}: give everything else by name, as in perturbations=…"
        )
    task = mark.args[0] if mark.args else None
    given = mark.kwargs
    cases = given.get("cases")
    _check_subject(task, cases)
    specs = _listed(given.get("perturbations"))
    perturbations = _perturbations(specs)
    return Marked(
        task=task,
        cases=cases if cases is None or callable(cases) else load(cases, given.get("name")),
        perturbations=perturbations,
        specs=specs,
        thresholds=_thresholds(given.get("expect", ()), default_expect, perturbations),
        settings=_settings(given),
        name=_name(given.get("name"), declared=cases is None),
        protect=_protect(given.get("protect", ()), declared=cases is None),
        validity=_validity(given.get("validity"), declared=cases is None),
        scorer=_scorer(given.get("scorer"), declared=cases is None),
    )


def _check_subject(task: Any, cases: Any) -> None:
    from robusttest.tasks.task import Task

    if task is not None and cases is not None:
        raise UsageError("robust() got a task and cases=…: a task has its cases; give one of the two")
    if cases is not None:
        return
    if task is None:
        raise UsageError(
            "robust() got neither a task nor cases=…: write @robust(task, …) or @robust(cases=…, …)"
        )
    if not isinstance(task, Task) and (not callable(task) or isinstance(task, type)):
        raise UsageError(
            f"robust({_short(task)}, …): that is a {type(task).__name__}, not a Task; for a body of your own write cases=…"
        )


def load(cases: Any, name: str | None = None) -> tuple[Case, ...]:
    """Cases of a test with a body of its own."""
    from robusttest.errors import CaseError
    from robusttest.tasks.cases import load_cases

    loaded = tuple(load_cases(cases))
    if not loaded:
        raise CaseError("robust(cases=…): there are no cases" + (f" in {name!r}" if name else ""))
    return loaded


def _listed(given: Any) -> tuple[Any, ...]:
    from robusttest.perturbations import Perturbation

    if given is None:
        return ()
    single = isinstance(given, str | Perturbation) or callable(given) or not isinstance(given, Iterable)
    return (given,) if single else tuple(given)


def _perturbations(specs: tuple[Any, ...]) -> tuple[Perturbation, ...]:
    from robusttest.perturbations import make_all

    try:
        return tuple(make_all(specs))
    except UsageError as e:
        raise UsageError(f"robust(perturbations=…): {e}") from None


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are options, checked."""
    found: dict[str, Any] = {}
    for option in table.OPTIONS:
        value = given.get(option.field)
        if not option.mark or value is None:
            continue
        try:
            found[option.field] = option.read(value)
        except UsageError as e:
            raise UsageError(f"robust({option.field}={_short(value)}): {e}") from None
        if option.many and not found[option.field]:
            raise UsageError(f"robust({option.field}={_short(value)}): there is no {option.name} in it")
    return found


def _thresholds(
    given: Any, default: Sequence[Threshold], perturbations: Sequence[Perturbation]
) -> tuple[Threshold, ...]:
    from robusttest.metrics import thresholds
    from robusttest.variants.select import check_thresholds

    out = thresholds(() if given is None else given, "robust(expect=…)")
    check_thresholds(out, perturbations)
    if not out:
        known = _names(perturbations)
        out = tuple(t for t in default if t.perturbation is None or t.perturbation in known)
    return out


def _names(perturbations: Sequence[Perturbation]) -> list[str]:
    return sorted({n for p in perturbations for n in (p.spec, p.name)})


def _name(given: Any, *, declared: bool) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not given.strip():
        raise UsageError(f"robust(name={given!r}): a name is a non-empty text")
    if declared:
        raise UsageError(f"robust(name={given!r}): the task has a name; name= is for cases=…")
    return given


def _protect(given: Any, *, declared: bool) -> tuple[Any, ...]:
    if declared and given:
        raise UsageError("robust(protect=…): put it into the Task; protect= is for cases=…")
    from robusttest.perturbations.base.spans import protect_rules

    rules = (given,) if isinstance(given, str) else tuple(given or ())
    protect_rules(rules)
    return rules


def _validity(given: Any, *, declared: bool) -> Validity | None:
    if given is None:
        return None
    if declared:
        raise UsageError("robust(validity=…): put it into the Task; validity= is for cases=…")
    from robusttest.perturbations.base.validity import Validity

    if not isinstance(given, Validity):
        raise UsageError(f"robust(validity={given!r}): give Validity(similarity=…)")
    return given


def _scorer(given: Any, *, declared: bool) -> Scorer | None:
    if given is None:
        return None
    if declared:
        raise UsageError("robust(scorer=…): put it into the Task; scorer= is for cases=…")
    from robusttest.scorers.protocol import make_scorer

    return make_scorer(given)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
