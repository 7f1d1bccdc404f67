from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest import store as runs
from robusttest.core.nouns import Estimate, Record, RunInfo, Threshold, Verdict
from robusttest.engine.cell import Cell
from robusttest.errors import StorageError, UsageError
from robusttest.store import reader

GOLDEN = Path(__file__).parent / "golden_runs"

VERDICT = Verdict(
    threshold=Threshold(metric="flip_rate", op="<=", limit=0.05, perturbation="keyboard"),
    status="failed",
    reason="flip_rate[keyboard] 0.500, n=2",
    estimate=Estimate(
        metric="flip_rate", perturbation="keyboard", value=0.5, low=0.1, high=0.9, n=2, method="wilson"
    ),
    settled=False,
    cases_needed=40,
)


def record(**changes: object) -> Record:
    values = {"task": "t", "model": "m", "case_id": "c1", "score": 1.0, "answer": "yes", "test": "a.py::test"}
    return Record(**{**values, **changes})


def info(**changes: object) -> RunInfo:
    values = {"id": "abcd1234", "created": "2026-11-24T12:00:00Z", "commit": "f" * 40, "models": ("m",)}
    return RunInfo(**{**values, **changes})


def store(directory: Path, run: RunInfo, *records: Record, end: bool = True) -> Path:
    path = runs.run_path(directory, run)
    with runs.RunWriter(path, run) as writer:
        writer.write(*(records or [record()]))
        writer.write_cell(Cell(record().key, verdicts=(VERDICT,)))
        if end:
            writer.close(replace(run, complete=True, calls=7))
    return path


def test_a_run_comes_back_as_it_was_written(tmp_path: Path):
    odd = record(
        case_id="c2", variant="keyboard#0", perturbation="keyboard", level="input", text="lone \ud800 \x1b\n",
        edits={"input": [[0, 1, "x"]]}, score=0.0, answer={"a": [1, None]}, status="unparsed", reason="no number",
    )  # fmt: skip
    path = store(tmp_path, info(), record(), odd)
    run = runs.read_run(path)
    assert run.info == replace(info(), complete=True, calls=7)
    assert run.records == [record(), odd]
    assert run.verdicts == [VERDICT]
    (result,) = run.cells
    assert (result.task, result.model, result.test, result.thresholds) == (
        "t", "m", "a.py::test", (VERDICT.threshold,),
    )  # fmt: skip
    assert runs.read_info(path) == run.info


def test_file_names_sort_by_time_and_name_the_commit(tmp_path: Path):
    assert runs.run_path(tmp_path, info()).name == "20261124T120000Z-ffffffff-abcd1234.jsonl"
    assert runs.run_path(tmp_path, info(commit=None)).name == "20261124T120000Z-nogit-abcd1234.jsonl"


def test_one_line_of_pandas_reads_the_records(tmp_path: Path):
    path = store(tmp_path, info(), record(), record(case_id="c2", score=0.0))
    frame = pandas.read_json(path, lines=True).query("kind == 'record'")
    assert frame["score"].mean() == 0.5


def test_lines_are_on_disk_before_the_run_ends(tmp_path: Path):
    path = runs.run_path(tmp_path, info())
    writer = runs.RunWriter(path, info())
    writer.write(record())
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    run = runs.read_run(path)
    assert run.records == [record()]
    assert not run.info.complete
    writer.close()
    writer.close()
    with pytest.raises(StorageError, match="closed"):
        writer.write(record())


def test_a_cut_file_is_readable_up_to_the_cut(tmp_path: Path):
    path = store(tmp_path, info(), *(record(case_id=f"c{i}") for i in range(5)))
    whole = path.read_bytes()
    for size in range(whole.index(b"\n") + 1, len(whole)):
        path.write_bytes(whole[:size])
        run = runs.read_run(path)
        assert run.records == [record(case_id=f"c{i}") for i in range(len(run.records))]
        if size < len(whole) - 1:
            assert not run.info.complete
            assert any("cut" in note or "did not end" in note for note in run.info.notes)
        assert runs.read_info(path).id == "abcd1234"


@given(st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_what_is_no_run_file_is_refused(content: bytes):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(content)
        with pytest.raises(StorageError, match="not a run file"):
            runs.read_run(path)
        with pytest.raises(StorageError, match="not a run file"):
            runs.read_info(path)


def test_a_newer_schema_says_so(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"kind": "run", "schema_version": runs.SCHEMA + 1, "id": "a"}) + "\n")
    for read in (runs.read_run, runs.read_info):
        with pytest.raises(StorageError, match="newer robusttest"):
            read(path)


@pytest.mark.parametrize("schema", [None, "1", 0, True and -3])
def test_a_schema_that_is_no_number_of_ours_is_refused(tmp_path: Path, schema: object):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"kind": "run", "schema_version": schema, "id": "a"}) + "\n")
    with pytest.raises(StorageError, match="not a number that robusttest wrote"):
        runs.read_run(path)


def test_an_older_schema_is_migrated_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = store(tmp_path, info())
    monkeypatch.setattr(reader, "SCHEMA", runs.SCHEMA + 1)

    def rename(line: reader.Line) -> reader.Line:
        return {**line, "answer": "migrated"} if line["kind"] == "record" else line

    monkeypatch.setitem(reader.MIGRATIONS, runs.SCHEMA, rename)
    assert [r.answer for r in runs.read_run(path).records] == ["migrated"]


def test_every_schema_that_was_ever_written_has_a_golden_run_and_a_migration():
    assert sorted(int(p.stem.removeprefix("schema-")) for p in GOLDEN.glob("schema-*.jsonl")) == list(
        range(1, runs.SCHEMA + 1)
    )
    assert sorted(reader.MIGRATIONS) == list(range(1, runs.SCHEMA))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.jsonl")), ids=lambda p: p.stem)
