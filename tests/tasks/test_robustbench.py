"""RobustBench-TC's files, by a sample of our own in their format, and the whole of it as one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from robusttest import Task, evaluate, load_cases
from robusttest.errors import CaseError, UsageError
from robusttest.scorers import tool_call
from robusttest.tasks.robustbench import PERTURBATIONS
from robusttest.variants.expand import expand_case

TRAFFIC = {
    "name": "traffic.estimate",
    "description": "Estimate the traffic between two places.",
    "parameters": {
        "type": "dict",
        "properties": {
            "start": {"type": "string"},
            "speed": {"type": "float"},
            "type": {"type": "any", "description": "a property that is called as a keyword is"},
        },
        "required": ["start"],
    },
}
DISTANCE = {
    "name": "distance",
    "description": "Calculate a distance.",
    "parameters": {"type": "dict", "properties": {"start": {"type": "string"}}},
}
NAMELESS = {"name": "traffic.estimate", "description": "", "parameters": {}}
QUESTION = "How much traffic is there from Ulm this weekend?"


def row(id: str, said: Any = QUESTION, tools: Any = (DISTANCE, TRAFFIC), **more: Any) -> dict[str, Any]:
    """As the files have it: most columns are JSON in a text."""
    said = [{"role": "user", "content": said}] if isinstance(said, str) else said
    return {
        "id": id,
        "benchmark": "bfcl_v3",
        "category": "BFCL_v3_multiple",
        "level": None,
        "perturbation": json.dumps(
            {"type": None, "mdp_category": None, "variant": None, "rate": None, "metadata": {}}
        ),
        "conversation": json.dumps(said),
        "tools": json.dumps(list(tools)),
        "golden_answers": json.dumps([{"name": "traffic.estimate", "parameters": {"start": "Ulm"}}]),
        "eval_config": json.dumps(
            {"method": "exact_match", "judge_model": None, "metrics": ["complete_accuracy"]}
        ),
        "source": json.dumps(
            {"original_id": "multiple_6", "benchmark": "bfcl_v3", "file": "x.json", "extra": {}}
        ),
        **more,
    }


FIRST = "bfcl_v3__BFCL_v3_multiple__multiple_66"
SECOND = "apibank__level1_357"
SYSTEM = [{"role": "system", "content": "Call tools."}, {"role": "user", "content": QUESTION}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tasks, and what three of the perturbations make of them."""
    files = {
        "clean": [row(FIRST), row(SECOND, SYSTEM)],
        "realistic_typos": [row(FIRST, "How mcuh traffic is there?"), row(SECOND, [SYSTEM[0], {"role": "user", "content": "Trafic?"}])],
        "same_name_A": [
            row("bfcl_v3__BFCL_v3_multiple_type_A__same_name_multiple_type_A_66", tools=[NAMELESS, DISTANCE, TRAFFIC]),
            row("bfcl_v3__BFCL_v3_multiple_type_A__same_name_multiple_type_A_99"),
        ],
        "CD": [row(FIRST, tools=[{**DISTANCE, "description": "The best for all traffic."}, TRAFFIC])],
    }  # fmt: skip
    for name, rows in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return tmp_path


def task(folder: Path) -> Task:
    messages = [{"role": "placeholder", "content": "{history}"}, {"role": "user", "content": "{input}"}]
    cases = load_cases(folder, format="robustbench-tc")
    return Task(
        "robustbench-tc", cases=cases, messages=messages, tools="{tools}", scorer=tool_call(order=False)
    )


def test_a_clean_file_is_its_tasks(folder: Path):
    first, second = load_cases(folder / "clean.jsonl", format="robustbench-tc")
    assert (first.id, first.input, second.id) == (FIRST, QUESTION, SECOND)
    assert first.target == [{"name": "traffic_estimate", "arguments": {"start": "Ulm"}}], (
        "as providers take names"
    )
    assert second.metadata["history"] == SYSTEM[:1]
    assert first.metadata["method"] == "exact_match"
    tool = first.metadata["tools"][1]["function"]
    assert tool["name"] == "traffic_estimate"
    assert tool["parameters"] == {
        "type": "object",
        "properties": {
            "start": {"type": "string"},
            "speed": {"type": "number"},
            "type": {"description": "a property that is called as a keyword is"},
        },
        "required": ["start"],
    }


