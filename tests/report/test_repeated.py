"""pass^k: of prompts that were run several times, every report tells how often all runs are right."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from robusttest.core.nouns import CellKey, Record, RunInfo
from robusttest.engine.cell import Cell
from robusttest.report import html, junit, markdown, terminal
from robusttest.report import json as json_report
from robusttest.report.build import build

RUN = RunInfo(id="0" * 8, created="2026-11-28T12:00:00Z", complete=True)


def agent(*runs: str, task: str = "agent") -> Cell:
    """A letter for each run of a case's prompt: 1 is right, a dot is a failed call."""
    records = [
        Record(
            task=task, model="m", test="t.py::t", case_id=f"c{i}", target="x", variant=f"repeat#{j - 1}" if j else "",
            perturbation="repeat" if j else "", level="repeat" if j else "reference",
            status="error" if letter == "." else "ok", score=None if letter == "." else float(letter),
            answer=None if letter == "." else "x" if letter == "1" else "y", text="go",
        )
        for i, letters in enumerate(runs)
        for j, letter in enumerate(letters)
    ]  # fmt: skip
    return Cell(CellKey("t.py::t", task, "m"), records)


def test_every_report_has_it_in_its_headline() -> None:
    """Of ten cases five are right in all three runs, four in two of three, one never."""
    report = build(RUN, [agent(*["111"] * 5, *["110"] * 4, "000")])
    (cell,) = report.cells
    assert cell.repeated is not None
    assert (cell.repeated.metric, cell.repeated.value) == ("pass^3", pytest.approx(0.5))
    assert cell.shown[-1] is cell.repeated
    shown = " ".join(" ".join(terminal.render(report, width=100)).split())
    assert "right in all 3 runs of a prompt on 50 %" in shown
    assert "pass^3" in shown
    for page in (markdown.render(report), html.render(report)):
        assert "pass^3" in page
        assert "of a prompt on" in page
    (found,) = [
        m for m in json.loads(json_report.render(report))["cells"][0]["metrics"] if m["metric"] == "pass^3"
    ]
    assert found["value"] == pytest.approx(0.5)
    assert found["low"] < 0.5 < found["high"]
    assert ("robust.pass^3", "0.5") in junit.properties(cell)


def test_it_has_room_in_a_narrow_terminal() -> None:
    runs = agent("111", "110", "111", "111")
    records = [
        *runs.records,
        *(replace(r, variant="casing#0", perturbation="casing", level="input") for r in runs.records[::3]),
    ]
    report = build(RUN, [Cell(runs.key, records)])
    for width in (60, 80):
        lines = terminal.render(report, width=width)
        assert max(map(len, lines)) <= width
        assert any("pass^3" in line for line in lines)


def test_k_is_what_each_case_has() -> None:
    """A failed call is no wrong run: two of three are left."""
    assert build(RUN, [agent("111", "11.")]).cells[0].repeated.metric == "pass^2"
    (cell,) = build(RUN, [agent("11", "10")]).cells
    assert "right in both runs of a prompt on 50 %" in " ".join(
        " ".join(terminal.render(build(RUN, [agent("11", "10")]))).split()
    )
    assert cell.repeated.value == pytest.approx(0.5)


@pytest.mark.parametrize("runs", [("1", "0"), ("1.", "11"), ("..", "..")])
def test_nothing_is_said_where_no_prompt_was_repeated(runs: tuple[str, ...]) -> None:
    report = build(RUN, [agent(*runs)])
    assert report.cells[0].repeated is None
    assert "pass^" not in html.render(report).partition("glossary")[0]


def test_several_tests_have_a_column_with_their_own_k() -> None:
    cells = [agent("111", "110"), agent("11", "11", task="other"), agent("1", "0", task="once")]
    page = markdown.render(build(RUN, cells))
    assert "pass^k" in page
    assert "(pass^3)" in page
    assert "(pass^2)" in page
