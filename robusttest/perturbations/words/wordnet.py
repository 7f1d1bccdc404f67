"""Synonyms and antonyms by nlpaug on WordNet, without nltk and without a download.

nlpaug's `SynonymAug` and `AntonymAug` ask a model for a word's part of speech and candidates; ours reads WordNet's own
files (`wndb`). One word is replaced by one word, in the same inflection where that is regular; names, function words
and words whose opposite or synonym WordNet does not know are left alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from robusttest.core.nouns import Case, NotApplicable, Preserves
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.dictionary import frequencies
from robusttest.perturbations.base.edits import (
    Counted,
    Edited,
    EditText,
    parse_severity,
    replace_spans,
    share,
    text_perturbation,
)
from robusttest.perturbations.base.lexicon import begins_sentence, english, in_case_of
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span
from robusttest.perturbations.words.augmenters import bound, one_token
from robusttest.perturbations.words.persons import strings
from robusttest.perturbations.words.wndb import load, locate
from robusttest.perturbations.words.words_random import whole_words

DEFAULT_SEVERITY = 0.1
_TAGS = {"n": "NN", "v": "VB", "a": "JJ", "r": "RB"}
_SKIP = "DT"  # nlpaug leaves determiners alone
_COMMON = 1000
"""How often a word has to be seen in the list of frequencies to be one that everybody reads."""
_RARER = 12
"""How many times rarer than the word a synonym may be."""
_POS_OF = {"n": "n", "v": "v", "a": "a", "s": "a", "r": "r"}


@fielded
def synonym(severity: float | str | None = None) -> Perturbation:
    """Words replaced by a synonym, ``severity`` (0.1) of those that have one, by nlpaug's `SynonymAug` on WordNet.

    A word is replaced wherever the text has it; one that an answer or protected text has, too, stands.
    Only words that mean one thing, in any context, have one here: a common word with a single sense in WordNet, and another
    common word that means this alone, inflected alike. So it finds few places in a text. Raises `UsageError` that says what to install where WordNet is missing.
    """
    return _family("synonym", severity, "probably", "a synonym from WordNet for a word")


@fielded
def antonym(severity: float | str | None = None) -> Perturbation:
    """Words replaced by their opposite, ``severity`` (0.1) of those that have one, by nlpaug's `AntonymAug`.

    It turns the meaning round by design: use it with `directional`, or to see whether a model notices.
    """
    return _family("antonym", severity, "alters", "an opposite from WordNet for a word")


def _family(name: str, severity: float | str | None, preserves: Preserves, description: str) -> Perturbation:
    value, spec = parse_severity(name, severity, default=DEFAULT_SEVERITY)
    place = locate()

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], case: Case
    ) -> Edited | NotApplicable:
        engine = _engine(name, place)
        candidates = engine.model.candidates
        places: dict[str, list[tuple[int, int]]] = {}
        for start, end in whole_words(text, protected):
            word = text[start:end]
            if not word.isascii() or not candidates(word.lower()):
                continue
            if word.islower() or word.isupper() or begins_sentence(text, start):
                places.setdefault(word.lower(), []).append((start, end))
        if name == "synonym":  # what a text calls a thing it calls it throughout, as the answers do
            answers = " ".join(strings([case.target, list(case.choices or ())]))
            places = {
                word: found
                for word, found in places.items()
                if len(_stands(word).findall(text)) == len(found) and not _stands(word).search(answers)
            }
        if not places:
            article = "an" if name == "antonym" else "a"
            return NotApplicable(
                reason=f"no word outside protected text that WordNet knows {article} {name} of"
            )
        aug = bound(engine, rng)
        made: list[tuple[int, int, str]] = []
        n = len(places)
        if name == "synonym":
            chosen = share(value, n, rng)
            for word in rng.sample(sorted(places), chosen):
                other = aug.substitute(word)
                made += _replaced(text, places[word], other)
        else:
            spans = sorted(span for found in places.values() for span in found)
            chosen, n = share(value, len(spans), rng), len(spans)
            for span in sorted(rng.sample(spans, chosen)):
                made += _replaced(text, [span], aug.substitute(text[slice(*span)].lower()))
        outcome = replace_spans(text, made, rng=rng, protected=protected, what="word")
        return outcome if isinstance(outcome, NotApplicable) else Counted(*outcome, chosen, n)

    typed: EditText = fn
    return text_perturbation(
        name,
        typed,
        spec=spec,
        severity=value,
        preserves=preserves,
        scripts=("Latin",),
        languages=("en",),
        changes=("share",),
        description=description,
    )


@lru_cache(maxsize=256)
def _stands(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?i)(?<!\w){re.escape(word)}(?!\w)")


def _replaced(text: str, places: Sequence[tuple[int, int]], other: str) -> Iterator[tuple[int, int, str]]:
    for start, end in places:
        new = in_case_of(text[start:end], other)
        yield start, end, new
        yield from _article(text, start, new)


_ARTICLE = re.compile(r"(?<![\w'’-])(an?)[ \t]\Z", re.IGNORECASE)
_VOWEL_SOUND = re.compile(
    r"(?!uni|us[aeiu]|eu|one|once|uti|ubi)[aeiou]|hour|honest|honou?r|heir", re.IGNORECASE
)


def _article(text: str, start: int, new: str) -> list[tuple[int, int, str]]:
    """``a`` ↔ ``an`` before a word that now begins with another sound."""
    m = _ARTICLE.search(text, max(0, start - 4), start)
    if m is None:
        return []
    right = "an" if _VOWEL_SOUND.match(new) else "a"
    return [] if m[1].lower() == right else [(m.start(1), m.end(1), in_case_of(m[1], right))]


@cache
def _engine(kind: str, place: Path) -> Any:
    """Nlpaug's augmenter with our model in the place of nltk's."""
    from nlpaug.augmenter.word import AntonymAug, SynonymAug

    model = WordNetModel(place, kind)

    class Synonym(SynonymAug):  # type: ignore[misc]  # nlpaug has no types
        @classmethod
        def get_model(cls, *args: Any, **keywords: Any) -> WordNetModel:
            return model

    class Antonym(AntonymAug):  # type: ignore[misc]  # nlpaug has no types
        @classmethod
        def get_model(cls, *args: Any, **keywords: Any) -> WordNetModel:
            return model

    options: dict[str, Any] = {
        "aug_min": 1,
        "aug_max": 1,
        "tokenizer": one_token,
        "reverse_tokenizer": "".join,
    }
    return Synonym(**options) if kind == "synonym" else Antonym(**options)


class WordNetModel:
    """What nlpaug asks of its WordNet model: `predict` and `pos_tag`."""

    def __init__(self, place: Path, kind: str) -> None:
        self._wordnet, self._kind = load(place), kind
        self._known: dict[str, tuple[str, tuple[str, ...]] | None] = {}

    def pos_tag(self, tokens: list[str]) -> list[tuple[str, str]]:
        """Penn tags; a word that is not to be replaced is called a determiner."""
        entries = [self._entry(t.lower()) for t in tokens]
        return [(t, _TAGS[e[0]] if e else _SKIP) for t, e in zip(tokens, entries, strict=True)]

    def predict(self, word: str, pos: str | None = None) -> list[str]:
        """Replacements of ``word`` as this part of speech, inflected as it is."""
        entry = self._entry(word.lower())
        return list(entry[1]) if entry and (pos is None or _POS_OF.get(pos) == entry[0]) else []

    def candidates(self, word: str) -> tuple[str, ...]:
        entry = self._entry(word)
        return entry[1] if entry else ()

    def _entry(self, word: str) -> tuple[str, tuple[str, ...]] | None:
        if word not in self._known:
            self._known[word] = self._look_up(word)
        return self._known[word]

    def _look_up(self, word: str) -> tuple[str, tuple[str, ...]] | None:
        if len(word) < 3 or word in english("function_words") or not word.isalpha():
            return None
        return self._synonyms(word) if self._kind == "synonym" else self._antonyms(word)

    def _synonyms(self, word: str) -> tuple[str, tuple[str, ...]] | None:
        """Of a word that means one thing, whatever stands around it: others that mean it before anything else.

        Part of speech and sense are then what they are in any context. Both are common words, and the inflected form is one
        that is written: ``frequencies`` holds it.
        """
        senses = self._wordnet.meanings(word)
        counts = frequencies("en")
        none = english(
            "synonyms_that_are_none"
        )  # as read: a sunny day is not cheery, nor a guardian a protector
        if len(word) < 4 or len(senses) != 1 or counts.get(word, 0) < _COMMON or word in none:
            return None
        pos, lemma, offset = senses[0]
        kept: dict[str, None] = {}
        for other in self._wordnet.synset(pos, offset).words:
            if other == lemma or not other.isalpha() or not other.islower():
                continue
            if len(self._wordnet.meanings(other)) > 1 or other in english("function_words"):
                continue
            new = inflect_like(word, lemma, other, pos)
            if (
                new
                and new not in none
                and new != word
                and counts.get(new, 0) >= max(_COMMON / 2, counts[word] / _RARER)
            ):
                kept[new] = None
        return (pos, tuple(kept)) if kept else None

    def _antonyms(self, word: str) -> tuple[str, tuple[str, ...]] | None:
        found = self._wordnet.part_of_speech(word)
        if found is None or found[0] == "n":
            return None  # nlpaug gives antonyms of verbs, adjectives and adverbs only
        pos, lemma = found
        raw = self._wordnet.antonyms(lemma, pos)
        inflected = (
            inflect_like(word, lemma, other, pos) for other in raw if other.isalpha() and other.islower()
        )
        kept = tuple(dict.fromkeys(w for w in inflected if w and w != word))
        return (pos, kept) if kept else None


def inflect_like(word: str, lemma: str, other: str, pos: str) -> str | None:
    """``other`` in the form that ``word`` is of ``lemma``; None where that form is irregular or unknown.

    >>> inflect_like("purchased", "purchase", "order", "v")
    'ordered'
    """
    if word == lemma:
        return other
    for ending in {"n": ("s",), "v": ("s", "ed", "ing"), "a": (), "r": ()}[pos]:
        if word == _inflected(lemma, ending):
            return (
                None if ending == "ed" and other in english("irregular_verbs") else _inflected(other, ending)
            )
    return None


def _inflected(base: str, ending: str) -> str:
    if ending == "s":
        if base.endswith("y") and base[-2:-1] not in "aeiou":
            return base[:-1] + "ies"
        return base + ("es" if base.endswith(("s", "x", "z", "ch", "sh")) else "s")
    if base.endswith("e") and not base.endswith(("ee", "ye", "oe")):
        return base[:-1] + ending
    if ending == "ed" and base.endswith("y") and base[-2:-1] not in "aeiou":
        return base[:-1] + "ied"
    # One vowel before one consonant, in a short word: stop → stopped.
    if len(base) <= 4 and base[-1] not in "aeiouwxy" and base[-2] in "aeiou" and base[-3:-2] not in "aeiou":
        return base + base[-1] + ending
    return base + ending
