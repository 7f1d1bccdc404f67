"""Slips of typing, scanning and spelling, one word at a time.

A slip is one edit of one word, and never another word of the language (`dictionary`), nor a number or a negation.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.resources import files

from robusttest.core.nouns import NotApplicable, Preserves
from robusttest.errors import UsageError
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.dictionary import is_word
from robusttest.perturbations.base.edits import Edited, edit_words, parse_severity, text_perturbation
from robusttest.perturbations.base.letters import title, upper
from robusttest.perturbations.base.patterns import denies
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span, graphemes, script_of_word
from robusttest.perturbations.chars import keyboards

DEFAULT_SEVERITY = 0.1

ALPHABETIC = (
    "Latin", "Greek", "Cyrillic", "Armenian", "Georgian", "Hebrew", "Arabic", "Devanagari", "Bengali", "Gurmukhi",
    "Gujarati", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Hangul", "Ethiopic",
)  # fmt: skip
"""Scripts that write words of letters with spaces between them: a letter moved is a typo, not another word."""

_LETTERS = {
    "Latin": "abcdefghijklmnopqrstuvwxyz",
    "Greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "Cyrillic": "абвгдежзийклмнопрстуфхцчшщыьэюя",
    "Hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
    "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
}

Slip = Callable[[str, random.Random, str], str | None]
"""``(word, rng, language) → the word with one slip``; None where there is none."""


def _noise(
    name: str,
    severity: float | str | None,
    slip: Slip,
    *,
    min_letters: int,
    scripts: tuple[str, ...],
    description: str,
    eligible: Callable[[str], bool] | None = None,
    preserves: Preserves = "preserves",
    languages: tuple[str, ...] = ("any",),
    what: str = "word",
    layout: str | None = None,
) -> Perturbation:
    value, spec = parse_severity(name, severity, default=DEFAULT_SEVERITY)
    if layout is not None:
        spec = f"{name}:{value:g}@{layout}"

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], language: str
    ) -> Edited | NotApplicable:
        def edit(word: str, rng: random.Random) -> str | None:
            new = slip(word, rng, language)
            return None if new is None or is_word(new, language) or denies(new, language) else new

        return edit_words(
            text,
            severity=value,
            rng=rng,
            edit_word=edit,
            protected=protected,
            min_letters=min_letters,
            scripts=scripts,
            eligible=eligible,
            what=what,
        )

    return text_perturbation(
        name,
        fn,
        spec=spec,
        severity=value,
        scripts=scripts,
        languages=languages,
        preserves=preserves,
        description=description,
    )


def _like(model: str, letter: str, language: str) -> str:
    """A letter as large as the one it stands for."""
    return upper(letter, language) if model.isupper() else letter


def _at(rng: random.Random, size: int) -> int:
    return int(rng.random() * size)


@fielded
def keyboard(severity: float | str | None = None, *, language: str | None = None) -> Perturbation:
    """A neighbouring key instead of one letter, in ``severity`` (0.1) of the words of four letters or more.

    The board is that of the text's language, or the one named: ``keyboard:0.1@de``, ``keyboard(0.1, language="de")``; known
    are those of `keyboards.LAYOUTS` (QWERTY, QWERTZ, AZERTY, the Nordic ones, Russian, Greek, Hebrew, Arabic …).
    """
    if isinstance(severity, str) and "@" in severity:
        severity, _, language = severity.partition("@")
        severity = severity.strip() or None
    if language is not None and language not in keyboards.LAYOUTS:
        raise UsageError(f"keyboard(language={language!r}): known layouts are {', '.join(keyboards.LAYOUTS)}")
    named = language
    scripts = keyboards.SCRIPTS
    if named is not None:
        scripts = (keyboards.SCRIPT_OF[keyboards.layout_for(named, "Latin") or "en"],)
        if named in keyboards.SCRIPT_OF:
            scripts = (keyboards.SCRIPT_OF[named],)

    def slip(word: str, rng: random.Random, language: str) -> str | None:
        layout = named or keyboards.layout_for(language, script_of_word(word))
        if layout is None:
            return None
        i = _at(rng, len(word))
        old = word[i]
        near = keyboards.neighbours(layout).get(old if old.islower() else old.lower())
        if not near:
            return None
        return word[:i] + _like(old, near[_at(rng, len(near))], language) + word[i + 1 :]

    return _noise(
        "keyboard",
        severity,
        slip,
        min_letters=4,
        scripts=scripts,
        layout=named,
        description="a neighbouring key for one letter",
    )


# What OCR engines take for one another in print, the likelier ones first in each row: shapes that touch (rn, cl), share a
# stem (l, I, 1) or differ by a thin stroke (e, c).
_OCR = {
    "rn": "m", "m": "rn", "cl": "d", "d": "cl", "vv": "w", "w": "vv", "nn": "rm", "ri": "n", "li": "h", "fi": "ﬁ", "tt": "it",
    "l": "1I", "I": "l1", "i": "l", "O": "0Q", "o": "c0", "S": "5", "s": "5", "B": "8", "Z": "2", "e": "c", "c": "e", "h": "b",
    "b": "h", "g": "q9", "q": "g", "f": "t", "t": "f", "u": "ii", "n": "ri", "y": "v", "v": "y", "a": "o", "D": "O", "G": "C6",
    "C": "G", "E": "F", "P": "F", "R": "K", "H": "N", "T": "7", "U": "LI",
}  # fmt: skip
_WHOLE = ("m", "d", "w", "u", "n", "U")
"""Letters that are read as two, as one string; other strings are alternatives."""


@fielded
def ocr(severity: float | str | None = None) -> Perturbation:
    """A misreading of print in ``severity`` (0.1) of the words: ``rn`` for ``m``, ``cl`` for ``d``, ``l`` for ``I``, ``c`` for ``e``."""

    def slip(word: str, rng: random.Random, language: str) -> str | None:
        places = _misreadings(word)
        if not places:
            return None
        i, size = places[_at(rng, len(places))]
        found = word[i : i + size]
        others = _OCR[found]
        new = others if size == 2 or found in _WHOLE else others[_at(rng, len(others))]
        return word[:i] + new + word[i + size :]

    return _noise(
        "ocr",
        severity,
        slip,
        min_letters=3,
        scripts=("Latin",),
        eligible=_misread,
        what="word with a letter that scanners mistake",
        description="letters read as their look-alikes",
    )


@lru_cache(maxsize=4096)
def _misreadings(word: str) -> tuple[tuple[int, int], ...]:
    """``(place, number of letters)`` of what is mistaken."""
    return tuple(
        (i, n)
        for i in range(len(word))
        for n in (2, 1)
        if len(word[i : i + n]) == n and word[i : i + n] in _OCR
    )


def _misread(word: str) -> bool:
    return bool(_misreadings(word))


def _alphabet(word: str) -> str:
    return _LETTERS.get(script_of_word(word), "")


@fielded
def insert(severity: float | str | None = None) -> Perturbation:
    """One random letter of the word's script put into ``severity`` (0.1) of the words of four letters or more."""

    def slip(word: str, rng: random.Random, language: str) -> str | None:
        letters = _alphabet(word)
        i = 1 + _at(rng, len(word))  # the first letter stays
        return (
            word[:i]
            + _like(
                word[i - 1] if i > 1 or word.isupper() else "a", letters[_at(rng, len(letters))], language
            )
            + word[i:]
        )

    return _noise(
        "insert", severity, slip, min_letters=4, scripts=tuple(_LETTERS), description="a letter too many"
    )


