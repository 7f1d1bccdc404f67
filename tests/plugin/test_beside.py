"""pytest's own flags and plugins beside us: -x, -k, --lf, no terminal, no cache, skip marks, fixtures."""

from __future__ import annotations

import pytest

COUNTING = """
import pathlib
LOG = pathlib.Path(__file__).with_name("calls.txt")
def counting(prompt):
    with LOG.open("a") as f: f.write("call\\n")
    return "billing"
"""


def calls(project) -> int:
    log = project.path / "calls.txt"
    return log.read_text().count("call") if log.exists() else 0


@pytest.fixture
def counted(project):
    (project.path / "models.py").write_text(COUNTING, encoding="utf-8")
    return project


def test_first_failure_stops_with_little_spent(counted):
    counted.test("""
MANY = Task("many", cases=[(f"question {i}", "account") for i in range(400)], scorer="exact")

@robust(task, models=["python:models:counting"], expect=["accuracy >= 0.9"], concurrency=1)
def test_first(): ...

@robust(MANY, models=["python:models:counting"], concurrency=1)
def test_second(): ...

@robust(MANY, models=["python:models:counting"], perturbations=["repeat"], concurrency=1)
def test_third(): ...
""")
    result = counted.fresh("-x", "--robust-concurrency=1")
    result.assert_outcomes(failed=1)
    assert calls(counted) < 12 + 400, "the window keeps the plan from running far ahead"
    assert "incomplete run" in result.stdout.str()


def test_skipped_and_deselected_tests_call_nothing(counted):
    counted.test("""
@pytest.mark.skip(reason="not now")
@robust(task, models=["python:models:counting"])
def test_skipped(result): ...

@pytest.mark.xfail(run=False)
@robust(task, models=["python:models:counting"])
def test_not_run(result): ...

@robust(task, models=["python:models:counting"])
def test_deselected(result): ...

@pytest.fixture
def refusing(): pytest.skip("no server")

@robust(task, models=["python:models:counting"])
def test_refused(refusing, result): ...

@robust(task, models=["python:models:counting"], limit=2)
def test_runs(result): ...
""")
    counted.fresh("-k", "not deselected").assert_outcomes(passed=1, skipped=2, xfailed=1, deselected=1)
    assert calls(counted) == 2


def test_xfail_is_the_users(project):
    project.test("""
@pytest.mark.xfail(strict=True)
@robust(task, models=["python:models:echo"], expect=["accuracy >= 0.9"])
def test_known(result): ...
""")
    project.run().assert_outcomes(xfailed=1)


def test_last_failed(project):
    project.test("""
@robust(task, models=["python:models:echo", "python:models:steady"], expect=["accuracy >= 0.6"])
def test_it(result): ...
""")
    args = ("-p", "no:randomly", "-p", "no:asyncio")
    project.own_process(*args).assert_outcomes(passed=1, failed=1)
    again = project.own_process(*args, "--lf")
    again.assert_outcomes(failed=1)
    assert "python:models:echo" in again.stdout.str()


def test_without_a_terminal_the_run_is_written_all_the_same(project):
    project.test("\n@robust(task, expect=['accuracy >= 0.6'])\ndef test_it(result): ...")
    result = project.fresh("-p", "no:terminal", "--robust-report=json:r.json")
    assert result.ret == 0
    assert len(project.records()) == 12
    assert (project.path / "r.json").exists()


def test_session_fixtures_and_setup_class(project):
    project.test("""
made, seen = [], []

@pytest.fixture(scope="session")
def index():
    made.append("index")
    return made

@pytest.fixture(autouse=True)
def every(): made.append("every")

class TestAll:
    @classmethod
    def setup_class(cls): made.append("class")

    @robust(task)
    def test_one(self, index, result):
        assert made == ["index", "class", "every"] or made == ["class", "index", "every"], made
        assert result.accuracy.value == 1

    @robust(cases=CASES)
    def test_two(self, variant, index):
        seen.append(variant.case.id)
        assert made.count("index") == 1 and made.count("every") == 1 + len(seen)
""")
    project.run().assert_outcomes(passed=2)


def test_setup_plan_and_fixture_listing(project):
    project.test("\n@robust(task)\ndef test_it(result): ...")
    assert project.run("--fixtures").ret == 0
    assert project.run("--setup-plan").ret == 0


def test_assertion_of_a_declared_body_keeps_its_traceback(project):
    project.test("""
@robust(task)
def test_it(result):
    value = result.accuracy.value
    assert value == 0
""")
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">       assert value == 0", "E       assert 1.0 == 0"])
    assert "hooks.py" not in result.stdout.str()
