"""Which texts of a case a text perturbation varies: fields, and the parts of a conversation.

A text is known by a key: the field's name, ``input[0]`` for the content of the first message (or text) of a list,
``input[0][1]`` for its second part. Edits are kept under these keys. Who names fields may name turns of the user's in a
conversation, too: ``input[last]``, ``input[2]`` for the second one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from robusttest.core.nouns import Case, Draft, Json
from robusttest.errors import UsageError, did_you_mean
from robusttest.perturbations.base.spans import spaced

_KEY = re.compile(r"(.*?)((?:\[\d+\])*)\Z", re.DOTALL)
_TURN = re.compile(r"(.+)\[(last|[1-9]\d*)\]", re.DOTALL)
_ADDRESS = re.compile(
    r"\s*(?:(?:https?|s3|gs|file|ftp)://\S+|data:[\w/+.-]{1,80}[;,]\S*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|[\w./\\:-]+\.(?:png|jpe?g|gif|webp|svg|bmp|tiff?|mp[34]|wav|ogg|pdf|html?|json|csv|txt)"
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[-+\d.,:/TZ ]+|(?=\S{24,})[A-Za-z0-9+/_-]+=*)\s*"
)
"""A value that is no prose: an address, a file, an identifier, a number."""

_NO_PROSE = re.compile(
    r"(?i)(?:^|[_. -])(?:ids?|uid|uuid|guid|key|hash|ur[il]|link|image|img|photo|picture|audio|video|file|path|filename"
    r"|lang|language|locale|date|time|timestamp|created|updated|e?mail|phone|zip|code|type|kind|category|domain|label"
    r"|tags?|status|topic|level|role|split|source|licen[cs]e|country|author)\Z"
)
_CLAIMS = re.compile(
    r"(?i)(?:^|_)(?:hypothesis|claim|conclusion|statement|answer|response|reply|summary|(?:question|sentence|text|input|q|s)_?[2-9b])\Z"
)
"""Fields that say what is to be judged: a sentence added to one is part of the claim."""

ENUMERATION = 4
"""Words of a value that may be one of a list of values; longer ones are text."""


def texts(fields: Mapping[str, Json]) -> dict[str, str]:
    """Every text of the fields under its key."""
    if all(type(value) is str for value in fields.values()):
        return dict(fields)
    return {key: text for name, value in fields.items() for key, text in _texts(name, value)}


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            if isinstance(item, str):
                yield f"{key}[{i}]", item
            elif isinstance(item, Mapping):
                content = item.get(
                    "content", item.get("text") if item.get("type", "text") == "text" else None
                )
                if isinstance(content, str):
                    yield f"{key}[{i}]", content
                elif isinstance(content, list | tuple):
                    yield from _texts(f"{key}[{i}]", content)


def text_at(fields: Mapping[str, Json], key: str) -> str | None:
    """The text under a key; None where there is none."""
    value = fields.get(key)
    if isinstance(value, str):
        return value
    name = _name(key)
    return dict(_texts(name, fields.get(name))).get(key)


def with_texts(fields: Mapping[str, Json], new: Mapping[str, str]) -> dict[str, Json]:
    """A copy of the fields with these texts; lists and messages around them are copied, never changed."""
    out = dict(fields)
    for key, text in new.items():
        if isinstance(out.get(key), str):
            out[key] = text
            continue
        match = _KEY.match(key)
        assert match is not None
        path = [int(n) for n in re.findall(r"\d+", match[2])]
        out[match[1]] = _put(out[match[1]], path, text)
    return out


def _put(value: Any, path: Sequence[int], text: str) -> Any:
    if not path:
        if not isinstance(value, Mapping):
            return text
        return {**value, ("content" if "content" in value else "text"): text}
    if isinstance(value, Mapping):
        return {**value, "content": _put(value["content"], path, text)}
    items = list(value)
    items[path[0]] = _put(items[path[0]], path[1:], text)
    return tuple(items) if isinstance(value, tuple) else items


def _name(key: str) -> str:
    match = _KEY.match(key)
    return match[1] if match is not None else key


def free_fields(cases: Sequence[Case], shown: Collection[str] | None = None) -> tuple[str, ...]:
    """The fields that text perturbations vary where nobody says which: ``input``, else those of free text.

    ``shown`` are the names that the prompt shows; None: there is no prompt. Identifiers, addresses, and values of an
    enumeration (few different ones over the cases, each of a few words) are none.
    """
    names = list(dict.fromkeys(name for c in cases for name in c.fields))
    if any("input" in c.fields for c in cases):
        return ("input",)
    candidates = [n for n in names if shown is None or n in shown] or names
    prose = [n for n in candidates if _prose(n, [c.fields[n] for c in cases if n in c.fields])]
    if prose:
        return tuple(prose)
    return tuple(
        n for n in candidates if not _NO_PROSE.search(n) and any(_some_text(c.fields.get(n)) for c in cases)
    )


def _some_text(value: Any) -> bool:
    return any(not _ADDRESS.fullmatch(text) for _, text in _texts("", value))


def _prose(name: str, values: Sequence[Any]) -> bool:
    found = [text for v in values for _, text in _texts(name, v)]
    if not found:
        return False
    if any(not isinstance(v, str) for v in values):
        return any(len(t.split()) > 1 or not spaced(t) for t in found)
    longest = max(_words(t) for t in found)
    if all(_ADDRESS.fullmatch(t) for t in found) or (_NO_PROSE.search(name) and longest <= ENUMERATION):
        return False
    distinct = len(set(found))
    if len(found) >= 10 and distinct <= max(2, len(found) // 5) and longest <= ENUMERATION:
        return False
    return longest > 1


def _words(text: str) -> int:
    """Words of a text; four characters count for one where words are written without spaces."""
    return len(text.split()) if spaced(text) else max(len(text) // 2, 1)


def check_names(names: Collection[str], case: Case, where: str) -> None:
    """Raises `UsageError` for a field that the case does not have, and for a turn of what is no conversation."""
    for name in names:
        base, turn = _turn(name, case.fields)
        if turn is not None and base in case.fields and not _users(case.fields[base]):
            raise UsageError(
                f"{where}: field {base!r} of case {case.id!r} is no conversation with turns of the user's, so there is no {name!r}"
            )
        if base not in case.fields:
            raise UsageError(
                f"{where}: case {case.id!r} has no field {base!r}.{did_you_mean(base, case.fields)} It has: "
                f"{', '.join(case.fields) or 'none'}"
            )


def varied(draft: Draft) -> dict[str, str]:
    """The texts of a draft that a text perturbation acts on, by key, in the order of the fields."""
    case = draft.case
    names = draft.vary if draft.vary is not None else case.perturb
    if names is None:
        if isinstance(said := case.fields.get("input"), str):
            return {"input": said}
        names = free_fields([case], None if draft.prompt is None else shown(draft.prompt))
    asked: dict[str, list[str | None]] = {}
    for given in names:
        base, turn = _turn(given, case.fields)
        asked.setdefault(base, []).append(turn)
    out: dict[str, str] = {}
    for name, value in case.fields.items():
        if name in asked:
            out |= _in_turns(name, value, asked[name])
    return out


def _turn(name: str, fields: Mapping[str, Json]) -> tuple[str, str | None]:
    """A field's name, and which turn of the user's is meant: ``input[last]``, ``input[2]`` (from 1 on); None: all."""
    found = None if name in fields else _TURN.fullmatch(name)
    return (name, None) if found is None else (found[1], found[2])


def _users(value: Any) -> list[int]:
    """Where the user speaks, in a list of messages."""
    if not isinstance(value, list | tuple):
        return []
    return [i for i, m in enumerate(value) if isinstance(m, Mapping) and m.get("role") == "user"]


def _in_turns(name: str, value: Any, turns: Sequence[str | None]) -> dict[str, str]:
    found = _spoken(name, value)
    if None in turns:
        return found
    users = _users(value)
    places = [len(users) if t == "last" else int(t) for t in turns if t is not None]
    at = {users[place - 1] for place in places if place <= len(users)}  # a turn that is not there is none
    return {k: t for k, t in found.items() if int(k[len(name) + 1 :].partition("]")[0]) in at}


def _spoken(name: str, value: Any) -> dict[str, str]:
    """The texts of one field; of a conversation what the user says, where anyone is called the user."""
    found = dict(_texts(name, value))
    if isinstance(value, list | tuple):
        users = _users(value)
        if users:
            return {k: t for k, t in found.items() if int(k[len(name) + 1 :].partition("]")[0]) in users}
        if (
            found
            and all(isinstance(v, str) for v in value)
            and all(len(t.split()) == 1 for t in found.values())
        ):
            return {}  # a list of tokens
    return found


def why_none(draft: Draft) -> str:
    """Why `varied` gives nothing, for a reader."""
    case = draft.case
    lists = [n for n, v in case.fields.items() if isinstance(v, list | tuple) and v]
    if lists and all(isinstance(v, str) for v in case.fields[lists[0]]):
        return f"field {lists[0]!r} is a list of tokens: join them into one text"
    named = draft.vary if draft.vary is not None else case.perturb
    if named and all(_turn(n, case.fields)[1] is not None for n in named):
        return f"the conversation has no such turn of the user's: {', '.join(named)}"
    if any(isinstance(v, str) for v in case.fields.values()):
        return "the case has no field of free text to vary: name one by fields=[…]"
    return "the case has no text field"


def place_to_add(found: Mapping[str, str]) -> str:
    """The one text that a sentence may be added to: no claim to be judged, of a conversation the last turn."""
    names = list(dict.fromkeys(_name(k) for k in found))
    name = next((n for n in names if not _CLAIMS.search(n)), names[0])
    return [k for k in found if _name(k) == name][-1]


def shown(prompt: Any) -> frozenset[str]:
    """Names of the fields that a prompt shows."""
    written = [prompt.template, prompt.system]
    for message in prompt.messages or ():
        written += [text for _, text in _texts("", [message])]
    return frozenset(n for text in written if text for n in re.findall(r"\{([^{}:!]+)\}", text))


def with_language(case: Case, language: str | None, perturb: tuple[str, ...] | None) -> Case:
    """The case with the task's word on its language and the fields to vary, where it has none of its own."""
    if case.language is None and language is not None:
        case = replace(case, language=language)
    if case.perturb is None and perturb is not None:
        case = replace(case, perturb=perturb)
    return case
