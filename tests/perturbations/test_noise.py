from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case, Draft, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.base.edits import apply_edits, survive
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import graphemes, protected_spans, tears
from robusttest.perturbations.chars import noise
from robusttest.testing import NASTY_TEXTS, check_perturbation

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
    return p.apply(Draft(case=Case(id="1", fields={"input": text}, **case)), random.Random(seed), 0)  # type: ignore[arg-type]


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


def test_the_edit_is_nlpaugs() -> None:
    from nlpaug.augmenter.char import KeyboardAug

    keys = KeyboardAug(
        include_special_char=False, include_numeric=False, include_upper_case=False
    ).model.model
    for seed in range(50):
        draft = perturbed(noise.keyboard(), "breakfast", seed)
        assert isinstance(draft, Draft)
        ((start, end, new),) = draft.edits["input"]
        assert end == start + 1
        assert new in keys["breakfast"[start]]


def test_taking_nlpaug_away_takes_the_edit_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpaug.augmenter.char import RandomCharAug

    monkeypatch.setattr(RandomCharAug, "delete", lambda self, data: data)
    assert isinstance(perturbed(noise.delete(), "Nothing happens here"), NotApplicable)


def test_one_letter_a_word_and_the_share_of_words_asked_for() -> None:
    text = " ".join(f"{w}word" for w in "abcdefghijklmnopqrst")
    for severity, k in ((0.05, 1), (0.1, 2), (0.25, 5), (1.0, 20)):
        draft = perturbed(noise.substitute(severity), text)
        assert isinstance(draft, Draft)
        assert len(draft.edits["input"]) == k
        assert all(e.end - e.start == 1 == len(e.text) for e in draft.edits["input"])


def test_more_than_nlpaugs_ten_words_are_edited() -> None:
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
    assert "outside protected text" in outcome.reason


def test_misspellings_keep_their_capital_and_are_not_other_words() -> None:
    new = {text_of(noise.spelling(), "Because", seed) for seed in range(40)}
    assert len(new) > 2
    assert all(w[0] == "B" and w != "Because" for w in new)
    for seed in range(40):
        assert "band" not in text_of(noise.spelling(1), "the bank was open all day", seed)


def test_the_users_own_spelling_table_is_left_alone() -> None:
    from nlpaug.augmenter.word import SpellingAug

    table = SpellingAug().model.dict
    size = len(table)
    text_of(noise.spelling(), "Because")
    assert SpellingAug().model.dict is table
    assert len(table) == size


def test_a_split_word_has_its_letters() -> None:
    for seed in range(20):
        assert text_of(noise.split(1), "wonderful", seed).replace(" ", "") == "wonderful"


def test_layouts_are_chosen_by_name_or_script() -> None:
    assert text_of(noise.keyboard(1, language="de"), "wunderbar") != "wunderbar"
    with pytest.raises(UsageError, match=r"keyboard\(language='xx'\).*de, en"):
        noise.keyboard(language="xx")
    assert isinstance(perturbed(noise.keyboard(language="uk"), "wonderful"), NotApplicable)


@each_family
def test_severity_out_of_range(factory: Callable[..., Perturbation]) -> None:
    for bad in ("0", "1.5", "nan", "many"):
        with pytest.raises(UsageError, match=f":{bad}"):
            factory(bad)


def test_the_version_is_known_without_importing_nlpaug() -> None:
    assert noise.nlpaug_version()[0].isdigit()
