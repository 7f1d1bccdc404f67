"""Records that are on disk as they are made, and what is read of a run that was killed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core import codec
from robusttest.core.nouns import Record, RunInfo
from robusttest.engine.cell import Cell
from robusttest.errors import StorageError
from robusttest.store import RunWriter, read_info, read_run, run_path
from robusttest.store.reader import begun, left_over
from robusttest.store.stream import Stream, begin_run, end_parts, part_lines, parts_of

INFO = RunInfo(id="abcd1234", created="2026-11-24T12:00:00Z", commit="f" * 40)


def row(case: str, variant: str = "", **more: object) -> Record:
    values = {"task": "t", "model": "m", "test": "a.py::t", "case_id": case, "variant": variant, "score": 1.0}
    return Record(**{**values, **more})


def begin(directory: Path) -> Path:
    return begin_run(directory, INFO.id, lambda: INFO)


def test_a_record_is_on_disk_as_it_is_made_and_read_in_order(tmp_path: Path):
    folder = begin(tmp_path)
    stream = Stream(folder, "main")
    for i, case in ((1, "b"), (0, "a"), (2, "c")):
        stream.write(row(case), (i, 0, 0))
        assert len(stream.path.read_bytes().splitlines()) == len(read_run(run_path(tmp_path, INFO)).records)
    run = read_run(run_path(tmp_path, INFO))
    assert [r.case_id for r in run.records] == ["a", "b", "c"]
    assert (run.info.id, run.info.complete) == (INFO.id, False)
    assert any("did not end" in note for note in run.info.notes)
    stream.close()


def test_the_process_that_comes_first_makes_the_file_and_the_others_find_it(tmp_path: Path):
    assert begun(tmp_path, INFO.id) is None
    begin(tmp_path)

    def never() -> RunInfo:
        raise AssertionError("it is there")

    assert begin_run(tmp_path, INFO.id, never) == parts_of(tmp_path / "runs", INFO.id)
    assert begun(tmp_path, INFO.id) == INFO
    assert read_info(run_path(tmp_path, INFO)) == INFO


def test_the_run_file_gets_the_lines_that_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stream = Stream(begin(tmp_path), "main")
    records = [row("a", answer="\ud800 line\n"), row("b"), row("c", answer=float("nan"))]
    for i, r in enumerate(records):
        stream.write(r, (2 - i,))
    shrunk = replace(records[1], shrunk={"text": "x"})
    encoded: list[Record] = []
    line = codec.record_line
    monkeypatch.setattr(codec, "record_line", lambda r: encoded.append(r) or line(r))
    lines = list(stream.lines([records[0], shrunk, records[2]]))
    assert encoded == [shrunk], "each other line was encoded once, when its record was made"
    assert lines == [line(r) for r in (records[0], shrunk, records[2])]
    stream.close()


def test_without_a_part_the_lines_are_made(tmp_path: Path):
    assert list(Stream(tmp_path, "main").lines([row("a")])) == [codec.record_line(row("a"))]


def test_what_is_run_again_counts_once(tmp_path: Path):
    stream = Stream(begin(tmp_path), "gw0")
    stream.write(row("a", score=0.0), (0,))
    stream.write(row("b"), (1,))
    stream.write(row("a", score=1.0), (0,))
    stream.close()
    assert [(r.case_id, r.score) for r in read_run(run_path(tmp_path, INFO)).records] == [
        ("a", 1.0),
        ("b", 1.0),
    ]


def test_the_parts_of_all_workers_are_read(tmp_path: Path):
    for name, test in (("gw0", "z.py::t"), ("gw1", "a.py::t"), ("gw2", "z.py::t")):
        stream = Stream(begin(tmp_path), name)
        stream.write(row(name, test=test), (0, 0, 0))
        stream.close()
    found = left_over(tmp_path, INFO.id, but={row("", test="a.py::t").key})
    assert {key.test: [r.case_id for r in rows] for key, rows in found.items()} == {"z.py::t": ["gw0", "gw2"]}
    assert [c.key.test for c in read_run(run_path(tmp_path, INFO)).cells] == ["a.py::t", "z.py::t"]


def test_at_the_end_the_parts_go(tmp_path: Path):
    folder = begin(tmp_path)
    end_parts(tmp_path, INFO.id)
    assert not folder.exists()
    end_parts(tmp_path, INFO.id)


def test_a_place_that_can_not_be_written_is_a_storage_error(tmp_path: Path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError, match="can't write"):
        begin(tmp_path)
    with pytest.raises(StorageError, match="can't write"):
        Stream(tmp_path / "absent", "main").write(row("a"), (0,))


def killed(directory: Path) -> tuple[Path, list[Record], int]:
    """A run killed after its first cell: the run file, all records, and how long its first line is."""
    stream = Stream(begin(directory), "main")
    one = [row(f"c{i}", answer="é \ud800") for i in range(3)]
    two = [row(f"d{i}", task="u") for i in range(3)]
    for i, r in enumerate([*one, *two]):
        stream.write(r, (i,))
    path = run_path(directory, INFO)
    writer = RunWriter(path, INFO)
    writer.write_cell(Cell(one[0].key, verdicts=(), outcome="passed"), stream.lines(one))
    writer.close()
    stream.close()
    return path, [*one, *two], path.read_bytes().index(b"\n")


def test_a_run_file_cut_at_any_byte_has_the_parts_beside_it(tmp_path: Path):
    path, records, first = killed(tmp_path)
    whole = path.read_bytes()
    for size in range(first, len(whole) + 1):
        path.write_bytes(whole[:size])
        run = read_run(path)
        assert sorted(r.case_id for r in run.records) == [r.case_id for r in records], size
        assert not run.info.complete
    assert [c.outcome for c in run.cells] == ["passed", None]


def test_a_part_cut_at_any_byte_is_read_up_to_the_cut(tmp_path: Path):
    path, records, first = killed(tmp_path)
    path.write_bytes(path.read_bytes()[: first + 1])
    (part,) = parts_of(path.parent, INFO.id).iterdir()
    whole = part.read_bytes()
    for size in range(len(whole) + 1):
        part.write_bytes(whole[:size])
        n = len(read_run(path).records)
        assert n in (whole[:size].count(b"\n"), whole[:size].count(b"\n") + 1)
        assert [r.case_id for r in read_run(path).records] == [r.case_id for r in records[:n]]


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=80))
def test_what_is_no_part_is_left_out(content: bytes):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "x.jsonl").write_bytes(content)
        assert part_lines(Path(folder)) == []


@pytest.mark.parametrize("size", [0, 1, 5, 40])
def test_a_file_cut_in_its_first_line_says_so(tmp_path: Path, size: int):
    path, _, first = killed(tmp_path)
    assert size < first
    path.write_bytes(path.read_bytes()[:size])
    for read in (read_run, read_info):
        with pytest.raises(StorageError, match="cut in its first line" if size else "not a run file"):
            read(path)
