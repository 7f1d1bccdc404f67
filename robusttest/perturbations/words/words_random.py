"""nlpaug's augmenters of whole words: swapped, left out, cropped, replaced by reserved words or by TF-IDF.

nlpaug sees the unprotected words alone, as the tokens of one call, and never the text: what it does to token *i* is
done to word *i*. Its randomness is a generator of ours.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

from robusttest.core.nouns import Case, Edit, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.base import segments
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import (
    Edited,
    EditText,
    apply_edits,
    parse_severity,
    replace_spans,
    share,
    text_perturbation,
)
from robusttest.perturbations.base.lexicon import in_case_of
from robusttest.perturbations.base.patterns import denies, number_words
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span, labels_in, outside, unspaced_scripts, unusable, words
from robusttest.perturbations.words.augmenters import bound, one_token

DEFAULT_SEVERITY = 0.1
_TRIES = 8
_TAG = "\x1f"  # between a token and its number; no word holds it
_BREAK = "\x1e"  # between tokens
_JOINERS = ("'", "’", "-")


def _tokens(data: str) -> list[str]:
    return data.split(_BREAK)


@cache
def _random_word(action: str) -> Any:
    from nlpaug.augmenter.word import RandomWordAug

    # A crop of one word has an empty range to start in hence two at least.
    return RandomWordAug(
        action=action,
        aug_min=2 if action == "crop" else 1,
        aug_max=None,
        tokenizer=_tokens,
        reverse_tokenizer=_BREAK.join,
    )


@fielded
def word_swap(severity: float | str | None = None) -> Perturbation:
    """Words exchanged with a neighbour, ``severity`` (0.1) of them, by nlpaug's `RandomWordAug`."""
    return _random("word_swap", "swap", severity, least=2, description="neighbouring words exchanged")


@fielded
def word_delete(severity: float | str | None = None) -> Perturbation:
    """Words left out, ``severity`` (0.1) of them, by nlpaug's `RandomWordAug`."""
    return _random("word_delete", "delete", severity, least=2, description="words left out")


@fielded
def word_crop(severity: float | str | None = None) -> Perturbation:
    """A run of words left out, ``severity`` (0.1) of all and two at least, by nlpaug's `RandomWordAug`."""
    return _random("word_crop", "crop", severity, least=4, description="a run of words left out")


def _random(
    name: str, action: str, severity: float | str | None, *, least: int, description: str
) -> Perturbation:
    value, spec = parse_severity(name, severity, default=DEFAULT_SEVERITY)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        spans = whole_words(text, protected)
        if len(spans) < least:
            if unspaced_scripts(text) and not segments.available():
                return NotApplicable(
                    reason=f"the words of a script without spaces are not known: {segments.HOW_TO_INSTALL}"
                )
            return NotApplicable(reason=f"fewer than {least} words outside protected text")
        aug = bound(_random_word(action), rng)
        aug.aug_p, aug.aug_max = value, len(spans) - 1
        if action == "crop":
            draw = aug.sample
            # To the left it counts below zero and wraps round to the last words: only to the right.
            aug.sample = lambda x, num=None: [1] if x == [-1, 1] else draw(x, num)
        picked = _remembered(aug, "_get_aug_range_idxes" if action == "crop" else "_get_random_aug_idxes")
        data = _BREAK.join(f"{text[s:e]}{_TAG}{i}" for i, (s, e) in enumerate(spans))
        for _ in range(_TRIES):
            picked.clear()
            tokens = _tokens(getattr(aug, action)(data))
            edits = (
                _swapped(text, spans, tokens) if action == "swap" else _cut(text, spans, tokens, set(picked))
            )
            if edits:
                return apply_edits(text, edits), edits
        return NotApplicable(reason="the words are equal to their neighbours")

    typed: EditText = fn
    return text_perturbation(
        name,
        typed,
        spec=spec,
        severity=value,
        preserves="alters",
        changes=("share",),
        separable=name != "word_swap",
        description=description,
    )


def whole_words(text: str, protected: tuple[Span, ...]) -> list[tuple[int, int]]:
    """Words with their apostrophes and hyphens (``it's``, ``well-known``) that are nowhere protected."""
    joined: list[tuple[int, int]] = []
    for start, end in words(text, protected):
        if joined and joined[-1][1] == start - 1 and text[start - 1] in _JOINERS:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))

    def torn(at: int, beyond: int) -> bool:
        return text[at : at + 1] in _JOINERS and text[beyond : beyond + 1].isalnum()

    # What hangs on a protected part ("twenty-" before "one") is no word of its own.
    return [(s, e) for s, e in joined if not (s >= 2 and torn(s - 1, s - 2)) and not torn(e, e + 1)]


