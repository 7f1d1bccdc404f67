from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.measures import measures


def test_example_a_case_by_case(example_a):
    m = measures(example_a)
    assert m.mean.tolist() == [1, 0.75, 0.75, 0.25, 0.25, 0]
    assert m.equal_pairs.tolist() == pytest.approx([1, 0.5, 0.5, 1 / 6, 0.5, 1])
    assert (1 - m.pair_distance).tolist() == pytest.approx([1, 0.5, 0.5, 0.5, 0.5, 1])
    assert (1 - m.flips).tolist() == pytest.approx([1, 2 / 3, 2 / 3, 0, 2 / 3, 1])
    assert m.reference.tolist() == [1, 1, 1, 1, 0, 0]
    assert m.within.tolist() == pytest.approx([0, 0.25, 0.25, 0.25, 0.25, 0])


def test_computed_once_for_a_cell(example_a):
    assert measures(example_a) is measures(example_a)
    assert measures(example_a.select("p")) is measures(example_a.select("p"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ABC?!.", min_size=5, max_size=5), min_size=1, max_size=6))
def test_each_case_is_what_its_row_says(cell_of, rows):
    cell = cell_of(rows, "A" * len(rows))
    m = measures(cell)
    for i, line in enumerate(rows):
        scores = [float(x == "A") for x in line if x != "."]
        answers = [x for x in line if x != "."]
        pairs = [agree for a, b in combinations(answers, 2) if (agree := agreeing(a, b)) is not None]
        if scores:
            assert m.mean[i] == pytest.approx(np.mean(scores))
        else:
            assert np.isnan(m.mean[i])
        if scores and any(sum(x != "." for x in other) > 1 for other in rows):
            assert (m.worst[i], m.best[i]) == (min(scores), max(scores))
        if len(scores) < 2:
            assert np.isnan([m.std[i], m.within[i], m.pair_distance[i]]).all()
            assert np.isnan([m.all_equal[i], m.equal_pairs[i]]).all()
            continue
        assert m.std[i] == pytest.approx(np.std(scores))
        assert m.within[i] == pytest.approx(np.var(scores, ddof=1))
        assert m.pair_distance[i] == pytest.approx(np.mean([abs(a - b) for a, b in combinations(scores, 2)]))
        if pairs:
            assert m.equal_pairs[i] == pytest.approx(np.mean(pairs))
            assert m.all_equal[i] == float(all(pairs))
        else:
            assert np.isnan([m.equal_pairs[i], m.all_equal[i]]).all()
        compared = [agreeing(line[0], x) for x in line[1:] if "." not in (x, line[0])]
        flips = [not agree for agree in compared if agree is not None]
        if flips:
            assert m.flips[i] == pytest.approx(np.mean(flips))
            assert m.any_flip[i] == float(any(flips))
        else:
            assert np.isnan(m.flips[i])


def agreeing(a, b):
    """Two unreadable replies agree where their texts are equal, else nothing can be said of them."""
    return None if a != b and a in "?!" and b in "?!" else a == b


def test_reruns_of_a_variant_are_averaged_into_it(records_of):
    from dataclasses import replace

    from robusttest.stats.cell.frame import frames

    rows = records_of(["AAB"], "A")
    rows[2] = replace(rows[2], variant="p#0", repeat=1)
    (cell,) = frames(rows)
    m = measures(cell.select())
    assert m.by_variant.tolist() == [[1.0, 0.5]]
    assert m.perturbed.tolist() == [0.5]
    assert m.y.tolist() == [[1.0, 1.0]]  # its first run
    assert m.worst.tolist() == [1.0]


def test_a_case_with_one_score_counts_with_it_in_the_worst_case_where_another_has_two(right_wrong):
    m = measures(right_wrong(["1", "01", "0"]))
    assert m.worst.tolist() == [1, 0, 0]
    assert m.best.tolist() == [1, 1, 0]
    assert np.isnan(measures(right_wrong(["1", "0"])).worst).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("01. ", min_size=4, max_size=4), min_size=1, max_size=8))
def test_the_worst_case_is_never_above_the_mean(right_wrong, rows):
    rows = [line if line.strip(" ") else "1   " for line in rows]
    cell = right_wrong(rows)
    robust, overall, best = (
        estimate(cell, name).value for name in ("robust_accuracy", "overall_accuracy", "best_case_accuracy")
    )
    assert robust is None or robust <= overall + 1e-12 <= best + 2e-12
