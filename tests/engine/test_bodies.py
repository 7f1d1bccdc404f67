"""Tests with a body of their own: what an outcome counts as, and asking."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace

import pytest

from robusttest.core.nouns import Answer, Case, Completion, Draft, Request, Score, Variant
from robusttest.engine.body import Ask, Body, Outcome, body_score
from robusttest.engine.driver import Runner
from robusttest.engine.job import BodyTask, Job
from robusttest.errors import BudgetExhaustedError, CallError, UsageError
from robusttest.perturbations import make
from robusttest.settings import Settings

CASE = Case(id="1", fields={"input": "where is my parcel now"}, target="t")
REFERENCE = Variant(original=CASE, draft=Draft(case=CASE))


class Gateway:
    def __init__(self, fail: Exception | None = None) -> None:
        self.asked: list[Request] = []
        self.fail = fail
        self.pool = ThreadPoolExecutor(1)

    def request(self, model, messages, params, sample=0):
        return Request(model=model, messages=tuple(messages), params=dict(params), sample=sample)

    def submit(self, request) -> Future[Completion]:
        self.asked.append(request)
        if self.fail is not None:
            future: Future[Completion] = Future()
            future.set_exception(self.fail)
            return future
        return self.pool.submit(lambda: Completion(text=f"reply {len(self.asked)}", cost=0.5, input_tokens=2))


def a_job(*specs, **settings):
    task = BodyTask(name="t", cases=(CASE,))
    return Job(task, "m", specs, settings=Settings(**settings))


def variants(*specs, **settings):
    job = a_job(*specs, **settings)
    (selected,) = job.selected()
    return list(job.variants(selected))


def record(outcome, variant=REFERENCE, asks=(), gateway=None):
    """The record of a body that ends so, and asks these things first."""

    def run(kwargs):
        for prompt in asks:
            kwargs["ask"](prompt)
        return outcome

    body = Body(
        a_job(),
        gateway or Gateway(),
        run,
        arguments=lambda: nullcontext({}),
        given={"variant": "variant", "ask": "ask"},
    )
    try:
        next(body.ask(variant))
    except StopIteration as stop:
        return body.record(variant, stop.value)


@pytest.mark.parametrize(
    ("value", "score", "answer"),
    [
        (None, 1.0, "passed"),
        (True, 1.0, 1.0),
        (False, 0.0, 0.0),
        (0.25, 0.25, 0.25),
        (" Paris ", 1.0, "Paris"),
        (Completion(text="Paris"), 1.0, "Paris"),
        (Answer("x"), 1.0, "x"),
        (Answer(["x"], score=0.5), 0.5, ["x"]),
        (Score(value=0.0, status="unparsed"), 0.0, None),
    ],
)
def test_what_a_body_returns(value, score, answer):
    made = record(Outcome(value=value))
    assert (made.score, made.answer) == (score, answer)
    assert made.status == ("unparsed" if isinstance(value, Score) else "ok")


@pytest.mark.parametrize("value", [2, -1, float("nan"), [1], {}, object(), Answer("x", score=3)])
def test_what_a_body_must_not_return(value):
    with pytest.raises(UsageError, match="a test's body returned"):
        body_score(Outcome(value=value))


def test_how_a_body_ends():
    def ended(error):
        made = record(Outcome.of(error))
        return made.status, made.score, made.reason

    assert ended(AssertionError("no\nmore")) == ("ok", 0.0, "no")
    assert ended(AssertionError()) == ("ok", 0.0, "assertion failed")
    assert ended(KeyError("x")) == ("error", None, "raised KeyError: 'x'")
    assert ended(CallError("down")) == ("error", None, "down")
    assert ended(BudgetExhaustedError("spent")) == ("skipped", None, "spent")
    skipped = record(Outcome(kind="skipped", reason="not today"))
    assert (skipped.status, skipped.score, skipped.reason) == ("skipped", None, "not today")


def test_asking_passes_the_variants_decoding_and_is_counted():
    gateway = Gateway()
    (_, warm) = variants("temperature:0.7", variants=1)
    ask = Ask(gateway, "m", warm)
    assert str(ask) == ask.model == "m"
    assert str(ask("hello", temperature=0, max_tokens=3)) == "reply 1"
    assert ask([{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]).text == "reply 2"
    assert gateway.asked[0].params == {"temperature": 0.7, "max_tokens": 3}
    assert gateway.asked[0].sample == warm.draft.sample == 1
    made = record(Outcome(value="done"), warm, ("hello", "again"))
    assert (made.cost, made.input_tokens, made.reply) == (1.0, 4, "reply 2")
    assert made.answer == "done"
    assert made.request_key is None
    assert record(Outcome(value="done"), warm, ("hello",)).request_key is not None


def test_asking_the_same_twice_is_two_samples():
    gateway = Gateway()
    ask = Ask(gateway, "m", REFERENCE)
    ask("x")
    ask("x")
    ask("y")
    assert len({r.key() for r in gateway.asked}) == 3
    again = Gateway()
    Ask(again, "m", REFERENCE)("x")
    assert again.asked[0].key() == gateway.asked[0].key()


def test_asking_from_a_coroutine():
    gateway = Gateway()
    ask = Ask(gateway, "m", REFERENCE)

    async def body():
        return [c.text for c in await asyncio.gather(ask.acall("a"), ask.acall("b"))]

    assert set(asyncio.run(body())) <= {"reply 1", "reply 2"}
    assert len(ask.replies) == len(ask.requests) == 2


def test_a_failed_call_reaches_the_body():
    with pytest.raises(CallError, match="down"):
        Ask(Gateway(CallError("down")), "m", REFERENCE)("x")


@pytest.mark.parametrize("prompt", [3, [], ["x"], [{"content": "x"}], {"role": "user"}])
def test_what_can_not_be_asked(prompt):
    with pytest.raises(UsageError, match="give a text, or a list of messages"):
        Ask(Gateway(), "m")(prompt)


def test_parameters_are_json():
    with pytest.raises(UsageError, match="JSON"):
        Ask(Gateway(), "m")("x", stop={1})


def test_variants_of_a_body():
    made = variants("keyboard", "format", variants=2)
    assert [v.id for v in made] == ["", "keyboard#0", "keyboard#1", "format#0"]
    assert made[-1].status == "not_applicable"
    assert "body of its own" in made[-1].reason
    alone = variants("keyboard", variants=2, case=("1::keyboard#1",))
    assert [v.input for v in alone] == [made[0].input, made[2].input]


def test_equal_questions_have_equal_hashes():
    reference, typo, *_ = variants("keyboard")
    assert record(Outcome(), reference).input_hash == record(Outcome()).input_hash
    assert record(Outcome(), typo).input_hash != record(Outcome()).input_hash
    assert record(Outcome(), typo).text == typo.input
    assert record(Outcome()).text == CASE.input


def test_a_body_in_the_driver_and_what_it_raised():
    """Its outcomes are counted once each, in the order of the variants, and an interrupt leaves those before it."""

    def run(kwargs):
        index = kwargs["v"].index if kwargs["v"].perturbation else -1
        if index == 2:
            raise KeyboardInterrupt
        return Outcome(value="a") if index < 0 else Outcome.of((AssertionError("no"), KeyError("k"))[index])

    job = a_job("keyboard", variants=4)
    body = Body(job, Gateway(), run, arguments=lambda: nullcontext({}), given={"v": "variant"})
    runner = Runner(Gateway(), job.settings)
    runner.add(job, body)
    with pytest.raises(KeyboardInterrupt):
        runner.result(job)
    assert [(r.variant, r.status, r.score) for r in runner.records(job)] == [
        ("", "ok", 1.0),
        ("keyboard#0", "ok", 0.0),
        ("keyboard#1", "error", None),
    ]
    assert (body.failed, str(body.first_failure), str(body.first_error)) == (1, "no", "'k'")


@pytest.mark.parametrize(
    ("said", "score"), [(Outcome(value="Paris"), 1.0), (Outcome(value="Rome"), 0.0), (None, None)]
)
def test_expectations_of_a_perturbation(said, score):
    """``same``: the reference's answer, whatever the target; without one nothing can be said."""

    def run(kwargs):
        if kwargs["v"].perturbation:
            return said or Outcome(value="Paris")
        return Outcome(value="Paris") if said else Outcome.of(KeyError("down"))

    job = a_job(replace(make("keyboard"), expect="same"), variants=1)
    runner = Runner(Gateway(), job.settings)
    runner.add(job, Body(job, Gateway(), run, arguments=lambda: nullcontext({}), given={"v": "variant"}))
    typo = runner.result(job)[1]
    assert (typo.score, typo.status) == (score, "error" if score is None else "ok")
