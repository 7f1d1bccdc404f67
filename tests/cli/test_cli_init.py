"""`robusttest init`: what it writes passes as it is, and nothing that was there is touched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import forks
import pytest
import yaml

from robusttest import cli

QUIET = ("-p", "no:hypothesispytest", "-p", "no:randomly", "-p", "no:asyncio", "-p", "no:cacheprovider")
WRITTEN = ("tests/test_robustness.py", "pyproject.toml", ".github/workflows/robustness.yml")


def init(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(["init", *argv])
    said = capsys.readouterr()
    return code, said.out, said.err


def pytest_in(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "PYTEST_"))}
    command = [forks.python(), "-m", "pytest", *QUIET, *argv]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def files_in(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "flags", [(), ("-n", "2"), ("--import-mode=importlib",), ("tests/test_robustness.py", "-W", "error")]
)
def test_what_it_writes_passes_as_it_is(tmp_path, monkeypatch, capsys, flags):
    monkeypatch.chdir(tmp_path)
    code, out, err = init(capsys)
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line.startswith("wrote ")] == [f"wrote {p}" for p in WRITTEN]
    assert "Now run it: python -m pytest tests/test_robustness.py" in out
    ran = pytest_in(tmp_path, *flags)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout
    assert "robust_accuracy >= 0.3" in ran.stdout


def test_the_one_line_to_change_is_the_model(tmp_path, capsys):
    init(capsys, str(tmp_path))
    test = tmp_path / "tests" / "test_robustness.py"
    lines = test.read_text(encoding="utf-8").splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("MODEL = ")]
    lines[at] = 'MODEL = "nobody/there"'
    test.write_text("\n".join(lines), encoding="utf-8")
    ran = pytest_in(tmp_path, "--robust-dry-run")
    assert "on nobody/there: 12 cases" in ran.stdout


def test_nothing_is_overwritten(tmp_path, capsys):
    for name in WRITTEN:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"mine: {name}\n")
    before = files_in(tmp_path)
    code, out, _ = init(capsys, str(tmp_path))
    assert code == 0
    assert files_in(tmp_path) == before
    assert "wrote" not in out
    assert "    robust_variants = 5" in out


def test_a_second_time_changes_nothing(tmp_path, capsys):
    init(capsys, str(tmp_path))
    before = files_in(tmp_path)
    code, out, _ = init(capsys, str(tmp_path))
    assert code == 0
    assert "left" in out
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("config", ["pytest.ini", "tox.ini", "setup.cfg", "setup.py"])
def test_a_project_with_settings_gets_the_lines_to_add(tmp_path, capsys, config):
    (tmp_path / config).write_text("[pytest]\n" if config == "pytest.ini" else "")
    _, out, _ = init(capsys, str(tmp_path))
    assert not (tmp_path / "pyproject.toml").exists()
    assert f"{config} is yours" in out
    assert pytest_in(tmp_path).returncode == 0


def test_a_project_within_a_repository(tmp_path, capsys):
    (tmp_path / ".git").mkdir()
    project = tmp_path / "services" / "router"
    (project / "test").mkdir(parents=True)
    _, out, _ = init(capsys, str(project))
    job = yaml.safe_load((tmp_path / ".github/workflows/robustness.yml").read_text(encoding="utf-8"))["jobs"][
        "robustness"
    ]
    assert job["defaults"]["run"]["working-directory"] == "services/router"
    assert "services/router/robust.xml" in job["steps"][-1]["with"]["path"]
    assert (project / "test" / "test_robustness.py").is_file()
    assert f"cd {project} && python -m pytest test/test_robustness.py" in out


def test_a_link_that_leads_nowhere_is_left(tmp_path, capsys):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_robustness.py").symlink_to(tmp_path / "elsewhere")
    assert init(capsys, str(tmp_path))[0] == 0
    assert not (tmp_path / "elsewhere").exists()


def test_wrong_folders(tmp_path, capsys):
    code, _, err = init(capsys, str(tmp_path / "none"))
    assert code == 2
    assert "is not a folder" in err
    (tmp_path / "tests").write_text("a file")
    code, _, err = init(capsys, str(tmp_path))
    assert code == 1
    assert "can't write" in err
