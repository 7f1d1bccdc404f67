"""What stands around the question: sentences beside the point, courtesy, links, another order of sentences.

Everything is inserted before or after the text, or moves whole sentences; the words of the question stay.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Literal

from robusttest.core.nouns import Case, Edit, NotApplicable
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import Edited, apply_edits, diff_edits, text_perturbation
from robusttest.perturbations.base.lexicon import english, table
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span, labels_in, outside
from robusttest.perturbations.prompt.orders import other_order

Where = Literal["before", "after"]
_PLACES = ("before", "after")
_MOVES = ("share",)
"""Whole sentences move: the share of changed characters says nothing here."""
_ADDS = ("share", "lines", "number", "negation")
"""What is added beside the text may have lines, numbers and a "not" of its own; the text itself stands."""


@fielded
def distractor(where: str | None = None, *, sentences: Sequence[str] | None = None) -> Perturbation:
    """A neutral sentence that has nothing to do with the question, before or after it.

    It stands before a text that breaks off (``Coal is formed from``), which it would else complete.
    ``distractor:before`` and ``distractor:after`` keep to one side. ``sentences`` are the user's own: choose them so
    that they don't answer any case.
    """
    own = _given("distractor", sentences) or tuple(table("context")["distractors"])
    places = _places("distractor", where)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], case: Case
    ) -> Edited | NotApplicable:
        unused = [s for s in own if s not in text and not labels_in(s, case)]
        if not unused:
            return NotApplicable(reason="every distractor stands in the text already")
        return _beside(text, rng.choice(unused), rng.choice(_fitting(text, places)))

    return text_perturbation(
        "distractor",
        fn,
        spec="distractor" if where is None else f"distractor:{where}",
        languages=("en",) if sentences is None else ("any",),
        limit=len(own) * len(places),
        changes=_ADDS,
        adds=True,
        description="a sentence that is beside the point, before or after the text",
    )


@fielded
def politeness(where: str | None = None) -> Perturbation:
    """A greeting or a please before the text, or thanks after it; nothing after a text that breaks off."""
    prefixes, suffixes = table("context")["polite_prefixes"], table("context")["polite_suffixes"]
    every = [("before", p) for p in prefixes] + [("after", s) for s in suffixes]
    places = _places("politeness", where)
    choices = [c for c in every if c[0] in places]

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        fitting = _fitting(text, places)
        place, phrase = rng.choice([c for c in choices if c[0] in fitting])
        return _beside(text, phrase.strip(), place)

    return text_perturbation(
        "politeness",
        fn,
        spec="politeness" if where is None else f"politeness:{where}",
        scripts=("Latin",),
        languages=("en",),
        limit=len(choices),
        changes=_ADDS,
        adds=True,
        description="a greeting, a please or thanks around the text",
    )


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@fielded
def url(kind: str | None = None) -> Perturbation:
    """A meaningless link or handle at the end, as in CheckList: ``https://t.co/Ab3…`` or ``@kqzvt``.

    It stands before a text that breaks off (``Coal is formed from``), which it would else complete. ``url:link`` and ``url:handle`` keep to one kind.
    """
    kinds = ("link", "handle")
    if kind is not None and kind not in kinds:
        raise UnknownNameError("kind of url", kind, kinds)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        what = kind or rng.choice(kinds)
        if what == "link":
            added = "https://t.co/" + "".join(rng.choices(_LETTERS + _LETTERS.upper(), k=10))
        else:
            added = "@" + "".join(rng.choices(_LETTERS, k=6))
        return _beside(text, added, _fitting(text, ("after", "before"))[0])

    return text_perturbation(
        "url",
        fn,
        spec="url" if kind is None else f"url:{kind}",
        changes=_ADDS,
        adds=True,
        description="a random link or handle after the text",
    )


def _fitting(text: str, places: tuple[str, ...]) -> tuple[str, ...]:
    """The places that leave the question as it is: nothing comes after a single line that has no end."""
    line = text.strip()
    if len(places) > 1 and "\n" not in line and line[-1] not in _ENDS:
        return ("before",)
    return places


_ENDS = frozenset(".!?…\"'”’)]。！？।؟")


EMOJI = ("📌", "📎", "🗓️", "📝", "🔹", "💬", "👋", "📣", "🔎", "✏️", "➡️", "🕐")
"""Of things and signs; none that smiles, frowns or judges."""


@fielded
def emoji(where: str | None = None) -> Perturbation:
    """An emoji before or after the text, of a thing or a sign (``📌``, ``🗓️``, ``👋``); ``emoji:before`` and ``emoji:after`` keep to a side.

    None of them says how somebody feels.
    """
    places = _places("emoji", where)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        place = rng.choice(places)
        sign = rng.choice(EMOJI)
        at = len(text) - len(text.lstrip()) if place == "before" else len(text.rstrip())
        edit = Edit(at, at, f"{sign} " if place == "before" else f" {sign}")
        return apply_edits(text, [edit]), (edit,)

    return text_perturbation(
        "emoji",
        fn,
        spec="emoji" if where is None else f"emoji:{where}",
        limit=len(EMOJI) * len(places),
        changes=_ADDS,
        adds=True,
        description="an emoji of a thing or a sign, before or after the text",
    )


@fielded
def numeric_distractor(where: str | None = None) -> Perturbation:
    """A sentence beside the point that holds a number, before the text or before its last sentence (the question).

    The number is none that the text or the answer holds. After the clauses without effect of GSM-Symbolic (Mirzadeh et al.,
    arXiv 2410.05229), with a topic of its own. ``numeric_distractor:before`` and ``numeric_distractor:within`` keep to one place.
    """
    kinds = ("before", "within")
    if where is not None and where not in kinds:
        raise UnknownNameError("place of numeric_distractor", where, kinds)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], case: Case
    ) -> Edited | NotApplicable:
        patterns = table("context")["numeric_distractors"]
        unused = [p for p in patterns if not labels_in(p, case) and p.partition("{n}")[0] not in text]
        taken = set(re.findall(r"\d+", f"{text} {case.target} {case.choices}"))
        numbers = [n for n in range(3, 90) if str(n) not in taken]
        if not unused or not numbers:
            return NotApplicable(reason="every sentence or number stands in the text already")
        sentence = rng.choice(unused).replace("{n}", str(rng.choice(numbers)))
        spans = sentences_of(text, protected)
        place = where or rng.choice(kinds)
        if place == "within" and len(spans) > 1 and "\n" not in text[spans[-2][1] : spans[-1][0]]:
            edit = Edit(spans[-1][0], spans[-1][0], sentence + " ")
            return apply_edits(text, [edit]), (edit,)
        return _beside(text, sentence, "before")

    return text_perturbation(
        "numeric_distractor",
        fn,
        spec="numeric_distractor" if where is None else f"numeric_distractor:{where}",
        languages=("en",),
        changes=_ADDS,
        adds=True,
        description="a sentence beside the point that holds a number",
    )


def _beside(text: str, added: str, place: str) -> Edited:
    """``added`` inserted before or after the text's own blanks, set off by a space (by a line in a text of lines)."""
    gap = "\n" if "\n" in text.strip() else " "
    if place == "before":
        at = len(text) - len(text.lstrip())
        edit = Edit(at, at, added + gap)
    else:
        at = len(text.rstrip())
        edit = Edit(at, at, gap + added)
    return apply_edits(text, [edit]), (edit,)


