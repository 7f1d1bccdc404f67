from __future__ import annotations

import pytest

from robusttest.core.nouns import Case
from robusttest.perturbations.base.lexicon import table
from robusttest.perturbations.words.persons import gender_candidates, names_in
from robusttest.variants.expand import expand_case


def variants(spec: str, fields: dict[str, object], n: int = 4, **case: object) -> list[dict[str, object]]:
    made = Case(id="c", fields=fields, language="en", perturb=tuple(fields), **case)
    return [
        dict(v.fields) for v in expand_case(made, [spec], variants=n) if v.perturbation and v.status == "ok"
    ]


def test_the_lists_are_balanced_and_disjoint() -> None:
    groups = table("persons")["groups"]
    for sex in ("female", "male"):
        sizes = {len(names) for names in groups[sex].values()}
        assert len(sizes) == 1
    every = [n for by in groups.values() for names in by.values() for n in names]
    assert len(every) == len(set(every))
    assert not set(table("persons")["female"]) & set(table("persons")["male"])


def test_a_name_is_another_of_the_same_sex_in_all_fields() -> None:
    fields = {"premise": "Emily met Greg. She saw Emily's cat.", "hypothesis": "Emily has a cat."}
    groups = table("persons")["groups"]
    found = variants("persons", fields)
    assert len(found) == 4
    for i, made in enumerate(found):
        group = ("african_american", "white")[i % 2]
        new = str(made["hypothesis"]).split()[0]
        assert new in groups["female"][group]
        assert made["premise"].count(new) == 2
        assert "Greg" not in str(made["premise"])


@pytest.mark.parametrize(
    "text",
    [
        "Emily Dickinson wrote it.",  # a known person
        "Doctor Emily came.",
        "Paris is large.",
        "Emily said that Emily Watson came.",
        "Danny has 3 caps. How many has danny?",  # who is he, if Danny is another?
    ],
)
def test_full_names_and_places_stay(text: str) -> None:
    assert variants("persons", {"input": text}) == []


def test_a_name_that_is_the_answer_stays() -> None:
    assert (
        variants("persons", {"input": "Who came, Emily or Greg?"}, target="Emily", choices=("Emily", "Greg"))
        == []
    )


def test_a_charlie_whom_the_text_calls_she_is_no_man() -> None:
    assert variants("persons", {"input": "Charlie took her hat."}) == []
    assert variants("persons", {"input": "Charlie took his hat."}) != []


def test_gender_turns_pronouns_names_and_kinship_together() -> None:
    for made in variants(
        "gender", {"input": "Emily told her brother that she saw him. The hat was hers, and he hid it."}
    ):
        text = str(made["input"])
        name, rest = text.split(" ", 1)
        assert name in table("persons")["male"]
        assert rest == "told his sister that he saw her. The hat was his, and she hid it."


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("I gave her a book", "I gave him a book"),
        ("her new car", "his new car"),
        ("I saw her.", "I saw him."),
        ("the hat is his.", "the hat is hers."),
        ("his hat", "her hat"),
        ("to her 10 friends", "to his 10 friends"),
        ("to his 10 friends", "to her 10 friends"),
        ("Hey man", "Hey man"),
        ("an old man", "an old woman"),
        ("the song Uptown Girl", "the song Uptown Girl"),
    ],
)
def test_the_other_gender(text: str, new: str) -> None:
    out, at = "", 0
    for start, end, word in gender_candidates(text):
        out, at = out + text[at:start] + word, end
    assert out + text[at:] == new


@pytest.mark.parametrize(
    "text",
    [
        "They made her happy.",
        "It made her purchase cheaper.",
        "She is pregnant.",
        "Jillian took her hat.",
        "Emily Watson took her hat.",
        "The king lost his hat.",
    ],
)
def test_what_goes_with_a_sex_and_strangers_stay(text: str) -> None:
    assert variants("gender", {"input": text}) == []


def test_names_alone() -> None:
    text = "Dear Emily, today Greg saw Todd Martin and Sarah's cat."
    assert [text[s:e] for s, e in names_in(text)] == ["Emily", "Greg", "Sarah"]
