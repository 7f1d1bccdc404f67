"""No layout contradicts what the prompt asks for: a model that obeys to the letter is right in every one of them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from robusttest.core.nouns import Case, Completion, Prompt
from robusttest.perturbations.prompt.contract import contract_of
from robusttest.perturbations.prompt.layout import OPTION_MARKERS
from robusttest.scorers.choices import choice
from robusttest.tasks.render import prompt_text, render
from robusttest.variants.expand import expand_case

CASES = [
    Case(
        id="a",
        fields={"input": "It came broken."},
        target="returns",
        choices=("billing", "returns", "delivery", "account"),
    ),
    Case(
        id="b",
        fields={"input": "I paid twice."},
        target="billing",
        choices=("account", "delivery", "returns", "billing"),
    ),
    Case(id="c", fields={"input": "Where is it?"}, target="delivery", choices=("billing", "delivery")),
]
DEMO = Case(id="d", fields={"input": "It is late."}, target="delivery", choices=("billing", "delivery"))

Model = Callable[[str, str], str]
"""``(all that it is shown, the right option) → the reply``."""


def marked(text: str, gold: str) -> str:
    """The marker before the right option, in the last question."""
    found = re.findall(rf"(?:^|[\s;|])([^\s;|]{{1,7}}) {gold}(?!\w)", text, re.MULTILINE)
    return found[-1] if found else ""


def by(pattern: str) -> Model:
    """Replies with the marker, where it is what the prompt speaks of; else it can't obey."""
    return lambda text, gold: m[1] if (m := re.fullmatch(pattern, marked(text, gold))) else "I can't say."


letter, small, number, roman = (
    by(r"\W?([A-D])\W?"),
    by(r"\W?([a-d])\W?"),
    by(r"\W?([1-4])\W?"),
    by(r"\W?([ivx]+)\W?"),
)
in_brackets, in_square = by(r"(\([A-D]\))"), by(r"(\[[A-D]\])")


def copied(text: str, gold: str) -> str:
    return gold


def from_commas(text: str, gold: str) -> str:
    return gold if re.search(rf"(?:, {gold}|{gold}, )", text) else "There is no list with commas."


def after_answer(text: str, gold: str) -> str:
    return gold if text.rstrip().endswith("Answer:") else "There is no Answer: to write after."


def of_first_field(text: str, gold: str) -> str:
    return gold if re.search(r"(?is)ticket\W.*options\W", text) else "The first field is no ticket."


Q = "\n\nTicket: {input}\nOptions:\n{options}\nAnswer:"
PROMPTS: list[tuple[Prompt, Model]] = [
    (Prompt(template="Reply with the letter of the right team." + Q), letter),
    (Prompt(system="Only reply with one letter.", template="Who?" + Q), letter),
    (Prompt(template="Reply with A, B, C or D." + Q), letter),
    (Prompt(template="Say A/B/C/D, no more." + Q), letter),
    (Prompt(template='End with "Answer: X", as in "Answer: B".' + Q), letter),
    (Prompt(template='Reply in JSON: {{"team": "A"}}' + Q), letter),
    (Prompt(template="One of A to D, please." + Q), letter),
    (Prompt(system="The answer is B in most cases.", template="Who?" + Q), letter),
    (Prompt(template="Reply with (A), (B), (C) or (D)." + Q, option_marker="({letter}) "), in_brackets),
    (Prompt(template="Reply like this: [A]" + Q, option_marker="[{letter}] "), in_square),
    (Prompt(template="Reply with a lower-case letter." + Q, option_marker="{lower}) "), small),
    (Prompt(template="Say a, b, c or d." + Q, option_marker="{lower}) "), small),
    (Prompt(template="Reply with the number of the right option." + Q, option_marker="{number}. "), number),
    (Prompt(template="Write only a single digit." + Q, option_marker="{number}. "), number),
    (Prompt(template="Say 1, 2, 3 or 4." + Q, option_marker="{number}) "), number),
    (Prompt(system="Answer with the option number.", template="Who?" + Q, option_marker="({number}) "), number),
    (Prompt(template="Reply with the Roman numeral." + Q, option_marker="{roman}. "), roman),
    (Prompt(template="Copy the right option, word for word." + Q), copied),
    (Prompt(template="Who?" + Q), copied),
    (
        Prompt(
            messages=(
                {"role": "system", "content": "You answer with a letter."},
                {"role": "user", "content": "Ticket: {input}\n{options}"},
            )
        ),
        letter,
    ),
    (
        Prompt(
            messages=(
                {"role": "user", "content": "Ticket: Hello\nA) billing\nB) none"},
                {"role": "assistant", "content": "B"},
                {"role": "user", "content": "Ticket: {input}\n{options}"},
            )
        ),
        letter,
    ),
    (Prompt(template="Ticket: {input}\n{options}\nAnswer:", demo_template="Ticket: {input}\n{options}\nAnswer: the letter of {target}", demos=(DEMO,)), letter),
    (Prompt(template="Pick from the teams, which are separated by commas: {choices}\nTicket: {input}\nTeam:"), from_commas),
    (Prompt(template='Write the team right after "Answer:".\n\nTicket: {input}\nTeams: {choices}\nAnswer:'), after_answer),
    (Prompt(template="First comes the ticket, then what it may be." + Q), of_first_field),
]  # fmt: skip


