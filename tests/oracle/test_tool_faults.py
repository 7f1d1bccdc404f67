"""Agents whose way with a failing tool is known: each fault has the verdict that is true of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache
from typing import Any

import pytest

from robusttest.core.nouns import Case
from robusttest.engine.body import Ask, Body, Outcome
from robusttest.engine.cell import Cell, cell_of
from robusttest.engine.driver import Runner
from robusttest.engine.job import BodyTask, Job
from robusttest.metrics import parse_threshold
from robusttest.perturbations.tools.faults import KINDS, tool_fault
from robusttest.settings import Settings

Tool = Callable[[str], Any]
Agent = Callable[[Tool, str], Any]


def status(order: str) -> Any:
    return {"order": order, "state": f"sent by van {order}"}


def careful(tool: Tool, order: str) -> Any:
    """Asks first for another order, tries up to three times, and takes only an answer about this order."""
    tool("0")
    for _ in range(3):
        try:
            found = tool(order)
        except Exception:
            continue
        if isinstance(found, Mapping) and found.get("order") == order and "state" in found:
            return found["state"]
    return "unknown"


def gives_up(tool: Tool, order: str) -> Any:
    """Takes only a good answer, and does not ask twice."""
    tool("0")
    try:
        found = tool(order)
    except Exception:
        return "unknown"
    good = isinstance(found, Mapping) and found.get("order") == order
    return found["state"] if good else "unknown"


def trusting(tool: Tool, order: str) -> Any:
    """Tries again where the tool raises, and believes whatever it returns."""
    tool("0")
    for _ in range(3):
        try:
            found = tool(order)
        except Exception:
            continue
        return found.get("state", "none") if isinstance(found, Mapping) else found
    return "unknown"


def hasty(tool: Tool, order: str) -> Any:
    """Checks what is returned and asks again; where the tool raises it is at its end."""
    tool("0")
    try:
        found = next(
            x for x in (tool(order) for _ in range(3)) if isinstance(x, Mapping) and x.get("order") == order
        )
    except Exception:
        return "unknown"
    return found["state"]


RAISED = {"timeout", "429", "500"}
AGENTS: dict[str, tuple[Agent, set[str]]] = {
    "careful": (careful, set()),
    "gives_up": (gives_up, set(KINDS)),
    "trusting": (trusting, set(KINDS) - RAISED),
    "hasty": (hasty, RAISED),
}
"""Each agent, and the faults that it does not get over."""


class Gateway:
    store = None


@cache
def ran(name: str) -> Cell:
    agent, _ = AGENTS[name]
    cases = tuple(
        Case(id=f"c{i}", fields={"input": f"{100 + i}"}, target=f"sent by van {100 + i}") for i in range(16)
    )

    def run(kwargs: Mapping[str, Any]) -> Outcome:
        ask, variant = kwargs["ask"], kwargs["variant"]
        assert isinstance(ask, Ask)
        found = agent(ask.tool("status", status), variant.input)
        return Outcome(value=float(found == variant.target))

    specs = [tool_fault(kind, at=2) for kind in KINDS]
    thresholds = [parse_threshold(f"accuracy[{p.spec}] >= 0.9") for p in specs]
    job = Job(BodyTask(name="agent", cases=cases), "m", specs, thresholds, settings=Settings(variants=1))
    body = Body(
        job, Gateway(), run, arguments=lambda: nullcontext({}), given={"variant": "variant", "ask": "ask"}
    )  # type: ignore[arg-type]
    runner = Runner(Gateway(), job.settings)  # type: ignore[arg-type]
    runner.add(job, body)
    return cell_of(job, runner.result(job))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", AGENTS)
def test_the_verdict_is_true_of_the_agent(name: str, kind: str) -> None:
    cell, (_, weak) = ran(name), AGENTS[name]
    assert cell.accuracy.value == 1
    verdict = cell.verdicts[KINDS.index(kind)]
    assert kind in str(verdict.threshold)
    assert verdict.status == ("failed" if kind in weak else "passed"), verdict.reason
