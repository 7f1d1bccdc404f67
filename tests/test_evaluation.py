"""`evaluate`: the straight line as one function."""

from __future__ import annotations

import asyncio
import json

import pytest

from robusttest import Task, evaluate
from robusttest.errors import StorageError, UnknownNameError, UsageError
from robusttest.metrics import accuracy, flip_rate
from robusttest.perturbations import crossed
from robusttest.scorers import choice

MODULE = """
def route(prompt):
    return "billing" if "money" in prompt else "delivery"

def shouts(prompt):
    return "billing" if prompt.startswith("the money") else "BILLING"

def grumpy(prompt):
    raise RuntimeError("no mood")
"""


@pytest.fixture
def models(tmp_path, monkeypatch):
    (tmp_path / "desk_for_evaluate.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return "python:desk_for_evaluate:route"


def task():
    cases = [("I want my money back please", "billing"), ("where does the parcel stay", "delivery")]
    return Task("t", cases=cases, prompt="{input}", scorer=choice(["billing", "delivery"]))


def test_a_python_model_is_evaluated(models):
    result = evaluate(
        task(), model=models, perturbations=["casing"], variants=2, expect=[accuracy >= 0.9, "drop <= 0.5"]
    )
    assert result.accuracy.value == 1.0
    assert [v.status for v in result.verdicts] == ["passed", "passed"]
    assert [(r.score, r.answer) for r in result.worst()] == [(0.0, "delivery")]
    assert result.coverage == 1.0
    assert len(result.records) == 6


def test_results_are_broken_down_and_flips_split_by_what_made_them(models):
    """The first scorer reads the reply as it is, the second whatever its case: the model shouts at perturbed texts."""
    cases = [
        {"input": f"the money {i}", "target": "billing", "topic": "a" if i % 2 else "b"} for i in range(4)
    ]
    told = Task("t", cases=cases, prompt="{input}", scorer="exact", scorer_check="includes", by="topic")
    result = evaluate(
        told, model="python:desk_for_evaluate:shouts", perturbations=["casing"], by=["target", "nil"]
    )
    assert {p.kind: p.value for p in result.blame.parts} == {"unreadable": 0.0, "scorer": 1.0, "wording": 0.0}
    assert [(s.column, s.value, s.n) for s in result.slices.slices] == [("topic", "b", 2), ("topic", "a", 2)]
    assert result.slices.notes == ("every case has the same target: billing",)
    assert any(n.startswith("by=nil: no case has such a column.") for n in result.notes)
    assert [(p.target, p.answer) for p in result.confusion.pairs] == [("billing", "BILLING")]
    (design,) = evaluate(
        told, model=models, perturbations=crossed(["casing", None], [None, "politeness"]), variants=1
    ).factors
    assert sorted(f.name for f in design.factors) == ["casing", "politeness"]
    assert design.configurations == 4


def test_the_same_numbers_in_a_running_loop(models):
    async def notebook():
        return evaluate(task(), model=models, perturbations=["keyboard"], seed=3)

    assert [r.text for r in asyncio.run(notebook()).records] == [
        r.text for r in evaluate(task(), model=models, perturbations=["keyboard"], seed=3).records
    ]


def test_several_models_give_several_results(models):
    good, bad = evaluate(task(), model=[models, "python:desk_for_evaluate:grumpy"])
    assert good.coverage == 1.0
    assert bad.coverage == 0.0
    assert bad.accuracy.value is None
    assert "no mood" in bad.records[0].reason


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"model": ""}, UsageError),
        ({"model": []}, UsageError),
        ({"model": ["m", "m"]}, UsageError),
        ({"model": 3}, UsageError),
        ({"model": "m", "variant": 3}, UnknownNameError),
        ({"model": "m", "variants": 0}, UsageError),
        ({"model": "m", "expect": [0.9]}, UsageError),
        ({"model": "m", "expect": [flip_rate["ocr"] <= 0.1]}, UnknownNameError),
        ({"model": "m", "perturbations": ["keybord"]}, UnknownNameError),
        ({"model": "m", "case": "nowhere"}, UsageError),
    ],
)
def test_mistakes_are_refused_before_any_call(arguments, error):
    with pytest.raises(error):
        evaluate(task(), **arguments)
    with pytest.raises(UsageError, match="first argument is a Task"):
        evaluate("task", model="m")


