from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import records, result, run_info

from robusttest.report import json as json_report
from robusttest.report import past
from robusttest.report.build import build
from robusttest.report.history import METRICS
from robusttest.report.model import Report
from robusttest.store import RunWriter, run_path

TEST = "tests/test_intents.py::test_intents"


def store(directory: Path, day: int, **options: object) -> None:
    info = run_info(id=f"{day:08d}", label=f"v{day}", created=f"2026-11-{day:02d}T12:00:00Z")
    with RunWriter(run_path(directory, info), info) as writer:
        for record in records(cases=12, variants=1, seed=day, **options):
            writer.write(record)
        writer.close(info)


def report() -> Report:
    return build(run_info(label="now", created="2026-11-20T12:00:00Z"), [result(cases=12, variants=1)])


def test_earlier_runs_of_the_same_test_come_before_this_one(tmp_path: Path):
    for day in (3, 1, 2, 25):
        store(tmp_path, day)
    store(tmp_path, 4, test="tests/other.py::test")
    found = past.with_history(report(), tmp_path)
    (line,) = found.history
    assert (line.test, [v.name for v in line.versions]) == (TEST, ["v1", "v2", "v3", "now"])
    assert line.versions[-1].estimates == tuple(found.cells[0].overall[m] for m in METRICS)
    told = json.loads(json_report.render(found))["history"]
    assert [v["run"]["label"] for v in told[0]["versions"]] == ["v1", "v2", "v3", "now"]


def test_without_earlier_runs_there_is_no_history(tmp_path: Path):
    assert past.with_history(report(), tmp_path).history is None
    store(tmp_path, 1, task="other")
    assert past.with_history(report(), tmp_path).history is None


def test_only_so_much_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for day in range(1, 6):
        store(tmp_path, day)
    monkeypatch.setattr(past, "RUNS", 2)
    (line,) = past.with_history(report(), tmp_path).history
    assert [v.name for v in line.versions] == ["v4", "v5", "now"]
    monkeypatch.setattr(past, "BYTES", 10)
    assert past.with_history(report(), tmp_path).history is None


def test_what_can_not_be_read_is_left_out(tmp_path: Path):
    store(tmp_path, 1)
    (tmp_path / "runs" / "20261102T120000Z-x-y.jsonl").write_text("garbage\n")
    cut = next((tmp_path / "runs").glob("20261101*"))
    (tmp_path / "runs" / "20261103T120000Z-x-z.jsonl").write_bytes(
        cut.read_bytes()[:3000].replace(b"00000001", b"00000003")
    )
    (line,) = past.with_history(replace(report()), tmp_path).history
    assert [v.name for v in line.versions] == ["v1", "v1", "now"]
