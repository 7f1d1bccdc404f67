"""The same story in another town, or of people of another faith: what a model is to answer must not hang on either.

Both act only where nothing else in the text hangs on the place or the faith, as far as words tell; balanced lists, one group
a variant, in turn.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from robusttest.core.nouns import Case, NotApplicable, derive_seed
from robusttest.errors import UnknownNameError
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import Edited, replace_spans, text_perturbation
from robusttest.perturbations.base.fields import texts
from robusttest.perturbations.base.lexicon import in_case_of, table
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span
from robusttest.perturbations.words.persons import strings

REGIONS = ("africa", "america", "asia", "europe")
FAITHS = ("buddhist", "christian", "hindu", "jewish", "muslim", "sikh")

# Behind a preposition a town is a town: no Paris who is called so, no Vienna sausage.
_TOWN = re.compile(
    r"\b(?:in|to|of|at|by|from|near|into|and|via)\s(?P<town>[A-Z][a-z]{2,12})(?![\w-]|\s[A-Z]|['’]s?\s?[A-Z])"
)
_TIED_TO_PLACE = re.compile(
    r"(?i)\b(?:capital|countr(?:y|ies)|continent|state|province|mayor|river|coast|sea|lake|island|population|inhabitants|north\w*|south\w*"
    r"|east\w*|west\w*|kilomet(?:er|re)s?|km|miles|distance|far|weather|temperature|climate|time ?zone|local time|airport|language|currency"
    r"|president|king|queen|football|soccer|team|club|olympic\w*|museum|tower|cathedral|stadium|famous|history|born|died|founded|treaty"
    r"|battle|war|geograph\w*|tax\w*|visa|law|legal|code|palace|bridge|square|opera|parliament|national|embassy|accent|university)\b"
)
# Before a noun for people: Christian may be somebody's name, and a Buddhist thinker is one of a few.
_FAITH = re.compile(
    r"(?<![\w'’-])(?:Buddhist|Christian|Hindu|Jewish|Muslim|Sikh)(?=\s(?:famil(?:y|ies)|couples?|(?:wo)?m[ae]n|lad(?:y|ies)|girls?|boys?"
    r"|child(?:ren)?|students?|pupils?|teachers?|neighbou?rs?|friends?|colleagues?|classmates?|co-?workers?|employees?|patients?|customers?|doctors?"
    r"|nurses?|communit(?:y|ies)|person|people|parents?|mothers?|fathers?|sons?|daughters?|brothers?|sisters?|husbands?|wi(?:fe|ves)|weddings?"
    r"|funerals?|schools?|households?|organi[sz]ations?|charit(?:y|ies)|tenants?|applicants?|candidates?|visitors?|guests?|workers?)\b)"
)
_HOUSE = re.compile(r"(?<![\w'’-])(?:church|mosque|synagogue|temple|gurdwara)(?:es|s)?(?![\w'’-])")
_TIED_TO_FAITH = re.compile(
    r"(?i)\b(?:bible|biblical|gospel|koran|quran|torah|veda\w*|christ\w+ity|christmas|easter|lent|islam\w*|ramadan|eid|hajj|judaism|passover|hanukkah"
    r"|sabbath|diwali|holi|hinduism|buddhism|sikhism|buddha|jesus|christ|allah|god|gods|lord|prophet|saint|holy|pray\w*|mass|priest|pope|bishop"
    r"|pastor|imam|rabbi|monk|nun|kosher|halal|pork|beef|turban|hijab|veil|cross|baptis\w+|bar mitzvah|religio\w+|faith\w*|sect\w*|catholic\w*"
    r"|protestant\w*|orthodox|sunni|shia\w*|christians|muslims|jews?|hindus|buddhists|sikhs)\b"
)


@cache
def _towns() -> frozenset[str]:
    held = table("places")
    return frozenset(held["known"]).union(*held["groups"].values())


@cache
def _countries() -> re.Pattern[str]:
    """Names of countries and parts of the world, and what comes from them: ``German`` as ``Germany``."""
    return re.compile(rf"\b(?:{'|'.join(table('places')['countries'])})")


def towns_in(text: str) -> Iterator[tuple[int, int]]:
    """Towns that we know, behind a preposition, with no capitalised word after them."""
    for m in _TOWN.finditer(text):
        if m["town"] in _towns():
            yield m.span("town")


def _every(case: Case) -> str:
    return "\n".join(texts(case.fields).values())


def _answers(case: Case) -> str:
    return " ".join(strings([case.target, list(case.choices or ())]))


def _moved(case: Case, index: int, pool: Sequence[str], region: str) -> Mapping[str, str]:
    """Town → another one, the same in all fields of a variant; {} where one of them stands elsewhere, or in an answer."""
    every, answers = _every(case), _answers(case)
    found = sorted({text[s:e] for text in texts(case.fields).values() for s, e in towns_in(text)})
    for town in found:
        alone = sum(t[s:e] == town for t in texts(case.fields).values() for s, e in towns_in(t))
        if len(re.findall(rf"(?i)(?<!\w){town}(?!\w)", every)) != alone or re.search(
            rf"(?i)(?<!\w){town}(?!\w)", answers
        ):
            return {}
    left = sorted(set(pool) - set(found))
    rng = random.Random(derive_seed("places", region, case.id, index, *found))
    return dict(zip(found, rng.sample(left, len(found)), strict=True)) if len(found) <= len(left) else {}


@fielded
def places(region: str | None = None) -> Perturbation:
    """Towns behind a preposition replaced by others, the same in all fields, those of one region a variant in turn.

    ``places:africa`` keeps to one region of `REGIONS`. A text that speaks of what goes with a place (a country, a capital,
    a distance, the weather, a law), and a town that an answer holds, stay.
    """
    if region is not None and region not in REGIONS:
        raise UnknownNameError("region of places", region, REGIONS)
    regions = REGIONS if region is None else (region,)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], case: Case
    ) -> Edited | NotApplicable:
        every = _every(case)
        if (tied := _TIED_TO_PLACE.search(every) or _countries().search(every)) is not None:
            return NotApplicable(reason=f"the text speaks of what goes with a place: {tied[0]!r}")
        chosen = regions[index % len(regions)]
        new = _moved(case, index, table("places")["groups"][chosen], chosen)
        made = ((s, e, new[text[s:e]]) for s, e in towns_in(text) if text[s:e] in new)
        return replace_spans(text, made, rng=rng, protected=protected, what="town behind a preposition")

    return text_perturbation(
        "places",
        fn,
        spec="places" if region is None else f"places:{region}",
        languages=("en",),
        scripts=("Latin",),
        preserves="probably",
        changes=("share",),
        separable=False,
        description="other towns, of balanced regions",
    )


@fielded
def religions(faith: str | None = None) -> Perturbation:
    """A faith before a noun for people ("a Muslim family"), and its house of prayer, replaced by those of another, one a variant in turn.

    ``religions:hindu`` keeps to one of `FAITHS`. A text of two faiths, one that speaks of what goes with a faith (a feast, a
    book, a rite, its name as such), and a faith that an answer holds, stay.
    """
    if faith is not None and faith not in FAITHS:
        raise UnknownNameError("faith of religions", faith, FAITHS)
    faiths = FAITHS if faith is None else (faith,)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], case: Case
    ) -> Edited | NotApplicable:
        every = _every(case)
        if (tied := _TIED_TO_FAITH.search(every)) is not None:
            return NotApplicable(reason=f"the text speaks of what goes with a faith: {tied[0]!r}")
        held = table("places")["religions"]
        said = {m[0] for m in _FAITH.finditer(every)}
        singular = {many: one for _, one, many in held.values()}
        houses = {singular.get(m[0], m[0]) for m in _HOUSE.finditer(every)}
        if len(said) > 1 or len(houses) > 1:
            return NotApplicable(reason="the text speaks of several faiths")
        if not said:
            return NotApplicable(reason="no faith stands before a noun for people")
        (own,) = said
        if _FAITH.search(_answers(case) + " x") or _HOUSE.search(_answers(case)):
            return NotApplicable(reason="an answer holds a faith")
        if houses and next(iter(houses)) != held[own.lower()][1]:
            return NotApplicable(reason=f"a {own} {next(iter(houses))} is another thing")
        others = [f for f in faiths if f != own.lower()]
        if not others:
            return NotApplicable(reason=f"the text speaks of {own} people already")
        name, house, many = held[others[index % len(others)]]
        made = [(*m.span(), name) for m in _FAITH.finditer(text)]
        made += [
            (*m.span(), in_case_of(m[0], house if m[0] == held[own.lower()][1] else many))
            for m in _HOUSE.finditer(text)
        ]
        return replace_spans(text, made, rng=rng, protected=protected, what="faith before a noun")

    return text_perturbation(
        "religions",
        fn,
        spec="religions" if faith is None else f"religions:{faith}",
        languages=("en",),
        scripts=("Latin",),
        preserves="probably",
        changes=("share",),
        separable=False,
        description="another faith, with its house of prayer",
    )
