"""``robusttest compare``, and that every command finds a run by each of its names."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from robusttest import cli
from robusttest import store as runs
from robusttest.compare import Version
from robusttest.core.nouns import Record, RunInfo
from robusttest.store.baseline import write_baseline

V1 = RunInfo(id="aaaa1111", created="2026-11-24T12:00:00Z", label="v1", complete=True, models=("m",))
V2 = RunInfo(id="bbbb2222", created="2026-11-25T12:00:00Z", label="v2", complete=True, models=("m",))


def records(broken: int, **more: object) -> list[Record]:
    return [
        Record(**{
            "task": "routing", "model": "m", "test": "a.py::test_a", "case_id": f"t{i}", "variant": name,
            "perturbation": name.partition("#")[0], "level": "input" if name else "reference", "target": "billing",
            "score": 0.0 if (wrong := bool(name) and i < broken) else 1.0, "text": f"{i}{name}",
            "answer": "delivery" if wrong else "billing", **more,
        })
        for i in range(80) for name in ("", "keyboard#0")
    ]  # fmt: skip


def store(directory: Path, info: RunInfo, rows: list[Record]) -> Path:
    path = runs.run_path(directory, info)
    with runs.RunWriter(path, info) as writer:
        writer.write(*rows)
        writer.close(info)
    return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    store(tmp_path / ".robusttest", V1, records(0))
    store(tmp_path / ".robusttest", V2, records(12))
    write_baseline(tmp_path / "robust-baseline.json", Version.of(V1, records(0)))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    try:
        code = cli.main(list(argv))
    except SystemExit as e:  # argparse refused it
        code = int(str(e.code))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_compare_tells_what_regressed(project: Path, capsys: pytest.CaptureFixture[str]):
    code, out, err = run(capsys, "compare", "v1", "v2")
    assert (code, err) == (0, "")
    assert out.startswith("against v1 (2026-11-24): 1 regressed\n")
    assert "broke: 12 cases" in out
    assert "t0::keyboard#0 (1 of 2 variants): billing → delivery" in out


def table(path: Path, broken: int) -> str:
    lines = ["id,model,dataset,variant,perturbation,ok"]
    for i in range(60):
        lines += [f"c{i},m,t,{v},{v},{'C' if not v or i >= broken else 'I'}" for v in ("", "typo")]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def test_recorded_tables_are_compared(project: Path, capsys: pytest.CaptureFixture[str]):
    old, new = table(Path("old.csv"), 0), table(Path("new.csv"), 14)
    ours = ("--map", "case_id=id", "--map", "task=dataset", "--map", "score=ok")
    code, out, err = run(capsys, "compare", old, new, *ours, "--fail-on", "regression")
    assert (code, err) == (1, "")
    assert "1 regressed" in out
    assert "broke: 14 cases" in out
    assert "paired by the names of cases and variants" in out
    same = run(capsys, "compare", old, old, *ours, "--fail-on", "regression", "--report", "json:out.json")
    assert same[0] == 0
    assert json.loads((project / "out.json").read_text())["comparison"]["cells"][0]["verdict"] == "no_worse"


def test_nothing_in_common_is_no_pass(project: Path, capsys: pytest.CaptureFixture[str]):
    """The same cases under other names: the gate compared nothing."""
    old = table(project / "old.csv", 0)
    new = project / "new.csv"
    new.write_text((project / "old.csv").read_text().replace("\nc", "\nx"))
    ours = ("--map", "case_id=id", "--map", "task=dataset", "--map", "score=ok")
    code, out, _ = run(capsys, "compare", old, str(new), *ours, "--fail-on", "regression")
    assert code == 1
    assert "does not cover this run: 0 of 120 variants" in out


@pytest.mark.parametrize("old", ["v1", "aaaa", "robust-baseline.json"])
@pytest.mark.parametrize("new", [[], ["v2"], ["latest"], ["bbbb2222"]])
def test_both_sides_have_many_names(
    project: Path, capsys: pytest.CaptureFixture[str], old: str, new: list[str]
):
    code, out, _ = run(capsys, "compare", old, *new, "--fail-on", "regression")
    assert code == 1
    assert "1 regressed" in out
    assert "failed by --fail-on regression: 1 of 1" in out


def test_runs_by_git_ref_in_every_command(project: Path, capsys: pytest.CaptureFixture[str]):
    def git(*args: str) -> str:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *identity, *args], cwd=project, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "one")
    git("tag", "release")
    git("commit", "-q", "--allow-empty", "-m", "two")
    for info, ref, broken in ((V1, "release", 0), (V2, "main", 12)):
        store(
            project / ".robusttest", replace(info, label=None, commit=git("rev-parse", ref)), records(broken)
        )
    assert "1 regressed" in run(capsys, "compare", "release", "HEAD")[1]
    assert "1 improved" in run(capsys, "compare", "main", "release")[1]
    assert "aaaa1111" in run(capsys, "show", "release")[1]
    table = run(capsys, "history")[1]
    assert git("rev-parse", "release")[:8] in table
    assert git("rev-parse", "main")[:8] in table


@pytest.mark.parametrize(
    ("fail_on", "new", "code"),
    [
        (None, "v2", 0), ("regression", "v2", 1), ("regression:0.3", "v2", 0), ("regression", "v1", 0),
        ("undecided", "v1", 0), ("undecided", "v2", 1),
    ],
)  # fmt: skip
def test_the_exit_code_is_the_gates(project: Path, capsys: pytest.CaptureFixture[str], fail_on, new, code):
    gate = [] if fail_on is None else ["--fail-on", fail_on]
    assert run(capsys, "compare", "v1", new, *gate)[0] == code


def test_reports_of_the_new_run_hold_the_comparison(project: Path, capsys: pytest.CaptureFixture[str]):
    for new in ("v2", "robust-baseline.json"):
        code, out, _ = run(capsys, "compare", "v1", new, "--report", "json:out.json", "--report", "md:out.md")
        assert code == 0
        assert "wrote out.json" in out
        data = json.loads((project / "out.json").read_text())
        assert data["comparison"]["cells"][0]["verdict"] == ("regressed" if new == "v2" else "no_worse")
        assert "## Against v1" in (project / "out.md").read_text(encoding="utf-8")


def test_tasks_and_models_are_chosen(project: Path, capsys: pytest.CaptureFixture[str]):
    two = [*records(0), *records(0, model="n")]
    store(project / ".robusttest", replace(V1, label="two", id="cccc"), two)
    store(
        project / ".robusttest",
        replace(V2, label="renamed", id="dddd"),
        [*records(9, model="x"), *records(0, model="y")],
    )
    assert run(capsys, "compare", "two", "renamed")[0] == 2
    assert "1 regressed" in run(capsys, "compare", "two", "renamed", "--model", "n=x")[1]
    code, _, err = run(capsys, "compare", "v1", "v2", "--task", "intents")
    assert code == 2
    assert "has no task 'intents'. It has: routing · m" in err
    assert "1 no worse" in run(capsys, "compare", "v1", "two", "--model", "m", "--task", "routing")[1]


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["v1", "absent"], 2, "no run 'absent'"),
        (["absent.json", "v2"], 2, "no run 'absent.json'"),
        (["v1", "v2", "--fail-on", "worse"], 2, "write regression"),
        (["broken.json", "v2"], 1, "cut off"),
        (["v1", "v2", "--report", "json:."], 1, "it is a folder"),
        (["other", "v2"], 2, "has tasks 'else'"),
    ],
)
def test_what_can_not_be_compared_is_said(
    project: Path, capsys: pytest.CaptureFixture[str], argv, code, said
):
    (project / "broken.json").write_text('{"kind": "robusttest-baseline", "schema')
    other = records(0, task="else", test="b.py::t")
    store(
        project / ".robusttest", replace(V1, label="other", id="eeee", created="2026-11-20T00:00:00Z"), other
    )
    got = run(capsys, "compare", *argv)
    assert (got[0], got[1]) == (code, "")
    assert said in got[2]


def test_a_cut_run_is_compared_as_far_as_it_goes(project: Path, capsys: pytest.CaptureFixture[str]):
    path = runs.run_path(".robusttest", V2)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    code, out, _ = run(capsys, "compare", "v1", str(path))
    assert code == 0
    assert "did not run to its end" in " ".join(out.split())
    assert "that are gone" in out


def test_history_has_intervals_and_sparklines(project: Path, capsys: pytest.CaptureFixture[str]):
    out = run(capsys, "history")[1].splitlines()
    assert out[0] == "routing · m"
    for head in ("accuracy", "robust accuracy", "ICC"):
        assert head in out[1]
    assert ["v1" in out[2], "v2" in out[3]] == [True, True]
    assert "0.850 [0.7" in out[3] or ".85 [.7" in out[3]
    assert "█▁" in out[4]
