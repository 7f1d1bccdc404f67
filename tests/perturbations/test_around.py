"""What is put around a text: mail, emoji, a sentence with a number; turns before a question; the edges of a prompt."""

from __future__ import annotations

import re

import pytest

from robusttest.core.nouns import Case, Prompt
from robusttest.tasks.render import render
from robusttest.variants.expand import expand_case

TEXT = "Anna has 3 cats. Two of them are black.\nHow many are not black?"


@pytest.mark.parametrize("spec", ["mail", "emoji", "numeric_distractor", "distractor", "politeness", "url"])
def test_the_text_itself_stands_and_no_gate_refuses_what_was_added(spec: str) -> None:
    case = Case(id="c", fields={"input": TEXT}, target="1", choices=("1", "2", "3"))
    found = [v for v in expand_case(case, [spec], variants=10) if v.perturbation]
    assert all(v.status != "rejected" for v in found)
    made = [v.input for v in found if v.status == "ok"]
    assert len(made) >= 5
    for text in made:
        words = text.split()
        it = iter(words)
        assert all(w in it for w in TEXT.split())
        assert len(words) > len(TEXT.split())


def test_the_added_number_is_none_of_the_text_nor_of_the_answer() -> None:
    numbers = [n for n in range(3, 90) if n != 41]
    case = Case(id="c", fields={"input": "Add " + " ".join(map(str, numbers))}, target=41)
    found = [v for v in expand_case(case, ["numeric_distractor"], variants=4) if v.perturbation]
    assert all(v.status == "not_applicable" for v in found)


def test_mail_comes_in_all_kinds_and_without_labels() -> None:
    case = Case(id="c", fields={"input": "The lamp is late."}, target="message", choices=("message", "phone"))
    found = [v for v in expand_case(case, ["mail"], variants=20) if v.perturbation and v.status == "ok"]
    added = "\n".join(v.input for v in found)
    assert "-- \n" in added
    assert "---------- Forwarded" not in added  # it says "message", a label
    assert not re.search(r"(?i)\bmessage\b", added)


def test_no_emoji_has_a_face() -> None:
    from robusttest.perturbations.words.context import EMOJI

    assert not [e for e in EMOJI if 0x1F600 <= ord(e[0]) <= 0x1F64F]


def prompts(prompt: Prompt, spec: str, **case: object) -> list[str]:
    made = Case(id="c", fields={"input": "hi {there}"}, **case)
    found = [
        v for v in expand_case(made, [spec], prompt=prompt, variants=9) if v.perturbation and v.status == "ok"
    ]
    return [str(render(v.draft)[-1]["content"]) for v in found]


def test_prompt_edges_of_a_template_and_of_messages() -> None:
    expected = ["Q: hi {there}\nA: ", "Q: hi {there}\nA:\n", " Q: hi {there}\nA:", "\nQ: hi {there}\nA:",
                "Q: hi {there}\nA:\n\n", "Q: hi {there}\nA:  ", "Q: hi {there}\nA:\t"]  # fmt: skip
    assert prompts(Prompt(template="Q: {input}\nA:"), "prompt_edges") == expected
    messages = ({"role": "system", "content": "s"}, {"role": "user", "content": "Q: {input}\nA:"})
    assert prompts(Prompt(messages=messages), "prompt_edges") == expected
    assert prompts(Prompt(template="Q: {input}\nA: "), "prompt_edges:none") == ["Q: hi {there}\nA:"]


def test_edges_of_the_question_and_of_its_examples_agree() -> None:
    demo = Case(id="d", fields={"input": "hello"}, target="yes")
    prompt = Prompt(template="Q: {input}\nA:", demos=(demo,))
    assert "Q: hello\nA:\nyes\n\nQ: hi {there}\nA:\n" in prompts(prompt, "prompt_edges:line_after")


def test_filler_turns_come_before_the_question() -> None:
    case = Case(id="c", fields={"input": "hi {there}"}, target="yes")
    demo = Case(id="d", fields={"input": "hello"}, target="yes")
    prompt = Prompt(template="Q: {input}\nA:", system="Be {kind}".replace("{kind}", "kind"), demos=(demo,))
    [variant] = [
        v for v in expand_case(case, ["filler_turns:3"], prompt=prompt, variants=1) if v.perturbation
    ]
    messages = render(variant.draft)
    assert [m["role"] for m in messages] == ["system", *["user", "assistant"] * 3, "user"]
    plain = render(next(iter(expand_case(case, [], prompt=prompt))).draft)
    assert messages[-1] == plain[-1]
    assert messages[0] == plain[0]


def test_filler_turns_within_a_conversation_keep_its_turns() -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Is it red?"},
    ]
    case = Case(id="c", fields={"input": turns}, target="yes")
    [variant] = [v for v in expand_case(case, ["filler_turns"], variants=1) if v.perturbation]
    new = list(variant.input)
    assert new[:2] == turns[:2]
    assert new[-1] == turns[-1]
    assert len(new) == len(turns) + 4
