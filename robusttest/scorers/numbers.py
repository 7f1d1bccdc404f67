"""The number that a reply gives as its answer: ``The answer is 1,234.50.``, ``#### 42``, ``3/4``, ``−7 %``."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import NamedTuple

from robusttest.core.nouns import Case, Completion, Json, Score, Variant
from robusttest.errors import UsageError
from robusttest.scorers.protocol import SCORERS, Scorer, unparsed
from robusttest.scorers.text import accepted

_CUE = re.compile(
    r"\banswers?\b(?:\s+(?:is|are|was|equals|would be|should be))?\s*[:=]?|\bresult\b\s*(?:is|[:=])|#{4}|\\boxed\b",
    re.IGNORECASE,
)
_MINUS = str.maketrans({"−": "-", "–": "-", "‒": "-", "﹣": "-", "－": "-"})
_LATEX = re.compile(r"\\[dt]?frac\s*\{\s*(-?[\d.,]+)\s*\}\s*\{\s*(-?[\d.,]+)\s*\}")
_LATEX_NOISE = re.compile(r"\\[,;! ]|\\text\{[^{}]*\}|\{,\}")
_CUES = 8
"""The last cues that are looked at."""

_DIGITS = 400
"""Digits beyond which no float tells two numbers apart from infinity."""


class Read(NamedTuple):
    """A number as it was written: ``50%`` is 50 with ``percent``."""

    value: float
    percent: bool


@SCORERS.register("numeric")
def numeric(
    tolerance: float | str = 0.0, *, relative: float = 1e-9, decimal: str = ".", which: str = "last"
) -> Scorer:
    r"""The reply's number is the target: within ``tolerance`` of it, or within ``relative`` times its size.

    The number is read after the last cue (``The answer is``, ``####``, ``\boxed``) where there is one, else the last
    number of the reply (``which="first"``: the first). Thousands separators, signs, fractions (``3/4``, ``1 1/2``),
    powers of ten and currency signs are understood; ``decimal=","`` reads ``1.234,5``. A percentage equals the target
    written as one (``50%`` is right for ``"50%"``, 50 and 0.5). The answer is the number, and the target's own
    where it is right. A reply without a number is unparsed.
    """
    try:
        tolerance = float(tolerance)
        ok = tolerance >= 0 and relative >= 0 and math.isfinite(tolerance) and math.isfinite(relative)
    except (TypeError, ValueError):
        ok = False
    if not ok:
        raise UsageError(
            f"numeric(tolerance={tolerance!r}, relative={relative!r}): numbers that are not negative"
        )
    if decimal not in (".", ","):
        raise UsageError(f"numeric(decimal={decimal!r}): '.' or ','")
    if which not in ("first", "last"):
        raise UsageError(f"numeric(which={which!r}): 'first' or 'last'")
    options = {"tolerance": tolerance, "relative": relative, "decimal": decimal, "which": which}
    return Scorer("numeric", _numeric, options, check=_check)


def _check(case: Case, *, decimal: str, **_: object) -> str | None:
    for target in accepted(case.target):
        if _target(target, decimal) is None:
            return f"the target {target!r} is no number"
    return None if accepted(case.target) else "the target is an empty list: no answer would be right"


def _target(target: Json, decimal: str) -> Read | None:
    if isinstance(target, bool):
        return None
    if isinstance(target, int | float):
        return Read(float(target), False) if abs(target) < 1e300 else None
    # As it stands, or as GSM8K writes it: a derivation, and "#### 42" at its end.
    return read_number(target, decimal) if isinstance(target, str) else None


def _numeric(
    completion: Completion, variant: Variant, *, tolerance: float, relative: float, decimal: str, which: str
) -> Score:
    found = read_number(completion.text, decimal, which)
    if found is None:
        return unparsed("no number in the reply" if completion.text.strip() else "the reply is empty")
    for target in accepted(variant.target):
        wanted = _target(target, decimal)
        if wanted is not None and _equal(found, wanted, tolerance, relative):
            return Score(value=1.0, answer=_plain(wanted.value))
    return Score(value=0.0, answer=_plain(found.value))


def _equal(found: Read, wanted: Read, tolerance: float, relative: float) -> bool:
    pairs = [(found.value, wanted.value)]
    if found.percent and not wanted.percent:
        pairs.append((found.value / 100, wanted.value))
    elif wanted.percent and not found.percent:
        pairs.append((found.value * 100, wanted.value))
    return any(abs(a - b) <= max(tolerance, relative * abs(b)) for a, b in pairs)


def _plain(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def read_number(text: str, decimal: str = ".", which: str = "last") -> Read | None:
    """The number that a text gives as its answer; None if it has none."""
    text = _LATEX.sub(r"(\1)/(\2)", _LATEX_NOISE.sub(lambda m: "," if m[0] == "{,}" else " ", text))
    text = text.translate(_MINUS)
    cues = [m.end() for m in _CUE.finditer(text)]
    for start in cues[: -_CUES - 1 : -1]:
        numbers = _numbers(text[start : start + 200], decimal)
        if numbers:
            # "The answer is 6 * 7 = 42": what follows the last equals sign of the sentence.
            return _after_equals(text[start : start + 200], decimal) or numbers[0]
    numbers = _numbers(text, decimal)
    if not numbers:
        return None
    return numbers[0] if which == "first" else numbers[-1]


_SUM = re.compile(r"[\s$*(]*\d[\d.,+\-*/×÷·()^$ ]*=")


def _after_equals(text: str, decimal: str) -> Read | None:
    line = text.lstrip().split("\n", 1)[0]
    found = _SUM.match(line)
    if found is None:
        return None
    numbers = _numbers(line[found.end() :], decimal)
    return numbers[0] if numbers else None


@lru_cache(maxsize=2)
def _pattern(decimal: str) -> re.Pattern[str]:
    group = r"[,'’_\u00a0\u202f\u2009]" if decimal == "." else r"[.'’_\u00a0\u202f\u2009]"
    point = re.escape(decimal)
    plain = rf"(?:\d{{1,3}}(?:{group}\d{{3}})+(?!\d)|\d+)(?:{point}\d+)?|{point}\d+"
    return re.compile(
        rf"(?<![\w.,])(?P<sign>[-+]?)\s?[$€£¥₹]?\s?(?P<sign2>-?)"
        rf"(?:(?P<whole>\d+)\s+(?P<n2>\d+)\s*/\s*(?P<d2>\d+)"
        rf"|\((?P<pn>-?(?:{plain}))\)/\((?P<pd>-?(?:{plain}))\)"
        rf"|(?P<number>{plain})(?:\s*/\s*(?P<d>{plain})(?!\s*/))?"
        rf"(?:[eE](?P<exp>[-+]?\d{{1,3}})|\s*(?:[×x*]|\\times|\\cdot)\s*10\s*\^\s*\{{?\s*(?P<pow>[-+]?\d{{1,3}})\s*\}}?)?)"
        rf"(?![\d]|{group}\d|{point}\d)(?P<percent>\s?(?:\\?%|percent\b|per cent\b))?"
    )


def _numbers(text: str, decimal: str) -> list[Read]:
    group = "," if decimal == "." else "."

    def value(digits: str) -> float:
        bare = re.sub(r"[\s'’_]", "", digits.replace(group, "")).replace(decimal, ".")
        return float(bare) if len(bare) <= _DIGITS else math.inf

    out = []
    for m in _pattern(decimal).finditer(text):
        try:
            if m["whole"]:
                number = value(m["whole"]) + value(m["n2"]) / value(m["d2"])
            elif m["pn"]:
                number = value(m["pn"]) / value(m["pd"])
            else:
                number = value(m["number"]) / (value(m["d"]) if m["d"] else 1)
                number *= 10.0 ** int(m["exp"] or m["pow"] or 0)
        except (ZeroDivisionError, OverflowError):
            continue
        if not math.isfinite(number):
            continue
        negative = (m["sign"] == "-") != (m["sign2"] == "-")
        out.append(Read(-number if negative and number else number, m["percent"] is not None))
    return out
