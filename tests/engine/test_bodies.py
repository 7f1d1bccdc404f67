"""Tests with a body of their own: what an outcome counts as, and asking."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from robusttest.core.nouns import Answer, Case, Completion, Draft, Request, Score, Variant
from robusttest.engine.body import Ask, Outcome, body_record, body_score, body_variants, left_out
from robusttest.engine.record import score_of
from robusttest.errors import BudgetExhaustedError, CallError, UsageError
from robusttest.perturbations import make
from robusttest.settings import Settings
from robusttest.variants.select import select_perturbations

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


def record(outcome, **changes):
    return body_record(changes.pop("variant", REFERENCE), outcome, task="t", model="m", **changes)


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
    assert ended(KeyError("x")) == ("error", None, "KeyError: 'x'")
    assert ended(CallError("down")) == ("error", None, "down")
    assert ended(BudgetExhaustedError("spent")) == ("skipped", None, "spent")
    skipped = record(Outcome(kind="skipped", reason="not today"))
    assert (skipped.status, skipped.score, skipped.reason) == ("skipped", None, "not today")


def test_asking_passes_the_variants_decoding_and_is_counted():
    gateway = Gateway()
    (_, warm) = body_variants([CASE], [make("temperature:0.7")], Settings(variants=1))
    ask = Ask(gateway, "m", warm)
    assert str(ask) == ask.model == "m"
    assert str(ask("hello", temperature=0, max_tokens=3)) == "reply 1"
    assert ask([{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]).text == "reply 2"
    assert gateway.asked[0].params == {"temperature": 0.7, "max_tokens": 3}
    assert gateway.asked[0].sample == warm.draft.sample == 1
    made = record(Outcome(value="done"), ask=ask, variant=warm)
    assert (made.cost, made.input_tokens, made.reply) == (1.0, 4, "reply 2")
    assert made.answer == "done"


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

    assert sorted(asyncio.run(body())) == ["reply 1", "reply 2"] or len(ask.calls) == 2


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
    variants = list(body_variants([CASE], [make("keyboard"), make("format")], Settings(variants=2)))
    assert [v.id for v in variants] == ["", "keyboard#0", "keyboard#1", "format#0"]
    assert variants[-1].status == "not_applicable"
    made = left_out(variants[-1], task="t", model="m")
    assert (made.status, made.score) == ("not_applicable", None)
    assert "body of its own" in made.reason
    with pytest.raises(ValueError, match="is ok"):
        left_out(variants[0], task="t", model="m")
    alone = list(body_variants([CASE], [make("keyboard")], Settings(variants=2, case=("1::keyboard#1",))))
    assert [v.input for v in alone] == [variants[0].input, variants[2].input]


def test_equal_questions_have_equal_hashes():
    reference, typo, *_ = body_variants([CASE], [make("keyboard")], Settings())
    assert record(Outcome(), variant=reference).input_hash == record(Outcome()).input_hash
    assert record(Outcome(), variant=typo).input_hash != record(Outcome()).input_hash
    assert record(Outcome(), variant=typo).text == typo.input
    assert record(Outcome()).text == CASE.input


def test_expectations_of_a_perturbation():
    from dataclasses import replace

    _, (p,) = select_perturbations(["keyboard"], Settings())
    p = replace(p, expect="same")
    before = score_of(record(Outcome(value="Paris")))
    typo = list(body_variants([CASE], [p], Settings(variants=1)))[1]
    kwargs = {"variant": typo, "perturbation": p}
    assert record(Outcome(value="Paris"), reference=before, **kwargs).score == 1.0
    assert record(Outcome(value="Rome"), reference=before, **kwargs).score == 0.0
    assert record(Outcome(value="Rome"), reference=None, **kwargs).status == "error"
