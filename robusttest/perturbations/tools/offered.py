"""The tools that a task offers, in OpenAI's form: read from a Draft, and put back changed.

A Draft holds the task's own parameters in ``given``; what a variant changes stands in ``params``, over them. A tool may be
``{"type": "function", "function": {"name", "description", "parameters"}}`` or the function alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from robusttest.core.nouns import Draft, Json, NotApplicable

Tool = dict[str, Any]


def tools_of(draft: Draft) -> list[Tool] | NotApplicable:
    """The tools as this draft offers them, each a copy of its outer level; why there is nothing to change, where there are none."""
    held = draft.params.get("tools", draft.given.get("tools"))
    if held is None:
        return NotApplicable(reason="the task offers no tools (Task(tools=…))")
    if not isinstance(held, list | tuple) or not held:
        return NotApplicable(reason="the task's tools are no list with something in it")
    names = []
    for tool in held:
        if not isinstance(tool, Mapping) or not isinstance(name := function_of(tool).get("name"), str):
            return NotApplicable(reason="a tool of the task has no name")
        names.append(name)
    if twice := [n for n, count in Counter(names).items() if count > 1]:
        return NotApplicable(
            reason=f"two tools of the task are called {twice[0]!r}: a call could not tell them apart"
        )
    return [dict(tool) for tool in held]


def function_of(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """What names and describes a tool."""
    held = tool.get("function")
    return held if isinstance(held, Mapping) else tool


def name_of(tool: Mapping[str, Any]) -> str:
    return str(function_of(tool)["name"])


def changed(tool: Mapping[str, Any], **facts: Json) -> Tool:
    """A copy with these facts of its function changed."""
    if isinstance(tool.get("function"), Mapping):
        return {**tool, "function": {**tool["function"], **facts}}
    return {**tool, **facts}


def like(tool: Mapping[str, Any], function: Mapping[str, Any]) -> Tool:
    """Another tool, in the form of this one."""
    if isinstance(tool.get("function"), Mapping):
        return {"type": "function", "function": dict(function)}
    return {**{k: v for k, v in tool.items() if k == "type"}, **function}


def offer(draft: Draft, tools: Sequence[Tool], **changes: Any) -> Draft:
    """The draft with these tools."""
    return draft.with_(params={**draft.params, "tools": list(tools)}, **changes)


def on_tools(
    act: Callable[[list[Tool], Any, int], list[Tool] | str],
) -> Callable[[Draft, Any, int], Draft | NotApplicable]:
    """A perturbation's ``apply`` of a function ``(tools, rng, index) -> tools``; a text it returns says why there is nothing to do."""

    def apply(draft: Draft, rng: Any, index: int) -> Draft | NotApplicable:
        tools = tools_of(draft)
        if isinstance(tools, NotApplicable):
            return tools
        made = act(tools, rng, index)
        return NotApplicable(reason=made) if isinstance(made, str) else offer(draft, made)

    return apply
