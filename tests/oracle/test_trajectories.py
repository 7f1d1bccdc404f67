"""Agents whose ways are known: what flips, consistency and ICC say where the answer is a trajectory."""

from __future__ import annotations

from concurrent.futures import Future
from functools import cache
from typing import Any

import pytest

from robusttest import Task
from robusttest.core.nouns import Completion, Request
from robusttest.engine.cell import Cell, cell_of
from robusttest.engine.driver import Runner
from robusttest.engine.job import Job
from robusttest.scorers import trajectory
from robusttest.settings import Settings


def way(text: str) -> list[tuple[str, Any]]:
    """Looks an order up, then pays. In capitals it pays first in cases 0 to 4, spells the number otherwise in 5 to 7 and forgets to pay in
    8; in small letters it pays for another order in cases 0 to 2. In case 9 it never pays.
    """
    number = int(text.split()[-1])
    look, pay = ("look", {"order": 7}), ("pay", {"order": 7})
    if number == 9 or (number == 8 and text.isupper()):
        return [look]
    if text.isupper() and number <= 4:
        return [pay, look]
    if text.isupper() and number <= 7:
        return [("look", {"order": " 7 "}), ("pay", {"order": "7.0"})]
    return [look, ("pay", {"order": 8})] if text.islower() and number <= 2 else [look, pay]


class Gateway:
    def request(self, model: str, messages: Any, params: Any, sample: int = 0) -> Request:
        return Request(model=model, messages=tuple(messages), params=dict(params), sample=sample)

    def submit(self, request: Request) -> Future[Completion]:
        future: Future[Completion] = Future()
        calls = tuple({"name": n, "arguments": a} for n, a in way(str(request.messages[-1]["content"])))
        future.set_result(Completion(text="", tool_calls=calls))
        return future


@cache
def ran(answer: str) -> Cell:
    task = Task(
        "shop",
        cases=[{"id": f"c{i}", "input": f"Please pay for the Order number {i}"} for i in range(10)],
        prompt="{input}",
        scorer=trajectory(required=["pay"], answer=answer),  # type: ignore[arg-type]
        labels="targets",
    )
    job = Job(task, "m", ["casing:upper", "casing:lower"], settings=Settings(variants=1))
    return cell_of(job, Runner(Gateway()).result(job))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "upper", "lower", "consistent"),
    [
        ("sequence", 0.6, 0.0, 0.4),  # 0 to 4 in another order, 8 without paying
        ("set", 0.1, 0.0, 0.9),  # 8 alone
        ("arguments", 0.6, 0.3, 0.4),  # 0 to 2 for another order; another spelling of 7 is the same
    ],
)
def test_flips_and_consistency_are_of_the_ways(
    answer: str, upper: float, lower: float, consistent: float
) -> None:
    cell = ran(answer)
    assert cell["casing:upper"].flip_rate.value == pytest.approx(upper)
    assert cell["casing:lower"].flip_rate.value == pytest.approx(lower)
    assert cell.output_consistency.value == pytest.approx(consistent)


@pytest.mark.parametrize("answer", ["sequence", "set", "arguments"])
def test_icc_is_of_right_and_wrong_whatever_is_compared(answer: str) -> None:
    """Right in all three ways: 0 to 7; in two: 8; in none: 9. By the one-way analysis of variance."""
    cell = ran(answer)
    assert cell.accuracy.value == pytest.approx(0.9)
    assert cell.robust_accuracy.value == pytest.approx(0.8)
    means = [1.0] * 8 + [2 / 3, 0.0]
    grand = sum(means) / 10
    between = 3 * sum((m - grand) ** 2 for m in means) / 9
    within = sum(3 * m * (1 - m) for m in means) / 20
    assert cell.consistency_icc.value == pytest.approx((between - within) / (between + 2 * within))
