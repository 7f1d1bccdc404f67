"""Text perturbations of the prompt itself."""

from __future__ import annotations

import random

import pytest

from robusttest.core.nouns import Case, Completion, Draft, NotApplicable, Prompt
from robusttest.errors import RobusttestError, UsageError
from robusttest.perturbations import make
from robusttest.perturbations.base.catalog import PERTURBATIONS
from robusttest.perturbations.base.catalog import perturbation as own
from robusttest.perturbations.chars.noise import keyboard
from robusttest.perturbations.prompt.instruction import instruction, instruction_paraphrase, prompt_texts
from robusttest.perturbations.prompt.templates import placeholders
from robusttest.perturbations.written.rewrite import with_writer
from robusttest.variants.expand import expand_case, rewrite_steps

SYSTEM = 'You are a careful assistant. Say "unknown" where nobody can tell.'
TEMPLATE = "Read the message and decide which team should handle it.\nReply with one of {choices}.\n\nTicket: {input}\nTeam:"
PROMPT = Prompt(system=SYSTEM, template=TEMPLATE)
CASE = Case(
    id="a", fields={"input": "where is my parcel"}, choices=("billing", "delivery"), target="delivery"
)
TYPED = "instruction:keyboard:0.4"


def variants(spec, prompt=PROMPT, case=CASE, n=5, **more):
    return [v for v in expand_case(case, [spec], prompt=prompt, variants=n, **more) if v.perturbation]


def test_the_prompt_changes_and_the_case_does_not():
    made = variants(TYPED)
    assert len(made) == 5
    assert len({(v.draft.prompt.system, v.draft.prompt.template) for v in made} | {(SYSTEM, TEMPLATE)}) == 6
    for v in made:
        assert (v.status, v.level, v.severity) == ("ok", "prompt", 0.4)
        assert v.draft.case == CASE
        assert '"unknown"' in v.draft.prompt.system
        assert v.draft.prompt.template.endswith("\n\nTicket: {input}\nTeam:")
        assert sorted(placeholders(v.draft.prompt.template)) == ["choices", "input"]


def test_it_is_the_same_for_every_case_and_seed():
    other = Case(id="b", fields={"input": "another text"}, choices=CASE.choices, target="billing")
    a, b, c = variants(TYPED), variants(TYPED, case=other), variants(TYPED, seed=7)
    assert [v.draft.prompt for v in a] == [v.draft.prompt for v in b] == [v.draft.prompt for v in c]
    assert [v.draft.prompt for v in variants(TYPED, n=2)] == [v.draft.prompt for v in a[:2]]


def test_labels_are_left_standing():
    prompt = Prompt(template="Say billing or delivery, and nothing else whatsoever.\n\n{input}")
    for v in variants("instruction:keyboard:1", prompt, n=10):
        assert "billing or delivery" not in v.draft.prompt.template or "billing" in v.draft.prompt.template
        assert "billing" in v.draft.prompt.template
        assert "delivery" in v.draft.prompt.template


def test_messages_are_varied_but_for_what_a_model_said():
    messages = (
        {"role": "system", "content": "Help the customers of our shop politely."},
        {"role": "user", "content": [{"type": "text", "text": "a part"}]},
        {"role": "assistant", "content": "Of course I shall do that."},
        {"role": "user", "content": "Which team should handle this message?\n{input}"},
    )
    prompt = Prompt(template=None, messages=messages)
    assert list(prompt_texts(prompt)) == ["message 0", "message 3"]
    for v in variants("instruction:keyboard:1", prompt):
        out = v.draft.prompt.messages
        assert out[1:3] == messages[1:3]
        assert out[0] != messages[0]
        assert out[3] != messages[3]
        assert "{input}" in out[3]["content"]


