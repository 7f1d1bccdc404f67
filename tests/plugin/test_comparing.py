"""``--robust-baseline``, ``--robust-update-baseline``, ``--robust-fail-on``: a regressed test is a failed test."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
import xml.etree.ElementTree as ET

import pytest

# Loaded once out here, as in conftest.py.
import robusttest.compare.against
import robusttest.report.markdown
import robusttest.report.told
import robusttest.run.baseline
import robusttest.store.baseline
import robusttest.store.versions  # noqa: F401
from robusttest.store import read_run

TESTS = """
@robust(task, perturbations=["casing"], variants=3)
def test_routing(): pass

@robust(task, perturbations=["whitespace"], variants=2)
def test_other(): pass
"""
BASELINE = "robust-baseline.json"


def swap(project, body: str) -> None:
    """Another version of the model, under the same name."""
    source = (project.path / "models.py").read_text(encoding="utf-8")
    (project.path / "models.py").write_text(
        re.sub(r"def steady\(prompt\):\n.*\n", f"def steady(prompt):\n    {body}\n", source), encoding="utf-8"
    )
    import importlib
    import sys

    importlib.invalidate_caches()
    sys.modules.pop("models", None)


def worse(project) -> None:
    """Right only where the key word stands in small letters: casing breaks it, whitespace does not."""
    swap(project, "return route(prompt)")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Where the first `based` leaves its folder for the others."""
    return tmp_path_factory.mktemp("made") / "project"


@pytest.fixture
def based(project, made):
    """A project with a baseline of a model that casing does not disturb."""
    if made.exists():
        shutil.copytree(made, project.path, dirs_exist_ok=True)
        return project
    project.test(TESTS)
    result = project.run("--robust-update-baseline")
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"wrote {BASELINE}"])
    shutil.copytree(project.path, made)
    return project


def test_the_same_model_again_is_no_worse(based):
    result = based.run("--robust-baseline", "--robust-fail-on=regression")
    assert result.ret == 0
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["against robust-baseline.json (*: 2 undecided"])
    result.stdout.no_fnmatch_line("*REGRESSED*")
    result.stdout.fnmatch_lines(["*identical on 12 cases; a true net change beyond*"])


def test_without_fail_on_a_regression_is_told_and_nothing_fails(based):
    worse(based)
    result = based.run("--robust-baseline", "--robust-replies=off")
    assert result.ret == 0
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*1 regressed, 1 undecided*", "*REGRESSED: routing*", "*broke: 8 cases*"])


@pytest.mark.parametrize("workers", [False, True])
def test_a_regressed_test_is_a_failed_test(based, workers):
    """On xdist against ``latest``: the run before, not the one whose file is open by then."""
    worse(based)
    args = ("--robust-fail-on=regression", "--robust-replies=off")
    if workers:
        result = based.fresh("--robust-baseline=latest", *args, "-n2")
    else:
        result = based.run("--robust-baseline", *args)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*= FAILURES =*",
            "*test_routing*",
            "robusttest: regressed against * (--robust-fail-on=regression)",
            "*broke: 8 cases*",
            "*= robustness =*",
            "against *: 1 regressed, 1 undecided",
            "FAILED test_it.py::test_routing*",
        ]
    )
    assert not [x for x in result.stdout.lines if x.startswith("FAILED") and "test_other" in x]
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_a_margin_forgives(based):
    swap(based, "return route(prompt.lower()) if 'number 3' not in prompt else 'none'")
    strict = based.run("--robust-baseline", "--robust-fail-on=regression:0.9", "--robust-replies=off")
    assert strict.ret == 0
    worse(based)
    gated = based.run("--robust-baseline", "--robust-fail-on=regression:0.99", "--robust-replies=off")
    assert gated.ret == 0


def test_undecided_fails_where_it_is_asked_to(based):
    result = based.run("--robust-baseline", "--robust-fail-on=undecided")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["robusttest: undecided against robust-baseline.json*"])


