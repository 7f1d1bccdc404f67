"""Perturbations of tools: the right call stays right, what is changed is what was meant, and weak callers are found out."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from robusttest import Task
from robusttest.core.nouns import Completion, Variant
from robusttest.errors import CaseError, UsageError
from robusttest.metrics import thresholds
from robusttest.perturbations import make
from robusttest.perturbations.tools.described import tool_description
from robusttest.perturbations.tools.offered import name_of, tools_of
from robusttest.perturbations.tools.tools import (
    everyday,
    tool_decoy,
    tool_rename,
)
from robusttest.scorers import tool_call
from robusttest.variants.expand import expand_case


def tool(name: str, description: str, **properties: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {k: {"type": v, "description": k} for k, v in properties.items()},
        "required": list(properties),
    }
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


TOOLS = [
    tool("order_status", "Where an order is.", order="string", language="string"),
    tool("cancel_order", "Cancel an order that was not sent yet.", order="string", reason="string"),
    tool("open_ticket", "Let a person answer.", text="string"),
]
CASES = [
    {
        "id": "where",
        "input": "Where is 48213?",
        "target": {"name": "order_status", "arguments": {"order": "48213"}},
    },
    {
        "id": "stop",
        "input": "Stop 77120, please.",
        "target": {"name": "cancel_order", "arguments": {"order": "77120"}},
    },
]


def task(tools: Any = None, **params: Any) -> Task:
    """The shop's; with other tools a task whose right calls nobody knows."""
    known: dict[str, Any] = {"labels": "none"} if tools is not None else {"scorer": tool_call()}
    return Task(
        "shop",
        cases=CASES,
        prompt="{input}",
        params={"tools": TOOLS if tools is None else tools, **params},
        **known,
    )


def variants(spec: Any, of: Task | None = None, n: int = 4) -> list[Variant]:
    of = of or task()
    made = expand_case(of.cases[0], [spec], prompt=of.prompt, params=of.params, variants=n)
    return [v for v in made if v.perturbation]


def offered(v: Variant) -> list[dict[str, Any]]:
    found = tools_of(v.draft)
    assert isinstance(found, list)
    return found


def called(name: str, **arguments: Any) -> Completion:
    call = {"id": "1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return Completion(text="", tool_calls=(call,))


def test_the_order_is_another_and_the_tools_are_the_same() -> None:
    made = variants("tool_order", n=5)
    orders = [[name_of(t) for t in offered(v)] for v in made]
    assert len({tuple(o) for o in orders}) == 5
    assert [name_of(t) for t in TOOLS] not in orders
    assert all(sorted(o) == sorted(map(name_of, TOOLS)) for o in orders)
    (idle,) = variants("tool_order", task(TOOLS[:1]))
    assert idle.status == "not_applicable"


@pytest.mark.parametrize("kind", ["", ":similar", ":unrelated"])
def test_a_decoy_stands_beside_the_tools_which_stay_in_order(kind: str) -> None:
    for v in variants(f"tool_decoy{kind}"):
        names = [name_of(t) for t in offered(v)]
        (decoy,) = set(names) - set(map(name_of, TOOLS))
        assert [n for n in names if n != decoy] == [name_of(t) for t in TOOLS]
        assert decoy.endswith("_manual") is (kind == ":similar")


def test_as_many_decoys_as_asked_for() -> None:
    v = variants(tool_decoy(count=6), n=1)[0]
    assert len(offered(v)) == len(TOOLS) + 6
    assert v.perturbation == "tool_decoy(6)"
    assert len({f["name"] for f in everyday()}) == len(everyday()) >= 20


def test_a_duplicate_is_under_another_servers_name() -> None:
    for v in variants("tool_duplicate"):
        (extra,) = [t for t in offered(v) if name_of(t) not in set(map(name_of, TOOLS))]
        assert name_of(extra).partition("__")[2] in set(map(name_of, TOOLS))
        assert "test server" in extra["function"]["description"]


def test_descriptions_are_the_users_words() -> None:
    p = tool_description({"order_status": ["Look an order up.", "Tell the state of an order."]})
    first, second = variants(p)
    assert offered(first)[0]["function"]["description"] == "Look an order up."
    assert offered(second)[0]["function"]["description"] == "Tell the state of an order."
    assert offered(second)[1:] == TOOLS[1:]


def test_a_renamed_tool_is_called_by_its_new_name_and_scored_by_its_own() -> None:
    of = task(tool_choice={"type": "function", "function": {"name": "order_status"}})
    names = set()
    for v in variants("tool_rename", of, n=9):
        if v.status != "ok":
            continue
        new = name_of(offered(v)[0])
        names.add(new)
        assert v.params["tool_choice"]["function"]["name"] == new
        score = of.score(called(new, order="48213"), v)
        assert (score.value, score.answer) == (
            1.0,
            [{"name": "order_status", "arguments": {"order": "48213"}}],
        )
        gone = of.score(called("order_status", order="48213"), v)  # a name that is not offered any more
        assert gone.value == 0.0
        assert gone.answer[0]["name"] == "order_status (not offered)"
    assert names == {"orderStatus", "OrderStatus", "order-status", "order__status"}
    (mine,) = variants(tool_rename({"order_status": "lookup"}), of)
    assert of.score(called("lookup", order="48213"), mine).value == 1.0


def test_a_prompt_that_names_a_tool_forbids_to_rename_it() -> None:
    of = Task(
        "t", cases=CASES, prompt="Use order_status. {input}", params={"tools": TOOLS}, scorer=tool_call()
    )
    (idle,) = variants("tool_rename", of)
    assert idle.status == "not_applicable"
    assert "names a tool" in (idle.reason or "")


def test_a_schema_in_another_order_is_another_question_and_the_same_schema() -> None:
    made = variants("tool_schema", n=4)
    texts = {json.dumps(offered(v)) for v in made}
    assert len(texts) == 4
    assert json.dumps(TOOLS) not in texts


def test_a_schema_in_other_keywords_keeps_what_is_no_schema() -> None:
    values = {"enum": ["x", "y"], "default": {"enum": ["x"]}, "examples": [{"const": 1}]}
    of = task(
        [
            {
                "name": "f",
                "strict": True,
                "parameters": {"type": "object", "properties": {"a": values, "enum": {"type": "string"}}},
            }
        ]
    )
    made = [offered(v)[0]["parameters"] for v in variants("tool_schema:forms", of, n=12)]
    texts = {json.dumps(m) for m in made}
    assert len(texts) == 12
    assert any("anyOf" in t for t in texts)
    assert any("$defs" in t for t in texts)
    assert not any("oneOf" in t for t in texts)
    for text in texts:
        assert '"default": {"enum": ["x"]}' in text
        assert '"examples": [{"const": 1}]' in text


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        (None, "offers no tools"),
        ([], "no list with something in it"),
        ("tools", "no list"),
        ([{"type": "function"}], "has no name"),
        ([TOOLS[0], TOOLS[0]], "two tools of the task are called 'order_status'"),
    ],
)
@pytest.mark.parametrize("spec", ["tool_order", "tool_decoy", "tool_duplicate", "tool_rename", "tool_schema"])
def test_what_is_no_list_of_tools_is_said(spec: str, tools: Any, said: str) -> None:
    of = Task("t", cases=CASES, params={} if tools is None else {"tools": tools}, labels="none")
    (idle,) = variants(spec, of)
    assert idle.status == "not_applicable"
    assert said in (idle.reason or "")


