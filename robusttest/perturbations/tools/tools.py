"""Harmless changes of the tools that a model may call: their order, company, wording, names and schemas.

The right call stays the right call: none of them changes what a tool does, and names are mapped back before a call is
scored. Published measurements put decoys and reworded descriptions far above any rewording of the question.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from robusttest.core.nouns import Draft, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.prompt.orders import other_order
from robusttest.perturbations.tools.offered import (
    Tool,
    changed,
    function_of,
    like,
    name_of,
    offer,
    on_tools,
    tools_of,
)
from robusttest.perturbations.tools.schemas import Writer

_MOST_DECOYS = 20
_DRAWS = 16
_MOST_WRITERS = 4_096


def tool_order() -> Perturbation:
    """Offer the same tools in another order."""

    def act(tools: list[Tool], rng: random.Random, index: int) -> list[Tool] | str:
        if len(tools) < 2:
            return "one tool has one order"
        order = other_order(len(tools), index, rng, *map(name_of, tools))
        return f"{len(tools)} tools have no further order" if order is None else [tools[i] for i in order]

    return _made("tool_order", act, "the same tools in another order")


def tool_decoy(kind: str | None = None, *, count: int = 1) -> Perturbation:
    """Offer tools beside the task's that no right answer calls, at a random place among them.

    ``"unrelated"`` (if not given): from a list of everyday tools that ships with robusttest. ``"similar"``: a tool that
    bears a tool's name and words and only shows its manual. ``count``: how many, 1 to 20.
    """
    if kind not in (None, "unrelated", "similar"):
        raise UsageError(f"tool_decoy:{kind}: 'unrelated' or 'similar'")
    if not isinstance(count, int) or not 1 <= count <= _MOST_DECOYS:
        raise UsageError(f"tool_decoy(count={count!r}): a whole number from 1 to {_MOST_DECOYS}")

    def act(tools: list[Tool], rng: random.Random, index: int) -> list[Tool] | str:
        taken = {name_of(t) for t in tools}
        pool = manuals(tools) if kind == "similar" else [like(tools[0], f) for f in everyday()]
        pool = [t for t in pool if name_of(t) not in taken]
        if len(pool) < count:
            return f"there are no {count} decoys that the task does not have itself"
        out = list(tools)
        for decoy in rng.sample(pool, count):
            out.insert(rng.randrange(len(out) + 1), decoy)
        return out

    spec = "tool_decoy" + ("" if kind is None else f":{kind}") + ("" if count == 1 else f"({count})")
    return _made("tool_decoy", act, "tools beside them that no right answer calls", spec=spec)


def tool_duplicate() -> Perturbation:
    """Offer one of the tools a second time, under another server's prefix and said to be its copy for tests."""

    def act(tools: list[Tool], rng: random.Random, index: int) -> list[Tool] | str:
        tool = tools[rng.randrange(len(tools))]
        name = f"{rng.choice(('backup', 'staging', 'mirror'))}__{name_of(tool)}"
        if name in {name_of(t) for t in tools}:
            return f"the task has a tool {name!r} itself"
        copy = changed(
            tool,
            name=name,
            description=f"A copy of {name_of(tool)} on a test server; never use it for a real request.",
        )
        out = list(tools)
        out.insert(rng.randrange(len(out) + 1), copy)
        return out

    return _made("tool_duplicate", act, "one of the tools twice, the second on a test server")


def tool_rename(names: Mapping[str, str] | None = None) -> Perturbation:
    """Call the tools by other names: yours (``{"order_status": "lookup"}``), else in other spellings of the same words.

    ``order_status`` becomes ``orderStatus``, ``OrderStatus``, ``order-status`` or ``order__status``. Calls are mapped back
    before they are scored, so that answers and targets stand in the task's own names.
    """
    if names is not None and (not isinstance(names, Mapping) or len(set(names.values())) < len(names)):
        raise UsageError("tool_rename(…): a mapping from the task's names to others, no two alike")
    count = 1 if names is not None else len(_SPELLINGS)

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        tools = tools_of(draft)
        if isinstance(tools, NotApplicable):
            return tools
        if index >= count:
            return NotApplicable(reason=f"there are {count} ways to spell the names")
        old = [name_of(t) for t in tools]
        if names is not None:
            if unknown := sorted(set(names) - set(old)):
                raise UsageError(f"tool_rename: the task has no tool {unknown[0]!r}; it has {', '.join(old)}")
            new = [names.get(n, n) for n in old]
        else:
            new = [_SPELLINGS[index](_parts(n)) for n in old]
        if new == old:
            return NotApplicable(reason="every name is spelt like this already")
        if len(set(new)) < len(new):
            return NotApplicable(reason="two tools would bear one name")
        shown = dict(zip(old, new, strict=True))
        if any(n in _said(draft) for n in old if shown[n] != n):
            return NotApplicable(
                reason="the prompt or the case itself names a tool, which would stay as it is"
            )
        renamed = {new_name: draft.tool_names.get(n, n) for n, new_name in shown.items()}
        made = offer(draft, [changed(t, name=shown[name_of(t)]) for t in tools], tool_names=renamed)
        return _with_choice(made, shown)

    return Perturbation(
        name="tool_rename",
        spec="tool_rename",
        level="prompt",
        apply=apply,
        limit=count,
        description="the tools under other names",
    )


