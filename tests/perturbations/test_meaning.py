import random

import pytest
from _corpus_check import HOPELESS, NASTY, check

from robusttest.core.nouns import Case, Completion, Draft, NotApplicable
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations.words import meaning
from robusttest.perturbations.written.rewrite import paraphrase

CASE = Case(
    id="c",
    fields={"input": "The food was good and you can stay."},
    target="positive",
    choices=("positive", "negative"),
)
DRAFT = Draft(case=CASE)
FLIP = {"positive": "negative", "negative": "positive"}


def run(p, draft=DRAFT, seed=0):
    return p.apply(draft, random.Random(seed), 0)


def text(p, words, seed=0):
    out = run(p, Draft(case=Case(id="c", fields={"input": words})), seed)
    return out if isinstance(out, NotApplicable) else out.case.input


@pytest.mark.parametrize("words", [*NASTY, *HOPELESS])
def test_the_promises_hold_on_nasty_texts(words):
    for i in range(3):
        check(meaning.negation(), words, seed=i)


def test_one_statement_is_negated():
    made = {run(meaning.negation(), seed=i).case.input for i in range(20)}
    assert made == {"The food was not good and you can stay.", "The food was good and you cannot stay."}


@pytest.mark.parametrize(
    "words",
    ["Is it late?", "What is it?", "It is not late.", "Can you go?", "Go home.", "Why is the sky blue?"],
)
def test_questions_and_negated_statements_are_left(words):
    assert isinstance(text(meaning.negation(), words), NotApplicable)


@pytest.mark.parametrize("expect", ["changes", "increases", "decreases", "same"])
def test_a_rule_is_carried(expect):
    p = meaning.directional("negation", expect=expect)
    assert (p.expect, p.spec, p.preserves) == (expect, "negation", "alters")
    assert run(p) == run(meaning.negation())


def test_a_new_target_is_computed_from_case_and_draft():
    seen = []

    def rule(case, draft):
        seen.append((case, draft.case.input))
        return FLIP[case.target]

    out = run(meaning.directional(meaning.negation(), target=rule))
    assert out.case.target == "negative"
    assert out.case.input == run(meaning.negation()).case.input
    assert seen == [(CASE, out.case.input)]
    assert CASE.target == "positive"
    assert meaning.directional("negation", target=rule).expect == "target"


def test_no_rule_for_a_variant_is_not_applicable():
    assert "no right answer" in run(meaning.directional("negation", target=lambda c, d: None)).reason
    out = run(
        meaning.directional("negation", target=lambda c, d: "x"),
        Draft(case=Case(id="a", fields={"input": "Go."})),
    )
    assert "negate" in out.reason


def test_a_rule_that_errs_says_so():
    with pytest.raises(UsageError, match="KeyError"):
        run(meaning.directional("negation", target=lambda c, d: {}["x"]))
    with pytest.raises(UsageError, match="none of its choices: positive, negative"):
        run(meaning.directional("negation", target=lambda c, d: "neutral"))


@pytest.mark.parametrize(
    "options", [{}, {"expect": "changes", "target": lambda c, d: 1}, {"target": "negative"}]
)
def test_half_a_rule_is_refused(options):
    with pytest.raises(UsageError, match="directional"):
        meaning.directional("negation", **options)


def test_an_unknown_rule_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="changes"):
        meaning.directional("negation", expect="change")


def test_what_a_model_writes_can_have_a_rule_too():
    p = meaning.directional(paraphrase(model="m"), target=lambda c, d: FLIP[c.target])
    steps = p.rewrite(DRAFT, random.Random(0), 0)
    next(steps)
    with pytest.raises(StopIteration) as done:
        steps.send(Completion(text="<rewritten>Good food, and staying is allowed.</rewritten>"))
    assert done.value.value.case.target == "negative"
