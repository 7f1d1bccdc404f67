"""What may be edited and what must stand: protected spans, words, graphemes, scripts.

Everything here is a pure function of the text, takes time linear in its length, and is cached for the texts
that were asked about last, because every variant of a case asks again.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from robusttest.core.nouns import Case, Json
from robusttest.errors import UsageError
from robusttest.perturbations.base.patterns import PATTERNS, blocks, pattern
from robusttest.perturbations.base.segments import segments


class Span(NamedTuple):
    """Characters ``start:end`` are protected, and why (one of `KINDS`)."""

    start: int
    end: int
    kind: str


KINDS = (*PATTERNS, "label", "custom")
"""Why something is protected. A perturbation that is about one of them allows it (``allow=("number",)``).

``label``: the target and the choices of the case; ``custom``: the user's own ``protect``."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def unusable(text: str) -> str | None:
    """Why no perturbation of characters or words can act on this text at all; None where one can."""
    if not text:
        return "the text is empty"
    if text.isspace():
        return "the text is only whitespace"
    if not text.isascii() and _SURROGATE.search(text):
        return "the text holds lone surrogates (broken UTF-16): it is not text that a model can be sent"
    return None


def protected_spans(
    text: str,
    *,
    case: Case | None = None,
    extra: Iterable[str | re.Pattern[str]] = (),
    allow: Collection[str] = (),
) -> tuple[Span, ...]:
    """The parts of ``text`` that an edit must leave alone, sorted, not overlapping.

    ``case`` adds its target and choices wherever they stand as words, and the words of an answer that is made of the
    text's own (a list to be sorted); ``extra`` is the user's own list: a
    string is literal text, ``"re:…"`` or a compiled pattern is a regular expression. ``allow`` names kinds
    (of `KINDS`) that the caller means to change and which are therefore not protected.
    """
    for kind in allow:
        if kind not in KINDS:
            raise UsageError(f"allow={kind!r}: no such kind of protected text. Known: {', '.join(KINDS)}")
    labels: tuple[str, ...] = ()
    if case is not None and "label" not in allow:
        labels = _labels(case)
        if not case.choices and isinstance(case.target, str):
            labels += _taken_words(text, case.target)
    return _protected(text, labels, protect_rules(extra), tuple(sorted(allow)))


def protect_rules(rules: Iterable[str | re.Pattern[str]]) -> tuple[str, ...]:
    """User's ``protect`` in its plain form: literal strings and ``re:…`` patterns, each checked.

    >>> protect_rules(["Acme", re.compile("[A-Z]-[0-9]+")])
    ('Acme', 're:[A-Z]-[0-9]+')
    """
    if isinstance(rules, str | re.Pattern):
        rules = (rules,)
    plain: list[str] = []
    for rule in rules:
        if isinstance(rule, re.Pattern):
            flags = "".join(c for c in "aimsx" if rule.flags & getattr(re, c.upper()))
            rule = f"re:(?{flags}:{rule.pattern})" if flags else f"re:{rule.pattern}"
        if not isinstance(rule, str) or not rule or rule == "re:":
            raise UsageError(f"protect={rule!r}: give non-empty texts, 're:…' patterns or compiled patterns")
        if rule.startswith("re:"):
            _user_pattern(rule)
        plain.append(rule)
    return tuple(plain)


@cache
def _user_pattern(rule: str) -> re.Pattern[str]:
    try:
        return re.compile(rule[3:]) if rule.startswith("re:") else re.compile(re.escape(rule))
    except re.error as e:
        raise UsageError(f"protect={rule!r}: not a regular expression ({e})") from None


def _labels(case: Case) -> tuple[str, ...]:
    if case.target is None and case.choices is None:
        return ()
    if case.target is None or isinstance(case.target, str | int | float):
        return _plain_labels(case.target, case.choices)
    return _listed_labels(case.target, case.choices)


@lru_cache(maxsize=1024, typed=True)
def _plain_labels(target: Json, choices: tuple[str, ...] | None) -> tuple[str, ...]:
    return _listed_labels(target, choices)


