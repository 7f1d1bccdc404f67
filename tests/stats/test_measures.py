from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
@given(st.lists(st.text("ABC?.", min_size=5, max_size=5), min_size=1, max_size=6))
def test_each_case_is_what_its_row_says(cell_of, rows):
    cell = cell_of(rows, "A" * len(rows))
    m = measures(cell)
    for i, line in enumerate(rows):
        scores = [float(x == "A") for x in line if x != "."]
        answers = [x if x != "?" else object() for x in line if x != "."]
        if scores:
            assert m.mean[i] == pytest.approx(np.mean(scores))
        else:
            assert np.isnan(m.mean[i])
        if len(scores) < 2:
            assert np.isnan([m.worst[i], m.best[i], m.std[i], m.within[i], m.pair_distance[i]]).all()
            assert np.isnan([m.all_equal[i], m.equal_pairs[i]]).all()
            continue
        assert (m.worst[i], m.best[i]) == (min(scores), max(scores))
        assert m.std[i] == pytest.approx(np.std(scores))
        assert m.within[i] == pytest.approx(np.var(scores, ddof=1))
        assert m.pair_distance[i] == pytest.approx(np.mean([abs(a - b) for a, b in combinations(scores, 2)]))
        assert m.equal_pairs[i] == pytest.approx(np.mean([a == b for a, b in combinations(answers, 2)]))
        others = [x if x != "?" else object() for x in line[1:] if x != "."]
        if line[0] != "." and others:
            first = line[0] if line[0] != "?" else object()
            assert m.flips[i] == pytest.approx(np.mean([x != first for x in others]))
            assert m.any_flip[i] == float(any(x != first for x in others))
        else:
            assert np.isnan(m.flips[i])


def test_reruns_of_a_variant_are_averaged_into_it(records_of):
    from dataclasses import replace

    from robusttest.stats.cell.frame import frames

    rows = records_of(["AAB"], "A")
    rows[2] = replace(rows[2], variant="p#0", repeat=1)
    (cell,) = frames(rows)
    assert measures(cell).by_variant.tolist() == [[1.0, 0.5]]
