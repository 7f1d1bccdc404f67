"""Other people in the same story: first names of balanced groups, and he for she.

The question stays the same where the person is anybody: a first name alone. Full names may be those of known people, and stay.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from robusttest.core.nouns import Case, NotApplicable, derive_seed
from robusttest.errors import UnknownNameError
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import Edited, replace_spans, text_perturbation
from robusttest.perturbations.base.fields import texts
from robusttest.perturbations.base.lexicon import begins_sentence, english, in_case_of, table
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span

GROUPS = ("african_american", "white")
_SEXES = ("female", "male")
_OTHER = {"female": "male", "male": "female"}


@cache
def _known() -> Mapping[str, str]:
    """First name → the sex that nearly all who bear it have."""
    held = table("persons")
    found = {name: sex for sex in _SEXES for name in held[sex]}
    for sex in _SEXES:
        for names in held["groups"][sex].values():
            found |= dict.fromkeys(names, sex)
    return found


_NAME = re.compile(r"(?<![\w'’.-])[A-Z][a-z]{2,12}(?![\w-])")
_FULL = re.compile(r"(?<![\w'’.-])([A-Z][\w'’.-]*)\s\Z")
_AFTER = re.compile(r"\s(?:[A-Z][a-z'’]|(?:[IVX]{1,4}|de|von|van|bin|del)(?!\w))")


def _opens(word: str) -> bool:
    """Whether a word with a capital is no name but the first of a sentence: "Then Emily", "Dear Emily"."""
    return (
        word in ("dear", "hi", "hello", "hey")
        or word in english("function_words")
        or word in table("informal")["openers"]
    )


def names_in(text: str) -> Iterator[tuple[int, int]]:
    """First names that stand alone: no surname follows, no other name stands before."""
    for m in _NAME.finditer(text):
        if m[0] not in _known() or _AFTER.match(text, m.end()):
            continue
        before = _FULL.search(text, max(0, m.start() - 30), m.start())
        if before is not None and not _opens(before[1].lower()):
            continue
        yield m.span()


def _alone(case: Case) -> tuple[str, ...]:
    """The first names of a case that may be another: wherever one stands in it, it stands alone; no answer holds it."""
    held = texts(case.fields)
    found = {text[s:e] for text in held.values() for s, e in names_in(text)}
    answers = " ".join(strings([case.target, list(case.choices or ())]))
    rest = "\n".join(text for key, text in held.items())
    kept = []
    for name in sorted(found):
        every = len(re.findall(rf"(?i)(?<!\w){name}(?!\w)", rest))  # "danny", too
        alone = sum(text[s:e] == name for text in held.values() for s, e in names_in(text))
        if (
            every == alone
            and not re.search(rf"(?<!\w){name}(?!\w)", answers)
            and not (len(found) == 1 and _of_other_sex(name, rest))
        ):
            kept.append(name)
    return tuple(kept)


_PRONOUNS = {
    "female": re.compile(r"(?i)\b(?:she|her|hers|herself)\b"),
    "male": re.compile(r"(?i)\b(?:he|him|his|himself)\b"),
}


def _of_other_sex(name: str, text: str) -> bool:
    """Whether the pronouns of the text say that this Charlie is a woman."""
    own = _known()[name]
    return bool(_PRONOUNS[_OTHER[own]].search(text)) and not _PRONOUNS[own].search(text)


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        yield from strings(list(value.values()))


def _renamed(case: Case, index: int, pools: Mapping[str, Iterable[str]], seed: str) -> Mapping[str, str]:
    """Name → another one, the same in all fields of a variant, each new name once."""
    old = _alone(case)
    rng = random.Random(derive_seed(seed, case.id, index, *old))
    present = {w for text in texts(case.fields).values() for w in re.findall(r"[A-Z][a-z]+", text)}
    left = {sex: sorted(set(names) - present) for sex, names in pools.items()}
    new: dict[str, str] = {}
    for name in old:
        pool = left[_known()[name]]
        if pool:
            new[name] = pool.pop(rng.randrange(len(pool)))
    return new


@fielded
def persons(group: str | None = None) -> Perturbation:
    """First names that stand alone replaced by others of the same sex, the same in all fields: pronouns still fit.

    The new names are those of one group a variant, in turn: ``african_american``, ``white`` (``persons:white`` keeps to one), as
    Bertrand and Mullainathan (2004) sent them to employers. Names that an answer holds, and full names, stay.
    """
    if group is not None and group not in GROUPS:
        raise UnknownNameError("group of persons", group, GROUPS)
    groups = GROUPS if group is None else (group,)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], case: Case
    ) -> Edited | NotApplicable:
        held = table("persons")["groups"]
        chosen = groups[index % len(groups)]
        new = _renamed(case, index, {sex: held[sex][chosen] for sex in _SEXES}, f"persons {chosen}")
        made = ((s, e, new[text[s:e]]) for s, e in names_in(text) if text[s:e] in new)
        return replace_spans(text, made, rng=rng, protected=protected, what="first name that stands alone")

    return text_perturbation(
        "persons",
        fn,
        spec="persons" if group is None else f"persons:{group}",
        languages=("en",),
        scripts=("Latin",),
        changes=("share",),
        separable=False,
        description="other first names, of balanced groups",
    )


# --- gender -------------------------------------------------------------------------------------------------

_PAIRS = (
    "he she", "himself herself", "man woman", "men women", "boy girl", "boys girls", "father mother", "dad mom", "daddy mommy",
    "son daughter", "sons daughters", "brother sister", "brothers sisters", "husband wife", "uncle aunt", "nephew niece",
    "grandfather grandmother", "grandpa grandma", "grandson granddaughter", "boyfriend girlfriend", "gentleman lady", "sir madam",
    "stepfather stepmother", "mr ms", "mr. ms.",
)  # fmt: skip
_BOUND = re.compile(
    r"(?i)\b(?:pregnan\w*|births?|born|gave birth|prostate|ovar\w+|uter\w+|menopaus\w*|menstrua\w*|breast\w*|beard\w*|moustache|sperm"
    r"|maiden|nun|nuns|monk|monks|bride|groom|priest|pope|king|queen|prince|princess|god|lord|gender|sex|female|male|feminin\w*"
    r"|masculin\w*|wom[ae]n's|men's|lesbian|gay|marr\w+|wedding|president|actress|actor|mrs)\b"
)
_HER_VERBS = re.compile(
    r"(?i)\b(?:makes?|made|keeps?|kept|finds?|found|leaves?|left|considers?|calls?|called|helps?|helped|lets?|let)\s\Z"
)


@cache
def _swaps() -> Mapping[str, str]:
    pairs = [p.split() for p in _PAIRS]
    return {**{a: b for a, b in pairs}, **{b: a for a, b in pairs}, "him": "her"}


_GENDERED = re.compile(r"(?<![\w'’-])[A-Za-z]+(?![\w-])")


def gender_candidates(text: str) -> Iterator[tuple[int, int, str]]:
    """Pronouns, titles and words of kinship in the other gender."""
    for m in _GENDERED.finditer(text):
        word = m[0].lower()
        if m[0][0].isupper() and word not in ("mr", "ms") and not begins_sentence(text, m.start()):
            continue  # a title: "Uptown Girl"
        if word in ("man", "men") and not _DETERMINED.search(text[max(0, m.start() - 12) : m.start()]):
            continue  # "Hey man", and "how man" for "how many"
        if word in ("her", "his"):
            new = _possessive(text, m.start(), m.end(), word)
        elif word in ("hers",):
            new = "his"
        else:
            new = _swaps().get(word, "")
        if new:
            yield m.start(), m.end(), in_case_of(m[0], new)


_DETERMINED = re.compile(
    r"(?i)\b(?:an?|the|this|that|these|those|another|old|young|other|\d+|two|three|each|every|some|many)\s\Z"
)


def _possessive(text: str, start: int, end: int, word: str) -> str:
    following = re.match(r"\s+([^\W_]+)", text[end : end + 40])
    if word == "his":
        return "her" if following else "hers"
    if following is None or following[1].lower() in english("after_her_object"):
        return "him"
    return "his"


def _unclear(text: str) -> str | None:
    """A ``her`` that may be of either kind: "made her call" is her call, or that she called."""
    for m in re.finditer(r"(?i)(?<![\w'’-])her\s+([^\W_]+)", text):
        if m[1].lower() not in english("after_her_object") and _HER_VERBS.search(
            text[max(0, m.start() - 14) : m.start()]
        ):
            return m[0]
    return None


def _stranger(text: str) -> str | None:
    """A capitalised word that may be somebody's name: we can't tell the gender, so it can't be turned."""
    for m in re.finditer(r"(?<![\w'’-])[A-Z][a-z][\w'’-]*", text):
        word = re.sub(r"['’]s\Z", "", m[0])
        if word in _known() or word.lower() in _swaps() or word.lower() in ("her", "his", "hers"):
            continue
        small = word.lower()
        if _opens(small) or small in english("days_and_months"):
            continue
        return word
    return None


