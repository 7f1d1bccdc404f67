"""Characters that look the same, or are the same, and are not the same code points."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator

from robusttest.core.nouns import Edit, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import (
    Edited,
    apply_edits,
    edit_words,
    parse_severity,
    text_perturbation,
)
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span, graphemes, outside

# Pairs that Unicode's confusables data (UTS 39) joins and that common fonts draw alike.
_TWINS = {
    "a": "а", "c": "с", "d": "ԁ", "e": "е", "h": "һ", "i": "і", "j": "ј", "l": "ӏ", "o": "ο", "p": "р", "q": "ԛ",
    "s": "ѕ", "u": "υ", "v": "ν", "w": "ԝ", "x": "х", "y": "у", "A": "А", "B": "В", "C": "С", "E": "Е", "H": "Н",
    "I": "І", "J": "Ј", "K": "К", "M": "М", "N": "Ν", "O": "О", "P": "Р", "S": "Ѕ", "T": "Т", "X": "Х", "Y": "Υ",
    "Z": "Ζ",
}  # fmt: skip
_CONFUSABLES = {**_TWINS, **{twin: letter for letter, twin in _TWINS.items()}}


@fielded
def confusables(severity: float | str | None = None) -> Perturbation:
    """One letter of ``severity`` (0.1) of the words drawn by a twin of another script (Latin ``a``, Cyrillic ``а``)."""
    value, spec = parse_severity("confusables", severity, default=0.1)

    def edit(word: str, rng: random.Random) -> str | None:
        places = [i for i, c in enumerate(word) if c in _CONFUSABLES]
        i = rng.choice(places)
        return word[:i] + _CONFUSABLES[word[i]] + word[i + 1 :]

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        return edit_words(
            text,
            severity=value,
            rng=rng,
            edit_word=edit,
            protected=protected,
            min_letters=2,
            scripts=("Latin", "Cyrillic", "Greek"),
            eligible=_has_twin,
            what="word with a letter that has a twin",
        )

    return text_perturbation(
        "confusables",
        fn,
        spec=spec,
        severity=value,
        scripts=("Latin", "Cyrillic", "Greek"),
        description="a letter's twin from another script",
    )


def _has_twin(word: str) -> bool:
    return any(c in _CONFUSABLES for c in word)


_INVISIBLE = ("\u200b", "\u2060", "\ufeff", "\u00ad")  # not the joiners: they shape Arabic and Hindi letters


@fielded
def zero_width(severity: float | str | None = None) -> Perturbation:
    """An invisible character between two letters of ``severity`` (0.1) of the words."""
    value, spec = parse_severity("zero_width", severity, default=0.1)

    def edit(word: str, rng: random.Random) -> str | None:
        parts = graphemes(word)
        if len(parts) < 2:
            return None
        parts.insert(rng.randrange(1, len(parts)), rng.choice(_INVISIBLE))
        return "".join(parts)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        return edit_words(text, severity=value, rng=rng, edit_word=edit, protected=protected, min_letters=2)

    return text_perturbation(
        "zero_width", fn, spec=spec, severity=value, description="an invisible character inside a word"
    )


_FORMS = ("NFC", "NFD")


@fielded
def normal_form(form: str | None = None) -> Perturbation:
    """The text in Unicode normal form ``NFC`` or ``NFD``: é as one code point or two. Both in turn without it."""
    if form is not None and form.upper() not in _FORMS:
        raise UsageError(f"normal_form:{form}: give one of {', '.join(_FORMS)}")
    forms = (form.upper(),) if form is not None else ("NFD", "NFC")

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        versions = [v for name in forms if (v := tuple(_normalised(text, name, protected)))]
        if not versions:
            return NotApplicable(reason=f"the text is the same in {' and '.join(sorted(forms))}")
        if index >= len(versions):
            return NotApplicable(reason="the text is in one of the two normal forms already")
        return apply_edits(text, versions[index]), versions[index]

    return text_perturbation(
        "normal_form",
        fn,
        spec="normal_form" if form is None else f"normal_form:{form}",
        limit=len(forms),
        changes=("share",),
        description="NFC against NFD",
    )


def _normalised(text: str, form: str, protected: tuple[Span, ...]) -> Iterator[Edit]:
    if unicodedata.is_normalized(form, text):  # type: ignore[arg-type]  # a form of the table
        return
    at = 0
    for part in graphemes(text):
        end = at + len(part)
        new = unicodedata.normalize(form, part)  # type: ignore[arg-type]  # a form of the table
        if new != part and outside(at, end, protected):
            yield Edit(at, end, new)
        at = end


_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F) if chr(code).isalpha()}


@fielded
def full_width(severity: float | str | None = None) -> Perturbation:
    """``severity`` (0.1) of the words in ｆｕｌｌ-width letters, as East Asian input methods type them."""
    value, spec = parse_severity("full_width", severity, default=0.1)

    def edit(word: str, rng: random.Random) -> str | None:
        return word.translate(_FULL_WIDTH)

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
            eligible=str.isascii,
        )

    return text_perturbation(
        "full_width", fn, spec=spec, severity=value, scripts=("Latin",), description="full-width letters"
    )
