from __future__ import annotations

import random

import pytest

from robusttest.core.nouns import Case, Completion, Draft
from robusttest.errors import UsageError
from robusttest.perturbations.base.edits import diff_edits
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.validity import Validity, check, judge_steps
from robusttest.variants.expand import expand_case


def verdict(
    before: str, after: str, *, validity: Validity | None = None, target: object = None, **options: object
) -> str | None:
    p = Perturbation(name="p", spec="p", level="input", **options)
    case = Case(id="1", fields={"input": before})
    draft = Draft(
        case=Case(id="1", fields={"input": after}, target=target), edits={"input": diff_edits(before, after)}
    )
    return check(case, draft, p, validity or Validity())


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("I have 12 cats", "I have 13 cats", "numbers changed: 12 became 13"),
        ("I have 12 cats", "I have cats", "numbers changed: 12 became none"),
        ("I have cats", "I have 2 cats", "numbers changed: none became 2"),
        ("it is good", "it is not good", "negations changed: 0 before, 1 after"),
        ("it isn't good", "it is good", "negations changed: 1 before, 0 after"),
        ("one\ntwo", "one two", "lines changed: 2 before, 1 after"),
        ('{"a": "b"}', '{"a": "b"', "the JSON no longer parses"),
        ("some words", "  ", "nothing is left"),
    ],
)
def test_what_the_cheap_gates_refuse(before: str, after: str, reason: str) -> None:
    assert reason in str(verdict(before, after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("I have 12 cats and 1,5 dogs", "1,5 dogs and 12 cats I have"),
        ("it isn't good", "it is not good"),
        ("loss of h2o", "l0ss of h2o"),
        ('{"a": "b"}', '{"a": "c"}'),
        ("one\ntwo", "two\none"),
    ],
)
def test_what_they_let_through(before: str, after: str) -> None:
    assert verdict(before, after) is None


def test_a_perturbation_is_excused_from_what_it_is_about() -> None:
    assert verdict("I have 12 cats", "I have twelve cats", changes=("number",)) is None
    assert verdict("a\nb", "a b", changes=("lines",)) is None
    assert verdict("it is good", "it is not good", preserves="alters") is None
    assert verdict("it is good", "it is not good", target="bad") is None
    assert verdict("a\nb", "a b", preserves="alters") is not None


def test_the_edit_share_is_capped_for_noise_alone() -> None:
    before, after = "abcdefghij", "ABCDEFGhij"
    assert verdict(before, after, severity=0.1) == "7 of 10 characters changed, more than 50%"
    assert verdict(before, after, severity=0.8) is None
    assert verdict(before, after) is None
    assert verdict("ab", "xy", severity=0.1) is None
    assert verdict(before, after, severity=0.1, validity=Validity(max_edit_share=0.7)) is None


def test_the_users_similarity_is_asked_last() -> None:
    near = Validity(similarity=lambda a, b: 0.9)
    far = Validity(similarity=lambda a, b: 0.5, min_similarity=0.75)
    assert verdict("some text", "same text", validity=near) is None
    assert verdict("some text", "same text", validity=far) == "similarity 0.5 is below 0.75"
    assert "numbers" in str(verdict("1", "2", validity=far))


def test_a_similarity_that_fails_is_an_error_not_a_verdict() -> None:
    def broken(a: str, b: str) -> float:
        raise KeyError("model")

    with pytest.raises(UsageError, match="similarity function raised KeyError"):
        verdict("a b", "a c", validity=Validity(similarity=broken))
    with pytest.raises(UsageError, match="returned nan"):
        verdict("a b", "a c", validity=Validity(similarity=lambda a, b: float("nan")))


@pytest.mark.parametrize(
    "bad", [{"max_edit_share": 0}, {"max_edit_share": 1.1}, {"min_similarity": float("nan")}]
)
def test_settings_out_of_range(bad: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(bad))):
        Validity(**bad)


def test_a_rejected_variant_is_yielded_with_its_reason() -> None:
    def one_more(text: str, rng: random.Random) -> str:
        return text + " and 3 more"

    made = list(expand_case(Case(id="c", fields={"input": "two words"}), [one_more], variants=1))
    assert [(v.status, v.reason) for v in made] == [
        ("ok", None),
        ("rejected", "numbers changed: none became 3"),
    ]
    assert made[1].input == "two words and 3 more"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [("SAME", None), ("same.", None), ("DIFFERENT", "j says it no longer asks"), ("I think so", "no verdict: 'I think so'"), ("", "no verdict")],
)  # fmt: skip
def test_the_judges_verdict(reply: str, reason: str | None) -> None:
    draft = Draft(case=Case(id="1", fields={"input": "a {before} b", "n": 1}))
    steps = judge_steps(Case(id="1", fields={"input": "orig {after}", "n": 1}), draft, Validity(judge="j"))
    request = next(steps)
    assert request.model == "j"
    assert "orig" in request.messages[0]["content"]
    with pytest.raises(StopIteration) as end:
        steps.send(Completion(text=reply))
    assert (reason is None and end.value.value is None) or str(reason) in end.value.value
