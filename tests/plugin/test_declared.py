"""Declared tasks: result, thresholds, policy, what a failing test says."""

from __future__ import annotations

import json
import re

import pytest


def test_a_model_that_holds_passes_with_a_body_or_without(project):
    project.test("""
@robust(task, perturbations=["casing"], expect=[accuracy >= 0.6, robust_accuracy >= 0.6])
def test_without(): ...

@robust(task, perturbations=["casing"], variants=2, expect=["accuracy >= 0.6"])
def test_with(result):
    assert result.accuracy.value == 1
    assert result["casing"].flip_rate.value == 0
    assert result.model == "python:models:steady"
    assert len(result.records) == 12 * 3
""")
    result = project.run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*= robustness =*", "*routing*PASSED"])
    assert all(r.get("score", 1) == 1 for r in project.records())


def test_a_missed_threshold_is_one_red_test_that_says_why(project):
    project.test("""
@robust(task, perturbations=["casing"], models=["python:models:route"], expect=[accuracy >= 0.6, robust_accuracy >= 0.75])
def test_routing(result): ...
""")
    result = project.run()
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    out = result.stdout.str()
    result.stdout.fnmatch_lines([
        "robust_accuracy 0.333 < 0.75 (n=12)",
        "robusttest: routing on python:models:route",
        "*failed*robust_accuracy >= 0.75*n=12*",
        "*passed*accuracy >= 0.6*",
        "*casing#0*billing → account*",
        "*pytest 'test_it.py::test_routing[[]python:models:route[]]' --robust-case='t*::casing#*'",
    ])  # fmt: skip
    assert "robusttest/plugin" not in out, "no frame of ours"
    assert "Traceback" not in out
    failure = out[out.index("= FAILURES =") : out.index("= robustness =")]
    assert failure.count("--robust-case") == 3, "the three worst, no more"
    summary = out[out.index("= short test summary info =") :]
    assert "FAILED test_it.py::test_routing[python:models:route] - robust_accuracy 0.333" in summary
    assert "--robust-case" not in out[out.index("= robustness =") :], "one failure is told once"


def test_without_pytests_failures_the_section_tells_them(project):
    project.test("""
@robust(task, perturbations=["casing"], models=["python:models:route"], expect=[robust_accuracy >= 0.75])
def test_routing(result): ...
""")
    out = project.run("--tb=no").stdout.str()
    assert out[out.index("= robustness =") :].count("--robust-case") == 3
    line = project.run("--tb=line").stdout.str()
    assert re.search(r"test_it\.py:\d+: robust_accuracy 0\.333 < 0\.75 \(n=12\)", line), "the user's file"


def test_the_replay_command_runs_that_variant_alone(project):
    project.test("""
@robust(task, perturbations=["casing", "whitespace"], models=["python:models:route"], expect=[robust_accuracy >= 0.75])
def test_routing(result):
    print("RAN", [(r.case_id, r.variant) for r in result.records])
""")
    result = project.run("--robust-case=t3::casing#0", "-s")
    assert "RAN [('t3', ''), ('t3', 'casing#0')]" in result.stdout.str()


def test_an_unknown_case_is_a_usage_error_and_one_of_another_test_skips(project):
    project.test("""
@robust(task)
def test_one(result): ...

@robust(Task("other", cases=[("a", "b")], scorer="exact"))
def test_two(result): ...
""")
    result = project.run("--robust-case=t33")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no collected test has such a case. Did you mean 't3'?" in result.stderr.str()
    project.run("--robust-case=t3").assert_outcomes(passed=1, skipped=1)


def test_a_failing_body_says_the_thresholds_too(project):
    project.test("""
@robust(task, perturbations=["casing"], models=["python:models:route"], expect=[robust_accuracy >= 0.75])
def test_routing(result):
    assert result.accuracy.value < 0.5, "the body's own word"
""")
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*the body's own word",
            "E*robust_accuracy 0.333 < 0.75 (n=12)",
            "E*failed*robust_accuracy >= 0.75*",
        ]
    )


