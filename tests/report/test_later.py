from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from robusttest import metrics
from robusttest.core.nouns import CellKey, Record, RunInfo
from robusttest.engine.cell import Cell
from robusttest.report import build, json, terminal
from robusttest.report.later import Later, LaterField, LaterMapping
from robusttest.stats.cell import estimates


@dataclass(frozen=True, kw_only=True)
class Noun:
    number: int
    doubled: LaterField[int] = LaterField(0)


def test_a_part_is_computed_once_when_it_is_first_read() -> None:
    asked: list[int] = []

    def double() -> int:
        asked.append(1)
        return 14

    noun = Noun(number=7, doubled=Later(double))
    assert asked == []
    assert (noun.doubled, noun.doubled, asked) == (14, 14, [1])
    assert (Noun(number=7).doubled, Noun(number=7, doubled=14).doubled) == (0, 14)
    assert replace(noun, number=8).doubled == 14


def test_a_mapping_computes_what_is_looked_up() -> None:
    asked: list[str] = []

    def size(name: str) -> int:
        asked.append(name)
        return len(name)

    sizes = LaterMapping({"one": None, "three": None}, size)
    assert "three" in sizes
    assert list(sizes) == ["one", "three"]
    assert len(sizes) == 2
    assert sizes.get("two") is None
    assert asked == []
    assert sizes["three"] == sizes["three"] == 5
    assert asked == ["three"]
    assert dict(sizes) == {"one": 3, "three": 5}


def cells(tests: int = 4) -> list[Cell]:
    def of(test: str) -> Cell:
        records = [
            Record(
                task="t", model="m", case_id=str(case), variant=f"{p}#0" if p else "", perturbation=p,
                level="input" if p else "reference", score=float(case % 3 > 0), answer=str(case % 3), target="1", test=test,
            )
            for case in range(9)
            for p in ("", "casing", "swap")
        ]  # fmt: skip
        return Cell(CellKey(test, "t", "m"), records, thresholds=[metrics.accuracy >= 0.2])

    return [of(f"test_{i}") for i in range(tests)]


def test_one_line_of_a_run_computes_no_metric_that_nothing_decides_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    real = estimates._estimate

    def counted(cell, spec, perturbation, level):
        asked.append(spec.name)
        return real(cell, spec, perturbation, level)

    monkeypatch.setattr(estimates, "_estimate", counted)
    run = RunInfo(id="r", created="2026-01-01T00:00:00+00:00", complete=True)
    report = build.build(run, cells())
    assert set(asked) == {"accuracy"}  # the verdicts'
    terminal.render(report, verbosity=-1)
    assert set(asked) == {"accuracy"}
    many = build.build(run, cells(30))
    asked.clear()
    terminal.render(many)
    assert asked.count("net_drop") == asked.count("tara") == 0
    assert asked.count("pass_rate") <= 12 * 3  # of those told in a sentence; 30 are in the table
    terminal.render(report)
    assert 1 < len(set(asked)) < 20
    whole = json.as_dict(report)
    assert len(set(asked)) > 40
    assert {m["metric"] for m in whole["cells"][0]["metrics"]} >= {"accuracy", "drop", "consistency_icc"}
