"""Two runs with parts are compared as their records are, whatever of them differs."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.cli import main
from robusttest.compare import Version, compare
from robusttest.core.locations import location
from robusttest.core.nouns import CellKey, Judging, Record, RunInfo
from robusttest.engine.cell import Cell
from robusttest.errors import MissingExtraError, StorageError
from robusttest.store import RunWriter
from robusttest.store.parquet import Parts
from robusttest.store.stored_rows import stored_version

pytest.importorskip("pyarrow.parquet", reason="records as Parquet: pip install 'robusttest[parquet]'")
pytest.importorskip("duckdb", reason="comparisons of runs with parts: pip install 'robusttest[parquet]'")

KEY = CellKey("t.py::test", "task", "m")
SPECS = [
    ("", ""),
    ("p:0.1", "p:0.1#1"),
    ("p:0.2", "p:0.2#1"),
    ("q", "q#1"),
    ("temperature:1", "temperature:1#1"),
    ("repeat", "repeat#1"),
]
LEVELS = {"": "reference", "temperature:1": "decoding", "repeat": "repeat"}


def records(seed: int) -> list[Record]:
    rng = random.Random(seed)
    found = []
    for i in range(rng.randint(1, 12)):
        case = f"c{i}" if i else "\ud800"
        for spec, variant in SPECS:
            asked = f"{rng.getrandbits(64):016x}"
            status = rng.choice(["ok", "ok", "ok", "unparsed", "error", "rejected"])
            found.append(
                Record(
                    test=KEY.test, task="task", model="m", case_id=case, perturbation=spec, variant=variant, level=LEVELS.get(spec, "input"),
                    status=status, score=rng.choice([0.0, 1.0, 1.0, 0.5]) if status in ("ok", "unparsed") else None,
                    answer=rng.choice("ab"), target=rng.choice(["a", 1, ["x"], None]), text=f"text {i} {spec}", input_hash=asked,
                    case_hash=asked[::-1], cluster=f"k{i % 3}" if seed % 2 else None,
                )
            )  # fmt: skip
    return found


def changed(old: list[Record], seed: int) -> list[Record]:
    """Another run of the same: some scores, inputs, targets, replies and rows differ."""
    rng = random.Random(seed)
    how = [
        lambda r: None, lambda r: replace(r, score=0.0 if r.score is not None else None), lambda r: replace(r, status="error", score=None),
        lambda r: replace(r, case_hash="0" * 16, input_hash="0" * 16), lambda r: replace(r, input_hash="1" * 16),
        lambda r: replace(r, target="other"), lambda r: replace(r, case_hash=None), lambda r: replace(r, answer="c"),
        lambda r: replace(r, case_id="new"), lambda r: replace(r, perturbation="s", variant="s#1"),
    ]  # fmt: skip
    share, seen, found = rng.choice([0.0, 0.1, 0.6]), set(), []
    for r in old:
        made = rng.choice(how)(r) if rng.random() < share else r
        if made is not None and (name := (made.case_id, made.variant)) not in seen:
            seen.add(name)
            found.append(made)
    return found


def stored(url: str, rows: list[Record], judging: Judging | None = None) -> Version:
    """A run with one part, as a run leaves it."""
    folder = location(url)
    part = Parts(folder).write(KEY, rows)
    file = Path(url) / "run.jsonl" if folder.local is not None else None
    assert file is not None
    with RunWriter(file, INFO) as writer:
        writer.write_cell(Cell(KEY, verdicts=(), judging=judging), (), part)
        writer.close(INFO)
    return stored_version(folder / "run.jsonl", "run")


INFO = RunInfo(id="a" * 8, created="2026-11-20T08:00:00Z", complete=True)


@given(st.integers(0, 10**9))
@settings(max_examples=6, deadline=None)
def test_the_comparison_of_parts_is_that_of_records(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    base = tmp_path_factory.mktemp("compared")
    old = records(seed)
    new = changed(old, seed)
    if not new:
        return
    wanted = compare(*(Version.of(INFO, rows, name="run") for rows in (old, new)))
    sides = stored(str(base / "old"), old), stored(str(base / "new"), new)
    assert compare(*sides) == wanted
    mixed = compare(sides[0], Version.of(INFO, new, name="run"))
    assert mixed == wanted


def test_rows_that_say_the_same_are_never_made(tmp_path: Path) -> None:
    rows = [replace(r, status="ok", score=1.0) for r in records(4) if r.case_id != "\ud800"]
    n = len({r.case_id for r in rows})
    a, b = (stored(str(tmp_path / name), rows).cells[0] for name in ("old", "new"))
    old, new, same = a.beside(b)
    assert len(same) == 4 * n
    assert len(old.rows) == len(new.rows) == 2 * n  # the reference and its repeat
    assert len(old.clusters) == n
    # what is known of a judge's errors is told by every row
    judged = stored(
        str(tmp_path / "judged"), rows, Judging(model="judge", right_right=9, wrong_wrong=9)
    ).cells[0]
    old, _, same = judged.beside(b)
    assert not same
    assert len(old.rows) == 6 * n


def test_the_command_takes_two_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = [
        replace(r, status="ok", score=1.0, case_id=f"{r.case_id}-{s}")
        for s in range(4, 14)
        for r in records(s)
    ]
    stored(str(tmp_path / "old"), old)
    stored(str(tmp_path / "new"), [replace(r, score=0.0) for r in old])
    assert main(["compare", str(tmp_path / "old"), str(tmp_path / "new"), "--fail-on", "regression"]) == 1
    out = capsys.readouterr().out
    assert "failed by --fail-on regression: 1 of 1" in out


def test_a_torn_part_and_a_missing_package_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = records(4)
    a, b = stored(str(tmp_path / "old"), rows), stored(str(tmp_path / "new"), rows)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "duckdb", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'robusttest\[parquet\]'"):
            compare(a, b)
    (file,) = (tmp_path / "new").glob("*.records.parquet")
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(StorageError, match=r"new/.*records\.parquet: this part of the run is torn"):
        compare(a, b)
