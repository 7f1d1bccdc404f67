"""Which texts are varied: fields, conversations, claims; and how their edits are kept."""

from __future__ import annotations

from typing import Any

import pytest

from robusttest.core.nouns import Case, Prompt, Variant
from robusttest.engine.parts import part, places
from robusttest.errors import UsageError
from robusttest.perturbations import PERTURBATIONS, make
from robusttest.perturbations.base.edits import apply_edits
from robusttest.perturbations.base.fields import free_fields, text_at, texts, with_texts
from robusttest.tasks.task import Task
from robusttest.variants.expand import expand_case

NLI = {"premise": "A white man takes a photo of the water.", "hypothesis": "A man is near the water."}
CHAT = [
    {"role": "system", "content": "Please answer every question politely"},
    {"role": "user", "content": "Where could my parcel be today?"},
    {"role": "assistant", "content": "Which order number does it have?"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "This picture shows the label"},
            {"type": "image_url", "image_url": {"url": "https://example.com/some-label.png"}},
        ],
    },
]


def ok(
    fields: dict[str, Any], *specs: Any, prompt: Prompt | None = None, variants: int = 3, **case: Any
) -> list[Variant]:
    made = expand_case(Case(id="c", fields=fields, **case), specs, prompt=prompt, variants=variants)
    return [v for v in made if v.perturbation and v.status == "ok"]


def changed(v: Variant) -> set[str]:
    return {n for n, value in v.fields.items() if value != v.original.fields[n]}


def test_identifiers_addresses_and_enumerations_stand() -> None:
    fields = {
        "question": "Where is the old bridge?",
        "user_id": "abcd",
        "image": "https://example.com/bridge.png",
        "domain": "Travel",
        "language": "English",
        "photo": "data:image/png;base64,iVBORw0KGgo",
    }
    made = ok(fields, "keyboard:1", "casing:upper", "distractor", variants=1)
    assert len(made) == 3
    assert all(changed(v) == {"question"} for v in made)


def test_a_column_of_few_short_values_is_an_enumeration() -> None:
    cases = [
        Case(
            id=str(i),
            fields={"ticket": f"The parcel number {i} is late", "team": ("front desk", "back office")[i % 2]},
        )
        for i in range(20)
    ]
    assert free_fields(cases) == ("ticket",)
    assert free_fields(cases[:1]) == ("ticket", "team")  # of one case nobody can tell


def test_what_the_prompt_does_not_show_stands() -> None:
    made = ok(
        {**NLI, "note": "nobody reads these words"},
        "keyboard:1",
        prompt=Prompt(template="{premise}\n{hypothesis}"),
    )
    assert made
    assert all("note" not in changed(v) for v in made)


def test_named_fields_alone_are_varied_and_the_spec_says_so() -> None:
    from robusttest.perturbations import keyboard

    p = keyboard(0.5, fields=["hypothesis"])
    assert p.spec == make("keyboard:0.50(hypothesis)").spec == "keyboard:0.5(hypothesis)"
    assert all(changed(v) == {"hypothesis"} for v in ok(NLI, p))
    both = ok(NLI, "keyboard(premise&hypothesis)")
    assert all(changed(v) == {"premise", "hypothesis"} for v in both)


def test_every_text_perturbation_takes_fields() -> None:
    from inspect import signature

    texts_of = [n for n in PERTURBATIONS if make_or_none(n) is not None]
    assert len(texts_of) > 30
    for name in texts_of:
        assert "fields" in signature(PERTURBATIONS.get(name)).parameters, name


def make_or_none(name: str) -> object:
    try:
        p = make(name)
    except UsageError:
        return None
    return p if p.level == "input" and p.apply is not None else None


def test_a_field_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"no field 'premis'.*Did you mean 'premise'"):
        ok(NLI, "keyboard(premis)")
    with pytest.raises(UsageError, match=r"perturb.*no field 'question'.*It has: premise, hypothesis"):
        Task(
            cases=[Case(id="1", fields=NLI, target="x")],
            prompt="{premise} {hypothesis}",
            perturb=["question"],
        )


