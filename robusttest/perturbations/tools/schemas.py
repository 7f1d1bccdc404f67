"""Other ways to write the same JSON schema: what takes the one takes the other.

A schema is read once into a `Writer`, which then writes it in as many ways as there are draws: thousands of variants
offer the same tools.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import permutations
from typing import Any

from robusttest.core.nouns import Json, canonical_json

Schema = Mapping[str, Json]
Write = Callable[[random.Random], Any]

_VALUES = ("default", "const", "examples", "example")
"""Keywords whose value is no schema."""
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
"""Keywords that hold schemas by name."""
_UNORDERED = ("required", "enum")
_REFERS = ("$ref", "$id", "id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")
_FEW = 5
"""Of so many keys all orders are listed, of more one is drawn."""


class Writer:
    """One schema, to be written in other orders, and with ``forms`` also in other equal keywords."""

    def __init__(self, schema: Schema, *, forms: bool = False, strict: bool = False) -> None:
        self.schema = schema
        """Held, so that whoever keeps writers by their schema's identity is not given another's."""
        self._ways = [_node(way, forms, strict) for way in (_wholes(schema) if forms else (schema,))]

    def write(self, rng: random.Random) -> Json:
        ways = self._ways
        made: Json = (ways[0] if len(ways) == 1 else ways[int(rng.random() * len(ways))])(rng)
        return made


def mixed(items: Iterable[Any], rng: random.Random) -> list[Any]:
    """In a random order; a third of `random.shuffle`'s time."""
    draw = rng.random
    return sorted(items, key=lambda _: draw())


@cache
def _orders(n: int) -> tuple[tuple[int, ...], ...]:
    return tuple(permutations(range(n)))[::-1]  # the order as it is comes last


def _order(items: list[Any]) -> Callable[[random.Random], Iterable[Any]]:
    """Draws one of the orders of these."""
    if len(items) > _FEW:
        return lambda rng: mixed(items, rng)
    if len(items) < 2:
        return lambda rng: items
    listed = [tuple(items[i] for i in order) for order in _orders(len(items))]
    count = len(listed)
    return lambda rng: listed[int(rng.random() * count)]


def _node(schema: Json, forms: bool, strict: bool) -> Write:
    """What writes one schema: in an order of its own each time."""
    if not isinstance(schema, Mapping):
        return lambda rng: schema
    some = alternatives(schema, strict=strict) if forms else _as_was(schema)
    ways = [
        _keywords(w, forms, strict, [k for k in ("anyOf", "oneOf") if w.get(k) is not schema.get(k)])
        for w in some
    ]
    if len(ways) == 1:
        return ways[0]
    return lambda rng: ways[int(rng.random() * len(ways))](rng)


def _as_was(schema: Schema) -> list[Schema]:
    """A single value may be an enumeration of one."""
    if "const" not in schema or "enum" in schema:
        return [schema]
    return [schema, _instead(schema, "const", enum=[schema["const"]])]


def _keywords(schema: Schema, forms: bool, strict: bool, made_here: Sequence[str] = ()) -> Write:
    """``made_here``: keywords whose lists need no further form, only an order."""
    fixed: dict[str, Json] = {}
    written: dict[str, Write] = {}
    for key, value in schema.items():
        write = _keyword(key, value, forms, strict, (*_UNORDERED, *made_here))
        if write is None:
            fixed[key] = value
        else:
            written[key] = write
    order = _order(list(schema))
    if not written:
        return lambda rng: {k: fixed[k] for k in order(rng)}

    def made(rng: random.Random) -> dict[str, Json]:
        return {k: fixed[k] if k in fixed else written[k](rng) for k in order(rng)}

    return made


def _keyword(key: str, value: Json, forms: bool, strict: bool, unordered: Sequence[str]) -> Write | None:
    """What writes a keyword's value; None where it stands as it is."""
    if key in _NAMED and isinstance(value, Mapping):
        parts = {name: _node(one, forms, strict) for name, one in value.items()}
        names = _order(list(value))
        return lambda rng: {name: parts[name](rng) for name in names(rng)}
    if key in unordered and isinstance(value, list | tuple):
        order = _order(list(value))
        return lambda rng: list(order(rng))
    if key in _VALUES:
        return None
    if isinstance(value, Mapping):
        return _node(value, forms, strict)
    if isinstance(value, list | tuple) and any(isinstance(v, Mapping) for v in value):
        each = [_node(v, forms, strict) for v in value]
        return lambda rng: [write(rng) for write in each]
    return None


# --- equal keywords -----------------------------------------------------------------------------------------


def alternatives(schema: Schema, *, strict: bool = False) -> list[Schema]:
    """The schema itself, and ways to write its own level with other keywords that take the very same values.

    ``strict``: only what providers that hold a model to a schema take, which is no ``oneOf``.
    """
    return [schema, *_constants(schema, strict), *_types(schema)]


