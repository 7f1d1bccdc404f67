"""From a marked function to its items: checks the mark, finds the models, adds the private axis.

Called from ``pytest_generate_tests``, where a failure is a collection error with and without xdist.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from robusttest.core.names import is_callable, module_and_name
from robusttest.errors import RobusttestError, UnknownNameError, UsageError
from robusttest.plugin import mark as marks
from robusttest.plugin import options
from robusttest.variants.select import select_perturbations

if TYPE_CHECKING:
    from robusttest.plugin.mark import Marked
    from robusttest.settings import Settings

MODEL = "_robust_model"
"""The parameter that holds the model: private, so that a user's ``parametrize("model")`` does not collide."""

PROMPT = "_robust_prompt"
"""The parameter that holds the prompt's name, of a task with several."""

RESULT, VARIANT, ASK = "result", "variant", "ask"
ALIASES = {name: name.removeprefix("robust_") for name in
           (RESULT, VARIANT, ASK, "robust_result", "robust_variant", "robust_ask")}  # fmt: skip
"""Argument name → what it is given."""


def generate(metafunc: pytest.Metafunc, read: Callable[[pytest.Mark], Marked]) -> None:
    """Check the mark of one function and parametrize it over its models, or fail its collection."""
    try:
        return _generate(metafunc, read)
    except RobusttestError as e:
        wrong = f"{metafunc.definition.nodeid}: {e}"
    pytest.fail(wrong, pytrace=False)  # out here: pytest would print the handled exception too


def _generate(metafunc: pytest.Metafunc, read: Callable[[pytest.Mark], Marked]) -> None:
    definition = metafunc.definition
    mark = definition.get_closest_marker("robust")
    assert mark is not None
    marked = read(mark)
    settings = options.resolve(metafunc.config, marked.settings)
    wanted = own_arguments(definition)
    calls = [dict(c.params) for c in getattr(metafunc, "_calls", ())] or [{}]
    _check_arguments(definition, marked, wanted, calls)
    prompts = _prompts(settings, [subject(marked, params) for params in calls])
    models = _models(marked, settings, wanted)
    for model in models or [""]:
        select_perturbations(marked.perturbations, settings, model=model)
    _check_callables(models)
    own = [MODEL, PROMPT] if prompts else [MODEL]
    metafunc.fixturenames.extend(name for name in own if name not in metafunc.fixturenames)
    axis = [[m, p] if prompts else [m] for m in models or [None] for p in prompts or [None]]  # type: ignore[list-item]  # names, or none
    ids: list[Any] = ["-".join(filter(None, at)) or pytest.HIDDEN_PARAM for at in axis]
    metafunc.parametrize([*wanted, *own], [[*[None] * len(wanted), *at] for at in axis], ids=ids)


def _prompts(settings: Settings, subjects: Iterable[Any]) -> list[str]:
    """The names of the prompts that the tasks of a test are put by; none where they have one prompt."""
    found = [tuple(getattr(task, "prompts", ())) for task in subjects]
    if not found or not any(found):
        return []
    if len(set(found)) > 1:
        names = " and ".join(", ".join(f) or "none" for f in dict.fromkeys(found))
        raise UsageError(f"the tasks of one test have different prompts: {names}")
    if not settings.prompt:
        return list(found[0])
    for name in settings.prompt:
        if name not in found[0]:
            raise UnknownNameError("prompt", name, found[0])
    return [name for name in found[0] if name in settings.prompt]


def own_arguments(item: Any) -> list[str]:
    """The arguments of the test function that are ours to give."""
    return [name for name in item._fixtureinfo.argnames if name in ALIASES]


