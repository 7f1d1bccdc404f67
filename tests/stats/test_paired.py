from __future__ import annotations

import itertools
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from robusttest.stats.versions import paired
from robusttest.stats.versions.paired import Change, about_p, change, fact, mcnemar, points, settle, sign_flip

WHOLE = st.lists(st.integers(-4, 4), max_size=9)


def yes_no(loss: int, gain: int, n: int) -> Change:
    d = np.array([-1.0] * loss + [1.0] * gain + [0.0] * (n - loss - gain))
    made = change("all", np.where(d < 0, 1.0, 0.0)[:, None], np.where(d > 0, 1.0, 0.0)[:, None])
    assert made is not None
    return made


def one(c: Change, **options: object) -> Change:
    (settled,) = settle([c], **options)
    return settled


def brute(d: list[float]) -> tuple[float, float, float]:
    sums = [
        sum(s * x for s, x in zip(signs, d, strict=True))
        for signs in itertools.product((1, -1), repeat=len(d))
    ]
    seen = sum(d)
    share = [sum(f(s) for s in sums) / len(sums) for f in (
        lambda s: s <= seen + 1e-9, lambda s: s >= seen - 1e-9, lambda s: abs(s) >= abs(seen) - 1e-9)]  # fmt: skip
    return share[0], share[1], share[2]


# the test


@pytest.mark.parametrize(
    ("loss", "gain", "p"), [(12, 3, 0.03515625), (9, 1, 0.021484375), (5, 5, 1.0), (0, 0, 1.0)]
)
def test_yes_no_cases_are_mcnemars_exact_test(loss, gain, p):
    d = np.array([-1.0] * loss + [1.0] * gain + [0.0] * 7)
    test = sign_flip(d)
    assert (test.p, test.method) == (pytest.approx(p, abs=1e-12), "exact")
    assert test == mcnemar(loss, gain)
    if loss + gain:
        assert test.p == pytest.approx(binomtest(min(loss, gain), loss + gain).pvalue)


def test_one_sided_values():
    assert mcnemar(12, 3).p_worse == pytest.approx(0.01757813, abs=5e-9)
    toy = sign_flip(np.array([-1.0, 0, -1, 0, -1, 0]))  # case sums of the toy: four variants each
    assert (toy.p, toy.p_worse) == (0.25, 0.125)


@given(WHOLE)
def test_the_convolution_counts_every_pattern_of_signs(d):
    test = sign_flip(np.array(d, dtype=float))
    assert test[:3] == pytest.approx(brute([x for x in d if x]))
    assert test.method == "exact"


@given(WHOLE, st.sampled_from([2, 4, 10, 60]))
def test_scores_on_a_grid_are_exact_too(d, grid):
    scaled = sign_flip(np.array(d, dtype=float) / grid)
    assert scaled[:3] == pytest.approx(sign_flip(np.array(d, dtype=float))[:3])
    assert scaled.method == "exact"


@given(st.lists(st.integers(-(10**9), 10**9).map(lambda i: i / 1.234567e9), max_size=8))
def test_a_few_numbers_off_any_grid_are_enumerated(d):
    test = sign_flip(np.array(d))
    assert test.method == "exact"
    kept = [x for x in d if abs(x) > 1e-12]
    # Numbers that are nearly opposite (or nearly 0) have sums that are equal within rounding.
    if all(abs(x) > 1e-6 for x in kept) and all(
        abs(abs(a) - abs(b)) > 1e-6 for a, b in combinations(kept, 2)
    ):
        assert test[:2] == pytest.approx(brute(kept)[:2])


def test_many_numbers_off_any_grid_are_drawn_the_same_each_time():
    d = np.random.default_rng(3).normal(-0.02, 0.1, size=80)
    first, again, other = sign_flip(d, seed=1), sign_flip(d, seed=1), sign_flip(d, seed=2)
    assert first == again
    assert first != other
    assert "100,000" in first.method
    grid = sign_flip(np.rint(d * 1000) / 1000)
    assert grid.method == "exact"
    assert first.p_worse == pytest.approx(grid.p_worse, abs=0.006)
    assert other.p_worse == pytest.approx(grid.p_worse, abs=0.006)


def test_the_draws_leave_the_global_random_state_alone():
    before = np.random.get_state()[1].copy()
    sign_flip(np.random.default_rng(3).normal(size=40))
    assert (np.random.get_state()[1] == before).all()


