"""A gateway's life: what counts as the same request, the four ways with replies, running loops, and nothing left over."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from loopback import LoopbackServer

from robusttest import Task, evaluate
from robusttest.core.nouns import Completion
from robusttest.errors import ReplayMissError, RunAbortedError
from robusttest.gateway import Gateway
from robusttest.gateway.store.replies import ReplyStore
from robusttest.settings import Settings

HERE = Path(__file__).parent
MODEL = "python:counting_model:answer"
SAYS = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def counting(tmp_path, monkeypatch):
    """Prompts that a versioned model of the repo was asked."""
    (tmp_path / "counting_model.py").write_text(
        "from robusttest import model\n"
        "ASKED = []\n"
        "@model(version='1')\n"
        "async def answer(prompt, temperature=None, sample=0):\n"
        "    ASKED.append((prompt, temperature, sample))\n"
        "    return f'{prompt} {len(ASKED)}'\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "counting_model", raising=False)
    import counting_model

    yield counting_model.ASKED
    sys.modules.pop("counting_model", None)


def ask(folder, how, text="Hi", params=None, sample=0):
    with Gateway(Settings(directory=folder, replies=how)) as gateway:
        request = gateway.request(MODEL, [{"role": "user", "content": text}], params or {}, sample)
        got = gateway.submit(request).result(timeout=20)
    return got.text, got.cached


def test_auto_calls_once(counting, tmp_path):
    assert [ask(tmp_path, "auto") for _ in range(3)] == [("Hi 1", False), ("Hi 1", True), ("Hi 1", True)]


def test_live_calls_once_a_run_and_stores_the_newer_reply(counting, tmp_path):
    assert ask(tmp_path, "auto") == ("Hi 1", False)
    assert ask(tmp_path, "live") == ("Hi 2", False)
    assert ask(tmp_path, "auto") == ("Hi 2", True)
    with Gateway(Settings(directory=tmp_path, replies="live")) as gateway:
        request = gateway.request(MODEL, SAYS, {})
        got = [gateway.submit(request).result(timeout=20) for _ in range(2)]
    assert [(c.text, c.cached) for c in got] == [("Hi 3", False), ("Hi 3", True)]


def test_off_reads_and_writes_nothing(counting, tmp_path):
    assert ask(tmp_path / "s", "off") == ("Hi 1", False)
    assert ask(tmp_path / "s", "off") == ("Hi 2", False)
    assert not (tmp_path / "s").exists()


def test_replay_never_calls(counting, tmp_path):
    def remote(folder, text="Hi", params=None, sample=0):
        with Gateway(Settings(directory=folder, replies="replay")) as gateway:
            request = gateway.request("openai/m", [{"role": "user", "content": text}], params or {}, sample)
            return gateway.submit(request).result(timeout=5)

    with Gateway(Settings(directory=tmp_path)) as gateway:
        request = gateway.request("openai/m", SAYS, {"temperature": 0})
        gateway.store.put(request.key(), request, Completion(text="recorded"))
    got = remote(tmp_path, params={"temperature": 0.0})
    assert (got.text, got.cached) == ("recorded", True)
    with pytest.raises(ReplayMissError, match=r"(?s)'Hello there'.*nearest recorded request says 'Hi' where"):
        remote(tmp_path, "Hello there", {"temperature": 0})
    with pytest.raises(ReplayMissError, match=r"has sample 0 where this has 1"):
        remote(tmp_path, params={"temperature": 0}, sample=1)
    with pytest.raises(ReplayMissError, match=r'has endpoint none where this has "http://here/v1"'):
        remote(tmp_path, params={"temperature": 0, "api_base": "http://here/v1"})
    with pytest.raises(ReplayMissError, match="the store holds no reply at all"):
        remote(tmp_path / "empty")
    assert not (tmp_path / "empty").exists()


def test_the_repos_own_model_is_called_in_replay_too_and_writes_nothing(counting, tmp_path):
    assert ask(tmp_path / "none", "replay") == ("Hi 1", False)
    assert ask(tmp_path / "none", "replay") == ("Hi 2", False)
    assert not (tmp_path / "none").exists()
    ask(tmp_path, "auto")
    assert ask(tmp_path, "replay") == ("Hi 3", True)


def test_a_version_is_part_of_the_question(counting, tmp_path, monkeypatch):
    ask(tmp_path, "auto")
    import counting_model

    from robusttest import model

    monkeypatch.setattr(counting_model, "answer", model(version="2")(counting_model.answer))
    assert ask(tmp_path, "auto") == ("Hi 2", False)


def key(model="openai/m", messages=SAYS, params=None, sample=0):
    with Gateway(Settings(replies="off")) as gateway:
        return gateway.request(model, messages, params or {}, sample).key()


SAME = [
    ({"temperature": 0, "max_tokens": 5}, {"max_tokens": 5, "temperature": 0.0}),
    ({"api_key": "one-key-12345"}, {"api_key": "another-key-12345"}),
    ({}, {"api_key": "one-key-12345", "timeout": 3, "max_retries": 7, "organization": "a"}),
    ({"extra_headers": {"Authorization": "Bearer abcdefgh"}}, {}),
    ({"api_base": "http://LocalHost:80/v1/"}, {"api_base": "http://me:pass-word@localhost/v1?key=abcdefgh"}),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]},
        {"tools": [{"function": {"strict": True, "name": "f"}, "type": "function"}]},
    ),
]
OTHER = [
    ({"api_base": "http://one/v1"}, {"api_base": "http://two/v1"}),
    ({"api_base": "http://one:8000/v1"}, {"api_base": "http://one:8001/v1"}),
    ({}, {"api_base": "http://one/v1"}),
    *(({}, {name: value}) for name, value in [
        ("temperature", 0), ("top_p", 0.5), ("max_tokens", 9), ("stop", ["x"]), ("seed", 1),
        ("presence_penalty", 0.1), ("logit_bias", {"5": 1}), ("response_format", {"type": "json_object"}),
        ("reasoning_effort", "low"), ("extra_body", {"top_k": 3}), ("a_new_parameter", None), ("user", "u"),
        ("extra_headers", {"X-Variant": "b"}),
    ]),
    ({"temperature": 0}, {"temperature": 1}),
    ({"stop": ["a", "b"]}, {"stop": ["b", "a"]}),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SAME)
def test_the_same_question(a, b):
    assert key(params=a) == key(params=b)


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_another_question(a, b):
    assert key(params=a) != key(params=b)


def test_messages_models_and_samples_are_part_of_the_question(monkeypatch):
    system = [{"role": "system", "content": "Hi"}]
    keys = [key(), key(sample=1), key(model="openai/n"), key(messages=system), key(messages=[*SAYS, *SAYS])]
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere/v1")
    keys.append(key())
    assert len(set(keys)) == len(keys)


def test_equal_requests_under_way_are_one_call(counting, tmp_path):
    with Gateway(Settings(directory=tmp_path)) as gateway:
        requests = [gateway.request(MODEL, SAYS, {"temperature": t}) for t in (0, 0.0, 1, 0)]
        got = [f.result(timeout=20) for f in [gateway.submit(r) for r in requests]]
        progress = gateway.progress()
    assert len(counting) == 2
    assert Counter(c.cached for c in got) == {False: 2, True: 2}
    assert (progress.submitted, progress.done, progress.cached, progress.failed) == (4, 4, 2, 0)


def test_replies_that_another_process_stores_meanwhile_are_taken(counting, tmp_path, monkeypatch):
    with Gateway(Settings(directory=tmp_path, concurrency=1)) as gateway:
        requests = [gateway.request(MODEL, [{"role": "user", "content": f"q{i}"}], {}) for i in range(5)]
        lease = gateway.store.lease

        def late(keys):
            other = ReplyStore(tmp_path)
            for r in requests:
                other.put(r.key(), r, Completion(text="theirs"))
            other.close()
            return lease(keys)

        monkeypatch.setattr(gateway.store, "lease", late)
        got = [f.result(timeout=20) for f in [gateway.submit(r) for r in requests]]
    assert [(c.text, c.cached) for c in got] == [("theirs", True)] * 5
    assert counting == []


def test_a_running_loop_is_no_problem(counting, tmp_path):
    task = Task("t", cases=[("Hi", "Hi 1")], scorer="exact")

    async def cell():
        return evaluate(task, model=MODEL, directory=tmp_path)

    assert asyncio.run(cell()).accuracy.value == 1.0
    assert asyncio.run(cell()).records[0].cached


def test_after_the_end_nothing_is_called(counting, tmp_path):
    with Gateway(Settings(directory=tmp_path)) as gateway:
        request = gateway.request(MODEL, SAYS, {})
    with pytest.raises(RunAbortedError, match="the run was stopped"):
        gateway.submit(request).result(timeout=5)
    gateway.close()
    assert counting == []


def process(*args, code=None):
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", *([] if code is None else ["-c", textwrap.dedent(code)]), *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_files_threads_and_memory_stay_flat_and_the_end_is_silent(tmp_path):
    with LoopbackServer(log=False) as server:
        done = process(str(HERE / "flat.py"), server.url, str(tmp_path), "1000")
    assert (done.returncode, done.stderr) == (0, "")
    *samples, ends = map(json.loads, done.stdout.splitlines())
    assert len(samples) == 20
    later = samples[4:]
    assert max(s["files"] for s in later) <= samples[3]["files"] + 64  # connections, up to the concurrency
    assert max(s["threads"] for s in samples) <= samples[3]["threads"] + 1
    assert samples[-1]["memory"] < 1.15 * samples[3]["memory"]
    assert ends["after"]["files"] <= ends["before"]["files"] + 6
    assert ends["after"]["threads"] <= ends["before"]["threads"] + 1


def test_a_gateway_that_nobody_closes_says_nothing_at_the_end(tmp_path):
    with LoopbackServer(always="hang") as server:
        done = process(
            server.url,
            str(tmp_path),
            code="""
            import pathlib, sys, time
            from robusttest.gateway import Gateway
            from robusttest.settings import Settings
            sys.path.insert(0, sys.argv[2])
            (pathlib.Path(sys.argv[2]) / "slow_model.py").write_text(
                "import asyncio, time\\ndef sync(prompt): time.sleep(60)\\nasync def later(prompt): await asyncio.sleep(60)\\n")
            gateway = Gateway(Settings(directory=pathlib.Path(sys.argv[2])))
            for model in ("python:slow_model:sync", "python:slow_model:later"):
                gateway.submit(gateway.request(model, [{"role": "user", "content": "x"}], {}))
            time.sleep(0.2)
            print("bye")
            """,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "bye\n", "")