def _given(name: str, sentences: Sequence[str] | None) -> tuple[str, ...] | None:
    if sentences is None:
        return None
    if isinstance(sentences, str):
        sentences = (sentences,)
    own = tuple(sentences)
    if not own or not all(isinstance(s, str) and s.strip() for s in own):
        raise UsageError(f"{name}: sentences={sentences!r}: give a list of non-empty sentences")
    return tuple(dict.fromkeys(own))


def _places(name: str, where: str | None) -> tuple[str, ...]:
    if where is None:
        return _PLACES
    if where not in _PLACES:
        raise UnknownNameError(f"place of {name}", where, _PLACES)
    return (where,)


# --- question as statement ---------------------------------------------------------------------------------------

_STATEMENTS = (
    "I would like to know {}.",
    "Please tell me {}.",
    "I want to know {}.",
    "My question is {}.",
    "Tell me {}.",
    "I am wondering {}.",
)
_WH = r"(?P<wh>(?:what|who|whom|whose|which|when|where|why|how)(?:\s[\w'-]+){0,4}?)"
_AUX = r"(?P<aux>is|are|was|were|can|could|will|would|should|may|might|must|have|has|had)"
_PRONOUN = r"(?P<subject>I|you|he|she|it|we|they|this|that|there)\b"
_WH_PRONOUN = re.compile(rf"{_WH}\s{_AUX}\s{_PRONOUN}(?P<rest>.*)", re.IGNORECASE)
_WH_DO = re.compile(rf"{_WH}\sdo\s(?P<subject>I|you|we|they)\b(?P<rest>.+)", re.IGNORECASE)
_WH_SUBJECT = re.compile(r"(?P<wh>who|what|which\s\w+)\s(?P<rest>[\w'-]+.*)", re.IGNORECASE)
_YES_NO = re.compile(rf"{_AUX}\s{_PRONOUN}(?P<rest>.+)", re.IGNORECASE)
_YES_NO_DO = re.compile(r"do\s(?P<subject>I|you|we|they)\b(?P<rest>.+)", re.IGNORECASE)


