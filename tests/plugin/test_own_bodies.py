"""Tests with a body of their own: once for each variant, and what its outcome means."""

from __future__ import annotations

import json

import pytest


def test_the_body_runs_once_for_each_variant_with_the_users_fixtures(project):
    project.test("""
seen = []

@pytest.fixture(scope="module")
def database():
    yield "db"
    print("CLOSED", len(seen))

@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("PLACE", "here")
    return tmp_path

@robust(cases=CASES, perturbations=["casing"], variants=2, expect=[accuracy >= 0.6], limit=4)
def test_pipeline(database, variant, place, ask):
    import os, threading
    assert threading.current_thread() is threading.main_thread()
    assert os.environ["PLACE"] == "here" and database == "db" and place.is_dir()
    seen.append(variant.id)
    reply = ask(variant.input)
    assert reply.text == variant.target
    return reply.text

def test_after():
    assert seen == ["", "casing#0", "casing#1"] * 4
""")
    result = project.run("-s")
    result.assert_outcomes(passed=2)
    assert "CLOSED 12" in result.stdout.str()
    records = project.records()
    assert [r["answer"] for r in records][:3] == ["billing"] * 3
    assert {r["task"] for r in records} == {"test_pipeline"}


OUTCOMES = """
from robusttest import Answer

@robust(cases=[("text", "x")], expect={expect}, name="own")
def test_it(variant):
    {body}
"""


@pytest.mark.parametrize(
    ("body", "status", "score", "answer"),
    [
        ("pass", "ok", 1.0, "passed"),
        ("return True", "ok", 1.0, 1.0),
        ("return False", "ok", None, None),
        ("return 0.25", "ok", 0.25, 0.25),
        ("return 'Billing '", "ok", 1.0, "Billing"),
        ("return Answer('b', score=0.5)", "ok", 0.5, "b"),
        ("assert variant.input == 'y'", "ok", None, "failed"),
        ("pytest.fail('no')", "ok", None, "failed"),
    ],
)
def test_outcomes(project, body, status, score, answer):
    project.test(OUTCOMES.format(body=body, expect="['accuracy >= 0.2']"))
    result = project.run()
    result.assert_outcomes(**{"failed" if score is None else "passed": 1})
    (record,) = project.records()
    assert record.get("status", "ok") == status
    assert record["score"] == (score or 0.0)
    if answer is not None:
        assert record["answer"] == answer


def test_a_failed_assertion_is_rewritten_and_counted(project):
    project.test(OUTCOMES.format(body="assert variant.input == 'other'", expect="['accuracy >= 0.2']"))
    result = project.run()
    result.assert_outcomes(failed=1)
    (record,) = project.records()
    assert record["reason"].startswith("assert 'text' == 'other'")


def test_without_thresholds_a_failed_assertion_fails_the_test(project):
    project.test("""
@robust(cases=CASES, perturbations=["casing"], limit=3)
def test_it(variant):
    assert variant.input.islower()

@robust(cases=CASES, perturbations=["casing"], limit=3)
def test_measured(variant):
    return variant.input.islower()
""")
    result = project.run()
    result.assert_outcomes(failed=1, passed=1)
    assert "variants failed; expect=[…] says how many may" in result.stdout.str()


def test_a_skip_leaves_the_variant_out(project):
    project.test("""
@robust(cases=CASES, perturbations=["casing"], variants=2, min_coverage=0.3, expect=["accuracy >= 0.5"])
def test_it(variant):
    if variant.perturbation:
        pytest.skip("not today")
""")
    project.run().assert_outcomes(passed=1)
    skipped = [r for r in project.records() if r.get("perturbation")]
    assert {(r["status"], r["reason"]) for r in skipped} == {("skipped", "not today")}


def test_another_exception_is_an_error_of_the_variant_with_its_traceback(project):
    project.test("""
def deep(text):
    return {}[text]

@robust(cases=CASES, perturbations=["casing"], expect=["accuracy >= 0.5"])
def test_all(variant):
    deep(variant.input)

@robust(cases=CASES, perturbations=["casing"], expect=["accuracy >= 0.1"], min_coverage=0.1)
def test_some(variant):
    if variant.case.id == "t1":
        deep(variant.input)
""")
    result = project.run()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*return {}[[]text[]]", "E*KeyError*", "E*accuracy: results for*"])
    errors = [r for r in project.records() if r.get("status") == "error" and r["test"].endswith("test_some")]
    assert errors
    assert all("score" not in r and r["reason"].startswith("raised KeyError") for r in errors)


def test_a_wrong_return_value_is_said(project):
    project.test(OUTCOMES.format(body="return [1]", expect="[]"))
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["robusttest: a test's body returned '[[]1[]]' (list)*"])


