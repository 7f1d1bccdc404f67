"""The search of best and worst arm, on arms whose accuracies are known."""

from __future__ import annotations

import random

import pytest

from robusttest.stats.across.bandit import Search, gap, level


def run(accuracies, budget, *, cases=200, batch=20, seed=0):
    """The search, with the scores of arms that are right as often as told; each case is scored once an arm."""
    search = Search(arms=len(accuracies), cases=cases, budget=budget, batch=batch, seed=seed)
    rng = random.Random(seed)
    asked = [set() for _ in accuracies]
    pulls, scores, total = search.pulls(), None, 0
    while True:
        try:
            arm, some = next(pulls) if scores is None else pulls.send(scores)
        except StopIteration:
            return search, total
        assert not asked[arm] & set(some)
        asked[arm] |= set(some)
        assert max(some) < cases
        total += len(some)
        scores = [float(rng.random() < accuracies[arm]) for _ in some]


def test_best_and_worst_are_found_within_the_budget():
    accuracies = [0.6] * 30
    accuracies[7], accuracies[19] = 0.95, 0.2
    hits = 0
    for seed in range(10):
        search, total = run(accuracies, 1500, seed=seed)
        assert total <= 1500
        best, worst = search.extremes()
        hits += (best.number, worst.number) == (7, 19)
    assert hits >= 9


def test_the_budget_goes_to_the_ends_and_not_to_the_middle():
    accuracies = [0.1, 0.9, *[0.5] * 18]
    search, _ = run(accuracies, 1600)
    most = sorted(search.held, key=lambda a: -a.n)[:2]
    assert {a.number for a in most} == {0, 1}


def test_arms_that_are_known_are_left_alone():
    search, total = run([0.2, 0.8], 10_000, cases=50)
    assert total == 100
    assert [a.n for a in search.held] == [50, 50]


@pytest.mark.parametrize("budget", [1, 7, 33])
def test_no_more_is_asked_than_allowed(budget):
    assert run([0.5] * 5, budget)[1] <= budget


def test_failed_calls_are_no_wrong_answers():
    search = Search(arms=3, cases=20, budget=60, batch=10)
    pulls = search.pulls()
    some = next(pulls, None)
    while some is not None:
        try:
            some = pulls.send([])
        except StopIteration:
            some = None
    assert [a.mean for a in search.held] == [None] * 3
    assert search.extremes() is None


def test_the_gap_is_paired_and_leaves_out_what_has_no_score():
    best = [1.0, 1.0, 1.0, None, 1.0, 0.0]
    worst = [0.0, 1.0, 0.0, 0.0, None, 0.0]
    e = gap(best, worst, [None] * 6)
    assert (e.value, e.n, e.of) == (0.5, 4, 6)
    assert e.low < 0.5 < e.high
    assert level(best, [None] * 6).value == 0.8
    assert gap([1.0, None], [1.0, 1.0], [None, None]).reason.startswith("fewer than two")
    assert level([None], [None]).reason


def test_cases_of_one_cluster_count_together():
    best, worst = [1.0] * 30 + [0.0] * 30, [0.0] * 60
    alone, together = (gap(best, worst, c) for c in ([None] * 60, [f"u{i // 5}" for i in range(60)]))
    assert alone.value == together.value == 0.5
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
    assert "12 clusters" in together.method
