"""The workflow and the GitLab job of `examples/ci`: they parse, and their commands run in a small project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path, PurePosixPath
from typing import Any

import forks
import pytest
import yaml

from robusttest.cli.init import _template, workflow

CI = Path(__file__).parents[1] / "examples" / "ci"
BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="needs bash")
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")


def load(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    if True in data:  # YAML 1.1 reads the key `on` so
        data["on"] = data.pop(True)
    return data


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with the test that `robusttest init` writes: three thresholds, all of them met."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_robustness.py").write_text(_template("test_robustness.py"), encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    return tmp_path


def shell(project: Path, script: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """As a runner does: `bash -eo pipefail`, with CI set."""
    assert BASH is not None
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "PYTEST_", "CI"))}
    bin_folder = project / "bin"
    bin_folder.mkdir(exist_ok=True)
    for name, module in (("python", ""), ("robusttest", "-m robusttest.cli ")):
        (bin_folder / name).write_text(f'#!/bin/sh\nexec "{forks.python()}" {module}"$@"\n')
        (bin_folder / name).chmod(0o755)
    flags = "-p no:randomly -p no:asyncio -p no:cacheprovider"
    env = {**clean, "CI": "true", "PATH": f"{bin_folder}{os.pathsep}{clean['PATH']}", "PYTEST_ADDOPTS": flags}
    return subprocess.run(
        [BASH, "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=project, env={**env, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip


GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "o/r"}


def steps(
    project: Path, environ: dict[str, str], *, fork: str = "false", comments: str = ""
) -> subprocess.CompletedProcess[str]:
    """The workflow's own commands, but for the installation; the test's result. ``gh`` writes down how it was called."""
    (job,) = load(CI / "robustness.yml")["jobs"].values()
    summary = project / "summary.md"
    known = {
        "secrets.OPENAI_API_KEY": "",
        "github.event.pull_request.head.repo.fork": fork,
        "github.event.pull_request.number": "7",
        "github.token": "t",
    }
    runner = {**GITHUB, "GITHUB_WORKSPACE": str(project), "GITHUB_STEP_SUMMARY": str(summary)}
    (project / "bin").mkdir(exist_ok=True)
    gh = project / "bin" / "gh"
    gh.write_text(
        f'#!/bin/sh\necho "$@" >> "{project}/gh.log"\ncase "$*" in *--jq*) printf "{comments}";; esac\n'
    )
    gh.chmod(0o755)
    tested = None
    for step in job["steps"]:
        if "run" not in step or step["name"] == "Install":
            continue
        assert "${{" not in step["run"], "expressions reach a script by its environment, never as text in it"
        own = {**job["env"], **step.get("env", {})}
        env = {name: EXPRESSION.sub(lambda m: known[m[1]], value) for name, value in own.items()}
        if step["name"] == "Comment" and fork == "true":
            continue
        ran = shell(project, step["run"], {**runner, **env, **environ})
        if step["name"] == "Test":
            tested = ran
        else:
            assert ran.returncode == 0, ran.stdout + ran.stderr
    assert tested is not None
    return tested


def test_what_init_writes_is_the_example():
    made = workflow(PurePosixPath("."), "tests/test_robustness.py")
    assert (CI / "robustness.yml").read_text(encoding="utf-8") == made


def test_a_comment_is_for_pull_requests_of_the_repository_alone():
    flow = load(CI / "robustness.yml")
    (job,) = flow["jobs"].values()
    (comment,) = [s for s in job["steps"] if s.get("name") == "Comment"]
    assert comment["if"].startswith("always() && github.event_name == 'pull_request' && !github.event.")
    assert comment["if"].endswith(".head.repo.fork")
    assert "pull_request_target" not in flow["on"], "it would give a fork's code the secrets"
    assert flow["permissions"] == {"contents": "read", "pull-requests": "write"}


@needs_bash
def test_the_github_workflow_runs(project: Path):
    ran = steps(project, {})
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# robusttest: 1 passed" in (project / "summary.md").read_text(encoding="utf-8")
    properties = {p.get("name"): p.get("value") for p in ET.parse(project / "robust.xml").iter("property")}
    accuracy = [value for name, value in properties.items() if str(name).endswith("::robust.accuracy")]
    assert accuracy == ["1"]
    assert json.loads((project / "robust.json").read_text(encoding="utf-8"))["cells"][0]["n_cases"] == 12
    (job,) = load(CI / "robustness.yml")["jobs"].values()
    for name in job["steps"][-1]["with"]["path"].split():
        assert (project / name).stat().st_size
    comment = (project / "robust-comment.md").read_text(encoding="utf-8")
    assert comment.startswith("<!-- robusttest -->\n# robusttest: 1 passed")
    calls = (project / "gh.log").read_text().splitlines()
    assert calls[0].startswith("api --paginate repos/o/r/issues/7/comments --jq")
    assert calls[1] == "api --silent -X POST repos/o/r/issues/7/comments -F body=@robust-comment.md"


@needs_bash
def test_a_regression_fails_it_with_an_annotation_and_the_comment_is_written_over(project: Path):
    """The model turns its answers round; there are no thresholds, so that the gate alone is red."""
    test = project / "tests" / "test_robustness.py"
    whole = test.read_text(encoding="utf-8")
    plain = re.sub(r"    expect=\[.*\],\n", "", whole).replace("    assert", "    result or")
    test.write_text(plain, encoding="utf-8")
    made = shell(project, "python -m pytest tests --robust-update-baseline=force", {})
    assert made.returncode == 0, made.stdout
    at = plain[: plain.index("def test_")].count("\n")
    test.write_text(plain.replace("return max(", "return min("), encoding="utf-8")
    ran = steps(project, {}, comments="11\\n12")
    assert ran.returncode == 1, ran.stdout
    lines = [line for line in ran.stdout.splitlines() if line.startswith("::")]
    (line,) = lines
    place, _, said = line.removeprefix("::error ").partition("::")
    assert place.startswith("file=tests/test_robustness.py,line=")
    found = int(place.partition("line=")[2].partition(",")[0])
    assert 0 <= at + 1 - found <= 10, "the test or its decorator"
    assert "title=regressed · " in place
    assert re.match(r"all variants: -\d+\.\d \[.*\] points against the baseline, ", said)
    assert (project / "gh.log").read_text().splitlines()[1] == (
        "api --silent -X PATCH repos/o/r/issues/comments/11 -F body=@robust-comment.md"
    )


@needs_bash
def test_a_fork_is_told_what_would_be_asked(project: Path):
    ran = steps(project, {}, fork="true")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "12 cases" in ran.stdout
    assert not (project / "robust.xml").exists()
    assert not (project / "gh.log").exists()


@needs_bash
def test_the_gitlab_job_runs(project: Path):
    job = load(CI / "gitlab.yml")["robustness"]
    ran = shell(project, "\n".join(job["script"]), job["variables"])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "::" not in [line[:2] for line in ran.stdout.splitlines()]
    for name in (job["artifacts"]["reports"]["junit"], *job["artifacts"]["paths"]):
        assert (project / name).exists(), name
    assert len(ET.parse(project / "robust.xml").findall(".//testcase")) == 1
