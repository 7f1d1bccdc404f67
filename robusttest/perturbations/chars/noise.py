"""Typing, scanning and spelling errors by nlpaug, one word at a time, on a private random generator.

nlpaug's augmenters change every text they read (their tokenizer drops newlines and moves punctuation), draw from
the global generators and cap edits at ten words. So none of them ever sees a text: we find the words, hand one to
the augmenter's own action method, and splice what it returns. Its two sources of randomness, ``sample`` and
``prob``, are shadowed on a copy of the augmenter by ours.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Any

from robusttest.core.nouns import NotApplicable, Preserves
from robusttest.errors import UsageError
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import (
    Edited,
    EditText,
    edit_words,
    parse_severity,
    text_perturbation,
)
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span, graphemes, script_of_word

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

_KEYBOARDS = {"Latin": "en", "Cyrillic": "uk", "Hebrew": "he", "Thai": "th"}
KEYBOARD_LANGUAGES = ("de", "en", "es", "fr", "he", "it", "nl", "pl", "th", "tr", "uk")


# --- nlpaug's augmenters, made once ------------------------------------------------------------------------


def _one_token(text: str) -> list[str]:
    return [text]


_WORDWISE: dict[str, Any] = {"tokenizer": _one_token, "reverse_tokenizer": "".join}
_ONE_CHARACTER: dict[str, Any] = {"aug_char_min": 1, "aug_char_max": 1, "aug_word_min": 1, "min_char": 1}


@cache
def _keyboard(language: str) -> Any:
    from nlpaug.augmenter.char import KeyboardAug

    # Maps of other languages have letters outside a-z, which nlpaug counts as special characters.
    aug = KeyboardAug(
        lang=language,
        include_special_char=language != "en",
        include_numeric=False,
        include_upper_case=False,
        **_ONE_CHARACTER,
        **_WORDWISE,
    )
    letters = (
        (key, [v for v in values if v.isalpha()]) for key, values in aug.model.model.items() if key.isalpha()
    )
    aug.model.model = {key: values for key, values in letters if values}
    return aug


@cache
def _ocr() -> Any:
    from nlpaug.augmenter.char import OcrAug

    return OcrAug(**_ONE_CHARACTER, **_WORDWISE)


@cache
def _random_char(action: str, script: str) -> Any:
    from nlpaug.augmenter.char import RandomCharAug

    aug = RandomCharAug(
        action=action, candidates=list(_LETTERS.get(script, "x")), **_ONE_CHARACTER, **_WORDWISE
    )
    if script != "Latin":
        aug.token2char = graphemes  # a letter and its vowel sign move together
    return aug


@cache
def _spelling() -> Any:
    from nlpaug.augmenter.word import SpellingAug
    from nlpaug.model.word_dict import Spelling
    from nlpaug.util import LibraryUtil

    class OwnTable(SpellingAug):  # type: ignore[misc]
        """nlpaug keeps one table for the process; ours is sorted and cut, so it must not be that one."""

        def get_model(self, force_reload: bool) -> Any:
            table = Spelling(self.dict_path, include_reverse=False)
            right = set(table.dict)
            table.dict = {
                word: kept
                for word, wrong in table.dict.items()
                # A misspelling that is itself a word ("bank" → "band") would change the question.
                if (kept := sorted(w for w in set(wrong) if w.isalpha() and w != word and w not in right))
            }
            return table

    path = f"{LibraryUtil.get_res_dir()}/word/spelling/spelling_en.txt"
    return OwnTable(dict_path=path, include_reverse=False, **_WORDWISE)


@cache
def _split() -> Any:
    from nlpaug.augmenter.word import SplitAug

    return SplitAug(aug_min=1, aug_max=1, min_char=4, tokenizer=_one_token, reverse_tokenizer=" ".join)


def _bound(augmenter: Any, rng: random.Random) -> Any:
    """A copy of the augmenter that draws from ``rng``: nothing else of it depends on the moment or the thread."""

    def sample(x: Any, num: int | None = None) -> Any:
        if isinstance(x, int):
            return rng.randint(1, x - 2)
        return [x[int(rng.random() * len(x))]] if num == 1 else rng.sample(x, num or 0)

    copy = object.__new__(type(augmenter))
    copy.__dict__.update(augmenter.__dict__)
    copy.sample = sample
    copy.prob = rng.random
    return copy


# --- the families -------------------------------------------------------------------------------------------


def _noise(
    name: str,
    severity: float | str | None,
    editor: Callable[[random.Random], Callable[[str], str | None]],
    *,
    min_letters: int,
    scripts: tuple[str, ...],
    description: str,
    eligible: Callable[[], Callable[[str], bool]] | None = None,
    preserves: Preserves = "preserves",
    languages: tuple[str, ...] = ("any",),
    what: str = "word",
) -> Perturbation:
    value, spec = parse_severity(name, severity, default=DEFAULT_SEVERITY)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        edit = editor(rng)
        return edit_words(
            text,
            severity=value,
            rng=rng,
            edit_word=lambda word, _: edit(word),
            protected=protected,
            min_letters=min_letters,
            scripts=scripts,
            eligible=eligible() if eligible is not None else None,
            what=what,
        )

    typed: EditText = fn
    return text_perturbation(
        name,
        typed,
        spec=spec,
        severity=value,
        scripts=scripts,
        languages=languages,
        preserves=preserves,
        description=description,
    )


@fielded
def keyboard(severity: float | str | None = None, *, language: str | None = None) -> Perturbation:
    """A neighbouring key instead of one letter, in ``severity`` (0.1) of the words of four letters or more.

    Without ``language`` (one of `KEYBOARD_LANGUAGES`) the script decides: English, Ukrainian, Hebrew or Thai keys.
    """
    if language is not None and language not in KEYBOARD_LANGUAGES:
        raise UsageError(
            f"keyboard(language={language!r}): known layouts are {', '.join(KEYBOARD_LANGUAGES)}"
        )
    scripts = tuple(_KEYBOARDS)
    if language is not None:
        scripts = ({v: k for k, v in _KEYBOARDS.items()}.get(language, "Latin"),)

    def editor(rng: random.Random) -> Callable[[str], str | None]:
        bound: dict[str, Any] = {}

        def edit(word: str) -> str | None:
            layout = language or _KEYBOARDS[script_of_word(word)]
            aug = bound.get(layout) or bound.setdefault(layout, _bound(_keyboard(layout), rng))
            if word.isupper():
                new: str = aug.substitute(word.lower())
                return new.upper()
            new = aug.substitute(word)
            return new

        return edit

    return _noise(
        "keyboard",
        severity,
        editor,
        min_letters=4,
        scripts=scripts,
        description="a neighbouring key for one letter",
    )


@fielded
def ocr(severity: float | str | None = None) -> Perturbation:
    """A look-alike for one letter, as a scanner mistakes it (``o`` for ``0``), in ``severity`` (0.1) of the words."""

    def editor(rng: random.Random) -> Callable[[str], str | None]:
        substitute: Callable[[str], str | None] = _bound(_ocr(), rng).substitute
        return substitute

    return _noise(
        "ocr",
        severity,
        editor,
        min_letters=3,
        scripts=("Latin",),
        eligible=lambda: _ocr_eligible,
        what="word with a letter that scanners mistake",
        description="a letter read as its look-alike",
    )


def _ocr_eligible(word: str) -> bool:
    model = _ocr().model.model
    return any(c in model for c in word)


def _random(
    name: str, severity: float | str | None, scripts: tuple[str, ...], min_letters: int, text: str
) -> Perturbation:
    def editor(rng: random.Random) -> Callable[[str], str | None]:
        bound: dict[str, Callable[[str], str]] = {}

        def edit(word: str) -> str | None:
            script = script_of_word(word)
            action = bound.get(script)
            if action is None:
                action = bound[script] = getattr(_bound(_random_char(name, script), rng), name)
            new = action(word)
            return new.upper() if len(word) > 1 and word.isupper() else new

        return edit

    return _noise(name, severity, editor, min_letters=min_letters, scripts=scripts, description=text)


@fielded
def insert(severity: float | str | None = None) -> Perturbation:
    """One random letter of the word's script put into ``severity`` (0.1) of the words of four letters or more."""
    return _random("insert", severity, tuple(_LETTERS), 4, "a letter too many")


