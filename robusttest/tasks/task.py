"""A task: cases, the prompt that puts their question, and the scorer that judges the reply."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias

from robusttest.core.formats import TOOLS, json_params, tools_column
from robusttest.core.nouns import (
    Case,
    Completion,
    Draft,
    Json,
    Prompt,
    Request,
    Score,
    Variant,
    canonical_json,
)
from robusttest.errors import CaseError, UsageError, did_you_mean
from robusttest.perturbations.base.fields import check_names, free_fields, shown, with_language
from robusttest.perturbations.base.languages import normalised
from robusttest.perturbations.base.validity import DEFAULT, Validity
from robusttest.scorers import choice, exact
from robusttest.scorers.protocol import Scorer, Scoring, make_scorer
from robusttest.scorers.structure import not_offered
from robusttest.tasks.cases import broken_down, columns_of, load_cases, refuse_copies, with_choices
from robusttest.tasks.prompts import named_prompts, prompt_of, with_fields
from robusttest.tasks.render import Message, render
from robusttest.tasks.tools import load_tools

Labels: TypeAlias = Literal["targets", "none"]


@dataclass(frozen=True, init=False)
class Task:
    r"""What is tested: put each case's question by ``prompt``, judge the reply by ``scorer``.

    ::

        Task(name="intents", cases=load_cases("tickets.jsonl", input="text", target="intent"),
             prompt="Which department? One of: {choices}\n\nTicket: {input}", scorer=choice(["billing", "delivery"]))

    Everything that can be wrong with it is refused here, before any call: no cases, a prompt with a field that no case
    has, a target that the scorer can't judge. Frozen, equal if made alike, picklable if its scorer is.
    """

    name: str
    cases: tuple[Case, ...]
    prompt: Prompt
    params: Mapping[str, Json]
    """Generation parameters of every call (``temperature``, ``max_tokens`` …)."""
    scorer: Scorer
    choices: tuple[str, ...] | None
    """The options that all cases share; None where each has its own, or none."""
    labels: Labels
    """``targets``, or ``none``: nothing says what is right, and only how answers hold together is measured."""
    protect: tuple[Any, ...]
    validity: Validity
    """What a variant must keep to be asked."""
    language: str | None
    """Code of the language of the texts (``de``); None: detected, case by case."""
    perturb: tuple[str, ...]
    """The input fields that text perturbations vary."""
    scorer_check: Scorer | None
    """A second scorer of the same replies, which says what flips are the first one's doing."""
    prompts: Mapping[str, Task]
    """The task with each of its prompts, by the prompt's name; empty for a task of one prompt."""
    prompt_name: str | None
    """Of a task that is one of several prompts: its name."""

    def __init__(
        self,
        name: str = "task",
        *,
        cases: Any,
        prompt: str | Prompt | None = None,
        prompts: Mapping[str, str | Prompt] | None = None,
        system: str | None = None,
        messages: Sequence[Mapping[str, Json]] | None = None,
        params: Mapping[str, Json] | None = None,
        tools: Any = None,
        scorer: Any = None,
        choices: Iterable[str] | None = None,
        demos: Any = (),
        demo_template: str | None = None,
        protect: Iterable[Any] = (),
        validity: Validity = DEFAULT,
        language: str | None = None,
        perturb: str | Iterable[str] | None = None,
        labels: Labels | None = None,
        by: str | Iterable[str] = (),
        scorer_check: Any = None,
    ) -> None:
        """Make a task.

        ``cases``: what `load_cases` returns, or anything it reads. ``prompt``: the user message, with ``{field}``,
        ``{choices}`` (one line) and ``{options}`` (marked lines); just the input if not given. ``prompts``: several by
        name, to be put side by side: which is best, and is the difference real? ``messages``: a
        whole conversation instead. ``tools``: what the model may call, as `load_tools` reads it (an MCP server's
        ``tools/list``, a file …), or ``"{column}"`` where each case offers its own. ``demos``: cases shown as examples before the question. ``scorer``: a scorer, its
        name or a function ``(reply, target)``; if not given, `choice` where the cases have choices, else `exact`.
        ``protect``: texts and compiled patterns that no perturbation may change. ``validity``: what a variant must keep
        to be asked: a similarity function of yours, a model that judges what another one wrote. ``language``: of the
        texts, as a code (``"de"``); detected if not given. ``perturb``: the input fields that text perturbations vary; if
        not given ``input``, else those of free text that the prompt shows. Of a conversation all turns of the user's are
        varied, or those that are named: ``input[last]``, ``input[2]``.
        ``labels="none"``: targets are not needed and not read; there is no accuracy, and consistency, flips and the noise
        floor are measured. It is the default where no case has a target and no scorer is given.
        ``by``: columns by which results are broken down (``target``, ``cluster``, metadata, a field). ``scorer_check``: a
        second scorer that reads the same replies; what flips by ``scorer`` and not by it is told apart from the wording.
        """
        if not isinstance(name, str) or not name.strip():
            raise UsageError(f"Task(name={name!r}): a name is a non-empty text")
        loaded = tuple(load_cases(cases))
        if not loaded:
            raise CaseError(f"task {name!r} has no cases")
        examples = tuple(load_cases(demos)) if demos else ()
        kept = (protect,) if isinstance(protect, str) else tuple(protect)
        if prompts is not None:
            if prompt is not None or messages is not None:
                raise UsageError(f"task {name!r}: give prompt, prompts or messages, one of them")
            self._several(
                name, prompts, cases=loaded, system=system, params=params, tools=tools, scorer=scorer, choices=choices,
                demos=examples, demo_template=demo_template, protect=kept, validity=validity, language=language,
                perturb=perturb, labels=labels, by=by, scorer_check=scorer_check,
            )  # fmt: skip
            return
        where = f"task {name!r}"
        made = None if scorer is None else make_scorer(scorer)
        options = _options(where, choices, made)
        loaded = with_choices(loaded, options, where)
        examples = with_choices(examples, options, f"{where}, demos")
        own = prompt_of(where, prompt, system, messages, examples, demo_template)
        given = _params(where, params, tools)
        loaded = with_fields(loaded, own, where, tools_column(given))
        refuse_copies(loaded, where)
        if own.demos:
            own = replace(own, demos=with_fields(own.demos, own, f"{where}, demos", None))
        said = _labels(where, labels, made, loaded)
        if made is None:
            made = choice() if all(c.choices for c in loaded) else exact()
        second = None if scorer_check is None else make_scorer(scorer_check)
        _check_scorers(where, said, made, second, loaded)
        if made.name == "tool_call" and said == "targets":
            _check_offered(where, given, loaded)
        varied = _perturb(where, perturb, loaded, own)
        code = None if language is None else normalised(language, where)
        loaded = _in_language(loaded, code, varied, None if perturb is not None else shown(own))
        self._set(
            name=name, cases=_by(where, by, loaded), prompt=own, params=given, scorer=made, choices=options,
            labels=said, protect=kept, validity=_validity(where, validity), language=code, perturb=varied,
            scorer_check=second, prompts={}, prompt_name=None,
        )  # fmt: skip

    def _several(self, name: str, prompts: Any, **rest: Any) -> None:
        """One task a prompt; what they share is the first one's."""
        each = {p: Task(f"{name} [{p}]", prompt=text, **rest) for p, text in named_prompts(name, prompts)}
        for p, one in each.items():
            one._set(prompt_name=p)
        first = next(iter(each.values()))
        self._set(**{f.name: getattr(first, f.name) for f in fields(self)})
        self._set(name=name, prompts=each, prompt_name=None)

    def _set(self, **values: Any) -> None:
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def render(self, variant: Variant | Case) -> tuple[Message, ...]:
        """The messages that put a variant's question, or a case's unperturbed one."""
        draft = Draft(case=variant, prompt=self.prompt) if isinstance(variant, Case) else variant.draft
        return render(draft)

    def score(self, completion: Completion, variant: Variant) -> Scoring:
        """The score of a reply; a generator of requests where a model judges (the runner drives it)."""
        scoring = self.scorer.score(completion, variant)
        if self.scorer_check is not None:
            return self._checked(scoring, self.scorer_check.score(completion, variant), self.scorer_check)
        return self._labelled(scoring) if isinstance(scoring, Score) else scoring

    def _labelled(self, score: Score) -> Score:
        return replace(score, value=0.0, labelled=False) if self.labels == "none" else score

    def _checked(self, scoring: Scoring, second: Scoring, scorer: Scorer) -> Scoring:
        if isinstance(scoring, Score) and isinstance(second, Score):
            return replace(self._labelled(scoring), check=_said(second, scorer))
        return self._both(scoring, second, scorer)

    def _both(
        self, scoring: Scoring, second: Scoring, scorer: Scorer
    ) -> Generator[Request, Completion, Score]:
        score = scoring if isinstance(scoring, Score) else (yield from scoring)
        other = second if isinstance(second, Score) else (yield from second)
        return replace(self._labelled(score), check=_said(other, scorer))

    def __len__(self) -> int:
        return len(self.cases)

    def __repr__(self) -> str:
        return f"<task {self.name!r}: {len(self.cases)} cases, scorer {self.scorer.name}>"