def test_a_failed_test_is_failed_once(based):
    based.test(TESTS.replace("variants=3)", "variants=3, expect=[robust_accuracy >= 0.9])"))
    worse(based)
    result = based.run("--robust-baseline", "--robust-fail-on=regression", "--robust-replies=off")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*accuracy * (n=*"])


def test_a_test_that_is_expected_to_fail_is_not_failed(based):
    based.test("@pytest.mark.xfail(strict=False)\n" + TESTS.lstrip())
    worse(based)
    result = based.run("--robust-baseline", "--robust-fail-on=regression", "--robust-replies=off")
    assert result.ret == 0
    result.assert_outcomes(xpassed=1, passed=1)
    result.stdout.fnmatch_lines(["*1 regressed*"])


def test_last_failed_and_junit_know_of_it(based):
    worse(based)
    args = ("--robust-baseline", "--robust-fail-on=regression", "--robust-replies=off", "--junitxml=out.xml")
    result = based.own_process("-p", "no:randomly", "-p", "no:asyncio", *args)
    assert result.ret == 1
    suite = ET.parse(based.path / "out.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    failed = {case.get("name"): case for case in suite.iter("testcase")}
    assert len(failed) == len(list(suite.iter("testcase"))) == 2
    text = failed["test_routing[python:models:steady]"].find("failure")
    assert text is not None
    assert "regressed against" in (text.text or "") + (text.get("message") or "")
    assert failed["test_other[python:models:steady]"].find("failure") is None
    assert float(failed["test_routing[python:models:steady]"].get("time", "0")) > 0
    again = based.own_process("-p", "no:randomly", "-p", "no:asyncio", "--lf", "--collect-only", "-q")
    assert "test_routing" in again.stdout.str()
    assert "test_other" not in again.stdout.str()


def test_without_a_terminal_the_exit_code_says_it(based):
    worse(based)
    result = based.run(
        "--robust-baseline", "--robust-fail-on=regression", "--robust-replies=off", "-p", "no:terminal"
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_reports_hold_the_comparison(based):
    worse(based)
    result = based.run(
        "--robust-baseline",
        "--robust-replies=off",
        "--robust-report=json:out.json",
        "--robust-report=md:out.md",
    )
    assert result.ret == 0
    data = json.loads((based.path / "out.json").read_text(encoding="utf-8"))
    assert [c["verdict"] for c in data["comparison"]["cells"]] == ["regressed", "undecided"]
    assert "## Against robust-baseline.json" in (based.path / "out.md").read_text(encoding="utf-8")


def test_quiet_says_it_in_the_line(based):
    worse(based)
    result = based.run("--robust-baseline", "--robust-replies=off", "-q")
    result.stdout.fnmatch_lines(["robustness: *1 regressed, 1 undecided*"])


def test_a_stored_run_is_a_baseline_too(based):
    worse(based)
    for ref in ("latest", "v1"):
        first = based.run("--robust-label=v1", "--robust-replies=off", f"--robust-baseline={BASELINE}")
        assert first.ret == 0
        result = based.run(f"--robust-baseline={ref}", "--robust-replies=off")
        assert result.ret == 0
        result.stdout.fnmatch_lines(
            ["against *(*v1*: 2 undecided" if ref == "latest" else "against v1 (*: 2 undecided"]
        )


# writing


def test_an_update_keeps_what_did_not_run(based):
    before = (based.path / BASELINE).read_text(encoding="utf-8")
    worse(based)
    result = based.run("--robust-update-baseline", "--robust-replies=off", "-k", "routing")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*keeps 1 test that did not run*", f"wrote {BASELINE}"])
    after = (based.path / BASELINE).read_text(encoding="utf-8")
    changed = [b for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert 8 <= len(changed) <= 9, "the cases of one test, and perhaps the second it was made in"
    assert based.run("--robust-baseline", "--robust-fail-on=regression", "--robust-replies=off").ret == 0


def test_an_update_of_the_same_run_changes_no_case(based):
    before = (based.path / BASELINE).read_text(encoding="utf-8").splitlines()
    assert based.run("--robust-update-baseline").ret == 0
    after = (based.path / BASELINE).read_text(encoding="utf-8").splitlines()
    assert [b for a, b in zip(before, after, strict=True) if a != b and '"created"' not in b] == []


def test_comparing_and_updating_at_once_compares_with_the_old_one(based):
    worse(based)
    args = ("--robust-baseline", "--robust-update-baseline", "--robust-replies=off")
    based.run(*args).stdout.fnmatch_lines(["*1 regressed*"])
    based.run(*args).stdout.fnmatch_lines(["against * 2 undecided"])


def test_a_run_that_was_stopped_updates_nothing(based):
    before = (based.path / BASELINE).read_bytes()
    based.test(TESTS + "\ndef test_zz_stop(): assert False\ndef test_zzz(): pass\n")
    result = based.run("--robust-update-baseline", "-x")
    result.stdout.fnmatch_lines(["*was not updated: the run did not end*"])
    assert (based.path / BASELINE).read_bytes() == before


def test_a_broken_baseline_is_written_anew_and_it_says_so(based):
    (based.path / BASELINE).write_text("<<<<<<< HEAD\n{}\n")
    result = based.run("--robust-update-baseline")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*written anew*merge-conflict markers*"])
    assert based.run("--robust-baseline").ret == 0


# what can carry a baseline, and what it can show


def test_an_update_says_what_the_baseline_can_show(based):
    result = based.run("--robust-update-baseline")
    said = re.sub(r"\s+", " ", result.stdout.str())
    assert (
        "robust-baseline.json: the smallest drop in routing · test_it.py::test_other · python:models:steady that"
        in said
    )
    assert (
        "can show against it is 16.7 points: 6 cases that each lose a variant (12 cases × 3 variants)" in said
    )


def test_an_update_tells_how_often_the_baseline_disagrees_with_itself(based):
    edited(based, 'perturbations=["casing"]', 'perturbations=["casing", "repeat"]')
    swap(based, "import random; return route(prompt.lower()) if random.random() < .5 else 'none'")
    args = ("--robust-update-baseline=force", "--robust-replies=off", "-k", "routing")
    result = based.run(*args)
    told = re.search(
        r"disagrees with itself on (\d+) of 36 repeats", re.sub(r"\s+", " ", result.stdout.str())
    )
    assert told is not None
    assert 6 <= int(told[1]) <= 30


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no weights')", "has replies to 0 of 36 variants"),
        ("return 'I cannot tell.'", "36 of 36 replies are unreadable"),
    ],
)
def test_a_run_that_can_not_carry_a_baseline_writes_none(based, body, said):
    before = (based.path / BASELINE).read_bytes()
    swap(based, body)
    result = based.run("--robust-update-baseline", "--robust-replies=off")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = re.sub(r"\s+", " ", result.stdout.str())
    assert "robust-baseline.json was not written" in text
    assert said in text
    assert (based.path / BASELINE).read_bytes() == before
    forced = based.run("--robust-update-baseline=force", "--robust-replies=off")
    assert (based.path / BASELINE).read_bytes() != before
    forced.stdout.fnmatch_lines([f"wrote {BASELINE}"])


def test_a_recorded_table_is_a_baseline_too(based):
    lines = ["model,task,case_id,variant,perturbation,score"]
    for i in range(12):
        lines += [f"m,routing,t{i},{v},{v.partition('#')[0]},1" for v in ("", "casing#0", "casing#1")]
    (based.path / "table.csv").write_text("\n".join(lines), encoding="utf-8")
    result = based.run("--robust-baseline=table.csv", "--robust-fail-on=regression", "-k", "routing")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        ["*does not cover this run: 0 of 36*", "*without a record of the input on one side*"]
    )


def test_a_recorded_table_that_knows_the_inputs_is_paired_with_the_run(based):
    (path,) = based.runs()
    stored = [r for r in read_run(path).records if r.test == "test_it.py::test_routing"]
    names = ("model", "task", "case_id", "variant", "perturbation", "input_hash", "target", "answer", "score")
    for table, wrong in (("better.csv", ()), ("worse.csv", ("t1", "t2", "t3", "t4", "t5", "t6", "t7"))):
        with (based.path / table).open("w", encoding="utf-8", newline="") as f:
            out = csv.writer(f)
            out.writerow(names)
            for r in stored:
                out.writerow([*(getattr(r, name) for name in names[:-1]), int(r.case_id not in wrong)])
    worse(based)
    flags = ("--robust-fail-on=regression", "--robust-replies=off", "-k", "routing")
    result = based.run("--robust-baseline=better.csv", *flags)
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*against better.csv*: 1 regressed*"])
    assert "0 of" not in result.stdout.str()
    better = based.run("--robust-baseline=worse.csv", *flags)
    better.assert_outcomes(passed=1, deselected=1)
    better.stdout.fnmatch_lines(["*against worse.csv*: 1 undecided*", "*3 broke and 7 were fixed*"])


# what is refused, before a call


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--robust-baseline",), "there is no baseline"),
        (("--robust-baseline=other.json",), "there is no baseline"),
        (("--robust-baseline=v9",), "no run 'v9'"),
        (("--robust-baseline", "test_it.py"), "put the tests first"),
        (("--robust-baseline", "."), "put the tests first"),
        (("--robust-fail-on=regression",), "add --robust-baseline"),
        (("--robust-update-baseline", "--robust-case=t1"), "would leave one case"),
        (("--robust-update-baseline", "test_it.py"), "put the tests first"),
        (("--robust-baseline=broken.json",), "merge-conflict markers"),
        (("--robust-baseline=cut.json",), "cut off in line"),
        (("--robust-baseline=newer.json",), "newer robusttest"),
    ],
)
def test_a_baseline_that_can_not_be_used_is_a_usage_error(project, args, said):
    project.test(TESTS)
    (project.path / "broken.json").write_text('{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> b\n}')
    (project.path / "cut.json").write_text('{"kind": "robusttest-baseline",\n"schema_ver')
    (project.path / "newer.json").write_text('{"kind": "robusttest-baseline", "schema_version": 99}')
    result = project.run(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()
    assert "Traceback" not in result.stderr.str()
    assert not project.runs()


def test_a_gate_in_the_ini_file_waits_for_a_baseline(based):
    worse(based)
    ini = ("-o", "robust_fail_on=regression", "--robust-replies=off")
    assert based.run(*ini).ret == 0
    assert based.run(*ini, "--robust-baseline").ret == 1
    wrong = based.run("-o", "robust_fail_on=worse")
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    assert "write regression" in wrong.stderr.str()


def test_with_workers_it_is_the_same_usage_error(project):
    project.test(TESTS)
    result = project.fresh("--robust-baseline=absent.json", "-n1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().count("there is no baseline") == 1
    assert "INTERNALERROR" not in result.stdout.str()


def test_a_session_without_robust_tests_reads_no_baseline(project):
    (project.path / "test_plain.py").write_text("def test_plain(): pass\n")
    for ini in ("robust_baseline=robust-baseline.json", "robust_fail_on=regression"):
        result = project.run("-o", "robust_baseline=robust-baseline.json", "-o", ini)
        assert result.ret == 0
        assert "robust" not in result.stdout.str().partition("collected")[2]


def test_a_baseline_of_another_task_fails_the_gate_and_says_so(based):
    text = (based.path / BASELINE).read_text(encoding="utf-8")
    (based.path / BASELINE).write_text(
        text.replace('"routing"', '"sentiment"').replace("test_it.py::", "test_else.py::")
    )
    said = ["*nothing to compare: robust-baseline.json*'sentiment'*'routing'*"]
    told = based.run("--robust-baseline")
    assert told.ret == 0
    told.stdout.fnmatch_lines(said)
    gated = based.run("--robust-baseline", "--robust-fail-on=regression")
    assert gated.ret == pytest.ExitCode.TESTS_FAILED
    gated.assert_outcomes(failed=2)
    gated.stdout.fnmatch_lines(said)
    cells = read_run(max(based.runs(), key=lambda p: p.stat().st_mtime_ns)).cells
    assert [c.outcome for c in cells] == ["failed", "failed"]
    assert all("nothing to compare" in (c.reason or "") for c in cells)


@pytest.mark.parametrize("plugin", ["pytest_html", "pytest_jsonreport"])
def test_other_reports_list_one_outcome_of_a_gated_test(based, plugin):
    pytest.importorskip(plugin)
    worse(based)
    flags = {
        "pytest_html": ("-p", "pytest_metadata.plugin", "-p", "pytest_html.plugin", "--html=r.html", "--self-contained-html"),
        "pytest_jsonreport": ("-p", "pytest_metadata.plugin", "-p", "pytest_jsonreport.plugin", "--json-report", "--json-report-file=r.json"),
    }  # fmt: skip
    args = ("--robust-baseline", "--robust-fail-on=regression", "--robust-replies=off")
    assert based.run(*args, *flags[plugin]).ret == 1
    told = ("test_it.py::test_routing[python:models:steady]", "test_it.py::test_other[python:models:steady]")
    if plugin == "pytest_html":
        page = (based.path / "r.html").read_text(encoding="utf-8")
        found = re.search('data-jsonblob="([^"]*)"', page)
        assert found is not None
        tests = json.loads(html.unescape(found[1]))["tests"]
        assert [[t["result"] for t in tests[node]] for node in told] == [["Failed"], ["Passed"]]
        assert "1 Failed," in page
        assert "1 Passed," in page
    else:
        data = json.loads((based.path / "r.json").read_text(encoding="utf-8"))
        assert {t["nodeid"]: t["outcome"] for t in data["tests"]} == dict(
            zip(told, ("failed", "passed"), strict=True)
        )
        assert (data["summary"]["failed"], data["summary"]["passed"]) == (1, 1)


def edited(project, old: str, new: str) -> None:
    source = (project.path / "test_it.py").read_text(encoding="utf-8")
    assert old in source
    (project.path / "test_it.py").write_text(source.replace(old, new), encoding="utf-8")


def test_a_broken_prompt_does_not_pass_the_gate(based):
    """The same tickets put by another prompt are compared: that is what a change of a prompt is gated for."""
    edited(based, "Ticket: {input}", "Say nothing of: {input}")
    swap(based, "return route(prompt.lower()) if prompt.startswith('Ticket') else 'none'")
    result = based.run("--robust-baseline", "--robust-fail-on=regression")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*broke: 12 cases*", "*note: another prompt: the same inputs were put otherwise then"]
    )


def test_a_better_prompt_is_compared_too(based):
    edited(based, "Ticket: {input}", "A ticket: {input}")
    result = based.run("--robust-baseline", "--robust-fail-on=regression")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*identical on 12 cases*", "*note: another prompt*"])
    same = based.run("--robust-baseline=latest", "--robust-fail-on=regression")
    same.stdout.no_fnmatch_line("*another prompt*")


@pytest.mark.parametrize("workers", [False, True])
def test_a_gate_that_compares_too_little_is_red(based, workers):
    """Other tickets under the same ids: nothing says that the new version is no worse."""
    edited(
        based,
        "for i in range(12)",
        'for i in range(12) if i < 4] + [{"id": f"t{i}", "input": f"other refund {i}", "target": "billing"} for i in range(4, 12)',
    )
    args = ("--robust-baseline", "--robust-fail-on=regression")
    result = based.fresh(*args, "-n2") if workers else based.run(*args)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*the baseline does not cover this run: 12 of 36 variants that it holds were compared",
            "*not compared: * whose input or options changed*",
        ]
    )


def test_a_gate_at_half_of_it_goes_by_the_verdict(based):
    edited(based, "for i in range(12)", "for i in range(6)")
    assert based.run("--robust-baseline", "--robust-fail-on=regression").ret == 0
    edited(based, "for i in range(6)", "for i in range(5)")
    assert based.run("--robust-baseline", "--robust-fail-on=regression").ret == 1


def test_the_version_that_a_model_declares_is_kept_and_told(project):
    source = project.path / "models.py"
    text = source.read_text(encoding="utf-8")

    def declare(version: int) -> None:
        source.write_text(
            f"from robusttest import model\n{text}\nsteady = model(version={version})(steady)\n",
            encoding="utf-8",
        )

    project.test(TESTS)
    declare(6)
    assert project.run("--robust-update-baseline").ret == 0
    assert '"python:models:steady": "6"' in (project.path / BASELINE).read_text(encoding="utf-8")
    declare(7)
    result = project.run("--robust-baseline", "--robust-report=json:out.json")
    result.stdout.fnmatch_lines(["against robust-baseline.json (version 6, *"])
    assert json.loads((project.path / "out.json").read_text(encoding="utf-8"))["run"]["model_versions"] == {
        "python:models:steady": "7"
    }
