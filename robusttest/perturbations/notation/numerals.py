"""English numbers as words and back, 0 to 999,999."""

from __future__ import annotations

import re

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = dict(
    zip(
        range(20, 100, 10),
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"],
        strict=True,
    )
)
_VALUES = {word: n for n, word in enumerate(_ONES)} | {word: n for n, word in _TENS.items()}
LARGEST = 999_999


def to_words(n: int) -> str:
    """``1205`` → ``one thousand two hundred and five``; 0 ≤ n ≤ 999,999."""
    if not 0 <= n <= LARGEST:
        raise ValueError(f"{n} is not from 0 to {LARGEST}")
    if n < 20:
        return _ONES[n]
    if n < 100:
        return _TENS[n - n % 10] + (f"-{_ONES[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{_ONES[n // 100]} hundred" + (f" and {to_words(n % 100)}" if n % 100 else "")
    rest = n % 1000
    joint = " and " if 0 < rest < 100 else " "
    return f"{to_words(n // 1000)} thousand" + (joint + to_words(rest) if rest else "")


def from_words(text: str) -> int | None:
    """``two hundred and five`` → 205; None where the words are not one number (``nineteen ninety``, ``two three``)."""
    words = re.split(r"[\s-]+", text.strip().lower())
    total = 0
    if "thousand" in words:
        at = words.index("thousand")
        head = _below_thousand(words[:at])
        if not head or words.count("thousand") > 1:
            return None
        total, words = head * 1000, words[at + 1 :]
        if not words:
            return total
        if words[0] == "and":
            words = words[1:]
            if "hundred" in words:
                return None
    rest = _below_thousand(words)
    return None if rest is None or (total and not rest) else total + rest


def _below_thousand(words: list[str]) -> int | None:
    if not words:
        return None
    if "hundred" in words:
        at = words.index("hundred")
        head = 1 if words[:at] == ["a"] else _VALUES.get(words[0]) if at == 1 else None
        if head is None or not 0 < head < 10:
            return None
        rest = words[at + 1 :]
        if rest[:1] == ["and"]:
            rest = rest[1:]
            if not rest:
                return None
        if not rest:
            return head * 100
        tail = _below_hundred(rest)
        return None if not tail else head * 100 + tail
    return 1 if words == ["a"] else _below_hundred(words)


def _below_hundred(words: list[str]) -> int | None:
    values = [_VALUES.get(w) for w in words]
    match values:
        case [int(n)]:
            return n
        case [int(tens), int(ones)] if tens >= 20 and 0 < ones < 10:
            return tens + ones
        case _:
            return None


_WORD = "|".join(sorted([*_VALUES, "hundred", "thousand"], key=lambda w: (-len(w), w)))
WORDED = re.compile(
    rf"(?<![\w'’-])(?:a[ \t](?=hundred|thousand))?(?:{_WORD})(?:(?:[ \t]|-|[ \t]and[ \t])(?:{_WORD}))*(?![\w'’-])",
    re.IGNORECASE,
)
"""A longest run of number words; `from_words` decides whether it is one number."""

DIGITS = re.compile(
    r"(?<![\w.,:/#$€£¥₹&@+=~^*'’-])(?:\d{1,3}(?:,\d{3})|\d{1,6})(?![\w%°€£¥/:=@^*'’-]|[.,]\d)"
)
"""A whole number that stands alone: no decimals, dates, times, money, percent, versions or parts of a name."""
