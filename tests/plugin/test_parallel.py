"""xdist, forked, reruns, random order: the same numbers, and everything told once."""

from __future__ import annotations

import json
import re

import pytest

SUITE = """
@robust(task, perturbations=["casing", "whitespace"], variants=2, models=["python:models:route", "python:models:steady"],
        expect=[accuracy >= 0.6, robust_accuracy >= 0.75])
def test_routing(result): ...

@robust(cases=CASES, perturbations=["swap"], variants=2, expect=["accuracy >= 0.3"])
def test_body(variant, ask):
    assert ask(variant.input).text == variant.target

@pytest.mark.parametrize("n", [1, 2])
@robust(lambda n: Task(f"task{n}", cases=CASES[:4 * n], scorer=choice(["billing", "delivery", "account"])))
def test_by_number(n, result):
    assert len(result.records) == 4 * n

def test_plain(): ...
"""


def section(result: pytest.RunResult) -> list[str]:
    lines = result.outlines
    start = next(i for i, line in enumerate(lines) if re.fullmatch("=+ robustness =+", line))
    end = next(i for i in range(start + 1, len(lines)) if lines[i].startswith("====="))
    return [re.sub(r"[\d.]+ (m?s)\b", "TIME", line) for line in lines[start:end]]


def cells(project, name: str) -> list[object]:
    return json.loads((project.path / name).read_text(encoding="utf-8"))["cells"]


def plain(record: dict[str, object]) -> tuple[tuple[str, str], ...]:
    volatile = ("created", "latency", "cached")
    return tuple(sorted((k, json.dumps(v)) for k, v in record.items() if k not in volatile))


def test_two_workers_say_what_one_process_says(project):
    project.test(SUITE)
    off = "--robust-replies=off"
    alone = project.fresh("-p", "no:xdist", off, "--robust-report=json:r.json")
    alone.assert_outcomes(passed=5, failed=1)
    first = {plain(r) for r in project.records()}
    numbers = cells(project, "r.json")
    project.runs()[0].unlink()
    both = project.fresh("-n", "2", off, "--robust-report=json:r.json")
    both.assert_outcomes(passed=5, failed=1)
    assert section(both) == section(alone)
    assert cells(project, "r.json") == numbers
    assert {plain(r) for r in project.records()} == first
    assert " (n=" in both.stdout.str()
    assert "INTERNALERROR" not in both.stdout.str() + both.stderr.str()


def test_collection_errors_with_workers_are_no_internal_errors(project):
    project.test("\n@robust(task, perturbations=['keybord'])\ndef test_it(): ...")
    result = project.fresh("-n", "2")
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert "Did you mean 'keyboard'?" in result.stdout.str()
    assert result.ret != 0


def test_a_crashed_worker_loses_its_test_alone(project):
    project.test("""
@robust(task)
def test_fine(result): ...

@robust(cases=CASES)
def test_crashing(variant):
    import os
    os._exit(3)
""")
    result = project.fresh("-n", "2")
    result.assert_outcomes(passed=1, failed=1)
    assert {r["test"] for r in project.records()} == {"test_it.py::test_fine"}


def test_forked_children_bring_their_records(project):
    project.test("\ndef test_plain(): ...")
    if project.fresh("--forked", "-p", "no:robusttest").ret != 0:
        pytest.skip("pytest-forked does not work with this pytest, with or without us")
    project.test(SUITE)
    result = project.fresh("--forked", "-p", "no:xdist")
    result.assert_outcomes(passed=5, failed=1)
    assert len({r["test"] for r in project.records()}) == 4
    assert section(result)[0].strip("= ") == "robustness"


def test_a_rerun_does_not_roll_again_and_is_told_once(project):
    (project.path / "models.py").write_text("""
import pathlib
def counting(prompt):
    log = pathlib.Path(__file__).with_name("calls.txt")
    with log.open("a") as f: f.write("call\\n")
    return "nothing"
""")
    project.test("""
@robust(task, models=["python:models:counting"], expect=[accuracy >= 0.9])
def test_declared(): ...
""")
    result = project.own_process("-p", "no:randomly", "-p", "no:asyncio", "--reruns=2")
    result.assert_outcomes(failed=1)
    assert "2 rerun" in result.stdout.str()
    assert (project.path / "calls.txt").read_text().count("call") == 12
    assert len(project.records()) == 12


def test_random_order_changes_no_number(project):
    project.test(SUITE)
    runs = []
    for seed in (1, 2):
        result = project.own_process(
            "-p",
            "no:asyncio",
            "-p",
            "no:xdist",
            f"--randomly-seed={seed}",
            "--robust-replies=off",
            f"--robust-report=json:{seed}.json",
        )
        result.assert_outcomes(passed=5, failed=1)
        runs.append(cells(project, f"{seed}.json"))
    assert runs[0] == runs[1]
