"""One word for one state, in the terminal, Markdown, HTML, JSON and JUnit."""

from __future__ import annotations

import html as entities
import re
from typing import Any

import pytest

from robusttest.core.nouns import CellKey, Estimate, Record, RunInfo
from robusttest.engine.cell import Cell
from robusttest.metrics import parse_threshold
from robusttest.report import html, json, junit, markdown, terminal
from robusttest.report.build import build
from robusttest.report.model import OUTCOMES, CellReport, Report, outcome_word
from robusttest.report.text import status_word
from robusttest.scorers.judging import NO_GRADE
from robusttest.settings import Settings

RUN = RunInfo(id="0" * 8, created="2026-11-24T12:00:00Z", complete=True)
KEY = CellKey("a.py::t", "t", "m")


def records(**odd: Any) -> list[Record]:
    """Forty cases as written and in one other way; on the first ten the other way is ``odd``."""
    out = []
    for i in range(40):
        row: dict[str, Any] = {
            "task": "t",
            "model": "m",
            "test": "a.py::t",
            "case_id": f"c{i:02}",
            "target": "yes",
        }
        out.append(Record(**row, score=1.0, answer="yes"))
        facts = {"score": 1.0, "answer": "yes"} | (odd if i < 10 else {})
        out.append(Record(**row, variant="p#0", perturbation="p", level="input", **facts))
    return out


def of(rows: list[Record], *limits: str, **facts: Any) -> Report:
    cell = Cell(KEY, rows, thresholds=tuple(map(parse_threshold, limits)), wanted=("p",), **facts)
    return build(RUN, [cell])


def told(report: Report) -> dict[str, str]:
    """What a person reads of the test, by the place."""
    page = re.sub(r"<(script|style).*?</\1>", "", html.render(report), flags=re.DOTALL)
    bare = entities.unescape(re.sub(r"<[^>]+>", " ", page))
    text = re.sub(r"\]\(#words\)|[*`\\[]", "", markdown.render(report))
    shown = "\n".join(terminal.render(report, width=200, verbosity=1))
    return {
        "terminal": " ".join(shown.split()),
        "markdown": text,
        "html": re.sub(r" ([,.;:])", r"\1", " ".join(bare.split())),
    }


def in_words(text: str) -> str:
    """Without the glossary, which explains other terms, too."""
    return text.partition("## Words")[0].lower()


def cell_of(report: Report) -> CellReport:
    (cell,) = report.cells
    return cell


ENDINGS: dict[str, Report] = {
    "passed": of(records(), "accuracy >= 0.5", outcome="passed"),
    "failed": of(records(score=0.0, answer="no"), "robust_accuracy >= 0.9", outcome="failed"),
    "error": of(records(), "consistency_icc >= 0.5", outcome="error"),
    "inconclusive": of(
        records(score=0.0, answer="no"), "robust_accuracy >= 0.72", settings=Settings(inconclusive="fail")
    ),
    "skipped": of([], outcome="skipped", reason="no GPU"),
    "xfailed": of([], outcome="xfailed", reason="known bug"),
    "xpassed": of(records(), outcome="xpassed"),
    "not_run": of([], outcome="not_run", reason="the run was interrupted"),
}


@pytest.mark.parametrize("state", ENDINGS)
def test_an_ending_has_one_word(state):
    report = ENDINGS[state]
    assert cell_of(report).outcome == state
    word = outcome_word(state)
    assert word == state.replace("_", " ")
    for place, text in told(report).items():
        assert re.search(rf"\b{word}\b", in_words(text)), place
        assert f"1 {word}" in in_words(text), f"{place}: counted by the same word"
    assert json.as_dict(report)["cells"][0]["outcome"] == state
    sentence = next(x for x in terminal.render(report, width=200) if x.startswith("  ")).strip().lower()
    if state not in ("passed", "failed"):
        assert re.search(rf"\b{word}\b", sentence), sentence
    others = {outcome_word(o) for o in OUTCOMES} - {word, "without thresholds", "passed", "failed"}
    for other in others:
        assert not re.search(rf"\b{other}\b", sentence), f"{other!r} in {sentence!r}"


