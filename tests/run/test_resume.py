"""What the next run says of one that did not end, and what it takes from it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from robusttest import Task, evaluate
from robusttest.core.nouns import CellKey, Record, RunInfo
from robusttest.engine.cell import Cell
from robusttest.errors import UsageError
from robusttest.run import resume
from robusttest.settings import Settings
from robusttest.store import RunWriter, run_path

KEY = CellKey("a.py::t", "t", "python:m:f")
CODE = {"a.py": "1", "python:m:f": "2"}
VERSIONS = {"robusttest": "1", "python": "3"}


def info(name: str, minute: int = 0, **more) -> RunInfo:
    values = {"commit": "c" * 40, "dirty": False, "sources": CODE, "versions": VERSIONS, **more}
    return RunInfo(id=name * 8, created=f"2026-11-24T12:{minute:02}:00Z", **values)


NOW = info("f", 59)


def row(case: str, key: CellKey = KEY, **more) -> Record:
    return Record(**{**key._asdict(), "case_id": case, "variant": "", "score": 1.0, **more})


def left(directory: Path, run: RunInfo, *records: Record, complete: bool = False) -> None:
    path = run_path(directory, run)
    with RunWriter(path, run) as writer:
        for key in dict.fromkeys(r.key for r in records):
            writer.write(*(r for r in records if r.key == key))
            writer.write_cell(Cell(key, verdicts=()))
        writer.close(replace(run, complete=True) if complete else None)


def found(
    directory: Path, now: RunInfo = NOW, *, asked: bool = True, key: CellKey = KEY
) -> resume.Unfinished | None:
    return resume.find(Settings(directory=directory, resume=asked), lambda: now, now.id, [key])


def test_answered_records_of_the_tests_at_hand_are_found(tmp_path):
    other = KEY._replace(task="u")
    rows = [
        row("1"),
        row("2", status="error", score=None),
        row("3", status="unparsed"),
        row("4", status="skipped", score=None),
    ]
    left(tmp_path, info("a"), *rows, row("1", other))
    it = found(tmp_path)
    assert it is not None
    assert it.refusal is None
    assert {key: sorted(held) for key, held in it.records.items()} == {KEY: [("1", ""), ("3", "")]}
    assert it.offer == (
        "run aaaaaaaa did not end: it has 2 answered records of these tests; --robust-resume goes on from there and asks "
        "only what is missing"
    )
    assert it.taken == "goes on with run aaaaaaaa, which did not end: 2 records of it stand"
    assert found(tmp_path, key=KEY._replace(task="v")) is None


def test_nothing_is_found_where_the_last_run_ended_or_has_no_answer(tmp_path):
    assert found(tmp_path) is None
    left(tmp_path, info("a"), row("1"))
    left(tmp_path, info("b", 1), row("1"), complete=True)
    assert found(tmp_path) is None
    assert found(tmp_path, asked=False) is None
    left(tmp_path, info("c", 2), row("1", status="error", score=None))
    assert found(tmp_path) is None
    left(tmp_path, info("f", 3), row("1"))
    assert found(tmp_path, info("f", 3)) is None, "it is the run that begins"


def test_a_run_of_other_tests_stands_not_in_the_way_and_what_was_gone_on_with_is_no_more(tmp_path):
    left(tmp_path, info("a"), row("1"))
    left(tmp_path, info("b", 1), row("1", KEY._replace(task="u")), complete=True)
    it = found(tmp_path)
    assert it is not None
    assert it.info.id == "aaaaaaaa"
    assert found(tmp_path, asked=False) is None, "unasked, one file is looked at"
    left(tmp_path, info("c", 2, resumed="aaaaaaaa"), row("1"), row("2"), complete=True)
    assert found(tmp_path) is None


def test_of_a_run_that_went_on_and_was_killed_too_both_are_taken(tmp_path):
    left(tmp_path, info("a"), row("1", score=0.0), row("2"))
    left(tmp_path, info("b", 1, resumed="aaaaaaaa"), row("1"), row("3"))
    it = found(tmp_path)
    assert it is not None
    assert {case: r.score for (case, _), r in it.records[KEY].items()} == {"1": 1.0, "2": 1.0, "3": 1.0}
    assert it.info.id == "bbbbbbbb"


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        ({"commit": None, "dirty": None}, {}, "without a git commit"),
        ({}, {"commit": None, "dirty": None}, "without a git commit"),
        ({}, {"commit": "d" * 40}, "it ran at commit cccccccc, and dddddddd is checked out"),
        ({"dirty": True}, {}, "when it ran, files differed from commit cccccccc"),
        ({}, {"dirty": True}, "files differ from commit cccccccc: commit or restore them"),
        ({}, {"dirty": None}, "files differ from commit"),
        ({}, {"sources": {**CODE, "python:m:f": "3"}}, "python:m:f has changed"),
        ({}, {"sources": {**CODE, "a.py": "3"}}, "a.py has changed"),
        ({"sources": {**CODE, "the program": ""}}, {"sources": {**CODE, "the program": ""}}, "the program is the same: it has no file"),
        ({}, {"versions": {**VERSIONS, "robusttest": "2"}}, "it ran with robusttest 1, this is 2"),
        ({"settings": {"seed": 3}}, {}, "it ran with seed=3, this run has seed=as by default"),
        ({}, {"settings": {"only": ("ocr",)}}, "this run has only=['ocr']"),
    ],
)  # fmt: skip
def test_where_the_code_or_the_plan_may_differ_it_says_why(tmp_path, then, now, said):
    left(tmp_path, info("a", **then), row("1"))
    it = found(tmp_path, info("f", 59, **now))
    assert it is not None
    assert said in it.refusal
    assert it.offer.endswith(f"--robust-resume can't go on from there: {it.refusal}")


def test_what_does_not_decide_the_variants_may_differ(tmp_path):
    left(tmp_path, info("a", settings={"only": ("ocr",), "concurrency": 2}), row("1"))
    it = found(tmp_path, info("f", 59, settings={"only": ("ocr",), "resume": True, "report": ()}))
    assert it is not None
    assert it.refusal is None


def test_a_run_that_goes_on_elsewhere_is_left_alone(tmp_path, monkeypatch):
    machine = resume.this_process().partition("@")[2]
    left(tmp_path, info("a", process=f"{os.getppid()}@{machine}"), row("1"))
    assert found(tmp_path).refusal == f"it goes on in process {os.getppid()}"
    left(tmp_path, info("b", 1, process=f"{os.getppid()}@elsewhere"), row("1"))
    assert found(tmp_path).refusal is None

    def gone(pid, signal):
        raise ProcessLookupError

    monkeypatch.setattr(os, "kill", gone)
    left(tmp_path, info("c", 2, process=f"{os.getppid()}@{machine}"), row("1"))
    assert found(tmp_path).refusal is None


def test_a_file_has_a_digest_and_what_has_none_is_never_the_same(tmp_path):
    (tmp_path / "a.py").write_text("x")
    one = resume.digests({"a": tmp_path / "a.py", "b": None, "c": tmp_path / "absent"})
    assert (one["b"], one["c"]) == ("", "")
    (tmp_path / "a.py").write_text("y")
    assert one["a"] != resume.digests({"a": tmp_path / "a.py"})["a"]


MODULE = """
calls = []

