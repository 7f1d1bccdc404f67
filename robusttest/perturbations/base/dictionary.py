"""Which letters are a word, in the twelve languages whose word lists pyspellchecker brings: no typo may be another word."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

LANGUAGES = ("en", "de", "fr", "es", "pt", "it", "nl", "ru", "ar", "eu", "lv", "fa")


@cache
def frequencies(language: str) -> Mapping[str, int]:
    """Word in small letters → how often it was seen; empty for a language without a list."""
    if language not in LANGUAGES:
        return {}
    # The list alone: the package's own class counts and copies it, which takes twice as long.
    raw = files("spellchecker").joinpath("resources", f"{language}.json.gz").read_bytes()
    held: Mapping[str, int] = json.loads(gzip.decompress(raw))
    return held


def is_word(letters: str, language: str) -> bool:
    """Whether the letters are a word of the language; False where there is no list of its words."""
    return letters.lower() in frequencies(language)
