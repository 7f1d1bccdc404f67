"""What a run leaves: the section, the run file, reports, JUnit, hooks; and what an interrupted one leaves."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import forks
import pytest

ONE = """
@robust(task, perturbations=["casing"], variants=2, models=["python:models:route"], expect=[accuracy >= 0.6, robust_accuracy >= 0.75])
def test_it(result): ...
"""


def test_the_run_file_reads_back(project):
    from robusttest.store import read_run

    project.test(ONE)
    project.run("--robust-label=nightly", "--robust-seed=3")
    (path,) = project.runs()
    run = read_run(path)
    assert run.info.complete
    assert run.info.label == "nightly"
    assert run.info.seed == 3
    assert run.info.models == ("python:models:route",)
    assert run.info.versions["robusttest"]
    assert len(run.records) == 36
    assert [v.status for v in run.verdicts] == ["passed", "failed"]
    assert {r.test for r in run.records} == {"test_it.py::test_it"}
    assert (project.path / ".robusttest" / ".gitignore").read_text().strip() == "*"


def test_reports(project):
    project.test(ONE)
    result = project.run(
        "--robust-report=json:out/r.json", "--robust-report=md:out/r.md", "--robust-report=csv:out/r.csv"
    )
    assert "wrote out/r.json" in result.stdout.str()
    data = json.loads((project.path / "out/r.json").read_text(encoding="utf-8"))
    assert data["schema_version"] == 1
    assert [v["status"] for v in data["cells"][0]["verdicts"]] == ["passed", "failed"]
    assert (project.path / "out/r.md").stat().st_size
    assert (project.path / "out/r.csv").stat().st_size


def test_the_html_report_is_one_file_with_the_runs_before_it(project):
    project.test(ONE)
    for label in ("v1", "v2"):
        result = project.run(f"--robust-label={label}", "--robust-report=html:out/r.html")
        assert "wrote out/r.html" in result.stdout.str()
    assert os.listdir(project.path / "out") == ["r.html"]
    page = (project.path / "out/r.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    history = page.partition('id="history"')[2].partition("</section>")[0]
    assert re.findall(r'<th scope="row">(v\d)</th>', history) == ["v2", "v1"]


def test_an_html_report_that_cannot_be_written_is_refused_before_any_call(project):
    project.test(ONE)
    (project.path / "file").write_text("")
    result = project.run("--robust-report=html:file/r.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "can't write" in result.stderr.str()
    assert project.runs() == []


def test_a_report_that_cannot_be_written_is_refused_before_any_call(project):
    project.test(ONE)
    (project.path / "taken").mkdir()
    result = project.run("--robust-report=json:taken")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "it is a folder" in result.stderr.str()
    assert project.runs() == []


def test_junit_carries_the_headline(project):
    project.test(ONE)
    project.run("--junitxml=j.xml", "-o", "junit_family=xunit1")
    tree = ET.parse(project.path / "j.xml")
    properties = {p.get("name"): p.get("value") for p in tree.iter("property")}
    assert properties["robust.accuracy"] == "1"
    assert properties["robust.verdict[accuracy >= 0.6]"] == "passed"
    assert properties["robust.verdict[robust_accuracy >= 0.75]"] == "failed"


def test_junit_of_the_newer_family_has_nothing_that_its_schema_does_not_know(project):
    """As junit-10.xsd has it: a test holds outcomes and output alone, a suite holds properties of a name and a value."""
    project.test(ONE)
    project.run("--junitxml=j.xml")
    suite = ET.parse(project.path / "j.xml").getroot()[0]
    for case in suite.iter("testcase"):
        assert {child.tag for child in case} <= {"skipped", "error", "failure", "system-out", "system-err"}
        assert set(case.attrib) <= {"name", "classname", "time"}
    assert all(set(p.attrib) == {"name", "value"} for p in suite.iter("property"))
    properties = {p.get("name"): p.get("value") for p in suite.findall("properties/property")}
    test = "test_it.py::test_it[python:models:route]"
    assert properties[f"{test}::robust.accuracy"] == "1"
    assert properties[f"{test}::robust.verdict[robust_accuracy >= 0.75]"] == "failed"


def test_quiet_is_one_line(project):
    project.test(ONE)
    out = project.run("-q").stdout.str()
    assert "= robustness =" not in out
    assert out.count("robustness: ") == 1


def test_colour_only_where_pytest_colours(project):
    project.test(ONE)
    assert "\x1b[" in project.run("--color=yes").stdout.str().split("robustness")[-1]
    assert "\x1b[" not in project.run("--color=no").stdout.str()


def test_dry_run_counts_and_calls_nothing(project):
    project.test("""
@robust(task, perturbations=["casing"], variants=2, models=["python:models:broken"])
def test_it(result): raise RuntimeError("not run")