def as_clause(question: str) -> str | None:
    """``How can I pay?`` → ``how I can pay``; ``Is it late?`` → ``whether it is late``; None where it is unsure.

    Only questions whose subject is a pronoun are turned round: with a noun the end of the subject can't be told.
    """
    body = question.strip().rstrip("?").rstrip()
    if not body or any(c in body for c in "?!\n;:"):
        return None

    def subject(m: re.Match[str]) -> str:
        return "I" if m["subject"] in "Ii" else m["subject"].lower()

    def asked(m: re.Match[str]) -> str | None:
        words = m["wh"].lower().split()
        return None if english("verbs_that_move") & set(words) else m["wh"][0].lower() + m["wh"][1:]

    if m := _YES_NO_DO.fullmatch(body):
        return f"whether {subject(m)}{m['rest']}"
    if m := _YES_NO.fullmatch(body):
        return f"whether {subject(m)} {m['aux'].lower()}{m['rest']}"
    if (m := _WH_DO.fullmatch(body)) and (wh := asked(m)):
        return f"{wh} {subject(m)}{m['rest']}"
    if (m := _WH_PRONOUN.fullmatch(body)) and (wh := asked(m)):
        return f"{wh} {subject(m)} {m['aux'].lower()}{m['rest']}"
    if (m := _WH_SUBJECT.fullmatch(body)) and m["rest"].split()[0].lower() not in english("verbs_that_move"):
        return f"{m['wh'][0].lower()}{m['wh'][1:]} {m['rest']}"
    return None


@fielded
def statement() -> Perturbation:
    """The question as a statement: ``How can I pay?`` → ``I would like to know how I can pay.``"""

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        for start, end in reversed(sentences_of(text, protected)):
            sentence = text[start:end]
            if not sentence.endswith("?") or not (clause := as_clause(sentence)):
                continue
            new = rng.choice(_STATEMENTS).format(clause)
            edits = _around(sentence, start, new)
            if all(outside(e.start, e.end, protected) for e in edits):
                return apply_edits(text, edits), edits
        return NotApplicable(reason="no question that can be turned into a statement with certainty")

    return text_perturbation(
        "statement",
        fn,
        preserves="probably",
        scripts=("Latin",),
        languages=("en",),
        limit=len(_STATEMENTS),
        changes=_MOVES,
        separable=False,
        description="the question as a statement: I would like to know how …",
    )


def _around(old: str, start: int, new: str) -> tuple[Edit, ...]:
    """Edits by words, so that what stays is not part of an edit."""
    return tuple(Edit(e.start + start, e.end + start, e.text) for e in diff_edits(old, new))