def _constants(schema: Schema, strict: bool) -> Iterator[Schema]:
    held = schema.get("enum")
    if isinstance(held, list | tuple) and held and "const" not in schema:
        each = [{"const": v} for v in held]
        if len(held) == 1:
            yield _instead(schema, "enum", const=held[0])
        if "anyOf" not in schema:
            yield _instead(schema, "enum", anyOf=each)
        if "oneOf" not in schema and not strict and _distinct(held):
            yield _instead(schema, "enum", oneOf=each)
    elif "const" in schema and "enum" not in schema:
        yield _instead(schema, "const", enum=[schema["const"]])
    if "enum" not in schema and "const" not in schema:
        for key in ("anyOf", "oneOf"):
            some = schema.get(key)
            if not isinstance(some, list | tuple) or not some:
                continue
            if all(isinstance(s, Mapping) and list(s) == ["const"] for s in some):
                values = [s["const"] for s in some]
                if _distinct(values):
                    yield _instead(schema, key, enum=values)


def _types(schema: Schema) -> Iterator[Schema]:
    """A type that is one of several, ``null`` among them where a value may be left open."""
    held = schema.get("type")
    if isinstance(held, list | tuple) and len(held) > 1 and "anyOf" not in schema:
        yield _instead(schema, "type", anyOf=[{"type": t} for t in held])
    some = schema.get("anyOf")
    if "type" in schema or not isinstance(some, list | tuple) or len(some) < 2:
        return
    if all(isinstance(s, Mapping) and list(s) == ["type"] and isinstance(s["type"], str) for s in some):
        types = [s["type"] for s in some]
        if len(set(types)) == len(types):
            yield _instead(schema, "anyOf", type=types)


def _instead(schema: Schema, key: str, **other: Json) -> Schema:
    """With another keyword in the place of this one."""
    ((name, value),) = other.items()
    return {(name if k == key else k): (value if k == key else v) for k, v in schema.items()}


def _distinct(values: Iterable[Json]) -> bool:
    """Whether no two are one JSON value: numbers, which may be equal in two spellings, are none that can be told here."""
    found = list(values)
    if any(isinstance(v, float | list | tuple | Mapping) for v in found):
        return False
    return len({canonical_json(v) for v in found}) == len(found)


# --- definitions --------------------------------------------------------------------------------------------


def _wholes(schema: Schema) -> list[Schema]:
    """The whole schema as it is, and with its properties' schemas as definitions, or its definitions where they are used."""
    keys = set(_keys(schema))
    if not keys & set(_REFERS):
        moved = _defined(schema)
        return [schema] if moved is None else [schema, moved]
    if keys & (set(_REFERS) - {"$ref"}):
        return [schema]
    placed = _inlined(schema)
    return [schema] if placed is None else [schema, placed]


def _keys(schema: Json) -> Iterator[str]:
    """Every key of every object in it, names of properties, too: rather one too many."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            yield key
            yield from _keys(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            yield from _keys(value)


def _defined(schema: Schema) -> Schema | None:
    """Each property's schema under ``$defs``, and a reference in its place."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or "$defs" in schema or "definitions" in schema:
        return None
    some = {k: v for k, v in properties.items() if isinstance(v, Mapping) and v and _PLAIN_NAME.fullmatch(k)}
    if not some:
        return None
    refers = {k: {"$ref": f"#/$defs/{k}"} if k in some else v for k, v in properties.items()}
    return {**schema, "properties": refers, "$defs": some}


def _inlined(schema: Schema) -> Schema | None:
    """Each reference to a definition of its own as that definition, and none left; None where that can't be."""
    held = {f"#/{key}/{name}": one for key in ("$defs", "definitions") for name, one in _named(schema, key)}

    def placed(value: Json, within: tuple[str, ...]) -> Json:
        if isinstance(value, list | tuple):
            return [placed(v, within) for v in value]
        if not isinstance(value, Mapping):
            return value
        if "$ref" in value:
            ref = value["$ref"]
            if len(value) > 1 or not isinstance(ref, str) or ref not in held or ref in within:
                raise LookupError
            return placed(held[ref], (*within, ref))
        return {k: v if k in (*_VALUES, "enum") else placed(v, within) for k, v in value.items()}

    rest = {k: v for k, v in schema.items() if k not in ("$defs", "definitions")}
    try:
        made = placed(rest, ())
    except LookupError:
        return None
    return made if isinstance(made, Mapping) else None


def _named(schema: Schema, key: str) -> Iterator[tuple[str, Json]]:
    some = schema.get(key)
    if isinstance(some, Mapping):
        yield from ((str(k), v) for k, v in some.items())
