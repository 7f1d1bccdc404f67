"""One outcome, pytest's, in every report: a matrix of endings, each told once, with and without workers."""

from __future__ import annotations

import json
import re

import pytest

ENDINGS = """
import unittest

@pytest.fixture
def broken(): raise RuntimeError("fixture broke")

@pytest.fixture
def late():
    yield
    raise RuntimeError("teardown broke")

def named(name): return Task(name, cases=CASES, prompt="Ticket: {input}", scorer=choice(["billing", "delivery", "account"]))

@robust(named("passes"), expect=[accuracy >= 0.9])
def test_passes(): ...
@robust(named("plain"))
def test_plain(): ...
@robust(named("missed"), models=["python:models:echo"], expect=[accuracy >= 0.9])
def test_missed(): ...
@robust(named("undefined"), perturbations=["casing"], expect=["consistency_icc >= 0.1"])
def test_undefined(): ...
@robust(named("body"), expect=[accuracy >= 0.9])
def test_body(result): assert result.accuracy.value > 2
@robust(named("raises"))
def test_raises(): raise KeyError("k")
@robust(named("setup"))
def test_setup(broken): ...
@robust(named("teardown"))
def test_teardown(late): ...
@pytest.mark.xfail(reason="known")
@robust(named("xfails"))
def test_xfails(): assert 0
@pytest.mark.xfail(reason="known")
@robust(named("xpasses"))
def test_xpasses(): ...
@pytest.mark.xfail(reason="known", strict=True)
@robust(named("strict"))
def test_strict(): ...
@pytest.mark.skip(reason="not today")
@robust(named("skipped"))
def test_skipped(): ...
@robust(named("skips"))
def test_skips(): pytest.skip("in the body")
@robust(named("xfails-in-body"))
def test_xfails_in_body(): pytest.xfail("in the body")
@robust(named("unittest"))
def test_unittest(): raise unittest.SkipTest("by unittest")
@robust(named("broken-model"), models=["python:models:broken"])
def test_broken_model(): ...
@robust(cases=CASES, perturbations=["casing"])
def test_own_fails(variant): assert variant.input.islower()
@robust(cases=CASES)
def test_own_raises(variant): raise KeyError("k")
@robust(cases=CASES, expect=[accuracy >= 0.9])
def test_own_skips(variant): pytest.skip("not here")
@robust(cases=CASES)
def test_own_skips_by_unittest(variant): raise unittest.SkipTest("nor here")
"""

EXPECTED = {
    "passes": "passed", "plain": "passed", "missed": "failed", "undefined": "error", "body": "failed", "raises": "failed",
    "setup": "error", "teardown": "error", "xfails": "xfailed", "xpasses": "xpassed", "strict": "failed", "skipped": "skipped",
    "skips": "skipped", "xfails-in-body": "xfailed", "unittest": "skipped", "broken-model": "error", "test_own_fails": "failed",
    "test_own_raises": "failed", "test_own_skips": "skipped", "test_own_skips_by_unittest": "skipped",
}  # fmt: skip


def told(project) -> dict[str, str]:
    report = json.loads((project.path / "r.json").read_text())
    names = [c["task"] for c in report["cells"]]
    assert len(names) == len(set(names)), "one outcome each"
    return {c["task"]: c["outcome"] for c in report["cells"]}


def counted(result) -> dict[str, int]:
    return result.parseoutcomes()


@pytest.mark.parametrize("flags", [(), ("-n", "2")], ids=["alone", "workers"])
def test_every_ending_is_what_pytest_says(project, flags):
    project.test(ENDINGS)
    reports = [f"--robust-report={k}:r.{k}" for k in ("json", "md", "html")]
    run = project.fresh if flags else project.run
    result = run(*reports, "--junitxml=j.xml", "-rA", *flags)
    assert told(project) == EXPECTED
    counts = counted(result)
    # A test that passes and whose teardown breaks is one passed and one error of pytest's, and an error of ours.
    assert counts["failed"] == list(EXPECTED.values()).count("failed")
    assert counts["skipped"] == list(EXPECTED.values()).count("skipped")
    assert counts["xfailed"] == list(EXPECTED.values()).count("xfailed")
    assert counts["xpassed"] == 1
    assert counts["errors"] == list(EXPECTED.values()).count("error")
    assert json.loads((project.path / "r.json").read_text())["run"]["complete"]
    page = (project.path / "r.md").read_text()
    assert re.match(r"# robusttest: 4 error, 6 failed, 1 xpassed, 2 xfailed, 5 skipped, 2 passed\n", page)
    for word in ("fixture broke", "teardown broke", "not today", "not here", "nor here"):
        assert word in page