def test_golden_runs_stay_readable(path: Path):
    run = runs.read_run(path)
    assert run.info.complete
    assert run.info.label == "golden"
    assert [(r.case_id, r.variant, r.status, r.score) for r in run.records] == [
        ("c1", "", "ok", 1.0),
        ("c1", "keyboard#0", "ok", 0.0),
        ("c2", "", "error", None),
        ("c2", "keyboard#0", "not_applicable", None),
    ]
    assert [(str(v.threshold), v.status) for v in run.verdicts] == [("accuracy >= 0.9", "error")]


def test_added_fields_do_not_stop_an_older_reader(tmp_path: Path):
    path = store(tmp_path, info())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["added"] = {"later": 1}
        if line["kind"] == "cell":
            line["verdicts"][0]["added"] = line["verdicts"][0]["estimate"]["added"] = 1
    lines.insert(2, {"kind": "added", "x": 1})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = runs.read_run(path)
    assert (run.records, run.verdicts, run.info.complete) == ([record()], [VERDICT], True)


def test_nan_never_reaches_the_file(tmp_path: Path):
    path = store(tmp_path, info(), record(answer=[float("nan"), 1.0]))
    assert "NaN" not in path.read_text(encoding="utf-8")
    assert runs.read_run(path).records[0].answer == [None, 1.0]


def test_an_unwritable_place_is_a_storage_error(tmp_path: Path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(StorageError, match="can't write the run file"):
        runs.RunWriter(blocker / "runs" / "x.jsonl", info())
    with pytest.raises(StorageError, match="can't read"):
        runs.read_run(tmp_path / "absent.jsonl")


def test_a_fresh_directory_ignores_itself_in_git(tmp_path: Path):
    store(tmp_path / ".robusttest", info())
    assert (tmp_path / ".robusttest" / ".gitignore").read_text() == "*\n"
    store(tmp_path, info())  # a folder that was there is left alone
    assert not (tmp_path / ".gitignore").exists()


# finding


def test_runs_are_found_by_path_latest_id_and_label(tmp_path: Path):
    old = store(tmp_path, info(id="aaaa1111", label="v1"))
    new = store(tmp_path, info(id="aabb2222", created="2026-11-25T12:00:00Z", label="v1"))
    other = store(tmp_path, info(id="cccc3333", created="2026-11-23T12:00:00Z", label="v0"), end=False)
    assert runs.list_runs(tmp_path) == [other, old, new]
    assert runs.find_run(str(old), tmp_path) == old
    assert runs.find_run("latest", tmp_path) == new
    assert runs.find_run("aaaa", tmp_path) == old
    assert runs.find_run("v1", tmp_path) == new, "the newest of a label"
    assert runs.find_run("v0", tmp_path) == other
    assert runs.find_run("fffffff", tmp_path) == new, "a commit's beginning"
    with pytest.raises(UsageError, match=r"ambiguous.*aaaa1111.*aabb2222"):
        runs.find_run("aa", tmp_path)
    for unknown in ("zz", "", "--help"):
        with pytest.raises(UsageError, match=r"v1.*aabb2222"):
            runs.find_run(unknown, tmp_path)


def test_no_runs_yet(tmp_path: Path):
    with pytest.raises(UsageError, match="no runs are stored"):
        runs.find_run("latest", tmp_path)


def test_a_broken_file_does_not_hide_the_others(tmp_path: Path):
    path = store(tmp_path, info())
    (path.parent / "20270101T000000Z-x-y.jsonl").write_text("garbage\n")
    assert runs.find_run("abcd", tmp_path) == path


def test_runs_are_found_by_git_ref(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def git(*args: str) -> str:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", *identity, *args], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    assert runs.git_state(tmp_path) == (None, None), "no commit yet"
    git("commit", "-q", "--allow-empty", "-m", "one")
    git("tag", "v1")
    first = runs.new_run(cwd=tmp_path)
    git("commit", "-q", "--allow-empty", "-m", "two")
    second = replace(runs.new_run(cwd=tmp_path), created="2099-01-01T00:00:00Z")
    assert (first.commit, first.dirty) == (git("rev-parse", "v1"), False)
    one, two = store(tmp_path / "d", first), store(tmp_path / "d", second)
    monkeypatch.chdir(tmp_path)
    assert runs.find_run("v1", "d") == Path("d") / one.relative_to(tmp_path / "d")
    assert runs.find_run("HEAD", "d") == Path("d") / two.relative_to(tmp_path / "d")


def test_a_tracked_file_that_differs_makes_it_dirty_and_another_does_not(tmp_path: Path):
    def git(*args: str) -> None:
        quiet = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *quiet, *args], cwd=tmp_path, check=True, capture_output=True)

    below = tmp_path / "tests"
    below.mkdir()
    (tmp_path / "a.txt").write_text("a")
    git("init", "-q")
    git("add", "a.txt")
    git("commit", "-q", "-m", "one")
    (tmp_path / "b.txt").write_text("b")
    assert runs.git_state(below)[1] is False
    (tmp_path / "a.txt").write_text("changed")
    commit, dirty = runs.git_state(below)
    assert commit is not None
    assert len(commit) == 40
    assert dirty is True


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    run = runs.new_run(label="x", models=["m"])
    assert (run.commit, run.dirty, run.label) == (None, None, "x")


def test_outside_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GIT_DIR", raising=False)
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("a process was started"))
    assert runs.git_state(tmp_path) == (None, None)
