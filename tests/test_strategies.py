"""Hypothesis strategies: what is drawn is what a run would ask, and what fails shrinks towards the original."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Variant
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations import make
from robusttest.perturbations.base.edits import apply_edits, lost
from robusttest.perturbations.base.spans import KINDS, protected_spans
from robusttest.strategies import USUAL, perturbed, variants
from robusttest.tasks.task import Task
from robusttest.testing import NASTY_TEXTS

TEXT = "Please cancel my order number 48213 and refund the money to my account"
TASK = Task(
    "t",
    cases=[("where does the parcel stay now", "delivery"), ("please return all of my money", "billing")],
    prompt="{input}\nOne of: {choices}",
    choices=["delivery", "billing"],
)
QUICK = settings(
    database=None,
    max_examples=2000,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def smallest(strategy, predicate):
    return find(strategy, predicate, settings=QUICK, random=random.Random(0))


def different(a: str, b: str) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def test_what_always_holds_shrinks_to_the_original():
    assert smallest(perturbed(TEXT), lambda text: True) == TEXT
    assert smallest(perturbed(TEXT, "keyboard:0.9"), lambda text: True) == TEXT


def test_one_edit_is_enough():
    found = smallest(perturbed(TEXT, "keyboard:0.9"), lambda text: text != TEXT)
    assert different(found, TEXT) == 1


@pytest.mark.parametrize("seed", range(6))
def test_one_word_is_left_wherever_the_draw_began(seed):
    # 60 runs of 60 left one word, with three families; six of them stand here for all.
    text = (
        "Nobody answers the phone and my parcel has still not arrived, please send the money back on Sunday"
    )
    fails = perturbed(text, ["keyboard:0.3", "swap:0.3"])
    found = find(fails, lambda t: "parcel" not in t, settings=QUICK, random=random.Random(seed))
    assert different(found.split(), text.split()) == 1


def test_two_edits_are_left_where_two_are_needed():
    def fails(text):
        return "cancel" not in text and "refund" not in text

    found = smallest(perturbed(TEXT, "substitute:0.9"), fails)
    assert different(found, TEXT) == 2


def test_an_edit_itself_gets_smaller():
    found = smallest(perturbed("please cancel it", "casing:upper"), lambda text: "cancel" not in text)
    assert found == "please Cancel it"


def test_the_first_perturbation_and_variant_are_simplest():
    found = smallest(variants(TASK, "top_p:0.9", "repeat", "format"), lambda v: v.perturbation != "")
    assert (found.perturbation, found.index) == ("top_p:0.9", 0)
    assert found.original == TASK.cases[0]


def test_a_variant_of_the_task_shrinks_to_the_first_case_unperturbed():
    found = smallest(variants(TASK, "keyboard", "format"), lambda v: True)
    assert found == Variant(original=TASK.cases[0], draft=found.draft)
    assert TASK.render(found) == TASK.render(TASK.cases[0])


def test_prompt_and_decoding_come_whole():
    found = smallest(variants(TASK, "format", "temperature:0.7"), lambda v: v.level == "prompt")
    assert TASK.render(found) != TASK.render(TASK.cases[0])
    found = smallest(variants(TASK, "temperature:0.7"), lambda v: v.params)
    assert found.params == {"temperature": 0.7}


def test_sentences_that_change_places_stay_together():
    text = "The parcel is late. Nobody wrote to me. I want a refund."
    found = smallest(perturbed(text, "sentence_order"), lambda t: t != text)
    assert sorted(found.replace(".", "").split()) == sorted(text.replace(".", "").split())


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_protected_text_stands_in_every_part_of_the_edits(data):
    text = data.draw(st.sampled_from(NASTY_TEXTS[:20]))
    name = data.draw(st.sampled_from([*USUAL, "confusables", "full_width"]))
    new = data.draw(perturbed(text, name, variants=3))
    spans = protected_spans(text, allow=[c for c in make(name).changes if c in KINDS])
    assert lost(text, new, spans) is None


@settings(max_examples=100, deadline=None)
@given(variants(TASK, *USUAL, "ocr", "word_delete", severity=0.5, variants=4))
def test_the_edits_lead_to_the_text(variant):
    edits = variant.draft.edits.get("input", ())
    assert apply_edits(variant.original.input, edits) == variant.input
    assert variant.target in TASK.choices
    TASK.render(variant)


@given(perturbed(st.sampled_from(["one more time please", "", "123", "broken \ud800"]), "keyboard"))
@settings(max_examples=30)
def test_a_text_without_anything_to_edit_is_itself(text):
    assert "\ud800" not in text or text == "broken \ud800"


def test_severity_is_of_those_named_without_one():
    found = smallest(
        perturbed(TEXT, "keyboard", severity=0.9),
        lambda text: different(text, TEXT) >= 6 and len(text) == len(TEXT),
    )
    assert different(found, TEXT) == 6


def test_the_global_random_state_is_not_ours():
    random.seed(5)
    before = random.getstate()
    assert smallest(perturbed(TEXT, "keyboard"), lambda text: text != TEXT) != TEXT
    assert random.getstate() == before


@pytest.mark.parametrize(
    ("make_it", "error"),
    [
        (lambda: perturbed(TEXT, "keybord"), UnknownNameError),
        (lambda: perturbed(TEXT, "keyboard:2"), UsageError),
        (lambda: perturbed(TEXT, "paraphrase"), UsageError),
        (lambda: perturbed(3), UsageError),
        (lambda: variants(TEXT), UsageError),
    ],
)
def test_mistakes_are_refused_when_the_strategy_is_made(make_it, error):
    with pytest.raises(error):
        make_it()
