from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robusttest.errors import UsageError
from robusttest.stats.cell.nulls import all_right, unanimous

SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("p", "k", "rho", "value"),
    [(0.9, 2, 0.5, 0.855), (0.9, 24, 0.5, 0.679739), (0.8, 4, 0.5, 0.638400), (0.5, 4, 0, 0.0625)],
)
def test_all_right(p, k, rho, value):
    assert float(all_right(p, k, rho)) == pytest.approx(value, abs=5e-7)


def test_the_icc_that_explains_a_published_consistency():
    assert float(all_right(0.96, 24, 0.558)) == pytest.approx(0.875, abs=5e-4)
    assert all_right([0.955, 0.9745], 24) == pytest.approx([0.331, 0.539], abs=2e-3)


@given(p=SHARES, rho=SHARES, k=st.integers(1, 40))
def test_order_of_the_null_models(p, rho, k):
    alone, mixed, both = (float(f) for f in (all_right(p, k), all_right(p, k, rho), unanimous(p, k, rho)))
    assert alone - 1e-9 <= mixed <= p + 1e-9
    assert mixed - 1e-9 <= both <= 1 + 1e-9


@given(p=SHARES, rho=SHARES)
def test_two_variants_agree_as_pairs_do(p, rho):
    both_right_or_both_wrong = p**2 + (1 - p) ** 2 + 2 * rho * p * (1 - p)
    assert float(unanimous(p, 2, rho)) == pytest.approx(both_right_or_both_wrong, abs=1e-7)


def test_a_simulated_cell():
    rng = np.random.default_rng(1)
    own = rng.beta(0.8, 0.2, 200_000)  # p .8, rho .5
    assert float(all_right(0.8, 5, 0.5)) == pytest.approx((own**5).mean(), abs=0.003)
    assert float(unanimous(0.8, 5, 0.5)) == pytest.approx((own**5 + (1 - own) ** 5).mean(), abs=0.003)


@pytest.mark.parametrize(
    "call", [lambda: all_right(1.2, 3), lambda: all_right(0.5, 0), lambda: unanimous(0.5, 3, -0.1),
             lambda: unanimous(0.5, 0), lambda: all_right(float("nan"), 2)]
)  # fmt: skip
def test_what_is_refused(call):
    with pytest.raises(UsageError):
        call()
