"""Scorers of structured replies: JSON that fits a schema, and an agent's tool calls."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from robusttest.core.equality import same
from robusttest.core.nouns import Case, Completion, Json, Score, Variant, canonical_json
from robusttest.errors import UsageError
from robusttest.scorers.protocol import SCORERS, Scorer, unparsed

_FENCE = re.compile(r"```(?:json)?\s*\n?(.*?)```", re.DOTALL | re.IGNORECASE)

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}

KEYWORDS = (
    "type", "enum", "const", "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
    "minLength", "maxLength", "pattern", "minimum", "maximum",
)  # fmt: skip
"""The keywords of JSON Schema that are checked."""

_NOTES = ("$schema", "$id", "title", "description", "default", "examples", "$comment")


@SCORERS.register("json_schema")
def json_schema(schema: Mapping[str, Json], *, compare: Iterable[str] | bool | None = None) -> Scorer:
    """The reply is JSON that fits ``schema``; with a target also equal to it.

    ``compare`` names the keys that must equal the target's; True: the whole value; False: only the schema; if not
    given, the whole value where the case has a target. The share of equal keys is the score where keys are named. The
    JSON may stand alone, in a code fence, or be the only object within a text. The answer is the parsed value
    (with ``compare`` its compared keys). A reply that is not JSON is unparsed; JSON that doesn't fit scores 0.

    Of JSON Schema are checked: `KEYWORDS`. Another keyword is refused: it would look checked and not be.
    """
    if not isinstance(schema, Mapping):
        raise UsageError(f"json_schema({schema!r}): give a schema as a dict")
    _known(schema, "schema")
    if isinstance(compare, str):
        compare = (compare,)
    keys = compare if compare is None or isinstance(compare, bool) else tuple(compare)
    options = {"schema": dict(schema), "compare": keys}
    return Scorer("json_schema", _json_schema, options, check=_check, needs_target=bool(keys))


def _check(case: Case, *, schema: Mapping[str, Json], compare: Any) -> str | None:
    if not compare or case.target is None:
        return None
    if isinstance(compare, tuple):
        target = _parsed_target(case.target)
        missing = [k for k in compare if not isinstance(target, Mapping) or k not in target]
        if missing:
            return f"the target has no key {missing[0]!r} to compare"
    return None


def _known(schema: Any, where: str) -> None:
    if not isinstance(schema, Mapping):
        raise UsageError(f"json_schema: {where} is {schema!r}, not a dict")
    for key, value in schema.items():
        if key not in KEYWORDS and key not in _NOTES:
            raise UsageError(
                f"json_schema: {where} has {key!r}, which is not checked; known: {', '.join(KEYWORDS)}"
            )
        if key == "type":
            for kind in [value] if isinstance(value, str) else value:
                if kind not in _TYPES:
                    raise UsageError(
                        f"json_schema: {where} has the type {kind!r}; known: {', '.join(_TYPES)}"
                    )
        elif key == "properties":
            for name, inner in value.items():
                _known(inner, f"{where}.{name}")
        elif key == "items" or (key == "additionalProperties" and not isinstance(value, bool)):
            _known(value, f"{where}.{key}")
        elif key == "pattern":
            try:
                re.compile(value)
            except re.error as e:
                raise UsageError(f"json_schema: {where}: pattern {value!r}: {e}") from None


def misfit(value: Json, schema: Mapping[str, Json], where: str = "the reply") -> str | None:
    """Where and why ``value`` does not fit; None where it does."""
    kinds = schema.get("type")
    if kinds is not None and not any(_is(value, k) for k in ([kinds] if isinstance(kinds, str) else kinds)):
        return f"{where} is {_kind(value)}, not {kinds}"
    if "enum" in schema and not any(same(value, x) for x in schema["enum"]):
        return f"{where} is {value!r}, none of {schema['enum']!r}"
    if "const" in schema and not same(value, schema["const"]):
        return f"{where} is {value!r}, not {schema['const']!r}"
    if isinstance(value, dict):
        return _object_misfit(value, schema, where)
    if isinstance(value, list):
        return _size_misfit(len(value), schema, "Items", where) or next(
            (m for i, x in enumerate(value) if (m := misfit(x, schema.get("items", {}), f"{where}[{i}]"))),
            None,
        )
    if isinstance(value, str):
        if (wrong := _size_misfit(len(value), schema, "Length", where)) is not None:
            return wrong
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return f"{where} does not match {schema['pattern']!r}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "minimum" in schema and value < schema["minimum"]:
            return f"{where} is {value}, below {schema['minimum']}"
        if "maximum" in schema and value > schema["maximum"]:
            return f"{where} is {value}, above {schema['maximum']}"
    return None


def _object_misfit(value: dict[str, Json], schema: Mapping[str, Json], where: str) -> str | None:
    for key in schema.get("required", ()):
        if key not in value:
            return f"{where} has no {key!r}"
    known = schema.get("properties", {})
    more = schema.get("additionalProperties", True)
    for key, inner in value.items():
        if key in known:
            wrong = misfit(inner, known[key], f"{where}.{key}")
        elif isinstance(more, Mapping):
            wrong = misfit(inner, more, f"{where}.{key}")
        else:
            wrong = None if more else f"{where} has {key!r}, which is not allowed"
        if wrong is not None:
            return wrong
    return None


def _size_misfit(size: int, schema: Mapping[str, Json], what: str, where: str) -> str | None:
    if size < schema.get(f"min{what}", 0):
        return f"{where} has {size} {what.lower()}, fewer than {schema[f'min{what}']}"
    if size > schema.get(f"max{what}", size):
        return f"{where} has {size} {what.lower()}, more than {schema[f'max{what}']}"
    return None


def _is(value: Json, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _kind(value: Json) -> str:
    return next(k for k in ("boolean", *_TYPES) if _is(value, k))


def read_json(text: str) -> Json:
    """The JSON of a reply: alone, in the last code fence, or the only object or list within text. ValueError if none."""

    def refuse(name: str) -> Json:
        raise ValueError(f"{name} is no JSON")

    def load(part: str) -> Json:
        return json.loads(part, parse_constant=refuse)

    candidates = [text, *reversed(_FENCE.findall(text))]
    starts = [i for i in (text.find("{"), text.find("[")) if i >= 0]
    if starts:
        start = min(starts)
        end = text.rfind("}" if text[start] == "{" else "]")
        candidates.append(text[start : end + 1])
    for candidate in candidates:
        try:
            return load(candidate)
        except (ValueError, RecursionError):
            continue
    raise ValueError("the reply is not JSON")


def _parsed_target(target: Json) -> Json:
    if isinstance(target, str):
        try:
            return json.loads(target)
        except ValueError:
            return target
    return target


def _json_schema(
    completion: Completion, variant: Variant, *, schema: Mapping[str, Json], compare: Any
) -> Score:
    try:
        value = read_json(completion.text)
    except ValueError as e:
        return unparsed(str(e) if completion.text.strip() else "the reply is empty")
    if isinstance(compare, tuple):
        answer: Json = {k: value.get(k) for k in compare} if isinstance(value, Mapping) else value
    else:
        answer = value
    if (wrong := misfit(value, schema)) is not None:
        return Score(value=0.0, answer=answer, explanation=wrong)
    if compare is False or (compare is None and variant.target is None):
        return Score(value=1.0, answer=answer)
    target = _parsed_target(variant.target)
    if isinstance(compare, tuple):
        held = target if isinstance(target, Mapping) else {}
        right = sum(k in value and same(value[k], held.get(k)) for k in compare)
        return Score(value=right / len(compare), answer=answer)
    return Score(value=float(same(value, target)), answer=answer)


@SCORERS.register("tool_call")
def tool_call(*, arguments: bool = True, order: bool = True) -> Scorer:
    """The tools that the reply calls are the target's: ``"get_weather"``, ``{"name": …, "arguments": {…}}``, or a list.

    A target without arguments (or ``arguments=False``) compares names alone; ``order=False`` ignores the order of
    calls. The answer is the calls. A reply without a call answers with its text; the target ``[]`` is no call.
    """
    return Scorer("tool_call", _tool_call, {"arguments": arguments, "order": order}, check=_check_calls)


def _check_calls(case: Case, **_: bool) -> str | None:
    try:
        _wanted(case.target)
    except (TypeError, ValueError) as e:
        return str(e)
    return None


def _wanted(target: Json) -> list[tuple[str, Json]]:
    items = target if isinstance(target, list | tuple) else [target]
    out: list[tuple[str, Json]] = []
    for item in items:
        call = _parsed_target(item)
        if isinstance(call, str):
            out.append((call, None))
        elif isinstance(call, Mapping) and isinstance(call.get("name"), str):
            out.append((call["name"], call.get("arguments")))
        else:
            raise ValueError(
                f"the target {item!r} is no tool call: a name, or {{'name': …, 'arguments': {{…}}}}"
            )
    return out


def calls_of(completion: Completion) -> list[dict[str, Json]]:
    """The tool calls of a reply as ``{"name", "arguments"}``, whether in OpenAI's form or plain."""
    out = []
    for call in completion.tool_calls or ():
        held = call.get("function", call)
        arguments = held.get("arguments")
        if isinstance(arguments, str):
            with contextlib.suppress(ValueError):  # else compared as the text it is
                arguments = json.loads(arguments) if arguments.strip() else {}
        out.append({"name": held.get("name"), "arguments": arguments})
    return out


