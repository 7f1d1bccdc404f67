r"""Blanks and line breaks where a prompt begins and ends: ``Answer:`` and ``Answer: `` are read as other tokens."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from robusttest.core.nouns import Draft, NotApplicable, Prompt
from robusttest.errors import UnknownNameError
from robusttest.perturbations.base.protocol import Perturbation

EDGES: Mapping[str, Callable[[str], str]] = {
    "space_after": lambda text: text.rstrip() + " ",
    "line_after": lambda text: text.rstrip() + "\n",
    "space_before": lambda text: " " + text.lstrip(),
    "line_before": lambda text: "\n" + text.lstrip(),
    "lines_after": lambda text: text.rstrip() + "\n\n",
    "spaces_after": lambda text: text.rstrip() + "  ",
    "tab_after": lambda text: text.rstrip() + "\t",
    "none": str.strip,
}


def prompt_edges(kind: str | None = None) -> Perturbation:
    r"""Blanks at the end or the beginning of the prompt, one kind a variant: ``Answer:`` becomes ``Answer: ``.

    ``space_after``, ``line_after``, ``space_before``, ``line_before``, ``lines_after``, ``spaces_after``, ``tab_after``, ``none``. It acts
    on the template, or on the last user message.
    """
    if kind is not None and kind not in EDGES:
        raise UnknownNameError("kind of prompt_edges", kind, EDGES)
    kinds = tuple(EDGES) if kind is None else (kind,)

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        if draft.prompt is None:
            return NotApplicable(reason="the test has a body of its own: there is no prompt to change")
        made: list[Prompt] = []
        for name in kinds:
            changed = _changed(draft.prompt, EDGES[name])
            if changed is not None and changed != draft.prompt and changed not in made:
                made.append(changed)
        if not made:
            return NotApplicable(reason="the prompt has no text of ours that begins or ends otherwise")
        if index >= len(made):
            return NotApplicable(reason=f"the prompt has {len(made)} other edges only")
        return draft.with_(prompt=made[index])

    return Perturbation(
        name="prompt_edges",
        spec="prompt_edges" if kind is None else f"prompt_edges:{kind}",
        level="prompt",
        apply=apply,
        limit=len(kinds),
        description="blanks and line breaks where the prompt begins and ends",
    )


def _changed(prompt: Prompt, change: Callable[[str], str]) -> Prompt | None:
    if prompt.messages is None:
        return replace(prompt, template=change("{input}" if prompt.template is None else prompt.template))
    for i in range(len(prompt.messages) - 1, -1, -1):
        message = prompt.messages[i]
        content = message.get("content")
        if message.get("role") == "user" and isinstance(content, str):
            messages = (
                *prompt.messages[:i],
                {**message, "content": change(content)},
                *prompt.messages[i + 1 :],
            )
            return replace(prompt, messages=messages)
    return None
