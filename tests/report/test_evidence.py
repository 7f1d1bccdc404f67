"""What made answers flip, which knob matters, slices, confusions and prompts, in every report."""

from __future__ import annotations

import json
from itertools import product

import pytest
from synthetic_results import run_info

from robusttest.core.nouns import Record
from robusttest.engine.cell import Cell, grouped
from robusttest.report import html, markdown, terminal
from robusttest.report import json as json_report
from robusttest.report.build import build
from robusttest.report.model import Report

SETTINGS = list(product(("none", "formal"), ("none", "shots")))
TOPICS = ("a<b>", "x")


def row(i: int, variant: str, right: bool, model: str, prompt: str, **more: object) -> Record:
    return Record(
        task=f"desk [{prompt}]", prompt=prompt, model=model, case_id=f"c{i}", variant=variant, reply="x", target="yes",
        answer="yes" if right else "no", score=float(right), by={"topic": TOPICS[i % 2]},
        **{"perturbation": variant.partition("#")[0], "level": "prompt" if variant else "reference", **more},
    )  # fmt: skip


def rows() -> list[Record]:
    """40 cases: formal wording loses every second case of topic x, prompt b some more; every tenth rerun differs."""
    records = []
    for model, prompt, i in product(("m1", "m2"), "ab", range(40)):
        for wording, shots in SETTINGS:
            lost = (wording == "formal" and i % 4 == 1) or (prompt == "b" and i % 8 == 2)
            name = "" if (wording, shots) == SETTINGS[0] else f"{wording}+{shots}"
            factors = {"wording": wording, "shots": shots} if name else None
            records.append(row(i, name, not lost, model, prompt, factors=factors))
        records.append(row(i, "repeat#0", i % 10 > 0, model, prompt, level="repeat", perturbation="repeat"))
    return records


@pytest.fixture(scope="module")
def report() -> Report:
    return build(run_info(), [Cell(key, held) for key, held in grouped(rows()).items()])


def test_the_terminal_tells_them_in_lines(report: Report) -> None:
    out = "\n".join(terminal.render(report, width=160, verbosity=2))
    assert "answers flip 16.7 % (n=40): run noise 10.0 %, wording 6.7 %" in out
    assert "not measured, so within the wording: the scorer (no scorer_check)" in out
    assert "which knob matters: wording does (Holm over 2 factors); 40 cases x 4 configurations" in out
    assert "by topic: " in out
    assert "prompts of desk on m1: a is surely the best (probability" in out
    assert "mistaken: yes taken for no 20 of 160 (10 cases)" in out


def test_markdown_has_tables_and_escapes_values(report: Report) -> None:
    page = markdown.render(report)
    assert "answers flip 16.7 % (n=40): run noise 10.0 %" in page
    assert "Which knob matters" in page
    assert "| run noise |" in page
    assert "| **wording** |" in page
    assert "a<b>" not in page
    assert "2 of 2 tested" in page or "4 of 4 tested" in page
    assert "best with probability" in page


def test_html_draws_a_bar_of_the_flips(report: Report) -> None:
    page = html.render(report)
    assert (
        'aria-label="answers flip 16.7 % (n=40): run noise 10.0 %, wording 6.7 %; not measured, so within the wording: the scorer (no scorer_check)"'
        in page
    )
    assert '<rect class="part h0" x="0.0" width="216.0"' in page
    assert '<rect class="part h2" x="216.0" width="144.0"' in page
    assert "a&lt;b&gt;" in page


def test_json_holds_the_numbers(report: Report) -> None:
    data = json.loads(json_report.render(report))
    cell = data["cells"][0]
    parts = {p["kind"]: p["value"] for p in cell["blame"]["parts"]}
    assert sum(parts.values()) == pytest.approx(cell["blame"]["flips"])
    assert [f["name"] for f in cell["factors"][0]["factors"]] == ["wording", "shots"]
    assert [s["value"] for s in cell["slices"]["slices"]] == ["x", "a<b>"]
    assert cell["confusion"]["pairs"][0]["target"] == "yes"
    assert [p["name"] for p in data["prompts"][0]["prompts"]] == ["a", "b"]
    assert {f["name"] for f in data["factors"]} == {"wording", "shots"}


def test_a_plain_run_has_none_of_them(one_cell: Report) -> None:
    data = json.loads(json_report.render(one_cell))
    assert not {"prompts", "factors"} & set(data)
    assert not {"factors", "slices"} & set(data["cells"][0])
