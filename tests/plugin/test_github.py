"""What a run tells GitHub: annotations beside the tests' files, and the step summary."""

from __future__ import annotations

import pytest

ONE = """
@robust(task, perturbations=["casing"], variants=2, models=["python:models:route"], expect=[accuracy >= 0.6, robust_accuracy >= 0.75])
def test_it(result): ...
"""


@pytest.fixture
def workflow(project, tmp_path_factory, monkeypatch):
    """A job whose repository is the folder above the project; the path of its step summary."""
    summary = tmp_path_factory.mktemp("runner") / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path.parent))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    return summary


def annotations(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("::")]


@pytest.mark.parametrize("flags", [(), ("-n", "2"), ("-q",)])
def test_a_missed_threshold_is_an_annotation_and_the_report_is_the_step_summary(project, workflow, flags):
    project.test(ONE)
    result = project.fresh(*flags)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (line,) = annotations(result)
    folder = project.path.name
    assert line.startswith(
        f"::error file={folder}/test_it.py,line=11,title=failed%3A robust_accuracy >= 0.75 · routing"
    )
    text = workflow.read_text(encoding="utf-8")
    assert "# robusttest: 1 failed" in text
    assert "routing" in text


def test_tests_at_the_root_of_the_repository_need_no_folder(project, workflow, monkeypatch):
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path))
    project.test(ONE)
    (line,) = annotations(project.run())
    assert line.startswith("::error file=test_it.py,")


def test_elsewhere_nothing_is_said(project, workflow, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    project.test(ONE)
    assert annotations(project.run()) == []
    assert not workflow.exists()


def test_a_summary_that_cannot_be_written_is_told(project, workflow, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path))
    project.test(ONE)
    project.run().stdout.fnmatch_lines(["robusttest: can't write the step summary *Is a directory*"])
