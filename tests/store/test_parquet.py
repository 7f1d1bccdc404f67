"""Parts of Parquet: records as they were, frames and sums as records make them, and what is torn said to be."""

from __future__ import annotations

import math
import random
import sys
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core import codec
from robusttest.core.locations import location
from robusttest.core.nouns import CellKey, Record
from robusttest.errors import MissingExtraError, StorageError
from robusttest.metrics import METRICS
from robusttest.stats.cell.case_table import NOT_FROM_SUMS, tables_of
from robusttest.stats.cell.estimates import estimate, per_perturbation
from robusttest.stats.cell.frame import Column, Frame, frames
from robusttest.stats.cell.measures import NEEDS_ROWS
from robusttest.stats.cell.table_cell import SINGLE, TableCell
from robusttest.store.parquet import Parts, check, folder_of

KEY = CellKey("tests/test_x.py::test_x", "t", "m")
pytest.importorskip("pyarrow", reason="records as Parquet: pip install 'robusttest[parquet]'")

TEXTS = ["", "a", "A ", "ß", "\ud800 alone", "a\0b", "\u2028"]
VALUES = [None, None, "a", "a", "b", "\ud800", True, 1, 0.5, -3, ["a", ""], {"k": "\udcff"}]
SPECS = [
    ("", "", "reference", 0), ("", "", "reference", 1), ("p:0.1", "p:0.1#1", "input", 0), ("p:0.2", "p:0.2#1", "input", 0),
    ("q", "q#1", "prompt", 0), ("repeat", "repeat#1", "repeat", 0),
]  # fmt: skip


def cell(seed: int) -> list[Record]:
    """What a cell may hold: several perturbations, reruns, gaps, statuses, answers of any kind."""
    rng = random.Random(seed)
    pick, maybe = rng.choice, lambda *values: rng.choice([None, *values])
    cases = [f"c{i}" for i in range(rng.randint(1, 5))]
    rng.shuffle(cases)
    found = []
    for case in cases:
        for spec, variant, level, repeat in SPECS:
            status = pick(["ok", "ok", "ok", "ok", "unparsed", "refused", "error", "rejected", None])
            if status is None:
                continue
            found.append(
                Record(
                    test=KEY.test, task="t", model="m", case_id=case, variant=variant, perturbation=spec, level=level,
                    repeat=repeat, index=rng.randint(0, 3), severity=maybe(0.5), status=status,
                    score=pick([0.0, 1.0, 0.25, None]) if status in ("ok", "unparsed", "refused") else None,
                    answer=pick(VALUES), target=pick(VALUES), cluster=maybe("x", "y"), reply=maybe(*TEXTS),
                    input_hash=maybe("a", "b"), effect=pick(["same", "same", "changes"]) if spec[:1] in ("p", "q") else "same", cut=pick([True, False]),
                    by=maybe({"size": "big"}), factors=maybe({"a": "1"}), turns=maybe([0.5, 1.0]), latency=maybe(0.125),
                    check=maybe({"answer": "x"}, {"judge": True, "value": 1.0}), edits=maybe({"input": [[0, 1, "\udcff"]]}),
                    input_tokens=maybe(7),
                )
            )  # fmt: skip
    return found


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())
    if isinstance(a, Column):
        return astuple(a) == astuple(b)
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-12) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    """Codes that say the same cells are equal, whatever their numbers; what is absent is so on both sides."""
    pairs = set(zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))
    return len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs}) and all(
        (x < 0) == (y < 0) for x, y in pairs
    )


def check_frames(found: Frame, wanted: Frame) -> None:
    for name in vars(wanted):
        a, b = getattr(found, name), getattr(wanted, name)
        if name in ("answers", "replies", "questions", "checks"):
            assert (a is None) == (b is None), name
            assert a is None or same_partition(a, b), name
        else:
            assert equal(a, b), (name, a, b)


