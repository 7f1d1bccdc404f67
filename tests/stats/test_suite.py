"""Means over a suite's tasks: sums done by hand, and intervals that cover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from worlds import cell_of_scores

from robusttest.stats.across.suite import suite_means
from robusttest.stats.cell.intervals import t_quantile, wilson


def test_plain_and_weighted_means_and_their_standard_errors() -> None:
    """Task a: 3 of 4 right; task b: 4 of 16. Plain .5, weighted 7/20; SE² of a .75·.25/3, of b .25·.75/15."""
    a = cell_of_scores(np.array([[1]] * 3 + [[0]]), task="a")
    b = cell_of_scores(np.array([[1]] * 4 + [[0]] * 12), task="b")
    (found,) = suite_means([a, b], ["accuracy"])
    assert (found.tasks, found.plain.n) == (2, 20)
    assert found.plain.value == pytest.approx(0.5)
    assert found.weighted.value == pytest.approx(7 / 20)
    va, vb = 0.1875 / 3, 0.1875 / 15
    assert found.weighted.low is not None
    assert found.weighted.high is not None
    df = (0.04 * va + 0.64 * vb) ** 2 / ((0.04 * va) ** 2 / 3 + (0.64 * vb) ** 2 / 15)
    # Wilson's interval on the n of independent cases that has this SE.
    n = (7 / 20) * (13 / 20) / (0.04 * va + 0.64 * vb)
    half = wilson(7 / 20 * n, n, quantile=t_quantile(0.975, df))
    assert (found.weighted.low, found.weighted.high) == pytest.approx(half)


def test_the_interval_covers_the_mean_over_these_tasks() -> None:
    rng = np.random.default_rng(3)
    truths, covered = (0.9, 0.7, 0.5), 0
    for _ in range(60):
        cells = [
            cell_of_scores((rng.random((40, 1)) < p).astype(int), task=f"t{i}") for i, p in enumerate(truths)
        ]
        (found,) = suite_means(cells, ["accuracy"])
        assert found.plain.low is not None
        assert found.plain.high is not None
        covered += found.plain.low <= 0.7 <= found.plain.high
    assert covered >= 52


def test_one_task_has_no_suite_and_further_prompts_do_not_count_twice() -> None:
    a = cell_of_scores(np.array([[1], [0]]), task="a")
    assert suite_means([a]) == ()
    first = replace(cell_of_scores(np.array([[1], [0]]), task="b [x]"), prompt="x")
    second = replace(cell_of_scores(np.array([[1], [1]]), task="b [y]"), prompt="y")
    (found,) = suite_means([a, first, second], ["accuracy"])
    assert (found.tasks, found.plain.value) == (2, 0.5)
    flat = cell_of_scores(np.array([[1], [1]]), task="c")
    (still,) = suite_means([flat, replace(flat, task="d")], ["accuracy"])
    assert (still.plain.low, still.plain.high) == pytest.approx(wilson(4, 4, quantile=t_quantile(0.975, 2)))


def test_nearly_solved_tasks_are_no_certainty() -> None:
    """Student's t about the mean held .87 of such suites, and none where every case was right."""
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(80):
        chance = rng.beta(0.97, 0.03, (4, 20, 1))
        cells = [
            cell_of_scores((rng.random((20, 4)) < c).astype(int), task=f"t{i}") for i, c in enumerate(chance)
        ]
        (found,) = suite_means(cells, ["overall_accuracy"])
        assert found.plain.low is not None
        assert found.plain.high is not None
        covered += found.plain.low <= 0.97 <= found.plain.high
    assert covered >= 73
