from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case, Draft, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations import make
from robusttest.perturbations.base.dictionary import frequencies
from robusttest.perturbations.base.edits import apply_edits, survive
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import graphemes, protected_spans, tears
from robusttest.perturbations.chars import keyboards, noise
from robusttest.testing import NASTY_TEXTS, check_perturbation
from robusttest.variants.expand import expand_case

FAMILIES = {
    "keyboard": noise.keyboard,
    "ocr": noise.ocr,
    "insert": noise.insert,
    "substitute": noise.substitute,
    "swap": noise.swap,
    "delete": noise.delete,
    "spelling": noise.spelling,
    "split": noise.split,
}
each_family = pytest.mark.parametrize("factory", FAMILIES.values(), ids=FAMILIES)
PROMPT = (
    "Classify the {review} as Positive, Negative or Neutral.\n\n"
    'The item {"name": "Ann Lee"} cost $1,299.00 at https://shop.example.com/a?b=1, order 48213.\n'
    "A) Positive\nB) Negative\nIt arrived broken and nobody answered. Answer:"
)


def perturbed(p: Perturbation, text: str, seed: int = 0, **case: object) -> Draft | NotApplicable:
    assert p.apply is not None
    return p.apply(Draft(case=Case(id="1", fields={"input": text}, **case)), random.Random(seed), 0)


def text_of(p: Perturbation, text: str, seed: int = 0) -> str:
    outcome = perturbed(p, text, seed)
    assert isinstance(outcome, Draft), outcome
    return str(outcome.case.input)


@each_family
def test_every_family_keeps_its_promises(factory: Callable[..., Perturbation]) -> None:
    check_perturbation(factory())
    check_perturbation(factory(0.5))


@each_family
def test_a_prompt_keeps_all_that_is_not_prose(factory: Callable[..., Perturbation]) -> None:
    choices = ("Positive", "Negative", "Neutral")
    spans = protected_spans(PROMPT, case=Case(id="1", fields={}, choices=choices))
    for seed in range(100):
        draft = perturbed(factory(0.4), PROMPT, seed, choices=choices)
        assert isinstance(draft, Draft)
        new, edits = draft.case.input, draft.edits["input"]
        assert new != PROMPT
        assert apply_edits(PROMPT, edits) == new
        assert survive(PROMPT, new, edits, spans)
        assert new.count("\n") == PROMPT.count("\n")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(FAMILIES)),
    st.lists(st.sampled_from(NASTY_TEXTS), min_size=1, max_size=3).map(" ".join),
    st.integers(0, 10**6),
    st.sampled_from([0.05, 0.1, 0.5, 1.0]),
)
def test_joined_nasty_texts(name: str, text: str, seed: int, severity: float) -> None:
    outcome = perturbed(FAMILIES[name](severity), text, seed)
    if isinstance(outcome, Draft):
        new, edits = outcome.case.input, outcome.edits["input"]
        assert apply_edits(text, edits) == new
        assert survive(text, new, edits, protected_spans(text))
        assert tears(new) == tears(text)


def test_a_key_touches_the_one_that_was_meant() -> None:
    """Staggered: on QWERTY ``g`` lies on ``v`` and ``b``, under ``t`` and ``y``."""
    assert keyboards.neighbours("en")["g"] == "bfhtvy"
    assert keyboards.neighbours("en")["q"] == "aw"
    assert keyboards.neighbours("de")["t"] == "fgrz"
    assert keyboards.neighbours("fr")["q"] == "aswz"
    assert "ö" in keyboards.neighbours("de")["l"]
    assert "ñ" in keyboards.neighbours("es")["l"]
    assert "å" in keyboards.neighbours("sv")["p"]
    for layout in keyboards.LAYOUTS:
        near = keyboards.neighbours(layout)
        assert all(a in near[b] for a in near for b in near[a]), layout
        assert all(1 <= len(n) <= 6 for n in near.values()), layout


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "wunderbar größer möchte"), ("fr", "bonjour commande"), ("ru", "библиотека закрыта"), ("el", "παραγγελία ευχαριστώ"),
        ("he", "להזמנה החבילה"), ("ar", "المكتبة مساعدتي"), ("tr", "sipariş kargonuz"), ("sv", "beställning frågar"),
    ],
)  # fmt: skip
def test_a_neighbour_on_the_board_of_the_language(language: str, text: str) -> None:
    near = keyboards.neighbours(language)
    for seed in range(20):
        draft = perturbed(noise.keyboard(1), text, seed, language=language)
        assert isinstance(draft, Draft)
        for start, end, new in draft.edits["input"]:
            assert end == start + 1
            assert new in near[text[start]]


def test_a_board_is_named_in_the_spec() -> None:
    assert make("keyboard:0.2@de").spec == noise.keyboard(0.2, language="de").spec == "keyboard:0.2@de"
    assert make("keyboard:@fr").spec == "keyboard:0.1@fr"
    found = {text_of(make("keyboard:1@de"), "throughout", seed) for seed in range(90)}
    assert any("z" in w for w in found)  # beside t and u in Germany
    with pytest.raises(UsageError, match="known layouts"):
        make("keyboard:0.1@xx")