def test_reports_are_written(models, tmp_path):
    evaluate(
        task(), model=models, perturbations=["casing"], report=["html:out/report.html", "json:report.json"]
    )
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "python:desk_for_evaluate:route" in page
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["run"]["calls"] == told["cells"][0]["n_calls"] > 0
    assert told["run"]["complete"] is True
    assert {"robusttest", "python"} <= told["run"]["versions"].keys()


def test_a_report_that_can_not_be_written_is_refused_before_any_call(models, tmp_path, monkeypatch):
    monkeypatch.setattr("robusttest.engine.driver.Runner.add", lambda *_: pytest.fail("it went on"))
    with pytest.raises(StorageError, match="it is a folder"):
        evaluate(task(), model=models, report=f"html:{tmp_path}")
    with pytest.raises(UsageError, match="Did you mean 'html'"):
        evaluate(task(), model=models, report="htm:report.html")
    with pytest.raises(UsageError, match="write KIND:PATH"):
        evaluate(task(), model=models, report="report.html")


def test_variants_are_frozen_and_used(models, tmp_path):
    given = {"model": models, "perturbations": ["keyboard"], "freeze": tmp_path / "v.jsonl"}
    first = evaluate(task(), **given)
    frozen = (tmp_path / "v.jsonl").read_text(encoding="utf-8")
    assert frozen.count('"case"') == 10
    row = next(line for line in frozen.splitlines() if '"index": 1' in line)
    (tmp_path / "v.jsonl").write_text(frozen.replace(row + "\n", ""), encoding="utf-8")
    second = evaluate(task(), **given)
    assert len(second.records) == len(first.records) - 1
    with pytest.raises(UsageError, match="casing is not in it"):
        evaluate(task(), **{**given, "perturbations": ["casing"]})
    evaluate(task(), **given, update_freeze=True)
    assert (tmp_path / "v.jsonl").read_text(encoding="utf-8") == frozen


def test_single_variants_are_not_frozen(models, tmp_path):
    case = task().cases[0].id
    with pytest.raises(UsageError, match="leave out"):
        evaluate(task(), model=models, perturbations=["keyboard"], freeze=tmp_path / "v.jsonl", case=case)


def test_failing_variants_are_shrunk_within_the_calls(models):
    result = evaluate(task(), model=models, perturbations=["casing:upper"], shrink=30)
    (found,) = [r.shrunk for r in result.records if r.shrunk]
    assert found["text"] == "I want my MONEY back please"
    plain = evaluate(task(), model=models, perturbations=["casing:upper"], replies="off")
    assert not any(r.shrunk for r in plain.records)
    assert plain.accuracy == result.accuracy


def test_what_failed_is_asked_first_the_next_time(models, tmp_path, monkeypatch):
    (tmp_path / "listening.py").write_text(
        "HEARD = []\ndef route(prompt):\n    HEARD.append(prompt)\n    return 'billing' if prompt.islower() else prompt"
    )
    import listening

    cases = [
        {"id": f"c{i}", "input": "12345" if i != 3 else "my money", "target": "billing"} for i in range(5)
    ]
    asked = Task("first", cases=cases, prompt="a {input}", scorer=choice(["billing", "delivery"]))
    for first in ("a 12345", "a my money"):
        listening.HEARD.clear()
        result = evaluate(asked, model="python:listening:route", perturbations=["casing:upper"], variants=1)
        assert listening.HEARD[0] == first
        assert [r.case_id for r in result.records if not r.perturbation] == [f"c{i}" for i in range(5)]
