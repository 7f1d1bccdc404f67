from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from robusttest.stats.cell.answers import ABSENT, ALONE, UNREADABLE, Coder, settle_unreadable, tally, ties


@settings(max_examples=80, deadline=None)
@given(arrays.arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 7)), elements=st.integers(-1, 3)))
def test_ties_are_what_counting_pairs_gives(codes):
    found = ties(codes)
    for i, line in enumerate(codes.tolist()):
        there = [c for c in line if c >= 0]
        pairs = list(combinations(there, 2))
        assert found.valid[i] == len(there)
        assert found.equal_pairs[i] == sum(a == b for a, b in pairs)
        assert found.pairs[i] == len(pairs)


def test_codes_are_first_seen_and_none_is_absent():
    code = Coder()
    assert [code(x) for x in ("b", "a", None, "b", 2, "2", True)] == [0, 1, ABSENT, 0, 2, 2, 3]
    assert code(float("nan")) == ALONE


def test_lone_surrogates_and_long_answers_are_answers():
    code = Coder()
    assert [code(x) for x in ("\ud800", "x" * 100_000, "\ud800", "")] == [0, 1, 0, 2]


def test_unreadable_replies_get_codes_beyond_the_answers():
    codes = settle_unreadable(np.array([[0, UNREADABLE], [UNREADABLE, 5]]))
    assert codes.tolist() == [[0, 6], [7, 5]]
    codes = settle_unreadable(np.array([[0, UNREADABLE], [UNREADABLE, 5]]), equal=True)
    assert codes.tolist() == [[0, 8], [8, 5]]


def test_unreadable_replies_of_one_text_have_one_code_and_nan_has_its_own():
    codes = settle_unreadable(
        np.array([[0, UNREADABLE, UNREADABLE], [ALONE, ALONE, UNREADABLE]]), np.array([[0, 3, 3], [3, 3, 4]])
    )
    same, other = codes[0, 1], codes[1, 2]
    assert codes[0, 2] == same != other
    assert len({codes[1, 0], codes[1, 1], same, other, 0}) == 5
    unknown = settle_unreadable(np.array([[UNREADABLE, UNREADABLE]]), np.array([[-1, -1]]))
    assert unknown[0, 0] != unknown[0, 1]


def test_pairs_of_unreadable_replies_count_where_their_texts_are_equal():
    unreadable = np.array([[False, True, True, True]])
    found = ties(np.array([[0, 7, 7, 8]]), unreadable)
    # 0-7 twice and 0-8 differ, 7-7 agrees, 7-8 twice can't be said.
    assert (found.pairs.tolist(), found.equal_pairs.tolist(), found.differ.tolist()) == ([4], [1], [3])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.sampled_from(["b", "a", "7", 7, 7.0, True, 1, ["x"], {"k": 1}, float("nan")])))
def test_codes_of_many_are_the_codes_of_each(values):
    each, together = Coder(), Coder()
    assert together.codes(values).tolist() == [each(v) for v in values]


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.integers(0, 9)),
    st.sampled_from([1, 10**6]),
)
def test_answers_are_tallied_alike_with_a_table_and_without(codes, far):
    """Codes that are far apart have no table."""
    groups = np.arange(len(codes)) // 2
    weights = np.linspace(0.5, 1, len(codes))
    found = tally(codes * far, weights, groups)
    names = np.unique(codes)
    table = np.array(
        [
            [(weights[:, None] * ((codes == c) & (groups == g)[:, None])).sum() for c in names]
            for g in set(groups)
        ]
    )
    total = table.sum(axis=0)
    np.testing.assert_allclose(found.square, (total**2).sum())
    np.testing.assert_allclose(found.dots, table @ total)
    np.testing.assert_allclose(found.squares, (table**2).sum(axis=1))
