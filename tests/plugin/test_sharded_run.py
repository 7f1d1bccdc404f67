"""Shards of a run, and what is made of them: one whole run, or a clear word why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from robusttest.cli import main

TESTS = """
@robust(task, perturbations=["casing", "keyboard:0.3"], variants=2, expect=["accuracy >= 0.5", "robust_accuracy >= 0.99"])
def test_declared(result):
    assert len(result.records) == 12 * 5  # true of the whole alone

@robust(cases=CASES, perturbations=["casing"], variants=2, expect=["accuracy >= 0.5"])
def test_body(variant, ask):
    assert ask(variant.input).text == variant.target
"""


def files(project: Any) -> set[Path]:
    return set(project.runs())


def shard(project: Any, text: str, *args: str) -> Path:
    before = files(project)
    project.run(f"--robust-shard={text}", *args)
    (made,) = files(project) - before
    return made


def numbers(path: Path) -> Any:
    """A JSON report without what is the run's own."""
    report = json.loads(path.read_text(encoding="utf-8"))
    for name in ("id", "created", "duration", "process", "settings", "models"):
        report["run"].pop(name, None)
    return report


@pytest.fixture
def parts(project, monkeypatch) -> list[Path]:
    monkeypatch.chdir(project.path)
    project.test(TESTS)
    return [shard(project, f"{k}/3") for k in (1, 2, 3)]


def test_the_whole_of_the_parts_is_the_whole_run(project, parts, capsys) -> None:
    capsys.readouterr()
    whole = project.run("--robust-report=json:whole.json")
    whole.assert_outcomes(passed=1, failed=1)
    assert main(["merge", *map(str, parts), "--report=json:merged.json"]) == 1
    out = capsys.readouterr().out
    assert "robust_accuracy >= 0.99" in out
    assert numbers(project.path / "merged.json") == numbers(project.path / "whole.json")
    # in any order, and by their folder
    for path in parts:
        shutil.copy(path, Path("kept_" + path.name))
    assert main(["merge", *map(str, reversed(parts)), "--report=json:again.json", "-q"]) == 1
    assert numbers(project.path / "again.json") == numbers(project.path / "whole.json")


def test_a_shard_judges_nothing_and_says_what_does(project, monkeypatch) -> None:
    monkeypatch.chdir(project.path)
    project.test(TESTS)
    ran = project.run("--robust-shard=1/2")
    ran.assert_outcomes(passed=2)
    ran.stdout.fnmatch_lines(["*shard 1/2: nothing is judged here; robusttest merge*"])
    ran.stdout.no_fnmatch_line("*failed*robust_accuracy*")
    project.run("--robust-shard=1/2", "-q").stdout.fnmatch_lines(["*2 passed*shard 1/2: nothing judged*"])


def test_a_test_without_a_case_in_a_shard_is_skipped_and_still_of_the_plan(project, monkeypatch) -> None:
    monkeypatch.chdir(project.path)
    project.test(
        "@robust(task, perturbations=['casing'], variants=1, limit=1, expect=['accuracy >= 0.5'])\n"
        "def test_one(): ...\n"
        "@robust(task, perturbations=['casing'], variants=1)\n"
        "def test_all(): ...\n"
    )
    skipped = []
    for k in range(1, 4):
        ran = project.run(f"--robust-shard={k}/3", "-rs")
        skipped.append(ran.parseoutcomes().get("skipped", 0))
    assert sorted(skipped) == [0, 1, 1]
    assert main(["merge", ".robusttest/runs", "-q"]) == 0


def test_workers_make_a_part_as_well(project, monkeypatch, capsys) -> None:
    monkeypatch.chdir(project.path)
    project.test(TESTS)
    parts = []
    for k, flags in ((1, ("-n", "2")), (2, ())):
        before = files(project)
        project.fresh(f"--robust-shard={k}/2", *flags).assert_outcomes(passed=2)
        parts += sorted(files(project) - before)
    assert main(["merge", *map(str, parts), "--report=json:merged.json", "-q"]) == 1
    project.run("--robust-report=json:whole.json")
    assert numbers(project.path / "merged.json")["cells"] == numbers(project.path / "whole.json")["cells"]


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/999999999"])
def test_a_shard_that_is_none_is_a_usage_error(project, text) -> None:
    project.test(TESTS)
    ran = project.run(f"--robust-shard={text}")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert not project.runs()


@pytest.mark.parametrize("flag", ["--robust-baseline", "--robust-adaptive", "--robust-update-baseline"])
def test_what_judges_the_whole_is_refused_beside_a_shard(project, flag) -> None:
    project.test(TESTS)
    ran = project.run("--robust-shard=1/2", flag)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert "robusttest merge" in ran.stderr.str() + ran.stdout.str()
    assert not project.runs()


def test_what_is_no_whole_run_is_refused(project, parts, capsys) -> None:
    one, two, three = map(str, parts)

    def said(*argv: str) -> str:
        capsys.readouterr()
        assert main(["merge", *argv]) == 2
        return capsys.readouterr().err

    assert "1 of 3 shards is missing: 2/3" in said(one, three)
    assert "shard 1/3 is there twice" in said(one, two, three, str(shutil.copy(one, "again.jsonl")))
    other = shard(project, "2/3", "--robust-seed=7")
    assert "two plans" in said(one, str(other), three)
    project.test(TESTS.replace('"casing", "keyboard:0.3"', '"casing"'))
    assert "two plans" in said(one, str(shard(project, "2/3")), three)
    assert "of different runs" in said(one, str(shard(project, "1/2")))
    Path("empty").mkdir()
    assert "holds no run file of a shard" in said("empty")
    assert "there is no 'nowhere'" in said("nowhere")
    project.run("--robust-report=json:whole.json")
    (whole,) = [p for p in project.runs() if "shard" not in p.read_text(encoding="utf-8").partition("\n")[0]]
    assert "no part of a sharded run" in said(str(whole))
    Path("torn").mkdir()
    for i, path in enumerate((one, three)):
        shutil.copy(path, f"torn/{i}.jsonl")
    Path("torn/notes.jsonl").write_text('{"some": "thing"}\n')  # somebody's: left alone
    Path("torn/2.jsonl").write_text(Path(two).read_text().replace('"schema_version":', '"schema_version":9'))
    capsys.readouterr()
    assert main(["merge", "torn"]) == 1
    assert "2.jsonl" in capsys.readouterr().err
    cut = Path("cut.jsonl")
    cut.write_bytes(parts[1].read_bytes()[: parts[1].stat().st_size // 2])
    assert "did not run to its end" in said(one, str(cut), three)
