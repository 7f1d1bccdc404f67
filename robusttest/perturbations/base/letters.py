"""Capitals as each language has them: Turkish ``i`` and ``İ``, German ``ß`` and ``SS``, Greek without accents."""

from __future__ import annotations

import unicodedata

_TURKIC = ("tr", "az")


def upper(word: str, language: str) -> str:
    """``ısı`` → ``ISI`` and ``iki`` → ``İKİ`` in Turkish, ``größe`` → ``GRÖSSE``, ``είμαι`` → ``ΕΙΜΑΙ``."""
    if language in _TURKIC:
        return word.replace("i", "İ").upper()
    if language == "el" and len(word) > 1:
        bare = unicodedata.normalize("NFD", word).replace("\u0301", "")
        return unicodedata.normalize("NFC", bare).upper()
    return word.upper()


def lower(word: str, language: str) -> str:
    """``ISI`` → ``ısı`` and ``İKİ`` → ``iki`` in Turkish; a Greek word ends in ``ς``."""
    if language in _TURKIC:
        return word.replace("I", "ı").replace("İ", "i").lower()
    return word.lower()


def title(word: str, language: str) -> str:
    """The first letter large, the others small; ``ij`` as one letter in Dutch."""
    head = 2 if language == "nl" and word[:2].lower() == "ij" else 1
    return upper(word[:head], language) + lower(word[head:], language)


def swapped(word: str, language: str) -> str:
    """Large letters small and small ones large."""
    return "".join(lower(c, language) if c.isupper() else upper(c, language) for c in word)
