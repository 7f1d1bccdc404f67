"""What a run says of processes that have nothing to do, and a shard on an engine."""

from __future__ import annotations

from types import SimpleNamespace

from robusttest.cli import main
from robusttest.plugin import start
from robusttest.settings import Settings

TEST = """
@robust(task, perturbations=["casing"], variants=1)
def test_it(): ...
"""


def told(workers: int, tests: int, model: str = "python:models:steady") -> list[str]:
    """What a worker of pytest says before its first test."""
    state = SimpleNamespace(job=SimpleNamespace(models=lambda: (model,)))
    session = SimpleNamespace(worker={"workercount": workers}, settings=Settings())
    return start._idle(session, [state] * tests)


def test_more_workers_than_tests_is_a_line_with_the_flag_that_helps():
    assert told(2, 1) == [
        "2 workers of pytest for 1 test: each test calls python:models:steady in one process; --robust-engine=processes:2 instead of -n "
        "divides its calls"
    ]
    assert told(2, 2) == told(1, 1) == told(8, 1, "openai/gpt-4o-mini") == []


def test_an_engine_that_no_model_can_use_is_told(project):
    project.test(TEST)
    run = project.run(
        "--robust-engine=processes:2", "--robust-model=openai/gpt-4o-mini", "--robust-replies=replay"
    )
    assert (
        "--robust-engine=processes:2 has nothing to do: it runs python: models, and openai/gpt-4o-mini is served"
        in (run.stdout.str())
    )


def test_an_unknown_engine_is_a_usage_error_with_the_nearest(project):
    project.test(TEST)
    run = project.run("--robust-engine=proceses")
    assert run.ret == 4
    assert "Did you mean 'processes'?" in run.stderr.str()


def test_a_shard_may_run_on_an_engine(project, monkeypatch, capsys):
    monkeypatch.chdir(project.path)
    project.test(TEST)
    project.run("--robust-shard=1/2", "--robust-engine=processes:1")
    project.run("--robust-shard=2/2")
    capsys.readouterr()
    assert main(["merge", ".robusttest/runs"]) == 0
    assert "routing" in capsys.readouterr().out
