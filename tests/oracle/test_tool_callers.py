"""Callers of tools whose weakness is known: each perturbation of tools has the verdict that is true of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from typing import Any

import pytest

from robusttest import Task
from robusttest.core.nouns import Completion, Request
from robusttest.engine.cell import Cell, cell_of
from robusttest.engine.driver import Runner
from robusttest.engine.job import Job
from robusttest.metrics import parse_threshold
from robusttest.perturbations import tool_description
from robusttest.scorers import tool_call
from robusttest.settings import Settings

NAMES = ("order_status", "cancel_order", "return_parcel", "open_ticket")
DESCRIPTIONS = {
    "order_status": "Where an order is and when it will come; for every question about a delivery, its day, its way and its state.",
    "cancel_order": "Cancel an order.",
    "return_parcel": "Send a parcel back.",
    "open_ticket": "Open a ticket.",
}
SAID = {"order_status": ["Status."]}
"""The right tool's description, in few words."""


def tool(name: str) -> dict[str, Any]:
    properties = {"order": {"type": "string"}, "channel": {"type": "string", "enum": ["mail", "phone"]}}
    schema = {"type": "object", "properties": properties, "required": ["order", "channel"]}
    return {
        "type": "function",
        "function": {"name": name, "description": DESCRIPTIONS[name], "parameters": schema},
    }


Tools = list[dict[str, Any]]
Caller = Callable[[Tools], str]
"""The offered tools (each a ``function``) → the name of the one that it calls. The right one is always order_status."""


def words(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def robust(tools: Tools) -> str:
    """Knows the tool by its words, however they are spelt, and leaves manuals and copies for tests alone."""
    return next(t["name"] for t in tools if words(t["name"]) == "orderstatus")


def first(tools: Tools) -> str:
    return str(tools[0]["name"])


def longest(tools: Tools) -> str:
    """Calls what is described at greatest length."""
    return str(max(tools, key=lambda t: len(t["description"]))["name"])


def exact(tools: Tools) -> str:
    """Knows the tool by its exact name alone; else the last one."""
    names = [t["name"] for t in tools]
    return "order_status" if "order_status" in names else str(names[-1])


def kin(tools: Tools) -> str:
    """Calls the last tool whose name has its words in it: a copy or a manual, where it stands behind."""
    return next(str(t["name"]) for t in reversed(tools) if "orderstatus" in words(t["name"]))


def reader(tools: Tools) -> str:
    """Reads schemas as text, and calls what it knows by heart; of another order of keys it makes nothing."""
    found = next(t for t in tools if words(t["name"]) == "orderstatus")
    return str(found["name"]) if list(found["parameters"]["properties"]) == ["order", "channel"] else "none"


CALLERS: dict[str, Caller] = {c.__name__: c for c in (robust, first, longest, exact, kin, reader)}
SPECS: dict[str, Any] = {
    "tool_order": "tool_order",
    "tool_decoy:unrelated": "tool_decoy:unrelated",
    "tool_decoy:similar": "tool_decoy:similar",
    "tool_duplicate": "tool_duplicate",
    "tool_description": tool_description(SAID),
    "tool_rename": "tool_rename",
    "tool_schema": "tool_schema",
}
WEAK: dict[str, set[str]] = {
    "robust": set(),
    "first": {"tool_order", "tool_decoy:unrelated", "tool_decoy:similar", "tool_duplicate"},
    "longest": {"tool_description", "tool_decoy:similar"},  # a manual is described at greater length
    "exact": {"tool_rename"},
    "kin": {"tool_decoy:similar", "tool_duplicate"},
    "reader": {"tool_schema"},
}
"""What each caller is not robust to; to all else it is."""


def lister(tools: Tools) -> str:
    """Looks the channels up where they stood, in an enumeration; finds it nothing, it calls the last tool."""
    found = next(t for t in tools if words(t["name"]) == "orderstatus")
    return str((found if "enum" in found["parameters"]["properties"]["channel"] else tools[-1])["name"])


class Gateway:
    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def request(self, model: str, messages: Any, params: Any, sample: int = 0) -> Request:
        return Request(model=model, messages=tuple(messages), params=dict(params), sample=sample)

    def submit(self, request: Request) -> Future[Completion]:
        offered: Any = request.params["tools"]
        name = self.caller([t["function"] for t in offered])
        future: Future[Completion] = Future()
        made = {"name": name, "arguments": {"order": "48213", "channel": "mail"}}
        future.set_result(Completion(text="", tool_calls=(made,)))
        return future


@cache
def ran(caller: str, specs: tuple[str, ...] = tuple(SPECS)) -> Cell:
    target = {"name": "order_status", "arguments": {"order": "48213", "channel": "mail"}}
    task = Task(
        cases=[
            {"id": f"c{i:02}", "input": f"Where is it, for the {i}th time?", "target": target}
            for i in range(16)
        ],
        params={"tools": [tool(n) for n in NAMES]},
        scorer=tool_call(),
    )
    thresholds = [parse_threshold(f"accuracy[{spec}] >= 0.95") for spec in specs]
    job = Job(task, "m", [SPECS.get(s, s) for s in specs], thresholds, settings=Settings(variants=2))
    return cell_of(job, Runner(Gateway({**CALLERS, "lister": lister}[caller])).result(job))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("caller", CALLERS)
def test_the_verdict_is_true_of_the_caller(caller: str, spec: str) -> None:
    cell = ran(caller)
    (verdict,) = [v for v in cell.verdicts if v.threshold.perturbation == spec]
    assert verdict.status == ("failed" if spec in WEAK[caller] else "passed"), verdict.reason


@pytest.mark.parametrize("caller", CALLERS)
def test_each_is_right_as_written_and_its_weakness_is_the_weakest(caller: str) -> None:
    from robusttest.report.build import cell_report

    cell = ran(caller)
    assert cell.accuracy.value == 1
    report = cell_report(cell)
    assert report is not None
    if WEAK[caller]:
        assert report.weakest is not None
        assert report.weakest.perturbation in WEAK[caller]
    else:
        assert cell.robust_accuracy.value == 1
        assert cell.flip_rate.value == 0


@pytest.mark.parametrize(
    ("caller", "spec", "status"),
    [
        ("robust", "tool_schema:forms", "passed"),
        ("lister", "tool_schema:forms", "failed"),
        ("lister", "tool_schema", "passed"),
        ("exact", "tool_schema:forms", "passed"),
    ],
)
def test_who_reads_a_schema_by_its_keywords_is_found_by_other_keywords_alone(
    caller: str, spec: str, status: str
) -> None:
    (verdict,) = ran(caller, (spec,)).verdicts
    assert verdict.status == status, verdict.reason