@fielded
def substitute(severity: float | str | None = None) -> Perturbation:
    """One letter replaced by a random one of the same script, in ``severity`` (0.1) of the words of four or more."""

    def slip(word: str, rng: random.Random, language: str) -> str | None:
        letters = _alphabet(word)
        i = 1 + _at(rng, len(word) - 1)
        return word[:i] + _like(word[i], letters[_at(rng, len(letters))], language) + word[i + 1 :]

    return _noise(
        "substitute",
        severity,
        slip,
        min_letters=4,
        scripts=tuple(_LETTERS),
        description="a random letter for another",
    )


def _parts(word: str) -> list[str]:
    """A letter and its vowel signs move together."""
    return list(word) if word.isascii() else graphemes(word)


@fielded
def swap(severity: float | str | None = None) -> Perturbation:
    """Two neighbouring letters exchanged in ``severity`` (0.1) of the words of four letters or more."""

    def slip(word: str, rng: random.Random, language: str) -> str | None:
        parts = _parts(word)
        if len(parts) < 3:
            return None
        i = 1 + _at(rng, len(parts) - 2)
        parts[i], parts[i + 1] = parts[i + 1], parts[i]
        return "".join(parts)

    return _noise(
        "swap", severity, slip, min_letters=4, scripts=ALPHABETIC, description="two letters exchanged"
    )


@fielded
def delete(severity: float | str | None = None) -> Perturbation:
    """One letter left out of ``severity`` (0.1) of the words of four letters or more; never the first."""

    def slip(word: str, rng: random.Random, language: str) -> str | None:
        parts: str | list[str] = word if word.isascii() else _parts(word)
        if len(parts) < 3:
            return None
        i = 1 + _at(rng, len(parts) - 1)
        return "".join(parts[:i]) + "".join(parts[i + 1 :])

    return _noise(
        "delete", severity, slip, min_letters=4, scripts=ALPHABETIC, description="a letter left out"
    )


@cache
def _misspellings() -> dict[str, tuple[str, ...]]:
    """Word → misspellings that people wrote for it, of nlpaug's list, where a corrector leads back to the word."""
    lines = (
        files("robusttest.perturbations")
        .joinpath("data", "misspellings.txt")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    return {word: tuple(wrong) for word, *wrong in map(str.split, lines)}


@fielded
def spelling(severity: float | str | None = None) -> Perturbation:
    """A common misspelling for ``severity`` (0.1) of the words that have one in the table of 4,000 English words.

    Each is one that people made of this very word, begins as it does, and is no word itself.
    """

    def slip(word: str, rng: random.Random, language: str) -> str | None:
        wrong = _misspellings()[word.lower()]
        new = wrong[_at(rng, len(wrong))]
        return upper(new, "en") if word.isupper() else title(new, "en") if word[:1].isupper() else new

    return _noise(
        "spelling",
        severity,
        slip,
        min_letters=4,
        scripts=("Latin",),
        languages=("en",),
        eligible=_misspelt,
        what="word that the table knows a misspelling of",
        description="a common misspelling",
    )


def _misspelt(word: str) -> bool:
    return word.lower() in _misspellings() and (word.islower() or word.isupper() or word.istitle())


@fielded
def split(severity: float | str | None = None) -> Perturbation:
    """A space inside ``severity`` (0.1) of the words of four letters or more."""

    def slip(word: str, rng: random.Random, language: str) -> str | None:
        parts: str | list[str] = word if word.isascii() else graphemes(word)
        if len(parts) < 4:
            return None
        i = 1 + _at(rng, len(parts) - 1)
        first, second = "".join(parts[:i]), "".join(parts[i:])
        # "to day", "for got": two words are no slip within one; and "n othing" must not deny.
        if is_word(first, language) and is_word(second, language):
            return None
        if denies(first, language) or denies(second, language):
            return None
        return f"{first} {second}"

    return _noise(
        "split", severity, slip, min_letters=4, scripts=ALPHABETIC, description="a space inside a word"
    )
