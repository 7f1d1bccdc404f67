"""Parameters as JSON: a pydantic class as ``response_format`` is the JSON schema that providers take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robusttest.core.nouns import Case, Json

FORMAT = "response_format"
TOOLS = "tools"


def json_params(params: Mapping[str, Any] | None) -> dict[str, Json]:
    """A copy, with a pydantic class (or any with ``model_json_schema``) as ``response_format`` written as its schema."""
    out = dict(params or {})
    made = getattr(out.get(FORMAT), "model_json_schema", None)
    if isinstance(out.get(FORMAT), type) and callable(made):
        name = out[FORMAT].__name__
        out[FORMAT] = {
            "type": "json_schema",
            "json_schema": {"name": name, "schema": _strict(made()), "strict": True},
        }
    return out


def tools_column(params: Mapping[str, Json]) -> str | None:
    """The column of a case that holds the tools it offers, where ``tools`` names one as ``"{column}"``."""
    held = params.get(TOOLS)
    return held[1:-1] if isinstance(held, str) and held[:1] == "{" and held[-1:] == "}" else None


def case_params(params: Mapping[str, Json], case: Case) -> Mapping[str, Json]:
    """A task's parameters as they are for one case: with its own tools, where each case offers some of its own."""
    column = tools_column(params)
    return params if column is None else {**params, TOOLS: case.fields[column]}


def _strict(schema: Json) -> Json:
    """As OpenAI's strict mode wants it: every property required, no others, no defaults of ``null``."""
    if isinstance(schema, list):
        return [_strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out = {k: _named(v) if k in ("properties", "$defs") else _strict(v) for k, v in schema.items()}
    if out.get("type") == "object" and "additionalProperties" not in out:
        out["additionalProperties"] = False
    if "properties" in out:
        out["required"] = list(out["properties"])
    if "default" in out and out["default"] is None:
        del out["default"]
    return out


def _named(schemas: Json) -> Json:
    return (
        {name: _strict(schema) for name, schema in schemas.items()} if isinstance(schemas, dict) else schemas
    )
