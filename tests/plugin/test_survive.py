"""Several processes on one store and one budget, a replay without a network, Ctrl-C: in real pytest processes.

The model is a coroutine function that asks the loopback server, so that its requests are counted: it takes the same way
through store, leases and scheduler as a remote one, and no process has to import LiteLLM for it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import forks
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "gateway"))

from loopback import LoopbackServer, prompt_of

MODEL = """
import asyncio, json, os
from robusttest import model

@model(version="1")
async def asked(prompt):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": prompt}]}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(os.environ["PORT"]))
    head = f"POST /v1/chat/completions HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\ncontent-length: {len(body)}\\r\\n\\r\\n"
    writer.write(head.encode() + body)
    line = await reader.readuntil(b"\\r\\n\\r\\n")
    size = int(line.lower().split(b"content-length:")[1].split()[0])
    said = json.loads(await reader.readexactly(size))
    writer.close()
    return said["choices"][0]["message"]["content"]
"""

SUITE = """
@robust(task, perturbations=["casing", "whitespace"], variants=2, models=["python:asked:asked"], expect=[accuracy >= 0.6])
def test_declared(result): ...

@robust(cases=CASES, perturbations=["swap"], variants=2, models=["python:asked:asked"])
async def test_body(variant, ask):
    reply = await ask.acall(variant.input)
    assert variant.input in reply.text
    return reply

@robust(Task("again", cases=CASES[:6], prompt="Ticket: {input}", scorer="exact"), models=["python:asked:asked"])
def test_the_same_questions(): ...
"""

PLUGINS = (
    "-p",
    "no:randomly",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:rerunfailures",
    "-p",
    "no:hypothesispytest",
)
"""What these runs need none of: each process would take its time to import it."""


def label(body):
    prompt = prompt_of(body)
    words = {"refund": "billing", "parcel": "delivery", "password": "account"}
    return next((label for word, label in words.items() if word in prompt), "account") + "\n" + prompt


@pytest.fixture
def suite(project):
    (project.path / "asked.py").write_text(MODEL, encoding="utf-8")
    project.test(SUITE.replace('scorer="exact"', 'scorer="includes"'))
    return project


def start(project, server, *args):
    return subprocess.Popen(
        [forks.python(), "-m", "pytest", *PLUGINS, *args],
        cwd=project.path,
        env={**os.environ, "PORT": str(server.port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(project, server, *args):
    process = start(project, server, *args)
    out, _ = process.communicate(timeout=100)
    return process.returncode, out


def numbers(project, name):
    """A report's cells without what depends on who called first."""
    cells = json.loads((project.path / name).read_text(encoding="utf-8"))["cells"]
    return json.dumps(cells, sort_keys=True)


TOGETHER = """
import os, pathlib, time

def pytest_collection_modifyitems(config):
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        here = pathlib.Path(__file__).parent
        (here / f"ready-{os.getpid()}").touch()
        until = time.monotonic() + 30
        while len(list(here.glob("ready-*"))) < 3 and time.monotonic() < until:
            time.sleep(0.01)
"""


def test_each_question_is_put_once_whoever_asks(suite):
    with LoopbackServer(reply=label, delay=0.02) as server:
        code, out = run(suite, server, "-p", "no:xdist", "--robust-report=json:one.json")
        assert code == 0, out
        once = Counter(prompt_of(r.body) for r in server.requests)
        assert set(once.values()) == {1}, "equal questions of two tests are one call"
        shutil.rmtree(suite.path / ".robusttest")
        server.requests.clear()
        server.delay = 0.2
        (suite.path / "conftest.py").write_text(TOGETHER, encoding="utf-8")
        both = [
            start(suite, server, "-n", "2", "--robust-report=json:two.json"),
            start(suite, server, "-p", "no:xdist", "--robust-report=json:beside.json"),
        ]
        for process in both:
            out, _ = process.communicate(timeout=100)
            assert process.returncode == 0, out
        assert Counter(prompt_of(r.body) for r in server.requests) == once
    assert len({numbers(suite, f"{name}.json") for name in ("one", "two", "beside")}) == 1


def test_workers_have_one_budget(suite):
    with LoopbackServer(reply=label) as server:
        code, out = run(suite, server, "-n", "2", "--robust-max-calls=21")
        assert code == 1, out
        assert len(server.requests) == 21
        assert "budget is spent" in out
        # What was paid for is there: the rest can be bought later.
        code, out = run(suite, server, "-p", "no:xdist")
        assert code == 0, out
        assert set(Counter(prompt_of(r.body) for r in server.requests).values()) == {1}


def test_a_crashed_worker_is_replaced_and_nothing_is_paid_twice(suite):
    (suite.path / "test_zz.py").write_text(
        "import os, pathlib, time\ndef test_crash():\n    time.sleep(0.3)\n    os._exit(3)\n",
        encoding="utf-8",
    )
    with LoopbackServer(reply=label, delay=0.02) as server:
        code, out = run(suite, server, "-n", "2", "--robust-report=json:r.json")
        assert code == 1
        assert "1 failed, 3 passed" in out, out
        seen = Counter(prompt_of(r.body) for r in server.requests)
        more = sum(seen.values()) - len(seen)
        code, out = run(suite, server, "-p", "no:xdist", "--robust-report=json:again.json", "test_it.py")
        assert code == 0, out
        assert sum(Counter(prompt_of(r.body) for r in server.requests).values()) - len(seen) == more
    assert numbers(suite, "r.json") == numbers(suite, "again.json")


