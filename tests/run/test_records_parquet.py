"""``--robust-records=parquet:FOLDER``: the numbers of a run whose records stand in its file, from every command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from robusttest import Task, evaluate
from robusttest.core.nouns import Record
from robusttest.errors import StorageError, UsageError
from robusttest.scorers import choice
from robusttest.store import list_runs, read_run
from robusttest.store.find import git

pytest.importorskip("pyarrow.parquet", reason="records as Parquet: pip install 'robusttest[parquet]'")


CALLS: list[str] = []


def label(prompt: str) -> str:
    CALLS.append(prompt)
    return "billing" if "refund" in prompt else "delivery"


MODEL = f"python:{__name__}:label"


def task(cases: int = 6) -> Task:
    return Task(
        "tickets",
        cases=[
            {"id": f"t{i}", "input": f"my {'refund' if i % 2 else 'parcel'} number {i}", "target": "billing" if i % 2 else "delivery"}
            for i in range(cases)
        ],
        scorer=choice(["billing", "delivery"]),
    )  # fmt: skip


def asked(directory: Path, **options: object):
    return evaluate(
        task(), model=MODEL, perturbations=["casing", "keyboard"], variants=2, directory=directory, **options
    )


def plain(records: list[Record]) -> list[tuple]:
    times = ("created", "latency", "cached")
    return [tuple(getattr(r, name) for name in Record.__slots__ if name not in times) for r in records]


@pytest.mark.parametrize("url", ["{}/parts", "memory://records-parquet"])
def test_a_run_is_read_from_its_parts_as_from_its_file(url: str, tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    url = url.format(tmp_path)
    asked(whole)
    asked(parted, records=f"parquet:{url}")
    file = list_runs(parted)[0]
    assert '"kind":"record"' not in file.read_text()
    a, b = read_run(list_runs(whole)[0]), read_run(file)
    assert plain(a.records) == plain(b.records)
    assert len(b.records) == 30
    assert b.info.complete
    assert b.info.settings["records"] == f"parquet:{url}"


def test_a_run_file_beside_its_parts_needs_no_folder_told(tmp_path: Path) -> None:
    asked(tmp_path / "a", records=f"parquet:{tmp_path}/parts")
    (folder,) = (tmp_path / "parts").iterdir()
    moved = folder.rename(tmp_path / "elsewhere")
    assert len(read_run(moved / "run.jsonl").records) == 30
    with pytest.raises(StorageError, match="this part of the run is missing"):
        read_run(list_runs(tmp_path / "a")[0])


def test_a_run_that_did_not_end_has_the_records_of_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys.modules["__main__"], "__file__", __file__, raising=False
    )  # a worker of xdist has none
    git("init", "-q")
    git("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "all")
    asked(tmp_path, replies="off", records=f"parquet:{tmp_path}/parts")
    file = list_runs(tmp_path)[0]
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]) + '\n{"kind":"cel')
    run = read_run(file)
    assert not run.info.complete
    assert len(run.records) == 30
    CALLS.clear()
    assert len(asked(tmp_path, resume=True, replies="off").records) == 30
    assert not CALLS


def test_what_cannot_be_written_is_refused_before_a_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    CALLS.clear()
    with pytest.raises(StorageError, match=r"can't write .*file"):
        evaluate(task(), model=MODEL, directory=tmp_path, records=f"parquet:{tmp_path}/file/parts")
    assert not CALLS
    with pytest.raises(UsageError, match="write jsonl, or parquet:FOLDER"):
        evaluate(task(), model=MODEL, directory=tmp_path, records="csv:x")
    with pytest.raises(UsageError, match="holds no user, password or key"):
        evaluate(task(), model=MODEL, directory=tmp_path, records="parquet:ftp://me:hunter2@host/x")


def test_where_a_part_fails_its_records_stand_in_the_run_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from robusttest.store.parquet import Parts

    def fails(*_: object) -> None:
        raise StorageError("can't write there: No space left on device")

    monkeypatch.setattr(Parts, "write", fails)
    with pytest.warns(UserWarning, match="can't write there: No space left on device"):
        asked(tmp_path, records=f"parquet:{tmp_path}/parts")
    run = read_run(list_runs(tmp_path)[0])
    assert len(run.records) == 30
    assert '"part"' not in run.path.read_text()
