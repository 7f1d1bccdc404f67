"""Tools described in other words: the user's own, or a writer's, which are gated as every text that a model writes."""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from robusttest.core.nouns import Case, Completion, Draft, NotApplicable, Request, derive_seed
from robusttest.errors import UsageError
from robusttest.perturbations.base.acting import rewritten
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.validity import check
from robusttest.perturbations.tools.offered import (
    Tool,
    changed,
    function_of,
    name_of,
    offer,
    on_tools,
    tools_of,
)
from robusttest.perturbations.written.rewrite import rewriting

HOW = "in other words: it tells a program what a tool does, and when to call it"
"""Completes the writer's task."""


def tool_description(
    texts: Mapping[str, str | Sequence[str]] | None = None, *, model: str | None = None
) -> Perturbation:
    """Describe the tools in other words: yours, ``tool_description({"order_status": ["Where an order is.", …]})``, or a writer's.

    Of yours variant *i* takes the *i*-th wording of each tool that has one. Without any, ``model`` (else ``--robust-writer``) writes
    one for each tool that has a description: it keeps numbers and the names of the tool's parameters, names no other tool, gives no
    instruction, and is refused otherwise. The same tools are described once, whatever the case.
    """
    if texts is None:
        return _written(model)
    if model is not None:
        raise UsageError("tool_description: give either wordings of your own, or the model= that writes them")
    if not isinstance(texts, Mapping) or not texts:
        raise UsageError('tool_description: wordings are a mapping, as in tool_description({"tool": ["…"]})')
    wordings = {k: [v] if isinstance(v, str) else list(v) for k, v in texts.items()}
    for name, several in wordings.items():
        if not several or not all(isinstance(t, str) and t.strip() for t in several):
            raise UsageError(f"tool_description: the wordings of {name!r} are texts, none of them empty")
    most = max(map(len, wordings.values()))

    def act(tools: list[Tool], rng: random.Random, index: int) -> list[Tool] | str:
        known = {name_of(t) for t in tools}
        if unknown := sorted(set(wordings) - known):
            raise UsageError(
                f"tool_description: the task has no tool {unknown[0]!r}; it has {', '.join(sorted(known))}"
            )
        if index >= most:
            return f"there are {most} wordings"
        return [
            changed(t, description=w[index]) if index < len(w := wordings.get(name_of(t), ())) else t
            for t in tools
        ]

    return _made(apply=on_tools(act), limit=most)


def _made(**facts: Any) -> Perturbation:
    about = "the tools described in other words"
    return Perturbation(
        name="tool_description", spec="tool_description", level="prompt", description=about, **facts
    )


def _written(model: str | None) -> Perturbation:
    inner = rewriting("tool_description", model, HOW)

    def rewrite(
        draft: Draft, rng: random.Random, index: int
    ) -> Generator[Request, Completion, Draft | NotApplicable]:
        tools = tools_of(draft)
        if isinstance(tools, NotApplicable):
            return tools
        names = [name_of(t) for t in tools]
        made, described = [], 0
        for tool in tools:
            text = function_of(tool).get("description")
            if not isinstance(text, str) or not text.strip():
                made.append(tool)
                continue
            before = _as_case(tool, text, [n for n in names if n != name_of(tool)])
            # The same requests for every case: the store answers all but the first.
            own = random.Random(derive_seed("tool_description", name_of(tool), text, index))
            new = yield from rewritten(inner, before, own, index)
            if not isinstance(new, NotApplicable) and (refused := check(before.case, new, inner)) is not None:
                new = NotApplicable(reason=refused)
            if isinstance(new, NotApplicable):  # one tool in other words and another not would be neither
                return NotApplicable(reason=f"of the tool {name_of(tool)!r}: {new.reason}")
            made.append(changed(tool, description=new.case.fields["description"]))
            described += 1
        return offer(draft, made) if described else NotApplicable(reason="no tool has a description")

    return _made(
        rewrite=rewrite, preserves=inner.preserves, writer=inner.writer, separable=False, limit=inner.limit
    )


def _as_case(tool: Tool, text: str, others: Sequence[str]) -> Draft:
    """A description as a case that a writer rewrites: what a call is written with stands, other tools are not brought in."""
    schema = function_of(tool).get("parameters")
    held = schema.get("properties") if isinstance(schema, Mapping) else None
    parameters = [str(p) for p in held] if isinstance(held, Mapping) else []
    written = [p for p in parameters if "_" in p or not p.islower()]  # a plain word may be told in another
    case = Case(id="tool", fields={"description": text}, choices=tuple(others) or None)
    return Draft(case=case, protect=(name_of(tool), *written), vary=("description",))
