"""Runs of several machines with one store: what one has asked for, the others replay."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from robusttest import evaluate
from robusttest.errors import ConfigurationError
from robusttest.gateway import shards
from robusttest.gateway.store import database
from robusttest.run import cases
from robusttest.workers import engines

MODULE = """
import pathlib
from robusttest import Task, model
from robusttest.scorers import choice

NOTES = pathlib.Path({notes!r})
CASES = [{{"id": f"t{{i}}", "input": f"my parcel number {{i}} is late", "target": "delivery"}} for i in range(6)]
task = Task("t", cases=CASES, scorer=choice(["billing", "delivery"]))

@model(version="1")
def desk(prompt):
    with NOTES.open("a") as f:
        f.write(prompt + "\\n")
    return "delivery"
"""


@pytest.fixture
def notes(tmp_path, monkeypatch):
    found = tmp_path / "notes"
    (tmp_path / "of_machines.py").write_text(MODULE.format(notes=str(found)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(shards, "_MODELS", {})  # here is a worker, too
    monkeypatch.setattr(cases, "_HELD", {})
    yield found
    sys.modules.pop("of_machines", None)


def run(machine: str, **options: Any) -> Any:
    import of_machines

    options = {
        "perturbations": ["casing"],
        "variants": 2,
        "store": "shared",
        "directory": Path(machine),
        **options,
    }
    return evaluate(of_machines.task, model="python:of_machines:desk", **options)


def asked(notes: Path) -> int:
    return len(notes.read_text().splitlines()) if notes.exists() else 0


def test_what_one_machine_asked_for_the_others_replay(notes):
    first = run("one")
    calls = asked(notes)
    assert calls == first.run.calls == len(first.records)
    second = run("two")
    assert asked(notes) == calls
    assert (second.run.cached, [r.answer for r in second.records]) == (
        calls,
        [r.answer for r in first.records],
    )
    third = run("three", replies="replay")
    assert asked(notes) == calls
    assert third.run.cached == calls
    # anew is anew, here and for who comes later
    run("one", replies="live")
    assert asked(notes) == 2 * calls
    run("four")
    assert asked(notes) == 2 * calls


def test_a_store_that_cant_be_reached_is_refused_before_any_call(notes):
    with pytest.raises(Exception, match=r"postgresql://127\.0\.0\.1:9/db"):
        run("one", store="postgresql://127.0.0.1:9/db")
    assert asked(notes) == 0


def test_a_network_file_system_is_refused_before_any_call(notes, monkeypatch):
    monkeypatch.setattr(database, "network_file_system", lambda path: "nfs4")
    with pytest.raises(ConfigurationError, match="network file system"):
        run("one", store=None)
    assert asked(notes) == 0
    assert run("one").run.calls == asked(notes) > 0


class Elsewhere(Executor):
    """Workers of another machine: they share no disk with the driver."""

    workers = 2

    def __init__(self) -> None:
        self.done: list[str] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.done.append(fn.__name__)
        future: Future[Any] = Future()
        future.set_result(fn(*args))
        return future


@pytest.mark.parametrize(("store", "what"), [("shared", {"run_shard", "run_cases"}), (None, {"run_shard"})])
def test_whole_cases_go_to_other_machines_where_they_share_the_store(notes, monkeypatch, store, what):
    elsewhere = Elsewhere()
    monkeypatch.setitem(engines.ENGINES._items, "elsewhere", lambda argument, needs: elsewhere)
    away = run("driver", engine="elsewhere", store=store)
    assert set(elsewhere.done) == what
    calls = asked(notes)
    local = run("one", store=None)
    assert [(r.case_id, r.variant, r.answer, r.score) for r in away.records] == [
        (r.case_id, r.variant, r.answer, r.score) for r in local.records
    ]
    again = run("driver", engine="elsewhere", store=store)
    assert asked(notes) == 2 * calls, "what is stored is asked of nobody"
    assert len(again.records) == len(local.records)
