"""Whole pytest processes: many small tests beside one large one, replays, and models of the repo::

    python benchmarks/suites.py                  # 2,000 calls at 50 ms, 64 in flight
    python benchmarks/suites.py --calls 10000 --in-flight 256

The server is a process of its own on the loopback interface. The floors: one test with all the calls, for forty tests with
a fortieth each; plain pytest with one test that calls the function as often, for a model of the repo.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOOPBACK = ROOT / "tests" / "gateway" / "loopback.py"
TESTS = 40

SUITE = """
import os
import pytest
from robusttest import Task, robust

TESTS, CALLS = int(os.environ["TESTS"]), int(os.environ["CALLS"])
PARAMS = {"api_base": os.environ["URL"], "api_key": "none"} if "URL" in os.environ else {}

def task(i):
    each = CALLS // TESTS
    cases = [(f"Question {i * each + j}: which label fits?", f"Question {i * each + j}") for j in range(each)]
    return Task(f"task{i}", cases=cases, params=PARAMS, scorer="includes")

TASKS = [task(i) for i in range(TESTS)]

@pytest.mark.parametrize("i", range(TESTS))
@robust(lambda i: TASKS[i], expect=["accuracy >= 0.9"])
def test_it(i): ...
"""
MODELS = """
def echo(prompt):
    return prompt
"""
PLAIN = """
import os
from models import echo

def test_it():
    for i in range(int(os.environ["CALLS"])):
        text = f"Question {i}: which label fits?"
        assert f"Question {i}" in echo(text)
"""


def run(folder: Path, *args: str, **environment: str) -> tuple[float, float]:
    """``(seconds, CPU seconds)`` of one pytest process that has to pass."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", **environment}
    plugins = [f"no:{p}" for p in ("randomly", "asyncio", "rerunfailures", "xdist", "hypothesispytest")]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *(word for p in plugins for word in ("-p", p)),
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run([*command, *args], cwd=folder, env=env, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(args)}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-2000:]}"
        )
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--delay", type=float, default=0.05)
    args = parser.parse_args()
    n = args.calls
    server_command = [sys.executable, str(LOOPBACK), "--delay", str(args.delay)]
    with (
        tempfile.TemporaryDirectory() as made,
        subprocess.Popen(server_command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        url, base = server.stdout.readline().strip(), Path(made)
        print(f"{n} calls, {args.in_flight} in flight, {args.delay * 1000:g} ms each, whole pytest processes")
        print(f"{'suite':<34} {'seconds':>8} {'CPU s':>7} {'ratio':>7}")

        def folder(name: str) -> Path:
            made = base / name
            made.mkdir()
            (made / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
            (made / "test_it.py").write_text(SUITE, encoding="utf-8")
            (made / "models.py").write_text(MODELS, encoding="utf-8")
            return made

        def line(name: str, facts: tuple[float, float], ratio: str = "") -> None:
            print(f"{name:<34} {facts[0]:>8.2f} {facts[1]:>7.2f} {ratio:>7}", flush=True)

        live = ["--robust-model=openai/served-locally", f"--robust-concurrency={args.in_flight}"]
        one, many = folder("one"), folder("many")
        large = run(one, *live, TESTS="1", CALLS=str(n), URL=url)
        line(f"1 test x {n} calls", large)
        small = run(many, *live, TESTS=str(TESTS), CALLS=str(n), URL=url)
        line(f"{TESTS} tests x {n // TESTS} calls", small, f"{small[0] / large[0]:.2f}")
        replay = run(one, *live, "--robust-replies=replay", TESTS="1", CALLS=str(n), URL=url)
        line(f"1 test, {n} replies replayed", replay, f"{replay[0] / large[0]:.2f}")
        plain = folder("plain")
        (plain / "test_it.py").write_text(PLAIN, encoding="utf-8")
        floor = run(plain, CALLS=str(n))
        line(f"plain pytest, {n} function calls", floor)
        python = run(folder("python"), "--robust-model=python:models:echo", TESTS="1", CALLS=str(n))
        line("the same as a model of the repo", python, f"{python[0] / floor[0]:.2f}")
        none = run(folder("none"), "--robust-model=python:models:echo", TESTS="1", CALLS="20")
        print(f"a variant of a model of the repo: {(python[1] - none[1]) / (n - 20) * 1000:.3f} ms of CPU")
        server.communicate("")


if __name__ == "__main__":
    main()