def _check_arguments(
    definition: Any, marked: Marked, wanted: Sequence[str], calls: Iterable[Mapping[str, Any]]
) -> None:
    for name in wanted:
        alias = f"robust_{ALIASES[name]}"
        way_out = f"; rename yours, or take {alias} in this test" if name != alias else "; rename yours"
        if any(name in params for params in calls):
            raise UsageError(
                f"the argument {name!r} is robusttest's here, and a parametrize has that name{way_out}"
            )
        if fixtures := definition._fixtureinfo.name2fixturedefs.get(name):
            place = Path(inspect.getfile(inspect.unwrap(fixtures[-1].func))).name
            raise UsageError(
                f"the argument {name!r} is robusttest's here, and a fixture of {place} has that name{way_out}"
            )
    meant = {ALIASES[name] for name in wanted}
    if marked.declared:
        if wrong := sorted(meant & {VARIANT, ASK}):
            raise UsageError(
                f"the argument {wrong[0]!r} is for tests whose body runs once for each variant (cases=…); "
                "the body of a declared task runs once and takes result"
            )
    else:
        if RESULT in meant:
            raise UsageError(
                "the argument 'result' is for declared tasks (@robust(task, …)); the body of cases=… runs once for each "
                "variant, before there is a result: put thresholds into expect=[…]"
            )
        if VARIANT not in meant:
            raise UsageError(
                "the body runs once for each variant and does not take it: add the argument 'variant'"
            )


NO_MODEL = (
    "no model to test: give --robust-model=NAME, or robust_model in the ini file, or models=[…] in the test. A NAME is "
    "what LiteLLM takes (openai/gpt-4o-mini, ollama/llama3) or python:module:callable for a model in this repo"
)
"""Said by a test that is run without one: collecting it, or leaving it out, takes none."""


def needs_model(marked: Marked, arguments: Sequence[str]) -> bool:
    return marked.declared or any(ALIASES[name] == ASK for name in arguments)


def subject(marked: Marked, params: Mapping[str, Any]) -> Any:
    """The Task, or the cases, of one item: where the mark gives a function, what that says to the item's parameters."""
    from robusttest.tasks.task import Task

    if not marked.declared:
        cases = marked.cases
        if callable(cases):
            cases = marks.load(_chosen("cases", cases, params), marked.name)
        if marked.scorer is None:
            return cases
        from robusttest.tasks.task import scored_cases

        return scored_cases(cases, marked.scorer, "robust(scorer=…)")
    if isinstance(marked.task, Task):
        return marked.task
    assert marked.task is not None
    task = _chosen("the task", marked.task, params)
    if not isinstance(task, Task):
        raise UsageError(f"the function that chooses the task returned {task!r}, not a Task")
    return task


def _chosen(what: str, choose: Callable[..., Any], params: Mapping[str, Any]) -> Any:
    known = {k: v for k, v in params.items() if k not in (MODEL, PROMPT) and k not in ALIASES}
    try:
        signature = inspect.signature(choose)
    except (TypeError, ValueError):
        raise UsageError(f"{what}: can't read the arguments of {choose!r}") from None
    asked: dict[str, Any] = {}
    for p in signature.parameters.values():
        if p.kind is p.VAR_KEYWORD:
            asked.update(known)
        elif p.kind is p.VAR_POSITIONAL:
            continue
        elif p.name in known:
            asked[p.name] = known[p.name]
        elif p.default is p.empty:
            raise UsageError(
                f"the function that chooses {what}: {UnknownNameError('parameter of this test', p.name, known)}"
            )
    try:
        return choose(**asked)
    except RobusttestError:
        raise
    except Exception as e:
        shown = ", ".join(f"{k}={v!r}" for k, v in asked.items())
        raise UsageError(
            f"the function that chooses {what} raised {type(e).__name__}: {e} (for {shown})"
        ) from e


def _models(marked: Marked, settings: Settings, wanted: Sequence[str]) -> list[str]:
    if not needs_model(marked, wanted):
        if marked.settings.get("models"):
            raise UsageError(
                "models=… is given, and the body asks for no model: add the argument 'ask', or leave models out"
            )
        return []
    return list(dict.fromkeys(settings.models))


def _check_callables(models: Iterable[str]) -> None:
    """How they are written; whether they are there is asked once it is known which tests run, as importing may be slow."""
    for model in models:
        if is_callable(model):
            module_and_name(model)
