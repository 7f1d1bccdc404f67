"""The sentence on top of a test, against models of which the truth is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from robusttest.core.nouns import CellKey, Record, RunInfo
from robusttest.engine.cell import Cell
from robusttest.metrics import parse_threshold
from robusttest.report import html, markdown, terminal
from robusttest.report.blocks import plain
from robusttest.report.build import build
from robusttest.report.model import CellReport, Report
from robusttest.report.text import miss
from robusttest.report.words.summary import summary
from robusttest.stats.cell.frame import frames
from robusttest.stats.cell.gates import judge

CASES = 100
RUN = RunInfo(id="0" * 8, created="2026-11-24T12:00:00Z", complete=True)
Model = Callable[[int, str, int], Mapping[str, Any]]
"""Case, perturbation (empty as written) and index → what the record holds of the reply."""


def right(case: int, perturbation: str, index: int) -> dict[str, Any]:
    return {"score": 1.0, "answer": "yes"}


def wrong_on(**shares: int) -> Model:
    """Wrong on the first so many cases, as written (``plain``) and under each perturbation."""

    def model(case: int, perturbation: str, index: int) -> dict[str, Any]:
        miss = case < shares.get(perturbation or "plain", 0)
        return {"score": float(not miss), "answer": "no" if miss else "yes"}

    return model


def report(
    model: Model,
    *perturbations: str,
    expect: tuple[str, ...] = (),
    variants: int = 2,
    n: int = CASES,
    **options: Any,
) -> Report:
    """A run of that model; ``options`` go to the cell."""
    rows = []
    facts = options.pop("facts", {})
    for i in range(n):
        common: dict[str, Any] = {
            "task": "t",
            "model": "m",
            "case_id": f"c{i:03}",
            "target": "yes",
            "test": "a.py::t",
        } | facts
        rows.append(Record(**common | dict(model(i, "", 0))))
        for p in perturbations:
            for v in range(variants):
                row = common | {"variant": f"{p}#{v}", "perturbation": p, "index": v}
                row |= {"level": "repeat" if p == "repeat" else "input"}
                rows.append(Record(**row | dict(model(i, p, v))))
    (frame,) = frames(rows)
    thresholds = [parse_threshold(e) for e in expect]
    cell = Cell(
        options.pop("key", CellKey("a.py::t", "t", "m")), rows, thresholds=tuple(thresholds),
        verdicts=tuple(judge(frame, t) for t in thresholds), **options,
    )  # fmt: skip
    return build(RUN, [cell])


def said(r: Report) -> str:
    (cell,) = r.cells
    return plain(summary(cell, r.comparison, capital=True))


def graded(case: int, perturbation: str, index: int) -> dict[str, Any]:
    return {"score": 0.5 if perturbation else 0.75, "answer": "yes"}


def free(share: int) -> Model:
    """Without labels: another answer on so many cases under p."""

    def model(case: int, perturbation: str, index: int) -> dict[str, Any]:
        return {"score": None, "answer": "b" if perturbation == "p" and case < share else "a", "target": None}

    return model


def mumbling(share: int) -> Model:
    def model(case: int, perturbation: str, index: int) -> dict[str, Any]:
        if case < share:
            return {"score": 0.0, "answer": None, "status": "unparsed", "reply": f"hm {case}"}
        return right(case, perturbation, index)

    return model


def failing_calls(case: int, perturbation: str, index: int) -> dict[str, Any]:
    if perturbation and case < 50:
        return {"status": "error", "score": None, "reason": "HTTP 500"}
    return right(case, perturbation, index)


def skipping(case: int, perturbation: str, index: int) -> dict[str, Any]:
    """A body without a model that skips."""
    if perturbation and case < 50:
        return {"status": "skipped", "score": None, "reason": "not today"}
    return right(case, perturbation, index)


def turned(moves: Callable[[int], bool]) -> Model:
    """negation changes the right answer; the model moves with it where ``moves``."""

    def model(case: int, perturbation: str, index: int) -> dict[str, Any]:
        if perturbation != "negation":
            return right(case, perturbation, index)
        moved = moves(case)
        return {"score": float(moved), "answer": "no" if moved else "yes", "target": "no", "effect": "target"}

    return model


SENTENCES: list[tuple[Report, str]] = [
    (report(right), "Right on 100 % of 100 cases as written, and put in no other way."),
    (
        report(right, "p", "q", expect=("accuracy >= 0.9", "flip_rate <= 0.1")),
        "Right on 100 % of 100 cases as written, on 100 % in all 5 ways; no perturbation costs points; both thresholds hold.",
    ),
    (
        report(wrong_on(plain=8, p=8, q=20), "p", "q"),
        "Right on 92 % of 100 cases as written, on 80 % in all 5 ways; weakest: q (-12 points).",
    ),
    (
        report(wrong_on(plain=8, p=8, q=9), "p", "q"),
        "Right on 92 % of 100 cases as written, on 91 % in all 5 ways; no perturbation surely costs points (most: q, -1).",
    ),
    (
        report(wrong_on(p=30), "p", expect=("accuracy >= 0.9", "robust_accuracy >= 0.8", "flip_rate <= 0.5")),
        "Right on 100 % of 100 cases as written, on 70 % in all 3 ways; p (-30 points); 1 of 3 thresholds missed: "
        "robust_accuracy >= 0.8.",
    ),
    (report(wrong_on(p=30), "p", variants=1), "Right on 100 % of 100 cases as written, on 70 % in both ways; p (-30 points)."),
    (
        report(wrong_on(plain=1, p=1), "p", expect=("accuracy >= 0.985",), n=60),
        "Right on 98 % of 60 cases as written, on 98 % in all 3 ways; p costs no points; its threshold missed (not for sure).",
    ),
    (  # all of one case is lost, and one case shows nothing for sure
        report(wrong_on(p=1), "p", n=1),
        "Right on 100 % of 1 case as written, on 0 % in all 3 ways; p (-100 points, not for sure).",
    ),
    (
        report(graded, "p"),
        "Scores 0.75 of 1 on average over 100 cases as written, 0.50 at the worst of 3 ways; p (-25 points).",
    ),
    (
        report(free(30), "p", "q"),
        "No right answers are known; the answer stays the same in all 5 ways on 70 % of 100 cases; the answer changes most "
        "under p (30 %).",
    ),
    (report(free(0)), "No right answers are known, and put in no other way."),
    (
        report(free(0), "p", n=1),
        "No right answers are known; the answer stays the same in all 3 ways on 100 % of 1 case.",
    ),
    (
        report(mumbling(30), "p"),
        "30 % of replies are unreadable and count as wrong; right on 70 % of 100 cases as written, on 70 % in all 3 ways; p "
        "costs no points.",
    ),
    (
        report(failing_calls, "p"),
        "67 % of the planned calls replied, and only these count; right on 100 % of 100 cases as written, on 100 % in all "
        "their 1 to 3 ways; p costs no points.",
    ),
    (
        report(skipping, "p", facts={"model": ""}, key=CellKey("a.py::t", "t", "")),
        "67 % of the planned variants have a result, and only these count; right on 100 % of 100 cases as written, on 100 % in "
        "all their 1 to 3 ways; p costs no points.",
    ),
    (  # asked three times as written, it is right each time on 90 cases and once on 10
        report(wrong_on(p=30, repeat=10), "p", "repeat"),
        "Right on 93 % of 100 cases as written, on 70 % in all 3 ways; right in all 3 runs of a prompt on 90 %; p (-20 points over the noise floor).",
    ),
    (
        report(turned(lambda case: True), "negation"),
        "Right on 100 % of 100 cases as written; moves as it should on 100 % of changes to the right answer.",
    ),
    (
        report(turned(lambda case: case >= 90), "p", "negation"),
        "Right on 100 % of 100 cases as written, on 100 % in all 3 ways; p costs no points; moves as it should on 10 % of "
        "changes to the right answer.",
    ),
    (
        report(right, "p", outcome="xpassed"),
        "Right on 100 % of 100 cases as written, on 100 % in all 3 ways; p costs no points; xpassed: it passed, though a failure was "
        "expected.",
    ),
    (
        report(wrong_on(p=30), "p", outcome="failed"),
        "Right on 100 % of 100 cases as written, on 70 % in all 3 ways; p (-30 points); the test failed.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("r", "sentence"), SENTENCES, ids=[f"{i}" for i in range(len(SENTENCES))])
def test_the_sentence_is_true_of_the_model(r: Report, sentence: str):
    assert said(r) == sentence


@pytest.mark.parametrize(
    ("outcome", "reason", "sentence"),
    [
        ("skipped", "no GPU", "Skipped: no GPU."),
        ("xfailed", "known bug", "Xfailed, as was expected: known bug."),
        ("not_run", "the run was interrupted", "Not run: the run was interrupted."),
        ("error", "fixture failed", "No replies, so nothing was measured."),
    ],
)
def test_what_did_not_run_has_no_number(outcome: str, reason: str, sentence: str):
    cell = Cell(CellKey("a.py::t", "t", "m"), [], outcome=outcome, reason=reason)
    assert said(build(RUN, [cell])) == sentence


def test_no_verdict_is_neither_held_nor_missed():
    r = report(right, "p", expect=("consistency_icc >= 0.5", "accuracy >= 0.5"))
    assert "error on 1 of 2 thresholds: consistency_icc >= 0.5" in said(r)


def test_a_gate_that_finds_a_regression_says_so():
    from robusttest.compare import Version, compare

    old, new = report(right, "p"), report(wrong_on(plain=20, p=20), "p")
    sides = [Version.of(replace(RUN, label=v), r.records) for v, r in (("v1", old), ("v2", new))]
    assert said(replace(new, comparison=compare(*sides))).endswith("; gate: 1 regression (-20 points).")
    again = compare(sides[0], Version.of(replace(RUN, label="v2"), old.records))
    assert said(replace(old, comparison=again)).endswith("; gate: no regression.")


def test_every_place_tells_the_same_sentence():
    r = report(wrong_on(plain=8, p=8, q=20), "p", "q")
    sentence = said(r)
    lines = [" ".join(x.split()) for x in terminal.render(r, width=200)]
    assert sentence in lines
    assert lines.index(sentence) == 1, "on top"
    assert "92 %" in markdown.render(r)
    page = html.render(r)
    assert "<b>92 %</b> of <b>100</b> cases" in page
    assert page.index("<b>92 %</b>") < page.index('id="results"')


@pytest.mark.parametrize(
    ("missing", "told"), [(1, "over 99 %"), (0, "100 %"), (299, "under 1 %"), (300, "0 %")]
)
def test_all_and_none_are_said_of_all_and_none_alone(missing: int, told: str):
    assert said(report(wrong_on(plain=missing), n=300)).startswith(f"Right on {told} of 300 cases")


def test_no_sentence_names_a_number_that_the_cell_lacks():
    cell = CellReport(
        key=CellKey(None, "t", "m"), n_cases=3, n_variants=1, n_calls=3, coverage=1.0, overall={}
    )
    assert summary(cell) == ()


def lever_of(**shares: int) -> str:
    """The line that names what to work on."""
    names = [p for p in shares if p != "plain"]
    lines = terminal.render(report(wrong_on(**shares), *names), width=200)
    return next((x.strip() for x in lines if x.strip().startswith("work on ")), "")


def pulled(**shares: int) -> Any:
    return report(wrong_on(**shares), *shares).cells[0].lever


def test_the_lever_is_what_makes_most_of_the_errors():
    typos = "work on typos: keyboard and ocr make 86 % of the recoverable errors (120 of 140)"
    assert lever_of(keyboard=40, ocr=20, casing=10) == typos
    mine = "work on mine: it makes 80 % of the recoverable errors (80 of 100)"
    assert lever_of(keyboard=5, ocr=5, mine=40) == mine
    assert pulled(keyboard=20, casing=20, mine=20) is None, "no kind makes half of them"
    assert pulled(keyboard=30, ocr=30) is None, "one kind was tried alone"
    assert pulled(keyboard=3, casing=1) is None, "eight errors say little"
    assert pulled(keyboard=3, casing=2) is not None
    assert pulled(keyboard=20, ocr=20, swap=20, casing=30) is None, (
        "typos were tried more often, and err less often"
    )
    assert pulled(keyboard=30, ocr=30, swap=30, casing=20).families == ("keyboard", "ocr", "swap")
    assert lever_of(plain=60, keyboard=64, casing=61) == "", "most errors are no matter of the wording"


def clustered(n: int, failing: int, *, of: int) -> Model:
    """Wrong on all cases of the first ``failing`` of ``of`` clusters, whatever the wording."""

    def model(case: int, perturbation: str, index: int) -> dict[str, Any]:
        cluster = case % of
        miss = cluster < failing
        return {"score": float(not miss), "answer": "no" if miss else "yes", "cluster": f"user {cluster}"}

    return model


@pytest.mark.parametrize(
    ("failing", "of", "limit", "status", "verdict", "sentence"),
    [
        # 2 of 4 clusters: the estimate decides, and no interval over four may
        (2, 4, 0.9, "failed", "4 clusters (2 with a failure)", "its threshold missed (not for sure, by 4 clusters)"),
        (0, 4, 0.9, "passed", "4 clusters (0 with a failure)", "its threshold holds (not for sure, by 4 clusters)"),
        # 3 of 30 clusters: 120 cases, and no more than thirty independent ones
        (3, 30, 0.5, "passed", "30 clusters (3 with a failure)", "its threshold holds (by 30 clusters)"),
        (15, 30, 0.9, "failed", "30 clusters (15 with a failure)", "its threshold missed (by 30 clusters)"),
        (3, 30, 0.85, "passed", "30 clusters (3 with a failure)", "its threshold holds (not for sure, by 30 clusters)"),
    ],
)  # fmt: skip
def test_clusters_are_named_where_they_decide(failing, of, limit, status, verdict, sentence):
    r = report(clustered(120, failing, of=of), "p", expect=(f"accuracy >= {limit}",), n=120)
    (v,) = r.cells[0].verdicts
    assert v.status == status
    assert f"n=120 in {verdict}" in v.reason
    assert said(r).endswith(f"{sentence}.")
    shown = " ".join(" ".join(terminal.render(r, width=200)).split())
    assert f"by {verdict}" in shown
    assert f"by {verdict}" in html.render(r)
    assert f"by {verdict}" in markdown.render(r)
    if status == "failed":
        assert miss(v) == f"accuracy {v.estimate.value:.3f} < {limit:g} (n=120 in {verdict})"
    alone = report(
        wrong_on(plain=round(120 * failing / of), p=round(120 * failing / of)),
        "p",
        expect=(f"accuracy >= {limit}",),
        n=120,
    )
    assert "cluster" not in said(alone) + alone.cells[0].verdicts[0].reason


def test_a_test_that_fails_with_every_threshold_held_says_so():
    r = report(right, "p", expect=("accuracy >= 0.5",), outcome="failed")
    assert said(r).endswith("its threshold holds; the test failed.")
    r = report(right, "p", expect=("accuracy >= 0.5",), outcome="error")
    assert said(r).endswith("its threshold holds; the test ended in an error.")
    r = report(wrong_on(plain=90), "p", expect=("accuracy >= 0.5",), outcome="failed")
    assert said(r).endswith("its threshold missed.")
