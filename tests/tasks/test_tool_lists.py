"""Lists of tools, as servers and providers have them, as what a task offers; and a task whose cases offer their own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robusttest import Task, UsageError, crossed, evaluate, load_tools
from robusttest.core.formats import case_params
from robusttest.core.nouns import Variant
from robusttest.errors import CaseError
from robusttest.scorers import tool_call
from robusttest.tasks.tools import tool_list
from robusttest.variants.expand import expand_case

SCHEMA = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
MCP = {
    "name": "order_status",
    "title": "Order status",
    "description": "Where an order is.",
    "inputSchema": SCHEMA,
    "annotations": {"readOnlyHint": True},
}
MADE = {
    "type": "function",
    "function": {"name": "order_status", "description": "Where an order is.", "parameters": SCHEMA},
}
BARE = {"name": "order_status", "description": "Where an order is."}


@pytest.mark.parametrize(
    "source",
    [
        {"tools": [MCP]},
        {"jsonrpc": "2.0", "id": 1, "result": {"tools": [MCP]}},
        [MCP],
        [MADE],
        [{"type": "function", **BARE, "parameters": SCHEMA}],
        [{**BARE, "input_schema": SCHEMA}],
    ],
)
def test_every_form_is_offered_in_one(source: Any, tmp_path: Path):
    assert load_tools(source) == [MADE]
    file = tmp_path / "tools.json"
    file.write_text(json.dumps(source), encoding="utf-8")
    assert load_tools(str(file)) == load_tools(file) == [MADE]


def test_a_schema_without_properties_and_a_tool_without_a_description():
    assert load_tools([{"name": "ping", "inputSchema": {}}]) == [
        {"type": "function", "function": {"name": "ping", "parameters": {"type": "object", "properties": {}}}}
    ]
    (strict,) = load_tools([{"function": {**MADE["function"], "strict": True}}])
    assert strict["function"]["strict"] is True


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            [MCP, {**MCP, "title": "again"}],
            "tools 1 and 2 are both called 'order_status'.*shop__order_status",
        ),
        ([BARE], r"tool 1 \(order_status\): no schema .*inputSchema"),
        ([{"inputSchema": SCHEMA}], "tool 1: no name; it has 'inputSchema'"),
        ([{**BARE, "inputSchema": {"type": "array"}}], "of type 'array', not 'object'"),
        ([{**BARE, "inputSchema": "order"}], "of type 'order', not 'object'"),
        ([{**MCP, "description": 7}], "the description '7' is no text"),
        (["order_status"], "'order_status' is no tool"),
        ([], "an empty list"),
        ({"tools": [MCP], "nextCursor": "p2"}, "a page of a longer list .*'p2'"),
        ({"name": "order_status"}, "no list of tools.*it has 'name'"),
        (7, "no list of tools"),
    ],
)
def test_what_can_not_be_offered_is_refused(source: Any, said: str):
    with pytest.raises(UsageError, match=said):
        load_tools(source)


def test_a_file_that_is_none(tmp_path: Path):
    with pytest.raises(CaseError, match="no such file"):
        load_tools(tmp_path / "tools.json")
    (tmp_path / "tools.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match="not JSON"):
        load_tools(tmp_path / "tools.json")


CALL = {"name": "order_status", "arguments": {"order": "48213"}}


def task(**how: Any) -> Task:
    return Task("t", cases=[("Where is 48213?", CALL)], scorer=tool_call(), **how)


def test_a_task_takes_tools():
    made = task(tools={"tools": [MCP]}, params={"temperature": 0})
    assert made.params == {"temperature": 0, "tools": [MADE]}
    with pytest.raises(UsageError, match=r"tools= and params=.*give one"):
        task(tools=[MCP], params={"tools": [MADE]})
    with pytest.raises(UsageError, match="no schema"):
        task(tools=[BARE])


def own(**how: Any) -> Task:
    """Two cases, each with tools of its own."""
    weather = {**MCP, "name": "weather"}
    cases = [
        {"id": "a", "input": "Where is 48213?", "target": CALL, "offer": {"tools": [MCP]}},
        {"id": "b", "input": "Rain?", "target": "weather", "offer": [weather, MCP]},
    ]
    return Task("t", cases=cases, tools="{offer}", scorer=tool_call(), **how)


def test_each_case_may_offer_its_own():
    made = own()
    names = [[t["function"]["name"] for t in case_params(made.params, case)["tools"]] for case in made.cases]
    assert names == [["order_status"], ["weather", "order_status"]]
    assert all("offer" not in m.get("content", "") for c in made.cases for m in made.render(c))
    with pytest.raises(UsageError, match=r"tools shows \{nothing\}, and case '.*' has no such field"):
        task(tools="{nothing}")
    with pytest.raises(UsageError, match=r"case 'a', offer, tool 1 \(order_status\): no schema"):
        Task("t", cases=[{"id": "a", "input": "x", "target": "y", "offer": [BARE]}], tools="{offer}")


def offered(variant: Variant) -> list[str]:
    held = variant.draft.params.get("tools", variant.draft.given["tools"])
    return [t["function"]["name"] for t in held]


def test_perturbations_see_and_change_the_tools_of_the_case():
    made = own()

    def offered(variant: Variant) -> list[str]:
        return [
            t["function"]["name"] for t in variant.draft.params.get("tools", variant.draft.given["tools"])
        ]

    for case, count in zip(made.cases, (1, 2), strict=True):
        reference, decoyed = expand_case(
            case, ["tool_decoy"], prompt=made.prompt, params=made.params, variants=1
        )
        assert len(offered(reference)) == count
        assert len(offered(decoyed)) == count + 1


def test_tools_of_the_case_are_renamed_and_further_perturbed():
    made = own()
    renamed = next(
        v
        for v in expand_case(
            made.cases[0], ["tool_rename"], prompt=made.prompt, params=made.params, variants=1
        )
        if v.perturbation
    )
    assert (renamed.status, offered(renamed)) == ("ok", ["orderStatus"]), (
        "its own list is no text that names a tool"
    )
    weather = tool_list([{**MCP, "name": "weather"}], "")
    case = replace(made.cases[1], metadata={"other": {"offer": weather}})
    both = crossed("counterpart:other", "tool_decoy")
    *_, last = expand_case(case, [both], prompt=made.prompt, params=made.params, variants=1)
    assert len(offered(last)) == 2, "a decoy beside the one tool that the counterpart offers"
    assert "weather" in offered(last)


OFFERED = """
import json
from robusttest import Completion

def first(messages, tools=()):
    with open("seen.jsonl", "a") as file:
        print(json.dumps([t["function"]["name"] for t in tools]), file=file)
    call = {"id": "1", "type": "function", "function": {"name": tools[0]["function"]["name"], "arguments": "{}"}}
    return Completion(text="", tool_calls=(call,))
"""


def test_the_tools_of_the_case_are_what_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "offered_first.py").write_text(OFFERED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = evaluate(own(), model="python:offered_first:first", perturbations=["tool_order"], variants=1)
    seen = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    assert sorted(seen) == [["order_status"], ["order_status", "weather"], ["weather", "order_status"]]
    assert result.accuracy.value == 0.5, "the first tool is right for the second case alone"
