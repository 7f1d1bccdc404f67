"""Two versions that a judge graded: what its errors leave of the change, of its interval and of the verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from robusttest.compare import compare
from robusttest.core.nouns import CellKey, Judging
from robusttest.report.told import told
from robusttest.stats.versions.judged import Side, behind
from robusttest.stats.versions.paired import change

KEY = CellKey("a.py::test_t", "t", "m")
SURE = Judging(model="j", right_right=9_000, right_wrong=1_000, wrong_wrong=8_000, wrong_right=2_000)
FEW = Judging(model="j", right_right=9, right_wrong=1, wrong_wrong=8, wrong_right=2)
COIN = Judging(model="j", right_right=6, right_wrong=4, wrong_wrong=5, wrong_right=5)


def versions(rows, version, then: int, now: int, judged, n=200):
    """``then`` and ``now`` of ``n`` cases are right as judged: those with the lowest numbers."""
    old, new = (
        version(rows({f"c{i:04}": "1" if i < right else "0" for i in range(n)}, [""]), label=label)
        for right, label in ((then, "v1"), (now, "v2"))
    )
    sides = judged if isinstance(judged, tuple) else (judged, judged)
    return tuple(
        replace(v, cells=tuple(replace(c, judging=j) for c in v.cells))
        for v, j in zip((old, new), sides, strict=True)
    )


def test_the_change_is_what_a_true_one_looks_like_to_the_judge(rows, version):
    """se + sp - 1 = .7: 14 points as judged are 20."""
    (cell,) = compare(*versions(rows, version, 152, 124, SURE)).cells
    c = cell.main
    assert c.difference == pytest.approx(-0.2)
    assert (c.old, c.new) == (pytest.approx(0.8), pytest.approx(0.6))
    assert cell.verdict == "regressed"
    (seen,) = compare(*versions(rows, version, 152, 124, None)).cells
    assert c.low == pytest.approx(seen.main.low / 0.7, abs=0.01)
    assert c.p_worse == seen.main.p_worse


def test_what_the_judges_errors_swallow_is_no_verdict_and_says_so(rows, version):
    """As judged a drop of 5 points is excluded; by a judge that lets 5 of 10 wrong answers pass it is not."""
    lenient = Judging(model="j", right_right=10, wrong_wrong=5, wrong_right=5)
    plain = compare(*versions(rows, version, 190, 188, None))
    found = compare(*versions(rows, version, 190, 188, lenient))
    assert plain.cells[0].verdict == "no_worse"
    (cell,) = found.cells
    assert cell.verdict == "undecided"
    assert cell.main.swallowed
    said = "\n".join(told(found, width=160))
    assert "the judge's errors swallow the difference, and more labelled answers would settle it" in said
    assert (
        "behind the judge's errors (sensitivity 1.000, specificity 0.500 on 20 labelled answers); -1.0 points as judged"
        in said
    )
    assert "about" not in said


def test_a_margin_is_one_of_true_points(rows, version):
    """-7 as judged is -10: more than a margin of 8, which what is seen is not."""
    assert (
        compare(*versions(rows, version, 1520, 1380, None, n=2000), margin=0.08).cells[0].verdict
        == "no_worse"
    )
    assert (
        compare(*versions(rows, version, 1520, 1380, SURE, n=2000), margin=0.08).cells[0].verdict
        == "regressed"
    )


def test_a_judge_that_tosses_a_coin_says_nothing(rows, version):
    found = compare(*versions(rows, version, 200, 100, COIN))
    (cell,) = found.cells
    assert (cell.verdict, cell.main.low) == ("undecided", None)
    said = "\n".join(told(found, width=200))
    assert "the judge hardly tells right from wrong" in said
    assert "-50.0 points as judged say nothing of the model" in said


def test_another_judge_makes_no_regression(rows, version):
    """The model is right on 80 % then and now: one judge grades 84 % right, the other, which is strict, 64 %."""
    lenient = Judging(model="a", right_right=1000, wrong_wrong=800, wrong_right=200)
    strict = Judging(model="b", right_right=800, right_wrong=200, wrong_wrong=1000)
    found = compare(*versions(rows, version, 168, 128, (lenient, strict)))
    (cell,) = found.cells
    assert compare(*versions(rows, version, 168, 128, None)).cells[0].verdict == "regressed"
    assert cell.main.difference == pytest.approx(0)
    assert cell.verdict != "regressed"
    assert "another judge: a then, b now" in cell.notes


def test_errors_that_one_side_alone_knows_hold_for_both_and_it_is_said(rows, version):
    (cell,) = compare(*versions(rows, version, 152, 124, (None, SURE))).cells
    assert cell.main.difference == pytest.approx(-0.2)
    assert cell.notes == (
        "the judge's errors are not known then: those known now are taken to hold for both",
    )


def test_replies_that_no_judge_saw_are_wrong_for_sure(rows, version):
    """Ten of a hundred can't be read any more: that is ten points, whatever the judge."""
    old, new = versions(rows, version, 100, 100, SURE, n=100)
    (cell,) = new.cells
    for i in range(10):
        key = (f"c{i:04}", "", "", 0)
        cell.rows[key] = cell.rows[key]._replace(status="unparsed", score=0.0)
    main = compare(old, new).cells[0].main
    # as judged all 90 others are right: (1 - .2) / .7 of each
    assert main.difference == pytest.approx(-0.1 * 0.8 / 0.7)


def test_worst_variants_stay_as_judged_and_have_no_verdict_behind_another_judge(rows, version):
    def sides(*judged):
        made = []
        for label, letters, j in (("v1", "11", judged[0]), ("v2", "10", judged[1])):
            v = version(rows({f"c{i}": letters for i in range(60)}, ["", "casing#0"]), label=label)
            made.append(replace(v, cells=tuple(replace(c, judging=j) for c in v.cells)))
        return made

    def worst(found):
        return next(c for c in found.cells[0].changes if c.measure == "robust_accuracy")

    same = compare(*sides(SURE, SURE))
    assert (worst(same).difference, worst(same).verdict) == (-1.0, "regressed")
    assert "robust accuracy is as judged" in "\n".join(told(same))
    other = worst(compare(*sides(SURE, replace(SURE, model="k"))))
    assert (other.low, other.verdict) == (None, "undecided")
    assert "no formula takes its errors back from worst variants" in (other.reason or "")


def test_the_interval_covers_the_true_change():
    """Of 300 samples: 150 cases, 80 % right then and 68 % now, a judge known by 40 right and 40 wrong answers."""
    rng = np.random.default_rng(17)
    se, sp, covered, plain = 0.9, 0.75, 0, 0
    for _ in range(300):
        right = rng.random(150) < 0.8
        later = right & (rng.random(150) < 0.85)
        seen = [
            np.where(x, rng.random(150) < se, rng.random(150) > sp).astype(float)[:, None]
            for x in (right, later)
        ]
        a, b = int(rng.binomial(40, se)), int(rng.binomial(40, sp))
        judging = Judging(model="j", right_right=a, right_wrong=40 - a, wrong_wrong=b, wrong_right=40 - b)
        c = change("all", *seen)
        found = behind(c, *(Side(y, np.ones_like(y), judging) for y in seen))
        covered += found.low <= -0.12 <= found.high
        plain += c.low <= -0.12 <= c.high
    assert covered / 300 >= 0.93
    assert plain < covered
