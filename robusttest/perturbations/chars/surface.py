"""Casing, whitespace, punctuation: the same words, written in another way."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from robusttest.core.nouns import Edit, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import (
    Edited,
    apply_edits,
    edit_words,
    parse_severity,
    replace_spans,
    text_perturbation,
)
from robusttest.perturbations.base.letters import lower, swapped, title, upper
from robusttest.perturbations.base.lexicon import english
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span, graphemes, words

_CASED = ("Latin", "Greek", "Cyrillic", "Armenian")


_CASINGS: dict[str, Callable[[str, str], str]] = {
    "lower": lower,
    "upper": upper,
    "title": title,
    "swap": swapped,
}
_AFTER_APOSTROPHE = re.compile(r"\w['’]$")


@fielded
def casing(how: str | None = None) -> Perturbation:
    """All words in ``lower``, ``upper`` or ``title`` case, or with the case of each letter ``swap``-ped.

    Without an argument these four in turn, one a variant and the same for all its fields; one that changes nothing is
    left out. Letters change as the language has it. Acronyms, units, placeholders and code keep their case.
    """
    if how is not None and how not in _CASINGS:
        raise UsageError(f"casing:{how}: give one of {', '.join(_CASINGS)}")
    hows = [how] if how is not None else list(_CASINGS)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], language: str, way: str
    ) -> Edited | NotApplicable:
        change = _CASINGS[way]
        spans = words(text, protected, 1, _CASED)
        if not spans:
            return NotApplicable(reason="no letters with a case outside protected text")
        if way == "title":  # Doesn't, and not Doesn'T
            spans = tuple((s, e) for s, e in spans if not _AFTER_APOSTROPHE.search(text, max(s - 2, 0), s))
        made = ((s, e, change(text[s:e], language)) for s, e in spans)
        edits = tuple(Edit(s, e, new) for s, e, new in made if new != text[s:e])
        if not edits:
            return NotApplicable(reason=f"the text is in {way} case already")
        return apply_edits(text, edits), edits

    return text_perturbation(
        "casing",
        fn,
        spec="casing" if how is None else f"casing:{how}",
        limit=len(hows),
        ways=hows,
        scripts=_CASED,
        changes=("negation", "number_word", "label", "share"),
        description="lower, upper, title or swapped case",
    )


_GAP = re.compile(r"(?<=\S) (?=\S)")


@fielded
def whitespace(severity: float | str | None = None) -> Perturbation:
    """Double spaces, tabs and no-break spaces for ``severity`` (0.1) of the gaps, and now and then a trailing one."""
    value, spec = parse_severity("whitespace", severity, default=0.1)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        begins, ends = {s.start for s in protected}, {s.end for s in protected}

        def gaps() -> Iterator[tuple[int, int, str]]:
            for m in _GAP.finditer(text):
                if m.start() in ends and m.end() in begins:
                    continue  # within a formula, a telephone number, a line of code
                for new in ("  ", "   ", "\t", "\u00a0"):
                    yield m.start(), m.end(), new
            for new in (" ", "  "):
                yield 0, 0, new
                yield len(text), len(text), new

        return replace_spans(text, gaps(), rng=rng, protected=protected, severity=value, what="gap")

    return text_perturbation(
        "whitespace", fn, spec=spec, severity=value, description="double spaces, tabs, no-break spaces"
    )


_MARK = re.compile(
    r"(?<![\d\s.])(?:[,;:!?]|\.(?!\.))(?![\d\w.])|(?<!\w)[\"“”](?=\w)|(?<=[\w.!?])[\"“”](?!\w)|(?<=\w)['’](?=\w)| [–—-] "
)
_ALTERNATIVES = {
    ",": ("", " ,", ";"),
    ";": (",", " ;"),
    ":": (" :", " -"),
    ".": ("", " .", "..", "!"),
    "!": (".", "!!", " !"),
    "?": ("", "??", " ?"),
    "'": ("’", "`", "´"),
    "’": ("'", "`", "´"),
    '"': ("“", "”", "''"),
    "“": ('"', "«", "„"),
    "”": ('"', "»", "''"),
    " - ": (" – ", " — ", "—"),
    " – ": (" - ", " — ", "–"),
    " — ": (" - ", " – ", "—"),
}  # fmt: skip


@fielded
def punctuation(severity: float | str | None = None) -> Perturbation:
    """Marks dropped, doubled, spaced or drawn differently (curly quotes, dashes), ``severity`` (0.1) of them.

    A text that ends without a mark may get one.
    """
    value, spec = parse_severity("punctuation", severity, default=0.1)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        def marks() -> Iterator[tuple[int, int, str]]:
            for m in _MARK.finditer(text):
                for new in _ALTERNATIVES[m[0]]:
                    yield m.start(), m.end(), new
            end = len(text.rstrip())
            if text[end - 1].isalpha():
                for new in (".", "..", "!", " ."):
                    yield end, end, new

        return replace_spans(text, marks(), rng=rng, protected=protected, severity=value, what="mark")

    return text_perturbation(
        "punctuation",
        fn,
        spec=spec,
        severity=value,
        description="marks dropped, doubled or drawn differently",
    )


@fielded
def doubled(severity: float | str | None = None) -> Perturbation:
    """One letter typed twice in ``severity`` (0.1) of the words of three letters or more."""
    value, spec = parse_severity("doubled", severity, default=0.1)

    def edit(word: str, rng: random.Random) -> str | None:
        parts = graphemes(word)
        i = rng.randrange(len(parts))
        return "".join(parts[: i + 1] + parts[i:])

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        return edit_words(
            text, severity=value, rng=rng, edit_word=edit, protected=protected, min_letters=3, scripts=_SPACED
        )

    return text_perturbation(
        "doubled", fn, spec=spec, severity=value, scripts=_SPACED, description="a letter typed twice"
    )


_SPACED = (
    "Latin", "Greek", "Cyrillic", "Armenian", "Georgian", "Hebrew", "Arabic", "Devanagari", "Bengali", "Gurmukhi",
    "Gujarati", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Hangul", "Ethiopic",
)  # fmt: skip

_WORD_GAP = re.compile(r"(?<=[^\W\d_]) (?=[^\W\d_])")


@fielded
def missing_space(severity: float | str | None = None) -> Perturbation:
    """The space between two words left out, at ``severity`` (0.1) of the places; never next to protected text."""
    value, spec = parse_severity("missing_space", severity, default=0.1)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        borders = {s.end for s in protected} | {s.start - 1 for s in protected}
        gaps = ((m.start(), m.end(), "") for m in _WORD_GAP.finditer(text) if m.start() not in borders)
        return replace_spans(
            text, gaps, rng=rng, protected=protected, severity=value, what="gap between two words"
        )

    return text_perturbation(
        "missing_space", fn, spec=spec, severity=value, description="two words run together"
    )


_ROMAN = re.compile(r"[IVX]+")
_AFTER_NAME = re.compile(r"[A-Z][\w.]* \Z|(?i:chapter|part|section|volume|book|century|no\.) \Z")
_LARGE_ROMAN = re.compile(r"M*(?:C[MD]|D?C*)(?:X[CL]|L?X*)(?:I[XV]|V?I*)")
"""``Super Bowl XL`` is the fortieth; a shirt in XL is no number."""
_ACRONYM = re.compile(r"(?<![\w./'’-])(?![ACGTU]{5})[A-Z]{2,6}(?![\w./'’-])")  # no MM/DD/YYYY, no TCP/IP


_QUOTED = re.compile(r"([\"'`])[^\"'`]+\1")
"""A value in quotation marks is meant letter by letter."""


@fielded
def acronyms() -> Perturbation:
    """Acronyms in small letters, as people type them: ``xl`` for ``XL``, ``nasa`` for ``NASA``; the first variant all, others some.

    One that is another word in small letters (``US``, ``IT``, ``WHO``) stays, and so does each in a text of capitals.
    """

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        if sum(c.isupper() for c in text) > sum(c.islower() for c in text):
            return NotApplicable(reason="the text is in capitals")
        made = (
            (m.start(), m.end(), m[0].lower())
            for m in _ACRONYM.finditer(text)
            if m[0].lower() not in english("acronyms_that_are_words")
            and not _ROMAN.fullmatch(m[0])
            and not (
                _LARGE_ROMAN.fullmatch(m[0]) and _AFTER_NAME.search(text, max(0, m.start() - 24), m.start())
            )
            and not _QUOTED.fullmatch(text, max(m.start() - 1, 0), m.end() + 1)
        )
        part = None if index == 0 else 1 - rng.random()
        return replace_spans(text, made, rng=rng, protected=protected, severity=part, what="acronym")

    return text_perturbation(
        "acronyms",
        fn,
        scripts=("Latin",),
        languages=("en",),
        changes=("acronym", "share"),
        description="acronyms in small letters: xl, nasa",
    )
