"""The prompt around a case: the user's own alternatives, few-shot examples, the order of the options.

Each returns a changed copy of `Draft.prompt` (or of the case's choices); a test with a body of its own has no
prompt of ours, and only `option_order` applies to it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from robusttest.core.nouns import Case, Draft, NotApplicable, Prompt, canonical_json
from robusttest.errors import UsageError
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.prompt.orders import movable, names_letters, other_order
from robusttest.perturbations.prompt.templates import (
    PLACEHOLDER,
    field_lines,
    placeholders,
    shown,
    texts,
    unknown_fields,
)

_NO_PROMPT = NotApplicable(reason="the test has a body of its own: there is no prompt to change")
_TRIES = 20


def template(templates: Sequence[str] | str | None = None, *, name: str | None = None) -> Perturbation:
    """The user's alternative templates, one a variant, in their order: ``template(["Q: {input}", …])``.

    With messages instead of a template, it stands for the last user message. ``name`` tells two such sets apart in
    thresholds: ``template:name``.
    """
    own = _texts_given("template", templates, 'template(["Question: {input}\\nAnswer:"])')
    for text in own:
        if not placeholders(text):
            raise UsageError(f"template: {text!r} has no {{field}}: every case would be the same question")

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        if draft.prompt is None:
            return _NO_PROMPT
        if index >= len(own):
            return NotApplicable(reason=f"there are {len(own)} alternative templates only")
        if missing := unknown_fields(own[index], draft.case):
            return NotApplicable(
                reason=f"template {index + 1} shows {{{missing[0]}}}, which the case has no field for"
            )
        changed = _with_question(draft.prompt, own[index])
        if changed is None or changed == draft.prompt:
            return NotApplicable(reason=f"template {index + 1} is the prompt's own")
        return draft.with_(prompt=changed)

    return _prompt_level(
        "template", name, apply, limit=len(own), description="the user's alternative templates"
    )


def instructions(
    paraphrases: Sequence[str] | str | None = None, *, of: str | None = None, name: str | None = None
) -> Perturbation:
    """The user's paraphrases of the instruction, one a variant, in their order.

    The instruction is ``of`` where given (an exact part of the template or the system prompt), else the system
    prompt, else what the template says before its first field line. A placeholder in it must be in each paraphrase.
    """
    own = _texts_given("instructions", paraphrases, 'instructions(["Route this ticket.", …])')
    if of is not None and not of.strip():
        raise UsageError(
            "instructions: of is empty; give the part of the prompt that the paraphrases stand for"
        )

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        if draft.prompt is None:
            return _NO_PROMPT
        if index >= len(own):
            return NotApplicable(reason=f"there are {len(own)} paraphrases only")
        part = of if of is not None else _instruction(draft.prompt)
        if part is None:
            return NotApplicable(reason="the prompt has no instruction: name the part with of=…")
        if lost := sorted(set(placeholders(part)) - set(placeholders(own[index]))):
            return NotApplicable(reason=f"paraphrase {index + 1} lacks {{{lost[0]}}} of the instruction")
        if missing := unknown_fields(own[index], draft.case):
            return NotApplicable(
                reason=f"paraphrase {index + 1} shows {{{missing[0]}}}, not a field of the case"
            )
        changed = _replaced(draft.prompt, part, own[index])
        if changed is None:
            return NotApplicable(reason=f"the prompt does not contain {part!r}")
        if changed == draft.prompt:
            return NotApplicable(reason=f"paraphrase {index + 1} is the instruction itself")
        return draft.with_(prompt=changed)

    return _prompt_level(
        "instructions", name, apply, limit=len(own), description="the user's paraphrases of the instruction"
    )


def system(prompts: Sequence[str | None] | str | None = "none", *, name: str | None = None) -> Perturbation:
    """Other system prompts, one a variant, in their order; None (and ``system:none``) is no system prompt."""
    if prompts is None or prompts == "none":
        own: tuple[str | None, ...] = (None,)
        name = name or "none"
    elif isinstance(prompts, str):
        raise UsageError(
            f"system:{prompts}: text can't be named; use system:none, or system([{prompts!r}, …])"
        )
    else:
        own = tuple(prompts)
        if not own or any(p is not None and not (isinstance(p, str) and p.strip()) for p in own):
            raise UsageError("system: give a list of non-empty system prompts, or None for none")

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        if draft.prompt is None:
            return _NO_PROMPT
        if index >= len(own):
            return NotApplicable(reason=f"there are {len(own)} system prompts only")
        text = own[index]
        if text is not None and (missing := unknown_fields(text, draft.case)):
            return NotApplicable(
                reason=f"system prompt {index + 1} shows {{{missing[0]}}}, not a field of the case"
            )
        changed = _with_system(draft.prompt, text)
        if changed == draft.prompt:
            return NotApplicable(
                reason="the prompt has no system prompt"
                if text is None
                else "it is the system prompt already"
            )
        if changed.messages is not None and not changed.messages:
            return NotApplicable(reason="the system message is the only one")
        return draft.with_(prompt=changed)

    return _prompt_level("system", name, apply, limit=len(own), description="other system prompts, or none")


def demos(pool: Iterable[Case] | int | str | None = None, k: int | None = None) -> Perturbation:
    """Few-shot examples: ``k`` of ``pool``, choice and order drawn anew for each variant.

    ``demos:2`` (``demos(2)``) draws two of the prompt's own; ``demos:0`` asks without any; ``demos(pool, k=4)`` draws
    from the user's pool (Cases). The case itself is never among its own examples.
    """
    if isinstance(pool, int | str):
        if k is not None:
            raise UsageError(f"demos: the number is given twice: {pool!r} and k={k}")
        k, own = _count(pool), None
    else:
        own = None if pool is None else tuple(pool)
    if own is not None and not all(isinstance(case, Case) for case in own):
        raise UsageError("demos: the pool is a list of Case; load_cases(…) makes them")
    number = k
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 0):
        raise UsageError(f"demos: k={number!r} is not a number of examples")
    if number is None:
        raise UsageError("demos: say how many: demos:2, or demos(pool, k=2)")
    if own is not None and len(own) < number:
        raise UsageError(f"demos: the pool has {len(own)} cases, fewer than k={number}")

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        if draft.prompt is None:
            return _NO_PROMPT
        source = draft.prompt.demos if own is None else own
        question = canonical_json(dict(draft.case.fields))
        usable = [d for d in source if d.id != draft.case.id and canonical_json(dict(d.fields)) != question]
        if len(usable) < number:
            return NotApplicable(reason=f"there are {len(usable)} examples to draw {number} from")
        for _ in range(_TRIES):
            drawn = tuple(rng.sample(usable, number))
            if drawn != draft.prompt.demos:
                return draft.with_(prompt=replace(draft.prompt, demos=drawn))
        return NotApplicable(reason=f"the prompt shows these {number} examples already")

    return Perturbation(
        name="demos",
        spec=f"demos:{number}",
        level="prompt",
        apply=apply,
        limit=1 if number == 0 else None,
        description="number, choice and order of few-shot examples",
    )


def demo_order() -> Perturbation:
    """The prompt's few-shot examples in another order."""

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        if draft.prompt is None:
            return _NO_PROMPT
        old = draft.prompt.demos
        if len(old) < 2:
            return NotApplicable(reason="the prompt shows fewer than two examples")
        # Named by the examples, not by the case: variant i is the same order for every case.
        order = other_order(len(old), index, rng, "demo_order", *(d.id for d in old))
        if order is None:
            return NotApplicable(reason=f"{len(old)} examples have no further order")
        return draft.with_(prompt=replace(draft.prompt, demos=tuple(old[i] for i in order)))

    return Perturbation(
        name="demo_order",
        spec="demo_order",
        level="prompt",
        apply=apply,
        description="the few-shot examples in another order",
    )