@given(st.integers(0, 10**9))
@settings(max_examples=6, deadline=None)
def test_records_frames_and_sums_come_back(seed: int) -> None:
    records = cell(seed)
    if not records:
        return
    parts = Parts(location("memory://parquet/run"))
    part = parts.write(KEY, records)
    read = [codec.read(Record, line) for line in parts.lines(part)]
    assert read == [codec.read(Record, codec.loads(codec.record_line(r))) for r in records]
    (wanted,) = frames(records)
    check_frames(parts.frame(KEY, part), wanted)
    for found, made in zip(parts.sums(KEY, part).tables.values(), tables_of(wanted), strict=True):
        assert (found.key, found.perturbation, found.sensitive) == (
            made.key,
            made.perturbation,
            made.sensitive,
        )
        assert (found.case_ids, found.clusters) == (made.case_ids, made.clusters)
        assert equal(tuple(found.sums), tuple(made.sums))
        assert equal(tuple(found.variants), tuple(made.variants))
    check_estimates(parts.sums(KEY, part), wanted)


def check_estimates(found: TableCell, frame: Frame) -> None:
    """Every metric of every perturbation: the value and what it stands on; limits, or that they take single replies."""
    for perturbation in (None, *per_perturbation(frame)):
        for metric in METRICS:
            a, b = found.estimate(metric, perturbation), estimate(frame, metric, perturbation)
            where = (metric, perturbation, a, b)
            assert (a.metric, a.perturbation) == (b.metric, b.perturbation), where
            if a.reason is not None and SINGLE in a.reason:
                assert metric in NOT_FROM_SUMS, where
                continue
            assert (a.value is None) == (b.value is None), where
            if a.value is None:
                continue
            assert a.value == pytest.approx(b.value, abs=1e-9), where
            assert (a.n, a.k) == (b.n, b.k), where
            if a.reason != NEEDS_ROWS:
                limits = [(getattr(e, x) for x in ("low", "high", "lower", "upper")) for e in (a, b)]
                assert all(x is y or x == pytest.approx(y, abs=1e-9) for x, y in zip(*limits, strict=True)), (
                    where
                )


def some(n: int = 3) -> list[Record]:
    return [
        Record(test=KEY.test, task="t", model="m", case_id=f"c{i}", score=1.0, answer="a") for i in range(n)
    ]


def test_what_is_torn_missing_or_of_another_run_is_said(tmp_path: Path) -> None:
    parts = Parts(location(str(tmp_path)))
    part = parts.write(KEY, some())
    file = tmp_path / f"{part.name}.records.parquet"
    with pytest.raises(StorageError, match=r"3 records, and the run file says 4: it is of another run"):
        list(parts.lines(part._replace(rows=4)))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StorageError, match=r"records\.parquet: this part of the run is torn"):
        list(parts.lines(part))
    file.unlink()
    with pytest.raises(StorageError, match=r"records\.parquet: this part of the run is missing"):
        parts.frame(KEY, part)


def test_sums_that_are_gone_are_made_anew(tmp_path: Path) -> None:
    parts = Parts(location(str(tmp_path)))
    part = parts.write(KEY, some())
    before = parts.sums(KEY, part)
    (tmp_path / f"{part.name}.cases.parquet").unlink()
    again = parts.sums(KEY, part)
    assert again.facts == before.facts
    assert equal(tuple(again.tables[None, False].sums), tuple(before.tables[None, False].sums))


def test_a_newer_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Parts(location(str(tmp_path)))
    monkeypatch.setattr("robusttest.store.parquet.SCHEMA", 2)
    part = parts.write(KEY, some())
    monkeypatch.undo()
    with pytest.raises(StorageError, match="has schema 2, written by a newer robusttest"):
        list(parts.lines(part))


def test_scores_out_of_range_are_refused_as_of_records(tmp_path: Path) -> None:
    parts = Parts(location(str(tmp_path)))
    part = parts.write(KEY, some())
    (tmp_path / f"{part.name}.records.parquet").unlink()
    bad = [replace(r, score=1.5) for r in some()]
    parts._put(
        f"{part.name}.records.parquet",
        [__import__("robusttest.store.parquet", fromlist=["_table"])._table(bad)],
    )
    with pytest.raises(
        Exception, match=r"case 'c0', variant 'reference' of task 't', model 'm': score 1\.5 is not in"
    ):
        parts.frame(KEY, part)


def test_where_records_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder_of("jsonl") is None
    assert str(folder_of("parquet:memory://x")) == "memory://x"
    check("jsonl")
    check(f"parquet:{tmp_path}/new")
    assert list((tmp_path / "new").iterdir()) == []
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(
        MissingExtraError, match=r"records as Parquet needs .* pip install 'robusttest\[parquet\]'"
    ):
        check(f"parquet:{tmp_path}/new")