def test_a_tool_without_a_schema_keeps_none() -> None:
    bare = [{"name": "now"}, *TOOLS]
    for v in variants("tool_schema", task(bare)):
        assert offered(v)[0] == {"name": "now"}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: make("tool_decoy:funny"),
        lambda: make("tool_schema:funny"),
        lambda: tool_decoy(count=0),
        lambda: tool_description({"a": [""]}),
        lambda: tool_rename({"a": "x", "b": "x"}),
        lambda: variants(tool_description({"nobody": "x"})),
        lambda: variants(tool_rename({"nobody": "x"})),
    ],
)
def test_wrong_arguments_are_refused(wrong: Any) -> None:
    with pytest.raises(UsageError):
        wrong()


# --- oracles: callers of known weaknesses -------------------------------------------------------------------


def reader(tools: list[dict[str, Any]], text: str) -> Completion:
    """Knows what to do by the words of a description's own tool, under whatever name."""
    wanted = "cancel" if "Stop" in text else "status"
    number = "".join(c for c in text if c.isdigit())
    names = [
        name_of(t)
        for t in tools
        if "manual" not in name_of(t) and not name_of(t).startswith(("backup", "staging", "mirror"))
    ]
    return called(next(n for n in names if wanted in n.lower()), order=number)


def first_tool(tools: list[dict[str, Any]], text: str) -> Completion:
    return called(name_of(tools[0]), order="".join(c for c in text if c.isdigit()))


def exact_name(tools: list[dict[str, Any]], text: str) -> Completion:
    wanted = "cancel_order" if "Stop" in text else "order_status"
    known = [n for t in tools if (n := name_of(t)) == wanted]
    return called(known[0] if known else "none", order="".join(c for c in text if c.isdigit()))


def rate(caller: Any, spec: str) -> float:
    """Share of its variants that a caller gets right."""
    of, scores = task(), []
    for case in of.cases:
        for v in expand_case(case, [spec], prompt=of.prompt, params=of.params, variants=4):
            if v.perturbation and v.status == "ok":
                scores.append(of.score(caller(offered(v), str(v.input)), v).value)
    return sum(scores) / len(scores)


SPECS = ("tool_order", "tool_decoy", "tool_decoy:similar", "tool_duplicate", "tool_rename", "tool_schema")


def test_a_caller_that_reads_is_right_everywhere() -> None:
    assert {s: rate(reader, s) for s in SPECS} == dict.fromkeys(SPECS, 1.0)


def test_a_caller_of_the_first_tool_falls_with_the_order() -> None:
    assert rate(first_tool, "tool_schema") == 0.5  # right by luck on one of two cases
    assert rate(first_tool, "tool_order") < 0.5
    assert rate(first_tool, "tool_decoy") < 0.5


def test_a_caller_by_exact_name_falls_with_the_name_alone() -> None:
    assert {s: rate(exact_name, s) for s in SPECS} == {**dict.fromkeys(SPECS, 1.0), "tool_rename": 0.0}


def test_a_thousand_variants_with_twenty_tools_are_quick() -> None:
    tools = [tool(f"tool_{i}", f"Does thing {i}.", a="string", b="integer") for i in range(20)]
    of = task(tools)
    started = time.process_time()
    made = [v for spec in SPECS[:5] for v in variants(spec, of, n=200)]
    assert len(made) > 600
    assert time.process_time() - started < 5  # 1 s is the aim; benchmarks measure


def test_thresholds_may_name_them() -> None:
    assert str(thresholds("flip_rate[tool_decoy] <= 0.1", "expect")[0]) == "flip_rate[tool_decoy] <= 0.1"


def test_a_target_that_calls_what_is_not_offered_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        CaseError, match=r"its target calls 'order_stats', which the task does not offer\..*'order_status'"
    ):
        Task("shop", cases=[("Where is it?", "order_stats")], params={"tools": TOOLS}, scorer=tool_call())
    Task("shop", cases=[("Where is it?", "order_status")], params={"tools": TOOLS}, scorer=tool_call())
