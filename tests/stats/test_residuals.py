from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t
from worlds import case_scores, cell_of_scores, world

from robusttest.stats.across.residuals import residuals
from robusttest.stats.cell.moments import moments


def test_the_formula():
    cells = [moments(c) for c in world(1, models=3, tasks=(0.9, 0.7, 0.5), k=6)]
    r = residuals(cells)[4]
    others = [c for i, c in enumerate(cells) if i != 4]
    share = sum(c.within for c in others) / sum(c.total for c in others)
    assert r.value == pytest.approx(2 * (cells[4].total * share - cells[4].within))
    assert r.low < r.value < r.high
    assert r.low_adjusted <= r.low
    assert r.high_adjusted >= r.high


def test_a_cell_that_stands_out_is_named_and_no_other():
    cells = world(2, lambda p, m, task: 0.2 if (m, task) == (4, 3) else 0.7)
    found = residuals([moments(c) for c in cells])
    odd = [i for i, r in enumerate(found) if r.standing == "less robust"]
    assert odd == [3 * 9 + 4]
    assert found[odd[0]].high_adjusted < 0
    assert not any(r.standing == "more robust" for r in found)


@pytest.mark.parametrize("icc", [0.5, 0.8])
def test_an_equal_world_is_as_predicted(icc):
    rejected = tested = 0
    for seed in range(8):
        found = residuals([moments(c) for c in world(seed, lambda p, m, task: icc, k=8)])
        tested += sum(r.p is not None for r in found)
        rejected += sum(r.p is not None and r.p < 0.05 for r in found)
    assert rejected / tested < 0.09


def test_adjusted_intervals_and_p_say_the_same():
    for seed in range(3):
        for r in residuals([moments(c) for c in world(seed, lambda p, m, task: 0.4 + 0.05 * m, n=60, k=8)]):
            if r.p_adjusted is not None:
                excludes = r.low_adjusted > 0 or r.high_adjusted < 0
                assert excludes == (r.p_adjusted < 0.05)
                assert (r.standing != "as predicted") == excludes


def test_too_few_failures_have_a_value_and_no_interval():
    rng = np.random.default_rng(1)
    good = cell_of_scores(np.vstack([np.ones((90, 5), dtype=int), case_scores(rng, 0.5, 0.5, 5, 5)]))
    found = residuals([moments(good), *(moments(c) for c in world(1, models=2, k=5))])
    assert found[0].value is not None
    assert found[0].low is None
    assert found[0].reason.endswith("10 needed")


def test_alone():
    (only,) = residuals([moments(world(1, models=1, tasks=(0.7,), k=4)[0])])
    assert only.value is None
    assert "nothing to compare" in only.reason
    assert residuals([None])[0].reason


def test_standard_error_and_the_first_of_holms_intervals():
    """The jackknife's error of the cell, and that of the others' share."""
    cells = [moments(c) for c in world(6, models=3, tasks=(0.75, 0.65, 0.5), k=6)]
    found = residuals(cells)
    first = min(range(9), key=lambda i: found[i].p)
    cell, others = cells[first], [c for i, c in enumerate(cells) if i != first]
    total = sum(c.total for c in others)
    share, pooled = (
        sum(c.within for c in others) / total,
        1 - sum(c.total - c.within for c in cells) / sum(c.total for c in cells),
    )
    of_share = sum(c.of_share(pooled)[1].se ** 2 for c in others) / total**2
    se = 2 * (cell.of_share(share)[1].se ** 2 + cell.total**2 * of_share) ** 0.5
    r = found[first]
    assert r.se == pytest.approx(se)
    half = max(t.ppf(1 - 0.025 / 9, 99) * se, abs(r.value) if r.p_adjusted >= 0.05 else 0)
    assert (r.low_adjusted, r.high_adjusted) == pytest.approx((r.value - half, r.value + half))
    assert r.high - r.value == pytest.approx(t.ppf(0.975, 99) * se)
