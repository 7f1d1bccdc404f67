"""``--robust-adaptive`` in real pytest runs: declared tasks, own bodies, workers, what is told and stored."""

from __future__ import annotations

import json

import pytest

MANY = 'CASES = [{**c, "id": f"{c[\'id\']}-{j}", "input": f"{c[\'input\']} again {j}"} for j in range(25) for c in CASES]\n'

DECLARED = (
    MANY
    + """
big = Task("big", cases=CASES, prompt="Ticket: {input}", scorer=choice(["billing", "delivery", "account"]))

@robust(big, perturbations=["casing"], variants=2, concurrency=1, expect=[accuracy >= 0.9])
def test_declared(result): ...
"""
)
BODY = """
@robust(cases=CASES, perturbations=["casing"], variants=2, expect=[accuracy >= 0.9]{more})
{kind} test_body(variant, ask):
    assert {ask}.text == variant.target
"""


def cells(project) -> list[dict[str, object]]:
    return json.loads((project.path / "r.json").read_text(encoding="utf-8"))["cells"]


def test_a_declared_task_stops_when_it_is_decided(project):
    project.test(DECLARED)
    result = project.run("--robust-adaptive", "--robust-report=json:r.json", "--robust-replies=off")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*every threshold decided after 43 of 300 cases; about 771 of 900*"])
    (cell,) = cells(project)
    assert cell["n_cases"] == 43
    assert cell["adaptive"]["decided"] is True
    assert {e["method"] for e in cell["metrics"] if e["low"] is not None} == {"confidence sequence"}
    assert len({r["case_id"] for r in project.records()}) == 43


def test_without_the_flag_it_runs_in_full(project):
    project.test(DECLARED)
    project.run("--robust-report=json:r.json", "--robust-replies=off").assert_outcomes(passed=1)
    (cell,) = cells(project)
    assert cell["n_cases"] == 300
    assert "adaptive" not in cell


def test_the_decorator_and_the_ini_file_say_so_too(project):
    project.test(DECLARED.replace("concurrency=1,", "concurrency=1, adaptive=True, max_cases=20,"))
    result = project.run("--robust-report=json:r.json", "--robust-replies=off", "--robust-inconclusive=fail")
    result.assert_outcomes(failed=1)
    (cell,) = cells(project)
    assert (cell["n_cases"], cell["verdicts"][0]["status"]) == (20, "inconclusive")
    assert cell["verdicts"][0]["cases_needed"] == 43
    project.test(DECLARED)
    project.run("-o", "robust_adaptive=true", "--robust-report=json:r.json", "--robust-replies=off")
    assert cells(project)[0]["n_cases"] == 43


def test_a_refused_metric_runs_in_full_and_says_so(project):
    project.test(DECLARED.replace("[accuracy >= 0.9]", "[accuracy >= 0.9, 'spread <= 0.5']"))
    result = project.run(
        "--robust-adaptive", "--robust-report=json:r.json", "--robust-replies=off", "--robust-limit=50"
    )
    result.stdout.fnmatch_lines(["*not adaptive, every case is run: 'spread <= 0.5' can't be decided*"])
    (cell,) = cells(project)
    assert cell["n_cases"] == 50
    assert "adaptive" not in cell


def test_too_few_cases_are_said_before_any_call(project):
    project.test(DECLARED)
    result = project.run("--robust-adaptive", "--robust-limit=42", "--robust-replies=off")
    result.stdout.fnmatch_lines(
        ["*'accuracy >= 0.9' cannot pass with confidence with 42 cases*43 cases are needed*"]
    )


@pytest.mark.parametrize(
    ("kind", "ask", "more", "cases"),
    [
        ("def", "ask(variant.input)", "", 44),
        ("def", "ask(variant.input)", ", concurrency=6", 44),
        ("async def", "(await ask.acall(variant.input))", "", 44),
    ],
)
def test_a_body_of_its_own_stops_as_well(project, kind, ask, more, cases):
    project.test(MANY + BODY.format(kind=kind, ask=ask, more=more))
    result = project.run(
        "--robust-adaptive", "--robust-concurrency=6", "--robust-report=json:r.json", "--robust-replies=off"
    )
    result.assert_outcomes(passed=1)
    (cell,) = cells(project)
    assert cell["n_cases"] == cases, "rounds of two"
    assert cell["adaptive"]["of"] == "variant"


def test_workers_find_the_same(project):
    project.test(DECLARED + BODY.format(kind="def", ask="ask(variant.input)", more=""))
    options = ("--robust-adaptive", "--robust-report=json:r.json", "--robust-replies=off")
    project.fresh(*options, "-p", "no:xdist").assert_outcomes(passed=2)
    alone = cells(project)
    project.fresh(*options, "-n", "2").assert_outcomes(passed=2)
    assert [(c["task"], c["adaptive"], c["metrics"]) for c in cells(project)] == [
        (c["task"], c["adaptive"], c["metrics"]) for c in alone
    ]


@pytest.mark.parametrize(
    "flags", [["--robust-update-baseline"], ["--robust-baseline", "--robust-fail-on=regression"]]
)
def test_a_baseline_needs_every_case(project, flags):
    project.test(DECLARED)
    result = project.run("--robust-adaptive", *flags)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "needs every case, and --robust-adaptive stops on what it sees" in result.stderr.str()
