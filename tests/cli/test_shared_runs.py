"""Runs with parts in a folder or at a URL: `show`, `analyze` and `history` by sums, with the numbers that records give."""

from __future__ import annotations

import gc
import random
from dataclasses import replace
from pathlib import Path

import pytest

from robusttest import Task, evaluate
from robusttest.cli import main
from robusttest.core.locations import location
from robusttest.core.nouns import CellKey
from robusttest.engine.cell import Cell
from robusttest.report import sums, terminal
from robusttest.report.build import build
from robusttest.report.model import Report
from robusttest.scorers import choice
from robusttest.stats.cell.table_cell import SINGLE, TableCell
from robusttest.store import RunWriter, list_runs, read_run, shared
from robusttest.store.parquet import Parts
from robusttest.store.shared import read_sums, the_run

pytest.importorskip("pyarrow.parquet", reason="records as Parquet: pip install 'robusttest[parquet]'")

TEAMS = ["billing", "delivery"]
ASKED = ["casing", "keyboard:0.2", "keyboard:0.4", "repeat"]


def unsure(prompt: str) -> str:
    """Wrong the more often, the more capitals and typos."""
    rng = random.Random(prompt)
    right = "billing" if "refund" in prompt.lower() else "delivery"
    return right if rng.random() < 0.8 else rng.choice([*TEAMS, "neither nor"])


def run(directory: Path, parts: str, name: str = "tickets") -> Path:
    """The folder of a run's own files."""
    task = Task(
        name,
        cases=[
            {"id": f"t{i}", "input": f"my {'refund' if i % 2 else 'parcel'} number {i} is late", "target": TEAMS[1 - i % 2]}
            for i in range(24)
        ],
        scorer=choice(TEAMS),
    )  # fmt: skip
    evaluate(
        task, model=f"python:{__name__}:unsure", perturbations=ASKED, variants=2, expect=["accuracy >= 0.5"], directory=directory,
        records=f"parquet:{parts}",
    )  # fmt: skip
    return directory


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("shared")
    run(base / "own", str(base / "parts"))
    return base


def reports(stored: Path) -> tuple[Report, Report]:
    """By records, and by sums."""
    whole = read_run(list_runs(stored / "own")[0])
    return build(whole.info, whole.cells), sums.build(*read_sums(the_run(str(stored / "parts"))))


def test_every_number_of_the_report_is_that_of_records(stored: Path) -> None:
    (a,), (b,) = (r.cells for r in reports(stored))
    for name in (
        "key",
        "item",
        "verdicts",
        "n_cases",
        "n_variants",
        "n_calls",
        "coverage",
        "ways",
        "graded",
        "counts",
        "n_failures",
        "first",
    ):
        assert getattr(a, name) == getattr(b, name), name
    for metric, wanted in a.overall.items():
        found = b.overall[metric]
        if SINGLE in (found.reason or ""):
            continue
        assert found.value == pytest.approx(wanted.value, abs=1e-9), metric
        assert found.n == wanted.n
    assert a.overall["accuracy"].low == pytest.approx(b.overall["accuracy"].low, abs=1e-9)
    assert [r.perturbation for r in a.perturbations] == [r.perturbation for r in b.perturbations]
    assert [r.level for r in a.perturbations] == ["input", "input", "input", "input", "repeat"]
    for x, y in zip(a.perturbations, b.perturbations, strict=True):
        assert (x.level, x.severity, x.pooled, x.within, x.rejected, x.not_applicable) == (
            y.level, y.severity, y.pooled, y.within, y.rejected, y.not_applicable,
        )  # fmt: skip
        for name in ("pass_rate", "flip_rate", "drop", "net_drop"):
            assert getattr(y, name).value == pytest.approx(getattr(x, name).value, abs=1e-9)
            assert getattr(y, name).high == pytest.approx(getattr(x, name).high, abs=1e-9)
    assert a.weakest is not None
    assert b.weakest is not None
    assert (a.weakest.perturbation, a.weakest.sure) == (b.weakest.perturbation, b.weakest.sure)


def test_the_commands_take_a_folder(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = str(stored / "parts")
    value = read_run(list_runs(stored / "own")[0]).cells[0].accuracy.value
    for words in (["show", parts], ["analyze", parts], ["history", "--directory", parts]):
        assert main(words) == 0, words
        out = capsys.readouterr().out
        assert f"{value:.3f}" in out or f"{value:.2f}"[1:] in out, words
        assert ("failing variants, advice and what else" in " ".join(out.split())) == (words[0] != "history")
    report = stored / "report.json"
    assert main(["show", parts, f"--report=json:{report}"]) == 0
    assert f'"value": {value}' in report.read_text()
    for words in (["show", parts], ["analyze", parts]):
        assert main([*words, f"--report=csv:{stored}/report.csv"]) == 2
        assert "this report is of records" in capsys.readouterr().err
    for kind in ("html", "md"):
        path = stored / f"report.{kind}"
        assert main(["show", parts, f"--report={kind}:{path}"]) == 0
        assert "tickets" in path.read_text()
    capsys.readouterr()


def test_sums_of_a_few_cells_at_a_time_are_held(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "HELD", 1)
    run = read_run(list_runs(stored / "own")[0])
    parts = Parts(location(str(tmp_path)))
    with RunWriter(tmp_path / "run.jsonl", run.info) as writer:
        for i in range(3):
            key = CellKey(None, f"task{i}", "m")
            rows = [replace(r, test=None, task=key.task, model="m") for r in run.records[:40]]
            writer.write_cell(Cell(key, verdicts=()), (), parts.write(key, rows))
        writer.close(run.info)
    report = sums.build(*read_sums(the_run(str(tmp_path))))
    lines = terminal.render(report, width=80, color=False)
    assert sum("task" in line for line in lines) >= 3
    gc.collect()
    held = {o.key.task for o in gc.get_objects() if isinstance(o, TableCell)}
    assert len(held & {"task0", "task1", "task2"}) == 1


def test_a_url_is_read_as_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "memory://shared-runs/all"
    run(tmp_path, url)
    for words in (["show", url], ["history", "--directory", url]):
        assert main(words) == 0
        assert "tickets" in capsys.readouterr().out
    run(tmp_path, url, "other")
    assert main(["show", url]) == 2
    assert "holds 2 runs: name one of them" in capsys.readouterr().err
    assert main(["analyze", url]) == 0
    out = capsys.readouterr().out
    assert "tickets" in out
    assert "other" in out
    run(tmp_path, url)
    assert main(["analyze", url]) == 2
    assert (
        "is in another run, too: name one of them, or join shards by robusttest merge"
        in capsys.readouterr().err
    )


def test_what_a_folder_cannot_say_is_refused(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = stored / "parts"
    assert main(["analyze", str(parts), "--expect", "accuracy >= 0.9"]) == 2
    assert "is told by sums" in capsys.readouterr().err
    assert main(["show", "memory://shared-runs/none"]) == 2
    assert "no run is there" in capsys.readouterr().err
    (only,) = parts.iterdir()
    torn = tmp_path / "torn"
    torn.mkdir()
    for file in only.iterdir():
        data = file.read_bytes()
        (torn / file.name).write_bytes(data if file.name == "run.jsonl" else data[: len(data) // 2])
    assert main(["show", str(torn)]) != 0
    assert "records.parquet: this part of the run is torn" in capsys.readouterr().err
