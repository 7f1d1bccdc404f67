"""Judges whose truth is known, through the runner: perfect, of known errors, biased by position, led by wording."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from robusttest.core.nouns import Case, Completion, Judging, Request
from robusttest.engine.cell import Cell, cell_of
from robusttest.engine.driver import Runner
from robusttest.engine.job import Job
from robusttest.errors import CallError, UsageError
from robusttest.scorers import judge
from robusttest.scorers.judging import RUBRIC
from robusttest.settings import Settings
from robusttest.tasks.task import Task

WRONG_FROM = 30
"""Of 40 cases, the model is wrong on those from here on."""


class Gateway:
    """The model says the case's number, or 0; a judge is a function of what stands in its prompt."""

    def __init__(self, verdict: Callable[[str, str, Request], Any]) -> None:
        self.verdict = verdict
        self.asked: list[Request] = []

    def request(self, model: str, messages: Any, params: Any, sample: int = 0) -> Request:
        return Request(model=model, messages=tuple(messages), params=dict(params), sample=sample)

    def submit(self, request: Request) -> Future[Completion]:
        future: Future[Completion] = Future()
        self.asked.append(request)
        text = str(request.messages[0]["content"])
        if request.model == "m":
            i = int(text.split()[-1])
            future.set_result(Completion(text=str(i) if i < WRONG_FROM else "0"))
            return future
        (target,) = re.findall(r"<reference_answer>\n(.*)\n</reference", text)
        (answer,) = re.findall(r"<answer>\n(.*)\n</answer>", text)
        said = self.verdict(target, answer, request)
        if isinstance(said, Exception):
            future.set_exception(said)
        else:
            future.set_result(Completion(text=f"GRADE: {said:g}" if isinstance(said, float) else said))
        return future

    @property
    def judged(self) -> int:
        return sum(r.model == "j" for r in self.asked)


def labels(right: int = 20, wrong: int = 20) -> list[dict[str, Any]]:
    return [
        {
            "question": f"Say {i}",
            "target": str(i),
            "answer": str(i) if i < right else "no",
            "right": i < right,
        }
        for i in range(right + wrong)
    ]


def run(verdict: Callable[[str, str, Request], Any], **options: Any) -> tuple[Cell, Gateway]:
    cases = [Case(id=str(i), fields={"input": f"Say {i}"}, target=str(i)) for i in range(1, 41)]
    task = Task(cases=cases, prompt="{input}", scorer=judge(model="j", **options))
    job, gateway = Job(task, "m", ["repeat"], settings=Settings(variants=1)), Gateway(verdict)
    runner = Runner(gateway)
    records = runner.result(job)
    return cell_of(job, records, judging=runner.judging(job)), gateway


def perfect(target: str, answer: str, request: Request) -> float:
    return float(target == answer)


def value(estimate: Any) -> float:
    assert estimate is not None
    assert estimate.value is not None
    return float(estimate.value)


def test_a_perfect_judge() -> None:
    cell, gateway = run(perfect, repeats=3, rewordings=["Right?"], swap=True, labels=labels())
    found = cell.judge
    assert found is not None
    for e in (
        found.self_agreement,
        found.wording_agreement,
        found.order_agreement,
        found.se,
        found.sp,
        found.kappa,
    ):
        assert value(e) == 1
    assert value(found.position_bias) == 0
    assert value(found.corrected[0]) == value(cell.accuracy) == pytest.approx(29 / 40)
    # 80 replies, 4 more questions about each of 40 unperturbed ones, 40 labelled answers
    assert gateway.judged == 80 + 160 + 40
    assert cell.judging == Judging(model="j", right_right=20, wrong_wrong=20)


def test_a_plain_judge_is_asked_once_a_reply_and_tells_nothing() -> None:
    cell, gateway = run(perfect)
    assert cell.judge is None
    assert gateway.judged == 80
    assert all(r.grades is None for r in cell.records)


def test_a_judge_of_known_errors_is_seen_through() -> None:
    """Right answers are called right in 9 of 10, wrong ones in 3 of 10."""

    def noisy(target: str, answer: str, request: Request) -> float:
        lot = random.Random(f"{target}{answer}{request.sample}").random()
        return float(lot < (0.9 if target == answer else 0.3))

    cell, _ = run(noisy, repeats=2, labels=labels(300, 300))
    found = cell.judge
    assert found is not None
    assert value(found.se) == pytest.approx(0.9, abs=0.05)
    assert value(found.sp) == pytest.approx(0.7, abs=0.08)
    assert value(found.kappa) == pytest.approx(0.6, abs=0.08)
    assert value(found.self_agreement) == pytest.approx(0.725 * 0.82 + 0.275 * 0.58, abs=0.15)
    (true, *_) = found.corrected
    assert true.low is not None
    assert true.high is not None
    assert true.low <= 29 / 40 <= true.high


