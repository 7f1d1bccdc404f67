"""A `Completion` as JSON text and back: what a store and a cassette hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from robusttest.core.nouns import Completion, Json

_FIELDS = frozenset(f.name for f in fields(Completion)) - {"cached"}
_DEFAULTS = {f.name: f.default for f in fields(Completion)}


def dumps(value: Json) -> str:
    """Compact JSON in ASCII: lone surrogates pass unchanged."""
    if isinstance(value, dict) and "text" in value and "cached" in value:
        value = {
            k: v
            for k, v in value.items()
            if k == "text" or (k in _FIELDS and v not in (None, _DEFAULTS[k], {}))
        }
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


loads = json.loads


def completion_from(text: str | Mapping[str, Json], *, cached: bool = False) -> Completion:
    """The completion that `dumps` wrote; fields that this version does not know are left out."""
    data: Any = loads(text) if isinstance(text, str) else text
    known = {k: data[k] for k in data.keys() & _FIELDS}
    if known.get("tool_calls") is not None:
        known["tool_calls"] = tuple(known["tool_calls"])
    return Completion(**known, cached=cached)
