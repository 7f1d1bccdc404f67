"""What was done to a variant's tools, change by change: the smallest change of a description, the one decoy, the one name that flips the call."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import Future
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robusttest import Task
from robusttest.core.nouns import Completion, Request, RunInfo
from robusttest.engine.cell import cell_of
from robusttest.engine.driver import Runner
from robusttest.engine.job import Job
from robusttest.engine.parts import can_part, part, places, word_edits
from robusttest.engine.shrink import Budget
from robusttest.perturbations import make, tool_description, tool_rename
from robusttest.perturbations.base.edits import apply_edits
from robusttest.perturbations.tools.tools import tool_decoy
from robusttest.report import markdown, terminal
from robusttest.report.build import build
from robusttest.scorers import tool_call
from robusttest.settings import Settings
from robusttest.variants.expand import expand_case


def tool(name: str, description: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"order": {"type": "string"}, "why": {"enum": ["a", "b", "c"]}}}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


TOOLS = [
    tool("order_status", "Where an order is, and when it comes."),
    tool("cancel_order", "Cancel an order that was not sent yet."),
    tool("open_ticket", "Let a person answer."),
]
TASK = Task(
    "shop",
    cases=[
        {
            "id": "where",
            "input": "Where is 48213?",
            "target": {"name": "order_status", "arguments": {"order": "48213"}},
        }
    ],
    params={"tools": TOOLS},
    scorer=tool_call(),
)
Caller = Callable[[list[dict[str, Any]]], str]


class Gateway:
    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.asked = 0

    def request(self, model: str, messages: Any, params: Any, sample: int = 0) -> Request:
        return Request(model=model, messages=tuple(messages), params=dict(params), sample=sample)

    def submit(self, request: Request) -> Future[Completion]:
        self.asked += 1
        name = self.caller([t["function"] for t in request.params["tools"]])  # type: ignore[union-attr, index, call-overload]
        future: Future[Completion] = Future()
        future.set_result(Completion(text="", tool_calls=({"name": name, "arguments": {"order": "48213"}},)))
        return future


def shrunk(caller: Caller, spec: Any, variants: int = 1) -> tuple[dict[str, Any], str]:
    """What was found for the worst variant, and the reports on it."""
    job = Job(TASK, "m", [spec], settings=Settings(variants=variants))
    records = Runner(Gateway(caller)).result(job, Budget(200))  # type: ignore[arg-type]
    report = build(
        RunInfo(id="0" * 8, created="2026-11-28T12:00:00Z", complete=True), [cell_of(job, records)]
    )
    found = next(r.shrunk for r in records if r.shrunk)
    return dict(found), "\n".join(terminal.render(report, width=160)) + markdown.render(report)


def variants(spec: Any, n: int = 3) -> list[Any]:
    made = expand_case(TASK.cases[0], [spec], prompt=TASK.prompt, params=TASK.params, variants=n)
    return [v for v in made if v.perturbation and v.status == "ok"]


SPECS = (
    tool_decoy(count=5),
    tool_rename(),
    tool_description({"order_status": "Tell where a parcel is and when it comes.", "open_ticket": "Let somebody answer."}),
    "tool_schema",
)  # fmt: skip


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_all_changes_are_the_variant_and_none_the_tools_as_given(spec: Any) -> None:
    for v in variants(spec):
        every = places(v)
        assert len(every) > 1
        assert can_part(v, make(spec))
        whole = part(v, every)
        assert json.dumps(whole.draft.params["tools"]) == json.dumps(v.draft.params["tools"])
        none = part(v, ()).draft
        assert "tools" not in none.params
        assert none.tool_names == {}
        for place in every:
            assert json.dumps(part(v, [place]).draft.params["tools"]) not in (
                json.dumps(TOOLS),
                json.dumps(v.draft.params["tools"]),
            )


@pytest.mark.parametrize("spec", ["tool_order", "tool_duplicate", "tool_decoy"])
def test_one_change_has_no_part(spec: str) -> None:
    for v in variants(spec):
        assert len(places(v)) == 1
        assert not can_part(v, make(spec))


def test_the_one_decoy_that_draws_the_call_is_found() -> None:
    names = {t["function"]["name"] for t in variants(tool_decoy(count=6))[0].draft.params["tools"]} - {
        t["function"]["name"] for t in TOOLS
    }
    bait = sorted(names)[2]

    def caller(tools: list[dict[str, Any]]) -> str:
        return bait if bait in [t["name"] for t in tools] else "order_status"

    found, told = shrunk(caller, tool_decoy(count=6))
    assert (found["kept"], found["of"], found["complete"]) == (1, 6, True)
    assert bait in found["text"]
    assert not any(f"{name}:" in found["text"] for name in names - {bait})
    assert "1 of its 6 edits is enough" in told
    assert f"[→ {bait}" in told or f"[+{bait}" in told, told


def test_the_smallest_change_of_a_description_is_found_and_shown_as_a_diff() -> None:
    """The caller takes a tool that speaks of a shop's parcels for another one; all other new words do not matter."""

    def caller(tools: list[dict[str, Any]]) -> str:
        return "order_status" if "order" in tools[0]["description"] else "open_ticket"

    spec = tool_description(
        {
            "order_status": "Tell where a parcel is, or when it comes.",
            "open_ticket": "Let somebody answer this.",
        }
    )
    found, told = shrunk(caller, spec)
    assert found["kept"] == 1
    assert found["of"] >= 4
    assert "order_status: Where an parcel is, and when it comes." in found["text"]
    assert "open_ticket: Let a person answer." in found["text"]
    assert "parcel" in told
    assert "Where an [order→parcel] is, and" in told


