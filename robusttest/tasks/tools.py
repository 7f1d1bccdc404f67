"""Lists of tools as people have them → what a chat model is offered: MCP's ``tools/list``, OpenAI's forms, Anthropic's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from robusttest.core.nouns import Json
from robusttest.errors import UsageError
from robusttest.tasks.sources import open_bytes

_SCHEMAS = ("parameters", "inputSchema", "input_schema")
"""Where a tool's schema stands: OpenAI's, MCP's, Anthropic's name for it."""


def load_tools(source: Any) -> list[dict[str, Json]]:
    """The tools, each as ``{"type": "function", "function": {"name", "description", "parameters"}}``, in their order.

    ``source``: the path of a JSON file, or what it holds: the result of an MCP server's ``tools/list`` (also as the whole
    JSON-RPC reply), or a list of tools in MCP's form (``inputSchema``), OpenAI's (with or without ``function`` around), or
    Anthropic's (``input_schema``). What only a host reads (annotations, titles, output schemas) is left out.

    Raises `UsageError` for a tool without a name or a schema, for two of one name, and for a page of a longer list.
    """
    where = "load_tools"
    if isinstance(source, str | PathLike):
        where, source = fspath(source), _file(Path(fspath(source)))
    return tool_list(source, where)


def _file(path: Path) -> Any:
    raw, _ = open_bytes(path)
    try:
        return json.loads(raw)
    except ValueError as e:
        raise UsageError(f"{path}: not JSON: {e}") from None


def tool_list(source: Any, where: str) -> list[dict[str, Json]]:
    """The tools of a value that is read already; ``where`` names it in errors."""
    held = source
    if isinstance(held, Mapping) and isinstance(held.get("result"), Mapping):
        held = held["result"]
    if isinstance(held, Mapping) and held.get("nextCursor"):
        raise UsageError(
            f"{where}: a page of a longer list (nextCursor={held['nextCursor']!r}): ask the server for the rest, and give all "
            "tools as one list"
        )
    if isinstance(held, Mapping):
        held = held.get("tools", held)
    if not isinstance(held, Sequence) or isinstance(held, str | bytes):
        raise UsageError(
            f"{where}: no list of tools: give the result of tools/list, or a list of tools"
            + (f"; it has {', '.join(map(repr, held)) or 'nothing'}" if isinstance(held, Mapping) else "")
        )
    if not held:
        raise UsageError(f"{where}: an empty list of tools; leave it out where there are none")
    tools = [_tool(tool, f"{where}, tool {i}") for i, tool in enumerate(held, 1)]
    places: dict[str, int] = {}
    for i, tool in enumerate(tools, 1):
        name = tool["function"]["name"]
        if name in places:
            raise UsageError(
                f"{where}: tools {places[name]} and {i} are both called {name!r}: a call could not tell them apart. Put the "
                f"server's name before each, as in 'shop__{name}'"
            )
        places[name] = i
    return tools


def _tool(tool: Any, place: str) -> dict[str, Any]:
    held = tool.get("function", tool) if isinstance(tool, Mapping) else None
    if not isinstance(held, Mapping):
        raise UsageError(f"{place}: {str(tool)[:60]!r} is no tool: an object with a name and a schema")
    name = held.get("name")
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"{place}: no name; it has {', '.join(map(repr, held)) or 'nothing'}")
    place = f"{place} ({name})"
    schema = next((held[k] for k in _SCHEMAS if held.get(k) is not None), None)
    if schema is None:
        raise UsageError(
            f"{place}: no schema of its arguments ({', '.join(_SCHEMAS)}); a tool that takes none says "
            '{"type": "object", "properties": {}}'
        )
    if not isinstance(schema, Mapping) or schema.get("type", "object") != "object":
        said = schema.get("type") if isinstance(schema, Mapping) else schema
        raise UsageError(f"{place}: the schema of its arguments is of type {said!r}, not 'object'")
    description = held.get("description")
    if description is not None and not isinstance(description, str):
        raise UsageError(f"{place}: the description {str(description)[:60]!r} is no text")
    function: dict[str, Json] = {"name": name}
    if description is not None:
        function["description"] = description
    function["parameters"] = {"type": "object", "properties": {}, **schema}
    if isinstance(held.get("strict"), bool):
        function["strict"] = held["strict"]
    return {"type": "function", "function": function}
