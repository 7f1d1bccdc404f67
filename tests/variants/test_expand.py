from __future__ import annotations

import random
import re
import tracemalloc
from collections.abc import Generator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import (
    Case,
    Completion,
    Draft,
    NotApplicable,
    Prompt,
    Request,
    Variant,
    derive_seed,
)
from robusttest.errors import UsageError
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.validity import Validity
from robusttest.testing import NASTY_TEXTS
from robusttest.variants.expand import expand_case, identity, rewrite_steps

TEXT = "My second parcel was damaged and everybody answered the phone until Friday evening"
CASE = Case(id="c1", fields={"input": TEXT}, target="damaged", choices=("damaged", "late"))


def own(apply: object, **options: object) -> Perturbation:
    return Perturbation(**{"name": "own", "spec": "own", "level": "input", "apply": apply, **options})


def with_input(draft: Draft, text: str) -> Draft:
    return draft.with_(case=replace(draft.case, fields={"input": text}))


def test_the_reference_comes_first_and_then_each_perturbations_variants() -> None:
    made = list(expand_case(CASE, ["keyboard", "ocr:0.3"], prompt=Prompt(), variants=3))
    assert [v.id for v in made] == [
        "", "keyboard#0", "keyboard#1", "keyboard#2", "ocr:0.3#0", "ocr:0.3#1", "ocr:0.3#2",
    ]  # fmt: skip
    reference, variant = made[0], made[4]
    assert (reference.level, reference.input, reference.draft.prompt) == ("reference", TEXT, Prompt())
    assert (variant.level, variant.severity, variant.preserves, variant.status) == (
        "input",
        0.3,
        "preserves",
        "ok",
    )
    assert variant.original is CASE
    assert variant.seed == derive_seed(0, "c1", "ocr:0.3", 0)


def test_no_perturbations_or_no_variants_leave_the_reference() -> None:
    assert [v.id for v in expand_case(CASE, [])] == [""]
    assert [v.id for v in expand_case(CASE, ["keyboard"], variants=0)] == [""]
    with pytest.raises(UsageError, match="variants=-1"):
        next(expand_case(CASE, ["keyboard"], variants=-1))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(NASTY_TEXTS),
    st.sampled_from(["keyboard", "ocr", "casing", "whitespace", "spelling", "option_order"]),
    st.integers(1, 6),
    st.integers(0, 99),
)
def test_variants_are_new_distinct_and_a_prefix_of_more(text: str, spec: str, n: int, seed: int) -> None:
    case = Case(id="x", fields={"input": text}, choices=("a", "b"))
    few = list(expand_case(case, [spec], variants=n, seed=seed))
    many = list(expand_case(case, [spec], variants=n + 3, seed=seed))
    ok = [v for v in few if v.status == "ok"]
    assert ok == [v for v in many if v.status == "ok"][: len(ok)]
    marks = [identity(v.draft, few[0].draft, {}) for v in few if v.status != "not_applicable"]
    assert len(set(marks)) == len(marks)
    assert len([v for v in few if v.status == "not_applicable"]) <= 1


def test_seed_id_and_spec_make_the_text_and_the_list_does_not() -> None:
    alone = list(expand_case(CASE, ["swap"], seed=3))[1:]
    among = [v for v in expand_case(CASE, ["ocr", "swap", "casing"], seed=3) if v.perturbation == "swap"]
    assert alone == among
    assert [v.input for v in alone] != [v.input for v in expand_case(CASE, ["swap"], seed=4)][1:]
    other = Case(id="c2", fields=CASE.fields, target=CASE.target, choices=CASE.choices)
    assert [v.input for v in alone] != [v.input for v in expand_case(other, ["swap"], seed=3)][1:]


