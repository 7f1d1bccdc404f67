"""The helper must go red for each promise that is broken: each test here breaks one."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from robusttest.core.nouns import Case, Draft, Edit
from robusttest.perturbations import keyboard
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.testing import NASTY_TEXTS, check_perturbation


def shout(text: str, rng: random.Random) -> str:
    return text.upper()


def raw(change: Callable[[Draft, random.Random], Draft], **options: object) -> Perturbation:
    return Perturbation(name="raw", spec="raw", level="input", apply=lambda d, r, i: change(d, r), **options)


def to(draft: Draft, text: str, edits: tuple[Edit, ...] = ()) -> Draft:
    return draft.with_(case=replace(draft.case, fields={"input": text}), edits={"input": edits})


def refused(p: object, message: str, texts: tuple[str, ...] = ("Some plain words to change",)) -> None:
    with pytest.raises(AssertionError, match=message):
        check_perturbation(p, texts)


def test_good_ones_pass() -> None:
    check_perturbation(shout)
    check_perturbation("keyboard:0.3")
    check_perturbation(keyboard, ["Some plain words"], variants=5, seed=4)


def test_the_global_generator() -> None:
    refused(lambda_named(lambda text, rng: text + random.choice("ab")), "global random module")


def test_numpys_global_generator() -> None:
    import numpy as np

    refused(lambda_named(lambda text, rng: text + "ab"[np.random.randint(2)]), "numpy's global generator")


def test_state_between_calls() -> None:
    count = itertools.count()
    refused(lambda_named(lambda text, rng: f"{text} {'x' * next(count)}"), "another text for the same seed")


def test_a_case_that_is_changed_in_place() -> None:
    def scribble(draft: Draft, rng: random.Random) -> Draft:
        draft.case.metadata["seen"] = True
        return to(draft, "x")

    refused(raw(scribble), "changed the case it was given")


def test_edits_that_lead_elsewhere() -> None:
    refused(raw(lambda d, r: to(d, d.case.input + "!", (Edit(0, 0, "!"),))), "do not lead to")


def test_protected_text_that_is_gone() -> None:
    text = "Write to {name} at once"
    refused(
        raw(lambda d, r: to(d, "Write to you at once", (Edit(9, 15, "you"),))), r"'\{name\}' is gone", (text,)
    )


def test_json_that_no_longer_parses() -> None:
    p = raw(lambda d, r: to(d, d.case.input + "}", (Edit(10, 10, "}"),)), changes=("json",))
    check_perturbation(p, ['{"a": "b"}'])
    refused(
        raw(lambda d, r: to(d, "[" + d.case.input, (Edit(0, 0, "["),)), preserves="alters"),
        "not one variant",
        ('{"a": "b"}',),
    )


def test_what_never_applies() -> None:
    refused(raw(lambda d, r: d), "not one variant from 1 texts. Reasons: nothing changed in 20 draws")
    check_perturbation(raw(lambda d, r: d), ["some text"], applies=False)


def test_what_raises() -> None:
    refused(lambda_named(lambda text, rng: 1 / 0), "raised ZeroDivisionError.*\n.*on the text 'Some plain")


def test_what_a_model_writes() -> None:
    p = Perturbation(name="w", spec="w", level="input", rewrite=lambda d, r, i: iter(()))
    refused(p, "a model writes its variants")


def test_empty_texts_are_no_check() -> None:
    refused(shout, "texts is empty", ())


def test_a_variant_of_a_broken_text() -> None:
    refused(
        raw(lambda d, r: to(d, "x", (Edit(0, 1, "x"),))), "a variant of the text is only whitespace", (" ",)
    )


def test_the_corpus_has_what_it_is_for() -> None:
    assert "" in NASTY_TEXTS
    assert any(len(t) > 1000 for t in NASTY_TEXTS)
    assert isinstance(Case(id="1", fields={"input": NASTY_TEXTS[0]}).input, str)


def lambda_named(fn: Callable[[str, random.Random], str]) -> Callable[[str, random.Random], str]:
    fn.__name__ = "mine"
    return fn
