"""What `evaluate` leaves: the same as pytest does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robusttest import Task, evaluate
from robusttest.errors import UsageError
from robusttest.store import list_runs, read_run
from robusttest.store.failing import cases_first

MODULE = """
def route(prompt):
    return "billing" if "money" in prompt else "delivery"
"""

CASES = [("I want my money back please", "billing"), ("where does the parcel stay", "delivery")]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "desk_for_ledger.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(scorer="exact", **options):
    return evaluate(
        Task("t", cases=CASES, scorer=scorer),
        model="python:desk_for_ledger:route",
        perturbations=["casing"],
        variants=3,
        **options,
    )


def runs() -> list[Path]:
    return list_runs(".robusttest")


def test_a_run_is_left_whole(folder):
    result = asked(label="first")
    (path,) = runs()
    run = read_run(path)
    put = [r for r in result.records if r.score is not None]
    assert (run.info.complete, run.info.label, run.info.calls, len(put)) == (True, "first", 7, 7)
    assert run.info.models == ("python:desk_for_ledger:route",)
    assert run.records == list(result.records)
    assert [p.name for p in path.parent.iterdir()] == [path.name], "the parts went"
    ((key, cases),) = cases_first(folder / ".robusttest").items()
    assert (key.test, key.task, cases) == (None, "t", {r.case_id for r in put if r.score == 0})
    assert len(cases) == 1


def test_a_baseline_is_written_and_compared_with(folder):
    asked(update_baseline="force")
    assert (folder / "robust-baseline.json").is_file()
    asked(baseline="robust-baseline.json", report="json:r.json")
    told = json.loads((folder / "r.json").read_text())["comparison"]
    (cell,) = told["cells"]
    assert cell["task"] == "t"
    assert cell["verdict"] in ("no_worse", "undecided"), "nothing changed"
    with pytest.raises(UsageError, match="there is no baseline"):
        asked(baseline="other.json")
    with pytest.raises(UsageError, match="there is no test to fail"):
        asked(baseline="robust-baseline.json", fail_on="regression")
    assert len(runs()) == 2, "what was refused left nothing"


def test_an_interrupted_evaluation_leaves_what_it_had():
    seen = []

    def scorer(answer, target):
        seen.append(answer)
        if len(seen) > 3:
            raise KeyboardInterrupt
        return answer == target

    with pytest.raises(KeyboardInterrupt):
        asked(scorer=scorer)
    run = read_run(runs()[0])
    assert not run.info.complete
    assert sum(r.score is not None for r in run.records) == 3


def test_what_can_not_be_written_is_a_warning_and_the_result_is_there(folder):
    (folder / ".robusttest").mkdir()
    (folder / ".robusttest" / "runs").write_text("a file")
    with pytest.warns(UserWarning, match="can't write the run file"):
        result = asked()
    assert len(result.records) == 8