def test_threads_by_choice(project):
    project.test("""
import threading
met = threading.Barrier(3, timeout=20)

@robust(cases=CASES, limit=3, concurrency=3, expect=["accuracy >= 0.2"])
def test_it(variant):
    met.wait()  # only three at once get past
    if variant.case.id == "t2": pytest.skip("skips work in threads")
""")
    project.run("--robust-min-coverage=0.5").assert_outcomes(passed=1)
    assert [r["case_id"] for r in project.records()] == ["t0", "t1", "t2"]


def test_async_bodies_run_at_once_without_any_plugin(project):
    project.test("""
import asyncio
gate = None

@robust(cases=CASES, limit=3, expect=["accuracy >= 0.2"])
async def test_it(variant, ask):
    global gate
    gate = gate or asyncio.Barrier(3)
    async with asyncio.timeout(20):
        await gate.wait()
    reply = await ask.acall(variant.input)
    assert reply.text == variant.target

@robust(cases=CASES, limit=3, expect=["accuracy >= 0.9"])
async def test_failing(variant):
    await asyncio.sleep(0)
    assert variant.case.id != "t1"

@robust(task, limit=3)
async def test_declared(result):
    await asyncio.sleep(0)
    assert result.accuracy.value == 1
""")
    result = project.run()
    result.assert_outcomes(passed=2, failed=1)
    assert [r["case_id"] for r in project.records() if r["test"].endswith("test_it")] == ["t0", "t1", "t2"]


def test_an_expectation_waits_for_the_reference(project):
    project.test("""
from robusttest import perturbation

def grow(text, rng):
    return text + " and more"

from robusttest.perturbations import make
from dataclasses import replace
other = replace(make(grow), expect="changes")

import asyncio
answered = set()

@robust(cases=CASES, perturbations=[other], limit=2, expect=["accuracy >= 0.1"])
async def test_it(variant):
    if not variant.perturbation:  # the reference answers last
        async with asyncio.timeout(20):
            while variant.case.id not in answered: await asyncio.sleep(0)
    answered.add(variant.original.id)
    return variant.input
""")

    project.run().assert_outcomes(passed=1)
    scores = [
        (r["case_id"], r.get("perturbation", ""), r["score"]) for r in project.records() if "score" in r
    ]
    assert scores == [(case, p, 1.0) for case in ("t0", "t1") for p in ("", "grow")]


def test_pytest_exit_and_keyboard_interrupt_end_the_session(project):
    project.test("""
@robust(cases=CASES)
def test_it(variant):
    pytest.exit("enough", returncode=7)
""")
    assert project.run().ret == 7


def test_classes_share_self_and_setup_method(project):
    project.test("""
class TestPipeline:
    def setup_method(self):
        self.seen = 0

    @robust(cases=CASES, limit=3)
    def test_it(self, variant):
        self.seen += 1
        assert self.seen <= 3

    @robust(cases=CASES, limit=2)
    async def test_coroutine(self, variant):
        assert self.seen == 0
""")
    project.run().assert_outcomes(passed=2)


def test_a_gate_of_the_users_rejects_variants_before_the_body_sees_them(project):
    project.test("""
from robusttest.perturbations import Validity

@robust(cases=CASES[:2], perturbations=["casing:upper", "whitespace"], variants=1,
        validity=Validity(similarity=lambda before, after: float(not after.isupper()), min_similarity=1))
def test_it(variant):
    assert not variant.input.isupper()
""")
    result = project.run()
    result.assert_outcomes(passed=1)
    rejected = [r for r in project.records() if r.get("status") == "rejected"]
    assert {(r["perturbation"], r["reason"]) for r in rejected} == {
        ("casing:upper", "similarity 0 is below 1")
    }
    result.stdout.fnmatch_lines(["*2 variants rejected: similarity 0 is below 1*"])


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("task, validity=Validity()", "put it into the Task"),
        ("cases=CASES, validity=0.8", "give Validity(similarity=…)"),
    ],
)
def test_a_gate_in_the_wrong_place_is_refused(project, mark, said):
    project.test(f"""
from robusttest.perturbations import Validity

@robust({mark})
def test_it(): pass
""")
    result = project.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert said in result.stdout.str()


def test_an_agent_that_is_run_several_times_has_pass_k_in_its_headline(project):
    """Four of twelve cases go wrong on their second run."""
    project.test("""
@robust(cases=CASES, perturbations=["repeat"], variants=2, expect=["pass^3 >= 0.5"], name="agent")
def test_agent(variant):
    return variant.id != "repeat#0" or int(variant.case.id[1:]) % 3 > 0
""")
    result = project.run("--robust-report=json:report.json")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*all 3 runs of a prompt on 67 %*", "*pass^3*"])
    (cell,) = json.loads((project.path / "report.json").read_text(encoding="utf-8"))["cells"]
    assert [round(m["value"], 3) for m in cell["metrics"] if m["metric"] == "pass^3"] == [0.667]
