"""Models of the user's own repo: how they are found, called, batched, and what of theirs is an error."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from robusttest.core.nouns import Completion
from robusttest.errors import ConfigurationError, ModelCodeError, UsageError
from robusttest.gateway import Gateway, model
from robusttest.settings import Settings

SOURCE = """
import asyncio
import threading
from robusttest import Completion, model

SEEN = []

def upper(prompt):
    SEEN.append(threading.current_thread().name)
    return prompt.upper()

def warm(prompt, temperature=1.0):
    return f"{prompt} at {temperature}"

def anything(prompt, **params):
    return ",".join(sorted(params))

def chat(messages):
    return "|".join(m["role"] for m in messages)

INSIDE = [0, 0]

async def later(prompt):
    INSIDE[0] += 1
    INSIDE[1] = max(INSIDE)
    await asyncio.sleep(0.05)
    INSIDE[0] -= 1
    return prompt

BATCHES = []

@model(batch_size=4, version=3)
def many(prompts):
    BATCHES.append(len(prompts))
    return [p[::-1] for p in prompts]

@model(batch_size=4)
def short(prompts):
    return prompts[:-1]

@model(batch_size=2)
def text(prompts):
    return "one"

@model(concurrency=2)
def meeting(prompt):
    MET.wait(5)
    return prompt

MET = threading.Barrier(2)

def bad(prompt):
    secret = "hunter2hunter2"
    raise KeyError("label")

def leaves(prompt):
    raise SystemExit(3)

def number(prompt):
    return 3

def whole(prompt):
    return Completion(text="", tool_calls=({"name": "f", "arguments": {}},), cost=0.5)

def as_dict(prompt):
    return {"text": "x", "tool_calls": [{"name": "f", "arguments": {}}]}

def wrong_dict(prompt):
    return {"text": "x", "answer": 1}

class Pipeline:
    def __init__(self):
        self.n = 0

    def __call__(self, prompt):
        self.n += 1
        return str(self.n)

