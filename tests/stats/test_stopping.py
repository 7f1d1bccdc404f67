from __future__ import annotations

import numpy as np
import pytest

from robusttest.metrics import METRICS, parse_threshold
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.frame import frames
from robusttest.stats.cell.gates import judge
from robusttest.stats.cell.stopping import Watch, observed

ADAPTIVE = [
    (name, f"{name} {'>=' if m.direction == 'up' else '<='} 0.5") for name, m in METRICS.items() if m.adaptive
]


@pytest.mark.parametrize(("name", "text"), ADAPTIVE)
def test_what_each_case_says_averages_to_the_metric(example_a, name, text):
    seen = observed(example_a, parse_threshold(text))
    mean = np.nanmean(seen.x)
    if name == "pdr":
        assert mean == pytest.approx(0.407407, abs=5e-7)
        assert (seen.limit, seen.up) == (pytest.approx(1 / 3), True)
    else:
        assert mean == pytest.approx(estimate(example_a, name).value)


def test_one_perturbation(example_a):
    assert np.nanmean(observed(example_a, parse_threshold("accuracy[p] >= 0.5")).x) == pytest.approx(0.444444, abs=1e-6)  # fmt: skip
    assert np.isnan(observed(example_a, parse_threshold("accuracy[ocr] >= 0.5")).x).all()


@pytest.fixture(scope="module")
def sequence(records_of):
    def make(rows, **kwargs):
        (cell,) = frames(records_of(rows, "1" * len(rows), **kwargs), sequential=True)
        return cell

    return make


@pytest.mark.parametrize(
    ("text", "n"),
    [("accuracy >= 0.9", 43), ("robust_accuracy >= 0.8", 20), ("flip_rate <= 0.05", 88)],
)
def test_it_stops_at_the_first_case_that_decides(text, n, cell_of, sequence):
    threshold = parse_threshold(text)
    watch = Watch([threshold])
    for i in range(1, n + 1):
        assert not watch.decided, i
        watch.add(cell_of(["11"], "1"))
    assert watch.decided
    verdict = judge(sequence(["11"] * n), threshold)
    assert (verdict.status, verdict.settled) == ("passed", True)
    assert not judge(sequence(["11"] * (n - 1)), threshold).settled


def test_it_goes_on_until_every_threshold_is_decided(cell_of):
    watch = Watch([parse_threshold("accuracy >= 0.8"), parse_threshold("flip_rate <= 0.05")])
    watch.add(cell_of(["11"] * 50, "1" * 50))
    assert [str(t) for t in watch.open] == ["flip_rate <= 0.05"]
    watch.add(cell_of(["11"] * 50, "1" * 50))
    assert watch.decided


def test_failing_and_trivial_thresholds_are_decided_too(cell_of, sequence):
    watch = Watch([parse_threshold("accuracy >= 0.9"), parse_threshold("flip_rate <= 1")])
    for _ in range(6):
        watch.add(cell_of(["00"], "1"))
    assert watch.decided
    assert judge(sequence(["00"] * 6), parse_threshold("accuracy >= 0.9")).status == "failed"


def test_a_failed_call_says_nothing(cell_of):
    watch = Watch([parse_threshold("accuracy >= 0.8")])
    watch.add(cell_of([".1"] * 60, "1" * 60))
    assert not watch.decided
    watch.add(cell_of(["11"] * 20, "1" * 20))
    assert watch.decided


def test_clusters_count_as_one_case_each(cell_of, sequence):
    clusters = [f"k{i // 2}" for i in range(40)]
    watch = Watch([parse_threshold("accuracy >= 0.8")])
    watch.add(cell_of(["11"] * 38, "1" * 38, clusters=clusters[:38]))
    assert not watch.decided
    watch.add(cell_of(["11"] * 2, "11", clusters=clusters[38:]))
    assert watch.decided
    verdict = judge(sequence(["11"] * 40, clusters=clusters), parse_threshold("accuracy >= 0.8"))
    assert verdict.status == "passed"


@pytest.mark.parametrize("name", METRICS)
def test_an_adaptive_cell_has_no_interval_of_a_fixed_n(name, records_of):
    answers = ["AAAA", "BBBC", "CCDC", "DAAB", "BABB", "CCCC"]
    (cell,) = frames(records_of(answers * 8, "ABCDAB" * 8), sequential=True)
    e = estimate(cell, name)
    if e.value is None:
        assert e.reason
    elif e.low is None:
        assert e.reason.startswith("no interval after an adaptive run")
        assert (e.high, e.lower, e.upper) == (None, None, None)
    else:
        assert e.method == "confidence sequence"
        assert e.low <= e.value <= e.high
    if METRICS[name].adaptive:
        assert e.lower is not None


def test_an_undecided_threshold_says_how_many_cases_it_takes(sequence):
    verdict = judge(sequence(["11"] * 19 + ["00"]), parse_threshold("accuracy >= 0.9"))
    assert (verdict.status, verdict.settled) == ("passed", False)
    assert verdict.cases_needed > 20
    assert "not settled" in verdict.reason
    assert judge(
        sequence(["11"] * 19 + ["00"]), parse_threshold("accuracy >= 0.9"), policy="fail"
    ).status == ("inconclusive")


def test_a_performance_drop_is_decided(cell_of, sequence):
    threshold = parse_threshold("pdr <= 0.2")
    watch = Watch([threshold])
    rows = ["11"] * 250
    watch.add(cell_of(rows, "1" * 250))
    assert watch.decided
    assert judge(sequence(rows), threshold).status == "passed"
    rows = ["10"] * 40
    assert judge(sequence(rows), threshold).status == "failed"
