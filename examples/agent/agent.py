"""The agent: asks its model what to do, does it with the shop's tools, and says what came of it.

The model may be any that LiteLLM knows, or one of the two in `planner.py`: the loop is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from shop import TOOLS

SYSTEM = (
    "You answer for a shop. Look everything up with the tools, one call at a time. If a tool fails, or what it "
    "returns is not an answer to your call, call it again. Answer in one short sentence."
)
STEPS = 8


def answer(question: str, llm: Callable[..., Any], functions: Mapping[str, Callable[..., Any]]) -> str:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": question},
    ]
    for _ in range(STEPS):
        reply = llm(messages, tools=TOOLS, temperature=0)
        if not reply.tool_calls:
            return str(reply.text)
        messages.append(
            {"role": "assistant", "content": reply.text or None, "tool_calls": list(reply.tool_calls)}
        )
        for call in reply.tool_calls:
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": _used(call, functions)})
    return f"no answer after {STEPS} steps"


def _used(call: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> str:
    """What the tool says, for the model to read: an error too."""
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    try:
        found = functions[name](**json.loads(arguments))
    except Exception as e:
        return f"ERROR {type(e).__name__}: {e}"
    return found if isinstance(found, str) else json.dumps(found)
