"""What is stored of users can go: old runs, old replies, the texts of one case; every number stays."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from robusttest import Task, evaluate, model
from robusttest.cli import main
from robusttest.core.nouns import Record
from robusttest.gateway.store.replies import ReplyStore
from robusttest.metrics import METRICS
from robusttest.scorers import exact
from robusttest.stats.cell.estimates import estimate
from robusttest.store import list_runs, purge, read_info, read_run
from robusttest.store.failing import FILE, keep
from robusttest.store.summaries import read_summaries

PRIVATE = "Quentin lives at 12 Zebra Lane"


@model(version="1")
def echo(prompt: str) -> str:
    return prompt if "Zebra" in prompt else "known"


TASK = Task(
    "letters",
    cases=[{"id": "them", "input": f"{PRIVATE}, since May", "target": f"{PRIVATE}, since May"}]
    + [{"id": f"c{i}", "input": f"an ordinary letter number {i}", "target": "known"} for i in range(4)],
    scorer=exact(),
)


def ran(directory: Path, **options: object) -> Path:
    evaluate(
        TASK,
        model=f"python:{__name__}:echo",
        perturbations=["casing", "keyboard"],
        variants=2,
        directory=directory,
        **options,
    )
    path = list_runs(directory)[-1]
    keep(directory, [read_run(path).records])
    return path


def numbers(path: Path) -> dict[str, object]:
    (frame,) = read_run(path).frames
    return {name: repr(estimate(frame, name)) for name in METRICS}


def theirs(path: Path) -> int:
    n = sum(r.case_id == "them" for r in read_run(path).records)
    assert n > 2
    return n


def holding(folder: Path, *texts: str) -> list[str]:
    """The files that hold one of these texts in any of the forms in which it is stored."""
    found = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    return [p.name for p in found if any(t.casefold().encode() in p.read_bytes().lower() for t in texts)]


def replies(folder: Path) -> list[str]:
    store = ReplyStore(folder, read_only=True)
    try:
        return [json.dumps(row) for row in store.rows()]
    finally:
        store.close()


def test_the_texts_of_a_case_go_and_its_numbers_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ran(tmp_path)
    before, summaries, order = numbers(path), read_summaries(path), path.stat().st_mtime_ns
    old = read_run(path).records
    n = theirs(path)
    assert holding(tmp_path, "zebra") == [FILE, "replies.sqlite", path.name]
    assert sum("ebra" in text for text in replies(tmp_path)) > 1
    capsys.readouterr()

    assert main(["runs", "purge", "--case", "them", "--directory", str(tmp_path), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"would remove the texts of case 'them': {n} records in 1 run, ")
    assert holding(tmp_path, "zebra") == [FILE, "replies.sqlite", path.name], "only told"

    assert main(["runs", "purge", "--case", "them", "--directory", str(tmp_path)]) == 0
    assert capsys.readouterr().out == told.replace("would remove", "removed")
    assert holding(tmp_path, "zebra", "quentin") == []
    assert not [text for text in replies(tmp_path) if "quentin" in text.casefold()]
    assert len(replies(tmp_path)) == sum(r.case_id != "them" for r in old), "those of others stay"
    assert (numbers(path), read_summaries(path), path.stat().st_mtime_ns) == (before, summaries, order)
    new = read_run(path)
    assert new.info.complete
    for a, b in zip(old, new.records, strict=True):
        if a.case_id != "them":
            assert a == b
        else:
            names = ("text", "reply", "reason", "edits", "shrunk", "answer", "target")
            assert replace(a, **dict.fromkeys(names)) == replace(b, **dict.fromkeys(names))
            assert b.reply is None or b.reply.startswith("(removed ")
            assert b.answer is None or b.answer == "known" or b.answer.startswith("(removed ")
            assert (a.answer == a.target) == (b.answer == b.target)


def test_parts_of_parquet_and_of_a_killed_run_are_searched(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")
    path = ran(tmp_path / "a", records=f"parquet:{tmp_path}/parts")
    before, sums = numbers(path), read_summaries(path)
    found = purge.forget(tmp_path / "a", "them")
    assert (found.runs, found.records) == (1, theirs(path))
    assert not [r for r in read_run(path).records if r.case_id == "them" and (r.text or PRIVATE in str(r))]
    assert (numbers(path), read_summaries(path)) == (before, sums)

    whole = ran(tmp_path / "b")
    lines = whole.read_bytes().splitlines(keepends=True)
    parts = whole.parent / f"{read_info(whole).id}.parts"
    parts.mkdir()
    rows = [json.loads(line) for line in lines if b'"kind":"record"' in line]
    torn = b'{"at":[9,9,9],"kind":"record","text":"Quentin'
    (parts / "main.jsonl").write_bytes(
        b"".join(json.dumps({"at": [0, 0, i], **row}).encode() + b"\n" for i, row in enumerate(rows)) + torn
    )
    whole.write_bytes(lines[0])
    assert len(read_run(whole).records) == len(rows)
    assert purge.forget(tmp_path / "b", "them").records == theirs(whole)
    assert holding(whole.parent, "quentin") == []
    assert len(read_run(whole).records) == len(rows)


def test_requests_that_no_record_names_are_known_by_their_text(tmp_path: Path) -> None:
    ran(tmp_path)
    store = ReplyStore(tmp_path)
    from robusttest.core.nouns import Completion, Request

    judge = Request(model="j", messages=({"role": "user", "content": f"Is {PRIVATE}, since May\nright?"},))
    store.put(judge.key(), judge, Completion(text="yes"))
    store.close()
    assert main(["runs", "purge", "--case", "them", "--directory", str(tmp_path)]) == 0
    assert not [text for text in replies(tmp_path) if "Zebra" in text]


def test_a_case_of_one_task_alone(tmp_path: Path) -> None:
    path = ran(tmp_path)
    assert purge.forget(tmp_path, "them", "another").records == 0
    assert purge.forget(tmp_path, "them", "letters").records == theirs(path)
    assert {r.text is None for r in read_run(path).records if r.case_id == "c1"} == {False}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "purge what? Give --older AGE"),
        (["--task", "letters"], "--task goes with --case"),
        (["--case", "then"], "no stored run has case 'then'. Did you mean 'them'?"),
        (["--case", "them", "--task", "x"], "no stored run has case 'them' of task 'x'"),
    ],
)
def test_what_cannot_be_purged_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    ran(tmp_path)
    assert main(["runs", "purge", *args, "--directory", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


def test_an_age_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as e:
        main(["cache", "purge", "--older", "soon"])
    assert e.value.code == 2
    assert "as in 30m, 12h, 7d, 2w" in capsys.readouterr().err


def made(directory: Path, age: float, *, ended: bool = True) -> Path:
    from datetime import UTC, datetime

    from robusttest.store import RunWriter, new_run, run_path

    at = datetime.fromtimestamp(time.time() - age, UTC)
    info = replace(new_run(), created=at.isoformat(timespec="seconds").replace("+00:00", "Z"))
    path = run_path(directory, info)
    with RunWriter(path, info) as writer:
        writer.write(Record(task="t", model="m", case_id="c", text="x"))
        if ended:
            writer.close(info)
    (path.parent / f"{info.id}.parts").mkdir()
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


DAY = 86400.0


def test_old_runs_go_and_one_that_may_be_under_way_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = made(tmp_path, 91 * DAY), made(tmp_path, 89 * DAY)
    killed, going = made(tmp_path, 100 * DAY, ended=False), made(tmp_path, 60.0, ended=False)
    broken = old.with_name("20200101T000000Z-nogit-deadbeef.jsonl")
    broken.write_text("no run")
    os.utime(broken, (0, 0))
    command = ["runs", "purge", "--directory", str(tmp_path), "--older"]
    assert main([*command, "90d", "--dry-run"]) == 0
    assert capsys.readouterr().out == f"would delete 3 runs in {tmp_path}\n"
    assert main([*command, "90d"]) == 0
    assert capsys.readouterr().out == f"deleted 3 runs in {tmp_path}\n"
    assert set(list_runs(tmp_path)) == {new, going}
    assert len(list(new.parent.glob("*.parts"))) == 2
    assert main([*command, "0s"]) == 0
    assert list_runs(tmp_path) == [going], "written a minute ago, and not ended"
    assert not killed.exists()


def test_a_run_goes_with_its_parts(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")
    path = ran(tmp_path / "a", records=f"parquet:{tmp_path}/parts")
    assert list((tmp_path / "parts").iterdir())
    purge.remove_run(path)
    assert list((tmp_path / "parts").iterdir()) == []
    assert not path.exists()


def test_old_replies_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran(tmp_path)
    n = len(replies(tmp_path))
    aside = tmp_path / "replies.sqlite.damaged-20200101T000000-1"
    aside.write_text("Quentin")
    os.utime(aside, (0, 0))
    command = ["cache", "purge", "--directory", str(tmp_path), "--older"]
    assert main([*command, "1h"]) == 0
    assert capsys.readouterr().out == f"deleted 0 replies in {tmp_path}\n"
    assert len(replies(tmp_path)) == n
    assert not aside.exists()
    assert main([*command, "0s", "--dry-run"]) == 0
    assert len(replies(tmp_path)) == n
    assert main([*command, "0s"]) == 0
    assert capsys.readouterr().out.endswith(f"deleted {n} replies in {tmp_path}\n")
    assert replies(tmp_path) == []
    db = sqlite3.connect(tmp_path / "replies.sqlite")
    assert db.execute("PRAGMA freelist_count").fetchone() == (0,), "the file is as small as what it holds"
    db.close()
    assert holding(tmp_path, "ordinary", "zebra") == [FILE, list_runs(tmp_path)[0].name]


def test_a_shared_store_is_purged_with_this_machines_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fsspec")
    here, store = tmp_path / "here", tmp_path / "shared"
    path = ran(here, store=str(store))
    n = len(replies(here))
    far = [p for p in (store / "replies").rglob("*") if p.is_file()]
    assert len(far) == n
    capsys.readouterr()
    assert main(["runs", "purge", "--case", "them", "--directory", str(here), "--store", str(store)]) == 0
    held = [p for p in (store / "replies").rglob("*") if p.is_file()]
    assert len(held) == sum(r.case_id != "them" for r in read_run(path).records)
    assert holding(tmp_path, "zebra") == []
    assert main(["cache", "purge", "--older", "0s", "--directory", str(here), "--store", str(store)]) == 0
    assert not [p for p in (store / "replies").rglob("*") if p.is_file()]
    assert replies(here) == []


def test_replies_go_also_while_another_process_reads_them(tmp_path: Path) -> None:
    ran(tmp_path)
    reader = sqlite3.connect(tmp_path / "replies.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM replies").fetchone()
    store = ReplyStore(tmp_path)
    store._db.execute("PRAGMA busy_timeout=50")
    n = len(list(store.rows()))
    assert store.purge(before=time.time() + 60) == n > 0
    assert list(store.rows()) == []
    reader.close()
    store.close()
    assert holding(tmp_path, "zebra", "ordinary") == [FILE, list_runs(tmp_path)[0].name]