@fielded
def substitute(severity: float | str | None = None) -> Perturbation:
    """One letter replaced by a random one of the same script, in ``severity`` (0.1) of the words of four or more."""
    return _random("substitute", severity, tuple(_LETTERS), 4, "a random letter for another")


@fielded
def swap(severity: float | str | None = None) -> Perturbation:
    """Two neighbouring letters exchanged in ``severity`` (0.1) of the words of four letters or more."""
    return _random("swap", severity, ALPHABETIC, 4, "two letters exchanged")


@fielded
def delete(severity: float | str | None = None) -> Perturbation:
    """One letter left out of ``severity`` (0.1) of the words of four letters or more."""
    return _random("delete", severity, ALPHABETIC, 4, "a letter left out")


@fielded
def spelling(severity: float | str | None = None) -> Perturbation:
    """A common misspelling for ``severity`` (0.1) of the words that have one in nlpaug's English table.

    Misspellings that are words themselves are left out, and so are words of one or two letters.
    """

    def editor(rng: random.Random) -> Callable[[str], str | None]:
        aug = _bound(_spelling(), rng)

        def edit(word: str) -> str | None:
            new: str = aug.substitute(word if word in aug.model.dict else word.lower())
            if word.isupper():
                return new.upper()
            return new[:1].upper() + new[1:] if word[:1].isupper() else new

        return edit

    return _noise(
        "spelling",
        severity,
        editor,
        min_letters=3,
        scripts=("Latin",),
        languages=("en",),
        eligible=lambda: _misspelt,
        what="word that nlpaug's table knows a misspelling of",
        description="a common misspelling",
    )


def _misspelt(word: str) -> bool:
    table = _spelling().model.dict
    return word in table or word.lower() in table


@fielded
def split(severity: float | str | None = None) -> Perturbation:
    """A space inside ``severity`` (0.1) of the words of four letters or more."""

    def editor(rng: random.Random) -> Callable[[str], str | None]:
        action: Callable[[str], str | None] = _bound(_split(), rng).split
        return action

    return _noise(
        "split", severity, editor, min_letters=4, scripts=ALPHABETIC, description="a space inside a word"
    )


@cache
def nlpaug_version() -> str:
    """The installed version, without importing nlpaug: part of a stored variant's identity."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("nlpaug")
    except PackageNotFoundError:
        return "not installed"