def _listed_labels(target: Json, choices: tuple[str, ...] | None) -> tuple[str, ...]:
    found: set[str] = set()

    def add(value: Json) -> None:
        if isinstance(value, str):
            found.add(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.add(str(value))
        elif isinstance(value, list | tuple):
            for item in value:
                add(item)
        elif isinstance(value, dict):
            add(list(value.values()))

    add(target)
    add(choices or ())
    found.discard("")
    return tuple(sorted(found))


def longest_label(case: Case) -> int:
    """Characters of the longest label, where one is of several words; 0 where all are words."""
    return max((len(label) for label in _labels(case) if " " in label), default=0)


@lru_cache(maxsize=256)
def _taken_words(text: str, target: str) -> tuple[str, ...]:
    """The words of a target of three words or more, all of which the text has: one misspelt is another answer."""
    wanted = set(_word_pattern().findall(target.lower()))
    if len(wanted) < 3 or not wanted.issubset(_word_pattern().findall(text.lower())):
        return ()
    return tuple(sorted(wanted))


def labels_in(text: str, case: Case) -> Counter[str]:
    """How often the target and each choice of the case stands in the text, in small letters."""
    labels = _labels(case)
    return Counter(m[0].lower() for m in _label_pattern(labels).finditer(text)) if labels else Counter()


@lru_cache(maxsize=256)
def _label_pattern(labels: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(labels, key=lambda x: (-len(x), x))
    return re.compile(rf"(?i:(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w))")


@lru_cache(maxsize=512)
def _protected(
    text: str, labels: tuple[str, ...], rules: tuple[str, ...], allow: tuple[str, ...]
) -> tuple[Span, ...]:
    if "acronym" not in allow and _shouts(text):
        allow = (*allow, "acronym")
    found = [
        Span(m.start(), m.end(), m.lastgroup or "")
        for m in pattern(allow).finditer(text)
        if m.end() > m.start()
    ]
    if "json" not in allow:
        found += json_spans(text)
    if "code" not in allow and "\n" in text:
        found += [Span(start, end, "code") for start, end in blocks(text)]
    if labels:
        found += [Span(m.start(), m.end(), "label") for m in _label_pattern(labels).finditer(text)]
    for rule in rules:
        found += [
            Span(*m.span(), "custom") for m in _user_pattern(rule).finditer(text) if m.end() > m.start()
        ]
    return merge(found)


def merge(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sorted, overlapping ones joined under the kind of the first."""
    out: list[Span] = []
    for span in sorted(spans):
        if out and span.start < out[-1].end:
            if span.end > out[-1].end:
                out[-1] = out[-1]._replace(end=span.end)
        else:
            out.append(span)
    return tuple(out)


def _shouts(text: str) -> bool:
    """In a text that is mostly capitals, capitals do not mark an acronym."""
    upper = lower = 0
    for c in text[:2000]:
        upper += c.isupper()
        lower += c.islower()
    return upper > lower and upper >= 12


_JSON_START = re.compile(r"[\[{]\s{0,40}[\[{\"\d\-tfn\]}]")
_BRACKET = re.compile(r"[\[\]{}]")
_UNMATCHED_TRIES = 50


def json_spans(text: str) -> Iterator[Span]:
    """JSON objects and arrays anywhere in the text, found with the real parser and bounded work."""
    if "{" not in text and "[" not in text:
        return
    matched: set[int] = set()
    stack: list[int] = []
    for bracket in _BRACKET.finditer(text):
        if bracket[0] in "[{":
            stack.append(bracket.start())
        elif stack:
            matched.add(stack.pop())
    decoder = json.JSONDecoder()
    # A bracket without a partner may still begin JSON (its partner was one inside a string); most don't, and
    # each failure costs time in proportion to its place.
    at, work, tries = 0, 4 * len(text) + 1000, _UNMATCHED_TRIES
    while work > 0 and (m := _JSON_START.search(text, at)):
        start = m.start()
        at = start + 1
        if start not in matched:
            tries -= 1
            if tries < 0:
                continue
        try:
            value, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as e:
            work -= max(e.pos - start, 1)
        except RecursionError:
            return
        else:
            work -= end - start
            at = end
            if value:
                yield Span(start, end, "json")


# --- words, graphemes, scripts ------------------------------------------------------------------------------


@cache
def _marks() -> str:
    """Character class of everything that hangs on the character before it: marks, joiners, selectors."""
    ranges: list[list[int]] = []
    for code in (*range(0x300, 0x1F000), *range(0xE0100, 0xE01F0)):
        if unicodedata.category(chr(code))[0] == "M" or code in (0x200C, 0x200D):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in ranges)


@cache
def _word_pattern() -> re.Pattern[str]:
    return re.compile(rf"[^\W\d_](?:[^\W\d_]|[{_marks()}])*")


@cache
def _grapheme_pattern() -> re.Pattern[str]:
    joined = rf"[{_marks()}\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
    return re.compile(
        rf"\r\n|[\U0001f1e6-\U0001f1ff]{{2}}{joined}*|(?s:.){joined}*(?:(?<=\u200d)[^\s\w]{joined}*)*"
        # Thai and Lao vowels written before their consonant belong to it on paper, not in Unicode.
    )


def graphemes(text: str) -> list[str]:
    """What a reader takes for one character each: base and marks, emoji with modifiers and joiners, flags.

    >>> len(graphemes("नि")), len(graphemes("👩🏽‍🚀")), len(graphemes("🇫🇷"))
    (1, 1, 1)
    """
    return list(text) if text.isascii() and "\r\n" not in text else _grapheme_pattern().findall(text)


def tears(text: str) -> bool:
    """True if a mark hangs on nothing: at the start, or after a space."""
    if text.isascii():
        return False
    previous = " "
    for c in text:
        if previous.isspace() and unicodedata.category(c)[0] == "M":
            return True
        previous = c
    return False


_SCRIPT_NAMES = {"Cjk": "Han", "Fullwidth": "Latin", "Halfwidth": "Katakana"}


@lru_cache(maxsize=4096)
def script_of(char: str) -> str:
    """``Latin``, ``Cyrillic``, ``Han``, ``Devanagari`` …: the first word of the character's Unicode name."""
    if char.isascii():
        return "Latin" if char.isalpha() else "Common"
    name = unicodedata.name(char, "Unknown").split()[0].split("-")[0].capitalize()
    return _SCRIPT_NAMES.get(name, name)


def script_of_word(word: str) -> str:
    """The script of its letters; ``Mixed`` where there are several."""
    if word.isascii():
        return "Latin"
    scripts = {script_of(c) for c in word if c.isalpha()}
    return scripts.pop() if len(scripts) == 1 else "Mixed"


_UNSPACED = frozenset({"Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"})
"""Scripts that are written without spaces between words."""


def spaced(text: str) -> bool:
    """Whether most letters of the text are of scripts that set words apart by spaces."""
    if text.isascii():
        return True
    letters = [c for c in text[:2000] if c.isalpha()]
    return 2 * sum(script_of(c) in _UNSPACED for c in letters) <= len(letters)


_ASCII_WORD = re.compile(r"[A-Za-z]+")


def unspaced_scripts(text: str) -> frozenset[str]:
    """The scripts of its letters that are written without spaces."""
    if text.isascii():
        return frozenset()
    return frozenset({script_of(c) for c in set(text) if ord(c) > 0x0E00} & _UNSPACED)


def pieces(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Runs of letters, and the words within a run of a script without spaces."""
    scripts = unspaced_scripts(text)
    for m in pattern.finditer(text):
        start, end = m.span()
        found = segments(m[0], scripts) if scripts and unspaced_scripts(m[0]) else None
        if found is None:
            yield start, end
            continue
        for part in found:
            yield start, start + len(part)
            start += len(part)


@lru_cache(maxsize=512)
def words(
    text: str, protected: tuple[Span, ...], min_letters: int = 1, scripts: tuple[str, ...] = ("any",)
) -> tuple[tuple[int, int], ...]:
    """Spans of words (letters with their marks) outside the protected ones; of Chinese, Japanese and Thai those of `segments`.

    A word that touches a digit, an underscore or an apostrophe's other side of a protected span is part of
    something else and is left out.
    """
    pattern = _ASCII_WORD if text.isascii() else _word_pattern()
    anywhere = "any" in scripts
    out: list[tuple[int, int]] = []
    n = len(text)
    i = 0
    for start, end in pieces(text, pattern):
        while i < len(protected) and protected[i].end <= start:
            i += 1
        if i < len(protected) and protected[i].start < end:
            continue
        if (start and (text[start - 1].isdigit() or text[start - 1] == "_")) or (
            end < n and (text[end].isdigit() or text[end] == "_")
        ):
            continue
        if end - start < min_letters:
            continue
        if not anywhere and script_of_word(text[start:end]) not in scripts:
            continue
        out.append((start, end))
    return tuple(out)


def outside(start: int, end: int, protected: Sequence[Span]) -> bool:
    """Whether ``start:end`` touches no protected character (an empty span must not stand inside one)."""
    lo, hi = 0, len(protected)
    while lo < hi:
        mid = (lo + hi) // 2
        if protected[mid].end <= start:
            lo = mid + 1
        else:
            hi = mid
    if lo == len(protected):
        return True
    return protected[lo].start >= end
