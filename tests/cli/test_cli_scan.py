"""``robusttest scan``: models whose weakness is known, the list that is printed, the test that is written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from robusttest.cli import main
from robusttest.report.weaknesses import weaknesses

PROJECT = """
from robusttest import Task, robust
from robusttest.scorers import choice

WORDS = [("refund", "billing"), ("parcel", "delivery"), ("password", "account")]
CASES = [
    {"id": f"t{i}", "input": f"please look at my {WORDS[i % 3][0]} number {i} today", "target": WORDS[i % 3][1]}
    for i in range(24)
]
routing = Task("routing", cases=CASES, prompt="Ticket: {input}", scorer=choice(["billing", "delivery", "account"]))

@robust(routing, perturbations=["casing"])
def test_routing():
    pass
"""

MODELS = '''
KNOWN = {"refund": "billing", "parcel": "delivery", "password": "account"}

def deaf_to_capitals(prompt):
    return next((v for k, v in KNOWN.items() if k in prompt), "none of them")

def reader(prompt):
    """Right whatever happens: it knows the tickets by their numbers."""
    number = int("".join(c for c in prompt if c.isdigit()))
    return ["billing", "delivery", "account"][number % 3]
'''


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "test_scanned_desk.py").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "scanned_models.py").write_text(MODELS, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\npythonpath = .\nasyncio_default_fixture_loop_scope = function\nrobust_model = python:scanned_models:deaf_to_capitals\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("test_scanned_desk", "scanned_models", "unlabelled_task", "test_written"):
        sys.modules.pop(name, None)


TASK = "test_scanned_desk.py:routing"


def test_a_known_weakness_comes_first_with_its_number_and_an_example(desk, capsys) -> None:
    assert main(["scan", TASK, "--model", "python:scanned_models:deaf_to_capitals"]) == 0
    out = capsys.readouterr().out
    first = out[out.index("  1. ") :]
    assert first.startswith("  1. casing: right on 0 % instead of 100 %: 100 points lost (")
    assert "PLEASE LOOK" in first
    assert "nothing lost to: " in out
    assert "whitespace" in out[out.index("nothing lost to: ") :]


def test_a_model_that_reads_all_has_none(desk, capsys) -> None:
    assert (
        main(
            ["scan", TASK, "--model=python:scanned_models:reader", "--perturbations", "casing", "whitespace"]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "no weakness is sure on 24 cases" in out
    assert "nothing lost to: casing, whitespace" in out
    assert "1. " not in out


def test_the_tests_are_collected_and_their_models_and_settings_taken(desk, capsys) -> None:
    assert main(["scan", "test_scanned_desk.py", "--limit=6"]) == 0
    out = capsys.readouterr().out
    assert "routing · python:scanned_models:deaf_to_capitals" in out
    assert "casing: right on 0 % instead of 100 %" in out


def test_what_is_written_runs_and_holds(desk, pytester, capsys, monkeypatch) -> None:
    monkeypatch.chdir(desk)  # pytester has its own folder
    argv = ["scan", TASK, "--model=python:scanned_models:deaf_to_capitals", "--write=test_written.py"]
    assert main(argv) == 0
    text = (desk / "test_written.py").read_text(encoding="utf-8")
    assert "from test_scanned_desk import routing" in text
    assert '"casing"' in text
    ran = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-p", "no:randomly", str(desk / "test_written.py"), f"--rootdir={desk}"
    )
    ran.assert_outcomes(passed=1)
    assert main(argv) == 2
    assert "not overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["nowhere.py:routing", "--model=python:m:f"], "there is no file 'nowhere.py'"),
        (["test_scanned_desk.py:rooting", "--model=python:m:f"], "routing"),
        ([TASK], "give --model NAME"),
        (["scanned_models.py"], "no test there declares a task"),
        (["nothing_here.py"], "can't collect nothing_here.py"),
        ([TASK, "--model=python:scanned_models:reader", "--perturbations", "keybord"], "keyboard"),
    ],
)
def test_what_is_wrong_is_said(desk, capsys, argv, said) -> None:
    assert main(["scan", *argv]) in (1, 2)
    assert said in capsys.readouterr().err


def test_without_labels_flips_are_ranked(desk, capsys) -> None:
    (desk / "unlabelled_task.py").write_text(
        "from robusttest import Task\n"
        "free = Task('free', cases=[{'id': f'f{i}', 'input': f'my refund number {i}'} for i in range(12)])\n",
        encoding="utf-8",
    )
    argv = ["scan", "unlabelled_task.py:free", "--model=python:scanned_models:deaf_to_capitals"]
    assert main([*argv, "--perturbations", "casing", "whitespace"]) == 0
    out = capsys.readouterr().out
    assert "1. casing: another answer on 100 % of the variants (" in out
    assert "nothing lost to: whitespace" in out


def test_an_empty_report_has_no_weakness() -> None:
    from robusttest.core.nouns import CellKey
    from robusttest.report.model import CellReport

    nothing = CellReport(
        key=CellKey(None, "t", "m"), n_cases=0, n_variants=0, n_calls=0, coverage=None, overall={}
    )
    assert weaknesses(nothing) == ()
