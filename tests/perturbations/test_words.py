import random

import pytest
from _corpus_check import HOPELESS, NASTY, check
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case, Draft, NotApplicable
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations.base.edits import apply_edits
from robusttest.perturbations.base.lexicon import in_case_of, table
from robusttest.perturbations.notation.numerals import from_words, to_words
from robusttest.perturbations.words import words

FAMILIES = [words.contractions(), words.numbers(), words.spelling_variant()]


def run(p, text, index=0, seed=0):
    out = p.apply(Draft(case=Case(id="c", fields={"input": text})), random.Random(seed), index)
    return out if isinstance(out, NotApplicable) else out.case.input


@pytest.mark.parametrize("p", FAMILIES, ids=str)
@pytest.mark.parametrize("text", NASTY)
def test_the_promises_hold_on_nasty_texts(p, text):
    for i in range(4):
        check(p, text, index=i, seed=i)


@pytest.mark.parametrize("p", FAMILIES, ids=str)
@pytest.mark.parametrize("text", HOPELESS[:3])
def test_hopeless_texts_are_not_applicable(p, text):
    assert isinstance(check(p, text), NotApplicable)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["do", "not", "don't", "I", "it's", "is", "42", "twenty", "-", " ", "colour", ".", "have", "’"]
        )
    )
)
def test_the_promises_hold_on_any_words(parts):
    for p in FAMILIES:
        check(p, " ".join(parts))


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("I don't know.", "I do not know."),
        ("I can't and won't.", "I cannot and will not."),
        ("It's late, I'm off.", "It is late, I am off."),
        ("She's nice. They’re nice.", "She is nice. They are nice."),
        ("Let's go, I'd like to.", "Let us go, I would like to."),
        ("You should've called.", "You should have called."),
        ("PLEASE DON'T TOUCH IT", "PLEASE DO NOT TOUCH IT"),
        ("I'M HERE", "I AM HERE"),
    ],
)
def test_contractions_are_expanded(text, new):
    assert run(words.contractions("expand"), text) == new


@pytest.mark.parametrize(
    "text",
    [
        "Why don't you go?",
        "Don't you know?",
        "It's been long.",
        "I'd gone.",
        "Isn't this it?",
        "Tom's car",
        "it's",
        "ain't",
    ],
)
def test_contractions_that_could_go_wrong_are_left(text):
    assert isinstance(run(words.contractions("expand"), text), NotApplicable)


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("I do not know.", "I don't know."),
        ("It is late.", "It's late."),
        ("They cannot come.", "They can't come."),
        ("We have been there.", "We've been there."),
        ("You are not invited.", "You're not invited."),
    ],
)
def test_contractions_are_formed(text, new):
    assert run(words.contractions("contract"), text) == new


@pytest.mark.parametrize("text", ["I know what it is.", "We have a dog.", "I do NOT know.", "Who are you?"])
def test_full_forms_that_must_stay_are_left(text):
    assert isinstance(run(words.contractions("contract"), text), NotApplicable)


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("I have 3 dogs.", "I have three dogs."),
        ("42 people came", "Forty-two people came"),
        ("about 1,205 people", "about one thousand two hundred and five people"),
    ],
)
def test_numbers_are_spelled(text, new):
    assert run(words.numbers("words"), text) == new


@pytest.mark.parametrize(
    "text",
    [
        "in 2024",
        "order 17",
        "$5",
        "5%",
        "1.5 or 1,5",
        "2024-05-01",
        "10:30",
        "v2",
        "#4",
        "007",
        "room 12",
        "3/4",
        "12th",
        "$ 4",
        "won ?1,000",
        "my Fx 4300",
        "an r7 250",
        "3) Frogs",
        "a 0.5 4 defence",
    ],
)
def test_numbers_that_do_not_count_are_left(text):
    assert isinstance(run(words.numbers("words"), text), NotApplicable)


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("We have twenty-one dogs.", "We have 21 dogs."),
        ("Two hundred and five came", "205 came"),
        ("for twelve months", "for 12 months"),
    ],
)
def test_number_words_become_digits(text, new):
    assert run(words.numbers("digits"), text) == new


@pytest.mark.parametrize(
    "text", ["this one", "nineteen ninety", "two million", "one of them", "two three", "someone"]
)
def test_number_words_that_are_unsure_are_left(text):
    assert isinstance(run(words.numbers("digits"), text), NotApplicable)


def test_every_number_reads_back():
    assert all(
        from_words(to_words(n)) == n for n in [*range(10_000), *range(10_000, 1_000_000, 997), 999_999]
    )
    assert to_words(1205) == "one thousand two hundred and five"
    with pytest.raises(ValueError, match="1000000"):
        to_words(1_000_000)


@pytest.mark.parametrize(
    "text", ["thousand", "hundred", "a hundred and", "twenty zero", "two thousand thousand", "", "and"]
)
def test_what_is_not_one_number_is_none(text):
    assert from_words(text) is None


def test_spelling_goes_both_ways_and_leaves_names():
    assert (
        run(words.spelling_variant("american"), "My favourite colour. Colours!")
        == "My favorite color. Colors!"
    )
    assert run(
        words.spelling_variant("british"), "We organize a GRAY center"
    ) == "We organise a GREY centre".replace("GREY", "GRAY")
    assert isinstance(run(words.spelling_variant("british"), "at Pearl Harbor and the check"), NotApplicable)


def test_the_spelling_table_is_one_to_one():
    pairs = table("spelling")["pairs"]
    assert len(pairs) > 600
    assert len(set(pairs.values())) == len(pairs)
    assert not set(pairs) & set(pairs.values())
    assert all(a != b and (a + b).isalpha() and (a + b).islower() for a, b in pairs.items())


def test_the_first_variant_changes_all_and_others_a_part():
    text = "I don't, she doesn't, he didn't, we can't, they won't know it."
    p = words.contractions("expand")
    made = {run(p, text, i, i) for i in range(30)}
    assert "'" not in run(p, text)
    assert len(made) > 5
    some = words.contractions("expand", severity=0.4)
    assert run(some, text).count("'") == 3
    assert some.severity == 0.4


def test_directions_and_specs():
    assert words.contractions().spec == "contractions"
    assert words.contractions("expand").spec == "contractions:expand"
    assert words.contractions("0.5").spec == "contractions:0.5"
    with pytest.raises(UnknownNameError, match="expand"):
        words.contractions("expnd")
    with pytest.raises(UsageError, match=r"\(0, 1\]"):
        words.numbers("words", severity=0)


def test_protected_words_stay():
    draft = Draft(case=Case(id="c", fields={"input": "colour and favour"}, target="colour"))
    assert words.spelling_variant().apply(draft, random.Random(0), 0).case.input == "colour and favor"


def test_edits_reproduce_the_text():
    text = "It's my favourite colour; I don't know."
    for p in FAMILIES:
        out = p.apply(Draft(case=Case(id="c", fields={"input": text})), random.Random(0), 0)
        if not isinstance(out, NotApplicable):
            assert apply_edits(text, out.edits["input"]) == out.case.input


@pytest.mark.parametrize(
    ("model", "word", "new"), [("A", "b", "B"), ("Ab", "cd", "Cd"), ("AB", "cd", "CD"), ("ab", "Cd", "Cd")]
)
def test_capitals_are_taken_over(model, word, new):
    assert in_case_of(model, word) == new
