"""Two models that need no key: deterministic planners which look at the messages and the tools, as a language model would.

`hasty` has two weaknesses planted. It takes the first tool whose name fits, without reading on; and it calls again after
an error, but believes whatever it is told that is none. `careful` is `hasty` with both mended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from shop import PRICES

from robusttest import Completion, model

TRIES = 3


@model(version="1")
def hasty(messages: list[Any], tools: Sequence[Mapping[str, Any]] = (), **_: Any) -> Completion:
    return _plan(messages, tools, careful=False)


@model(version="1")
def careful(messages: list[Any], tools: Sequence[Mapping[str, Any]] = (), **_: Any) -> Completion:
    return _plan(messages, tools, careful=True)


def _plan(messages: Sequence[Any], tools: Sequence[Mapping[str, Any]], *, careful: bool) -> Completion:
    """One step: the next thing to look up, or the answer once all is there."""
    question = next(m["content"] for m in reversed(messages) if m["role"] == "user")
    found = _found(messages)
    said = []
    for topic, argument, value in _wanted(question):
        got = found.get(value, [])
        believed = bool(got) and (
            _facts(got[-1], argument, value) is not None if careful else "ERROR" not in got[-1]
        )
        if not believed and len(got) < TRIES:
            return _call(_chosen(tools, topic, argument, careful), {argument: value}, len(messages))
        if not believed:
            return Completion(text="Sorry, I can't look that up now.")
        facts = _facts(got[-1], argument, None)
        said.append(f"{value}: {got[-1] if facts is None else facts.get('status', facts.get('euros'))}")
    return Completion(text="; ".join(said) or "What is it about?")


def _wanted(question: str) -> list[tuple[str, str, str]]:
    """What there is to look up: (topic, argument, value)."""
    orders = [("order", "order", number) for number in re.findall(r"\b\d{5}\b", question)]
    items = [("price", "item", name) for name in PRICES if name in question.lower()]
    return orders + items


def _chosen(tools: Sequence[Mapping[str, Any]], topic: str, argument: str, careful: bool) -> str:
    """The name of the tool to call."""
    functions = [t["function"] for t in tools]
    fits = [f for f in functions if topic in f["name"].lower() and "cancel" not in f["name"].lower()]
    if careful:  # reads on: what it takes, and what it is for
        fits = [f for f in fits if argument in f["parameters"]["properties"]]
        fits = [f for f in fits if "never" not in f["description"].lower()]
    return str(fits[0]["name"]) if fits else "none"


def _found(messages: Sequence[Any]) -> dict[str, list[str]]:
    """What the tools said, by the value that was looked up."""
    looked: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for message in messages:
        for call in message.get("tool_calls") or ():
            (looked[call["id"]],) = json.loads(call["function"]["arguments"]).values()
        if message["role"] == "tool":
            found.setdefault(looked[message["tool_call_id"]], []).append(str(message["content"]))
    return found


def _facts(text: str, argument: str, value: str | None) -> dict[str, Any] | None:
    """The facts that a tool returned; None if they can't be read, or are not of the value that was asked for."""
    try:
        facts = json.loads(text)
    except ValueError:
        return None
    if not isinstance(facts, dict) or (value is not None and facts.get(argument) != value):
        return None
    return facts


def _call(name: str, arguments: Mapping[str, str], step: int) -> Completion:
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": f"call_{step}", "type": "function", "function": function}
    return Completion(text="", tool_calls=(call,))
