"""Words of a dialect for the standard ones, and what they leave alone."""

from __future__ import annotations

import re

import pytest

from robusttest.core.nouns import Case
from robusttest.errors import UnknownNameError
from robusttest.perturbations.base.lexicon import table
from robusttest.perturbations.base.patterns import negations
from robusttest.perturbations.words.dialects import DIALECTS, dialect
from robusttest.variants.expand import expand_case


def texts(text: str, spec: str = "dialect", **case: object) -> list[str]:
    made = Case(id="c", fields={"input": text}, language="en", **case)  # type: ignore[arg-type]
    found = [v for v in expand_case(made, [spec]) if v.perturbation]
    assert all(v.status != "rejected" for v in found), [v.reason for v in found]
    return [v.input for v in found if v.status == "ok"]


def test_each_dialect_says_it_in_its_own_way() -> None:
    assert texts("I think something isn't working this afternoon. Yes, really.") == [
        "I think something isn't working this arvo. Yes, really.",
        "I think summat isn't working this afternoon. Aye, really.",
        "I think something isnae working this afternoon. Aye, really.",
        "I reckon something ain't workin' this afternoon. Yes, really.",
    ]
    assert texts("Don’t come, my boy.", "dialect:scottish") == ["Dinnae come, my laddie."]


@pytest.mark.parametrize(
    "text",
    [
        "The Friend of Boy George, in Football Weekly",
        '`yes` {something} "children": 3',
        "a girl-friend, boys'",
    ],
)
def test_names_code_and_parts_of_words_stand(text: str) -> None:
    assert texts(text) == []


def test_what_an_answer_says_stands() -> None:
    text = "Did the girl see the boy?"
    assert texts(text, "dialect:scottish", target="the girl") == ["Did the girl see the laddie?"]
    assert texts(text, "dialect:scottish", target="a", choices=("a", "the boy or the girl")) == []


def test_what_denies_still_denies() -> None:
    for text in ("It isn't here.", "I don't know, and she can't say.", "There is nothing left; nobody came."):
        for new in texts(text):
            assert len(negations(new)) == len(negations(text)), new


def test_the_lists_are_of_single_meaning_words() -> None:
    held = table("dialects")
    assert held["source"]
    assert tuple(sorted(set(held) - {"source"})) == DIALECTS
    for name in DIALECTS:
        for standard, said in held[name].items():
            re.compile(standard)
            assert said != standard
            assert said == said.lower()


def test_an_unknown_dialect_is_refused_by_name() -> None:
    with pytest.raises(UnknownNameError, match="scottish"):
        dialect("scotish")
    assert dialect("southern").spec == "dialect:southern"
