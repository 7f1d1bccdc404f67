"""Whole cases on workers: the records of a local run, and a way out wherever a worker can't."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from robusttest import evaluate
from robusttest.engine.driver import Runner
from robusttest.engine.job import Job
from robusttest.gateway import Gateway
from robusttest.run import cases
from robusttest.run.cases import CaseWorkers, run_cases
from robusttest.settings import Settings

MODULE = """
import os, pathlib
from robusttest import Task, model
from robusttest.scorers import choice

HERE = pathlib.Path(__file__).parent

def noted(name, text):
    with open(HERE / name, "a") as f:
        f.write(f"{os.getpid()} {text!r}\\n")

@model(version="1")
def label(prompt):
    noted("calls", prompt)
    if "number 3" in prompt and (HERE / "deadly").exists():
        (HERE / "deadly").unlink()
        os._exit(3)
    if "5" in prompt and "REFUND" in prompt:
        raise ValueError("no weights")
    return "billing" if "refund" in prompt else "delivery"

CASES = [
    {"id": f"t{i}", "input": f"my {\'refund\' if i % 2 else \'parcel\'} number {i} is not late", "target": "billing" if i % 2 else "delivery",
     "topic": f"{i % 3}"}
    for i in range(10)
]
TASK = Task("t", cases=CASES, scorer=choice(["billing", "delivery"]), by="topic")
DRIVER = int(os.environ["OF_CASES"])
OTHER = Task("t", cases=CASES[: 5 if os.getpid() == DRIVER else 6], scorer=choice(["billing", "delivery"]))
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "of_cases.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("OF_CASES", str(os.getpid()))
    monkeypatch.setattr(cases, "_HELD", {})
    yield importlib.import_module("of_cases")
    for _, gateway in cases._HELD.values():
        gateway.close()
    sys.modules.pop("of_cases", None)


def run(task: Any, engine: str, directory: str, **more: Any) -> Any:
    options = {"perturbations": ["casing", "keyboard:0.2", "whitespace"], "variants": 2, **more}
    return evaluate(task, model="python:of_cases:label", engine=engine, directory=Path(directory), **options)


def plain(result: Any) -> list[Any]:
    """Records without times."""
    return [
        {k: getattr(r, k) for k in r.__slots__ if k not in ("created", "latency", "cached")}
        for r in result.records
    ]


def lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def test_records_calls_and_the_run_file_are_those_of_a_local_run(module, monkeypatch):
    asked: list[int] = []
    begin = Runner._begin

    def counted(runner: Any, state: Any, case: int, selected: Any, item: Any) -> None:
        asked.append(case)
        begin(runner, state, case, selected, item)

    Path("deadly").touch()
    with monkeypatch.context() as patch:
        patch.setattr(Runner, "_begin", counted)
        away = run(module.TASK, "processes:2", "d")
    assert not Path("deadly").exists(), "a worker died, and its shard was asked again"
    assert len(asked) < len(away.records), "in whole cases"
    pids = {line.split()[0] for line in lines("calls")}
    assert str(os.getpid()) not in pids
    calls = len(lines("calls"))
    again = run(module.TASK, "processes:2", "d")
    failed = sum(r.status == "error" for r in away.records)
    assert failed
    assert len(lines("calls")) == calls + failed, "what is stored is not asked again"
    local = run(module.TASK, "local", "l", replies="off")
    assert plain(away) == plain(again) == plain(local)
    assert away.accuracy == local.accuracy
    files = [next(Path(d, "runs").glob("*.jsonl")).read_text().splitlines() for d in ("d", "l")]
    ends = [json.loads(f[-1]) for f in files]
    assert [len(f) for f in files] == [len(files[0])] * 2
    assert [e["calls"] for e in ends] == [len(local.records)] * 2
    assert [e["errors"] for e in ends] == [failed] * 2


def test_a_task_that_is_another_on_a_worker_is_done_here(module, monkeypatch):
    away = run(module.OTHER, "processes:1", "d")
    assert len({r.case_id for r in away.records}) == 5
    assert all(r.score is not None for r in away.records if r.status == "ok")


def job(task: Any, directory: Path, perturbations: Any = ("casing",), **more: Any) -> Job:
    return Job(
        task,
        "python:of_cases:label",
        perturbations,
        (),
        Settings(directory=directory, engine="processes:1", **more),
    )


def test_what_has_no_name_is_not_sent(module, tmp_path):
    from robusttest import Task
    from robusttest.perturbations import make

    with Gateway(Settings(directory=tmp_path, engine="processes:1")) as gateway:
        spread = CaseWorkers(gateway)
        assert spread.takes(job(module.TASK, tmp_path))
        assert not spread.takes(job(module.TASK, tmp_path, [make("casing")]))
        assert not spread.takes(job(Task("u", cases=module.CASES), tmp_path))
        assert not spread.takes(Job(module.TASK, "openai/gpt-4o-mini"))
    for more in ({"max_calls": 5}, {"shrink": 3}, {"engine": "local"}):
        with Gateway(Settings(**{"directory": tmp_path, "engine": "processes:1", **more})) as gateway:
            assert not CaseWorkers(gateway).takes(job(module.TASK, tmp_path))


def test_the_runner_gives_places_lines_and_counts(module, tmp_path):
    told = {
        "task": ["of_cases", "TASK"], "cases": cases._cases(module.TASK), "model": "python:of_cases:label",
        "perturbations": ["casing"], "test": None, "directory": str(tmp_path / "w"), "settings": {"variants": 1},
    }  # fmt: skip
    said = json.loads(run_cases(json.dumps({"job": told, "cases": ["t3", "t0"]})))
    assert sorted(row[:3] for row in said["rows"]) == [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]
    by_place = {tuple(row[:3]): json.loads(row[3]) for row in said["rows"]}
    assert by_place[0, 0, 0]["case_id"] == "t3"
    assert by_place[1, 1, 0]["variant"] == "casing#0"
    assert said["counts"] == [4, 0, 0]
    again = json.loads(run_cases(json.dumps({"job": told, "cases": ["t0"]})))
    assert again["counts"] == [2, 2, 0]
