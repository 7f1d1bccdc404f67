from __future__ import annotations

import numpy as np
import pytest

from robusttest.stats.across.whose import whose


def components(y):
    """The analysis of variance by hand."""
    m, t = y.shape
    ss_m = t * ((y.mean(axis=1) - y.mean()) ** 2).sum()
    ss_t = m * ((y.mean(axis=0) - y.mean()) ** 2).sum()
    e = (((y - y.mean()) ** 2).sum() - ss_m - ss_t) / ((m - 1) * (t - 1))
    return max((ss_t / (t - 1) - e) / m, 0), max((ss_m / (m - 1) - e) / t, 0), e


Y = np.array([[0.9, 0.5, 0.7, 0.3], [0.86, 0.55, 0.66, 0.36], [0.93, 0.48, 0.72, 0.28]])


def test_the_components_are_those_of_the_analysis_of_variance():
    found = whose(Y)
    task, model, rest = components(Y)
    assert (found.task.value, found.model.value, found.rest) == pytest.approx(np.sqrt([task, model, rest]))
    assert found.share_task + found.share_model + found.share_rest == pytest.approx(1)
    assert found.share_task > 0.9


def test_limits_are_quantiles_of_the_pivots():
    """σ²_T alone where the rest is small: SS_T/(M χ²_.95), SS_T/(M χ²_.05)."""
    rng = np.random.default_rng(0)
    y = np.array([0.9, 0.5, 0.7, 0.3, 0.6]) + rng.normal(0, 1e-4, (6, 5))
    found, ss = whose(y), ((y.mean(axis=0) - y.mean()) ** 2).sum()
    assert (found.task.low**2, found.task.high**2) == pytest.approx((ss / 9.4877, ss / 0.71072), rel=0.05)
    assert found.source == "task"


def test_the_models_or_the_tasks_or_nobodys():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.02, (9, 6))
    level = np.linspace(0.3, 0.9, 9)[:, None]
    assert whose(level + noise).source == "model"
    assert whose(level[:6].T + noise).source == "task"
    assert whose(0.7 + noise).source == "neither"
    assert whose(level + level[:6].T + noise).source == "cannot tell"
    same = whose(np.full((4, 4), 0.5))
    assert (same.source, same.task.high) == ("neither", 0.0)


def test_the_same_whatever_the_order_and_from_run_to_run():
    found = whose(Y)
    assert found == whose(Y)
    again = whose(Y[::-1, [2, 0, 3, 1]])
    assert (again.task.low, again.model.high) == pytest.approx((found.task.low, found.model.high))


def test_cells_without_an_icc_leave_out_a_task_or_a_model():
    y = np.concatenate([Y, np.full((3, 1), np.nan)], axis=1)
    assert whose(y) == whose(Y)
    few = whose(np.full((3, 3), np.nan))
    assert few.source == "cannot tell"
    assert "it takes 3 of each" in few.reason
