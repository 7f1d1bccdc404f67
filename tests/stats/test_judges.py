"""What a judge's errors leave: the correction, its limits, κ, agreement, and the verdicts behind it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from robusttest.core import codec
from robusttest.core.nouns import CellKey, Estimate, Judging, Record, RunInfo
from robusttest.engine.cell import Cell
from robusttest.metrics import parse_threshold
from robusttest.report import html, markdown, terminal
from robusttest.report import json as json_report
from robusttest.report.build import build
from robusttest.stats.cell.judges import corrected, judge_of, kappa, refusal

GOOD = Judging(model="j", right_right=90, right_wrong=10, wrong_wrong=80, wrong_right=20)


def estimate(value: float, low: float, high: float, metric: str = "accuracy") -> Estimate:
    return Estimate(metric=metric, value=value, low=low, high=high, lower=low, upper=high, n=100)


def test_the_correction_is_rogan_and_gladens() -> None:
    """(.76 + .8 - 1) / (.9 + .8 - 1) = .8: a true .8 looks like .8 · .9 + .2 · .2 = .76 to this judge."""
    e = corrected(estimate(0.76, 0.67, 0.83), GOOD)
    assert e.value == pytest.approx(0.8)
    assert e.low is not None
    assert e.high is not None
    assert e.low < 0.67 < 0.83 < e.high


def test_a_perfect_judge_on_many_labels_changes_next_to_nothing() -> None:
    many = Judging(model="j", right_right=100_000, wrong_wrong=100_000)
    e = corrected(estimate(0.9, 0.82, 0.95), many)
    assert e.value == pytest.approx(0.9)
    assert e.low == pytest.approx(0.82, abs=1e-3)
    assert e.high == pytest.approx(0.95, abs=1e-3)


def test_a_difference_is_divided_by_what_the_judge_tells_apart() -> None:
    e = corrected(estimate(0.14, 0.05, 0.23, "drop"), GOOD)
    assert e.value == pytest.approx(0.2)
    assert e.low is not None
    assert 0 < e.low < 0.05 / 0.7


def test_values_are_clipped() -> None:
    e = corrected(estimate(0.1, 0.05, 0.2), GOOD)
    assert (e.value, e.low) == (0, 0)
    assert corrected(estimate(0.99, 0.95, 1), GOOD).value == 1


@pytest.mark.parametrize(
    ("judging", "why"),
    [
        (Judging(model="j", right_right=6, right_wrong=4, wrong_wrong=6, wrong_right=4), "hardly tells right from wrong"),
        (Judging(model="j", right_right=10, ungraded=10), "labelled wrong was graded"),
        (Judging(model="j", wrong_wrong=10), "labelled right was graded"),
    ],
)  # fmt: skip
def test_refused_with_the_reason(judging: Judging, why: str) -> None:
    assert why in (refusal(judging) or "")
    e = corrected(estimate(0.7, 0.6, 0.8), judging)
    assert e.value is None
    assert why in (e.reason or "")


def test_kappa_and_its_error() -> None:
    """Table 20, 5 / 10, 15: po .7, pe .5, κ .4; the error against 200,000 draws of that table."""
    found = kappa(Judging(model="j", right_right=20, right_wrong=5, wrong_right=10, wrong_wrong=15))
    assert found.value == pytest.approx(0.4)
    draws = np.random.default_rng(5).multinomial(50, [0.4, 0.1, 0.2, 0.3], size=200_000) / 50
    a, b, c, d = draws.T
    chance = (a + b) * (a + c) + (c + d) * (b + d)
    simulated = ((a + d - chance) / (1 - chance)).std()
    assert found.high is not None
    assert (found.high - 0.4) / 1.959964 == pytest.approx(simulated, rel=0.03)
    assert kappa(Judging(model="j", right_right=3)).value is None


def rows(n: int, right: float, grades: Any = None, **more: Any) -> list[Record]:
    """``n`` cases, the first of them right; ``grades`` of a case, where the judge was asked again."""
    return [
        Record(
            task="t", model="m", case_id=f"c{i:03}", target="x", answer="a", score=float(i < right * n), test="t.py::t",
            grades=None if grades is None else grades(i, float(i < right * n)), **more,
        )
        for i in range(n)
    ]  # fmt: skip


def cell(right: float, *expect: str, n: int = 200, judging: Judging | None = GOOD, **more: Any) -> Cell:
    records = more.pop("records", None) or rows(n, right)
    return Cell(
        CellKey("t.py::t", "t", "m"),
        records,
        thresholds=tuple(map(parse_threshold, expect)),
        judging=judging,
        **more,
    )


def test_what_the_judges_errors_swallow_is_inconclusive_and_says_so() -> None:
    """87 % of 2,000 as judged are surely above .8; a judge that called 3 of 10 wrong answers right leaves it open."""
    few = Judging(model="j", right_right=10, wrong_wrong=7, wrong_right=3)
    (sure,) = cell(0.87, "accuracy >= 0.8", n=2000, judging=None).verdicts
    assert (sure.status, sure.settled) == ("passed", True)
    found = cell(0.87, "accuracy >= 0.8", n=2000, judging=few)
    (verdict,) = found.verdicts
    assert verdict.status == "inconclusive"
    assert not found.passed
    assert verdict.reason.startswith("accuracy 0.814 [")
    assert verdict.note is not None
    assert verdict.note.startswith(
        "the judge's errors swallow the difference to 0.8, and more labelled answers would settle it"
    )
    assert "(sensitivity 1.000, specificity 0.700 on 20 labelled answers); 0.870 as judged" in verdict.note
    many = Judging(model="j", right_right=10_000, wrong_wrong=9000, wrong_right=1000)
    (settled,) = cell(0.87, "accuracy >= 0.8", n=2000, judging=many).verdicts
    assert (settled.status, settled.settled) == ("passed", True)
    (failed,) = cell(0.5, "accuracy >= 0.8", n=2000, judging=many).verdicts
    assert (failed.status, failed.settled) == ("failed", True)


def test_a_lenient_judge_does_not_pass_a_bad_model() -> None:
    """It calls half of the wrong answers right: 85 % as judged are 70 %."""
    lenient = Judging(model="j", right_right=1000, wrong_wrong=500, wrong_right=500)
    (verdict,) = cell(0.85, "accuracy >= 0.8", n=1000, judging=lenient).verdicts
    assert verdict.status == "failed"
    assert verdict.estimate is not None
    assert verdict.estimate.value == pytest.approx(0.7)


def test_what_no_judge_saw_is_wrong_for_sure() -> None:
    """Half of the replies refuse. The judge calls 80 % of the others right, and 30 % of wrong ones: 71 % of those are, 36 % of all. Were it held to have
    graded the refusals, 14 % would be left.
    """
    lenient = Judging(model="j", right_right=10_000, wrong_wrong=7_000, wrong_right=3_000)
    seen = rows(100, 0.8)
    refused = [replace(r, case_id=f"r{r.case_id}", score=0.0, status="refused", answer=None) for r in seen]
    made = cell(0, "accuracy >= 0.2", judging=lenient, records=[*seen, *refused])
    (verdict,) = made.verdicts
    assert verdict.estimate is not None
    right = (0.8 - 0.3) / 0.7 / 2
    assert verdict.estimate.value == pytest.approx(right)
    assert verdict.status == "passed"
    assert made.judge is not None
    assert made.judge.corrected[0].value == pytest.approx(right)


def test_a_judge_that_tosses_a_coin_decides_nothing() -> None:
    coin = Judging(model="j", right_right=50, right_wrong=50, wrong_wrong=50, wrong_right=50)
    (verdict,) = cell(0.99, "accuracy >= 0.5", judging=coin).verdicts
    assert verdict.status == "inconclusive"
    assert "hardly tells right from wrong" in verdict.reason


def test_few_cases_leave_it_to_the_policy_as_without_a_judge() -> None:
    many = Judging(model="j", right_right=90_000, right_wrong=10_000, wrong_wrong=90_000, wrong_right=10_000)
    (verdict,) = cell(0.8, "accuracy >= 0.84", n=20, judging=many).verdicts
    assert (verdict.status, verdict.settled) == ("passed", False)
    assert "not settled: the 95 % interval reaches across 0.84" in verdict.reason


def test_other_metrics_are_judged_as_they_are() -> None:
    records = [*rows(50, 1), *rows(50, 1, variant="casing#0", perturbation="casing", level="input")]
    (verdict,) = cell(1, "robust_accuracy >= 0.9", records=records).verdicts
    assert (verdict.status, verdict.note) == ("passed", None)


def test_agreement_with_itself_over_wordings_and_orders() -> None:
    """20 cases, 16 right. Asked twice more, it turns once in the first five; one wording of two turns; swapped, the
    first four fall from 1 to 0."""

    def grades(i: int, score: float) -> dict[str, list[float | None]]:
        again = [score, 1 - score] if i < 5 else [score, None] if i == 5 else [score, score]
        return {"again": again, "reworded": [score, 1 - score], "swapped": [0.0 if i < 4 else score]}

    found = judge_of(rows(20, 0.8, grades), None, None)
    assert found is not None
    assert found.self_agreement is not None
    assert found.self_agreement.value == pytest.approx((5 / 3 + 15) / 20)
    assert found.wording_agreement is not None
    assert found.wording_agreement.value == pytest.approx(0.5)
    assert found.order_agreement is not None
    assert found.order_agreement.value == pytest.approx(0.8)
    assert found.position_bias is not None
    assert found.position_bias.value == pytest.approx(0.2)
    assert found.position_bias.low is not None
    assert found.position_bias.low > 0
    assert found.ungraded == 1


def test_nothing_asked_is_nothing_known() -> None:
    assert judge_of(rows(5, 1), None, None) is None


def test_every_report_tells_of_the_judge() -> None:
    made = cell(0.76, "accuracy >= 0.5", records=rows(100, 0.76, lambda i, s: {"again": [s if i else 1 - s]}))
    report = build(RunInfo(id="0" * 8, created="2026-11-24T12:00:00Z", complete=True), [made])
    shown = "\n".join(terminal.render(report, width=120))
    for page in (shown, markdown.render(report), html.render(report)):
        assert "agrees with itself" in page
        assert "kappa with labels" in page
        assert "sensitivity of the judge" in page
        assert "worst cases over variants, flips and consistency are as judged" in page
        assert "behind the judge&#39;s errors" in page or "behind the judge's errors" in page
    assert ".800" in shown
    data = json.loads(json_report.render(report))["cells"][0]["judge"]
    assert data["self_agreement"]["value"] == pytest.approx(0.99)
    assert data["kappa"]["value"] == pytest.approx(0.7)
    assert [e["value"] for e in data["corrected"]] == [pytest.approx(0.8)]


def test_it_survives_the_run_file() -> None:
    made = cell(0.76, "accuracy >= 0.5", records=rows(10, 0.7, lambda i, s: {"again": [s]}))
    again = codec.read(Cell, json.loads(codec.dumps(codec.plain(made))))
    assert again.judging == GOOD
    record = codec.read(Record, json.loads(codec.record_line(made.records[0])))
    assert record.grades == made.records[0].grades
