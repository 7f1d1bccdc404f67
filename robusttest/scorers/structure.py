"""Scorers of structured replies: JSON that fits a schema, and an agent's tool calls."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from robusttest.core.equality import number, same
from robusttest.core.nouns import Case, Completion, Json, Score, Variant, canonical_json
from robusttest.errors import UsageError
from robusttest.scorers.protocol import SCORERS, Scorer, unparsed
from robusttest.scorers.schemas import Schema

_FENCE = re.compile(r"```(?:json)?\s*\n?(.*?)```", re.DOTALL | re.IGNORECASE)


@SCORERS.register("json_schema")
def json_schema(
    schema: Mapping[str, Json] | type[Any], *, compare: Iterable[str] | bool | None = None
) -> Scorer:
    """The reply is JSON that fits ``schema``, a dict or a pydantic model; with a target also equal to it.

    ``compare`` names the keys that must equal the target's; True: the whole value; False: only the schema; if not
    given, the whole value where the case has a target. The share of equal keys is the score where keys are named. The
    JSON may stand alone, in a code fence, or be the only object within a text. The answer is the parsed value
    (with ``compare`` its compared keys). A reply that is not JSON is unparsed; JSON that doesn't fit scores 0.

    JSON Schema is read by the library ``jsonschema`` (draft 2020-12 unless ``$schema`` says another), formats included. A
    keyword or format that it does not check is refused, as it would look checked and not be.
    """
    checked = Schema.of(schema)
    if isinstance(compare, str):
        compare = (compare,)
    keys = compare if compare is None or isinstance(compare, bool) else tuple(compare)
    options = {"schema": checked, "compare": keys}
    return Scorer("json_schema", _json_schema, options, check=_check, needs_target=bool(keys))


def _check(case: Case, *, schema: Schema, compare: Any) -> str | None:
    if not compare or case.target is None:
        return None
    if isinstance(compare, tuple):
        target = _parsed_target(case.target)
        missing = [k for k in compare if not isinstance(target, Mapping) or k not in target]
        if missing:
            return f"the target has no key {missing[0]!r} to compare"
    return None


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


def _json_schema(completion: Completion, variant: Variant, *, schema: Schema, compare: Any) -> Score:
    try:
        value = read_json(completion.text)
    except ValueError as e:
        return unparsed(str(e) if completion.text.strip() else "the reply is empty")
    if isinstance(compare, tuple):
        answer: Json = {k: value.get(k) for k in compare} if isinstance(value, Mapping) else value
    else:
        answer = value
    if (wrong := schema.misfit(value)) is not None:
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
def tool_call(
    *,
    arguments: bool | Literal["normalised", "each"] = True,
    order: bool = True,
) -> Scorer:
    """The tools that the reply calls are the target's: ``"get_weather"``, ``{"name": …, "arguments": {…}}``, or a list.

    A target without arguments (or ``arguments=False``) compares names alone; ``order=False`` ignores the order of
    calls. ``arguments="normalised"``: values are compared without case, outer blanks and the form of numbers (``" Berlin"`` is
    ``"berlin"``, ``"7"`` is 7), also for consistency. ``"each"``: so, and the score is the share of the target's arguments that
    are right, 0 where another tool is called; an argument that the target lacks counts as a wrong one. The answer is the calls.
    A reply without a call answers with its text; the target ``[]`` is no call.
    """
    if not isinstance(arguments, bool) and arguments not in ("normalised", "each"):
        raise UsageError(f"tool_call(arguments={arguments!r}): True, False, 'normalised' or 'each'")
    return Scorer("tool_call", _tool_call, {"arguments": arguments, "order": order}, check=_check_calls)


@SCORERS.register("trajectory")
def trajectory(
    *,
    required: Sequence[str] = (),
    forbidden: Sequence[str] = (),
    order: Sequence[str] = (),
    at_most: Mapping[str, int] | int | None = None,
    answer: Literal["sequence", "set", "arguments"] = "sequence",
) -> Scorer:
    """The tools that were called on the way: all of ``required``, none of ``forbidden``, those of ``order`` in this order.

    ``at_most``: how often, in all or by name. Others may stand between. The target is not read. ``answer`` is what flips and
    consistency compare of two ways: the ``sequence`` of names, the ``set`` of them, or the names with their ``arguments``
    (values as `tool_call` normalises them). A body scores its own way with it: ``return trajectory(required=["lookup"])(ask.trajectory)``.
    """
    for name, value in (("required", required), ("forbidden", forbidden), ("order", order)):
        if not isinstance(value, list | tuple) or not all(isinstance(n, str) and n for n in value):
            raise UsageError(f"trajectory({name}={value!r}): a list of names of tools")
    if both := {*required, *order} & set(forbidden):
        raise UsageError(f"trajectory: {min(both)!r} is required and forbidden")
    limits = at_most if isinstance(at_most, Mapping) else {} if at_most is None else {"": at_most}
    for tool, most in limits.items():
        if not isinstance(tool, str) or isinstance(most, bool) or not isinstance(most, int) or most < 0:
            raise UsageError(
                f"trajectory(at_most={at_most!r}): a whole number from 0, in all or for each tool by its name"
            )
        least = len(order) + len({*required} - {*order})
        if tool:
            least = max(order.count(tool), int(tool in required))
        if most < least:
            raise UsageError(
                f"trajectory(at_most={at_most!r}): no way can be right, as at least {least} "
                f"call{'s' * (least != 1)}{f' of {tool!r}' if tool else ''} must be made"
            )
    if answer not in ("sequence", "set", "arguments"):
        raise UsageError(f"trajectory(answer={answer!r}): 'sequence', 'set' or 'arguments'")
    how = {
        "required": list(required), "forbidden": list(forbidden), "order": list(order), "at_most": at_most, "answer": answer,
    }  # fmt: skip
    return Scorer("trajectory", _trajectory, how, needs_target=False)


def _trajectory(
    completion: Completion,
    variant: Variant,
    *,
    required: Sequence[str],
    forbidden: Sequence[str],
    order: Sequence[str],
    at_most: Mapping[str, int] | int | None,
    answer: str,
) -> Score:
    calls = calls_of(completion)
    names = _own_names([str(call["name"]) for call in calls], variant)
    wrong = [f"{n} was not called" for n in required if n not in names]
    wrong += [f"{n} was called" for n in forbidden if n in names]
    left = iter(names)
    wrong += [f"{n} was not called in its turn" for n in order if n not in left]
    limits = {"": at_most} if isinstance(at_most, int) else dict(at_most or {})
    for name, most in limits.items():
        count = names.count(name) if name else len(names)
        if count > most:
            wrong.append(f"{name or 'tools'} called {count} times, {most} at most")
    way: Json = list(names)
    if answer == "set":
        way = sorted(set(names))
    elif answer == "arguments":
        way = [{"name": n, "arguments": _normal(c["arguments"])} for n, c in zip(names, calls, strict=True)]
    return Score(value=float(not wrong), answer=way, explanation="; ".join(wrong) or None)


def _normal(value: Json) -> Json:
    """A value of an argument without what is form alone: case, blanks, how a number is written; what is empty is left out."""
    if isinstance(value, Mapping):
        return {k: _normal(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_normal(v) for v in value]
    if isinstance(value, str):
        text = " ".join(value.split()).casefold()
        found = number(text)
        return text if found is None else found
    return value


def _own_names(names: list[str], variant: Variant) -> list[str]:
    """Names of called tools as the task has them, where the variant renamed them."""
    shown = variant.draft.tool_names
    return [shown.get(n, f"{n} (not offered)") for n in names] if shown else names


def _check_calls(case: Case, **_: Any) -> str | None:
    try:
        _wanted(case.target)
    except (TypeError, ValueError) as e:
        return str(e)
    return None


def not_offered(target: Json, tools: Sequence[str]) -> str | None:
    """The first tool that a right call names and the task does not offer; None where it offers all."""
    return next((name for name, _ in _wanted(target) if name not in tools), None)


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


def _tool_call(completion: Completion, variant: Variant, *, arguments: bool | str, order: bool) -> Score:
    calls = calls_of(completion)
    names = _own_names([str(call["name"]) for call in calls], variant)
    calls = [{**call, "name": name} for call, name in zip(calls, names, strict=True)]
    wanted = _wanted(variant.target)
    if isinstance(arguments, str):
        calls = [{**call, "arguments": _normal(call["arguments"])} for call in calls]
        wanted = [(name, _normal(held)) for name, held in wanted]
    if not calls:
        text = completion.text.strip()
        if not text:
            return unparsed("the reply calls no tool and says nothing")
        return Score(value=float(not wanted), answer=text if wanted else [])
    answer = calls if arguments else [call["name"] for call in calls]
    if not order:
        answer = sorted(answer, key=canonical_json)
    made = [(str(call["name"]), call["arguments"]) for call in calls]
    value = (
        _share(made, wanted, order)
        if arguments == "each"
        else float(_match(made, wanted, bool(arguments), order))
    )
    return Score(value=value, answer=answer)


def _share(made: list[tuple[str, Json]], wanted: list[tuple[str, Json]], order: bool) -> float:
    """The share of the target's arguments that are right; 0 where not the same tools are called."""
    if not order:
        made, wanted = (sorted(calls, key=lambda c: (c[0], canonical_json(c[1]))) for calls in (made, wanted))
    if not wanted or [name for name, _ in made] != [name for name, _ in wanted]:
        return float(not wanted and not made)
    right = of = 0
    for (_, held), (_, target) in zip(made, wanted, strict=True):
        if not isinstance(target, Mapping):
            right, of = right + (target is None or same(held, target)), of + 1
            continue
        own = held if isinstance(held, Mapping) else {}
        names = target.keys() | own.keys()
        right += sum(n in own and n in target and same(own[n], target[n]) for n in names)
        of += len(names)
    return right / of if of else 1.0


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
