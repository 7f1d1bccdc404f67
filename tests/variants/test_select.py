"""What of a task is run, and what is refused before anything is."""

from __future__ import annotations

import pytest

from robusttest import Settings
from robusttest.core.nouns import Case
from robusttest.errors import UsageError
from robusttest.metrics import parse_threshold
from robusttest.perturbations import perturbation
from robusttest.perturbations.base.catalog import make_all
from robusttest.perturbations.base.designs import crossed
from robusttest.perturbations.words.meaning import directional, negation
from robusttest.perturbations.words.pairs import counterpart
from robusttest.variants.expand import expand_case
from robusttest.variants.select import check_thresholds, select_perturbations

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


RULED = directional(negation(), expect="changes")


@pytest.mark.parametrize(
    ("threshold", "perturbations", "said"),
    [
        ("flip_rate <= 0.1", [], "it compares variants of a prompt: add perturbations=[…]"),
        ("robust_accuracy >= 0.9", [], "add perturbations=[…]"),
        ("consistency_icc >= 0.1", [], "add perturbations=[…]"),
        ("pass^3 >= 0.5", ["casing"], "add the perturbation 'repeat'"),
        ("net_drop <= 0.5", ["casing"], "add the perturbation 'repeat'"),
        ("sensitivity >= 0.5", ["casing"], "add one, as directional('negation', expect='changes')"),
        ("accuracy >= 0.9", [], None),
        ("unreadable <= 0.1", [], None),
        ("pass^3 >= 0.5", ["repeat"], None),
        ("net_drop <= 0.5", ["casing", "repeat"], None),
        ("flip_rate[repeat] <= 0.5", ["repeat"], None),
        ("sensitivity >= 0.5", [RULED], None),
    ],
)
def test_a_threshold_that_stays_undefined_is_refused_before_a_call(threshold, perturbations, said):
    made = make_all(perturbations)
    if said is None:
        check_thresholds([parse_threshold(threshold)], made)
    else:
        with pytest.raises(UsageError) as e:
            check_thresholds([parse_threshold(threshold)], made)
        assert f"the threshold '{threshold}' stays undefined" in str(e.value)
        assert said in str(e.value)
