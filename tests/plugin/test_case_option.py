"""``--robust-case``: what no test has is a usage error that names the nearest, whatever part of it is wrong."""

from __future__ import annotations

import pytest

from robusttest import Task, evaluate
from robusttest.errors import UsageError
from robusttest.settings import Settings
from robusttest.variants.select import named_case, select_cases

SUITE = """
@robust(task, perturbations=["casing", "whitespace"], variants=3, expect=[accuracy >= 0.5])
def test_it(result): ...

@robust(cases=[("where is it", "x"), {"id": "a::b", "input": "some words here", "target": "y"}], perturbations=["casing"])
def test_body(variant): ...
"""

WRONG = [
    ("t99", "--robust-case=t99: no collected test has such a case. Did you mean 't9'?"),
    ("nothing", "no collected test has such a case. The first ones: t0, t1, t2, t3, t4"),
    ("t99::casing#0", "no collected test has such a case. Did you mean 't9'?"),
    ("t1::casng#0", "--robust-case=t1::casng#0: no perturbation 'casng' in this run of the tests that have the case. Did you mean 'casing'?"),
    ("t1::casing", "a variant is written as keyboard:0.1#3"),
    ("t1::casing#-1", "a variant is written as keyboard:0.1#3"),
    ("t1::casing#77", "--robust-case=t1::casing#77: the case 't1' has no variant 'casing#77'"),
    ("a::b::whitespace#0", "no perturbation 'whitespace' in this run of the tests that have the case."),
    ("a::b::casing#77", "the case 'a::b' has no variant 'casing#77'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_no_test_has_is_a_usage_error(project, text, said):
    project.test(SUITE)
    result = project.run(f"--robust-case={text}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()
    assert not (project.path / ".robusttest" / "runs").exists()


def test_one_wrong_of_several_is_enough(project):
    project.test(SUITE)
    result = project.run("--robust-case=t1", "--robust-case=t99")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--robust-case=t99" in result.stderr.str()


def test_a_perturbation_that_is_left_out_is_told(project):
    project.test(SUITE)
    result = project.run("--robust-case=t1::casing#0", "--robust-skip=casing")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no perturbation 'casing' in this run" in result.stderr.str()


@pytest.mark.parametrize("text", ["t99", "t1::casing#77"])
def test_on_xdist_it_is_the_same(project, text):
    project.test(SUITE)
    alone = project.run(f"--robust-case={text}").stderr.str()
    result = project.fresh("-n", "2", f"--robust-case={text}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [x for x in alone.splitlines() if x.startswith("ERROR")]
    assert result.stderr.str().count(line) == 1
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert not (project.path / ".robusttest" / "runs").exists()


def test_another_tests_case_skips_this_one(project):
    project.test(SUITE)
    project.run("--robust-case=a::b").assert_outcomes(passed=1, skipped=1)
    project.run("--robust-case=t1::whitespace#0").assert_outcomes(passed=1, skipped=1)
    project.run("--robust-case=a::b::casing#1", "--robust-case=t1").assert_outcomes(passed=2)


def test_evaluate_says_the_same(tmp_path):
    task = Task("t", cases=[{"id": "t1", "input": "some words", "target": "x"}], scorer="exact")
    how = {"model": "python:textwrap:dedent", "perturbations": ["casing"], "directory": tmp_path}
    for case, said in [
        ("t2", "case=t2: the task does not have such a case. Did you mean 't1'"),
        ("t1::casng#0", "Did you mean 'casing'"),
        ("t1::casing#77", "has no variant 'casing#77'"),
    ]:
        with pytest.raises(UsageError, match=said):
            evaluate(task, case=case, **how)
    assert len(evaluate(task, case="t1::casing#0", **how).records) == 2


def test_an_id_is_read_whole_before_it_is_parted():
    assert named_case("a::b", {"a": 1, "a::b": 1}) == ("a::b", None)
    assert named_case("a::b", {"a": 1}) == ("a", "b")
    assert named_case("a::b::k#0", {"a::b": 1}) == ("a::b", "k#0")
    assert named_case("b", {"a": 1}) is None
    task = Task("t", cases=[{"id": i, "input": i, "target": "x"} for i in ("a", "a::b")], scorer="exact")
    chosen = select_cases(task.cases, Settings(case=("a::b", "a::k#0", "a::k#1")))
    assert [(c.id, v) for c, v in chosen] == [("a", frozenset({"k#0", "k#1"})), ("a::b", None)]
