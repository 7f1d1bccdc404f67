"""Texts that people wrote, as variants."""

from __future__ import annotations

import pytest

from robusttest.core.nouns import Case, Variant
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations import make
from robusttest.perturbations.base.edits import apply_edits
from robusttest.perturbations.words.pairs import counterpart
from robusttest.tasks.cases import load_cases
from robusttest.variants.expand import expand_case


def only(case: Case, *specs: object, variants: int = 5) -> list[Variant]:
    return list(expand_case(case, specs, variants=variants))[1:]


def one(**columns: object) -> Case:
    return load_cases([columns])[0]


REVIEW = one(
    id="r",
    input="It's terrible. I saw it 17 years ago.",
    target="negative",
    revised="It's wonderful. I saw it 20 times.",
    revised_target="positive",
)


def test_the_text_and_the_answer_of_the_pair() -> None:
    (v,) = only(REVIEW, counterpart("revised", target="revised_target"))
    assert v.status == "ok"  # numbers differ, and a person answers for it
    assert v.input == REVIEW.metadata["revised"]
    assert v.target == "positive"
    assert (v.perturbation, v.level, v.preserves) == ("counterpart:revised", "input", "probably")
    assert apply_edits(REVIEW.input, v.draft.edits["input"]) == v.input


def test_a_paraphrase_by_hand_keeps_the_answer() -> None:
    (v,) = only(
        one(input="is it late", target="yes", paraphrase="has it been delayed"), "counterpart:paraphrase"
    )
    assert (v.input, v.target, v.preserves) == ("has it been delayed", "yes", "preserves")


def test_several_texts_and_answers() -> None:
    case = one(input="a b", target="x", others=["c d", "e f", ""], labels=["y", "x", "x"])
    made = only(case, counterpart("others", target="labels", most=3))
    assert [(v.input, v.target) for v in made if v.status == "ok"] == [("c d", "y"), ("e f", "x")]
    assert [v.reason for v in made if v.status != "ok"] == [
        "exhausted: 2 distinct variants of 3 asked for (the case has no text number 3 in 'others')"
    ]


def test_one_field_of_several() -> None:
    fields = Case(
        id="n",
        fields={"premise": "a man sleeps", "hypothesis": "he rests"},
        target="entailment",
        metadata={"new": "he runs", "label": "contradiction"},
    )
    (v,) = only(fields, counterpart("new", into="hypothesis", target="label"))
    assert v.fields == {"premise": "a man sleeps", "hypothesis": "he runs"}
    assert v.target == "contradiction"
    with pytest.raises(UsageError, match="say which one the text replaces"):
        only(fields, "counterpart:new")
    with pytest.raises(UsageError, match="no text in the input field 'question'"):
        only(fields, counterpart("new", into="question"))


def test_on_top_of_a_typo() -> None:
    from robusttest.perturbations import crossed

    (p,) = crossed("casing:upper", "counterpart:revised")
    (v,) = only(REVIEW, p)
    assert v.input == REVIEW.metadata["revised"]
    assert apply_edits(REVIEW.input, v.draft.edits["input"]) == v.input


@pytest.mark.parametrize(
    "columns", [{}, {"revised": ""}, {"revised": None}, {"revised": 3}, {"revised": "a \ud800"}]
)
def test_a_case_without_one_is_not_applicable(columns: dict[str, object]) -> None:
    (v,) = only(Case(id="c", fields={"input": "some text"}, metadata=columns), "counterpart:revised")
    assert v.status == "not_applicable"
    assert "in 'revised'" in str(v.reason)


def test_a_case_without_the_answer_is_not_applicable() -> None:
    case = one(input="some text", revised="other text")
    (v,) = only(case, counterpart("revised", target="label"))
    assert (v.status, v.reason) == ("not_applicable", "the case has no answer in 'label'")


def test_an_answer_that_is_no_option_is_an_error() -> None:
    case = Case(
        id="c", fields={"input": "a"}, target="x", choices=("x", "y"), metadata={"revised": "b", "label": "z"}
    )
    with pytest.raises(UsageError, match="'z' of case 'c' is none of its choices: x, y"):
        only(case, counterpart("revised", target="label"))


def test_a_rule_instead_of_a_target() -> None:
    assert make(counterpart("revised", expect="changes")).preserves == "alters"
    assert make(counterpart("revised", expect="same")).preserves == "preserves"


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"column": "a:b"},
        {"column": "a", "expect": "target", "most": 0},
        {"column": "a", "target": "b", "expect": "changes"},
    ],
)
def test_wrong_arguments_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        counterpart(**bad)


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'changes'"):
        counterpart("a", expect="change")
