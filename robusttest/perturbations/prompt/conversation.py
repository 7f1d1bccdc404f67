"""Turns of a conversation before the question, that have nothing to do with it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from robusttest.core.nouns import Case, Draft, Json, NotApplicable, Prompt
from robusttest.errors import UsageError
from robusttest.perturbations.base.lexicon import table
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import labels_in

MOST = 50


def filler_turns(
    turns: int | str | None = None, *, exchanges: Sequence[tuple[str, str]] | None = None
) -> Perturbation:
    """Harmless exchanges of user and assistant before the last user message: two of them, or ``filler_turns:6``.

    They come before the question of a prompt, or within the conversation that a field holds. ``exchanges`` are the user's
    own pairs of what is said and replied; ours are small talk in English that holds no label.
    """
    number = 2 if turns is None else int(turns) if str(turns).isascii() and str(turns).isdigit() else 0
    if isinstance(turns, bool) or not 1 <= number <= MOST:
        raise UsageError(f"filler_turns:{turns}: give the number of exchanges, 1 to {MOST}")
    own = tuple(tuple(e) for e in exchanges) if exchanges is not None else None
    if own is not None and (
        not own or any(len(e) != 2 or not all(isinstance(s, str) and s.strip() for s in e) for e in own)
    ):
        raise UsageError(
            "filler_turns: exchanges is a list of pairs: what the user says, what the assistant replies"
        )

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        held = own or tuple((said, reply) for said, reply in table("conversation")["exchanges"])
        usable = [e for e in held if not labels_in("\n".join(e), draft.case)]
        if not usable:
            return NotApplicable(reason="every exchange holds a label of the case")
        drawn: list[Sequence[str]] = []
        while len(drawn) < number:
            drawn += rng.sample(usable, min(len(usable), number - len(drawn)))
        added = [
            {"role": role, "content": text}
            for pair in drawn
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
        for name, value in draft.case.fields.items():
            if _conversation(value):
                fields = {**draft.case.fields, name: _with(value, added)}
                return draft.with_(case=replace(draft.case, fields=fields))
        if draft.prompt is None:
            return NotApplicable(reason="no field holds a conversation, and the test has a body of its own")
        changed = _in_prompt(draft.prompt, draft.case, added)
        return changed if isinstance(changed, NotApplicable) else draft.with_(prompt=changed)

    return Perturbation(
        name="filler_turns",
        spec="filler_turns" if number == 2 else f"filler_turns:{number}",
        level="prompt",
        apply=apply,
        languages=("en",) if own is None else ("any",),
        description="harmless turns of a conversation before the question",
    )


def _conversation(value: Json) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(m, Mapping) and "role" in m for m in value)
        and any(m["role"] == "user" for m in value)
    )


def _with(messages: Sequence[Any], added: Sequence[Mapping[str, Json]]) -> list[Any]:
    """Before the last message of the user's."""
    at = max(i for i, m in enumerate(messages) if m.get("role") == "user")
    return [*messages[:at], *added, *messages[at:]]


def _in_prompt(prompt: Prompt, case: Case, added: Sequence[Mapping[str, Json]]) -> Prompt | NotApplicable:
    # A brace in what is said would be read as a placeholder.
    said = [{**m, "content": str(m["content"]).replace("{", "{{").replace("}", "}}")} for m in added]
    if prompt.messages is not None:
        if not _conversation(prompt.messages):
            return NotApplicable(reason="the prompt has no user message to put turns before")
        return replace(prompt, messages=tuple(_with(prompt.messages, said)))
    question = {"role": "user", "content": "{input}" if prompt.template is None else prompt.template}
    head = [{"role": "system", "content": prompt.system}] if prompt.system else []
    return replace(
        prompt,
        template=None,
        system=None,
        messages=tuple([*head, *said, question]),
        demo_template=prompt.demo_template or _demo_template(prompt),
    )


def _demo_template(prompt: Prompt) -> str | None:
    if not prompt.demos:
        return None
    template = "{input}" if prompt.template is None else prompt.template
    return template + ("" if template[-1:].isspace() else " ") + "{target}"
