"""Text perturbations of the prompt itself: what the user wrote around the case, with its placeholders and labels standing.

``instruction:keyboard:0.1`` (from python ``instruction(keyboard(0.1))``) types the system prompt and the template, or the
messages, as ``keyboard:0.1`` types an input. Variant *i* is the same for every case of a task, whatever its texts, so that
prompts can be compared with each other. ``instruction_paraphrase`` has a model put them in other words: the factor that
Ashury-Tahan et al. (arXiv 2602.03344) vary.
"""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace

from robusttest.core.nouns import (
    Case,
    Completion,
    Draft,
    NotApplicable,
    Prompt,
    Request,
    canonical_json,
    derive_seed,
    digest,
)
from robusttest.errors import UsageError
from robusttest.perturbations.base.acting import act, rewritten
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.validity import check
from robusttest.perturbations.prompt.templates import field_lines, placeholders
from robusttest.perturbations.written.rewrite import paraphrase

_STANDING = (r"re:\{[^{}]*\}", r"re:\{\{|\}\}", r"re:\"[^\"\n]{1,60}\"|“[^”\n]{1,60}”|`[^`\n]{1,60}`")
"""Placeholders, literal braces, and what is quoted: names and forms that an answer is to have."""
_DRAWS = 20
_HELD = 64
"""Prompts whose variants are held."""


def instruction(perturbation: str | Perturbation = "keyboard") -> Perturbation:
    """A text perturbation of the system prompt and the template (or the messages) instead of the case's texts.

    Placeholders, field names before them, the cue at the end, the case's options, and what stands in quotes are left
    standing. Raises `UsageError` for one that does not act on texts.
    """
    from robusttest.perturbations.base.catalog import make

    inner = make(perturbation)
    if inner.level != "input" or inner.fields is not None:
        raise UsageError(
            f"instruction:{inner.spec}: give a perturbation of texts, as in instruction:keyboard:0.1"
        )
    if not inner.ruled or inner.expect != "target":
        raise UsageError(
            f"instruction:{inner.spec}: an instruction that says something else asks for something else"
        )
    made = Perturbation(
        name="instruction",
        spec=f"instruction:{inner.spec}",
        level="prompt",
        severity=inner.severity,
        preserves=inner.preserves,
        limit=inner.limit,
        writer=inner.writer,
        separable=False,
        description="a text perturbation of the instruction and the system prompt: instruction:keyboard:0.1",
    )
    if inner.rewrite is not None:
        return replace(made, rewrite=_Written(inner))
    return replace(made, apply=_Typed(inner))


def instruction_paraphrase(arg: str | None = None, *, model: str | None = None) -> Perturbation:
    """The system prompt and the template in other words, written by ``model`` (else ``--robust-writer``).

    ``instruction_paraphrase:formal`` names a style, as ``paraphrase`` does. Each variant is a new sample, the same for every
    case: a task of a thousand cases costs one call a text and variant.
    """
    inner = paraphrase(arg, model=model)
    spec = (
        "instruction_paraphrase"
        if arg is None
        else inner.spec.replace("paraphrase", "instruction_paraphrase", 1)
    )
    return replace(
        instruction(inner),
        name="instruction_paraphrase",
        spec=spec,
        description="the instruction and the system prompt in a model's other words",
    )


def prompt_texts(prompt: Prompt) -> dict[str, str]:
    """What the user wrote, by where it stands: ``system``, ``template``, or ``message 0`` …; what a model said is not his."""
    found: dict[str, str] = {}
    if prompt.system is not None:
        found["system"] = prompt.system
    if prompt.messages is not None:
        for i, message in enumerate(prompt.messages):
            if isinstance(message.get("content"), str) and message.get("role") != "assistant":
                found[f"message {i}"] = str(message["content"])
    elif prompt.template is not None:
        found["template"] = prompt.template
    return {where: text for where, text in found.items() if _words(text)}


def with_prompt_texts(prompt: Prompt, new: Mapping[str, str]) -> Prompt:
    """The prompt with these texts where `prompt_texts` found them."""
    if "system" in new:
        prompt = replace(prompt, system=new["system"])
    if "template" in new:
        prompt = replace(prompt, template=new["template"])
    if prompt.messages is not None:
        messages = tuple(
            {**m, "content": new[f"message {i}"]} if f"message {i}" in new else m
            for i, m in enumerate(prompt.messages)
        )
        prompt = replace(prompt, messages=messages)
    return prompt