def test_every_ending_is_the_same_with_reruns_in_random_order(project):
    pytest.importorskip("pytest_rerunfailures")
    pytest.importorskip("pytest_randomly")
    project.test(ENDINGS)
    flags = ("--reruns=1", "-p", "randomly", "--randomly-seed=7", "-p", "no:asyncio", "-p", "no:xdist")
    result = project.own_process("--robust-report=json:r.json", *flags)
    assert told(project) == EXPECTED
    counts = counted(result)
    assert counts["rerun"] > 0
    for pytests, ours in (
        ("failed", "failed"),
        ("skipped", "skipped"),
        ("xfailed", "xfailed"),
        ("errors", "error"),
    ):
        assert counts[pytests] == list(EXPECTED.values()).count(ours), ours


def test_what_did_not_run_is_told_and_the_run_is_not_complete(project):
    project.test(ENDINGS)
    project.run("--robust-report=json:r.json", "-x")
    outcomes = told(project)
    assert outcomes["missed"] == "failed"
    assert outcomes["own" if "own" in outcomes else "test_own_fails"] == "not_run"
    assert set(outcomes) == set(EXPECTED)
    assert not json.loads((project.path / "r.json").read_text())["run"]["complete"]


def test_what_is_deselected_is_not_told(project):
    project.test(ENDINGS)
    project.run("--robust-report=json:r.json", "-k", "test_passes or test_plain")
    assert told(project) == {"passes": "passed", "plain": "passed"}


@pytest.mark.parametrize("flags", [(), ("-n", "1")], ids=["alone", "worker"])
def test_a_failed_subtest_is_a_wrong_variant(project, flags):
    if int(pytest.__version__.partition(".")[0]) < 9:
        pytest.importorskip("pytest_subtests")
    project.test("""
@robust(cases=CASES, perturbations=["casing"], variants=1)
def test_own(variant, subtests):
    with subtests.test("lower"):
        assert variant.input.islower()
""")
    run = project.fresh if flags else project.run
    run("--robust-report=json:r.json", *flags)
    assert told(project) == {"test_own": "failed"}
    scores = [(r.get("variant", ""), r["score"]) for r in project.records()]
    assert len(scores) == 24
    assert {score for variant, score in scores if not variant} == {1.0}
    assert {score for variant, score in scores if variant} == {0.0}


def test_a_worker_that_dies_is_an_error_of_its_test(project):
    project.test("""
import os

@robust(cases=CASES)
def test_dies(variant):
    if variant.original.id == "t5":
        os._exit(3)

@robust(task)
def test_goes_on(): ...
""")
    result = project.fresh("--robust-report=json:r.json", "--robust-update-baseline", "-n", "1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert told(project) == {"test_dies": "error", "routing": "passed"}
    report = json.loads((project.path / "r.json").read_text())
    (dead,) = [c for c in report["cells"] if c["task"] == "test_dies"]
    assert "crashed" in dead["reason"]
    assert not report["run"]["complete"]
    assert not (project.path / "robust-baseline.json").exists(), "no baseline from the rest in silence"
    assert "robust-baseline.json was not updated" in result.stdout.str()


def test_a_rerun_that_passes_has_passed(project):
    pytest.importorskip("pytest_rerunfailures")
    project.test("""
import pathlib
COUNT = pathlib.Path(__file__).with_name("count")
@pytest.mark.flaky(reruns=2)
@robust(task)
def test_flaky():
    COUNT.write_text(COUNT.read_text() + "x" if COUNT.exists() else "x")
    assert len(COUNT.read_text()) > 1
""")
    result = project.own_process("-p", "no:randomly", "-p", "no:asyncio", "--robust-report=json:r.json")
    assert result.ret == 0
    assert told(project) == {"routing": "passed"}
