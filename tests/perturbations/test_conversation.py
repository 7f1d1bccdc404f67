"""Conversations: which turns are varied, a request over several turns, a slip taken back, another language before."""

from __future__ import annotations

from typing import Any

import pytest

from robusttest import Task
from robusttest.core.nouns import Case, Prompt, Variant
from robusttest.errors import UsageError
from robusttest.perturbations import make
from robusttest.perturbations.prompt.conversation import SLIPS
from robusttest.tasks.render import render
from robusttest.variants.expand import expand_case

CHAT = [
    {"role": "system", "content": "You help."},
    {"role": "user", "content": "Where is my parcel from yesterday?"},
    {"role": "assistant", "content": "Which one?"},
    {"role": "user", "content": "The blue lamp. I ordered it on Monday. It has the number 4711."},
]
ASKED = CHAT[3]["content"]
PROMPT = Prompt(template="Ticket: {input}\nTeam:")


def variants(value: Any, *specs: str, prompt: Prompt | None = None, n: int = 4, **case: Any) -> list[Variant]:
    made = Case(id="c", fields={"input": value}, target="x", **case)
    return [v for v in expand_case(made, specs, prompt=prompt, variants=n) if v.perturbation]


def said(v: Variant, role: str = "user") -> list[str]:
    return [str(m["content"]) for m in v.input if m["role"] == role]


@pytest.mark.parametrize(
    ("turns", "moved"), [(["input[last]"], {3}), (["input[1]"], {1}), (["input[1]", "input[2]"], {1, 3}), (["input"], {1, 3})]
)  # fmt: skip
def test_named_turns_of_the_user_are_varied_and_no_others(turns: list[str], moved: set[int]) -> None:
    task = Task(cases=[Case(id="c", fields={"input": CHAT}, target="x")], perturb=turns)
    made = [v for v in expand_case(task.cases[0], ["casing:upper"], prompt=task.prompt) if v.perturbation]
    assert made
    for v in made:
        assert {i for i, m in enumerate(v.input) if m != CHAT[i]} == moved


def test_a_turn_that_is_not_there_is_not_applicable_and_a_text_has_none() -> None:
    case = Case(id="c", fields={"input": CHAT}, target="x", perturb=("input[7]",))
    (v, *_) = [v for v in expand_case(case, ["casing:upper"]) if v.perturbation]
    assert (v.status, v.reason) == (
        "not_applicable",
        "the conversation has no such turn of the user's: input[7]",
    )
    with pytest.raises(UsageError, match="is no conversation with turns of the user's"):
        Task(cases=[("a text of words", "x")], perturb=["input[last]"])
    with pytest.raises(UsageError, match="has no field 'inputs'"):
        Task(cases=[("a text of words", "x")], perturb=["inputs[last]"])


def test_a_request_is_split_over_turns_and_nothing_of_it_is_lost() -> None:
    made = [v for v in variants(CHAT, "turn_split") if v.status == "ok"]
    for v in made:
        assert [m["role"] for m in v.input] == [*[m["role"] for m in CHAT[:3]], "user", "assistant", "user"]
        assert v.input[:3] == CHAT[:3]
        assert " ".join(said(v)[1:]) == ASKED
    assert len({str(v.input) for v in made}) == 2
    (three, *_) = variants(CHAT, "turn_split:3")
    assert said(three)[1:] == ["The blue lamp.", "I ordered it on Monday.", "It has the number 4711."]


@pytest.mark.parametrize(
    "prompt",
    [
        PROMPT,
        Prompt(system="Be {{brief}}.", messages=({"role": "user", "content": "Ticket: {input}\nTeam:"},)),
    ],
)
def test_a_prompt_is_split_whole_so_that_its_turns_are_the_prompt(prompt: Prompt) -> None:
    (v, *_) = variants("It is {broken}. Who helps me?", "turn_split", prompt=prompt)
    assert [(m["role"], m["content"]) for m in render(v.draft) if m["role"] != "system"] == [
        ("user", "Ticket: It is {broken}."),
        ("assistant", "All right."),
        ("user", "Who helps me?\nTeam:"),
    ]


