"""When two answers are the same answer: asked by scores, flips, agreement, comparisons, shrinking and the explorer.

Numbers are compared as numbers, however they are written: ``7``, ``7.0``, ``"7"``, ``"7.0"``, ``"+7"`` and ``"70e-1"``
are one answer. So are the numbers within lists and objects. A text is a number if it is nothing but a decimal number;
one that begins with a needless zero (``"007"``) is a name. Booleans are neither numbers nor texts. Any other text is
compared character by character: what a scorer does not tell apart, it writes alike. Order counts in lists, not in
objects. NaN equals nothing, not even itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Mapping
from decimal import Decimal
from typing import TypeAlias

from robusttest.core.nouns import Json, Record

Key: TypeAlias = Hashable
"""Equal for equal answers; a text that is no number is its own key."""

_NUMBER = re.compile(
    r"([+-]?)(?:(0|[1-9][0-9]*)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]{1,9}))?", re.ASCII
)
_BEGINS = frozenset("+-.0123456789")
LONGEST = 1_000
"""Characters of the longest text that is read as a number."""


def same(a: Json, b: Json) -> bool:
    """Whether two values are one answer."""
    first = key(a)
    return first is not None and first == key(b)


def among(value: Json, others: Iterable[Json]) -> bool:
    """Whether a value is the same answer as one of the others."""
    mine = key(value)
    return mine is not None and any(mine == key(other) for other in others)


def key(value: Json) -> Key | None:
    """What equal answers share, to group them by. None for what equals nothing: NaN, and what is no JSON."""
    if isinstance(value, str):
        if value[:1] not in _BEGINS:
            return value
        return _of_text(value) or value
    if isinstance(value, bool) or value is None:
        return (value,)
    if isinstance(value, int | float):
        return _of_number(value)
    try:
        return (json.dumps(_leaves(value), sort_keys=True, separators=(",", ":")),)
    except (TypeError, ValueError, RecursionError):
        return None


def number(value: Json) -> float | None:
    """The number that an answer is; None where it is none, or beyond what a float holds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and _of_text(value) is None:
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if abs(found) < float("inf") else None


def flipped(before: Record, after: Record) -> bool | None:
    """Whether the answer moved between two rows of one case; None where that can't be said.

    Of two readable replies by `same`. A readable and an unreadable one (unparsed, refused) differ. Two unreadable ones
    agree where the raw replies are equal, else nothing can be said of them; nor of a row without a reply.
    """
    readable = [_READABLE.get(r.status) for r in (before, after)]
    if None in readable:
        return None
    if all(readable):
        return (
            None if before.answer is None or after.answer is None else not same(before.answer, after.answer)
        )
    if any(readable):
        return True
    return False if before.reply is not None and before.reply == after.reply else None


_READABLE = {"ok": True, "unparsed": False, "refused": False}


def _of_text(text: str) -> Key | None:
    if len(text) > LONGEST or not (found := _NUMBER.fullmatch(text)):
        return None
    sign, whole, fraction, alone, power = found.groups()
    fraction = fraction or alone or ""
    digits = ((whole or "") + fraction).lstrip("0")
    if not digits:
        return _ZERO
    short = digits.rstrip("0")
    exponent = int(power or 0) - len(fraction) + len(digits) - len(short)
    return ("-" if sign == "-" else "", short, exponent)


_ZERO = ("", "", 0)


def _of_number(value: float) -> Key | None:
    if not isinstance(value, int):
        # The shortest text that reads back as this number: 0.1 is "0.1".
        return _of_text(repr(float(value)))
    sign, digits, _ = Decimal(value).as_tuple()
    text = "".join(map(str, digits))
    short = text.rstrip("0")
    return ("-" if sign else "", short, len(text) - len(short)) if short else _ZERO


def _leaves(value: Json) -> Json:
    """The value with each text and number marked for what it is, so that no text looks like a number's key."""
    if isinstance(value, Mapping):
        return {str(name): _leaves(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_leaves(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, str | int | float):
        raise TypeError(f"{type(value).__name__} is no JSON")
    found = key(value)
    if found is None:
        raise ValueError("NaN equals nothing")
    return found if isinstance(found, str) else {"": list(found)}  # type: ignore[call-overload]  # no text: a tuple