@pytest.mark.parametrize(
    "factory",
    [noise.keyboard, noise.insert, noise.substitute, noise.swap, noise.delete, noise.spelling, noise.ocr],
)
def test_no_slip_makes_another_word(factory: Callable[..., Perturbation]) -> None:
    text = "from form there their quite quiet lost cost modern corner because where which went"
    words = frequencies("en")
    for seed in range(40):
        new = text_of(factory(1), text, seed).split()
        assert len(new) == len(text.split())
        assert not [w for w, old in zip(new, text.split(), strict=True) if w != old and w in words]


def test_scanners_mistake_shapes() -> None:
    found = {text_of(noise.ocr(1), "modern", seed) for seed in range(80)}
    assert {"modem"}.isdisjoint(found)  # a word
    assert {"rnodern", "moclern", "modcrn"} <= found


def test_one_letter_a_word_and_the_share_of_words_asked_for() -> None:
    text = " ".join(f"{w}word" for w in "abcdefghijklmnopqrst")
    for severity, k in ((0.05, 1), (0.1, 2), (0.25, 5), (1.0, 20)):
        draft = perturbed(noise.substitute(severity), text)
        assert isinstance(draft, Draft)
        assert len(draft.edits["input"]) == k
        assert all(e.end - e.start == 1 == len(e.text) for e in draft.edits["input"])


def test_more_than_ten_words_are_edited() -> None:
    draft = perturbed(noise.keyboard(0.5), "wonderful " * 100)
    assert isinstance(draft, Draft)
    assert len(draft.edits["input"]) == 50


def test_letters_stay_in_the_script_of_their_word() -> None:
    for factory in (noise.insert, noise.substitute, noise.keyboard):
        new = text_of(factory(1), "библиотека открывается")
        assert new.replace(" ", "").isalpha()
        assert not any(c.isascii() and c.isalpha() for c in new)


def test_capitals_stay_capitals_in_a_shouted_text() -> None:
    for factory in FAMILIES.values():
        if factory is noise.ocr:
            continue  # scanners take I for l
        assert text_of(factory(), "PLEASE ANSWER MY QUESTION ABOUT THE DELIVERY TIME").isupper()


def test_hindi_letters_move_with_their_vowel_signs() -> None:
    text = "किताबवाली"
    pieces = sorted(graphemes(text))
    for seed in range(20):
        assert sorted(graphemes(text_of(noise.swap(), text, seed))) == pieces
        assert not tears(text_of(noise.delete(), text, seed))


@pytest.mark.parametrize("text", ["今天的天气很好", "12 + 30 = 42", "👍🏽 🇫🇷", "a b c", "??"])
@each_family
def test_nothing_to_act_on_is_not_applicable(factory: Callable[..., Perturbation], text: str) -> None:
    outcome = perturbed(factory(), text)
    assert isinstance(outcome, NotApplicable)
    assert outcome.reason


def test_misspellings_keep_their_capital_and_are_not_other_words() -> None:
    new = {text_of(noise.spelling(), "Because", seed) for seed in range(40)}
    assert len(new) > 1
    assert all(w[0] == "B" and w != "Because" for w in new)
    for seed in range(40):
        assert "band" not in text_of(noise.spelling(1), "the bank was open all day", seed)


def test_a_split_word_has_its_letters() -> None:
    for seed in range(20):
        assert text_of(noise.split(1), "wonderful", seed).replace(" ", "") == "wonderful"


def test_layouts_are_chosen_by_name_or_script() -> None:
    assert text_of(noise.keyboard(1, language="de"), "wunderbar") != "wunderbar"
    with pytest.raises(UsageError, match=r"keyboard\(language='xx'\).*de, el, en"):
        noise.keyboard(language="xx")
    assert isinstance(perturbed(noise.keyboard(language="uk"), "wonderful"), NotApplicable)


@each_family
def test_severity_out_of_range(factory: Callable[..., Perturbation]) -> None:
    for bad in ("0", "1.5", "nan", "many"):
        with pytest.raises(UsageError, match=f":{bad}"):
            factory(bad)


@pytest.mark.parametrize("name", ["keyboard", "delete", "swap", "substitute", "insert"])
def test_no_slip_is_a_negation(name: str) -> None:
    # "note" without its last letter denies what it said; "noon" and "nota" are one key, one letter from words that deny.
    text = "A note about noon at the Norse knot: none too nice, nota bene, never been newer than nicht."
    case = Case(id="c", fields={"input": text}, language="en")
    found = [v for v in expand_case(case, [f"{name}:1"], variants=40) if v.perturbation]
    assert all("negations" not in str(v.reason) for v in found)
    assert any(v.status == "ok" for v in found)
