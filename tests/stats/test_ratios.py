from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.frame import frames
from robusttest.stats.cell.intervals import mean_se
from robusttest.stats.cell.measures import measures


def test_delta_error_of_example_as_pdr(example_a):
    m = measures(example_a)
    residuals = (m.perturbed - 2 / 3 * m.reference) / (2 / 3)
    assert mean_se(residuals).se == pytest.approx(0.223607, abs=5e-7)
    e = estimate(example_a, "pdr")
    assert (e.high - e.low) / 2 >= 2.5706 * 0.223607 - 1e-4


def test_pdr_of_each_variant_of_example_a(example_a):
    y = example_a.scores.mean(axis=0)
    assert (1 - y[1:] / y[0]).tolist() == pytest.approx([0, 0.5, 0.5])


def test_pdr_stands_on_its_delta_error_where_there_are_cases(right_wrong):
    rng = np.random.default_rng(1)
    cell = right_wrong(["1" + rng.choice(["0", "1"]) for _ in range(150)])
    m, e = measures(cell), estimate(cell, "pdr")
    half = 1.976013 * mean_se(m.perturbed).se
    assert (e.low, e.high) == pytest.approx((e.value - half, e.value + half), abs=1e-6)


def test_no_drop_seen_does_not_exclude_a_drop(right_wrong):
    e = estimate(right_wrong(["111"] * 50 + ["000"] * 50), "pdr")
    assert e.value == 0
    assert 0.04 < e.upper < 0.08


def test_pdr_may_be_negative(right_wrong):
    assert estimate(right_wrong(["10", "11", "01", "01"]), "pdr").value == pytest.approx(-0.5)


def test_only_cases_with_both_sides_count(cell_of):
    e = estimate(cell_of(["AB", "A.", ".B", "AA"], "AAAA"), "pdr")
    assert (e.value, e.n) == (0.5, 2)


def test_apdr_weighs_variants_alike(right_wrong):
    rows = ["100", "11 ", "10 "]
    # p#0: 1 of 3 is lost twice → 2/3; p#1: the one case lost → 1.
    assert estimate(right_wrong(rows), "apdr").value == pytest.approx((2 / 3 + 1) / 2)


def test_cohen_h_is_normalised_and_signed_as_a_drop(right_wrong):
    assert estimate(right_wrong(["10"] * 4), "cohen_h").value == pytest.approx(1)
    assert estimate(right_wrong(["01"] * 4), "cohen_h").value == pytest.approx(-1)
    e = estimate(right_wrong(["10", "11", "11", "01"]), "cohen_h")
    assert e.value == 0
    quarter = estimate(right_wrong(["10", "11", "11", "11"]), "cohen_h").value
    assert quarter == pytest.approx(2 * (math.asin(1) - math.asin(math.sqrt(0.75))) / math.pi)


def test_right_to_wrong_is_pooled_over_replies(right_wrong):
    e = estimate(right_wrong(["1000", "11  ", "0111"]), "right_to_wrong")
    assert (e.value, e.n) == (0.75, 2)
    assert estimate(right_wrong(["1000", "11  ", "0110"]), "wrong_to_right").value == pytest.approx(2 / 3)


def test_graded_references_are_neither_right_nor_wrong(records_of):
    rows = [replace(r, score=0.5) for r in records_of(["AA"], "A")]
    (cell,) = frames(rows)
    assert estimate(cell, "right_to_wrong").reason == "no case whose reference is right"
    assert estimate(cell, "wrong_to_right").reason == "no case whose reference is wrong"


def test_cr_micro_weighs_pairs_and_pairwise_consistency_cases(cell_of):
    cell = cell_of(["AAAA", "AB  "], "AA")
    assert estimate(cell, "cr_micro").value == pytest.approx(6 / 7)
    assert estimate(cell, "pairwise_consistency").value == 0.5
