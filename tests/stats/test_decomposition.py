from __future__ import annotations

import numpy as np
import pytest
from test_scatter import ACCURACY, ROBUST

from robusttest.stats.across.decomposition import complete_grid, shares


def test_the_worked_example():
    s = shares(ROBUST, ACCURACY)
    assert (s.eta_model, s.eta_task, s.eta_rest) == pytest.approx((0.043669, 0.949612, 0.006718), abs=5e-7)
    assert (s.model, s.task, s.interaction, s.noise) == pytest.approx(
        (0.043669, 0.949612, 0.006718, 0), abs=5e-7
    )
    assert s.nested[0].r_squared == pytest.approx(0.997951, abs=5e-7)


def test_nested_models_by_hand():
    """A line through the cells less their model's (or task's) mean leaves what accuracy + that factor leaves."""
    total = ((ROBUST - ROBUST.mean()) ** 2).sum()
    nested = shares(ROBUST, ACCURACY).nested
    for i, axis, parameters in ((0, None, 2), (1, 1, 4), (2, 0, 4)):
        x, y = (v - v.mean(axis=axis, keepdims=True) for v in (ACCURACY, ROBUST))
        left = ((y - (x * y).sum() / (x**2).sum() * x) ** 2).sum()
        assert nested[i].r_squared == pytest.approx(1 - left / total)
        assert nested[i].adjusted == pytest.approx(1 - left / (9 - parameters) / (total / 8))
    assert [n.terms for n in nested] == ["accuracy", "accuracy + model", "accuracy + task"]


def test_noise_is_taken_out_and_adds_up():
    rng = np.random.default_rng(1)
    task, model, noise = rng.normal(0, 0.2, 40), rng.normal(0, 0.1, 30), rng.normal(0, 0.1, (30, 40))
    s = shares(task + model[:, None] + noise, rng.random((30, 40)), noise=0.01)
    assert s.model + s.task + s.interaction + s.noise == pytest.approx(1)
    assert s.interaction == pytest.approx(0, abs=0.02)
    real = task.var() + model.var() + 0.01
    assert (s.task, s.model, s.noise) == pytest.approx(
        (task.var() / real, model.var() / real, 0.01 / real), abs=0.05
    )
    assert s.nested[2].net == pytest.approx(task.var() / (task.var() + model.var()), abs=0.05)


def test_all_noise():
    s = shares(
        np.random.default_rng(2).normal(0, 0.1, (5, 6)), np.random.default_rng(3).random((5, 6)), noise=1.0
    )
    assert (s.model, s.task, s.interaction, s.noise) == pytest.approx((0, 0, 0, 1))
    assert s.nested[0].net is None


def test_undefined():
    assert shares(np.ones((3, 3)), ACCURACY, metric="x").reason == "x is the same everywhere"
    assert "two of each" in shares(np.ones((1, 3)), np.ones((1, 3))).reason


def test_complete_grid():
    there = np.ones((4, 5), dtype=bool)
    assert complete_grid(there) == ([0, 1, 2, 3], [0, 1, 2, 3, 4])
    there[2, [0, 1, 3]] = False
    assert complete_grid(there) == ([0, 1, 3], [0, 1, 2, 3, 4])
    there[0, 4] = there[1, 4] = False
    assert complete_grid(there) == ([0, 1, 3], [0, 1, 2, 3])
    assert complete_grid(np.zeros((2, 2), dtype=bool)) == ([], [])


def test_noise_leaves_the_fit_once_for_each_parameter():
    values = ROBUST + np.random.default_rng(1).normal(0, 0.2, (3, 3))
    total, noise = ((values - values.mean()) ** 2).sum(), 0.01
    found = shares(values, ACCURACY, noise=noise).nested
    for nested, parameters in zip(found, (1, 3, 3), strict=True):
        expected = (nested.r_squared * total - parameters * noise) / (total - 8 * noise)
        assert nested.net == pytest.approx(min(max(expected, 0), 1))
    assert any(0 < nested.net < 1 for nested in found)
