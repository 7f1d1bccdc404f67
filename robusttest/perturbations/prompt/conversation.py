"""Turns of a conversation before the question: small talk, a part of the request, a slip, another language."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from robusttest.core.nouns import Case, Draft, Json, NotApplicable, Prompt
from robusttest.errors import UsageError
from robusttest.perturbations.base.fields import place_to_add, varied, why_none, with_texts
from robusttest.perturbations.base.languages import detect
from robusttest.perturbations.base.lexicon import table
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import labels_in, protected_spans, unusable
from robusttest.perturbations.base.validity import GATES
from robusttest.perturbations.words.context import sentences_of

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
        return _before(draft, drawn)

    return Perturbation(
        name="filler_turns",
        spec="filler_turns" if number == 2 else f"filler_turns:{number}",
        level="prompt",
        apply=apply,
        languages=("en",) if own is None else ("any",),
        description="harmless turns of a conversation before the question",
    )


def turn_split(turns: int | str | None = None, *, reply: str = "All right.") -> Perturbation:
    """One request over several turns of the user's: two of them, or ``turn_split:3``, cut between sentences.

    The assistant says ``reply`` between them. It acts on the last user message of a conversation, else on the prompt as a
    whole: its first turn holds all that stands before the cut, its last one all that stands behind. Lists are not cut. A
    request of one sentence, and a prompt with examples, are not applicable.
    """
    number = 2 if turns is None else int(turns) if str(turns).isascii() and str(turns).isdigit() else 0
    if isinstance(turns, bool) or not 2 <= number <= MOST:
        raise UsageError(f"turn_split:{turns}: give the number of turns, 2 to {MOST}")
    if not isinstance(reply, str) or not reply.strip():
        raise UsageError(f"turn_split(reply={reply!r}): what the assistant says between two turns")

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        found = _asked(draft)
        if isinstance(found, NotApplicable):
            return found
        key, said = found
        whole = protected_spans(said, case=draft.case, extra=draft.protect)
        listed = _LISTED.search(said)
        end = len(said) if listed is None else listed.start()
        starts = [start for start, _ in sentences_of(said, whole) if start < end][1:]
        if len(starts) < number - 1:
            return NotApplicable(reason=f"a text of fewer than {number} sentences, which can't be split")
        if len(starts) == number - 1 and index > 0:
            return NotApplicable(reason="there is one way to split it")
        cuts = [0, *sorted(rng.sample(starts, number - 1)), len(said)]
        parts = [said[a:b].strip() for a, b in pairwise(cuts)]
        rest = _saying(draft, key, parts[-1])
        if _in_field(draft.case) is not None:
            return _before(rest, [(part, reply) for part in parts[:-1]])
        prompt = _split_prompt(draft.prompt or Prompt(), key, parts, reply)
        return prompt if isinstance(prompt, NotApplicable) else rest.with_(prompt=prompt)

    return Perturbation(
        name="turn_split",
        spec="turn_split" if number == 2 else f"turn_split:{number}",
        level="prompt",
        apply=apply,
        changes=GATES,  # of the last turn alone; all turns together say what was said
        description="one request over several turns of the user's",
    )


_LISTED = re.compile(
    r"(?im)^[ \t]*(?:\(?[a-z0-9]{1,2}[.)](?=\s)|[-*•](?=\s)|(?:options|choices|answers)[ \t]*:)"
)
"""A list begins, of options or of anything else."""

SLIPS = (
    (
        "Sorry, I sent that too early. Here is all of it:",
        "It seems that your message is not complete.",
    ),  # of half a text
    ("Sorry, forget what I just wrote. What I meant is this:", "Are you sure that this is what you mean?"),
    ("I have to correct myself. This is the right one:", "All right. Is that all?"),
)


def correction(*, slips: Sequence[tuple[str, str]] | None = None) -> Perturbation:
    """The user takes back a slip: a turn with another number or half of the text, then the whole request as it was.

    It acts on the last user message of a conversation, else on the prompt: its text stands as it was, behind a line that takes
    the slip back. ``slips`` are the user's own pairs of that line and what the assistant replies to the slip; ours are English.
    """
    own = tuple(tuple(s) for s in slips) if slips is not None else None
    if own is not None and (
        not own or any(len(s) != 2 or not all(isinstance(t, str) and t.strip() for t in s) for s in own)
    ):
        raise UsageError(
            "correction(slips=…): a list of pairs: what introduces the correction, what the assistant replies to the slip"
        )

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        found = _asked(draft)
        if isinstance(found, NotApplicable):
            return found
        key, said = found
        wrong = _slipped(said, rng)
        whole = wrong is not None and len(wrong) == len(said)
        usable = [s for s in own or SLIPS[whole:] if not labels_in("\n".join(s), draft.case)]
        if not usable or wrong is None:
            return NotApplicable(
                reason="nothing in the text to get wrong"
                if usable
                else "every slip holds a label of the case"
            )
        lead, reply = rng.choice(usable)
        if _in_field(draft.case) is not None:
            return _before(_saying(draft, key, f"{lead} {said}"), [(wrong, reply)])
        return _before(draft, [(wrong, reply)], lead)

    return Perturbation(
        name="correction",
        spec="correction",
        level="prompt",
        apply=apply,
        languages=("en",) if own is None else ("any",),
        changes=GATES,  # by what introduces the correction; the request stands within it, whole
        description="a slip of the user's that the next turn takes back",
    )


def language_switch(
    language: str | None = None, *, exchanges: Sequence[tuple[str, str]] | None = None
) -> Perturbation:
    """The conversation begins in another language: ``language_switch:de`` (or ``fr``, ``es`` …), then goes on as it was.

    ``exchanges`` are the user's own pairs of what is said and replied, for any language.
    """
    held: Mapping[str, Sequence[Sequence[str]]] = table("conversation")["languages"]
    code = "de" if language is None else str(language).strip().lower()
    if exchanges is None and code not in held:
        raise UsageError(
            f"language_switch:{language}: there are {', '.join(sorted(held))}; for another one give exchanges=[…]"
        )
    own = filler_turns(1, exchanges=exchanges if exchanges is not None else [(a, b) for a, b in held[code]])
    inner = own.apply
    assert inner is not None

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        texts = [t for t in varied(draft).values() if t.strip()]
        spoken = draft.case.language or (detect("\n".join(texts)) if texts else None)
        if spoken == code:
            return NotApplicable(reason="the text is in that language itself")
        return inner(draft, rng, index)

    return Perturbation(
        name="language_switch",
        spec="language_switch" if code == "de" else f"language_switch:{code}",
        level="prompt",
        apply=apply,
        description="a conversation that begins in another language",
    )


def _slipped(said: str, rng: random.Random) -> str | None:
    """The text with another number in one place, else its first half; None where it is one word."""
    numbers = list(re.finditer(r"\d+", said))
    if numbers:
        at = rng.choice(numbers)
        digit = rng.choice([d for d in "123456789" if d != at[0][-1]])
        return said[: at.end() - 1] + digit + said[at.end() :]
    words = list(re.finditer(r"\S+", said))
    return None if len(words) < 2 else said[: words[len(words) // 2].start()].rstrip()


def _asked(draft: Draft) -> tuple[str, str] | NotApplicable:
    """Where the user asks, and the text there."""
    found = varied(draft)
    if not any(t.strip() for t in found.values()):
        return NotApplicable(reason=why_none(draft))
    key = place_to_add(found)
    if (why := unusable(found[key])) is not None:
        return NotApplicable(reason=why)
    conversation = any(_conversation(v) for v in draft.case.fields.values())
    if draft.prompt is None and not conversation:
        return NotApplicable(reason="no field holds a conversation, and the test has a body of its own")
    return key, found[key]


def _saying(draft: Draft, key: str, said: str) -> Draft:
    fields = with_texts(draft.case.fields, {key: said})
    return draft.with_(case=replace(draft.case, fields=fields))


def _before(draft: Draft, exchanges: Sequence[Sequence[str]], lead: str = "") -> Draft | NotApplicable:
    """With these exchanges before the last message of the user's: in the conversation of a field, else in the prompt.

    ``lead`` is a line before the question of a prompt.
    """
    added = [
        {"role": role, "content": text}
        for pair in exchanges
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    name = _in_field(draft.case)
    if name is not None:
        fields = {**draft.case.fields, name: _with(draft.case.fields[name], added)}
        return draft.with_(case=replace(draft.case, fields=fields))
    if draft.prompt is None:
        return NotApplicable(reason="no field holds a conversation, and the test has a body of its own")
    prompt = _as_messages(draft.prompt)
    asked = _question(prompt)
    if isinstance(asked, NotApplicable):
        return asked
    return draft.with_(
        prompt=_asking(
            prompt, [{**m, "content": _literal(m["content"])} for m in added], _led(_literal(lead), asked)
        )
    )


def _led(lead: str, asked: Any) -> Any:
    """A line before the question, which may have parts: an image stands where it is."""
    if not lead:
        return asked
    return f"{lead}\n\n{asked}" if isinstance(asked, str) else [{"type": "text", "text": lead}, *asked]


def _in_field(case: Case) -> str | None:
    """The field that holds a conversation."""
    return next((name for name, value in case.fields.items() if _conversation(value)), None)


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


def _literal(text: str) -> str:
    """As a template's text: a brace in what is said would be read as a placeholder."""
    return text.replace("{", "{{").replace("}", "}}")