def test_an_overwhelming_sum_is_no_error():
    # Windowed at 20 sd: one huge case among many small ones.
    d = np.array([-5000.0] + [-1.0] * 3000)
    assert sign_flip(d).p_worse < 1e-80
    assert sign_flip(-d).p_better < 1e-80
    assert sign_flip(-np.arange(1.0, 300.0)).p_worse < 1e-80


def test_p_values_are_honest_under_the_null():
    """Equal versions with case effects and correlated variants: P(p <= .05) is at most .05."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(1000):
        chance = rng.beta(2, 1, size=(60, 1))
        d = rng.binomial(8, chance).ravel() - rng.binomial(8, chance).ravel()
        hits += sign_flip(d.astype(float)).p_worse <= 0.05
    assert 20 <= hits <= 65


# the change


@pytest.mark.parametrize(
    ("loss", "gain", "n", "difference", "low", "high"),
    [
        (12, 3, 100, -0.09, -0.173743, -0.015977),
        (9, 1, 50, -0.16, -0.292936, -0.044509),
        (0, 0, 100, 0.0, -0.036993, 0.036993),
        (5, 5, 100, 0.0, -0.070221, 0.070221),
    ],
)
def test_the_interval_of_yes_no_cases_is_tangos(loss, gain, n, difference, low, high):
    c = yes_no(loss, gain, n)
    assert (c.difference, c.method, c.n) == (pytest.approx(difference), "tango", n)
    assert (c.low, c.high) == (pytest.approx(low, abs=5e-7), pytest.approx(high, abs=5e-7))
    assert c.low <= c.lower <= c.difference <= c.upper <= c.high
    assert (c.worse, c.better) == (loss, gain)


def test_the_toy_with_four_variants():
    old = np.array([1, 0.75, 0.75, 0.25, 0.25, 0])
    new = np.array([0.75, 0.75, 0.5, 0.25, 0, 0])
    rows = [np.array([[1.0] * round(4 * m) + [0.0] * (4 - round(4 * m)) for m in y]) for y in (old, new)]
    c = change("all", *rows)
    assert c is not None
    assert (c.difference, c.p, c.p_worse, c.pairs) == (pytest.approx(-0.125), 0.25, 0.125, 24)
    assert c.sd / np.sqrt(6) == pytest.approx(0.055902, abs=5e-7)


def test_only_places_where_both_have_a_score_count():
    nan = float("nan")
    old = np.array([[1, 1, nan], [1, nan, nan], [1, 1, 1]])
    new = np.array([[1, 0, 0], [nan, 1, 1], [nan, 0, 1]])
    c = change("all", old, new)
    assert c is not None
    assert (c.n, c.pairs, c.old, c.new, c.difference) == (2, 4, 1.0, 0.5, -0.5)
    assert change("all", old, np.full((3, 3), nan)) is None


def test_the_worst_case_is_over_the_shared_variants():
    nan = float("nan")
    c = change("robust_accuracy", np.array([[1, 0.0], [1, 1]]), np.array([[1, nan], [1, 0]]), worst=True)
    assert c is not None
    assert (c.old, c.new, c.n, c.pairs) == (1.0, 0.5, 2, 2)


def test_the_unit_is_the_case_not_the_variant():
    """Twenty variants of one broken case are one case."""
    old = np.ones((40, 20))
    new = old.copy()
    new[:2] = 0
    c = one(change("all", old, new))
    assert c.p_worse == 0.25
    assert c.verdict != "regressed"


def test_the_unit_is_the_cluster_where_cases_share_one():
    old, new = np.ones((40, 1)), np.ones((40, 1))
    new[:8] = 0
    free = change("all", old, new)
    tied = change("all", old, new, np.arange(40) // 4)
    few = change("all", old, new, np.arange(40) // 20)
    assert free is not None
    assert tied is not None
    assert few is not None
    assert (free.p_worse, tied.p_worse, tied.clusters) == (0.5**8, 0.25, 10)
    assert tied.high - tied.low > free.high - free.low
    assert one(free).verdict == "regressed"
    assert one(tied).verdict != "regressed"
    assert one(few).verdict == "undecided"
    assert "clusters" in (few.reason or "")


def test_one_case_gives_no_verdict():
    c = one(change("all", np.ones((1, 3)), np.zeros((1, 3))))
    assert (c.verdict, c.low, c.cases_needed) == ("undecided", None, None)
    assert "one case" in (c.reason or "")


# verdicts


@pytest.mark.parametrize(
    ("loss", "gain", "n", "margin", "verdict"),
    [
        (12, 3, 100, None, "regressed"),
        (3, 12, 100, None, "improved"),
        (0, 0, 100, None, "no_worse"),
        (0, 0, 20, None, "undecided"),  # 20 equal cases leave a drop of 12 points open
        (5, 5, 100, None, "undecided"),
        (5, 5, 100, 0.1, "no_worse"),
        (12, 3, 100, 0.1, "undecided"),  # a drop, but not surely one of ten points
        (40, 3, 100, 0.1, "regressed"),
        (4, 0, 40, None, "undecided"),  # exact p .0625
        (5, 0, 40, None, "regressed"),  # exact p .03125
        (2, 1, 1000, 0.0, "undecided"),
    ],
)
def test_verdicts(loss, gain, n, margin, verdict):
    c = one(yes_no(loss, gain, n), margin=margin)
    assert c.verdict == verdict
    assert (c.cases_needed is None) or (c.verdict == "undecided" and c.cases_needed > n)


def test_holm_over_the_family_takes_a_verdict_back():
    alone, quiet = yes_no(12, 3, 100), yes_no(5, 5, 100)
    assert settle([alone])[0].verdict == "regressed"
    family = settle([alone, quiet, quiet, quiet])
    assert [c.verdict for c in family] == ["undecided"] * 4
    assert family[0].adjusted_worse == pytest.approx(4 * alone.p_worse)
    assert family[0].q_worse == pytest.approx(4 * alone.p_worse)
    heavy = settle([alone, quiet, quiet, quiet], weights=[3, 1, 1, 1])
    assert heavy[0].verdict == "regressed"


def test_cases_needed_decide_at_what_was_seen():
    identical = one(yes_no(0, 0, 20))
    assert identical.cases_needed is not None
    assert one(yes_no(0, 0, identical.cases_needed)).verdict == "no_worse"
    assert one(yes_no(0, 0, identical.cases_needed - 2)).verdict == "undecided"
    small = one(yes_no(8, 3, 100))  # a drop of 5 points: as many cases as show it by the sign-flip test
    assert small.cases_needed == paired.regression_cases(small.sd, 1.0, 0.05)
    assert one(yes_no(23, 9, small.cases_needed)).verdict == "regressed"
    # in a family of ten the test has a tenth of alpha, which takes more
    family = paired.settle([yes_no(8, 3, 100), *[yes_no(0, 0, 100)] * 9])
    assert family[0].cases_needed > small.cases_needed
    # a drop within the margin that was given is never a regression; one at the margin is decided by no number of cases
    within = paired.settle([yes_no(8, 3, 100)], margin=0.06)[0]
    assert within.cases_needed == paired.paired_cases(within.sd, 0.01)
    assert paired.settle([yes_no(8, 3, 100)], margin=0.05)[0].cases_needed is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(60, 120), st.sampled_from([None, 0.02, 0.1]))
def test_verdicts_mirror_and_never_contradict_the_interval(loss, gain, n, margin):
    c, back = one(yes_no(loss, gain, n), margin=margin), one(yes_no(gain, loss, n), margin=margin)
    assert c.difference == pytest.approx(-back.difference)
    if c.verdict == "regressed":
        assert c.upper < 0
        assert back.verdict == "improved"
    if c.verdict == "improved":
        assert c.lower > 0
    if c.verdict == "no_worse":
        assert c.lower > -(margin or paired.MARGIN)


# words


def test_the_wording():
    assert fact(yes_no(0, 0, 100)) == (
        "identical on 100 cases; a true net change beyond ±3.7 points is excluded"
    )
    assert fact(yes_no(12, 3, 100)) == "on these 100 cases 12 broke and 3 were fixed"
    assert fact(yes_no(0, 1, 30)) == "on these 30 cases 0 broke and 1 was fixed"
    assert "not measured" in about_p(noise=None)
    assert "a fact, not an estimate" in about_p(noise=0.0)
    assert "2.5 %" in about_p(noise=0.025)
    assert [points(x) for x in (-0.09, 0.015, 0.0, -0.0001)] == ["-9.0", "+1.5", "0.0", "0.0"]