def test_a_debugger_stops_in_the_users_file(project):
    (project.path / "stops.py").write_text("""
import pathlib
import pdb
class Stops(pdb.Pdb):
    def cmdloop(self, intro=None):
        with pathlib.Path(__file__).with_name("stops.txt").open("a") as f:
            f.write(f"{pathlib.Path(self.curframe.f_code.co_filename).name} {self.curframe.f_code.co_name}\\n")
            if self.curframe.f_code.co_name == "test_missed":
                assert self.curframe.f_locals["result"].robust_accuracy.value < 0.75
""")
    project.test("""
@robust(task, perturbations=["casing"], expect=[robust_accuracy >= 0.5])
def test_declared(result):
    assert result.accuracy.value == 2

@robust(cases=CASES[:2], perturbations=["casing"], variants=1)
def test_own(variant):
    assert variant.input.islower()

@robust(task, perturbations=["casing"], models=["python:models:route"], expect=[robust_accuracy >= 0.75])
def test_missed(): ...

@robust(task, perturbations=["casing"], expect=["consistency_icc >= 0.1"])
def test_undefined(result):
    assert result.accuracy.value == 1

class TestMethods:
    @robust(cases=CASES[:4], expect=["accuracy >= 0.9"])
    async def test_own_missed(self, variant):
        return variant.input == ""
""")
    result = project.run("--pdb", "--pdbcls=stops:Stops")
    result.assert_outcomes(failed=4, errors=1)
    stops = (project.path / "stops.txt").read_text().splitlines()
    names = ["test_declared", "test_own", "test_missed", "test_undefined", "test_own_missed"]
    assert stops == [f"test_it.py {name}" for name in names]
    lines = [x for x in project.run("--tb=line").outlines if re.match(r"\S*test_it\.py:\d+: ", x)]
    assert len(lines) == 4, "pytest writes an error in full"
    assert "assert 1.0 == 2" in lines[0]
    source = (project.path / "test_it.py").read_text().splitlines()
    at = [source[int(x.split("test_it.py:")[1].split(":")[0]) - 1] for x in lines]
    assert "variant.input.islower()" in at[1]
    assert "robust_accuracy >= 0.75" in at[2], "where the test begins: at what it expects"
    assert "accuracy >= 0.9" in at[3]


def test_only_and_skip(project):
    project.test("""
@robust(task, perturbations=["casing", "whitespace"], expect=["accuracy >= 0.6", "flip_rate[casing] <= 0.5"])
def test_both(result): print("HAS", result.perturbations, [str(t) for t in result.thresholds])

@robust(task, perturbations=["casing"])
def test_casing(result): ...
""")
    result = project.run("--robust-skip=casing", "-s")
    result.assert_outcomes(passed=1, skipped=1)
    assert "HAS ('whitespace',) ['accuracy >= 0.6']" in result.stdout.str()
    assert "'flip_rate[casing] <= 0.5' is not judged" in " ".join(result.stdout.str().split())


SMALL = """
@robust(task, perturbations=["casing"], models=["python:models:route"], expect=[accuracy["casing"] >= 0.45])
def test_straddling(result): ...
"""


@pytest.mark.parametrize(
    ("policy", "outcome"), [("pass", "passed"), ("fail", "failed"), ("xfail", "xfailed"), ("point", None)]
)
def test_inconclusive_policy(project, policy, outcome):
    project.test(SMALL)
    result = project.run(f"--robust-inconclusive={policy}", "--robust-limit=6", "-rx")
    if outcome is None:  # the estimate decides, and the text says that it is not settled
        assert "not settled" in " ".join(result.stdout.str().split())
    else:
        result.assert_outcomes(**{outcome: 1})
        assert "inconclusive" in result.stdout.str()


def test_calls_that_fail_are_an_error_not_a_wrong_answer(project):
    project.test("""
@robust(task, perturbations=["casing"], models=["python:models:broken"], expect=[accuracy >= 0.5])
def test_broken(result):
    raise RuntimeError("the body must not run")

@robust(task, models=["python:models:broken"])
def test_without_thresholds(): ...
""")
    result = project.run()
    result.assert_outcomes(errors=2)
    out = result.stdout.str()
    assert "the body must not run" not in out
    result.stdout.fnmatch_lines(["*nothing to judge*", "*no weights*"])
    assert {r["status"] for r in project.records()} <= {"error", "not_applicable"}
    assert not any("score" in r for r in project.records())


def test_cannot_pass_is_said_before_any_call(project):
    project.test("""
@robust(task, perturbations=["casing"], expect=[accuracy >= 0.99])
def test_it(result): print("BODY")
""")
    out = project.run("-s").stdout.str()
    said = out.index("'accuracy >= 0.99' cannot pass with confidence with 12 cases")
    assert said < out.index("BODY")


def test_default_thresholds_of_the_ini_file(project):
    project.test("""
@robust(task, perturbations=["casing"], models=["python:models:route"])
def test_default(): ...

@robust(task, perturbations=["casing"], models=["python:models:route"], expect=["accuracy >= 0.5"])
def test_own(): ...
""")
    result = project.run("-o", "robust_expect=robust_accuracy >= 0.7")
    result.assert_outcomes(passed=1, failed=1)