def _words(text: str) -> bool:
    """Whether anything is left to vary beside placeholders and field lines."""
    for line in reversed(field_lines(text)):
        text = text[: line.start] + text[line.end :]
    return any(c.isalpha() for c in re.sub(r"\{[^{}]*\}", "", text))


def _as_case(draft: Draft) -> Draft | NotApplicable:
    """The prompt's texts as a case that a text perturbation acts on."""
    if draft.prompt is None:
        return NotApplicable(reason="the test has a body of its own: there is no prompt to vary")
    fields = prompt_texts(draft.prompt)
    if not fields:
        return NotApplicable(reason="the prompt says nothing beside its fields")
    lines = {text[line.start : line.end] for text in fields.values() for line in field_lines(text)}
    names = {f"re:(?m)^{re.escape(line)}" for line in lines}
    protect = (*draft.protect, *_STANDING, *sorted(names))
    case = Case(id="prompt", fields=dict(fields), choices=draft.case.choices)
    return Draft(case=case, protect=protect, vary=tuple(fields))


def _changed(prompt: Prompt, before: Draft, made: Draft | NotApplicable, inner: Perturbation) -> Prompt | str:
    """The prompt that comes of it, or why it can't be used."""
    if isinstance(made, NotApplicable):
        return made.reason
    if (refused := check(before.case, made, inner)) is not None:
        return refused
    texts = {k: str(v) for k, v in made.case.fields.items()}
    for where, text in before.case.fields.items():
        if Counter(placeholders(str(text))) != Counter(placeholders(texts[where])):
            return f"the {where} lost a placeholder"
    return with_prompt_texts(prompt, texts)


@dataclass(slots=True)
class _Sequence:
    """The distinct variants of one prompt, as far as they were asked for."""

    made: list[Prompt] = field(default_factory=list)
    end: str | None = None
    """Why there is no further one."""


class _Typed:
    """`Perturbation.apply` of an inner perturbation without a writer."""

    def __init__(self, inner: Perturbation) -> None:
        self.inner = inner
        self._held: dict[str, _Sequence] = {}
        self._lock = threading.Lock()

    def __call__(self, draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        before = _as_case(draft)
        if isinstance(before, NotApplicable):
            return before
        assert draft.prompt is not None
        key = _key(before)
        with self._lock:  # each variant is the next that differs from those before
            if key not in self._held:
                if len(self._held) >= _HELD:
                    self._held.clear()
                self._held[key] = _Sequence()
            known = self._held[key]
            while len(known.made) <= index and known.end is None:
                self._next(draft.prompt, before, known)
        if index < len(known.made):
            texts = prompt_texts(known.made[index])
            return draft.with_(prompt=with_prompt_texts(draft.prompt, texts))
        return NotApplicable(reason=known.end or "there is no further variant")

    def _next(self, prompt: Prompt, before: Draft, known: _Sequence) -> None:
        number, why = len(known.made), ""
        for draw in range(_DRAWS):
            rng = random.Random(derive_seed("instruction", self.inner.spec, _key(before), number, draw))
            made = _changed(prompt, before, act(self.inner, before, rng, number), self.inner)
            if isinstance(made, str):
                why = made
            elif prompt_texts(made) != prompt_texts(prompt) and prompt_texts(made) not in map(
                prompt_texts, known.made
            ):
                known.made.append(made)
                return
        known.end = why or f"the prompt has {number} other variant{'s' * (number != 1)} only"


class _Written:
    """`Perturbation.rewrite` of an inner perturbation that a model writes."""

    def __init__(self, inner: Perturbation) -> None:
        self.inner = inner

    def __call__(
        self, draft: Draft, rng: random.Random, index: int
    ) -> Generator[Request, Completion, Draft | NotApplicable]:
        before = _as_case(draft)
        if isinstance(before, NotApplicable):
            return before
        assert draft.prompt is not None
        # The same requests for every case: the store answers all but the first.
        own = random.Random(derive_seed("instruction", self.inner.spec, _key(before), index))
        made = _changed(
            draft.prompt, before, (yield from rewritten(self.inner, before, own, index)), self.inner
        )
        return NotApplicable(reason=made) if isinstance(made, str) else draft.with_(prompt=made)


def _key(before: Draft) -> str:
    return digest(
        canonical_json([dict(before.case.fields), list(before.case.choices or ()), list(before.protect)])
    )