def route(prompt):
    calls.append(prompt)
    return "billing" if "money" in prompt else "delivery"
"""


def test_evaluate_asks_only_what_is_missing(tmp_path, monkeypatch):
    (tmp_path / "desk_to_resume.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("robusttest.store.find.git_state", lambda cwd: ("c" * 40, False))
    program = tmp_path / "program.py"  # a worker of xdist has none
    program.write_text("")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(program), raising=False)
    cases = [(f"where is my money, asks number {i}", "billing") for i in range(6)]
    stop = [4]

    def scorer(answer, target):
        stop[0] -= 1
        if stop[0] == 0:
            raise KeyboardInterrupt
        return answer == target

    def asked(**options):
        task = Task("t", cases=cases, scorer=scorer)
        return evaluate(
            task, model="python:desk_to_resume:route", perturbations=["swap"], variants=1, **options
        )

    with pytest.raises(KeyboardInterrupt):
        asked()
    calls = sys.modules["desk_to_resume"].calls
    calls.clear()
    with pytest.raises(
        UsageError, match=r"--robust-resume can't go on with run \w+: other variants are planned"
    ):
        asked(resume=True, seed=1)
    assert calls == []
    result = asked(resume=True)
    assert len(calls) == 12 - 3, "three records stand"
    assert len(result.records) == 12
    again = asked(replies="off")
    assert [(r.case_id, r.variant, r.text, r.score) for r in again.records] == [
        (r.case_id, r.variant, r.text, r.score) for r in result.records
    ], "the same as in one go"
    calls.clear()
    asked(resume=True)
    assert len(calls) == 12, "a run that ended is no run to go on with"