pipeline = Pipeline()
nothing = 3
"""


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    module = "callables_under_test"
    (tmp_path / f"{module}.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, module, raising=False)
    return f"python:{module}:"


@pytest.fixture
def gateway(tmp_path: Path):
    with Gateway(Settings(directory=tmp_path / ".robusttest")) as made:
        yield made


def ask(gateway: Gateway, model: str, text: str = "Hi", sample: int = 0, **params) -> Completion:
    request = gateway.request(model, [{"role": "user", "content": text}], params, sample)
    return gateway.submit(request).result(timeout=10)


def test_a_function_answers(gateway, name):
    assert str(ask(gateway, name + "upper")) == "HI"
    assert ask(gateway, name + "upper").latency is not None
    assert gateway.progress().done == 2
    assert gateway.progress().cost == 0


def test_parameters_go_to_those_who_take_them(gateway, name):
    assert str(ask(gateway, name + "warm", temperature=0.5)) == "Hi at 0.5"
    assert str(ask(gateway, name + "anything", temperature=0.5, seed=1)) == "seed,temperature"
    assert str(ask(gateway, name + "upper", temperature=0.5, seed=1, max_tokens=8)) == "HI"
    assert gateway.problems() == [
        f"{name}upper takes no {p}: it was called without" for p in ("max_tokens", "seed", "temperature")
    ]


def test_a_conversation_is_one_text_or_its_messages(gateway, name):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    said = [
        gateway.submit(gateway.request(name + fn, messages, {})).result(10).text for fn in ("chat", "upper")
    ]
    assert said == ["system|user", "[SYSTEM]\nBE BRIEF.\n\n[USER]\nHI"]


def test_coroutine_functions_run_at_the_same_time(gateway, name):
    requests = [gateway.request(name + "later", [{"role": "user", "content": str(i)}], {}) for i in range(20)]
    assert [f.result(10).text for f in list(map(gateway.submit, requests))] == [str(i) for i in range(20)]
    import callables_under_test

    assert callables_under_test.INSIDE == [0, 20]


def test_batches(gateway, name):
    requests = [gateway.request(name + "many", [{"role": "user", "content": f"{i}a"}], {}) for i in range(10)]
    assert [f.result(10).text for f in list(map(gateway.submit, requests))] == [f"a{i}" for i in range(10)]
    import callables_under_test

    assert sum(callables_under_test.BATCHES) == 10
    assert max(callables_under_test.BATCHES) <= 4
    with pytest.raises(ModelCodeError, match="returned 0 replies for a batch of 1"):
        ask(gateway, name + "short")
    with pytest.raises(ModelCodeError, match="return a list"):
        ask(gateway, name + "text")


def test_threads_are_as_many_as_declared(gateway, name):
    requests = [
        gateway.request(name + "meeting", [{"role": "user", "content": str(i)}], {}) for i in range(2)
    ]
    assert [f.result(10).text for f in list(map(gateway.submit, requests))] == ["0", "1"]
    ask(gateway, name + "upper", "a")
    ask(gateway, name + "upper", "b")
    import callables_under_test

    assert len(set(callables_under_test.SEEN)) == 1


def test_only_a_declared_version_is_kept(gateway, name):
    assert not ask(gateway, name + "pipeline").cached
    assert str(ask(gateway, name + "pipeline")) == "2"
    assert not ask(gateway, name + "many").cached
    assert ask(gateway, name + "many").cached
    assert gateway.request(name + "many", [], {}).version == "3"
    assert gateway.request(name + "pipeline", [], {}).version is None


def test_replay_runs_the_repos_own_code(name, tmp_path):
    for _ in range(2):
        with Gateway(Settings(directory=tmp_path, replies="replay")) as gateway:
            assert str(ask(gateway, name + "many")) == "iH"
            assert str(ask(gateway, name + "upper")) == "HI"


def test_a_class_is_made_into_an_object(gateway, name):
    assert str(ask(gateway, name + "Pipeline")) == "1"
    assert str(ask(gateway, name + "Pipeline")) == "2"


def test_what_it_raises_is_its_error_with_its_place(gateway, name):
    with pytest.raises(
        ModelCodeError, match=r"raised KeyError: 'label' \(callables_under_test.py:\d+\)"
    ) as e:
        ask(gateway, name + "bad")
    assert "hunter2" not in str(e.value)
    with pytest.raises(ModelCodeError, match="raised SystemExit: 3"):
        ask(gateway, name + "leaves")
    assert str(ask(gateway, name + "upper")) == "HI", "the gateway lives on"


def test_what_it_returns(gateway, name):
    assert ask(gateway, name + "number").text == "3"
    assert ask(gateway, name + "whole").tool_calls == ({"name": "f", "arguments": {}},)
    assert ask(gateway, name + "as_dict").tool_calls == ({"name": "f", "arguments": {}},)
    with pytest.raises(ModelCodeError, match="answer: unknown fields"):
        ask(gateway, name + "wrong_dict")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("python:callables_under_test", "write python:package.module:callable"),
        ("python:callables_under_test:nothing", "is not callable"),
        ("python:callables_under_test:uper", "Did you mean 'upper'"),
        ("python:no_such_module_here:f", "can't import 'no_such_module_here': ModuleNotFoundError"),
    ],
)
def test_what_is_no_model_is_refused_before_any_call(gateway, name, model, message):
    with pytest.raises(ConfigurationError, match=message):
        gateway.preflight([model])


def test_a_module_is_found_beside_the_store_then_where_one_is(tmp_path, monkeypatch):
    here, project = tmp_path / "here", tmp_path / "project"
    for folder in (here, project):
        folder.mkdir()
        (folder / "found_models.py").write_text(
            f"def where(prompt):\n    import found_later\n    return found_later.NAME + {folder.name!r}\n"
        )
        (folder / "found_later.py").write_text("NAME = 'in '\n")
    (here / "found_here.py").write_text("def f(prompt):\n    return 'here'\n")
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(here))])
    for name in ("found_models", "found_later", "found_here"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    settings = Settings(directory=project / ".robusttest")
    with Gateway(settings) as gateway:
        assert str(ask(gateway, "python:found_models:where")) == "in project"
        assert str(ask(gateway, "python:found_here:f")) == "here"
        with pytest.raises(ConfigurationError, match="Did you mean 'found_models'"):
            gateway.preflight(["python:found_model:where"])
    for name in ("found_models", "found_later", "found_here"):
        sys.modules.pop(name, None)


def test_declarations_are_checked():
    with pytest.raises(UsageError, match="batch_size=0"):
        model(batch_size=0)
    with pytest.raises(UsageError, match="concurrency=True"):
        model(concurrency=True)

    @model
    def plain(prompt):
        return prompt

    assert plain("x") == "x"


def test_closing_ends_what_waits(tmp_path, monkeypatch):
    held = threading.Event()
    module = type(threading)("held_model")
    module.wait = lambda prompt: str(held.wait(5))
    monkeypatch.setitem(__import__("sys").modules, "held_model", module)
    gateway = Gateway(Settings(directory=tmp_path))
    gateway.submit(gateway.request("python:held_model:wait", [{"role": "user", "content": "x"}], {}))
    started = time.monotonic()
    gateway.close()
    held.set()
    assert time.monotonic() - started < 2


def test_a_call_that_ends_between_two_looks_is_not_made_again(tmp_path, monkeypatch):
    calls: list[str] = []

    @model(version="1")
    def noted(prompt):
        calls.append(prompt)
        return "yes"

    module = type(threading)("noting_model")
    module.noted = noted
    monkeypatch.setitem(__import__("sys").modules, "noting_model", module)
    with Gateway(Settings(directory=tmp_path)) as gateway:
        assert gateway.store is not None
        look = gateway.store.get

        def late(key: str, **since: float | None) -> Completion | None:
            monkeypatch.setattr(gateway.store, "get", look)
            found = look(key, **since)
            # an equal call begins and ends before what was found is read
            assert not ask(gateway, "python:noting_model:noted").cached
            return found

        monkeypatch.setattr(gateway.store, "get", late)
        assert ask(gateway, "python:noting_model:noted").cached
    assert calls == ["Hi"]