def test_a_judge_that_prefers_the_second_place() -> None:
    """It calls right what stands last; with the answers exchanged it calls the same answer wrong."""

    def last(target: str, answer: str, request: Request) -> float:
        text = str(request.messages[0]["content"])
        return float(text.index("<answer>") > text.index("<reference_answer>"))

    cell, _ = run(last, swap=True, repeats=2)
    found = cell.judge
    assert found is not None
    assert value(found.position_bias) == 1
    assert value(found.order_agreement) == 0
    assert value(found.self_agreement) == 1


def test_a_judge_that_is_led_by_the_wording() -> None:
    def led(target: str, answer: str, request: Request) -> float:
        return float(RUBRIC in str(request.messages[0]["content"]))

    cell, _ = run(led, rewordings=["Is it right?", "Would you accept it?"])
    found = cell.judge
    assert found is not None
    assert value(found.wording_agreement) == 0
    assert found.self_agreement is None


def test_verdicts_without_a_grade_are_counted_apart() -> None:
    def some(target: str, answer: str, request: Request) -> Any:
        if target == "5":
            return "I would rather not."
        if request.sample == 1 and target == "6":
            return CallError("down")
        return perfect(target, answer, request)

    cell, _ = run(some, repeats=2, labels=labels())
    assert cell.judging == Judging(model="j", right_right=19, wrong_wrong=20, ungraded=1)
    assert sum(r.status == "error" for r in cell.records) == 2  # case 5 and its repeat
    found = cell.judge
    assert found is not None
    assert found.ungraded == 2  # the second verdict on case 6, and the labelled answer
    assert found.self_agreement is not None
    assert found.self_agreement.n == 38


def test_labels_of_cases() -> None:
    made = [
        Case(id=str(r["question"]), fields={"input": r["question"]}, target=r["target"], metadata={"answer": r["answer"], "right": str(r["right"])})
        for r in labels(3, 2)
    ]  # fmt: skip
    assert judge(model="j", labels=made) == judge(model="j", labels=labels(3, 2))


def test_grades_are_cut_at_one_half_where_answers_are_labelled() -> None:
    cell, _ = run(lambda t, a, _: 0.8 if t == a else 0.2, labels=labels())
    assert {r.score for r in cell.records} == {0.0, 1.0}
    cell, _ = run(lambda t, a, _: 0.8 if t == a else 0.2)
    assert {r.score for r in cell.records} == {0.8, 0.2}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"repeats": 0}, "repeats=0"),
        ({"repeats": True}, "from 1 to 100"),
        ({"rewordings": "Is it right?"}, "a list of texts"),
        ({"rewordings": [RUBRIC]}, "the rubric itself"),
        ({"rewordings": ["a"], "template": "{answer}"}, "lacks {rubric}"),
        ({"swap": True, "template": "{target} {answer}"}, "the other order"),
        ({"swap": "{target}"}, "with {answer}"),
        ({"labels": "labels.csv"}, "a list of rows"),
        ({"labels": [3]}, "row 1: 3 is no row"),
        ({"labels": [{"question": "q", "target": "t", "answer": "a", "rigth": 1}]}, "Did you mean 'right'"),
        ({"labels": [{"question": "q", "target": "t", "right": 1}]}, "row 1: it lacks 'answer'"),
        ({"labels": [{"question": "q", "target": "t", "answer": "a", "right": 0.5}]}, "right=0.5"),
        ({"labels": labels(3, 0)}, "all 3 answers are labelled right"),
    ],
)
def test_what_can_not_be_asked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        judge(model="j", **options)


LABEL = {"question": "q", "target": "t", "answer": "a"}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"rubric": " "}, "a text that says what is right"),
        ({"rubric": None}, "a text that says what is right"),
        ({"params": [1]}, "parameters of its calls by name"),
        (
            {"labels": [{**LABEL, "right": True}, {**LABEL, "right": False}]},
            "rows 1 and 2 are one answer to one question",
        ),
    ],
)
def test_what_a_judge_can_make_nothing_of_is_refused(how, said):
    with pytest.raises(UsageError, match=said):
        judge(model="python:graders:lenient", **how)