def tool_schema(kind: str | None = None) -> Perturbation:
    """Write the tools' schemas in another equal way: order of properties, of what is required, of enumerations; one value as an enumeration.

    ``"forms"``: also in other keywords that take the same values: an enumeration as ``anyOf`` or ``oneOf`` of constants, several
    types (``null`` among them) as ``anyOf``, properties as ``$defs`` with ``$ref``, and each the other way round. Some providers
    refuse some of these, which is an error and no wrong call.
    """
    if kind not in (None, "forms"):
        raise UsageError(f"tool_schema:{kind}: 'forms', or nothing")
    writers: dict[tuple[int, bool], Writer] = {}

    def written(tool: Tool, rng: random.Random) -> Tool:
        function = function_of(tool)
        schema = function.get("parameters")
        if not isinstance(schema, Mapping):
            return tool
        strict = function.get("strict") is True
        writer = writers.get((id(schema), strict))
        if writer is None:
            if len(writers) >= _MOST_WRITERS:
                writers.clear()
            writer = writers[id(schema), strict] = Writer(schema, forms=kind == "forms", strict=strict)
        return changed(tool, parameters=writer.write(rng))

    def act(tools: list[Tool], rng: random.Random, index: int) -> list[Tool] | str:
        for _ in range(_DRAWS):  # of few keys the order as it was is drawn now and then
            made = [written(t, rng) for t in tools]
            if not _written_alike(made, tools):
                return made
        return "the schemas have one way to be written"

    spec = "tool_schema" + ("" if kind is None else f":{kind}")
    return _made("tool_schema", act, "the same schemas, written in another way", spec=spec)


def _made(
    name: str, act: Any, description: str, *, spec: str | None = None, limit: int | None = None
) -> Perturbation:
    return Perturbation(
        name=name, spec=spec or name, level="prompt", apply=on_tools(act), limit=limit, description=description
    )  # fmt: skip


# --- decoys -------------------------------------------------------------------------------------------------


@cache
def everyday() -> tuple[Mapping[str, Any], ...]:
    """The shipped list of tools that have to do with no task: functions in OpenAI's form."""
    text = (files("robusttest.perturbations") / "data" / "everyday_tools.json").read_text(encoding="utf-8")
    return tuple(json.loads(text))


def manuals(tools: Sequence[Tool]) -> list[Tool]:
    """A tool for each that only shows its manual: alike in name and words, and right for no request but one for help."""
    return [
        like(
            t,
            {
                "name": f"{name_of(t)}_manual",
                "description": f"Show the manual page of {name_of(t)}, for developers. Does not call {name_of(t)} and "
                "answers no request of a customer.",
                "parameters": {"type": "object", "properties": {}},
            },
        )
        for t in tools
    ]


# --- names --------------------------------------------------------------------------------------------------


def _parts(name: str) -> list[str]:
    return [p.lower() for p in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)] or [name]


_SPELLINGS = (
    lambda p: p[0] + "".join(w.capitalize() for w in p[1:]),
    lambda p: "".join(w.capitalize() for w in p),
    lambda p: "-".join(p),
    lambda p: "__".join(p),
    lambda p: "_".join(p),
)  # fmt: skip


def _said(draft: Draft) -> str:
    """All the text around the tools, in which a name may stand."""
    prompt = draft.prompt
    offered = draft.given.get("tools")  # a field of the case, where each case offers its own
    held: list[Any] = [{k: v for k, v in draft.case.fields.items() if v is not offered}]
    if prompt is not None:
        held += [prompt.template, prompt.system, prompt.messages]
    return json.dumps(held, ensure_ascii=False, default=str)


def _with_choice(draft: Draft, shown: Mapping[str, str]) -> Draft:
    """``tool_choice`` by the new name, where it names a tool."""
    choice = draft.params.get("tool_choice", draft.given.get("tool_choice"))
    if not isinstance(choice, Mapping) or not isinstance(choice.get("function"), Mapping):
        return draft
    name = choice["function"].get("name")
    new = {**choice, "function": {**choice["function"], "name": shown.get(name, name)}}
    return draft.with_(params={**draft.params, "tool_choice": new})


def _written_alike(a: Any, b: Any) -> bool:
    """Equal, with every key in the same place."""
    if isinstance(a, Mapping):
        return (
            isinstance(b, Mapping) and list(a) == list(b) and all(map(_written_alike, a.values(), b.values()))
        )
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(_written_alike, a, b))
    return bool(a == b)
