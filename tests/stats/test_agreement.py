from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robusttest.stats.cell.agreement import (
    _ranks,
    _w,
    _without_each,
    answer_kappa,
    kendall_w,
    krippendorff_interval,
    krippendorff_nominal,
)
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.intervals import jackknife_se
from robusttest.stats.cell.measures import measures

answers = st.lists(st.text("ABC.", min_size=4, max_size=4), min_size=2, max_size=12)


def alpha(units, distance):
    """From the definition: observed over expected distance of pairable values."""
    units = [u for u in units if len(u) >= 2]
    values = [v for u in units for v in u]
    n = len(values)
    observed = sum(2 * distance(a, b) / (len(u) - 1) for u in units for a, b in combinations(u, 2)) / n
    expected = sum(2 * distance(a, b) for a, b in combinations(values, 2)) / (n * (n - 1))
    return None if expected == 0 else 1 - observed / expected


def unequal(a, b):
    return float(a != b)


@settings(max_examples=60, deadline=None)
@given(answers)
def test_krippendorffs_alpha_is_its_definition(cell_of, rows):
    cell = cell_of(rows, "A" * len(rows))
    units = [[x for x in row if x != "."] for row in rows]
    for name, given_units, distance in (
        ("krippendorff_alpha", units, unequal),
        (
            "krippendorff_alpha_interval",
            [[float(x == "A") for x in u] for u in units],
            lambda a, b: (a - b) ** 2,
        ),
    ):
        expected = alpha(given_units, distance) if any(len(u) > 1 for u in units) else None
        found = estimate(cell, name).value
        assert (found is None) == (expected is None), name
        if expected is not None:
            assert found == pytest.approx(expected), name


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ABC", min_size=3, max_size=3), min_size=2, max_size=12))
def test_answer_kappa_is_fleiss(cell_of, rows):
    table = np.array([[r.count(c) for c in "ABC"] for r in rows], dtype=float)
    share = table.sum(axis=0) / table.sum()
    chance, agree = (share**2).sum(), ((table**2).sum(axis=1) - 3) / 6
    found = estimate(cell_of(rows, "A" * len(rows)), "answer_kappa")
    if chance == 1:
        assert found.value is None
        assert found.reason.startswith("saturated")
    else:
        assert found.value == pytest.approx((agree.mean() - chance) / (1 - chance))


def random_rows(seed, n=40, k=5):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ABC"), k, p=rng.dirichlet([0.4, 0.4, 0.4]))) for _ in range(n)]


@pytest.mark.parametrize(
    "coefficient", [answer_kappa, krippendorff_nominal, krippendorff_interval], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("size", [1, 2], ids=["cases", "clusters"])
def test_intervals_leave_out_each_case_or_cluster(cell_of, coefficient, size):
    rows, gold = random_rows(7), "A" * 40
    clusters = [f"s{i // size}" for i in range(40)] if size > 1 else None
    cell = cell_of(rows, gold, clusters=clusters)
    whole = coefficient(measures(cell), "", cell.cluster_index)
    rest = []
    for g in range(0, 40, size):
        keep = np.ones(40, dtype=bool)
        keep[g : g + size] = False
        rest.append(coefficient(measures(cell.take_cases(keep)), "", None).value)
    se, units = jackknife_se(np.array(rest)), 40 // size
    half = stats.t.ppf(0.975, units - 1) * se / (1 - whole.value**2)
    assert whole.limits.low == pytest.approx(np.tanh(np.arctanh(whole.value) - half))
    assert whole.limits.high == pytest.approx(np.tanh(np.arctanh(whole.value) + half))


def graded(records_of, y):
    from dataclasses import replace

    from robusttest.stats.cell.frame import frames

    rows = records_of(["A" * y.shape[1]] * len(y), "A" * len(y))
    return frames([replace(r, score=float(s)) for r, s in zip(rows, y.ravel(), strict=True)])[0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(3, 8))
def test_kendalls_w_with_ties_is_friedmans_statistic(records_of, seed, levels, k):
    y = np.random.default_rng(seed).integers(0, levels + 1, (6, k)) / levels
    found = estimate(graded(records_of, y), "kendall_w").value
    if (y == y[0]).all():
        assert found is None
        return
    friedman = stats.friedmanchisquare(*y).statistic
    assert found == pytest.approx(friedman / (k * 5))


def test_kendalls_w_without_the_correction_is_lower_and_equal_without_ties(records_of):
    y = np.array([[0.1, 0.2], [0.5, 0.4], [0.3, 0.9]])
    cell = graded(records_of, y)
    assert estimate(cell, "kendall_w").value == estimate(cell, "kendall_w_uncorrected").value
    tied = graded(records_of, np.array([[0.0, 0], [0, 1], [1, 1], [1, 1]]))
    assert estimate(tied, "kendall_w_uncorrected").value < estimate(tied, "kendall_w").value


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("levels", [2, 4], ids=["right and wrong", "graded"])
def test_kendalls_w_without_each_case(records_of, corrected, levels):
    y = np.random.default_rng(3).integers(0, levels, (25, 6)) / (levels - 1)
    m = measures(graded(records_of, y))
    ranks, tied = _ranks(y)
    squares, less_tied = _without_each(y, ranks)
    rest = _w(squares, tied.sum() - less_tied, 24, 6, corrected)
    for j in range(25):
        without = measures(m.cell.take_cases(np.arange(25) != j))
        assert rest[j] == pytest.approx(
            kendall_w(without, "kendall_w" if corrected else "kendall_w_uncorrected", None).value
        )


def test_kendalls_w_takes_complete_cases(cell_of):
    assert estimate(cell_of(["AAA", "AB.", "BBB", "ABA"], "AAAA"), "kendall_w").n == 3


def test_few_disagreements_carry_no_interval(cell_of):
    e = estimate(cell_of(["AAA"] * 30 + ["BBB"] * 30 + ["ABA"] * 9, "A" * 69), "krippendorff_alpha")
    assert e.value > 0.8
    assert e.lower is None
    assert "9 cases with a disagreement" in e.reason


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(3, 9))
def test_right_and_wrong_rank_as_any_two_scores(seed, k, n):
    y = np.random.default_rng(seed).integers(0, 2, (n, k)).astype(float)
    quick, slow = _ranks(y), _ranks(0.25 + y / 2)
    for a, b in zip(
        (*quick, *_without_each(y, quick[0])), (*slow, *_without_each(0.25 + y / 2, slow[0])), strict=True
    ):
        np.testing.assert_allclose(a, b)
    third = np.column_stack([y, np.arange(n) % 3 / 2])  # a column with three values beside them
    ranks, tied = _ranks(third)
    off, less = _without_each(third, ranks)
    for i in range(n):
        rest, left = _ranks(np.delete(third, i, axis=0))
        np.testing.assert_allclose(off[i], ((rest - n / 2).sum(axis=1) ** 2).sum())
        np.testing.assert_allclose(less[i], (tied - left).sum())