@fielded
def gender() -> Perturbation:
    """He for she and she for he throughout: pronouns, titles, kinship (``mother``, ``uncle``) and first names together.

    A text that speaks of what goes with a sex (birth, beard, marriage, a king), or holds a full name, stays.
    """

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], case: Case
    ) -> Edited | NotApplicable:
        every = "\n".join(texts(case.fields).values())
        if _BOUND.search(every):
            return NotApplicable(reason="the text speaks of what goes with a sex")
        if (unclear := _unclear(every)) is not None:
            return NotApplicable(reason=f"{unclear!r} may be said of her, or of what is hers")
        known = {w for w in re.findall(r"(?<!\w)[A-Z][a-z]{2,12}(?!\w)", every) if w in _known()}
        alone = _alone(case)
        if known - set(alone):
            return NotApplicable(reason="the text holds a full name, or a name that is part of the answer")
        if any(p.search(every) for p in _PRONOUNS.values()) and (stranger := _stranger(every)):
            return NotApplicable(
                reason=f"the text may speak of {stranger}, who is no first name that we know"
            )
        held = table("persons")
        new = _renamed(case, index, {sex: held[_OTHER[sex]] for sex in _SEXES}, "gender")
        if len(new) < len(alone):
            return NotApplicable(reason="there are too few names for those in the text")
        made = [(s, e, new[text[s:e]]) for s, e in names_in(text)]
        made += gender_candidates(text)
        return replace_spans(text, made, rng=rng, protected=protected, what="word that has a gender")

    return text_perturbation(
        "gender",
        fn,
        languages=("en",),
        scripts=("Latin",),
        preserves="probably",
        changes=("share",),
        separable=False,
        description="he for she and she for he, with names and kinship",
    )
