"""A run that is killed in the middle of a long test of a model without a version: its records are on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import forks
import pytest

from robusttest.store import read_run

SLOW = '''
import os, time

CALLS = os.path.join(os.path.dirname(__file__), f"calls-{os.getpid()}")

def slow(prompt):
    """Right, and ever so slow after thirty calls in one process."""
    with open(CALLS, "a+") as f:
        f.write(prompt.replace("\\n", " ") + "\\n")
        f.seek(0)
        many = len(f.readlines()) > int(os.environ.get("SLOW_AFTER", 30))
    if many:
        time.sleep(60)
    return next(label for word, label in {"refund": "billing", "parcel": "delivery", "password": "account"}.items() if word in prompt)
'''

DECLARED = """
@robust(task, perturbations=["whitespace"], variants=4, models=["python:slow:slow"], concurrency=2)
def test_declared(): ...
"""

BODY = """
@robust(cases=CASES, perturbations=["whitespace"], variants=4, models=["python:slow:slow"])
def test_body(variant, ask):
    assert ask(variant.input).text == variant.target
"""


def start(project, *args: str, python: str = sys.executable) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:rerunfailures", *args],
        cwd=project.path, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def kill_when(process: subprocess.Popen[str], ready: Iterator[bool], how: int = signal.SIGKILL) -> str:
    until = time.monotonic() + 60
    for done in ready:
        if done:
            break
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.02)
    os.killpg(process.pid, how)
    return process.communicate(timeout=60)[0]


def made(project, count: int) -> Iterator[bool]:
    """Whether so many records are on disk, while the test goes on."""
    while True:
        parts = (project.path / ".robusttest" / "runs").glob("*.parts/*.jsonl")
        yield sum(path.read_bytes().count(b"\n") for path in parts) >= count


@pytest.fixture
def slow(project):
    (project.path / "slow.py").write_text(SLOW, encoding="utf-8")
    return project


def committed(project) -> None:
    """The project as a git repository without a change."""
    quiet = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    for args in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*quiet, *args], cwd=project.path, check=True)


def calls_here(project) -> list[str]:
    """Prompts that this process put to the model."""
    return (project.path / f"calls-{os.getpid()}").read_text(encoding="utf-8").splitlines()


def the_run(project) -> Path:
    (path,) = project.runs()
    return path


@pytest.mark.parametrize("source", [DECLARED, BODY], ids=["declared", "body"])
def test_all_but_the_last_moment_is_there_after_kill_9(slow, source):
    slow.test(source)
    committed(slow)
    kill_when(start(slow, "-p", "no:xdist"), made(slow, 30))
    run = read_run(the_run(slow))
    assert not run.info.complete
    scored = [r for r in run.records if r.score is not None]
    assert len(scored) >= 30
    assert {(r.case_id, r.variant) for r in scored} <= {
        (f"t{i}", v) for i in range(12) for v in ("", *(f"whitespace#{n}" for n in range(4)))
    }
    assert all(r.score == 1 for r in scored)
    if source is BODY:  # in the order of the cases, as the whole run's would be
        assert [r.case_id for r in scored] == sorted((r.case_id for r in scored), key=lambda c: int(c[1:]))
    (cell,) = run.cells
    assert cell.verdicts == ()

    code = (slow.path / "slow.py").read_text(encoding="utf-8")
    (slow.path / "slow.py").write_text(code + "# better\n", encoding="utf-8")
    refused = slow.run("--robust-resume")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert "files differ from commit" in refused.stderr.str()
    (slow.path / "slow.py").write_text(code, encoding="utf-8")

    went_on = slow.run("--robust-resume")
    went_on.assert_outcomes(passed=1)
    assert f"robusttest: goes on with run {run.info.id}, which did not end" in went_on.stdout.str()
    assert len(calls_here(slow)) == 60 - len(scored), "nothing is asked twice"
    (path,) = (p for p in slow.runs() if run.info.id not in p.name)
    whole = read_run(path)
    assert (whole.info.complete, whole.info.resumed) == (True, run.info.id)
    assert [(r.case_id, r.variant) for r in whole.records] == [
        (f"t{i}", v) for i in range(12) for v in ("", *(f"whitespace#{n}" for n in range(4)))
    ]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_engines_workers_end_with_their_driver_and_only_what_is_missing_is_asked_again(
    slow, how, monkeypatch
):
    slow.test(DECLARED)
    committed(slow)
    monkeypatch.setenv("SLOW_AFTER", "15")
    process = start(slow, "-p", "no:xdist", "--robust-engine=processes:2")
    kill_when(process, made(slow, 10), signal.SIGKILL) if how == signal.SIGKILL else _ctrl_c(slow, process)
    pids = [int(path.name.partition("-")[2]) for path in slow.path.glob("calls-*")]
    until = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
        time.sleep(0.02)
    assert process.pid not in pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    if how == signal.SIGKILL:
        (part,) = (slow.path / ".robusttest" / "runs").glob("*.parts/*.jsonl")
        part.write_bytes(part.read_bytes()[:-30])  # torn
    run = read_run(the_run(slow))
    assert not run.info.complete
    scored = [r for r in run.records if r.score is not None]
    assert len(scored) >= 9
    before = {path: len(path.read_text().splitlines()) for path in slow.path.glob("calls-*")}
    monkeypatch.setenv("SLOW_AFTER", "1000")
    slow.run("--robust-engine=processes:2", "--robust-resume").assert_outcomes(passed=1)
    after = {path: len(path.read_text().splitlines()) for path in slow.path.glob("calls-*")}
    assert sum(after.values()) - sum(before.values()) == 60 - len(scored), "nothing is asked twice"
    whole = max(slow.runs(), key=lambda path: path.stat().st_mtime_ns)
    assert len(read_run(whole).records) == 60


def _ctrl_c(slow, process: subprocess.Popen[str]) -> None:
    for ready in made(slow, 10):
        if ready:
            break
        time.sleep(0.02)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=60)[0]
    assert process.returncode == pytest.ExitCode.INTERRUPTED, out
    assert time.monotonic() - began < 10


def test_each_worker_has_a_part_of_its_own(slow):
    slow.test(DECLARED + BODY)
    committed(slow)
    kill_when(start(slow, "-n", "2"), made(slow, 60))
    run = read_run(the_run(slow))
    assert not run.info.complete
    assert {c.key.test.partition("::")[2]: len(c.records) >= 30 for c in run.cells} == {
        "test_body": True,
        "test_declared": True,
    }
    before = sum(len(path.read_text().splitlines()) for path in slow.path.glob("calls-*"))
    process = start(slow, "-n", "2", "--robust-resume", python=forks.python())
    out = process.communicate(timeout=60)[0]
    assert process.returncode == 0, out
    assert f"goes on with run {run.info.id}" in out
    calls = sum(len(path.read_text().splitlines()) for path in slow.path.glob("calls-*")) - before
    assert calls == 120 - sum(r.score is not None for r in run.records)


def test_a_killed_worker_leaves_its_records_to_the_report(slow):
    slow.test(DECLARED)
    flags = ("-n", "1", "--max-worker-restart=0", "--robust-report=json:r.json")
    process = start(slow, *flags, python=forks.python())

    def worker() -> Iterator[bool]:
        for ready in made(slow, 30):
            if ready:
                (path,) = slow.path.glob("calls-*")
                os.kill(int(path.name.partition("-")[2]), signal.SIGKILL)
                break
            yield False
        while True:
            yield process.poll() is not None

    for done in worker():
        if done:
            break
        time.sleep(0.02)
    out = process.communicate(timeout=60)[0]
    assert process.returncode == 1, out
    run = read_run(the_run(slow))
    assert not run.info.complete
    assert len(run.records) >= 30
    assert f"{len(run.records)}" in out
    assert not list((slow.path / ".robusttest" / "runs").glob("*.parts")), "the run file has them"


def test_ctrl_c_in_the_first_test_of_the_workers_is_told(slow):
    slow.test(DECLARED + BODY)
    out = kill_when(start(slow, "-n", "2", "--robust-report=json:r.json"), made(slow, 60), signal.SIGINT)
    assert (slow.path / "r.json").exists(), out
    run = read_run(the_run(slow))
    assert not run.info.complete
    assert len(run.cells) == 2
    assert len(run.records) >= 60


def test_a_run_that_ends_leaves_one_file_in_order(slow):
    slow.test(DECLARED.replace("slow:slow", "models:steady"))
    slow.run().assert_outcomes(passed=1)
    folder = slow.path / ".robusttest" / "runs"
    assert [p.name for p in folder.iterdir()] == [the_run(slow).name]
    assert all('"at"' not in line for line in the_run(slow).read_text().splitlines())
    run = read_run(the_run(slow))
    assert run.info.complete
    assert [r.case_id for r in run.records] == [f"t{i}" for i in range(12) for _ in range(5)]


INTERRUPTED = """
count = [0]

@robust(cases=CASES[:4], perturbations=["whitespace"], variants=1)
def test_body(variant, ask):
    count[0] += 1
    if count[0] == 4:
        pytest.exit("enough", returncode=2)
    return ask(variant.input)
"""


def test_the_next_run_says_in_a_line_what_it_found(project):
    project.test(INTERRUPTED)
    assert project.run().ret == pytest.ExitCode.INTERRUPTED
    (first,) = project.runs()
    project.test(INTERRUPTED.replace("== 4", "== 0"))
    said = (
        f"run {read_run(first).info.id} did not end: it has 3 answered records of these tests; --robust-resume can't go on from "
        "there: without a git commit nobody knows whether the code is the same; commit, and run again"
    )
    refused = project.run("--robust-resume")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert "--robust-resume can't go on with run" in refused.stderr.str()
    result = project.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"robusttest: {said}"])
    again = project.run("--robust-resume")
    again.assert_outcomes(passed=1)
    assert "--robust-resume: no run of these tests is left unfinished" in again.stdout.str()