def _said(score: Score, scorer: Scorer) -> dict[str, Json]:
    said: dict[str, Json] = {"value": float(score.value), "answer": score.answer, "status": score.status}
    return {**said, "judge": True} if scorer.model is not None else said


def _by(where: str, given: str | Iterable[str], cases: tuple[Case, ...]) -> tuple[Case, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names:
        return cases
    made, known = broken_down(cases, names), columns_of(cases)
    for name in names:
        if not any(name in case.by for case in made):
            raise UsageError(
                f"{where}: by={name!r}: no case has such a column.{did_you_mean(str(name), known)} There are: "
                f"{', '.join(known)}"
            )
    return made


def _perturb(
    where: str, given: str | Iterable[str] | None, cases: tuple[Case, ...], prompt: Prompt
) -> tuple[str, ...]:
    if given is None:
        return free_fields(cases, shown(prompt))
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names or not all(isinstance(n, str) for n in names):
        raise UsageError(
            f"{where}: perturb={given!r}: give names of input fields, as in perturb=['question']"
        )
    for case in cases:
        check_names(names, case, f"{where}, perturb")
    return names


def _validity(where: str, validity: Any) -> Validity:
    if not isinstance(validity, Validity):
        raise UsageError(f"{where}: validity={validity!r}: give Validity(similarity=…), or leave it out")
    return validity


def _options(where: str, choices: Iterable[str] | None, scorer: Scorer | None) -> tuple[str, ...] | None:
    """The options that all cases share, of the task or of its scorer."""
    options = tuple(choices) if choices is not None else None
    if scorer is None or scorer.labels is None:
        return options
    if options is not None and options != scorer.labels:
        raise UsageError(
            f"{where}: choices={list(options)!r} and the scorer's labels {list(scorer.labels)!r} differ; give one"
        )
    return scorer.labels


def _params(where: str, params: Mapping[str, Json] | None, tools: Any) -> dict[str, Json]:
    given = json_params(params)
    if tools is not None:
        if TOOLS in given:
            raise UsageError(f"{where}: tools= and params={{'tools': …}}: give one of them")
        given[TOOLS] = tools if tools_column({TOOLS: tools}) else load_tools(tools)
    try:
        canonical_json(given)
    except (TypeError, ValueError) as e:
        raise UsageError(f"{where}: params {given!r} are not JSON values: {e}") from None
    return given


def _labels(where: str, given: Labels | None, scorer: Scorer | None, cases: tuple[Case, ...]) -> Labels:
    if given not in (None, "targets", "none"):
        raise UsageError(f"{where}: labels={given!r}: 'targets' or 'none'")
    if given is None:
        return "none" if scorer is None and all(c.target is None for c in cases) else "targets"
    return given


def _in_language(
    cases: tuple[Case, ...], code: str | None, varied: tuple[str, ...], seen: Any
) -> tuple[Case, ...]:
    """The cases with the language and the fields that perturbations vary; what a case tells by itself (``seen``: what
    the prompt shows, where no fields were named) need not be said.
    """
    return tuple(
        with_language(c, code, None if seen is not None and free_fields([c], seen) == varied else varied)
        for c in cases
    )


def _check_scorers(
    where: str, labels: Labels, scorer: Scorer, second: Scorer | None, cases: tuple[Case, ...]
) -> None:
    """Refuses a target that a scorer can't judge, and a scorer that says what is right where nothing does."""
    if labels == "targets":
        check_targets(cases, scorer, where)
        if second is not None:
            check_targets(cases, second, f"{where}, scorer_check")
    elif scorer.model is not None or not scorer.needs_target:
        raise UsageError(
            f"{where}: labels='none', and the scorer {scorer.name} says what is right without a target: leave one of them out"
        )


def _check_offered(where: str, params: Mapping[str, Json], cases: tuple[Case, ...]) -> None:
    """Refuses a right call of a tool that the task does not offer: every reply would be wrong."""
    held = params.get(TOOLS)
    if not isinstance(held, list | tuple) or not all(isinstance(t, Mapping) for t in held):
        return
    names = [str(t.get("function", t).get("name")) for t in held]
    for case in cases:
        if (name := not_offered(case.target, names)) is not None:
            raise CaseError(
                f"{where}: case {case.id!r}: its target calls {name!r}, which the task does not offer.{did_you_mean(name, names)} "
                f"There are: {', '.join(names)}"
            )


def scored_cases(cases: tuple[Case, ...], scorer: Scorer, where: str) -> tuple[Case, ...]:
    """The cases of a test with a body of its own, for its scorer: with its labels as their choices, and targets that it can judge."""
    made = with_choices(cases, scorer.labels, where)
    check_targets(made, scorer, where, otherwise="")
    return made


_OTHERWISE = ". Without any: labels='none' measures how answers hold together"


def check_targets(cases: tuple[Case, ...], scorer: Scorer, where: str, otherwise: str = _OTHERWISE) -> None:
    for case in cases:
        if scorer.needs_target and case.target is None:
            raise CaseError(
                f"{where}: case {case.id!r} has no target, and the scorer {scorer.name} compares with one; name its "
                f"column in load_cases(…, target=…){otherwise}"
            )
        if (problem := scorer.problem(case)) is not None:
            raise CaseError(f"{where}: case {case.id!r}: {problem}")
