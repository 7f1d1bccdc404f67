from __future__ import annotations

import random
import unicodedata

import pytest

from robusttest.core.nouns import Case, Draft, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.chars.unicode import (
    _CONFUSABLES,
    confusables,
    full_width,
    normal_form,
    zero_width,
)
from robusttest.testing import check_perturbation


def one(p: Perturbation, text: str, index: int = 0, seed: int = 0) -> str:
    assert p.apply is not None
    outcome = p.apply(Draft(case=Case(id="1", fields={"input": text})), random.Random(seed), index)
    return outcome.reason if isinstance(outcome, NotApplicable) else str(outcome.case.input)


@pytest.mark.parametrize(
    "p", [confusables(), zero_width(), normal_form(), full_width(), confusables(1), full_width(1)], ids=str
)
def test_every_family_keeps_its_promises(p: Perturbation) -> None:
    check_perturbation(p)


def test_twins_are_of_another_script_and_the_same_kind_of_letter() -> None:
    for a, b in _CONFUSABLES.items():
        assert unicodedata.name(a).split()[0] != unicodedata.name(b).split()[0]
        assert a.isupper() == b.isupper()
        assert len(a) == len(b) == 1


def test_confusables_change_one_letter_of_each_word() -> None:
    new = one(confusables(1), "apple pie")
    assert sum(x != y for x, y in zip(new, "apple pie", strict=True)) == 2
    assert "word with a letter that has a twin" in one(confusables(), "今天")


def test_zero_width_characters_are_inside_words_and_removable() -> None:
    for seed in range(20):
        new = one(zero_width(1), "नमस्ते friend 👩🏽‍🚀", seed=seed)
        visible = "".join(c for c in new if c not in "\u200b\u2060\ufeff\u00ad")
        assert visible == "नमस्ते friend 👩🏽‍🚀"
        assert len(new) == len(visible) + 2


def test_normal_forms_in_turn() -> None:
    text = "café cafe\u0301"
    assert one(normal_form(), text, 0) == "cafe\u0301 cafe\u0301"
    assert one(normal_form(), text, 1) == "café café"
    assert one(normal_form("NFC"), "café") == "the text is the same in NFC"
    assert "already" in one(normal_form(), "café", 1)
    assert one(normal_form(), "plain") == "the text is the same in NFC and NFD"
    with pytest.raises(UsageError, match="normal_form:NFX: give one of NFC, NFD"):
        normal_form("NFX")


def test_normal_form_leaves_protected_text() -> None:
    assert one(normal_form(), "naïve `café`") == "nai\u0308ve `café`"


def test_full_width_is_undone_by_compatibility_normalisation() -> None:
    new = one(full_width(1), "Hello 12 wörld")
    assert new == "Ｈｅｌｌｏ 12 wörld"
    assert unicodedata.normalize("NFKC", new) == "Hello 12 wörld"