def _as_messages(prompt: Prompt) -> Prompt:
    if prompt.messages is not None:
        return prompt
    head = [{"role": "system", "content": prompt.system}] if prompt.system else []
    question = {"role": "user", "content": "{input}" if prompt.template is None else prompt.template}
    return replace(
        prompt,
        template=None,
        system=None,
        messages=tuple([*head, question]),
        demo_template=prompt.demo_template or _demo_template(prompt),
    )


def _question(prompt: Prompt) -> Any:
    """The content of the last message of the user's, as the prompt writes it."""
    if not _conversation(prompt.messages):
        return NotApplicable(reason="the prompt has no user message to put turns before")
    return [m["content"] for m in prompt.messages or () if m.get("role") == "user"][-1]


def _asking(prompt: Prompt, added: Sequence[Mapping[str, Json]], question: Any) -> Prompt:
    """With these messages before the last one of the user's, and that one with this content."""
    messages = list(prompt.messages or ())
    at = max(i for i, m in enumerate(messages) if m.get("role") == "user")
    last = {**messages[at], "content": question}
    return replace(prompt, messages=tuple([*messages[:at], *added, last, *messages[at + 1 :]]))


def _shows(key: str, template: str) -> list[int]:
    """Where the template shows a field; double braces are text."""
    found = re.finditer(r"\{\{|\}\}|\{(\w+)\}", template)
    return [m.start() for m in found if m[1] == key]


def _split_prompt(prompt: Prompt, key: str, parts: Sequence[str], reply: str) -> Prompt | NotApplicable:
    """Cut within the text that it shows under ``key``: the turns of the user's, joined, are the prompt."""
    if prompt.demos:
        return NotApplicable(reason="the prompt has examples, which would stand between the parts")
    whole = _as_messages(prompt)
    asked = _question(whole)
    if isinstance(asked, NotApplicable):
        return asked
    shown = _shows(key, asked) if isinstance(asked, str) else []
    if len(shown) != 1:
        return NotApplicable(reason="the prompt's last message does not show the text in one place")
    head, tail = asked[: shown[0]], asked[shown[0] :]
    firsts = [head + _literal(parts[0]), *map(_literal, parts[1:-1])]
    added = [
        m
        for part in firsts
        for m in ({"role": "user", "content": part}, {"role": "assistant", "content": _literal(reply)})
    ]
    return _asking(whole, added, tail)


def _demo_template(prompt: Prompt) -> str | None:
    if not prompt.demos:
        return None
    template = "{input}" if prompt.template is None else prompt.template
    return template + ("" if template[-1:].isspace() else " ") + "{target}"