def test_a_task_says_what_is_varied() -> None:
    task = Task(
        cases=[Case(id="1", fields=NLI, target="x")],
        prompt="{premise} {hypothesis}",
        perturb="premise",
        language="en-GB",
    )
    assert (task.perturb, task.language) == (("premise",), "en")
    made = [v for v in expand_case(task.cases[0], ["keyboard:1"], prompt=task.prompt) if v.perturbation]
    assert all(changed(v) == {"premise"} for v in made)
    with pytest.raises(UsageError, match="language='English'"):
        Task(cases=[{"input": "x", "target": "x"}], language="English")


@pytest.mark.parametrize("spec", ["distractor", "politeness", "url"])
def test_one_text_is_added_and_never_to_the_claim(spec: str) -> None:
    made = ok(NLI, spec, variants=8)
    assert made
    assert all(changed(v) == {"premise"} for v in made)


@pytest.mark.parametrize("spec", ["distractor", "politeness", "url"])
def test_no_gate_refuses_what_is_added_to_a_text_of_lines(spec: str) -> None:
    made = list(expand_case(Case(id="1", fields={"input": "Hi,\nmy parcel is late. Where is it?"}), [spec]))
    assert {v.status for v in made} == {"ok"}


def test_a_distractor_holds_no_label() -> None:
    from robusttest.perturbations import distractor

    p = distractor(sentences=["The bank was closed.", "No clock has 12 hands."])
    made = ok({"input": "Where may I pay?"}, p, target="bank", choices=("bank", "shop"), variants=4)
    assert made
    assert all("bank" not in v.input for v in made)
    assert all("No clock has 12 hands." in v.input for v in made)


def test_what_the_user_says_is_varied_and_the_conversation_stands() -> None:
    for v in ok({"input": CHAT}, "keyboard:1", "casing:upper"):
        new: Any = v.input
        assert [m["role"] for m in new] == ["system", "user", "assistant", "user"]
        assert new[0] == CHAT[0]
        assert new[2] == CHAT[2]
        assert new[1]["content"] != CHAT[1]["content"]
        assert new[3]["content"][1] == CHAT[3]["content"][1]
        assert set(v.draft.edits) == {"input[1]", "input[3][0]"}
        for key, edits in v.draft.edits.items():
            assert apply_edits(text_at(v.original.fields, key) or "", edits) == text_at(v.fields, key)
        assert part(v, places(v)).fields == v.fields
        assert part(v, ()).fields == v.original.fields
    assert CHAT[1]["content"] == "Where could my parcel be today?"


def test_a_text_is_added_to_the_last_turn() -> None:
    (v,) = ok({"input": [*CHAT[:3], {"role": "user", "content": "It is 12."}]}, "url:link", variants=1)
    assert set(v.draft.edits) == {"input[3]"}


def test_the_gates_see_a_conversation() -> None:
    from robusttest.perturbations.base.catalog import UserPerturbation

    p = UserPerturbation(lambda case, rng: with_number(case), name="p")
    p.kind = "case"
    made = list(
        expand_case(Case(id="1", fields={"input": [{"role": "user", "content": "I paid 12 euros"}]}), [p()])
    )
    assert (made[1].status, made[1].reason) == ("rejected", "numbers changed: 12 became 13")


def with_number(case: Case) -> Case:
    from dataclasses import replace

    return replace(case, fields={"input": [{"role": "user", "content": "I paid 13 euros"}]})


def test_a_list_of_tokens_is_told() -> None:
    (v,) = list(expand_case(Case(id="1", fields={"input": ["my", "parcel"]}), ["keyboard"]))[1:]
    assert v.reason == "field 'input' is a list of tokens: join them into one text"


def test_texts_of_fields_and_back() -> None:
    fields = {"a": "x y", "docs": ("one text", "two texts"), "n": 3, "input": CHAT}
    found = texts(fields)
    assert list(found) == ["a", "docs[0]", "docs[1]", "input[0]", "input[1]", "input[2]", "input[3][0]"]
    assert with_texts(fields, found) == fields
    new = with_texts(fields, {"docs[1]": "three", "input[3][0]": "this"})
    assert new["docs"] == ("one text", "three")
    assert text_at(new, "input[3][0]") == "this"
    assert text_at(fields, "input[3][0]") == "This picture shows the label"
    assert text_at(fields, "n") is None
