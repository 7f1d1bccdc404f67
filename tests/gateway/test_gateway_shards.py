"""A shard of calls: the runner is pure, and what dies, differs or can't be imported is told."""

from __future__ import annotations

import json
import sys
from concurrent.futures import BrokenExecutor, Executor, Future

import pytest

from robusttest.core.nouns import Completion, Request
from robusttest.errors import CallError, ConfigurationError, ModelCodeError, RunAbortedError
from robusttest.gateway import shards
from robusttest.gateway.callables import PythonModel, resolve
from robusttest.gateway.shards import Workers, run_shard

MODULE = """
import threading
from robusttest import Completion, model
from robusttest.errors import CallError

MADE = []

class Loaded:
    def __init__(self):
        MADE.append(1)
    def __call__(self, prompt, temperature=0, sample=0):
        if prompt == "bad":
            raise ValueError("no weights")
        if prompt == "limit":
            raise CallError("slowly", kind="rate_limit", status=429)
        return Completion(text=f"{prompt} {temperature} {sample}", input_tokens=3, tool_calls=({"name": "f"},))

@model(version="7", batch_size=2)
def batched(prompts):
    return [f"{p} of {len(prompts)}" for p in prompts]

SEEN = []
BARRIER = threading.Barrier(2)

@model(concurrency=2)
def threaded(prompt):
    BARRIER.wait(5)
    return prompt
"""


class Here(Executor):
    """Runs a shard where it is submitted; ``dies`` says of which a worker dies."""

    def __init__(self, dies=lambda shard: False):
        self.dies, self.seen = dies, []

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        shard = json.loads(args[0])
        self.seen.append([r["messages"][0]["content"] for r in shard["requests"]])
        if self.dies(self.seen[-1]):
            future.set_exception(BrokenExecutor("its process ended"))
        else:
            future.set_result(fn(*args))
        return future


@pytest.fixture
def name(tmp_path, monkeypatch):
    (tmp_path / "of_shards.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shards, "_MODELS", {})
    path = list(sys.path)
    yield lambda f: f"python:of_shards:{f}"
    sys.modules.pop("of_shards", None)
    sys.path[:] = path


def asked(*texts: str, **more) -> list[Request]:
    return [Request(model="m", messages=({"role": "user", "content": t},), **more) for t in texts]


def without_time(outcomes):
    return [
        (o.text, o.input_tokens, o.tool_calls)
        if isinstance(o, Completion)
        else (type(o), str(o), o.kind, o.status)
        for o in outcomes
    ]


def test_a_shard_gives_what_calls_here_give(name, tmp_path):
    workers = Workers(name("Loaded"), Here(), [tmp_path])
    requests = asked("a", "bad", "limit", "b", params={"temperature": 0.5}, sample=2)
    away = workers.answers(requests, None, batch=False)
    model = PythonModel(name("Loaded"), resolve(name("Loaded"), [tmp_path]), most=1)
    here = [model.answers([r])[0] for r in requests]
    assert without_time(away) == without_time(here)
    assert [type(o) for o in away] == [Completion, ModelCodeError, CallError, Completion]
    assert away[0].text == "a 0.5 2"
    assert "of_shards.py:13" in str(away[1])
    workers.answers(requests, None, batch=False)
    assert len(sys.modules["of_shards"].MADE) == 2  # the model here, and one for all shards


def test_a_batch_is_one_call_and_threads_are_a_workers_own(name, tmp_path):
    workers = Workers(name("batched"), Here(), [tmp_path])
    assert [o.text for o in workers.answers(asked("a", "b"), "7", batch=True)] == ["a of 2", "b of 2"]
    workers = Workers(name("threaded"), Here(), [tmp_path])
    assert [o.text for o in workers.answers(asked("a", "b"), None, batch=False)] == ["a", "b"]


def test_who_kills_a_worker_takes_no_other_along(name, tmp_path):
    here = Here(dies=lambda texts: "kill" in texts)
    workers = Workers(name("Loaded"), here, [tmp_path])
    outcomes = workers.answers(asked("a", "kill", "b"), None, batch=False)
    assert [getattr(o, "text", None) for o in outcomes] == ["a 0 0", None, "b 0 0"]
    assert isinstance(outcomes[1], CallError)
    assert outcomes[1].kind == "worker"
    assert "3 workers died of this call: its process ended" in str(outcomes[1])
    assert here.seen == [["a", "kill", "b"], ["a"], ["kill"], ["kill"], ["kill"], ["b"]]


def test_a_worker_that_dies_once_costs_nothing_but_its_shard(name, tmp_path):
    left = [1]
    here = Here(dies=lambda texts: left and left.pop())
    outcomes = Workers(name("batched"), here, [tmp_path]).answers(asked("a", "b"), "7", batch=True)
    assert [o.text for o in outcomes] == ["a of 2", "b of 2"]
    assert here.seen == [["a", "b"], ["a", "b"]]


def test_another_version_and_what_cant_be_imported_stop_the_run(name, tmp_path):
    with pytest.raises(ConfigurationError, match="a worker has version '7' of it, the driver '8'"):
        Workers(name("batched"), Here(), [tmp_path]).check("8")
    Workers(name("batched"), Here(), [tmp_path]).check("7")
    with pytest.raises(
        ConfigurationError, match=r"on a worker: model 'python:of_shards:batchd': .* Did you mean 'batched'"
    ):
        Workers(name("batchd"), Here(), [tmp_path]).check(None)


def test_an_engine_that_was_shut_down_ends_the_run(name, tmp_path):
    class Closed(Executor):
        def submit(self, fn, /, *args, **kwargs):
            raise RuntimeError("cannot schedule new futures after shutdown")

    with pytest.raises(RunAbortedError, match="cannot schedule"):
        Workers(name("batched"), Closed(), [tmp_path]).answers(asked("a"), "7", batch=True)


def test_quick_calls_share_a_shard_and_slow_ones_do_not(name, tmp_path):
    workers = Workers(name("Loaded"), Here(), [tmp_path])
    assert workers.size == 1
    for _ in range(20):
        workers.answers(asked("a"), None, batch=False)
    assert workers.size == shards.MOST
    workers._seconds = 0.02
    assert workers.size == 2


def test_the_runner_is_a_text_to_a_text(name, tmp_path):
    shard = {"model": name("Loaded"), "folders": [str(tmp_path)], "requests": []}
    assert json.loads(run_shard(json.dumps(shard))) == {"outcomes": [], "version": None, "notes": []}
