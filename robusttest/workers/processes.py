"""The engine ``processes``: fresh Python processes of this machine, each doing one shard at a time.

They are started as programs of their own, not forked or spawned by `multiprocessing`: a script that calls `evaluate` without
``if __name__ == "__main__"`` is not run again in each. What crosses is lines of JSON. A process whose driver has died ends
by itself; Ctrl-C is the driver's.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

from robusttest.errors import ConfigurationError
from robusttest.workers.engines import cores

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from robusttest.workers.worker import main; main()"
)
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What libraries of linear algebra read: all workers together are to use as many threads as there are processors."""
_LIVING: weakref.WeakSet[Processes] = weakref.WeakSet()


class WorkerDiedError(BrokenExecutor):
    """The worker ended before the shard did; the others go on."""


class Processes(Executor):
    """``workers`` processes, started as there is work for them. ``fn`` of `submit` is named by its module; its arguments and what
    it returns are JSON values.
    """

    shares_disk = True
    """Files of the driver are the workers', too."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._tasks: queue.SimpleQueue[tuple[Future[Any], bytes] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pending = 0
        self._threads: list[threading.Thread] = []
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False
        self._killed = False
        _LIVING.add(self)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        call = {"fn": f"{fn.__module__}:{fn.__qualname__}", "args": args, "kwargs": kwargs}
        task = (json.dumps(call) + "\n").encode("ascii")
        future: Future[Any] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the engine is shut down")
            self._pending += 1
            if self._pending > len(self._threads) and len(self._threads) < self.workers:
                name = f"robusttest-process-{len(self._threads)}"
                thread = threading.Thread(target=self._serve, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
        self._tasks.put((future, task))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """``cancel_futures`` ends the processes at once, in the midst of what they do."""
        with self._lock:
            self._closed = True
            self._killed = self._killed or cancel_futures
            running = list(self._running) if cancel_futures else []
            threads = list(self._threads)
        for process in running:
            with contextlib.suppress(OSError):
                process.kill()
        for _ in threads:
            self._tasks.put(None)
        if wait:
            for thread in threads:
                thread.join()

    # --- a thread for each process

    def _serve(self) -> None:
        process: subprocess.Popen[bytes] | None = None
        while (task := self._tasks.get()) is not None:
            future, line = task
            if future.set_running_or_notify_cancel():
                try:
                    if process is None or process.poll() is not None:
                        process = self._started()
                    said = self._asked(process, line)
                except Exception as e:
                    if process is not None:
                        self._ended(process)
                    process = None
                    future.set_exception(e)
                else:
                    if "error" in said:
                        future.set_exception(RuntimeError(said["error"]))
                    else:
                        future.set_result(said["value"])
            with self._lock:
                self._pending -= 1
        if process is not None:
            self._ended(process)

    def _started(self) -> subprocess.Popen[bytes]:
        path = [os.path.abspath(p) for p in sys.path]
        command = [sys.executable, "-c", _PROGRAM, json.dumps(path)]
        with self._lock:
            if self._killed:
                raise WorkerDiedError("the engine was shut down")
            # A session of its own: the terminal's Ctrl-C reaches the driver alone.
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                env=self._environment(),
            )
            self._running.add(process)
        assert process.stdout is not None
        if not process.stdout.readline() and not self._killed:
            code = process.wait()
            self._ended(process)
            raise ConfigurationError(f"no worker can be started: the process ended with exit code {code}")
        return process

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        for name in _THREADS:
            environment.setdefault(name, str(max(1, cores() // self.workers)))
        # The order of sets is the same in all of them.
        environment.setdefault("PYTHONHASHSEED", "0")
        return environment

    def _asked(self, process: subprocess.Popen[bytes], line: bytes) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        answer = b""
        with contextlib.suppress(OSError):  # it has died: what it was at is asked again
            process.stdin.write(line)
            process.stdin.flush()
            answer = process.stdout.readline()
        if not answer.endswith(b"\n"):
            process.kill()
            code = process.wait()
            raise WorkerDiedError(f"its process ended with {_said(code)}")
        found: dict[str, Any] = json.loads(answer)
        return found

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.discard(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            process.wait(timeout=0 if self._killed else 1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _said(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


@atexit.register
def _end_all() -> None:
    for one in list(_LIVING):
        one.shutdown(wait=False, cancel_futures=True)
