from __future__ import annotations

import re

import pytest

from robusttest.core.nouns import Case
from robusttest.variants.expand import expand_case


def texts(text: str, spec: str, variants: int = 6, **case: object) -> list[str]:
    made = Case(id="c", fields={"input": text}, language="en", **case)
    found = [v for v in expand_case(made, [spec], variants=variants) if v.perturbation]
    assert all(v.status != "rejected" for v in found), [v.reason for v in found]
    return [v.input for v in found if v.status == "ok"]


def test_fillers_are_added_and_nothing_else() -> None:
    text = "The parcel is late. Can you tell me when it comes, because I leave on Monday?"
    for new in texts(text, "fillers:1"):
        rest = re.sub(r"(?i)\b(?:um|uh|er|well|so|okay|right|hmm|you know|i mean)\b,?\s?", "", new)
        assert re.sub(r"\W", "", rest).lower() == re.sub(r"\W", "", text).lower()
        assert new != text


def test_slang_writes_all_words_that_have_a_short_form() -> None:
    text = "Please tell me because I want to know as soon as possible."
    assert texts(text, "slang")[0].lower().startswith(("pls tell me", "plz tell me"))
    assert all("as soon as possible" not in t and "wanna" in t for t in texts(text, "slang"))
    assert texts("Is it red?", "slang") == []


def test_speech_has_small_letters_no_marks_and_numbers_in_words() -> None:
    text = (
        "Well, my 2 parcels haven't come! Can I call Anna at NASA on 2025-07-25? See https://a.example.com/B."
    )
    assert texts(text, "speech") == [
        "well my two parcels haven't come can i call anna at NASA on 2025-07-25 see https://a.example.com/B."
    ]


def test_homophones_are_of_the_group_and_no_negation() -> None:
    text = "Is there a way to hear whether their new car is here?"
    for new in texts(text, "homophones:1"):
        assert "no " not in new.replace("know", "")
        assert [len(text.split())] == [len(new.split())]
        assert new != text


@pytest.mark.parametrize("spec", ["fillers", "slang", "speech", "homophones"])
def test_they_speak_english(spec: str) -> None:
    made = Case(id="c", fields={"input": "Wo ist denn mein Paket geblieben?"}, language="de")
    assert all(v.status == "not_applicable" for v in expand_case(made, [spec]) if v.perturbation)
