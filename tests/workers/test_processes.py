"""Processes as an executor: what crosses, who dies, and that none is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from robusttest.errors import ConfigurationError
from robusttest.workers.processes import Processes, WorkerDiedError

MODULE = """
import os, sys, time

def twice(value):
    print("a model may print")
    sys.__stdout__.flush()
    return [value, value]

def pid(seconds):
    time.sleep(seconds)
    return os.getpid()

def leave(code):
    os._exit(code)

def wrong():
    raise ValueError("no such thing")

def child():
    import subprocess
    return subprocess.run([sys.executable, "-c", "print(input())"], input="7", capture_output=True, text=True).stdout
"""


@pytest.fixture
def shards(tmp_path, monkeypatch):
    (tmp_path / "shards_of_processes.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import shards_of_processes

    yield shards_of_processes
    del sys.modules["shards_of_processes"]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0:1]


def test_values_cross_and_a_dead_worker_is_told_and_replaced(shards, capfd):
    with Processes(1) as executor:
        nasty = {"a": [1, 2.5, None], "text": "\ud800 \u2028\nüber" * 50_000}
        assert executor.submit(shards.twice, nasty).result() == [nasty, nasty]
        assert "a model may print" in capfd.readouterr().err
        first = executor.submit(shards.pid, 0).result()
        with pytest.raises(RuntimeError, match="ValueError: no such thing"):
            executor.submit(shards.wrong).result()
        assert executor.submit(shards.child).result() == "7\n"
        assert executor.submit(shards.pid, 0).result() == first
        with pytest.raises(WorkerDiedError, match="exit code 3"):
            executor.submit(shards.leave, 3).result()
        second = executor.submit(shards.pid, 0).result()
        assert second not in (first, os.getpid())
    assert not alive(second)
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(shards.twice, 1)


def test_workers_are_started_as_they_are_needed_and_end_at_once(shards):
    executor = Processes(2)
    assert executor._threads == []
    pids = {f.result() for f in [executor.submit(shards.pid, 0.2) for _ in range(4)]}
    assert len(pids) == 2
    slow = executor.submit(shards.pid, 60)
    began = time.monotonic()
    while not slow.running() and time.monotonic() - began < 5:
        time.sleep(0.01)
    executor.shutdown(cancel_futures=True)
    assert time.monotonic() - began < 10
    with pytest.raises((WorkerDiedError, CancelledError)):
        slow.result(timeout=5)
    assert not any(map(alive, pids))


def test_no_worker_can_be_started(monkeypatch):
    monkeypatch.setattr("robusttest.workers.processes._PROGRAM", "raise SystemExit(5)")
    with (
        Processes(1) as executor,
        pytest.raises(ConfigurationError, match=r"no worker can be started: .* exit code 5"),
    ):
        executor.submit(os.getpid).result()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_driver_that_is_killed_leaves_no_worker(shards):
    code = (
        "import sys, time; from robusttest.workers.processes import Processes; import shards_of_processes as s\n"
        "e = Processes(1); print(e.submit(s.pid, 0).result(), flush=True); e.submit(s.pid, 60); time.sleep(60)"
    )
    path = os.pathsep.join([os.path.dirname(shards.__file__), *sys.path])
    driver = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert driver.stdout is not None
    worker = int(driver.stdout.readline())
    assert alive(worker)
    driver.kill()
    driver.wait()
    driver.stdout.close()
    until = time.monotonic() + 5
    while alive(worker) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(worker)
