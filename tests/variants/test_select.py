"""What of a task is run, and what is refused before anything is."""

from __future__ import annotations

import pytest

from robusttest import Settings
from robusttest.core.nouns import Case
from robusttest.errors import UsageError
from robusttest.perturbations import perturbation
from robusttest.perturbations.base.designs import crossed
from robusttest.perturbations.words.meaning import directional, negation
from robusttest.perturbations.words.pairs import counterpart
from robusttest.variants.expand import expand_case
from robusttest.variants.select import select_perturbations

CASE = Case(id="1", fields={"input": "the food was good"}, target="positive")


@pytest.mark.parametrize("name", ["negation", "antonym", "word_delete", "antonym:0.5", "negation+keyboard"])
def test_what_changes_the_right_answer_without_a_rule_is_refused_by_name(name):
    with pytest.raises(
        UsageError, match="changes the right answer, and nothing says what is right then"
    ) as e:
        select_perturbations([name], Settings())
    assert repr(name.partition("+")[0]) in str(e.value)
    assert "expect='changes'" in str(e.value)


@pytest.mark.parametrize(
    "ruled",
    [
        directional(negation(), expect="changes"),
        directional("word_delete", expect="same"),
        directional("negation", target=lambda case, draft: "negative"),
        counterpart("revised", expect="changes"),
        counterpart("revised"),
    ],
)
def test_with_a_rule_it_is_taken(ruled):
    assert select_perturbations([ruled], Settings())[1] == [ruled]
    assert crossed(ruled, "keyboard")


def test_a_function_that_may_set_the_target_has_to():
    @perturbation("opposite", preserves="alters")
    def opposite(case, rng):
        from dataclasses import replace

        text = case.input.replace("good", "bad")
        return replace(case, fields={"input": text}, target="negative" if case.id == "1" else case.target)

    select_perturbations([opposite], Settings())
    (_, made), (_, forgotten) = (
        list(expand_case(c, [opposite], variants=1))
        for c in (CASE, Case(id="2", fields={"input": "the bar was good"}, target="positive"))
    )
    assert (made.status, made.effect) == ("ok", "target")
    assert (forgotten.status, forgotten.reason) == (
        "rejected",
        "it changes the right answer, and gave the case no other target",
    )


def test_a_function_of_the_text_alone_needs_a_rule():
    @perturbation("shorter", preserves="alters")
    def shorter(text, rng):
        return text[:5]

    with pytest.raises(UsageError, match="'shorter' changes the right answer"):
        select_perturbations([shorter], Settings())