def test_an_exhausted_space_gives_fewer_and_one_entry_that_says_so() -> None:
    def two(draft: Draft, rng: random.Random, index: int) -> Draft:
        return with_input(draft, rng.choice(["x", "y", TEXT]))

    made = list(expand_case(CASE, [own(two)], variants=5))
    assert sorted(v.input for v in made[1:3]) == ["x", "y"]
    assert [v.status for v in made] == ["ok", "ok", "ok", "not_applicable"]
    assert made[3].id == "own#2"
    assert made[3].reason == "exhausted: 2 distinct variants of 5 asked for"


def test_a_limit_is_not_an_exhaustion() -> None:
    made = list(expand_case(CASE, ["casing"], variants=9))
    assert [v.status for v in made] == ["ok"] * 5


def test_a_level_without_a_variant_does_not_hide_the_next() -> None:
    def odd_ones(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        return with_input(draft, f"v{index}") if index % 2 else NotApplicable(reason=f"no {index}")

    made = list(expand_case(CASE, [own(odd_ones, limit=4)], variants=4))
    assert [(v.index, v.status) for v in made[1:]] == [(1, "ok"), (3, "ok"), (0, "not_applicable")]
    assert made[-1].reason == "no 0"


def test_nothing_to_act_on_is_one_entry_with_the_reason() -> None:
    for text, reason in (
        ("", "empty"),
        ("  ", "whitespace"),
        ("12", "needs text in Latin"),
        ("a\ud800", "surrogates"),
    ):
        made = list(expand_case(Case(id="e", fields={"input": text}), ["keyboard"], variants=4))
        assert [v.status for v in made] == ["ok", "not_applicable"]
        assert reason in str(made[1].reason)


def test_repeats_and_decoding_are_no_no_ops() -> None:
    made = list(expand_case(CASE, ["repeat", "temperature:0.5"], variants=3, params={"temperature": 0}))
    assert [v.status for v in made] == ["ok"] * 7
    assert [v.draft.sample for v in made[:4]] == [0, 1, 2, 3]
    assert len({identity(v.draft, made[0].draft, {"temperature": 0}) for v in made}) == 7


def test_a_decoding_that_is_the_tasks_own_is_a_no_op() -> None:
    same = own(lambda d, r, i: d.with_(params={"top_p": 1}), level="decoding")
    assert list(expand_case(CASE, [same], params={"top_p": 1.0}))[1].status == "not_applicable"
    assert list(expand_case(CASE, [same], params={"top_p": 0.9}))[1].status == "ok"


def test_a_prompt_that_is_equal_is_a_no_op() -> None:
    same = own(lambda d, r, i: d.with_(prompt=Prompt(template="{input}")), level="prompt")
    assert list(expand_case(CASE, [same], prompt=Prompt()))[1].reason == "nothing changed in 20 draws"
    assert list(expand_case(CASE, [same], prompt=Prompt(template="Q: {input}")))[1].status == "ok"


def test_the_users_protect_reaches_the_edits() -> None:
    for protect in (["parcel"], [re.compile("par[a-z]+")]):
        for v in expand_case(CASE, ["keyboard:1"], variants=5, protect=protect):
            assert "parcel" in v.input
            assert "damaged" in v.input
    with pytest.raises(UsageError, match=r"protect='re:\('"):
        next(expand_case(CASE, [], protect=["re:("]))


def test_a_perturbation_that_raises_or_returns_nonsense_is_named_with_the_case() -> None:
    def broken(draft: Draft, rng: random.Random, index: int) -> Draft:
        raise RuntimeError("no")

    with pytest.raises(UsageError, match=r"'own' raised RuntimeError: no \(case 'c1'\)"):
        list(expand_case(CASE, [own(broken)]))
    with pytest.raises(UsageError, match="'own' returned NoneType, not a Draft"):
        list(expand_case(CASE, [own(lambda d, r, i: None)]))


def test_fields_that_are_not_json_do_not_stop_it() -> None:
    case = Case(id="n", fields={"input": TEXT, "x": float("nan"), "y": {1, 2}})
    assert [v.status for v in expand_case(case, ["keyboard"], variants=2)] == ["ok"] * 3


def test_it_streams() -> None:
    text = TEXT * 100
    variants = expand_case(
        Case(id="s", fields={"input": text}), ["casing:swap", "keyboard:0.001"], variants=300
    )
    for _ in range(50):
        next(variants)
    tracemalloc.start()
    try:
        held = max(tracemalloc.get_traced_memory()[0] for _ in variants)
    finally:
        tracemalloc.stop()
    assert held < 250 * len(text) / 4  # all their texts would be four times as much


# --- what a model writes ------------------------------------------------------------------------------------


def written(**options: object) -> Perturbation:
    def rewrite(
        draft: Draft, rng: random.Random, index: int
    ) -> Generator[Request, Completion, Draft | NotApplicable]:
        reply = yield Request(
            model="w", messages=({"role": "user", "content": draft.case.input},), sample=index
        )
        return (
            with_input(draft, reply.text) if reply.text else NotApplicable(reason="the writer said nothing")
        )

    return own(None, **{"rewrite": rewrite, "writer": "w", "name": "para", "spec": "para", **options})


def answer(steps: Generator[Request, Completion, object], replies: list[str]) -> object:
    """Drive a generator with these replies, then with the last one again."""
    try:
        next(steps)
        while True:
            steps.send(Completion(text=replies.pop(0) if len(replies) > 1 else replies[0]))
    except StopIteration as end:
        return end.value


def test_what_a_model_writes_is_driven_from_outside() -> None:
    made = answer(rewrite_steps(CASE, written(), variants=2), ["first wording", "second wording"])
    assert isinstance(made, list)
    assert [(v.input, v.id, v.writer, v.status) for v in made] == [
        ("first wording", "para#0", "w", "ok"),
        ("second wording", "para#1", "w", "ok"),
    ]


def test_no_ops_and_duplicates_of_a_writer_are_asked_again_and_then_reported() -> None:
    replies = [TEXT, "good", "good", "good", "good", "good"]
    made = answer(rewrite_steps(CASE, written(), variants=5), replies)
    assert isinstance(made, list)
    assert [(v.input, v.status) for v in made] == [("good", "ok"), (TEXT, "not_applicable")]
    assert made[1].reason == "exhausted: 1 distinct variant of 5 asked for"
    silent = answer(rewrite_steps(CASE, written()), [""])
    assert isinstance(silent, list)
    assert [v.reason for v in silent] == ["the writer said nothing"]


def test_gates_and_the_judge_refuse_what_a_model_writes() -> None:
    case = Case(id="g", fields={"input": "I have 3 cats"})
    validity = Validity(judge="judge")
    replies = ["I own 4 cats", "I own 3 cats", "SAME", "I hate 3 cats", "DIFFERENT"]
    made = answer(rewrite_steps(case, written(), variants=3, validity=validity), replies)
    assert isinstance(made, list)
    assert [(v.status, v.reason) for v in made] == [
        ("rejected", "numbers changed: 3 became 4"),
        ("ok", None),
        ("rejected", "judge says it no longer asks the same"),
    ]


def test_expand_drives_it_where_it_can_and_leaves_it_out_where_not() -> None:
    assert [v.id for v in expand_case(CASE, [written(), "repeat"], variants=1)] == ["", "repeat#0"]

    def drive(steps: Generator[Request, Completion, Draft | NotApplicable]) -> Draft | NotApplicable:
        result = answer(steps, ["one", "two", "three"])
        assert isinstance(result, Draft | NotApplicable)
        return result

    made: list[Variant] = list(expand_case(CASE, [written(), "repeat"], variants=2, drive=drive))
    assert [(v.id, v.input) for v in made[1:3]] == [("para#0", "one"), ("para#1", "two")]
    assert len(made) == 5


def test_steps_serve_perturbations_without_a_writer_too() -> None:
    made = answer(rewrite_steps(CASE, "casing", variants=2), [""])
    assert isinstance(made, list)
    assert made == [v for v in expand_case(CASE, ["casing"], variants=2) if v.perturbation]
