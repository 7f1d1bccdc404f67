from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress, spearmanr

from robusttest.stats.across.scatter import relation, two_way_weights

ROBUST = np.array([[0.95, 0.80, 0.55], [0.93, 0.74, 0.50], [0.97, 0.86, 0.60]])
ACCURACY = np.array([[0.97, 0.85, 0.62], [0.96, 0.80, 0.58], [0.98, 0.90, 0.66]])
MODELS, TASKS = np.repeat(np.arange(3), 3), np.tile(np.arange(3), 3)


def of_grid(view="all"):
    return relation(ACCURACY.ravel(), ROBUST.ravel(), MODELS, TASKS, view=view)


def test_the_worked_example():
    r = of_grid()
    assert (r.pearson, r.spearman, r.slope, r.intercept, r.r_squared) == pytest.approx(
        (0.998975, 1.0, 1.139758, -0.160336, 0.997951), abs=5e-7
    )
    assert r.n == 9


def test_centred_views():
    assert of_grid("within_tasks").pearson == pytest.approx(0.995227, abs=5e-7)
    x, y = (v - v.mean(axis=1, keepdims=True) for v in (ACCURACY, ROBUST))
    assert of_grid("within_models").pearson == pytest.approx(np.corrcoef(x.ravel(), y.ravel())[0, 1])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=5, max_size=20))
def test_as_scipy_says(pairs):
    x, y = (np.array(v, dtype=float) / 10 for v in zip(*pairs, strict=True))
    r = relation(x, y, np.zeros(len(x), dtype=int), np.arange(len(x)))
    if np.ptp(x) == 0:
        assert r.reason == "accuracy is the same everywhere"
        assert r.slope is None
        return
    assert r.slope == pytest.approx(linregress(x, y).slope)
    if np.ptp(y) == 0:
        assert r.pearson is None
        assert r.reason
        return
    assert r.pearson == pytest.approx(linregress(x, y).rvalue)
    assert r.spearman == pytest.approx(spearmanr(x, y).statistic)
    assert r.slope_low is None, "one model: no interval over models"


def test_intervals_resample_models_and_tasks():
    r = of_grid()
    assert r.slope_low < r.slope < r.slope_high
    assert r.method == "two-way percentile bootstrap"
    weights = two_way_weights(MODELS, TASKS)
    grid = weights[7].reshape(3, 3)
    assert np.linalg.matrix_rank(grid) <= 1, "a model is drawn with all its tasks"
    assert weights.sum(axis=1) == pytest.approx(np.full(len(weights), 9))


def test_a_missing_value_leaves_its_cell_out():
    y = ROBUST.ravel().copy()
    y[4] = np.nan
    assert relation(ACCURACY.ravel(), y, MODELS, TASKS).n == 8


def test_same_seed_same_interval():
    assert of_grid() == of_grid()
