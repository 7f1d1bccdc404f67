"""``--robust-shrink`` and what is kept of failing variants, in real runs."""

from __future__ import annotations

import json

import pytest

TEST = """
TEXT = "please send my refund to this account, where I can see it today"
shouted = Task("shouted", cases=[{"id": "a", "input": TEXT, "target": "billing"}, *CASES[:4]], prompt="{input}",
               scorer=choice(["billing", "delivery", "account"]))

@robust(shouted, perturbations=["casing:upper", "whitespace"], variants=1, expect=[accuracy >= 0.9, flip_rate["casing"] <= 0.1])
def test_shout(): pass
"""
ROUTE = ("-o", "robust_model=python:models:route")


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_the_report_shows_the_smallest_edits(project, workers):
    project.test(TEST)
    run = project.fresh if workers else project.run
    plain = project.run(*ROUTE)
    plain.assert_outcomes(failed=1)
    before = project.records()
    project.runs()[0].unlink()
    result = run(*ROUTE, "--robust-shrink=60", "--robust-report=md:r.md", *workers)
    result.assert_outcomes(failed=1)
    out = result.stdout.str()
    assert "edits is enough: failed 2 of 2 times" in out
    found = [r["shrunk"] for r in project.records() if "shrunk" in r]
    assert [(f["kept"], f["complete"]) for f in found] == [(1, True)] * 4
    assert all("REFUND" in f["text"] or "PARCEL" in f["text"] for f in found)
    assert "shrinking tried 4 of 4 failing variants with several edits" in out
    said = next(line for line in out.splitlines() if "REFUND" in line or "PARCEL" in line)
    assert "[" in said or "→" in said or "->" in said
    assert "edits is enough" in (project.path / "r.md").read_text(encoding="utf-8")

    def told(record):
        return {k: v for k, v in record.items() if k not in ("shrunk", "cached", "created", "latency")}

    assert list(map(told, project.records())) == list(map(told, before))


OWN = """
@robust(cases=[{"id": "a", "input": "please send my refund to this account, where I can see it today", "target": "billing"}],
        perturbations=["casing:upper"], variants=1)
DEF test_own(variant, ask):
    assert ASK(variant.input).text == variant.target
"""


@pytest.mark.parametrize("kind", ["sync", "threads", "async"])
def test_a_body_is_run_again_with_fewer_edits(project, kind):
    source = OWN.replace("DEF", "async def" if kind == "async" else "def")
    source = source.replace(
        "ASK(variant.input)", "(await ask.acall(variant.input))" if kind == "async" else "ask(variant.input)"
    )
    project.test(source.replace("variants=1", "variants=1, concurrency=2") if kind == "threads" else source)
    result = project.run(*ROUTE, "--robust-shrink=40")
    result.assert_outcomes(failed=1)
    assert "1 of 2 variants failed" in result.stdout.str()
    (found,) = [r["shrunk"] for r in project.records() if "shrunk" in r]
    assert found["text"] == "please send my REFUND to this account, where I can see it today"
    assert (found["kept"], found["failed"], found["asked"]) == (1, 2, 2)


@pytest.mark.parametrize("calls", [1, 4])
def test_a_body_keeps_to_the_budget(project, calls):
    project.test(OWN.replace("DEF", "def").replace("ASK", "ask"))
    out = project.run(*ROUTE, f"--robust-shrink={calls}").stdout.str()
    assert f" {2 + calls} calls" in out


def test_failing_cases_are_asked_first_the_next_time(project):
    (project.path / "models.py").write_text(
        (project.path / "models.py").read_text()
        + """
def told(prompt):
    with open("asked.txt", "a") as f:
        f.write(prompt + chr(10))
    return "nothing" if prompt.endswith("NUMBER 4") else steady(prompt)
"""
    )
    project.test("""
@robust(task, perturbations=["casing:upper"], variants=1)
def test_it(): pass
""")
    flags = ("-o", "robust_model=python:models:told", "--robust-replies=off")
    project.run(*flags)
    kept = [
        json.loads(line)
        for line in (project.path / ".robusttest" / "failures.jsonl").read_text().splitlines()
    ]
    assert [(k["case"], k["variant"]) for k in kept] == [("t4", "casing:upper#0")]
    first = project.records()
    project.runs()[0].unlink()
    (project.path / "asked.txt").unlink()
    project.run(*flags, "--robust-concurrency=1")
    assert "number 4" in (project.path / "asked.txt").read_text().splitlines()[0]
    assert [r["case_id"] for r in project.records()] == [r["case_id"] for r in first]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_failing_cases_of_a_body_come_first_the_next_time(project, kind):
    project.test(f"""
ASKED = []

@robust(cases=CASES, perturbations=["casing:upper"], variants=1, expect=[accuracy >= 0.1])
{kind} test_own(variant):
    ASKED.append(variant.original.id)
    assert not (variant.input.isupper() and variant.original.id == "t7")

def test_told():
    print("FIRST", ASKED[0])
""")
    out = project.run("-s").stdout.str()
    assert "FIRST t0" in out
    first = project.records()
    project.runs()[0].unlink()
    assert "FIRST t7" in project.run("-s").stdout.str()
    assert project.records() == first