def option_order() -> Perturbation:
    """The options in another order. The target is an option's text, so the right answer moves with it.

    ``none of the above`` keeps its place; where an option names others (``both A and C``) no order is another.
    Examples that show the same options get the same order. In a test with a body of its own, `Variant.choices` is
    what changes.
    """

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        case, prompt = draft.case, draft.prompt
        if case.choices is None or len(case.choices) < 2:
            return NotApplicable(reason="the case has fewer than two choices")
        if prompt is not None and not shown(prompt) & {"options", "choices"}:
            return NotApplicable(reason="the prompt shows neither {options} nor {choices}")
        if names_letters(case.choices):
            return NotApplicable(reason="an option names others by their letter")
        places = movable(case.choices)
        order = other_order(len(places), index, rng, "option_order", case.id)
        if order is None:
            return NotApplicable(reason=f"{len(places)} options have no further order")
        moved = dict(zip(places, (case.choices[places[i]] for i in order), strict=True))
        choices = tuple(moved.get(i, c) for i, c in enumerate(case.choices))
        if choices == case.choices:
            return NotApplicable(reason="the options are equal to each other")
        return draft.with_(case=replace(case, choices=choices), prompt=_with_examples(prompt, case, choices))

    return Perturbation(
        name="option_order",
        spec="option_order",
        level="prompt",
        apply=apply,
        description="the options in another order; the right answer moves with its text",
    )


