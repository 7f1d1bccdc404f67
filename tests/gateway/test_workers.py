"""``@model(workers=N)``: processes of this machine for one model, without any flag."""

from __future__ import annotations

import os
import sys
import time
import types

import pytest

from robusttest.errors import ConfigurationError, RunAbortedError, UsageError
from robusttest.gateway import Gateway, model
from robusttest.gateway.callables import Callables
from robusttest.settings import Settings
from robusttest.workers.engines import cores

SOURCE = """
import os
import time
from robusttest import model

@model(workers=2)
class Counting:
    def __init__(self):
        self.made_by = os.getpid()

    def __call__(self, prompt, temperature=0.0):
        if prompt == "sleep":
            time.sleep(60)
        time.sleep(0.06)
        return {"text": prompt.upper(), "meta": {
            "pid": os.getpid(), "made_by": self.made_by, "temperature": temperature,
            "order": "".join({str(i) for i in range(9)}), "threads": os.environ["OMP_NUM_THREADS"],
        }}

@model(workers=2)
async def waits(prompt):
    return str(os.getpid())
"""


@pytest.fixture
def name(tmp_path, monkeypatch):
    (tmp_path / "worked.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "worked", raising=False)
    return "python:worked:"


def put(gateway, name, text, **params):
    return gateway.submit(gateway.request(name, [{"role": "user", "content": text}], params, 0))


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_as_many_processes_answer_like_one_and_end_with_the_run(tmp_path, name, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    with Gateway(Settings(directory=tmp_path, replies="off")) as gateway:
        futures = [put(gateway, f"{name}Counting", f"q{i}", temperature=0.5) for i in range(12)]
        replies = [f.result(30) for f in futures]
        assert [r.text for r in replies] == [f"Q{i}" for i in range(12)]
        assert all(r.meta["made_by"] == r.meta["pid"] for r in replies), "made in the process that asks it"
        made = {r.meta["pid"] for r in replies}
        assert len(made) == 2
        assert os.getpid() not in made
        assert {(r.meta["temperature"], r.meta["threads"]) for r in replies} == {
            (0.5, str(max(1, cores() // 2)))
        }
        assert len({r.meta["order"] for r in replies}) == 1, "sets have one order in all workers"
        sleeping = put(gateway, f"{name}Counting", "sleep")
        time.sleep(0.05)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert isinstance(sleeping.exception(5), RunAbortedError)
    until = time.monotonic() + 5
    while not all(map(gone, made)) and time.monotonic() < until:
        time.sleep(0.01)
    assert all(map(gone, made))


def test_a_coroutine_function_stays_and_says_so(tmp_path, name):
    with Gateway(Settings(directory=tmp_path)) as gateway:
        assert put(gateway, f"{name}waits", "Hi").result(10).text == str(os.getpid())
        assert any("without @model(workers=2)" in p for p in gateway.problems())


def test_what_no_other_process_finds_is_refused_before_the_first_call(tmp_path, monkeypatch):
    calls = []

    @model(workers=2)
    def answer(prompt):
        calls.append(prompt)

    module = types.ModuleType("typed_in")
    module.answer = answer
    monkeypatch.setitem(sys.modules, "typed_in", module)
    monkeypatch.setattr(sys.modules["__main__"], "answer", answer, raising=False)
    with Gateway(Settings(directory=tmp_path)) as gateway:
        with pytest.raises(ConfigurationError, match=r"on a worker: model .* can't import 'typed_in'"):
            gateway.preflight(["python:typed_in:answer"])
        with pytest.raises(ConfigurationError, match=r"module of its own, or leave out @model\(workers=2\)"):
            gateway.preflight(["python:__main__:answer"])
    assert calls == []


def test_processes_of_a_run_share_the_workers(name):
    for share, threads in ((1, 2), (2, 1), (8, 1)):
        held = Callables(most=8, share=share)
        assert held.get(f"{name}Counting").concurrency == threads
        held.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 0}, "model(workers=0): give a whole number of 1 or more"),
        ({"batch_tokens": 100}, "model(batch_tokens=…): give batch_size, too"),
        ({"sort_by_length": True}, "model(sort_by_length=…): give batch_size, too"),
        ({"batch_size": 2, "batch_tokens": 0}, "model(batch_tokens=0)"),
    ],
)
def test_declarations_that_do_not_go_together(options, said):
    with pytest.raises(UsageError) as error:
        model(**options)
    assert said in str(error.value)