@pytest.mark.parametrize(
    ("state", "said"),
    [("passed", "its threshold holds"), ("failed", "its threshold missed"), ("error", "error on its threshold"), ("inconclusive", "its threshold inconclusive")],
)  # fmt: skip
def test_a_verdict_has_one_word_and_the_sentence_one_for_it(state, said):
    report = ENDINGS[state]
    (verdict,) = cell_of(report).verdicts
    assert verdict.status == state
    assert dict(junit.properties(cell_of(report)))[f"robust.verdict[{verdict.threshold}]"] == state
    assert [v["status"] for v in json.as_dict(report)["cells"][0]["verdicts"]] == [state]
    for place, text in told(report).items():
        assert said in text, place
        assert re.search(rf"\b{state}\b[\s|]*{re.escape(str(verdict.threshold))}", text), place


def test_thresholds_of_several_ends_are_all_told():
    report = of(
        records(score=0.0, answer="no"), "accuracy >= 0.5", "robust_accuracy >= 0.95", "flip_rate <= 0.01", "sensitivity >= 0.5"
    )  # fmt: skip
    for place, text in told(report).items():
        assert "error on 1 of 4 thresholds: sensitivity >= 0.5, 2 missed." in text, place


ODD: dict[str, list[Record]] = {
    "unparsed": records(status="unparsed", score=0.0, reply="hm", reason="no label"),
    "refused": records(status="refused", score=0.0, reply="no", reason="a policy"),
    "error": records(status="error", reason="HTTP 500"),
    "ungraded": records(status="error", reason=f"{NO_GRADE}: 'hm'"),
    "raised": records(status="error", reason="raised KeyError: 'k'"),
    "skipped": records(status="skipped", reason="not today"),
    "rejected": records(status="rejected", reason="too short"),
    "not_applicable": records(status="not_applicable", reason="no words"),
}


@pytest.mark.parametrize("status", ODD)
def test_what_is_no_plain_answer_has_one_word(status):
    report = of(ODD[status])
    data = json.as_dict(report)["cells"][0]
    assert {t["status"] for t in data["reasons"]} == {status}
    assert data["counts"] == {"ok": 70, status: 10}
    word = status_word(status, 10)
    texts = told(report)
    assert f"10 {word}: " in texts["terminal"]
    assert re.search(rf"{word}\s*\|", texts["markdown"])
    assert word in texts["html"]
    for place, text in texts.items():
        for other in ODD:
            if other != status:
                assert status_word(other, 10) not in in_words(text), f"{other!r} in {place}"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("error", "88 % of the planned calls replied, and only these count"),
        ("ungraded", "88 % of the planned variants have a result, and only these count"),
        ("raised", "88 % of the planned variants have a result, and only these count"),
        ("skipped", "88 % of the planned variants have a result, and only these count"),
    ],
)
def test_what_is_missing_is_called_what_it_is(status, said):
    for place, text in told(of(ODD[status], "accuracy >= 0.5")).items():
        assert said in text, place
        assert "accuracy: results for 87.5% of the planned variants, 95% needed" in text, place


def test_replies_that_are_unreadable_or_cut_go_by_that_word_everywhere():
    rows = records(
        status="unparsed", score=0.0, reply="hm", reason="no label", finish_reason="length", cut=True
    )
    report = of(rows)
    for place, text in told(report).items():
        assert "unreadable: 0.125" in text, place
        assert "cut: 0.125" in text, place
        assert "12 % of replies are unreadable" in text or "13 % of replies are unreadable" in text, place
        assert "can't be read" not in in_words(text), place
    facts = dict(junit.properties(cell_of(report)))
    assert facts["robust.unreadable"] == facts["robust.cut"] == "0.125"
    named = {
        e["metric"]: e["value"]
        for e in json.as_dict(report)["cells"][0]["metrics"]
        if e["perturbation"] is None
    }
    assert named["unreadable"] == named["cut"] == 0.125


def test_a_reason_that_is_a_name_for_programs_is_written_in_words():
    bare = [
        Record(task="t", model="m", test="a.py::t", case_id=f"c{i}", status="error", reason="x")
        for i in range(30)
    ]
    free = [Record(task="t", model="m", test="a.py::t", case_id=f"c{i}", answer="a") for i in range(30)]
    for rows, name in ((bare, "no_data"), (free, "no_labels")):
        report = of(rows, "accuracy >= 0.5", settings=Settings(min_coverage=0.0))
        (verdict,) = cell_of(report).verdicts
        assert verdict.estimate is not None
        assert verdict.estimate.reason == name, "a name that programs know"
        words = name.replace("_", " ")
        assert f"accuracy is undefined: {words}" in verdict.reason
        for place, text in told(report).items():
            assert verdict.reason in text, place
            assert name not in text, place
    assert Estimate(metric="accuracy", reason="no reference").why == "no reference"
    assert Estimate(metric="accuracy").why is None