def option_position() -> Perturbation:
    """The right option in every other place, one after the other; the other options keep their order.

    What the model gets right in one place and wrong in another it gets by the place. An option that speaks of the others keeps
    its own; examples that show the same options get the same order.
    """

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        case, prompt = draft.case, draft.prompt
        if case.choices is None or len(case.choices) < 2:
            return NotApplicable(reason="the case has fewer than two choices")
        if prompt is not None and not shown(prompt) & {"options", "choices"}:
            return NotApplicable(reason="the prompt shows neither {options} nor {choices}")
        if case.target not in case.choices or case.choices.count(str(case.target)) > 1:
            return NotApplicable(reason="the target is none of the choices, or several")
        if names_letters(case.choices):
            return NotApplicable(reason="an option names others by their letter")
        places = movable(case.choices)
        own = case.choices.index(str(case.target))
        if own not in places:
            return NotApplicable(reason="the right option speaks of the others")
        others = [p for p in places if p != own]
        if index >= len(others):
            return NotApplicable(reason=f"there are {len(others)} other places only")
        left = [case.choices[p] for p in others]
        left.insert(places.index(others[index]), case.choices[own])
        moved = dict(zip(places, left, strict=True))
        choices = tuple(moved.get(i, c) for i, c in enumerate(case.choices))
        return draft.with_(case=replace(case, choices=choices), prompt=_with_examples(prompt, case, choices))

    return Perturbation(
        name="option_position",
        spec="option_position",
        level="prompt",
        apply=apply,
        description="the right option in every other place",
    )


def _with_examples(prompt: Prompt | None, case: Case, choices: tuple[str, ...]) -> Prompt | None:
    """Examples that show the same options as the case get them in the same order."""
    if prompt is None:
        return None
    demos = tuple(replace(d, choices=choices) if d.choices == case.choices else d for d in prompt.demos)
    return replace(prompt, demos=demos)


def _prompt_level(
    name: str, variant_name: str | None, apply: object, *, limit: int, description: str
) -> Perturbation:
    if variant_name is not None and (not variant_name or any(c in variant_name for c in ":,[]#+")):
        raise UsageError(f"{name}: name={variant_name!r} must be non-empty, without any of ':,[]#+'")
    return Perturbation(
        name=name,
        spec=f"{name}:{variant_name}" if variant_name else name,
        level="prompt",
        apply=apply,  # type: ignore[arg-type]  # a function of a draft, by whoever calls
        limit=limit,
        description=description,
    )


def _texts_given(name: str, given: Sequence[str] | str | None, example: str) -> tuple[str, ...]:
    if given is None or isinstance(given, str):
        raise UsageError(f"{name} needs texts of your own, from python: {example}")
    own = tuple(given)
    if not own or not all(isinstance(t, str) and t.strip() for t in own):
        raise UsageError(f"{name}: give a list of non-empty texts, as in {example}")
    if len(set(own)) < len(own):
        raise UsageError(f"{name}: a text is given twice; each is one variant")
    return own


def _count(value: int | str) -> int:
    if isinstance(value, bool) or not (str(value).isascii() and str(value).isdigit()):
        raise UsageError(f"demos:{value}: give a number of examples, as in demos:2")
    return int(value)


def _with_question(prompt: Prompt, text: str) -> Prompt | None:
    """The template, or the last user message, replaced; None if there is no such message."""
    if prompt.messages is None:
        return replace(prompt, template=text)
    for i in range(len(prompt.messages) - 1, -1, -1):
        if prompt.messages[i].get("role") == "user":
            message = {**prompt.messages[i], "content": text}
            return replace(prompt, messages=(*prompt.messages[:i], message, *prompt.messages[i + 1 :]))
    return None


def _with_system(prompt: Prompt, text: str | None) -> Prompt:
    if prompt.messages is None:
        return replace(prompt, system=text)
    rest = tuple(m for m in prompt.messages if m.get("role") not in ("system", "developer"))
    if text is None:
        return replace(prompt, system=None, messages=rest)
    return replace(prompt, system=None, messages=({"role": "system", "content": text}, *rest))


def _instruction(prompt: Prompt) -> str | None:
    if prompt.system and prompt.system.strip():
        return prompt.system
    if prompt.messages is not None:
        for message in prompt.messages:
            if message.get("role") in ("system", "developer") and isinstance(message.get("content"), str):
                return str(message["content"])
    for text in texts(prompt)[:1]:
        lines = [line.start for line in field_lines(text) if line.value]
        start = lines[0] if lines else next((m.start() for m in PLACEHOLDER.finditer(text)), len(text))
        part = text[:start].strip()
        return part or None
    return None


def _replaced(prompt: Prompt, part: str, text: str) -> Prompt | None:
    """``part`` replaced in the first of system prompt, template and messages that has it."""
    if prompt.system and part in prompt.system:
        return replace(prompt, system=prompt.system.replace(part, text, 1))
    if prompt.messages is not None:
        for i, message in enumerate(prompt.messages):
            content = message.get("content")
            if isinstance(content, str) and part in content:
                new = {**message, "content": content.replace(part, text, 1)}
                return replace(prompt, messages=(*prompt.messages[:i], new, *prompt.messages[i + 1 :]))
        return None
    if prompt.template is not None and part in prompt.template:
        return replace(prompt, template=prompt.template.replace(part, text, 1))
    return None
