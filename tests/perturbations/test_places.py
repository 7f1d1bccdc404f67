"""Other towns and other faiths in the same story."""

from __future__ import annotations

import pytest

from robusttest.core.nouns import Case
from robusttest.errors import UnknownNameError
from robusttest.perturbations.base.lexicon import table
from robusttest.perturbations.words.places import FAITHS, REGIONS, places, religions, towns_in
from robusttest.variants.expand import expand_case

MOVED = "I moved from Boston to Denver last week, and my parcel went to Boston."


def variants(spec, fields, n=4, **case):
    case = Case(id="c", fields=fields, language="en", perturb=tuple(fields), **case)
    return [
        dict(v.fields) for v in expand_case(case, [spec], variants=n) if v.perturbation and v.status == "ok"
    ]


def why(spec, text, **case):
    made = expand_case(Case(id="c", fields={"input": text}, language="en", **case), [spec], variants=1)
    return next(v.reason for v in made if v.perturbation)


def test_the_lists_are_balanced_and_disjoint():
    held = table("places")
    assert tuple(sorted(held["groups"])) == REGIONS
    assert tuple(sorted(held["religions"])) == FAITHS
    assert len({len(towns) for towns in held["groups"].values()}) == 1
    every = [t for towns in held["groups"].values() for t in towns] + held["known"]
    assert len(every) == len(set(every))
    assert held["source"]


def test_towns_move_together_in_all_fields():
    made = variants("places", {"input": MOVED, "note": "He lives in Boston."})
    assert len(made) == 4
    groups = table("places")["groups"]
    for i, fields in enumerate(made):
        first = fields["note"].removeprefix("He lives in ").removesuffix(".")
        assert first in groups[REGIONS[i]]
        assert fields["input"].count(first) == 2
        assert "Denver" not in fields["input"]
    assert all(m["input"].split()[3] in groups["asia"] for m in variants("places:asia", {"input": MOVED}))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He lives in Paris.", ["Paris"]),
        ("from London via Rome", ["London", "Rome"]),
        ("Paris said so.", []),
        ("in Boston Harbor", []),
        ("to Berlin's Tegel", []),
        ("in Lyon", []),  # not one of ours
        ("at Chicago-style pizza", []),
    ],
)
def test_a_town_is_one_behind_a_preposition(text, found):
    assert [text[s:e] for s, e in towns_in(text)] == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("What is the capital of the country that lies in Berlin?", "capital"),
        ("How many miles is it from Boston to Denver?", "miles"),
        ("What is the weather in Oslo?", "weather"),
        ("The festival in Bangkok, the largest of Thailand.", "Thai"),
        ("In Frankfurt we heard a German song in Berlin.", "German"),
        ("They meet in London, before Buckingham Palace.", "Palace"),
        ("It went to Boston. Boston is cold.", "town behind a preposition"),
    ],
)
def test_what_hangs_on_a_place_stays(text, said):
    assert said in why("places", text)


def test_a_town_that_is_an_answer_stays():
    assert why("places", MOVED, target="Denver") is not None
    assert why("places", MOVED, target="x", choices=("x", "Boston")) is not None


def test_a_faith_and_its_house_change_together():
    text = "A Muslim family waits before the mosque. Other mosques are closed."
    made = [m["input"] for m in variants("religions", {"input": text}, n=5)]
    assert len(made) == 5
    assert "A Christian family waits before the church. Other churches are closed." in made
    assert "A Jewish family waits before the synagogue. Other synagogues are closed." in made
    assert all("Muslim" not in m and "mosque" not in m for m in made)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A Muslim man keeps Ramadan.", "Ramadan"),
        ("A Jewish man asked a Muslim woman.", "several faiths"),
        ("A Jewish man stood before the church.", "another thing"),
        ("The church is closed.", "no faith stands before a noun for people"),
        ("Is Christian related to Jacob?", "no faith stands before a noun for people"),
        ("Which Buddhist thinker taught it?", "no faith stands before a noun for people"),
        ("The Muslims came with a Hindu friend.", "Muslims"),
    ],
)
def test_what_hangs_on_a_faith_stays(text, said):
    assert said in why("religions", text)


def test_names_of_groups_are_checked():
    with pytest.raises(UnknownNameError, match="asia"):
        places("asi")
    with pytest.raises(UnknownNameError, match="hindu"):
        religions("hindi")
    assert religions("sikh").spec == "religions:sikh"
