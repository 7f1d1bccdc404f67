"""The one JSON form of every noun: what crosses processes, stands in a run file and in a report is written and read here.

A noun is an object of its fields; a `Record` without those that hold their default. A `CellKey` and a verdict's
threshold are no objects of their own: their fields stand among the noun's. Text is ASCII, so that lone surrogates survive
every file and pipe. NaN and infinities are null, in both directions. What JSON has no form for (a date as an answer)
is text. Fields that this version does not know are left out when read; a newer schema is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from robusttest.core.nouns import CellKey, Json, Record, Threshold
from robusttest.errors import StorageError

T = TypeVar("T")
Line = dict[str, Json]
"""A line of a run file: the fields of a noun, and its ``kind``."""

SPARSE: frozenset[type] = frozenset({Record})
"""Nouns that are written by the hundred thousand: what holds its default is left out."""


# writing


def plain(value: Any) -> Json:
    """A noun, or what holds nouns, as dicts and lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return _object(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def _object(noun: Any) -> Line:
    kind: Any = type(noun)
    if kind in SPARSE:
        return {name: v for name, default in _defaults(kind) if (v := getattr(noun, name)) != default}
    made: Line = {}
    for name in _written(kind):
        value = getattr(noun, name)
        if isinstance(value, CellKey):
            made.update(value._asdict())
        elif name == "threshold" and isinstance(value, Threshold):
            made.update({name: str(value), **_object(value)})
        else:
            made[name] = plain(value)
    return made


@cache
def _defaults(kind: Any) -> list[tuple[str, Any]]:
    return [(f.name, f.default) for f in fields(kind)]


@cache
def _written(kind: Any) -> list[str]:
    return [f.name for f in fields(kind) if f.metadata.get("json", True)]


def line(kind: str, noun: Any, **more: Json) -> str:
    """One line of a run file, without its end."""
    return dumps({"kind": kind, **more, **_object(noun)})


def record_line(record: Record) -> str:
    """A record's line."""
    return line("record", record)


def dumps(value: Json, *, indent: int | None = None) -> str:
    """JSON text in ASCII, compact where it is not indented."""
    encoder = _COMPACT if indent is None else _encoder(indent)
    try:
        return encoder.encode(value)
    except (ValueError, TypeError):  # NaN somewhere, or a key that is no text
        return encoder.encode(finite(value))


def finite(value: Any) -> Json:
    """With None for NaN and infinities, and with keys that are texts."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if value is None or isinstance(value, str | int):
        return value
    return finite(_other(value))


def _other(value: Any) -> Json:
    if is_dataclass(value) and not isinstance(value, type):
        return _object(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return value.tolist()
    return str(value)


def _encoder(indent: int | None) -> json.JSONEncoder:
    separators = (",", ":") if indent is None else None
    return json.JSONEncoder(separators=separators, indent=indent, allow_nan=False, default=_other)


_COMPACT = _encoder(None)


# reading


def loads(text: str | bytes) -> Json:
    """What JSON text says. Raises `ValueError` for what is none."""
    return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8", "surrogatepass"))


def parsed(raw: bytes) -> Line | None:
    """A line of a file; None for what is no object, as where the file was cut."""
    try:
        made = loads(raw)
    except ValueError:
        return None
    return made if isinstance(made, dict) else None


def _null(_: str) -> None:
    """NaN and infinities, which others write."""


_DECODER = json.JSONDecoder(parse_constant=_null)


def read(kind: type[T], data: Mapping[str, Json]) -> T:
    """The noun of that kind. Raises `KeyError`, `TypeError` or `ValueError` for what is none."""
    if not isinstance(data, Mapping):
        raise TypeError(f"{kind.__name__} is an object, not {type(data).__name__}")
    of: Any = kind
    known = _known(of)
    made = {name: data[name] for name in data.keys() & known.keys()}
    for name, convert in _converters(of):
        if convert is None:  # its fields stand among these
            made[name] = _inline(known[name], name, data)
        elif name in made:
            made[name] = convert(made[name])
    return kind(**made)


def _inline(kind: Any, name: str, data: Mapping[str, Json]) -> Any:
    if kind is CellKey:
        return CellKey(data.get("test"), data["task"], data["model"])
    held = data[name]
    return read(kind, held if isinstance(held, Mapping) else data)


@cache
def _known(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind) if f.init}


@cache
def _converters(kind: Any) -> list[tuple[str, Callable[[Any], Any] | None]]:
    """What is no plain JSON of a noun's fields."""
    found: list[tuple[str, Callable[[Any], Any] | None]] = []
    for name, hint in _known(kind).items():
        if hint is CellKey or hint is Threshold:
            found.append((name, None))
        elif (convert := _converter(hint)) is not None:
            found.append((name, convert))
    return found


def _converter(hint: Any) -> Callable[[Any], Any] | None:
    if get_origin(hint) in (Union, UnionType):
        of, *others = (a for a in get_args(hint) if a is not NoneType)
        inner = _converter(of)
        return None if others or inner is None else partial(_unless_none, inner)
    if get_origin(hint) is tuple:
        of, *rest = get_args(hint)
        inner = _converter(of) if rest == [...] else None
        return tuple if inner is None else lambda values: tuple(map(inner, values))
    return partial(read, hint) if isinstance(hint, type) and is_dataclass(hint) else None


def _unless_none(convert: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else convert(value)


def check_schema(found: Json, newest: int, what: str) -> int:
    """The schema that a file names, of ``newest`` at most.

    Raises `StorageError` where it is no number that robusttest wrote, or a newer one's.
    """
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise StorageError(f"{what}: schema {found!r} is not a number that robusttest wrote")
    if found > newest:
        raise StorageError(
            f"{what} has schema {found}, written by a newer robusttest; this one reads up to {newest}: "
            "pip install -U robusttest"
        )
    return found
