"""Calls compared by normalised values and by argument; ways compared as a sequence, a set or with their arguments."""

from __future__ import annotations

from typing import Any

import pytest

from robusttest.core.equality import same
from robusttest.core.nouns import Completion
from robusttest.errors import UsageError
from robusttest.scorers import tool_call, trajectory

TARGET = {"name": "book", "arguments": {"city": "Berlin", "nights": 3}}


def calls(*made: tuple[str, Any]) -> Completion:
    return Completion(text="", tool_calls=tuple({"name": n, "arguments": a} for n, a in made))


@pytest.mark.parametrize(
    ("arguments", "strict", "normalised", "each"),
    [
        ({"city": "Berlin", "nights": 3}, 1, 1, 1),
        ({"city": " berlin ", "nights": "3"}, 0, 1, 1),
        ({"city": "Berlin", "nights": 3.0, "pets": None}, 0, 1, 1),
        ({"city": "Bern", "nights": 3}, 0, 0, 1 / 2),
        ({"city": "Berlin"}, 0, 0, 1 / 2),
        ({"city": "Berlin", "nights": 3, "pets": True}, 0, 0, 2 / 3),
        ({}, 0, 0, 0),
        ("no object", 0, 0, 0),
    ],
)
def test_arguments_as_they_are_normalised_and_one_by_one(
    arguments: Any, strict: int, normalised: int, each: float
) -> None:
    reply = calls(("book", arguments))
    assert tool_call()(reply, TARGET).value == strict
    assert tool_call(arguments="normalised")(reply, TARGET).value == normalised
    assert tool_call(arguments="each")(reply, TARGET).value == pytest.approx(each)


def test_another_tool_has_no_argument_right() -> None:
    scorer = tool_call(arguments="each")
    assert scorer(calls(("cancel", TARGET["arguments"])), TARGET).value == 0
    assert scorer(calls(("book", TARGET["arguments"]), ("book", {})), TARGET).value == 0
    assert scorer(Completion(text="no"), []).value == 1
    swapped = tool_call(arguments="each", order=False)
    target = [TARGET, {"name": "pay", "arguments": {"by": "card"}}]
    assert (
        swapped(calls(("pay", {"by": "CARD"}), ("book", {"city": "berlin", "nights": 3})), target).value == 1
    )


def test_equal_calls_in_another_form_are_one_answer() -> None:
    scorer = tool_call(arguments="normalised")
    a, b = (
        scorer(calls(("book", {"city": c, "nights": n})), TARGET) for c, n in (("Berlin", 3), ("BERLIN", "3"))
    )
    assert same(a.answer, b.answer)
    strict = tool_call()
    a, b = (strict(calls(("book", {"city": c, "nights": 3})), TARGET) for c in ("Berlin", "BERLIN"))
    assert not same(a.answer, b.answer)


@pytest.mark.parametrize(
    ("answer", "first", "second", "alike"),
    [
        ("sequence", "ab", "ba", False),
        ("set", "ab", "ba", True),
        ("set", "ab", "abb", True),
        ("set", "ab", "a", False),
        ("arguments", "ab", "ab", True),
        ("arguments", "ab", "ba", False),
    ],
)
def test_ways_are_compared_as_asked(answer: Any, first: str, second: str, alike: bool) -> None:
    scorer = trajectory(answer=answer)
    a, b = (scorer(calls(*((n, {"x": 1}) for n in way))) for way in (first, second))
    assert same(a.answer, b.answer) is alike


def test_ways_with_other_arguments_differ_only_where_arguments_are_compared() -> None:
    ways = [calls(("a", {"x": x})) for x in (1, "1 ", 2)]
    names = [trajectory()(way).answer for way in ways]
    full = [trajectory(answer="arguments")(way).answer for way in ways]
    assert same(names[0], names[2])
    assert same(full[0], full[1])
    assert not same(full[0], full[2])


@pytest.mark.parametrize("wrong", [lambda: trajectory(answer="names"), lambda: tool_call(arguments="loose")])
def test_other_forms_are_refused(wrong: Any) -> None:
    with pytest.raises(UsageError):
        wrong()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"at_most": -1}, "a whole number from 0"),
        ({"at_most": "3"}, "a whole number from 0"),
        ({"at_most": True}, "a whole number from 0"),
        ({"at_most": {"a": 1.5}}, "a whole number from 0"),
        ({"required": [1]}, "a list of names"),
        ({"required": None}, "a list of names"),
        ({"forbidden": [""]}, "a list of names"),
        ({"order": ["a"], "forbidden": ["a"]}, "'a' is required and forbidden"),
        ({"required": ["a"], "at_most": {"a": 0}}, "at least 1 call of 'a' must be made"),
        ({"order": ["a", "b", "a"], "at_most": {"a": 1}}, "at least 2 calls of 'a'"),
        ({"required": ["a", "b"], "at_most": 1}, "at least 2 calls must be made"),
    ],
)
def test_rules_of_a_way_that_none_can_keep_are_refused(how, said):
    with pytest.raises(UsageError, match=said):
        trajectory(**how)


@pytest.mark.parametrize(
    "how",
    [{"at_most": 0}, {"required": ["a"], "at_most": {"a": 1, "b": 0}}, {"order": ["a", "a"], "at_most": 2}],
)
def test_rules_that_some_way_keeps_are_taken(how):
    assert trajectory(**how).name == "trajectory"
