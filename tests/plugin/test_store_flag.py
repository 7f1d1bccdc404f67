"""``--robust-store``: the same run, its replies where others find them; what can't be done is said before a call."""

from __future__ import annotations

import sys

import pytest

TEST = """
CALLS = Path(__file__).parent / "calls"

@model(version="1")
def counted(prompt):
    with CALLS.open("a") as f:
        f.write(".")
    return "billing"

@robust(task, models=["python:test_it:counted"], perturbations=["casing"], variants=2, expect=["accuracy >= 0.1"])
def test_declared(): ...
"""


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.chdir(project.path)
    project.test("from pathlib import Path\nfrom robusttest import model\n" + TEST)
    return project


def calls(here) -> int:
    made = here.path / "calls"
    return len(made.read_text()) if made.exists() else 0


def test_another_machine_finds_the_replies(here, monkeypatch) -> None:
    store = here.path / "shared"
    here.run(f"--robust-store={store}").assert_outcomes(passed=1)
    made = calls(here)
    assert made
    (here.path / ".robusttest" / "replies.sqlite").unlink()  # as on another machine
    here.run("--robust-replies=replay", f"--robust-store={store}").assert_outcomes(passed=1)
    assert calls(here) == made, "all were stored"
    for own in (here.path / ".robusttest").glob("replies.sqlite*"):
        own.unlink()
    here.run().assert_outcomes(passed=1)
    assert calls(here) == 2 * made, "without it nothing is known"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file/replies", "can't write"),
        ("postgresql://%2Fnowhere/x", "robusttest: postgresql://%2Fnowhere/x: connection"),
        ("postgresql://me:s3cret@db/x", "holds no user, password or key"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused_before_a_call(here, url, said) -> None:
    if "nowhere" in url:
        pytest.importorskip("psycopg")
    (here.path / "file").write_text("")
    ran = here.run(f"--robust-store={url}")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert said in ran.stderr.str() + ran.stdout.str()
    assert "s3cret" not in ran.stdout.str() + ran.stderr.str()
    assert not calls(here)


def test_a_missing_package_is_named_with_its_install(here, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    ran = here.run("--robust-store=postgresql://db/x")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert "pip install 'robusttest[postgres]'" in ran.stderr.str()
    assert not calls(here)


def test_workers_of_xdist_tell_it_once(here) -> None:
    (here.path / "file").write_text("")
    ran = here.fresh("--robust-store=file/replies", "-n", "2")
    assert ran.ret != 0
    assert "can't write" in ran.stdout.str() + ran.stderr.str()
    assert "INTERNALERROR" not in ran.stdout.str()
    assert not calls(here)
