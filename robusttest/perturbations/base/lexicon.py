"""The small tables that come with the project, and how a replacement takes on a word's capitals."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple


class Candidate(NamedTuple):
    """Characters ``start:end`` may be replaced by ``text``."""

    start: int
    end: int
    text: str


@cache
def table(name: str) -> Any:
    """The JSON table ``data/<name>.json``; do not change what it returns."""
    return json.loads(
        files("robusttest.perturbations").joinpath("data", f"{name}.json").read_text(encoding="utf-8")
    )


@cache
def english(name: str) -> frozenset[str]:
    """One of the small sets of English words in ``data/english.json``."""
    return frozenset(table("english")[name].split())


def in_case_of(model: str, word: str) -> str:
    """``word`` with the capitals of ``model``: ``COLOUR`` → ``COLOR``, ``Colour`` → ``Color``.

    A one-letter model (``I``) has no casing to copy beyond its first letter.
    """
    letters = [c for c in model if c.isalpha()]
    if len(letters) > 1 and all(c.isupper() for c in letters):
        return word.upper()
    if letters and letters[0].isupper():
        return word[:1].upper() + word[1:]
    return word


def begins_sentence(text: str, start: int) -> bool:
    """Whether position ``start`` is the first of a sentence: nothing, a full stop or a line break before it."""
    i = start - 1
    while i >= 0 and (text[i] in " \t\"'“‘(*_"):
        i -= 1
    return i < 0 or text[i] in ".!?\n\r:;…"


def without_overlaps(candidates: list[Candidate]) -> list[Candidate]:
    """Sorted by start; where two overlap, the earlier and longer one stays."""
    kept: list[Candidate] = []
    for c in sorted(set(candidates), key=lambda c: (c.start, -c.end, c.text)):
        if not kept or c.start >= kept[-1].end:
            kept.append(c)
    return kept