@pytest.mark.parametrize("spec", ["option_labels", "format", "option_order", "option_position"])
@pytest.mark.parametrize(("prompt", "model"), PROMPTS, ids=range(len(PROMPTS)))
def test_an_obedient_model_is_right_in_every_layout(spec: str, prompt: Prompt, model: Model) -> None:
    scorer = choice()
    for case in CASES:
        for v in expand_case(case, [spec], prompt=prompt, variants=40, seed=3):
            if v.status != "ok":
                continue
            text = prompt_text(render(v.draft))
            reply = model(text, str(case.target))
            assert scorer.score(Completion(text=reply), v).value == 1.0, f"{v.id}: {reply!r} to\n{text}"


def test_a_prompt_that_says_nothing_of_it_may_be_laid_out_in_every_way() -> None:
    said = contract_of(Prompt(template="Who should handle it?" + Q))
    assert all(said.allows(m) for m in OPTION_MARKERS)
    assert (said.separators, said.order, said.descriptors, said.data) == (True, True, True, None)


def test_a_prompt_that_says_two_things_stays_with_its_own() -> None:
    said = contract_of(Prompt(template="Say A, B or C, the number." + Q))
    assert {m for m in OPTION_MARKERS if said.allows(m)} == {m for m in OPTION_MARKERS if "{letter}" in m}


def test_fields_that_are_said_to_be_json_are_rendered_as_json_alone() -> None:
    prompt = Prompt(template="The ticket is given as JSON.\n\nTicket: {input}\nMail: {mail}\nTeam:")
    case = Case(id="a", fields={"input": "x y", "mail": "z: 1"}, target="billing")
    found = [
        v
        for v in expand_case(case, ["rendering"], prompt=prompt, variants=3)
        if v.perturbation and v.status == "ok"
    ]
    assert len(found) == 1
    assert '"Ticket": "x y"' in prompt_text(render(found[0].draft))
    replied = Prompt(template="Reply in JSON.\n\nTicket: {input}\nMail: {mail}\nTeam:")
    assert contract_of(replied).data is None


# --- the right option in every place


def test_option_position_walks_the_right_option_over_all_places() -> None:
    case = CASES[0]
    prompt = Prompt(template="Who?" + Q)
    found = [v for v in expand_case(case, ["option_position"], prompt=prompt, variants=9) if v.perturbation]
    made = [v for v in found if v.status == "ok"]
    assert [v.choices.index("returns") for v in made] == [0, 2, 3]
    for v in made:
        assert [c for c in v.choices if c != "returns"] == ["billing", "delivery", "account"]
        assert v.target == "returns"


def test_option_position_leaves_options_that_speak_of_others_in_their_place() -> None:
    prompt = Prompt(template="Who?" + Q)
    last = Case(
        id="n", fields={"input": "x"}, target="red", choices=("red", "blue", "green", "none of the above")
    )
    made = [
        v
        for v in expand_case(last, ["option_position"], prompt=prompt, variants=9)
        if v.perturbation and v.status == "ok"
    ]
    assert [v.choices for v in made] == [
        ("blue", "red", "green", "none of the above"), ("blue", "green", "red", "none of the above"),
    ]  # fmt: skip
    gold = Case(id="g", fields={"input": "x"}, target="none of the above", choices=last.choices)
    assert all(
        v.status != "ok" for v in expand_case(gold, ["option_position"], prompt=prompt) if v.perturbation
    )
    both = Case(id="b", fields={"input": "x"}, target="red", choices=("red", "blue", "Both A and B"))
    assert all(
        v.status != "ok" for v in expand_case(both, ["option_position"], prompt=prompt) if v.perturbation
    )
