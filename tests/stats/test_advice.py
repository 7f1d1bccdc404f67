from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t
from worlds import case_scores, cell_of_scores, world

from robusttest.report.told import told
from robusttest.stats.across.advice import Advice, advise, where_to_work
from robusttest.stats.cell.estimates import estimate


def mixed(rng, p, phi, n=100, k=5):
    """Always right, always wrong, and even cases, so that φ and p are as wanted: W = φ(1-p), even cases have w = 1/4."""
    even = 4 * phi * (1 - p)
    kinds = rng.choice(3, n, p=[1 - even - max(1 - p - even / 2, 0), even, max(1 - p - even / 2, 0)])
    chance = np.array([1.0, 0.5, 0.0])[kinds]
    return cell_of_scores((rng.random((n, k)) < chance[:, None]).astype(int))


def test_example_a(example_a):
    share = estimate(example_a, "recoverable_error")
    advice = where_to_work(example_a.take_cases(np.arange(6)))
    assert advice.kind == "undecided"
    assert "6 cases, 20 needed" in advice.reason
    assert share.value == pytest.approx(1 / 3)
    many = replace(
        example_a,
        case_ids=tuple(f"c{i}" for i in range(24)),
        clusters=(None,) * 24,
        **{
            name: np.tile(getattr(example_a, name), (4, 1))
            for name in ("scores", "answers", "planned", "unparsed", "refused", "errors", "sensitive", "cut")
        },
        replies=None,
        questions=None,
    )
    advice = where_to_work(many)
    assert (advice.error, advice.persistent, advice.recoverable) == pytest.approx((0.5, 1 / 3, 1 / 6))
    assert advice.share == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("phi", "kind", "rate"), [(0.24, "competence-limited", 0.95), (0.48, "undecided", 0.75)]
)
def test_the_share_of_errors_that_go_away_decides(phi, kind, rate):
    rng = np.random.default_rng(1)
    found = Counter(where_to_work(mixed(rng, 0.8, phi)).kind for _ in range(80))
    assert found[kind] / 80 >= rate


def test_fragile():
    """Cases of equal difficulty: φ = p."""
    rng = np.random.default_rng(2)
    cell = cell_of_scores((rng.random((100, 5)) < 0.8).astype(int))
    advice = where_to_work(cell)
    assert advice.kind == "fragile"
    assert advice.share == pytest.approx(0.8, abs=0.06)
    assert advice.share_lower > 0.5
    assert advice.persistent + advice.recoverable == pytest.approx(advice.error)


def test_saturated():
    cell = cell_of_scores(np.ones((100, 5), dtype=int))
    advice = where_to_work(cell)
    assert advice.kind == "saturated"
    assert advice.robust_accuracy_lower == pytest.approx(0.05**0.01)
    assert where_to_work(cell, saturated=0.99).kind == "undecided"


def test_too_few_failures_says_how_many_cases_it_takes():
    scores = np.ones((50, 4), dtype=int)
    scores[:4, 1] = 0
    advice = where_to_work(cell_of_scores(scores))
    assert (advice.kind, advice.cases_needed) == ("undecided", 157)  # 10 of 125 would fail on average
    assert advice.reason == "only 4 of 50 cases fail, 10 needed"
    perfect = where_to_work(cell_of_scores(np.ones((40, 4), dtype=int)))
    assert (perfect.kind, perfect.cases_needed) == ("undecided", 59)
    assert where_to_work(cell_of_scores(np.ones((59, 4), dtype=int))).kind == "saturated"


def test_no_number_of_cases_is_told_where_none_would_decide(cell_of):
    """60 easy cases are right in both ways; 90 are wrong and were put in one: never saturated, and no case of two fails."""
    found = where_to_work(cell_of(["AA"] * 60 + ["B"] * 90, "A" * 150))
    assert (found.kind, found.cases_needed) == ("undecided", None)
    assert found.reason == "only 0 of the 60 cases with two replies or more fail, 10 needed"
    more = where_to_work(cell_of(["AA"] * 58, "A" * 58))
    assert (more.reason, more.cases_needed) == ("only 0 of 58 cases fail, 10 needed", 59)


def test_cases_needed_are_enough_in_another_sample():
    """At the share seen, four times the distance's n decides nearly always."""
    rng = np.random.default_rng(3)
    found = where_to_work(mixed(rng, 0.8, 0.4, n=60))
    assert found.kind == "undecided"
    assert found.cases_needed > 60
    assert where_to_work(mixed(rng, 0.8, 0.4, n=1000)).kind == "competence-limited"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c.take([0]), "no case was put in two ways or more"),
        (lambda c: replace(c, scores=np.where(c.scores > 0, 0.9, 0.2)), "needs right/wrong scores (0 or 1)"),
        (
            lambda c: replace(c, errors=np.arange(5) * np.ones((100, 1)) == 4),
            "results of 80 % of variants, 95 % needed",
        ),
        (lambda c: replace(c, clusters=tuple(str(i % 4) for i in range(100))), "only 4 clusters, 10 needed"),
    ],
)
def test_undecided(change, why):
    cell = change(cell_of_scores(case_scores(np.random.default_rng(4), 0.7, 0.5, 100, 5)))
    advice = where_to_work(cell)
    assert (advice.kind, advice.reason) == ("undecided", why)
    assert advice.share is None or advice.share_lower is None


def test_less_robust_than_the_others_predict_is_fragile():
    cells = world(5, lambda p, m, task: 0.35 if (m, task) == (0, 3) else 0.85, models=4)
    advice = dict(zip([(c.model, c.task) for c in cells], advise(cells), strict=True))
    odd = advice["model0", "task3"]
    assert odd.kind == "fragile"
    assert odd.share < 0.5, "by its errors alone it would not be"
    assert odd.residual_high < -0.02
    assert "less than at this accuracy" in odd.reason
    alone = next(c for c in cells if (c.model, c.task) == ("model0", "task3"))
    assert where_to_work(alone).kind != "fragile"
    assert where_to_work(alone, cells) == odd


def test_few_others_are_no_yardstick():
    cells = world(5, models=1, tasks=(0.9, 0.8, 0.7, 0.6, 0.5), k=5)
    assert all(a.residual is None for a in advise(cells))
    assert advise([]) == []


def test_one_short_line():
    for advice in advise(world(6, models=2, k=5)):
        (line,) = told(advice)
        assert advice.kind in line
        assert line.isascii()
        assert len(line) <= 80
    assert told(Advice(kind="undecided", reason="x", n=3, cases_needed=1200)) == [
        "  undecided: x; 1,200 cases would tell"
    ]


def test_limits_of_the_share_by_hand():
    """Linearised error, Student's t on the failing cases."""
    cell = mixed(np.random.default_rng(8), 0.9, 0.4)
    m = cell.scores.mean(axis=1)
    w = m * (1 - m) * 5 / 4
    share = w.mean() / (1 - m).mean()
    r = w - share * (1 - m)
    se = ((r**2).sum() / 99 / 100) ** 0.5 / (1 - m).mean()
    failing = int((m < 1).sum())
    assert failing < 40
    half = t.ppf(0.95, failing - 1) * se
    advice = where_to_work(cell)
    assert (advice.share, advice.share_lower, advice.share_upper) == pytest.approx(
        (share, share - half, share + half)
    )
