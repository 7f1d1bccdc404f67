from __future__ import annotations

import numpy as np
import pytest
from worlds import case_scores, cell_of_scores, world

from robusttest.stats.moments import moments
from robusttest.stats.residuals import residuals


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
    cells = world(2, lambda p, m, t: 0.2 if (m, t) == (4, 3) else 0.7)
    found = residuals([moments(c) for c in cells])
    odd = [i for i, r in enumerate(found) if r.standing == "less robust"]
    assert odd == [3 * 9 + 4]
    assert found[odd[0]].high_adjusted < 0
    assert not any(r.standing == "more robust" for r in found)


@pytest.mark.parametrize("icc", [0.5, 0.8])
def test_an_equal_world_is_as_predicted(icc):
    rejected = tested = 0
    for seed in range(8):
        found = residuals([moments(c) for c in world(seed, lambda p, m, t: icc, k=8)])
        tested += sum(r.p is not None for r in found)
        rejected += sum(r.p is not None and r.p < 0.05 for r in found)
    assert rejected / tested < 0.09


def test_adjusted_intervals_and_p_say_the_same():
    for seed in range(3):
        for r in residuals([moments(c) for c in world(seed, lambda p, m, t: 0.4 + 0.05 * m, n=60, k=8)]):
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
