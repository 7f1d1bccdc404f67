"""Runs on ``processes:2``: the records of a local run, calls counted, whatever dies."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from robusttest import Task, evaluate
from robusttest.errors import ConfigurationError
from robusttest.perturbations import paraphrase
from robusttest.scorers import choice, judge

MODULE = """
import os, pathlib, time
from robusttest import model

HERE = pathlib.Path(__file__).parent

def noted(name, text):
    with open(HERE / name, "a") as f:
        f.write(f"{os.getpid()} {text!r}\\n")

def label(prompt):
    return "billing" if "refund" in prompt else "delivery"

class Loaded:
    def __init__(self):
        noted("made", "")
    def __call__(self, prompt):
        noted("calls", prompt)
        time.sleep(0.005)
        if "5" in prompt and "REFUND" in prompt:
            raise ValueError("no weights")
        return label(prompt)

def fragile(prompt):
    noted("calls", prompt)
    if "number 3" in prompt and not (HERE / "died").exists():
        (HERE / "died").touch()
        os._exit(3)
    return label(prompt)

def deadly(prompt):
    noted("calls", prompt)
    if prompt.startswith("my refund number 3"):
        os._exit(3)
    return label(prompt)

@model(version="1", batch_size=4)
def kept(prompts):
    for p in prompts:
        noted("calls", p)
    return [label(p) for p in prompts]

def writer(prompt):
    noted("written", prompt)
    return "1. " + next(line for line in prompt.splitlines() if "number" in line).replace("my", "our")

def judging(prompt):
    noted("judged", prompt)
    return "GRADE: 1" if "number 1" in prompt else "GRADE: 0"

async def waits(prompt):
    noted("calls", prompt)
    return label(prompt)
"""

CASES = [
    {"id": f"t{i}", "input": f"my {'refund' if i % 2 else 'parcel'} number {i} is late", "target": "billing" if i % 2 else "delivery"}
    for i in range(8)
]  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "of_engines.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("of_engines", None)


def task(**more: Any) -> Task:
    return Task("t", cases=CASES, **{"scorer": choice(["billing", "delivery"]), **more})


def run(
    name: str, directory: str = "d", engine: str = "processes:2", of: Task | None = None, **more: Any
) -> Any:
    options = {"perturbations": ["casing", "whitespace"], "variants": 2, **more}
    return evaluate(
        of or task(), model=f"python:of_engines:{name}", engine=engine, directory=Path(directory), **options
    )


def lines(here: Path, name: str = "calls") -> list[str]:
    path = here / name
    return path.read_text().splitlines() if path.exists() else []


def plain(result: Any) -> list[Any]:
    """Records without times."""
    return [
        {k: getattr(r, k) for k in r.__slots__ if k not in ("created", "latency", "cached", "seconds")}
        for r in result.records
    ]


def test_records_are_those_of_a_local_run_and_a_class_is_made_once_a_worker(here):
    away = run("Loaded")
    calls, made = lines(here), lines(here, "made")
    assert len(calls) == sum(r.status not in ("rejected", "not_applicable") for r in away.records)
    pids = {line.split()[0] for line in calls}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids
    assert sorted(line.split()[0] for line in made) == sorted(pids)
    local = run("Loaded", "l", "local")
    assert plain(away) == plain(local)
    assert any(
        r.status == "error" and "ValueError: no weights (of_engines.py:" in r.reason for r in away.records
    )
    assert away.accuracy == local.accuracy


def test_a_killed_worker_costs_its_shard_alone(here):
    away = run("fragile")
    asked = [line.split(" ", 1)[1] for line in lines(here)]
    assert (here / "died").exists()
    assert all(r.score is not None for r in away.records if r.status == "ok")
    assert len(asked) - len(set(asked)) <= 64  # a shard
    assert plain(away) == plain(run("fragile", "l", "local"))


def test_a_prompt_that_kills_its_worker_is_an_error_of_that_call(here):
    away = run("deadly", perturbations=[])
    failed = [r for r in away.records if r.status == "error"]
    assert [r.case_id for r in failed] == ["t3"]
    assert sum("number 3" in line for line in lines(here)) in (3, 4)  # once more where it shared a shard
    assert all("3 workers died of this call: its process ended with exit code 3" in r.reason for r in failed)


def test_adaptive_rounds_shrinking_writers_judges_and_lambdas_are_the_drivers(here):
    def asked(directory: str, engine: str) -> Any:
        return run(
            "Loaded", directory, engine,
            of=task(scorer=judge(model="python:of_engines:judging")),
            perturbations=["casing", paraphrase(model="python:of_engines:writer")],
            adaptive=True, shrink=20, expect=["accuracy >= 0.1"], concurrency=8,
        )  # fmt: skip

    away = asked("d", "processes:2")
    counted = {name: len(lines(here, name)) for name in ("calls", "written", "judged")}
    local = asked("l", "local")
    assert plain(away) == plain(local)
    assert {name: len(lines(here, name)) for name in counted} == {n: 2 * c for n, c in counted.items()}
    assert all(counted.values())
    of = task(scorer=lambda reply, target: reply == target)
    assert plain(run("kept", "m", of=of)) == plain(run("kept", "n", "local", of=of))


def test_stored_replies_are_asked_of_no_worker_and_two_drivers_share_a_folder(here):
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(run("kept"))) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert plain(found[0]) == plain(found[1]) == plain(run("kept", "l", "local"))
    before = len(lines(here))
    again = run("kept")
    assert len(lines(here)) == before
    assert plain(again) == plain(found[0])


def test_a_coroutine_function_stays_here_and_that_is_said(here):
    away = run("waits", perturbations=[], report="json:r.json")
    assert {line.split()[0] for line in lines(here)} == {str(os.getpid())}
    assert len(away.records) == 8
    assert "waits is a coroutine function, which waits rather than computes" in (here / "r.json").read_text()


def test_what_no_worker_can_import_is_refused_before_any_call(here, monkeypatch):
    import types

    made = types.ModuleType("made_in_a_cell")
    made.route = lambda prompt: (here / "calls").write_text("asked")
    monkeypatch.setitem(sys.modules, "made_in_a_cell", made)
    monkeypatch.setattr(sys.modules["__main__"], "route", made.route, raising=False)
    for name, said in (
        ("made_in_a_cell", "on a worker: .*can't import 'made_in_a_cell'"),
        ("__main__", "no worker can import"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            evaluate(task(), model=f"python:{name}:route", engine="processes:2", directory=here / "d")
    assert lines(here) == []
