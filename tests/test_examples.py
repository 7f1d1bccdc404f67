"""The story of `examples/support_desk`: what each version is for. Of the later ones README.md tells, and `test_docs.py` runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import forks
import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "support_desk"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repo") / "support_desk"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return folder


def run(desk: Path, version: str, *flags: str) -> tuple[int, str, dict[str, Any]]:
    """Exit code, output, and the one cell of the report."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "PYTEST_", "CI"))}
    path = desk / f"{version}.json"
    command = [
        forks.python(),
        "-m",
        "pytest",
        "-p",
        "no:randomly",
        "-p",
        "no:asyncio",
        "-p",
        "no:cacheprovider",
    ]
    command += [f"--robust-model=python:desk:{version}", f"--robust-report=json:{path}", *flags]
    ran = subprocess.run(command, cwd=desk, env=environ, capture_output=True, text=True, check=False)
    (cell,) = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ran.returncode, ran.stdout, cell


def test_the_first_version_misses_for_reasons_that_are_plain(desk: Path):
    code, out, cell = run(desk, "v1")
    assert code == 1
    assert [v["status"] for v in cell["verdicts"]] == ["failed", "failed", "passed"]
    assert "failed       accuracy >= 0.8" in out
    assert "failing variants, the worst 3:" in out
