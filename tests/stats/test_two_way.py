from __future__ import annotations

import numpy as np
import pytest
from worlds import case_scores, cell_of_scores

from robusttest.stats.across.two_way import over_prompts, two_way
from robusttest.stats.cell.estimates import estimate


def test_by_hand():
    table = np.array([[0.95, 0.80, 0.55], [0.93, 0.74, 0.50], [0.97, 0.86, 0.60]])
    limits = two_way(table)
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    left = table - rows[:, None] - columns + table.mean()
    v_a, v_b, v_res = rows.var(ddof=1) / 3, columns.var(ddof=1) / 3, (left**2).sum() / 4 / 9
    v = max(v_a + v_b - v_res, v_a, v_b)
    df = v**2 / (v_a**2 / 2 + v_b**2 / 2)
    assert limits.method == f"two-way, df {df:.1f}"
    from scipy.stats import t

    half = t.ppf(0.975, df) * v**0.5
    assert (limits.low, limits.high) == pytest.approx((table.mean() - half, table.mean() + half))
    assert limits.lower == pytest.approx(table.mean() - t.ppf(0.95, df) * v**0.5)


@pytest.mark.parametrize("shape", [(2, 5), (5, 2), (1, 1)])
def test_fewer_than_three_levels_are_refused(shape):
    limits = two_way(np.random.default_rng(0).random(shape), sides=("models", "tasks"))
    assert limits.low is None
    assert "only" in limits.reason


def test_nothing_varies():
    assert two_way(np.ones((4, 4))).reason == "interval unreliable: nothing varies"


def test_coverage_of_crossed_populations():
    rng = np.random.default_rng(2)
    hit, runs = 0, 600
    for _ in range(runs):
        table = rng.normal(0, 1, 6)[:, None] + rng.normal(0, 1, 8) + rng.normal(0, 0.5, (6, 8))
        limits = two_way(table)
        hit += limits.low <= 0 <= limits.high
    assert 0.93 <= hit / runs <= 1


def test_prompts_like_these():
    rng = np.random.default_rng(3)
    harm = np.linspace(0, 0.4, 8)
    lost = np.column_stack([np.zeros(60, dtype=bool), rng.random((60, 8)) < harm])
    cell = cell_of_scores(np.where(lost, 0, case_scores(rng, 0.9, 0.5, 60, 9)))
    limits = over_prompts(cell)
    fixed = estimate(cell, "pass_rate")
    assert limits.value == pytest.approx(fixed.value)
    assert (limits.n, limits.k) == (60, 8)
    assert limits.high - limits.low > 1.2 * (fixed.high - fixed.low), "other prompts do other harm"
    assert 0 <= limits.low < limits.value < limits.high <= 1


def test_two_variants_say_nothing_of_others(example_a):
    limits = over_prompts(example_a.take([0, 1, 2]))
    assert (round(limits.value, 3), limits.n) == (0.5, 6)
    assert limits.low is None
    assert limits.reason.startswith("for these variants only")


def test_no_variants(example_a):
    assert over_prompts(example_a.take([0])).value is None
