"""The workflow and the GitLab job of `examples/ci`: they parse, and their commands run in a small project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from robusttest.cli.init import _template, workflow

CI = Path(__file__).parents[1] / "examples" / "ci"
BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="needs bash")
EXPRESSION = re.compile(r"\$\{\{\s*(\w+)\.([\w-]+)\s*\}\}")


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
        (bin_folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n')
        (bin_folder / name).chmod(0o755)
    flags = "-p no:randomly -p no:asyncio -p no:cacheprovider"
    env = {**clean, "CI": "true", "PATH": f"{bin_folder}{os.pathsep}{clean['PATH']}", "PYTEST_ADDOPTS": flags}
    return subprocess.run(
        [BASH, "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=project, env={**env, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def steps(project: Path, inputs: dict[str, str], secrets: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The workflow's own commands, but for the installation; the last one that ran."""
    flow = load(CI / "robustness.yml")
    declared = flow["on"]["workflow_call"]
    assert set(inputs) <= set(declared["inputs"])
    values = {name: str(spec.get("default", "")) for name, spec in declared["inputs"].items()} | inputs
    known = {"inputs": values, "secrets": dict.fromkeys(declared["secrets"], "") | secrets}
    (job,) = flow["jobs"].values()
    summary = project / "summary.md"
    runner = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(project), "GITHUB_STEP_SUMMARY": str(summary)}
    ran = None
    for step in job["steps"]:
        if "run" not in step or step["name"] == "Install":
            continue
        assert "${{" not in step["run"], "inputs reach a script by its environment, never as text in it"
        env = {
            name: EXPRESSION.sub(lambda m: known[m[1]][m[2]], value)
            for name, value in step.get("env", {}).items()
        }
        ran = shell(project, step["run"], {**runner, **env})
        if ran.returncode:
            return ran
    assert ran is not None
    return ran


@needs_bash
def test_the_github_workflow_runs(project: Path):
    ran = steps(project, {}, {})
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# robusttest: 1 passed" in (project / "summary.md").read_text(encoding="utf-8")
    properties = {p.get("name"): p.get("value") for p in ET.parse(project / "robust.xml").iter("property")}
    accuracy = [value for name, value in properties.items() if str(name).endswith("::robust.accuracy")]
    assert accuracy == ["1"]
    assert json.loads((project / "robust.json").read_text(encoding="utf-8"))["cells"][0]["n_cases"] == 12
    assert (project / "robust.html").stat().st_size


@needs_bash
def test_a_missed_threshold_fails_the_workflow_with_an_annotation(project: Path):
    test = project / "tests" / "test_robustness.py"
    test.write_text(
        test.read_text(encoding="utf-8").replace("robust_accuracy >= 0.3", "robust_accuracy >= 0.99")
    )
    ran = steps(project, {"max-cost": "5", "replies": "live"}, {})
    assert ran.returncode == 1
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("::")]
    assert line.startswith("::error file=tests/test_robustness.py,title=failed%3A robust_accuracy >= 0.99")


@needs_bash
def test_what_the_workflow_uploads_is_there(project: Path):
    steps(project, {}, {})
    job = load(CI / "robustness.yml")["jobs"]["robustness"]
    patterns = job["steps"][-1]["with"]["path"].replace("${{ inputs.folder }}/", "").split()
    assert patterns
    for pattern in patterns:
        assert list(project.glob(pattern)), pattern


def test_the_caller_gives_what_the_workflow_takes():
    declared = load(CI / "robustness.yml")["on"]["workflow_call"]["inputs"]
    (job,) = load(CI / "caller.yml")["jobs"].values()
    assert set(job["with"]) <= set(declared)
    assert job["uses"] == "./.github/workflows/robustness.yml"


@needs_bash
def test_the_gitlab_job_runs(project: Path):
    job = load(CI / "gitlab.yml")["robustness"]
    ran = shell(project, "\n".join(job["script"]), {})
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "::" not in [line[:2] for line in ran.stdout.splitlines()]
    for name in (job["artifacts"]["reports"]["junit"], *job["artifacts"]["paths"]):
        assert (project / name).exists(), name
    assert len(ET.parse(project / "robust.xml").findall(".//testcase")) == 1


@needs_bash
def test_the_workflow_that_init_writes_runs(project: Path):
    from pathlib import PurePosixPath

    (job,) = yaml.safe_load(workflow(PurePosixPath("."), "tests/test_robustness.py"))["jobs"].values()
    (run,) = [step["run"] for step in job["steps"] if step.get("name") == "Test"]
    ran = shell(project, run, {})
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for name in job["steps"][-1]["with"]["path"].split():
        assert (project / name).is_file(), name