def _remembered(aug: Any, method: str) -> list[int]:
    """The list that will hold the indexes that ``aug.method`` picks, in each call of it."""
    picked: list[int] = []
    pick = getattr(aug, method)

    def remember(tokens: list[str]) -> list[int]:
        found: list[int] = pick(tokens)
        picked.extend(found)
        return found

    setattr(aug, method, remember)
    return picked


def _swapped(text: str, spans: Sequence[tuple[int, int]], tokens: Sequence[str]) -> tuple[Edit, ...]:
    made = [(s, e, t.split(_TAG)[0]) for (s, e), t in zip(spans, tokens, strict=True)]
    return tuple(Edit(s, e, new) for s, e, new in made if new != text[s:e])


def _cut(
    text: str, spans: Sequence[tuple[int, int]], tokens: Sequence[str], picked: Collection[int]
) -> tuple[Edit, ...]:
    """The picked words go; nlpaug writes what follows the first one with its capital, which is kept."""
    # By what was picked, not by what came back: where the first two words go, nlpaug brings the second one back.
    kept = {int(number): word for word, _, number in (t.partition(_TAG) for t in tokens)}
    edits: list[Edit] = []
    for i, (start, end) in enumerate(spans):
        if i in picked:
            if edits and not edits[-1].text and not text[edits[-1].end : start].strip(" "):
                edits[-1] = Edit(edits[-1].start, end, "")  # one gap for a run of words
            else:
                edits.append(Edit(start, end, ""))
        elif kept[i] != text[start:end]:
            edits.append(Edit(start, end, kept[i]))
    return tuple(_with_a_space(text, e) if not e.text else e for e in edits)


def _with_a_space(text: str, gone: Edit) -> Edit:
    """With the word goes one of the spaces that set it off."""
    before, after = text[gone.start - 1 : gone.start], text[gone.end : gone.end + 1]
    if after == " " and before in ("", " ", "\n"):
        return gone._replace(end=gone.end + 1)
    if before == " " and (not after or after in ".,!?;:\n"):
        return gone._replace(start=gone.start - 1)
    return gone


# --- reserved words ----------------------------------------------------------------------------------------------


@fielded
def reserved(
    groups: Iterable[Iterable[str]] | None = None,
    *,
    severity: float = 1.0,
    case_sensitive: bool = False,
    name: str | None = None,
) -> Perturbation:
    """Words and phrases replaced by others of their group, by nlpaug's `ReservedAug`.

    ``reserved([["FWD", "Fwd", "FW"], ["refund", "money back"]])``: whatever a group holds means the same to the user.
    ``severity`` is the share of the places found. ``name`` tells two sets apart: ``reserved:name``.
    """
    own = _groups(groups)
    value, _ = parse_severity("reserved", severity, default=1.0)
    if name is not None and (not name or any(c in name for c in ":,[]#+")):
        raise UsageError(f"reserved: name={name!r} must be non-empty, without any of ':,[]#+'")
    members = sorted({m for group in own for m in group}, key=lambda m: (-len(m), m))
    pattern = re.compile(
        rf"(?<!\w)(?:{'|'.join(map(re.escape, members))})(?!\w)", 0 if case_sensitive else re.IGNORECASE
    )

    @cache
    def engine() -> Any:
        from nlpaug.augmenter.word import ReservedAug

        return ReservedAug(
            reserved_tokens=[list(group) for group in own],
            case_sensitive=case_sensitive,
            aug_p=1,
            tokenizer=one_token,
            reverse_tokenizer="".join,
        )

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        places = [m.span() for m in pattern.finditer(text) if outside(*m.span(), protected)]
        if not places:
            return NotApplicable(reason="no reserved word outside protected text")
        aug = bound(engine(), rng)
        chosen = sorted(rng.sample(places, share(value, len(places), rng)))
        made = []
        for start, end in chosen:
            new: str = aug.substitute(text[start:end])
            made.append((start, end, new if case_sensitive else in_case_of(text[start:end], new)))
        return replace_spans(text, made, rng=rng, protected=protected, what="reserved word")

    typed: EditText = fn
    return text_perturbation(
        "reserved",
        typed,
        spec=f"reserved:{name}" if name else "reserved",
        severity=value,
        changes=("share", "chat", "acronym", "identifier"),
        description="the user's groups of words that mean the same",
    )


