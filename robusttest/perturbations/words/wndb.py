"""Reading WordNet's own database files (``index.noun``, ``data.noun`` …), as `man 5 wndb` describes them.

No nltk, nothing loaded beyond the bytes of the files: a lemma is found by bisection, a synset by its offset. Files come
from a folder (Debian's ``wordnet-base``) or from nltk's ``corpora/wordnet.zip``.
"""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from robusttest.errors import UsageError

POS = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
"""WordNet's letters for the parts of speech, and how its files call them."""

_SUFFIXES = {
    "n": (
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("ies", "y"),
    ),
    "v": (
        ("s", ""),
        ("ies", "y"),
        ("es", "e"),
        ("es", ""),
        ("ed", "e"),
        ("ed", ""),
        ("ing", "e"),
        ("ing", ""),
    ),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}


class Synset(NamedTuple):
    """Words that mean one thing, and for each (by its place) the antonyms as ``(pos, offset, place)``."""

    words: tuple[str, ...]
    antonyms: tuple[tuple[int, str, int, int], ...]


class WordNet:
    """A WordNet database. Raises `UsageError` if a file is missing or is not a database file."""

    def __init__(self, read: Callable[[str], bytes], where: str) -> None:
        self.where = where
        try:
            self._index = {pos: read(f"index.{name}") for pos, name in POS.items()}
            self._data = {pos: read(f"data.{name}") for pos, name in POS.items()}
        except (OSError, KeyError, zipfile.BadZipFile) as e:
            raise UsageError(f"WordNet in {where}: {e}; {HOW_TO_INSTALL}") from None
        self._exceptions = {pos: _exceptions(read, name) for pos, name in POS.items()}
        self.offsets = lru_cache(maxsize=65536)(self._offsets)

    def _offsets(self, lemma: str, pos: str) -> tuple[tuple[int, ...], int]:
        """``(offsets of the synsets, most frequent sense first; how many senses the corpus has seen)``."""
        line = _find(self._index[pos], lemma.encode("ascii", "replace"))
        if line is None:
            return (), 0
        parts = line.split()
        # lemma pos synset_cnt p_cnt [ptr_symbol…] sense_cnt tagsense_cnt [synset_offset…]
        try:
            count, pointers = int(parts[2]), int(parts[3])
            return tuple(int(p) for p in parts[6 + pointers : 6 + pointers + count]), int(parts[5 + pointers])
        except (IndexError, ValueError):
            raise UsageError(
                f"WordNet in {self.where}: index.{POS[pos]} has a broken line for {lemma!r}"
            ) from None

    def synset(self, pos: str, offset: int) -> Synset:
        data = self._data[pos]
        end = data.find(b"\n", offset)
        parts = data[offset : end if end >= 0 else None].split(b" | ")[0].split()
        # offset lex_filenum ss_type w_cnt word lex_id [word lex_id…] p_cnt [symbol offset pos source/target…]
        try:
            if int(parts[0]) != offset:
                raise ValueError
            count = int(parts[3], 16)
            words = tuple(parts[4 + 2 * i].decode("ascii").split("(")[0] for i in range(count))
            at = 4 + 2 * count
            antonyms = []
            for i in range(int(parts[at])):
                symbol, target, target_pos, places = parts[at + 1 + 4 * i : at + 5 + 4 * i]
                if symbol == b"!":
                    letter = target_pos.decode("ascii").replace("s", "a")
                    antonyms.append((int(places[:2], 16), letter, int(target), int(places[2:], 16)))
        except (IndexError, ValueError, UnicodeDecodeError):
            raise UsageError(f"WordNet in {self.where}: data.{POS[pos]} has no synset at {offset}") from None
        return Synset(words, tuple(antonyms))

    def lemma(self, word: str, pos: str) -> str | None:
        """The base form of ``word`` as this part of speech; None if WordNet does not know it."""
        if self.offsets(word, pos)[0]:
            return word
        for base in self._exceptions[pos].get(word, ()):
            if self.offsets(base, pos)[0]:
                return base
        for suffix, ending in _SUFFIXES[pos]:
            if word.endswith(suffix) and len(word) > len(suffix) + 1:
                base = word[: -len(suffix)] + ending
                if self.offsets(base, pos)[0]:
                    return base
        return None

    def meanings(self, word: str) -> list[tuple[str, str, int]]:
        """``(pos, lemma, offset)`` of all senses of all lemmas that the word may be a form of, in every part of speech."""
        found: dict[tuple[str, str, int], None] = {}
        for pos in POS:
            bases = [word, *self._exceptions[pos].get(word, ())]
            for suffix, ending in _SUFFIXES[pos]:
                if word.endswith(suffix) and len(word) > len(suffix) + 1:
                    bases.append(word[: -len(suffix)] + ending)
            for base in dict.fromkeys(bases):
                for offset in self.offsets(base, pos)[0]:
                    found[pos, base, offset] = None
        return list(found)

    def antonyms(self, lemma: str, pos: str, senses: int = 2) -> list[str]:
        """Opposites of the first of its ``senses`` most frequent meanings that has any, in WordNet's order."""
        found: dict[str, None] = {}
        for offset in self.offsets(lemma, pos)[0][:senses]:
            synset = self.synset(pos, offset)
            for place, target_pos, target, target_place in synset.antonyms:
                if not place or synset.words[place - 1].lower() == lemma:
                    words = self.synset(target_pos, target).words
                    for word in words if not target_place else words[target_place - 1 : target_place]:
                        found[word] = None
            if found:
                break
        return list(found)

    def part_of_speech(self, word: str) -> tuple[str, str] | None:
        """``(pos, lemma)``: the part of speech in which the corpus saw the most senses; None where two are level."""
        ranked = []
        for pos in POS:
            lemma = self.lemma(word, pos)
            if lemma is not None:
                # A base form is likelier than an inflected one.
                ranked.append((self.offsets(lemma, pos)[1] + (lemma == word), pos, lemma))
        ranked.sort(key=lambda r: -r[0])
        if not ranked or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
            return None
        return ranked[0][1:]