@robust(cases=CASES, perturbations=["casing"], variants=2)
def test_body(variant): raise RuntimeError("not run")
""")
    result = project.run("--robust-dry-run")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([
        "*test_it.py::test_it on python:models:broken: 12 cases, 36 variants, 36 calls, about * input tokens",
        "*test_it.py::test_body: 12 cases, 36 variants, calls as its body makes them",
        "*in all 36 calls*",
    ])  # fmt: skip
    assert project.runs() == []


def test_hooks_see_records_and_the_report(project):
    project.test(ONE)
    project.pytester.makeconftest("""
seen = []

def pytest_robust_record(config, record):
    seen.append(record)

def pytest_robust_report(config, report):
    print("HOOKS", len(seen), report.cells[0].task, report.run.complete)
""")
    assert "HOOKS 36 routing True" in project.run("-s").stdout.str()


def test_ctrl_c_leaves_a_partial_report(project):
    (project.path / "models.py").write_text(
        "import pathlib, time\n"
        "def slow(prompt):\n"
        "    n = pathlib.Path(__file__).with_name('n.txt')\n"
        "    with n.open('a') as f: f.write('x')\n"
        "    time.sleep(0.02)\n"
        "    return 'billing'\n"
    )
    project.test("""
MANY = Task("many", cases=[(f"question {i}", "billing") for i in range(3000)], scorer="exact")

@robust(cases=CASES, limit=2)
def test_done(variant): ...

@robust(MANY, models=["python:models:slow"], concurrency=2)
def test_long(): ...
""")
    process = subprocess.Popen(
        [forks.python(), "-m", "pytest", "-p", "no:randomly", "-p", "no:asyncio", "--robust-report=json:r.json"],
        cwd=project.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    log = project.path / "n.txt"
    deadline = time.monotonic() + 60
    while (not log.exists() or log.stat().st_size < 20) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    began = time.monotonic()
    out, _ = process.communicate(timeout=60)
    assert time.monotonic() - began < 20  # generous: it is 2 s on a machine that does nothing else
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "incomplete run" in out
    assert "KeyboardInterrupt" in out
    data = json.loads((project.path / "r.json").read_text(encoding="utf-8"))
    assert data["run"]["complete"] is False
    assert {c["task"] for c in data["cells"]} == {"test_done", "many"}
    assert len(project.records()) > 2


def test_the_progress_line():
    from types import SimpleNamespace

    from robusttest.run.progress import progress_line

    p = SimpleNamespace(done=50, cached=10, failed=2, cost=0.126, waiting_for="openai: 429", in_flight=3)
    assert progress_line(p, 200, 10.0) == (
        "robusttest: 50 of 200 calls · 10 replayed · 2 failed · $0.13 · 30 s left · waiting for openai: 429"
    )
    quiet = SimpleNamespace(done=0, cached=0, failed=0, cost=None, waiting_for=None, in_flight=1)
    assert progress_line(quiet, 200, 0.1) == "robusttest: 0 of 200 calls"


def test_a_dry_run_never_runs_for_real_under_xdist(project):
    project.test(ONE)
    result = project.fresh("--robust-dry-run", "-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "leave out -n" in result.stderr.str()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_progress_is_shown_to_a_person_and_to_no_pipe(project):
    import pty

    (project.path / "models.py").write_text(
        "import time\ndef slow(prompt):\n    time.sleep(0.04)\n    return 'billing'\n", encoding="utf-8"
    )
    project.test("""
@robust(cases=[(f"question {i}", "billing") for i in range(40)], models=["python:models:slow"])
def test_long(variant, ask):
    assert ask(variant.input).text == "billing"
    print("PRINTED")
    if variant.case.input.endswith(" 39"): assert False
""")
    command = [
        forks.python(),
        "-m",
        "pytest",
        "-p",
        "no:randomly",
        "-p",
        "no:asyncio",
        "--robust-replies=off",
    ]
    parent, child = pty.openpty()
    process = subprocess.Popen(
        command, cwd=project.path, stdout=child, stderr=child, env={**os.environ, "TERM": "xterm"}
    )
    os.close(child)
    seen = b""
    while True:
        try:
            chunk = os.read(parent, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        seen += chunk
    process.wait(timeout=60)
    text = seen.decode()
    assert "of 40 calls" in text
    captured = text[text.index("Captured stdout call") :] if "Captured stdout call" in text else ""
    assert "of 40 calls" not in captured, "what a body prints is its own"
    piped = subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=False)
    assert "of 40 calls" not in piped.stdout + piped.stderr


def test_a_failure_is_told_in_what_the_terminal_can_show(pytester, monkeypatch) -> None:
    """pytest's writer would print the arrow as its escape."""
    pytester.makepyfile(
        test_it="""
        from robusttest import robust

        @robust(cases=[("one two", "1")], perturbations=["casing"], expect=["pass_rate[casing] >= 0.9"])
        def test_casing(variant):
            said = "1" if variant.input == "one two" else "2"
            assert said == variant.target
            return said
        """
    )
    monkeypatch.setattr("sys.__stdout__", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    ran = pytester.runpytest("-p", "no:randomly")
    failure = ran.stdout.str().partition("= FAILURES =")[2].partition("= robustness =")[0]
    assert "1 -> failed" in failure
    assert "→" not in failure