NO_NETWORK = """
import socket, sys

def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.create_connection = socket.getaddrinfo = refuse

def pytest_unconfigure(config):
    print("LOADED", [n for n in ("litellm", "nlpaug", "aiohttp", "openai") if n in sys.modules])
"""


def test_replay_opens_no_socket_imports_no_litellm_and_names_what_is_missing(project):
    project.test("""
import os
params = {"api_base": os.environ.get("URL", "http://127.0.0.1:9/v1"), "api_key": "none-needed", "temperature": 0}

@robust(Task("remote", cases=CASES[:4], prompt="Ticket: {input}", params=params, scorer="includes"), models=["openai/m"],
        perturbations=["keyboard"], variants=1)
def test_remote(): ...
""")
    with LoopbackServer(reply=label) as server:
        env = {**os.environ, "URL": server.url}
        command = [sys.executable, "-m", "pytest", *PLUGINS, "-p", "no:hypothesispytest", "-p", "no:asyncio"]
        warm = [forks.python(), *command[1:]]  # it may have imported LiteLLM: this one has to
        first = subprocess.run(warm, cwd=project.path, env=env, capture_output=True, text=True, check=False)
        assert first.returncode == 0, first.stdout
        n = len(server.requests)
        assert n >= 7
    (project.path / "conftest.py").write_text(NO_NETWORK, encoding="utf-8")
    replay = [*command, "-p", "no:xdist", "--robust-replies=replay"]
    second = subprocess.run(replay, cwd=project.path, env=env, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stdout
    assert "LOADED []" in second.stdout
    assert f"{n} calls ({n} replayed" in second.stdout, second.stdout
    file = project.path / "test_it.py"
    file.write_text(file.read_text().replace('"temperature": 0}', '"temperature": 0.7}'), encoding="utf-8")
    third = subprocess.run(replay, cwd=project.path, env=env, capture_output=True, text=True, check=False)
    assert third.returncode == 1
    assert "LOADED []" in third.stdout
    said = " ".join(third.stdout.split())
    assert "no stored reply for openai/m: 'Ticket: where is my refund number 0'" in said
    assert "The nearest recorded request has params.temperature 0 where this has 0.7" in said
    assert len(server.requests) == n


def test_ctrl_c_with_a_slow_model_ends_at_once_with_what_there_is(project):
    (project.path / "asked.py").write_text(MODEL, encoding="utf-8")
    project.test("""
@robust(Task("quick", cases=CASES[:4], scorer="includes"), models=["python:asked:asked"])
def test_quick(): ...

@robust(Task("slow", cases=[(f"slow question {i}", "billing") for i in range(300)], scorer="includes"), models=["python:asked:asked"])
def test_slow(): ...
""")

    (project.path / "begun.py").write_text(
        "def pytest_runtest_setup(item):\n    if item.name.startswith('test_slow'):\n        open('begun', 'w').close()\n",
        encoding="utf-8",
    )
    with LoopbackServer(reply=label, script=[None] * 60, always="hang") as server:
        process = start(project, server, "-p", "no:xdist", "-p", "begun", "--robust-report=json:r.json")
        until = time.monotonic() + 60
        begun = project.path / "begun"
        while (len(server.requests) < 70 or not begun.exists()) and time.monotonic() < until:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        took = time.monotonic() - began
    assert process.returncode == pytest.ExitCode.INTERRUPTED, out
    assert took < 10, f"{took:.1f} s"  # 2 s on a machine that does nothing else
    data = json.loads((project.path / "r.json").read_text(encoding="utf-8"))
    assert data["run"]["complete"] is False
    assert {c["task"] for c in data["cells"]} == {"quick", "slow"}
    (file,) = project.runs()
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert lines[-1]["kind"] == "end"
    assert lines[-1]["complete"] is False
    assert sum(line["kind"] == "record" and line["task"] == "slow" for line in lines) >= 40
    tail = out[out.rindex("KeyboardInterrupt") :]
    assert "Exception ignored" not in out
    assert "Traceback" not in tail


def test_a_damaged_store_is_told_and_costs_no_run(project):
    project.test("\n@robust(task, perturbations=['casing'], variants=1)\ndef test_it(): ...")
    folder = project.path / ".robusttest"
    folder.mkdir()
    (folder / "replies.sqlite").write_bytes(b"no database" * 1000)
    refused = project.run("--robust-replies=replay")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert "can't be read: file is not a database" in refused.stderr.str()
    result = project.run()
    result.assert_outcomes(passed=1)
    assert "was damaged (file is not a database)" in " ".join(result.stdout.str().split())
    assert list(folder.glob("replies.sqlite.damaged-*"))