def test_of_two_texts_the_one_that_is_cut_keeps_its_name() -> None:
    pair = Case(
        id="p", fields={"question1": "I fell. Is it bad?", "question2": "Is it bad to fall?"}, target="no"
    )
    shows = Prompt(template="First: {question1}\nSecond: {question2}\nSame?")
    v = next(v for v in expand_case(pair, ["turn_split"], prompt=shows) if v.perturbation)
    first, _, last = (str(m["content"]) for m in render(v.draft))
    assert (first, last) == ("First: I fell.", "Is it bad?\nSecond: Is it bad to fall?\nSame?")


@pytest.mark.parametrize(
    ("text", "prompt", "reason"),
    [
        ("Which is a bird?\nOptions:\n(A) A cow\n(B) An owl. It flies", PROMPT, "fewer than 2 sentences"),
        ("- One thing. Done.\n- Another thing. Done.", PROMPT, "fewer than 2 sentences"),
        ("I fell. Is it bad?", Prompt(template="{input} Again: {input}"), "in one place"),
        ("I fell. Is it bad?", Prompt(template="{input}", demos=(Case(id="d", fields={"input": "a"}, target="b"),)), "examples"),
        ("I fell. Is it bad?", Prompt(messages=({"role": "system", "content": "{input}"},)), "no user message"),
    ],
)  # fmt: skip
def test_what_can_not_be_split_says_why(text: str, prompt: Prompt, reason: str) -> None:
    (v, *_) = variants(text, "turn_split", prompt=prompt)
    assert v.status == "not_applicable"
    assert reason in (v.reason or "")


@pytest.mark.parametrize("spec", ["turn_split:4", "turn_split:9"])
def test_too_few_sentences_are_told(spec: str) -> None:
    assert all(
        v.status == "not_applicable" and "fewer than" in (v.reason or "") for v in variants(CHAT, spec)
    )


def test_a_slip_is_taken_back_by_the_whole_request() -> None:
    for v in variants(CHAT, "correction", n=6):
        assert v.status == "ok"
        *_, wrong, right = said(v)
        assert wrong != ASKED
        assert wrong.startswith("The blue lamp. I ordered it on Monday. It has the number 471")
        assert wrong[-3:] != "11."
        assert right.endswith(f" {ASKED}")
    (v, *_) = variants("Where is the blue lamp?", "correction", prompt=PROMPT)
    first, _, last = render(v.draft)
    assert first["content"] == "Where is"
    lead, _, asked = str(last["content"]).partition("\n\n")
    assert asked == "Ticket: Where is the blue lamp?\nTeam:"
    assert lead in {lead for lead, _ in SLIPS}


def test_only_half_a_text_was_sent_too_early() -> None:
    early = SLIPS[0][0]
    whole = variants("Item 4711 is broken. Who helps?", "correction", prompt=PROMPT, n=9)
    half = variants("It is broken. Who helps?", "correction", prompt=PROMPT, n=9)
    assert not any(early in str(render(v.draft)) for v in whole)
    assert any(early in str(render(v.draft)) for v in half)


def test_a_conversation_begins_in_another_language() -> None:
    for v in variants(CHAT, "language_switch:fr", n=2):
        assert v.status == "ok"
        assert [m for m in v.input if m in CHAT] == CHAT
        assert said(v)[-1] == ASKED
        assert said(v)[1].startswith("Bonjour")
    (v, *_) = variants(CHAT, "language_switch:en", language="en")
    assert (v.status, v.reason) == ("not_applicable", "the text is in that language itself")
    assert make("language_switch").spec == make("language_switch:de").spec == "language_switch"


def test_turns_that_were_added_trip_no_gate() -> None:
    (v, *_) = variants(CHAT, "filler_turns")
    assert v.status == "ok"  # 4711 is said two turns later, and still said


def test_no_turn_holds_a_label() -> None:
    for spec in ("language_switch", "correction"):
        labels = ("Guten", "Hallo", "sorry", "correct", "Sorry")
        made = Case(id="c", fields={"input": CHAT}, target="Guten", choices=labels)
        for v in expand_case(made, [spec], variants=4):
            added = [str(m["content"]) for m in v.input if m not in CHAT]
            assert not v.perturbation or v.status != "ok" or not any(w in t for w in labels for t in added)


@pytest.mark.parametrize("spec", ["turn_split:1", "turn_split:x", "language_switch:xx", "turn_split:51"])
def test_what_is_refused(spec: str) -> None:
    with pytest.raises(UsageError, match=r"turn_split|there are de, en"):
        make(spec)
