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
from robusttest.errors import CaseError, UsageError, did_you_mean, nearest
from robusttest.perturbations.base.fields import check_names, free_fields, shown, with_language
from robusttest.perturbations.base.languages import normalised
from robusttest.perturbations.base.validity import DEFAULT, Validity
from robusttest.scorers import choice, exact
from robusttest.scorers.protocol import Scorer, Scoring, make_scorer
from robusttest.tasks.cases import broken_down, columns_of, load_cases, refuse_copies, with_choices
from robusttest.tasks.render import OPTION_NAMES, Message, render, tokens
from robusttest.tasks.tools import load_tools, tool_list

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
        if prompts is not None:
            if prompt is not None or messages is not None:
                raise UsageError(f"task {name!r}: give prompt, prompts or messages, one of them")
            rest: dict[str, Any] = {
                "cases": loaded, "system": system, "params": params, "tools": tools, "scorer": scorer, "choices": choices,
                "demos": tuple(load_cases(demos)) if demos else (), "demo_template": demo_template,
                "protect": protect if isinstance(protect, str) else tuple(protect), "validity": validity,
                "language": language, "perturb": perturb, "labels": labels, "by": by, "scorer_check": scorer_check,
            }  # fmt: skip
            each = {
                p: Task(f"{name} [{p}]", prompt=text, **rest) for p, text in _named_prompts(name, prompts)
            }
            for p, one in each.items():
                object.__setattr__(one, "prompt_name", p)
            held = {f.name: getattr(next(iter(each.values())), f.name) for f in fields(self)}
            for attribute, of_first in {**held, "name": name, "prompts": each, "prompt_name": None}.items():
                object.__setattr__(self, attribute, of_first)
            return
        made = None if scorer is None else make_scorer(scorer)
        options = tuple(choices) if choices is not None else None
        if made is not None and made.labels is not None:
            if options is not None and options != made.labels:
                raise UsageError(
                    f"task {name!r}: choices={list(options)!r} and the scorer's labels {list(made.labels)!r} differ; give one"
                )
            options = made.labels
        where = f"task {name!r}"
        loaded = with_choices(loaded, options, where)
        examples = with_choices(tuple(load_cases(demos)) if demos else (), options, f"{where}, demos")
        own = _prompt(name, prompt, system, messages, examples, demo_template)
        given = json_params(params)
        if tools is not None:
            if TOOLS in given:
                raise UsageError(f"{where}: tools= and params={{'tools': …}}: give one of them")
            given[TOOLS] = tools if tools_column({TOOLS: tools}) else load_tools(tools)
        loaded = _with_fields(loaded, own, where, tools_column(given))
        refuse_copies(loaded, where)
        if own.demos:
            own = replace(own, demos=_with_fields(own.demos, own, f"{where}, demos", None))
        if labels not in (None, "targets", "none"):
            raise UsageError(f"{where}: labels={labels!r}: 'targets' or 'none'")
        if labels is None:
            bare = made is None and all(c.target is None for c in loaded)
            labels = "none" if bare else "targets"
        if made is None:
            made = choice() if all(c.choices for c in loaded) else exact()
        if labels == "targets":
            _check_targets(loaded, made, where)
        elif made.model is not None or not made.needs_target:
            raise UsageError(
                f"{where}: labels='none', and the scorer {made.name} says what is right without a target: leave one of them out"
            )
        code = None if language is None else normalised(language, where)
        varied = _perturb(where, perturb, loaded, own)
        seen = shown(own)
        loaded = tuple(
            # What a case tells by itself need not be said.
            with_language(c, code, None if perturb is None and free_fields([c], seen) == varied else varied)
            for c in loaded
        )
        loaded = _by(where, by, loaded)
        second = None if scorer_check is None else make_scorer(scorer_check)
        if second is not None and labels == "targets":
            _check_targets(loaded, second, f"{where}, scorer_check")
        if isinstance(protect, str):
            protect = (protect,)
        try:
            canonical_json(given)
        except (TypeError, ValueError) as e:
            raise UsageError(f"{where}: params {given!r} are not JSON values: {e}") from None
        for key, value in (
            ("name", name),
            ("cases", loaded),
            ("prompt", own),
            ("params", given),
            ("scorer", made),
            ("choices", options),
            ("labels", labels),
            ("protect", tuple(protect)),
            ("validity", _validity(where, validity)),
            ("language", code),
            ("perturb", varied),
            ("scorer_check", second),
            ("prompts", {}),
            ("prompt_name", None),
        ):
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


def _named_prompts(name: str, prompts: Any) -> list[tuple[str, str | Prompt]]:
    if not isinstance(prompts, Mapping) or len(prompts) < 2:
        raise UsageError(
            f"task {name!r}: prompts={prompts!r}: give two prompts or more by name, as in "
            'prompts={"short": "…", "long": "…"}'
        )
    for key, text in prompts.items():
        if not isinstance(key, str) or not key.strip():
            raise UsageError(f"task {name!r}: prompts: {key!r} is no name of a prompt")
        if not isinstance(text, str | Prompt):
            raise UsageError(f"task {name!r}: prompts[{key!r}]={text!r} is neither a text nor a Prompt")
    return list(prompts.items())


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