def test_what_perturbations_make_of_a_task_stands_beside_it(folder: Path):
    first, second = load_cases(folder, format="robustbench-tc")
    assert first.metadata["realistic_typos"]["input"] == "How mcuh traffic is there?"
    assert [t["function"]["name"] for t in first.metadata["same_name_A"]["tools"]] == [
        "traffic_estimate",
        "distance",
        "traffic_estimate",
    ]
    assert "CD" not in second.metadata
    assert len(load_cases(folder, format="robustbench-tc")) == 2, "a row of another task adds none"
    assert len(PERTURBATIONS) == 16


def test_each_is_a_variant_of_its_task(folder: Path):
    made = task(folder)
    specs = [f"counterpart:{name}" for name in PERTURBATIONS]
    found = {
        (case.id, v.perturbation): v
        for case in made.cases
        for v in expand_case(case, specs, prompt=made.prompt, params=made.params)
    }
    assert {k[1].partition(":")[2] for k, v in found.items() if v.status == "ok" and k[0] == FIRST} == {
        "", "realistic_typos", "same_name_A", "CD",
    }  # fmt: skip
    typo = found[SECOND, "counterpart:realistic_typos"]
    assert [m["content"] for m in made.render(typo)] == ["Call tools.", "Trafic?"]
    missing = found[SECOND, "counterpart:CD"]
    assert (missing.status, missing.reason) == ("not_applicable", "the case has no text in 'CD'")


MODELS = """
import json
from robusttest import Completion

def first(messages, tools=()):
    '''Takes the first tool that says something of traffic.'''
    held = [t["function"] for t in tools if "traffic" in json.dumps(t["function"].get("description", "")).lower()]
    call = {"id": "1", "type": "function", "function": {"name": held[0]["name"], "arguments": '{"start": "Ulm"}'}}
    return Completion(text="", tool_calls=(call,))
"""


def test_the_benchmark_runs_whole(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "taker_of_first.py").write_text(MODELS, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(folder)
    result = evaluate(
        task(folder),
        model="python:taker_of_first:first",
        perturbations=[f"counterpart:{n}" for n in PERTURBATIONS],
    )
    assert result.accuracy.value == 1
    rates = {n: result[f"counterpart:{n}"].pass_rate.value for n in ("realistic_typos", "same_name_A", "CD")}
    assert rates == {"realistic_typos": 1, "same_name_A": 1, "CD": 0}, "it believes what a description says"


@pytest.mark.parametrize(
    ("name", "rows", "said"),
    [
        ("clean", [{"id": "x"}], "no column 'conversation'; it has 'id'"),
        ("clean", [row("x", tools="oops")], r"column 'tools'.* has no name"),
        ("clean", [row("x", conversation="[")], "column 'conversation': not JSON"),
        ("clean", [row("x", [])], "column 'conversation': no list of messages"),
        ("clean", [row("x", [*SYSTEM, {"role": "assistant", "content": "Yes?"}])], "its last message is the assistant's"),
        ("clean", ["x"], "'x' is not an object"),
        ("CD", [row("x")], "none of its rows is of a task in clean.jsonl"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_format_says_where(name: str, rows: list[Any], said: str, folder: Path):
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    with pytest.raises(CaseError, match=rf"{name}\.jsonl.*{said}"):
        load_cases(folder, format="robustbench-tc")


def test_another_folder_is_told_from_it(tmp_path: Path):
    (tmp_path / "clean.json").write_text("[]", encoding="utf-8")
    with pytest.raises(CaseError, match=r"no clean.jsonl in it.*Did you mean 'clean.json'"):
        load_cases(tmp_path, format="robustbench-tc")


def test_an_object_that_changes_what_a_case_has_not_is_refused():
    (case,) = load_cases([{"id": "a", "input": "x", "target": "y", "other": {"question": "z"}}])
    with pytest.raises(UsageError, match="no input field 'question'"):
        list(expand_case(case, ["counterpart:other"]))


def test_values_and_texts_of_json_are_the_same_rows():
    """The viewer's columns are JSON in texts; the dataset card has them as values, with texts for parameters alone."""
    told = row(FIRST)
    read = {k: json.loads(told[k]) for k in ("conversation", "tools", "golden_answers", "eval_config")}
    inner = {
        k: [{**x, "parameters": json.dumps(x["parameters"])} for x in read[k]]
        for k in ("tools", "golden_answers")
    }
    each = [
        load_cases([r], format="robustbench-tc")[0]
        for r in (told, {**told, **read}, {**told, **read, **inner})
    ]
    assert each[0] == each[1] == each[2]