def test_a_family_with_few_variants_ends():
    made = variants("instruction:casing", n=9)
    ok = [v for v in made if v.status == "ok"]
    assert 2 <= len(ok) <= 4
    assert all(v.status != "rejected" for v in made)


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        (None, "a body of its own"),
        (Prompt(template="{input}"), "says nothing beside its fields"),
        (Prompt(template="Ticket: {input}\nTeam:"), "says nothing beside its fields"),
    ],
)
def test_a_prompt_that_says_nothing_is_not_applicable(prompt, why):
    made = make(TYPED).apply(Draft(case=CASE, prompt=prompt), random.Random(0), 0)
    assert isinstance(made, NotApplicable)
    assert why in made.reason


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("instruction:format", "give a perturbation of texts"),
        ("instruction:instruction", "give a perturbation of texts"),
        ("instruction:negation", "asks for something else"),
        ("instruction:keyboardd", "keyboard"),
    ],
)
def test_what_is_no_text_perturbation_is_refused(spec, why):
    with pytest.raises(RobusttestError, match=why):
        make(spec)


def test_target_prompt_is_the_same_thing():
    assert keyboard(0.4, target="prompt").spec == instruction(keyboard(0.4)).spec == TYPED
    with pytest.raises(UsageError, match="'case' or 'prompt'"):
        keyboard(0.4, target="promt")
    with pytest.raises(UsageError, match="are the case's"):
        keyboard(0.4, target="prompt", fields=["input"])

    @own("loud_for_instruction")
    def loud(text: str, rng: random.Random) -> str:
        return text.upper()

    try:
        (v,) = variants(loud(target="prompt"), n=1)
        assert v.draft.prompt.template.startswith("READ THE MESSAGE")
        assert "{input}" in v.draft.prompt.template
    finally:
        PERTURBATIONS.unregister("loud_for_instruction")


def drive(case, perturbation, answer, n=2):
    """The variants that a writer makes, and what it was asked."""
    asked = []
    steps = rewrite_steps(case, perturbation, prompt=PROMPT, variants=n)
    request = next(steps)
    while True:
        asked.append(request)
        try:
            request = steps.send(Completion(text=answer(request)))
        except StopIteration as done:
            return [v for v in done.value if v.perturbation], asked


def words(request):
    text = request.messages[-1]["content"].split("<text>\n")[1].split("\n</text>")[0]
    swapped = text.replace(
        "Read the message", f"Look at this message ({request.sample % 97})".replace("(", "").split(")")[0]
    )
    return f"<rewritten>{swapped.replace('careful', 'diligent')}</rewritten>"


def test_a_writer_puts_the_instruction_in_other_words_once_for_all_cases():
    p = with_writer(instruction_paraphrase(), "w")
    assert (p.spec, p.writer, p.level) == ("instruction_paraphrase", "w", "prompt")
    answer = lambda r: words(r).replace("decide", "say")  # noqa: E731
    made, asked = drive(CASE, p, lambda r: answer(r).replace(str(r.sample % 97), "now"))
    other = Case(id="b", fields={"input": "another"}, choices=CASE.choices, target="billing")
    again, asked_again = drive(other, p, lambda r: answer(r).replace(str(r.sample % 97), "now"))
    assert asked == asked_again
    assert [v.draft.prompt for v in made] == [v.draft.prompt for v in again]
    ok = [v for v in made if v.status == "ok"]
    assert ok
    assert "diligent" in ok[0].draft.prompt.system
    assert "{choices}" in ok[0].draft.prompt.template
    assert all(
        "{choices}" not in r.messages[-1]["content"] or "'{choices}'" in r.messages[-1]["content"]
        for r in asked
    )


def test_a_writer_that_loses_a_placeholder_is_refused():
    p = with_writer(instruction_paraphrase(), "w")
    made, _ = drive(CASE, p, lambda r: "<rewritten>Decide which team it is.</rewritten>", n=1)
    assert all(v.status == "not_applicable" for v in made)
    assert "it lacks" in made[0].reason


def test_styles_and_names():
    assert instruction_paraphrase("formal").spec == "instruction_paraphrase:formal"
    assert make("instruction_paraphrase:formal").name == "instruction_paraphrase"
    assert make("instruction").spec == "instruction:keyboard"