# --- the order of sentences --------------------------------------------------------------------------------------

_END = re.compile(
    r"(?<![.][^\W\d_])(?<!\b[A-Z])(?<!\b(?:Mr|Ms|Dr|St|vs|No))(?<!\b(?:Mrs|etc|e\.g|i\.e))[.!?]+[\"'”’)]*(?=\s|$)|[。！？｡．।॥۔؟]+[」』”’）)]*|\n+"
    # Thai has no full stop: a polite particle before a blank ends a sentence, a blank alone need not.
    r"|(?:(?<=ครับ)|(?<=ค่ะ)|(?<=คะ)|(?<=จ้ะ))(?=\s)"
)
_THAI_ENDS = ("ครับ", "ค่ะ", "คะ", "จ้ะ")
_THAI_ASKS = re.compile("ไหม|หรือ|อะไร|ไหน|เมื่อไ|อย่างไร|ยังไง|ทำไม|ใคร|กี่|เท่าไ|มั้ย")


def sentences_of(text: str, protected: Sequence[Span] = ()) -> list[tuple[int, int]]:
    """Spans of the sentences, without the blanks between them; an end inside protected text is none."""
    found: list[tuple[int, int]] = []
    start = 0
    for m in _END.finditer(text):
        if not outside(m.start(), m.end(), protected):
            continue
        _add_trimmed(found, text, start, m.end())
        start = m.end()
    _add_trimmed(found, text, start, len(text))
    return found


def _add_trimmed(found: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        found.append((start, end))


_ITEM = re.compile(r"(?:[-*•]|\(?\w{1,2}[.)]|[^\W\d_]+:)\s")
_LEANS = re.compile(
    r"(?:that|but|and|so|or|yet|then|however|after|before|next|later|now|here|because|for example|for instance)\b|"
    r".*?\b(?:he|she|it|they|him|her|them|his|hers|its|their|this|these|those|such|another|other|others|both|remaining|"
    r"rest|also|too|again|instead|meanwhile|finally)\b",
    re.IGNORECASE | re.DOTALL,
)
"""A sentence that speaks of what was said before it."""


def _movable(text: str, protected: Sequence[Span]) -> list[tuple[int, int]]:
    """Stretches of sentences that may change places.

    Questions, headings, the items of a list, what is labelled (``Question: …``) and lines without an end stay where
    they are; what leans on the sentence before it goes with that.
    """
    found: list[tuple[int, int]] = []
    joins = False
    for start, end in sentences_of(text, protected):
        sentence = text[start:end]
        ends = sentence[-1] in _ENDS or sentence.endswith(_THAI_ENDS)
        if sentence[-1] in "?？؟" or _THAI_ASKS.search(sentence) or not ends or _ITEM.match(sentence):
            joins = False
        elif _LEANS.match(sentence) and found:
            if joins:
                found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
            joins = True
    return found


@fielded
def sentence_order() -> Perturbation:
    """The sentences in another order; the blanks between them stay where they are.

    Questions, list items and lines without an end keep their places, and what refers to the sentence before
    it (``She …``, ``Then …``) moves with it. What is told in an order (a story, steps) may still mean something else
    afterwards.
    """

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        spans = _movable(text, protected)
        if len(spans) < 2:
            return NotApplicable(reason="the text has fewer than two sentences that can change places")
        order = other_order(len(spans), index, rng, "sentence_order", text)
        if order is None:
            return NotApplicable(reason=f"{len(spans)} sentences have no further order")
        edits = tuple(
            Edit(start, end, text[slice(*spans[other])])
            for (start, end), other in zip(spans, order, strict=True)
            if text[start:end] != text[slice(*spans[other])]
        )
        if not edits:
            return NotApplicable(reason="the sentences are equal to each other")
        return apply_edits(text, edits), edits

    return text_perturbation(
        "sentence_order",
        fn,
        preserves="probably",
        changes=_MOVES,
        moves=True,
        description="the sentences in another order",
    )
