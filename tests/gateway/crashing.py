"""Runs that are killed at any moment and resumed: what the store holds is never asked for again, and never torn.

A process imports LiteLLM once and forks a child for each run, so that a moment costs milliseconds, not an import::

    python tests/gateway/crashing.py URL DIRECTORY CALLS      # a line on its input starts a run

`killed` drives it beside a loopback server and says what was seen.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import forks
from loopback import LoopbackServer, prompt_of

from robusttest.gateway.store.replies import FILE, ReplyStore


@dataclass(frozen=True)
class Seen:
    """What `killed` saw. ``asked_again`` and ``torn`` must be empty, ``missing`` too."""

    moments: int
    """Kills that met a run under way."""
    stored_at_kills: list[int]
    requests: int
    """At the server, for ``calls`` distinct questions."""
    calls: int
    asked_again: list[str]
    """Asked for although the store held the reply."""
    torn: list[str]
    missing: list[str]
    seconds_of_last: float


def stored(directory: Path) -> tuple[dict[str, str], list[str]]:
    """``(prompt → reply of every stored one, what is wrong with the file)``, as a resumed run will find them."""
    if not (directory / FILE).exists():
        return {}, []
    store = ReplyStore(directory)
    try:
        with sqlite3.connect(directory / FILE) as db:
            (verdict,) = db.execute("PRAGMA integrity_check").fetchone()
        db.close()
        rows = {r["messages"][-1]["content"]: c["text"] for _, r, c in store.rows()}
        return rows, [*store.problems, *([] if verdict == "ok" else [verdict])]
    finally:
        store.close()


def killed(directory: Path, moments: int, *, calls: int, seed: int = 0, delay: float = 0.02) -> Seen:
    """Start a run of ``calls`` questions, kill it at ``moments`` random moments, resume each time, then let it end."""
    rng = random.Random(seed)
    torn: list[str] = []
    again: list[str] = []
    counts: list[int] = []
    hit = 0
    with LoopbackServer(delay=delay) as server:
        code = "import crashing; crashing.main()"
        command = [forks.python(), "-c", code, server.url, str(directory), str(calls)]
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        forker = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert forker.stdin is not None
        assert forker.stdout is not None
        assert forker.stdout.readline() == "ready\n"

        def run(kill_after: int | None) -> bool:
            """True if it was killed, False if it ended before."""
            forker.stdin.write("run\n")
            forker.stdin.flush()
            pid = int(forker.stdout.readline())
            if kill_after is not None:
                # So many requests after its start, and then at any moment: the same on a busy machine.
                enough, until = len(server.requests) + kill_after, time.monotonic() + 20
                while len(server.requests) < enough and time.monotonic() < until:
                    time.sleep(0.002)
                time.sleep(rng.uniform(0, 0.05))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return forker.stdout.readline() == f"ended {-signal.SIGKILL}\n"

        held: dict[str, str] = {}
        for _ in range(moments):
            since = len(server.requests)
            hit += run(rng.randint(1, max(1, 2 * calls // (moments + 2))))
            again += _again(server, since, held)
            held, problems = stored(directory)
            counts.append(len(held))
            torn += problems + [p for p, text in held.items() if text != f"echo: {p}"]
            if len(held) == calls:
                break
        since, began = len(server.requests), time.monotonic()
        assert not run(None)
        seconds = time.monotonic() - began
        again += _again(server, since, held)
        held, problems = stored(directory)
        torn += problems
        forker.stdin.close()
        forker.wait(timeout=10)
        forker.stdout.close()
        missing = [question(i) for i in range(calls) if held.get(question(i)) != f"echo: {question(i)}"]
        return Seen(hit, counts, len(server.requests), calls, again, torn, missing, seconds)


def _again(server: LoopbackServer, since: int, held: dict[str, str]) -> list[str]:
    asked = Counter(prompt_of(r.body) for r in server.requests[since:])
    return [p for p in asked if p in held]


def question(i: int) -> str:
    return f"question {i} " + "about something " * (i % 40)


def _run(url: str, directory: str, calls: int) -> None:
    from robusttest.gateway import Gateway
    from robusttest.settings import Settings

    with Gateway(Settings(directory=Path(directory), concurrency=16)) as gateway:
        params = {"api_base": url, "api_key": "none-needed"}
        futures = [
            gateway.submit(gateway.request("openai/m", [{"role": "user", "content": question(i)}], params))
            for i in range(calls)
        ]
        for future in futures:
            future.result()


def main() -> None:
    from robusttest.gateway.litellm.preflight import load_litellm

    load_litellm()
    print("ready", flush=True)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                _run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
                status = 0
            finally:
                os._exit(status)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