def test_a_python_perturbation_of_the_users(project):
    project.test("""
from robusttest import perturbation

def shout(text, rng):
    return text.upper() + "!"

@robust(task, perturbations=[shout], models=["python:models:route"], expect=["flip_rate[shout] <= 0.1"])
def test_shout(result): ...
""")
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*flip_rate[[]shout[]] <= 0.1*"])


def test_no_task_data_reaches_ids_or_markup_unescaped(project):
    project.test("""
EVIL = Task("evil", cases=[{"id": "x", "input": "\\x1b[31mred", "target": "b"}] * 1, prompt="{input}")
@robust(EVIL, models=["python:models:echo"], expect=["accuracy >= 0.9"])
def test_evil(): ...
""")
    result = project.run("--color=no")
    result.assert_outcomes(failed=1)
    assert "\x1b" not in result.stdout.str()


def test_the_replay_command_works_from_where_pytest_was_started(project, monkeypatch):
    project.test("""
@robust(task, perturbations=["casing"], models=["python:models:route"], expect=[robust_accuracy >= 0.75])
def test_it(): ...
""")
    (project.path / "sub").mkdir()
    monkeypatch.chdir(project.path / "sub")
    out = project.run("..").stdout.str()
    assert "pytest '../test_it.py::test_it[python:models:route]' --robust-case=" in out
    monkeypatch.chdir(project.path)
    assert {r["test"] for r in project.records()} == {"test_it.py::test_it"}, (
        "a record's test does not depend on it"
    )


def test_a_task_of_several_prompts_is_an_item_for_each(project):
    project.test("""
several = Task("several", cases=CASES, scorer=choice(["billing", "delivery", "account"]),
               prompts={"short": "{input}", "long": "Route it: {input}"})

@robust(several, perturbations=["casing"], variants=1, models=["python:models:steady"])
def test_prompts(result):
    assert result.task == f"several [{result.records[0].prompt}]"
""")
    project.run("-v").stdout.fnmatch_lines(
        [
            "*::test_prompts[[]python:models:steady-short[]]*",
            "*::test_prompts[[]python:models:steady-long[]]*",
        ]
    )
    rows = project.records()
    assert {(r["task"], r["prompt"], r["test"]) for r in rows} == {
        ("several [short]", "short", "test_it.py::test_prompts"),
        ("several [long]", "long", "test_it.py::test_prompts"),
    }
    one = project.run("-v", "--robust-prompt=long").stdout.str()
    assert "steady-short" not in one
    wrong = project.run("--robust-prompt=lnog")
    wrong.stdout.fnmatch_lines(["*unknown prompt 'lnog'. Did you mean 'long'*"])


def test_a_body_that_returns_is_no_assertion(project):
    """pytest refuses it of its own tests, too: what was to be asserted would be green whatever it is."""
    project.test("""
@robust(task)
def test_returns(result): return result.accuracy.value > 2

@robust(task)
async def test_returns_late(result): return False
""")
    result = project.run()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*Expected None, but test_returns returned False: write assert*"])
    result.stdout.fnmatch_lines(["*Expected None, but test_returns_late returned False*"])


def test_a_threshold_on_what_acts_on_no_case_says_so(project):
    project.test("""
@robust(task, perturbations=["casing", "json_keys"], expect=[flip_rate["json_keys"] <= 0.1])
def test_it(): ...
""")
    project.run().stdout.fnmatch_lines(
        ["*flip_rate[[]json_keys[]] is undefined: json_keys acts on no case; it takes cases that it acts on*"]
    )


def test_what_a_body_raises_is_no_failed_call(project):
    project.test("""
@robust(cases=CASES, models=["python:models:steady"], expect=["accuracy >= 0.5"])
def test_raises(variant, ask):
    ask(variant.input)
    raise KeyError("k")

@robust(cases=CASES, models=["python:models:broken"], expect=["accuracy >= 0.5"])
def test_fails(variant, ask):
    ask(variant.input)
""")
    out = re.sub(r"\s+", " ", project.run("-v", "--robust-report=json:r.json").stdout.str())
    assert "0 % of the planned variants have a result" in out
    assert "12 exceptions: KeyError: 'k'" in out
    assert "0 % of the planned calls replied" in out
    assert "12 failed calls: python:models:broken raised ValueError: no weights" in out
    assert "the call of t0: python:models:broken raised" in out
    assert "the call of t0: KeyError" not in out
    cells = json.loads((project.path / "r.json").read_text())["cells"]
    assert {c["task"]: c["counts"] for c in cells} == {
        "test_raises": {"raised": 12},
        "test_fails": {"error": 12},
    }
