"""Every perturbation on what is no good text, or no plain one: none raises, and none is silent."""

from __future__ import annotations

import time
from typing import Any

import pytest

from robusttest.core.nouns import Case, Prompt
from robusttest.errors import RobusttestError
from robusttest.perturbations import PERTURBATIONS, Perturbation, directional, make
from robusttest.variants.expand import expand_case

NO_TEXT: list[Any] = [
    None,
    "",
    " \n ",
    5,
    {"a": [1, None]},
    ["the", "cat", "sat"],
    "a \ud800 broken text of words",
]
TEXTS = [
    "Where is mein Paket? Où est le colis? 荷物はどこ？ посылка 12 kg",
    "الطلب رقم 4711 وصل في 12/05/2024 بسعر 1,250.50 دولار",
    "ההזמנה 4711 הגיעה ב-12:30, לא אתמול",
    "a\x00b \ufeffwords 👩🏽\u200d🚀🇫🇷",
]  # fmt: skip
PROMPT = Prompt(template="Ticket: {input}\nTeam:")
ABOUT_TEXT = ("input", "prompt")
LONG = ("The box cost $1,250.50 on May 3, 2024 at 3:30 pm and weighs 5 kg. " * 700)[:40_000]


def made(name: str) -> Perturbation:
    try:
        p = make(name)
    except RobusttestError as e:
        pytest.skip(f"has no default: {e}")
    if p.apply is None:
        pytest.skip("a model writes it")
    return p if p.ruled else directional(p, expect="changes")


@pytest.mark.parametrize("name", list(PERTURBATIONS))
def test_what_is_no_text_raises_nothing_and_is_said(name: str) -> None:
    p = made(name)
    for value in [*NO_TEXT, *TEXTS]:
        case = Case(id="b", fields={"input": value}, target="x")
        found = [v for v in expand_case(case, [p], prompt=PROMPT, variants=1) if v.perturbation]
        assert found, f"silent on {value!r}"
        for v in found:
            assert v.status == "ok" or v.reason
            if p.level == "input" and value in NO_TEXT:
                assert v.status == "not_applicable", (value, v.input)


@pytest.mark.parametrize("name", ["dates", "amounts", "currency", "times", "units"])
def test_a_long_text_of_many_numbers_takes_linear_time(name: str) -> None:
    def seconds(text: str) -> float:
        case, start = Case(id="l", fields={"input": text}), time.process_time()
        list(expand_case(case, [name], variants=1))
        return time.process_time() - start

    seconds(LONG[:1000])
    assert seconds(LONG) < 12 * seconds(LONG[:10_000]) + 0.1  # a square would be 16 times as long