def _find(data: bytes, lemma: bytes) -> str | None:
    """The line of a sorted index file that begins with ``lemma`` and a space."""
    lo, hi = 0, len(data)
    while lo < hi:
        mid = (lo + hi) // 2
        start = data.rfind(b"\n", 0, mid) + 1
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        line = data[start:end]
        key = line.split(b" ", 1)[0]  # empty for the licence at the top, which sorts first
        if key == lemma and key:
            return line.decode("ascii", "replace")
        if key < lemma:
            lo = end + 1
        else:
            hi = start
    return None


def _exceptions(read: Callable[[str], bytes], name: str) -> dict[str, tuple[str, ...]]:
    try:
        lines = read(f"{name}.exc").decode("ascii", "replace").splitlines()
    except (OSError, KeyError):
        return {}
    return {parts[0]: tuple(parts[1:]) for line in lines if len(parts := line.split()) > 1}


HOW_TO_INSTALL = (
    "install it with 'apt install wordnet-base' (Debian, Ubuntu) or 'pip install nltk && python -m nltk.downloader wordnet', "
    "or set ROBUSTTEST_WORDNET to the folder with index.noun and data.noun"
)


def _places() -> Iterator[Path]:
    """Where WordNet may be, in order; an environment variable is the only one if it is set."""
    for variable in ("ROBUSTTEST_WORDNET", "WNSEARCHDIR"):
        if chosen := os.environ.get(variable):
            yield Path(chosen)
            return
    yield Path("/usr/share/wordnet")
    nltk = [Path(p) for p in os.environ.get("NLTK_DATA", "").split(os.pathsep) if p]
    nltk += [Path.home() / "nltk_data", Path(sys.prefix, "nltk_data"), Path(sys.prefix, "share/nltk_data")]
    nltk += [Path("/usr/share/nltk_data"), Path("/usr/local/share/nltk_data"), Path("/usr/lib/nltk_data")]
    for folder in nltk:
        yield folder / "corpora/wordnet"
        yield folder / "corpora/wordnet.zip"
    yield from (Path("/opt/homebrew/opt/wordnet/dict"), Path("/usr/local/WordNet-3.0/dict"))


def locate() -> Path:
    """The folder or zip file that holds WordNet, without reading it; `UsageError` says what to install."""
    tried = list(_places())
    for place in tried:
        if place.suffix == ".zip" and place.is_file():
            return place
        if (place / "index.noun").is_file():
            return place
    where = f"{tried[0]} (set in the environment)" if len(tried) == 1 else "the usual places"
    raise UsageError(f"WordNet is not in {where}: {HOW_TO_INSTALL}")


@cache
def load(place: Path) -> WordNet:
    """The database in a folder or in nltk's zip file; read once a process."""
    if place.suffix == ".zip":

        def read(name: str) -> bytes:
            with zipfile.ZipFile(place) as archive:
                return archive.read(f"wordnet/{name}")

        return WordNet(read, str(place))
    return WordNet(lambda name: (place / name).read_bytes(), str(place))
