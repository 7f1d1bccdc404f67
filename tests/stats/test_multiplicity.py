from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from robusttest.errors import UsageError
from robusttest.stats.versions.multiplicity import benjamini_hochberg, holm

P = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205]
PS = st.lists(st.floats(0, 1), max_size=12)


def test_the_worked_example():
    assert holm(P) == pytest.approx([0.008, 0.056, *[0.234] * 6], abs=5e-7)
    assert benjamini_hochberg(P) == pytest.approx(
        [0.008, 0.032, 0.0672, 0.0672, 0.0672, 0.08, 0.084571, 0.205], abs=5e-7
    )


@given(PS)
def test_step_up_is_scipys(p):
    theirs = list(false_discovery_control(p, method="bh")) if p else []
    assert benjamini_hochberg(p) == pytest.approx(theirs)


@given(PS, st.randoms())
def test_order_in_is_order_out(p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    for adjust in (holm, benjamini_hochberg):
        straight, shuffled = adjust(p), adjust([p[i] for i in order])
        assert shuffled == pytest.approx([straight[i] for i in order])
        assert all(a >= b - 1e-12 for a, b in zip(straight, p, strict=True))


@given(PS, st.floats(0.1, 10))
def test_equal_weights_are_no_weights(p, weight):
    assert holm(p, [weight] * len(p)) == pytest.approx(holm(p))


def test_weights_share_alpha():
    # p/w orders b before a: b takes 4/3 of the α that a has left after it.
    assert holm([0.02, 0.03], [1, 3]) == pytest.approx([0.04, 0.04])
    assert holm([0.01, 0.03], [1, 3]) == pytest.approx([0.04, 0.04])
    assert holm([0.001, 0.03], [1, 3]) == pytest.approx([0.004, 0.03])


def test_weighted_holm_bounds_the_family_whatever_the_dependence():
    """Independent nulls, and equal ones: at most α of families have a false rejection."""
    rng = np.random.default_rng(1)
    weights = [3.0, 1.0, 1.0, 1.0]
    independent = sum(min(holm(list(rng.random(4)), weights)) <= 0.05 for _ in range(4000)) / 4000
    equal = sum(min(holm([float(rng.random())] * 4, weights)) <= 0.05 for _ in range(4000)) / 4000
    assert 0.035 < independent < 0.06
    assert equal <= 0.05


def test_what_is_no_p_value_is_refused():
    for p in ([1.2], [-0.1], [float("nan")]):
        with pytest.raises(UsageError, match="numbers in"):
            holm(p)
    with pytest.raises(UsageError, match="one positive weight"):
        holm([0.1, 0.2], [1, 0])