def _groups(groups: Iterable[Iterable[str]] | None) -> tuple[tuple[str, ...], ...]:
    example = 'reserved([["refund", "money back"], ["FWD", "Fwd"]])'
    if groups is None or isinstance(groups, str):
        raise UsageError(f"reserved needs groups of words of your own, from python: {example}")
    own = tuple(tuple(dict.fromkeys(group)) if not isinstance(group, str) else (group,) for group in groups)
    if not own or any(len(g) < 2 or not all(isinstance(m, str) and m.strip() for m in g) for g in own):
        raise UsageError(f"reserved: each group needs two or more different words, as in {example}")
    seen: dict[str, int] = {}
    for i, group in enumerate(own):
        for member in group:
            if seen.setdefault(member.lower(), i) != i:
                raise UsageError(f"reserved: {member!r} is in two groups; which one is meant?")
    return own


# --- TF-IDF ------------------------------------------------------------------------------------------------------


def _plain(documents: Iterable[Sequence[str]]) -> frozenset[str]:
    """The commonest words, which make up half of all that is written; none that denies or counts."""
    counts = Counter(word.lower() for document in documents for word in document)
    half, seen = sum(counts.values()) / 2, 0
    kept: set[str] = set()
    for word, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if seen >= half and len(kept) > 1:
            break
        seen += n
        if not denies(word, "en") and not number_words(word):
            kept.add(word)
    return frozenset(kept)


@fielded
def tfidf(
    texts: Iterable[str] | None = None,
    *,
    severity: float | None = None,
    top_k: int = 5,
    name: str | None = None,
) -> Perturbation:
    """Words that say little replaced by other such words of the user's texts, by nlpaug's `TfIdfAug`.

    Words that say little are those of the commoner half of all words written in ``texts``; content words, labels, negations and
    numbers neither go nor come. The model is trained on ``texts`` (of the same kind as the cases, about a hundred or more) when
    the first variant is made; nothing is downloaded. In a short text any word may say much, so it needs a rule, as in
    ``directional(tfidf(texts), expect="same")``. After Xie et al., "Unsupervised Data Augmentation" (arXiv 1904.12848).
    """
    if texts is None or isinstance(texts, str):
        raise UsageError("tfidf learns from texts of your own, from python: tfidf(texts, severity=0.1)")
    corpus = tuple(texts)
    if not all(isinstance(t, str) for t in corpus):
        raise UsageError("tfidf: texts is a list of strings")
    value, _ = parse_severity("tfidf", severity, default=DEFAULT_SEVERITY)
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise UsageError(f"tfidf: top_k={top_k!r} is not a number of words to draw from")
    documents = [[t[s:e] for s, e in words(t, ())] for t in corpus if not unusable(t)]
    documents = [d for d in documents if d]
    if len(documents) < 2 or len({w for d in documents for w in d}) < 2:
        raise UsageError(
            f"tfidf: {len(documents)} texts with words are too few to learn from; give about a hundred"
        )
    suffix = f":{name}" if name else f":{value:g}" if severity is not None else ""
    plain = _plain(documents)

    @cache
    def engine() -> Any:
        from nlpaug.augmenter.word import TfIdfAug
        from nlpaug.model.word_stats import TfIdf

        class Trained(TfIdfAug):  # type: ignore[misc]  # nlpaug has no types
            def get_model(self, force_reload: bool = False) -> Any:
                model = TfIdf()
                model.train(documents)
                return model

        return Trained(top_k=top_k, aug_max=None, tokenizer=_tokens, reverse_tokenizer=_BREAK.join)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], case: Case
    ) -> Edited | NotApplicable:
        aug = bound(engine(), rng)
        model = aug.model = bound(aug.model, rng)
        model.choice = lambda x, p, size=1: rng.choices(range(len(x)), weights=p, k=size)
        spans = [s for s in words(text, protected) if text[slice(*s)].lower() in plain]
        if not spans:
            return NotApplicable(
                reason="no word of the text is a common one of the texts that tfidf learned from"
            )
        aug.aug_p = value
        data = _BREAK.join(text[s:e] for s, e in spans)
        for _ in range(_TRIES):
            tokens = _tokens(aug.substitute(data))
            made = [
                (s, e, in_case_of(text[s:e], token))
                for (s, e), token in zip(spans, tokens, strict=True)
                if token.lower() in plain and not labels_in(token, case)
            ]
            outcome = replace_spans(text, made, rng=rng, protected=protected, what="word")
            if not isinstance(outcome, NotApplicable):
                return outcome
        return NotApplicable(reason="no word was drawn that differs")

    typed: EditText = fn
    return text_perturbation(
        "tfidf",
        typed,
        spec=f"tfidf{suffix}",
        severity=value,
        preserves="alters",
        changes=("share",),
        description="words that say little replaced by others of the user's texts",
    )