def _prompt(
    name: str,
    prompt: str | Prompt | None,
    system: str | None,
    messages: Sequence[Mapping[str, Json]] | None,
    demos: tuple[Case, ...],
    demo_template: str | None,
) -> Prompt:
    if isinstance(prompt, Prompt):
        if system is not None or messages is not None or demo_template is not None:
            raise UsageError(
                f"task {name!r}: prompt is a Prompt already; put system, messages and demos into it"
            )
        return replace(prompt, demos=demos) if demos else prompt
    for label, value in (("prompt", prompt), ("system", system), ("demo_template", demo_template)):
        if value is not None and not isinstance(value, str):
            raise UsageError(f"task {name!r}: {label}={value!r} is not a text")
    if messages is None:
        template = "{input}" if prompt is None else prompt
        return Prompt(template=template, system=system, demos=demos, demo_template=demo_template)
    if prompt is not None:
        raise UsageError(f"task {name!r}: give prompt or messages, not both")
    if isinstance(messages, str | Mapping) or not messages:
        raise UsageError(f"task {name!r}: messages={messages!r} is not a non-empty list of messages")
    for i, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise UsageError(
                f"task {name!r}: messages[{i}]={message!r} is not a dict with a role and content"
            )
    return Prompt(
        template=None,
        system=system,
        messages=tuple(dict(m) for m in messages),
        demos=demos,
        demo_template=demo_template,
    )


def _templates(prompt: Prompt) -> list[tuple[str, str]]:
    """``(where, template)`` of everything that has placeholders."""
    found = [("system", prompt.system), ("prompt", prompt.template if prompt.messages is None else None)]
    for i, message in enumerate(prompt.messages or ()):
        content = message.get("content")
        if isinstance(content, str):
            found.append((f"messages[{i}]", content))
        elif isinstance(content, list | tuple):
            texts = [p["text"] for p in content if isinstance(p, Mapping) and isinstance(p.get("text"), str)]
            found += [(f"messages[{i}]", text) for text in texts]
            found += [(f"messages[{i}]", v) for v in _whole_values(content)]
    return [(where, text) for where, text in found if text]


def _whole_values(content: Any) -> list[str]:
    """Values of parts other than text that are one placeholder."""
    out: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if key != "text":
                    walk(inner)
        elif isinstance(value, str) and len(value) <= 200:
            found = tokens(value)
            if len(found) == 1 and found[0][1]:
                out.append(value)

    for part in content:
        walk(part)
    return out


def _with_fields(
    cases: tuple[Case, ...], prompt: Prompt, where: str, offered: str | None
) -> tuple[Case, ...]:
    """The cases with every column that the prompt shows as a field, and that of the tools they offer; refuses a name that a
    case lacks.
    """
    shown: dict[str, str] = {}
    for place, text in _templates(prompt):
        _check_braces(place, text, where)
        for written, name, suffix in tokens(text):
            if name is None:
                continue
            if suffix:
                raise UsageError(
                    f"{where}: {place} shows {written!r}: write {{{name}}} alone, and double the braces of text ({{{{ }}}})"
                )
            shown.setdefault(name, place)
    if shown.keys() <= set(OPTION_NAMES) and len({c.choices for c in cases if shown}) < 2:
        raise UsageError(
            f"{where}: the prompt shows nothing of a case, so that all cases are one question: write {{input}} where its text "
            "belongs"
        )
    if offered is not None:
        shown.setdefault(offered, "tools")
    out: list[Case] = []
    for case in cases:
        fields = dict(case.fields)
        for name, place in shown.items():
            if name in fields or (name == "input" and len(case.fields) == 1):
                continue
            if name in OPTION_NAMES:
                if not case.choices:
                    raise UsageError(
                        f"{where}: {place} shows {{{name}}}, and case {case.id!r} has no choices: give choices=[…], or a "
                        "scorer with labels, as in choice(['yes', 'no'])"
                    )
            elif name in case.metadata:
                fields[name] = case.metadata[name]
            else:
                raise UsageError(_unknown(where, place, name, case))
        if offered is not None:
            fields[offered] = tool_list(fields[offered], f"{where}: case {case.id!r}, {offered}")
        if fields != case.fields:
            rest = {k: v for k, v in case.metadata.items() if k not in fields}
            case = replace(case, fields=fields, metadata=rest)
        out.append(case)
    return tuple(out)


def _unknown(where: str, place: str, name: str, case: Case) -> str:
    known = [*case.fields, *case.metadata, *(OPTION_NAMES if case.choices else ())]
    near = nearest(name, known, cutoff=0.5)
    hint = "" if near is None else f" Did you mean {{{near}}}?"
    return (
        f"{where}: {place} shows {{{name}}}, and case {case.id!r} has no such field.{hint} It has: "
        f"{', '.join(known) or 'none'}. For braces that are text write {{{{{name}}}}}"
    )


def _check_braces(place: str, text: str, where: str) -> None:
    """Doubled and single literal braces in one text: the doubled ones would come out single, likely unmeant."""
    literal = "".join(t for t, name, how in tokens(text) if name is None and not how)
    doubled = any(name is None and how for _, name, how in tokens(text))
    if doubled and ("{" in literal or "}" in literal):
        raise UsageError(
            f"{where}: {place} has single and doubled braces that are text; double each of them: {{{{ and }}}} come out "
            "as one"
        )


def _check_targets(cases: tuple[Case, ...], scorer: Scorer, where: str) -> None:
    for case in cases:
        if scorer.needs_target and case.target is None:
            raise CaseError(
                f"{where}: case {case.id!r} has no target, and the scorer {scorer.name} compares with one; name its "
                "column in load_cases(…, target=…). Without any: labels='none' measures how answers hold together"
            )
        if (problem := scorer.problem(case)) is not None:
            raise CaseError(f"{where}: case {case.id!r}: {problem}")
