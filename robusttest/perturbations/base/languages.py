"""The language of a text: what the task says, else its script, else py3langid's guess; English in Latin script where unsure.

The detector (4 MB, numpy) is loaded for a text in Latin or Cyrillic script that is not plainly English.
"""

from __future__ import annotations

import re
from copy import copy
from functools import cache, lru_cache
from typing import Any

from robusttest.errors import UsageError
from robusttest.perturbations.base.spans import script_of

_BY_SCRIPT = {
    "Hiragana": "ja", "Katakana": "ja", "Hangul": "ko", "Han": "zh", "Thai": "th", "Devanagari": "hi", "Greek": "el",
    "Hebrew": "he", "Arabic": "ar", "Armenian": "hy", "Georgian": "ka", "Bengali": "bn", "Tamil": "ta", "Telugu": "te",
    "Gujarati": "gu", "Gurmukhi": "pa", "Kannada": "kn", "Malayalam": "ml", "Sinhala": "si", "Ethiopic": "am",
    "Khmer": "km", "Lao": "lo", "Myanmar": "my",
}  # fmt: skip
_LATIN = [
    "en",
    "de",
    "fr",
    "es",
    "pt",
    "it",
    "nl",
    "pl",
    "cs",
    "sk",
    "sl",
    "hr",
    "ro",
    "hu",
    "tr",
    "sv",
    "da",
    "no",
    "fi",
    "et",
    "lv",
    "lt",
    "vi",
    "id",
    "ca",
    "gl",
    "eu",
    "sq",
    "is",
    "ga",
    "mt",
    "sw",
    "tl",
]
_CYRILLIC = ["ru", "uk", "bg", "sr", "mk", "be", "kk"]
_ENGLISH = re.compile(
    r"(?i)(?<![\w'’])(?:the|is|are|was|were|of|and|to|in|it|that|you|what|how|which|i|my|we|for|with|this|not|have|has|do"
    r"|does|can|be|by|from|they|he|she|at|as|on|an?|if|will|would|your|who|when|where|why|there|their|did|than)(?![\w'’])"
)
_WORD = re.compile(r"[^\W\d_]+")
LOOKED_AT = 2000
"""Characters of a text that are looked at."""
SHORTEST = 20
"""Letters in Latin script below which a guess is none: the text counts as English."""
DOUBT = 0.01
"""Probability of English at which a text in Latin script counts as English."""


def normalised(language: str, where: str) -> str:
    """``de-AT`` → ``de``; raises `UsageError` for what is no code of a language."""
    code = language.strip().replace("_", "-").partition("-")[0].lower() if isinstance(language, str) else ""
    if not re.fullmatch(r"[a-z]{2,3}", code):
        raise UsageError(f"{where}: language={language!r}: give a code like 'de' or 'pt-BR'")
    return "no" if code in ("nb", "nn") else code


@lru_cache(maxsize=1024)
def detect(text: str) -> str | None:
    """The code of the text's language; None where it has no letters.

    >>> detect("Where is my order?"), detect("注文はどこですか"), detect("12")
    ('en', 'ja', None)
    """
    head = text[:LOOKED_AT]
    words = _WORD.findall(head)
    if head.isascii():
        letters = sum(map(len, words))
        script = "Latin" if letters else ""
    else:
        counts: dict[str, int] = {}
        for c in head:
            if c.isalpha() and (name := script_of(c)) != "Common":
                counts[name] = counts.get(name, 0) + 1
        if not counts:
            return None
        # One kana among kanji is Japanese.
        if counts.get("Hiragana", 0) + counts.get("Katakana", 0) > 0.05 * sum(counts.values()):
            return "ja"
        script = max(counts, key=lambda s: (counts[s], s))
        letters = counts[script]
    if not script:
        return None
    if script not in ("Latin", "Cyrillic"):
        return _BY_SCRIPT.get(script)
    if script == "Latin":
        if letters < SHORTEST and head.isascii():
            return "en"
        common = len(_ENGLISH.findall(head))
        if head.isascii() and (5 * common >= len(words) or head.isupper()):
            return "en"
    ranked = dict(_identifier(script).rank(head.lower()))
    if script == "Latin" and ranked.get("en", 0.0) > DOUBT:
        return "en"
    found = max(sorted(ranked), key=lambda code: ranked[code])
    return "no" if found in ("nb", "nn") else found


@cache
def _model() -> Any:
    """Of all languages; a second and more to unpack."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def _identifier(script: str) -> Any:
    identifier = copy(_model())
    identifier.set_languages(_LATIN if script == "Latin" else _CYRILLIC)
    return identifier