def _tool_call(completion: Completion, variant: Variant, *, arguments: bool, order: bool) -> Score:
    calls = calls_of(completion)
    wanted = _wanted(variant.target)
    if not calls:
        text = completion.text.strip()
        if not text:
            return unparsed("the reply calls no tool and says nothing")
        return Score(value=float(not wanted), answer=text if wanted else [])
    answer = calls if arguments else [call["name"] for call in calls]
    if not order:
        answer = sorted(answer, key=canonical_json)
    made = [(str(call["name"]), call["arguments"]) for call in calls]
    return Score(value=float(_match(made, wanted, arguments, order)), answer=answer)


def _match(
    made: list[tuple[str, Json]], wanted: list[tuple[str, Json]], arguments: bool, order: bool
) -> bool:
    def fits(call: tuple[str, Json], target: tuple[str, Json]) -> bool:
        return call[0] == target[0] and (not arguments or target[1] is None or same(call[1], target[1]))

    if len(made) != len(wanted):
        return False
    if order:
        return all(fits(a, b) for a, b in zip(made, wanted, strict=True))
    left = list(made)
    for target in sorted(wanted, key=lambda w: w[1] is None):  # the particular ones first
        found = next((call for call in left if fits(call, target)), None)
        if found is None:
            return False
        left.remove(found)
    return True
