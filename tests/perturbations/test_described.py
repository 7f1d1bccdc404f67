"""Tools that a writer describes: what it is asked, what of its words is refused, and a model that reads them."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from robusttest import Task, evaluate
from robusttest.core.nouns import Case, Completion, Draft, NotApplicable, Request
from robusttest.errors import UsageError
from robusttest.perturbations import make, tool_description
from robusttest.perturbations.written.rewrite import UNNAMED
from robusttest.scorers import tool_call


def tool(name: str, description: str | None, **properties: Any) -> dict[str, Any]:
    held = {} if description is None else {"description": description}
    schema = {"type": "object", "properties": properties or {"order_id": {"type": "string"}}}
    return {"type": "function", "function": {"name": name, **held, "parameters": schema}}


STATUS = "Tell where an order is, by its order_id, within 2 seconds."
TICKET = "Let a person answer; never for what order_status can tell."
TOOLS = [tool("order_status", STATUS), tool("open_ticket", TICKET), tool("now", None)]
GOOD = {
    STATUS: "Find out the whereabouts of an order from its order_id in 2 seconds.",
    TICKET: "Hand over to a human being; never where order_status would do.",
}


def drive(tools: Any, says: Any, index: int = 0) -> tuple[Draft | NotApplicable, list[Request]]:
    """The variant that a writer's answers make, and what it was asked."""
    p = tool_description()
    assert p.rewrite is not None
    draft = Draft(case=Case(id="a", fields={"input": "Where is A1?"}), given={"tools": tools})
    steps, asked = p.rewrite(draft, random.Random(index), index), []
    try:
        request = next(steps)
        while True:
            asked.append(request)
            text = re.search(r"<text>\n(.*)\n</text>", str(request.messages[-1]["content"]), re.DOTALL)
            assert text is not None
            said = says(text[1])
            request = steps.send(Completion(text=f"<rewritten>{said}</rewritten>", model="w"))
    except StopIteration as done:
        return done.value, asked


def described(draft: Any) -> list[str | None]:
    return [t["function"].get("description") for t in draft.params["tools"]]


def test_each_tool_is_described_in_other_words_and_nothing_else_changes() -> None:
    made, asked = drive(TOOLS, GOOD.get)
    assert described(made) == [GOOD[STATUS], GOOD[TICKET], None]
    assert [r.model for r in asked] == [UNNAMED] * 2
    shown = [str(r.messages[-1]["content"]) for r in asked]
    assert all("in other words: it tells a program what a tool does" in s for s in shown)
    assert "Keep exactly as they are: " in shown[0]
    assert "'order_id'" in shown[0]
    assert "'order_status'" in shown[1], "the name of another tool that it mentions"
    bare = [{**t, "function": {k: v for k, v in t["function"].items() if k != "description"}} for t in TOOLS]
    assert [
        {**t, "function": {k: v for k, v in t["function"].items() if k != "description"}}
        for t in made.params["tools"]
    ] == bare
    assert TOOLS[0]["function"]["description"] == STATUS, "the task's own stand"


def test_the_same_tools_are_described_once_and_other_variants_anew() -> None:
    first, again, second = (drive(TOOLS, GOOD.get, index)[1] for index in (0, 0, 1))
    assert [r.key() for r in first] == [r.key() for r in again]
    assert {r.key() for r in first}.isdisjoint(r.key() for r in second)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Find out where an order is from its order_id in 3 seconds.", "lacks '2 seconds'"),
        ("Find out where an order is in 2 seconds.", "lacks 'order_id'"),
        ("Find an order by its order_id in 2 seconds, else call open_ticket.", "brings in 'open_ticket'"),
        ("Find an order by its order_id in 2 seconds. Ignore all other tools.", "adds an instruction"),
        (STATUS, "it is the original"),
        ("", "reply was empty"),
        ("Here is the rewritten description: an order by its order_id in 2 seconds.", "speaks to the reader"),
    ],
)
def test_what_would_change_the_tool_is_refused_by_name(text: str, why: str) -> None:
    made, asked = drive(TOOLS, lambda said: text if said == STATUS else GOOD[said])
    assert isinstance(made, NotApplicable)
    assert made.reason.startswith("of the tool 'order_status': ")
    assert why in made.reason
    assert len(asked) == 2, "asked once again, then given up, with the other tool left alone"


@pytest.mark.parametrize(
    ("tools", "why"),
    [
        (None, "the task offers no tools"),
        ([tool("now", None)], "no tool has a description"),
        ([tool("now", "  ")], "no tool has a description"),
    ],
)
def test_without_a_description_there_is_nothing_to_write(tools: Any, why: str) -> None:
    made, asked = drive(tools, GOOD.get)
    assert isinstance(made, NotApplicable)
    assert why in made.reason
    assert asked == []


def test_arguments_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"either wordings of your own, or the model="):
        tool_description({"a": "b"}, model="openai/m")
    with pytest.raises(UsageError, match="is not a model's name"):
        tool_description(model=" ")
    with pytest.raises(UsageError, match="wordings are a mapping"):
        tool_description({})
    assert make("tool_description").rewrite is not None
    assert tool_description(model="openai/m").writer == "openai/m"


MODULE = f'''
from robusttest import model
from robusttest.core.nouns import Completion

GOOD = {GOOD!r}

@model(version="1")
def writer(prompt):
    text = prompt.partition("<text>\\n")[2].partition("\\n</text>")[0]
    return f"<rewritten>{{GOOD[text]}}</rewritten>"

@model(version="1")
def brittle(prompt, tools=()):
    """Knows the tool by the words of its description."""
    found = [t["function"] for t in tools]
    name = next((t["name"] for t in found if "Tell where" in t.get("description", "")), "open_ticket")
    return Completion(text="", tool_calls=({{"name": name, "arguments": {{"order_id": "A1"}}}},))
'''


def test_a_model_that_goes_by_words_flips_and_is_told_so(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_words.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    cases = [
        {
            "id": f"c{i}",
            "input": f"Where is A1, asks {i}?",
            "target": {"name": "order_status", "arguments": {"order_id": "A1"}},
        }
        for i in range(3)
    ]
    task = Task("shop", cases=cases, params={"tools": TOOLS}, scorer=tool_call())
    found = evaluate(
        task,
        model="python:of_words:brittle",
        perturbations=["tool_description"],
        writer="python:of_words:writer",
        variants=1,
    )
    assert found.accuracy.value == 1
    assert found["tool_description"].pass_rate.value == 0
    assert found.run.calls - found.run.cached == 3 + 3 + 2, "the writer was asked twice, whatever the case"
    with pytest.raises(UsageError, match=r"is written by a model, and none is named: give --robust-writer"):
        evaluate(task, model="python:of_words:brittle", perturbations=["tool_description"])
