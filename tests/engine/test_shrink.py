"""Shrinking: the algorithm alone, a variant with some of its edits, and the search in a run."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case, Completion
from robusttest.engine.driver import Runner
from robusttest.engine.job import Job
from robusttest.engine.parts import can_part, part, places
from robusttest.engine.shrink import Budget, smallest
from robusttest.errors import CallError
from robusttest.perturbations import UserPerturbation, make
from robusttest.perturbations.words.meaning import directional
from robusttest.scorers import choice
from robusttest.settings import Settings
from robusttest.tasks.task import Task
from robusttest.variants.expand import expand_case
from tests.engine.test_runner import Fake, text


def run(items, fails):
    """What is left of ``items``, and how often was asked."""
    search, asked = smallest(items), 0
    try:
        candidate = next(search)
        while True:
            asked += 1
            candidate = search.send(fails(candidate))
    except StopIteration as stop:
        return stop.value, asked


# the algorithm


@given(st.sets(st.integers(0, 39)), st.integers(1, 40))
def test_what_is_needed_is_found(needed, size):
    needed = {n for n in needed if n < size}
    left, asked = run(range(size), lambda some: needed <= set(some))
    assert set(left) == needed or (not needed and len(left) == 1)
    assert asked <= size * size + 3 * size


@settings(max_examples=200)
@given(st.integers(0, 2**16 - 1), st.integers(2, 10))
def test_the_result_fails_and_without_any_one_item_does_not(salt, size):
    def fails(some):
        return len(some) == size or random.Random(repr((salt, tuple(some)))).random() < 0.3

    left, _ = run(range(size), fails)
    assert fails(left)
    if len(left) > 1:
        assert not any(fails(tuple(x for x in left if x != leave)) for leave in left)


def test_nothing_is_asked_twice_or_of_one_item():
    seen = []

    def fails(some):
        seen.append(some)
        return False

    assert run("abcdefg", fails)[0] == tuple("abcdefg")
    assert len(seen) == len(set(seen))
    assert run("a", fails)[0] == ("a",)
    assert all(0 < len(some) < 7 for some in seen)


def test_one_culprit_costs_the_logarithm():
    left, asked = run(range(64), lambda some: 37 in some)
    assert left == (37,)
    assert asked <= 2 * 6


# parts of a variant

CASE = Case(
    id="c", fields={"input": "please send all of my money back to this account", "note": "another long text"}
)


def mine(text: str, rng) -> str:
    return text.replace("send", "give").replace("money", "cash")


@pytest.mark.parametrize("spec", ["keyboard:0.9", "casing:upper", mine, "whitespace:0.9"])
def test_all_edits_are_the_variant_and_none_the_original(spec):
    for v in expand_case(CASE, [spec], variants=3):
        if not v.perturbation or v.status != "ok":
            continue
        assert part(v, places(v)).fields == v.fields
        assert part(v, places(v)).draft.edits == {k: e for k, e in v.draft.edits.items() if e}
        assert part(v, ()).fields == CASE.fields
        assert part(v, ()).draft.edits == {}
        assert can_part(v, make(spec)) == (len(places(v)) > 1)


def test_what_belongs_together_is_not_parted():
    case = Case(id="c", fields={"input": "The parcel is late. Nobody wrote. I want my money."})
    for spec in ("sentence_order", "word_swap:0.9", "format"):
        for v in expand_case(case, [spec], variants=3):
            assert not v.perturbation or not can_part(v, make(spec))

    def shouted(text: str, rng) -> str:
        return text.upper()

    for separable in (True, False):
        p = UserPerturbation(shouted, name="shouted", separable=separable)()
        _, v = expand_case(case, [p], variants=1)
        assert len(places(v)) > 1
        assert can_part(v, p) is separable


# in a run

TASK = Task(
    "t",
    cases=[
        {"id": "a", "input": "please send all of my money back to this account today", "target": "billing"}
    ],
    prompt="{input}",
    scorer=choice(["billing", "delivery"]),
)


def route(request):
    return "billing" if "money" in text(request) else "delivery"


def shrunk(answer, budget=100, specs=("casing:upper",), task=TASK, **changes):
    fake = Fake(answer)
    job = Job(task, "m", list(specs), settings=Settings(variants=1), **changes)
    runner = Runner(fake, job.settings, tick=fake.release)
    before = runner.result(job)
    asked = len(fake.asked)
    left = Budget(budget)
    after = runner.result(job, left)
    assert [replace(r, shrunk=None) for r in after] == before, "shrinking changed a record"
    assert len(fake.asked) - asked == budget - left.left
    return [r.shrunk for r in after if r.shrunk], fake


def test_the_one_word_that_matters_is_found():
    (found,), fake = shrunk(route)
    assert found["text"] == "please send all of my MONEY back to this account today"
    assert (found["kept"], found["of"], found["complete"]) == (1, 11, True)
    assert (found["failed"], found["asked"]) == (2, 2)
    assert found["edits"] == {"input": [[22, 27, "MONEY"]]}
    assert len(fake.asked) < 20


def test_two_words_that_matter_together():
    def answer(request):
        return "delivery" if "MONEY" in text(request) and "SEND" in text(request) else "billing"

    (found,), _ = shrunk(answer)
    assert found["text"] == "please SEND all of my MONEY back to this account today"


def test_each_edit_is_needed():
    def answer(request):
        return "delivery" if text(request).isupper() else "billing"

    (found,), _ = shrunk(answer)
    assert (found["kept"], found["of"]) == (11, 11)


@pytest.mark.parametrize("budget", [0, 1, 2, 3, 5, 6])
def test_no_more_calls_than_allowed_are_made(budget):
    found, fake = shrunk(route, budget)
    assert len(fake.asked) <= 2 + budget
    assert not found or not found[0]["complete"]
    if budget >= 5:
        assert found[0]["kept"] < 11


def test_a_replayed_run_looks_as_far_as_the_recorded_one():
    def found(cached):
        fake = Fake(lambda request: Completion(text=route(request), cached=cached))
        job = Job(TASK, "m", ["casing:upper"], settings=Settings(variants=1))
        budget = Budget(4)
        records = Runner(fake, job.settings, tick=fake.release).result(job, budget)
        return [r.shrunk for r in records], budget.left, [r.messages for r in fake.asked]

    assert found(True) == found(False)
    assert found(True)[1] == 0


def test_a_model_that_wavers_is_asked_again():
    rng = random.Random(3)

    def answer(request):
        if "MONEY" in text(request):
            return "delivery" if request.sample == 0 or rng.random() < 0.7 else "billing"
        return "billing"

    (found,), _ = shrunk(answer, 300)
    assert found["failed"] >= 2
    assert found["asked"] in (2, 3)
    if found["kept"] < found["of"]:
        assert "MONEY" in found["text"]


def test_what_does_not_fail_again_is_said():
    def answer(request):
        return "delivery" if "MONEY" in text(request) and request.sample == 0 else "billing"

    (found,), _ = shrunk(answer)
    assert (found["kept"], found["of"], found["failed"], found["asked"]) == (11, 11, 1, 3)


def test_what_fails_unperturbed_is_not_shrunk():
    assert shrunk(lambda request: "delivery")[0] == []


def test_every_variant_that_fails_is_shrunk_the_worst_of_each_family_first():
    task = Task(
        "t",
        cases=[
            {"id": f"c{i}", "input": f"please send all of my money back to account {i}", "target": "billing"}
            for i in range(4)
        ],
        prompt="{input}",
        scorer=choice(["billing", "delivery"]),
    )
    found, fake = shrunk(route, 1000, specs=("casing:upper", "casing:title"), task=task)
    assert len(found) == 8
    assert all(f["complete"] and f["kept"] == 1 for f in found)
    assert all("MONEY" in f["text"] or "Money" in f["text"] for f in found)
    once, _ = shrunk(route, 1, specs=("casing:upper", "casing:title"), task=task)
    assert len(once) <= 1
    assert len(fake.asked) < 8 * 20


def test_what_shrinking_spent_is_said():
    for budget, said in ((1000, ", in "), (8, "a larger --robust-shrink=N tries more")):
        fake = Fake(route)
        task = Task(
            "t",
            cases=[{"id": f"c{i}", "input": f"send my money to {i}", "target": "billing"} for i in range(3)],
            prompt="{input}",
            scorer=choice(["billing", "delivery"]),
        )
        job = Job(task, "m", ["casing:upper"], settings=Settings(variants=1))
        runner = Runner(fake, job.settings, tick=fake.release)
        runner.result(job)
        assert runner.notes(job) == ()
        before, left = len(fake.asked), Budget(budget)
        runner.result(job, left)
        (note,) = runner.notes(job)
        assert f" of 3 failing variants with several edits, in {len(fake.asked) - before} calls" in note
        assert said in note
        assert ("larger" in note) is (budget == 8)


def test_a_failed_call_ends_the_search_with_what_was_confirmed():
    calls = []

    def answer(request):
        calls.append(request)
        if len(calls) == 5:
            raise CallError("down")
        return route(request)

    found, _ = shrunk(answer)
    assert len(calls) == 5
    assert not found or not found[0]["complete"]


def test_a_rule_for_the_answer_is_the_rule_of_the_search():
    spec = directional("casing:upper", expect="same")
    task = Task(
        "t",
        cases=[{"id": "a", "input": TASK.cases[0].input, "target": "billing"}],
        prompt="{input}",
        choices=["billing", "delivery"],
    )
    (found,), _ = shrunk(route, specs=(spec,), task=task)
    assert found["text"].count("MONEY") == 1
    assert found["kept"] == 1


def test_the_whole_prompt_is_shown_where_several_fields_were_changed():
    task = Task(
        "t",
        cases=[{"id": "a", "head": "all of my money", "input": "please send it back", "target": "billing"}],
        prompt="{head}: {input}",
        scorer=choice(["billing", "delivery"]),
        perturb=["head", "input"],
    )
    (found,), _ = shrunk(route, task=task)
    assert found["text"] == "all of my MONEY: please send it back"


def test_a_test_with_many_failures_leaves_the_next_its_share():
    budget = Budget(100, tests=4)
    assert all(budget.take() for _ in range(20))  # the worst of each family
    budget.share()
    assert sum(budget.take() for _ in range(100)) == 20
    assert budget.spent
    budget.done()
    assert (budget.left, budget.tests, budget.spent) == (60, 3, False)
    budget.share()
    assert sum(budget.take() for _ in range(100)) == 20
    budget.done()
    budget.done()
    budget.share()
    assert sum(budget.take() for _ in range(100)) == 40, "the last takes all that is left"