def test_the_one_name_that_the_caller_knows_by_heart_is_found_and_read_back() -> None:
    def caller(tools: list[dict[str, Any]]) -> str:
        names = [t["name"] for t in tools]
        return "order_status" if "order_status" in names else names[2]

    found, _ = shrunk(
        caller, tool_rename({"order_status": "lookup", "cancel_order": "stop", "open_ticket": "person"})
    )
    assert (found["kept"], found["of"]) == (1, 3)
    assert "lookup: " in found["text"]
    assert "cancel_order: " in found["text"]


def test_names_that_change_places_are_never_offered_twice() -> None:
    seen = []

    def caller(tools: list[dict[str, Any]]) -> str:
        seen.append([t["name"] for t in tools])
        return "order_status"

    found, _ = shrunk(
        caller,
        tool_rename(
            {"order_status": "cancel_order", "cancel_order": "order_status", "open_ticket": "person"}
        ),
    )
    assert all(len(set(names)) == len(names) for names in seen)
    assert (found["kept"], found["of"]) == (2, 3)


@given(st.text("ab \n", max_size=12), st.text("abc \n", max_size=12))
def test_the_words_of_a_description_lead_from_one_to_the_other(old: str, new: str) -> None:
    edits = word_edits(old, new)
    assert apply_edits(old, edits) == new
    assert all(a.end <= b.start for a, b in pairwise(edits))
    assert (not edits) is (old == new)


@pytest.mark.parametrize(
    ("spec", "changed"),
    [
        ("tool_order", r"order_status|cancel_order|open_ticket"),
        ("tool_decoy:similar", r"_manual: Show the manual page"),
        ("tool_duplicate", r"__\w+: A copy of"),
        ("tool_rename", r"orderStatus|Status"),
        ("tool_schema", r'"(?:type|properties|enum)"'),
        (SPECS[2], r"parcel"),
    ],
    ids=str,
)
def test_a_failure_shows_what_changed_in_the_tools_as_a_diff(spec: Any, changed: str) -> None:
    def caller(tools: list[dict[str, Any]]) -> str:
        return (
            "order_status"
            if tools == [t["function"] for t in TOOLS] and str(tools) == str([t["function"] for t in TOOLS])
            else "none"
        )

    job = Job(TASK, "m", [spec], settings=Settings(variants=1))
    cell = cell_of(job, Runner(Gateway(caller)).result(job))  # type: ignore[arg-type]
    report = build(RunInfo(id="0" * 8, created="2026-11-28T12:00:00Z", complete=True), [cell])
    (failure,) = report.cells[0].failures
    assert "".join(s.old for s in failure.diff) == failure.original
    assert "".join(s.new for s in failure.diff) == failure.text
    assert re.search(changed, "".join(s.new for s in failure.diff if s.changed))
    same = sum(len(s.old) for s in failure.diff if not s.changed)
    assert same > len("Where is 48213?\n\n[tools]\n")  # not all of it is marked
