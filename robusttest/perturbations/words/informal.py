"""English as it is spoken, dictated and texted: filler words, abbreviations, a speech recogniser's text."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from functools import cache

from robusttest.core.nouns import NotApplicable
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import (
    Edited,
    edit_words,
    parse_severity,
    replace_spans,
    text_perturbation,
)
from robusttest.perturbations.base.lexicon import begins_sentence, in_case_of, table
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span, words
from robusttest.perturbations.words.words import spell_candidates

_ENGLISH = ("en",)


@fielded
def fillers(severity: float | str | None = None) -> Perturbation:
    """Filler words as people speak them (``um``, ``you know``, ``I mean``), at ``severity`` (0.1) of the places for one.

    A place is the beginning of a sentence, and the gap before a conjunction or a preposition.
    """
    value, spec = parse_severity("fillers", severity, default=0.1)
    held = table("informal")["fillers"]

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        return replace_spans(
            text,
            _places(text, protected, held),
            rng=rng,
            protected=protected,
            severity=value,
            what="place for a filler word",
        )

    return text_perturbation(
        "fillers",
        fn,
        spec=spec,
        severity=value,
        languages=_ENGLISH,
        scripts=("Latin",),
        changes=("share",),
        description="filler words: um, you know, I mean",
    )


_BEFORE = re.compile(
    r"(?<=[a-z]) (?=(?:and|but|because|so|when|if|that|which|with|for|about|from|after|before)\s)"
)


def _places(
    text: str, protected: tuple[Span, ...], held: Mapping[str, list[str]]
) -> Iterator[tuple[int, int, str]]:
    for start, end in words(text, protected):
        if (
            begins_sentence(text, start)
            and text[start:end].istitle()
            and (start == 0 or text[start - 1] in " \n")
        ):
            word = text[start:end]
            # "I" and names keep their capital; a sentence's first word loses it after a filler.
            small = word if word == "I" or word.lower() not in table("informal")["openers"] else word.lower()
            for filler in held["first"]:
                yield start, end, f"{filler}, {small}"
    for m in _BEFORE.finditer(text):
        for filler in held["within"]:
            yield m.start(), m.end(), f", {filler}, "


@cache
def _short_forms() -> tuple[Mapping[str, list[str]], re.Pattern[str]]:
    held: Mapping[str, list[str]] = table("informal")["short_forms"]
    longest_first = sorted(held, key=lambda w: (-len(w), w))
    inner = "|".join(re.escape(w).replace(r"\ ", r"\s") for w in longest_first)
    return held, re.compile(rf"(?<![\w'’-])(?:{inner})(?![\w'’-])", re.IGNORECASE)


@fielded
def slang(severity: float | str | None = None) -> Perturbation:
    """Short forms as people text them for all words that have one: ``pls``, ``u``, ``thx``, ``asap``, ``idk``.

    ``slang:0.5`` writes half of them so.
    """
    value, spec = parse_severity("slang", severity, default=1.0)
    held, pattern = _short_forms()

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        made = (
            (m.start(), m.end(), in_case_of(m[0], new) if len(m[0]) > 1 and not m[0].istitle() else new)
            for m in pattern.finditer(text)
            for new in held[re.sub(r"\s", " ", m[0].lower())]
        )
        return replace_spans(
            text, made, rng=rng, protected=protected, severity=value, what="word with a short form"
        )

    return text_perturbation(
        "slang",
        fn,
        spec=spec,
        severity=value,
        languages=_ENGLISH,
        scripts=("Latin",),
        changes=("share",),
        description="short forms as people text them: pls, thx, u",
    )


# --- what a speech recogniser writes ------------------------------------------------------------------------

_MARKS = re.compile(r"(?<=[\w)\"'”’])[.,!?;:…]+(?=\s|$)|[\"“”()]|(?<=\w)\s[–—-]\s(?=\w)")


@fielded
def speech() -> Perturbation:
    """The text as a speech recogniser writes it: small letters, no punctuation, small numbers in words.

    Protected parts stand as they are. Homophones are a perturbation of their own, `homophones`.
    """

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        made: list[tuple[int, int, str]] = []
        for m in _MARKS.finditer(text):
            made.append((m.start(), m.end(), " " if m[0][:1].isspace() else ""))
        for start, end in words(text, protected):
            if not text[start:end].islower():
                made.append((start, end, text[start:end].lower()))
        made += [
            (c.start, c.end, c.text.lower().replace("-", " "))
            for c in spell_candidates(text)
            if c.end - c.start <= 3
        ]
        return replace_spans(text, made, rng=rng, protected=protected, what="mark, capital or number")

    return text_perturbation(
        "speech",
        fn,
        limit=1,
        languages=_ENGLISH,
        scripts=("Latin",),
        preserves="probably",
        changes=("share", "number", "number_word"),
        description="as a speech recogniser writes: small letters, no punctuation",
    )


@cache
def _homophones() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for group in table("informal")["homophones"]:
        members = group.split()
        for word in members:
            found[word] = tuple(w for w in members if w != word)
    return found


@fielded
def homophones(severity: float | str | None = None) -> Perturbation:
    """A word that sounds the same in the place of ``severity`` (0.1) of those that have one: ``their`` for ``there``.

    The pairs are function words and others that a reader sets right without a thought; no numbers (``two``, ``four``).
    """
    value, spec = parse_severity("homophones", severity, default=0.1)

    def edit(word: str, rng: random.Random) -> str | None:
        others = _homophones()[word.lower()]
        return in_case_of(word, others[int(rng.random() * len(others))])

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        return edit_words(
            text,
            severity=value,
            rng=rng,
            edit_word=edit,
            protected=protected,
            scripts=("Latin",),
            eligible=lambda w: w.lower() in _homophones(),
            what="word with a homophone",
        )

    return text_perturbation(
        "homophones",
        fn,
        spec=spec,
        severity=value,
        preserves="probably",
        languages=_ENGLISH,
        scripts=("Latin",),
        changes=("share",),
        description="a word that sounds the same: their for there",
    )
