from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from robusttest.core.nouns import Estimate, Record
from robusttest.metrics import METRICS, parse_threshold
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.frame import frames
from robusttest.stats.cell.gates import (
    cannot_pass,
    cases_for_power,
    cases_needed,
    cases_to_settle,
    judge,
)


def verdict(cell, text, **kwargs):
    return judge(cell, parse_threshold(text), **kwargs)


def with_right(right_wrong, right, n):
    return right_wrong(["1"] * right + ["0"] * (n - right))


@pytest.mark.parametrize(
    ("limit", "needed"),
    [(0.8, [14, 22, 30, 37]), (0.9, [29, 46, 61, 76]), (0.95, [59, 93, 124, 153]), (0.99, [299])],
)
def test_cases_needed_with_failures(limit, needed):
    assert [cases_needed(limit, f) for f in range(len(needed))] == needed


# (.9, .95) and (.8, .85) are 203 and 398: at 202 and 397 the exact power is .7868 and .7999, from there on it
# stays above .8. A search in steps of five gives 205 and 400.
@pytest.mark.parametrize(
    ("limit", "truth", "n"),
    [(0.8, 0.9, 94), (0.9, 0.95, 203), (0.9, 0.97, 89), (0.95, 0.99, 124), (0.8, 0.85, 398)],
)
def test_cases_for_power(limit, truth, n):
    assert cases_for_power(limit, truth) == n

    def power(m):
        failures = np.arange(m + 1)
        passes = stats.beta.ppf(0.05, m - failures, failures + 1) >= limit
        return stats.binom.cdf(failures[passes].max(initial=-1), m, 1 - truth)

    assert power(n - 1) < 0.8
    assert all(power(m) >= 0.8 for m in range(n, n + 60))


def test_no_number_of_cases_shows_an_exact_1():
    assert cases_needed(1.0) is None
    assert cases_for_power(0.9, 0.9) is None


def test_settled_verdicts(right_wrong):
    cell = with_right(right_wrong, 95, 100)
    for policy in ("point", "pass", "fail", "xfail"):
        passed, failed = (verdict(cell, f"accuracy >= {x}", policy=policy) for x in (0.89, 0.99))
        assert (passed.status, passed.settled, passed.cases_needed) == ("passed", True, None)
        assert (failed.status, failed.settled) == ("failed", True)
        assert "at least 0.898 at 95 %" in passed.reason
        assert "n=100" in passed.reason


@pytest.mark.parametrize("policy", ["pass", "fail", "xfail"])
def test_a_straddling_interval_is_inconclusive_unless_the_point_decides(right_wrong, policy):
    cell = with_right(right_wrong, 95, 100)
    assert verdict(cell, "accuracy >= 0.93", policy=policy).status == "inconclusive"
    assert verdict(cell, "accuracy >= 0.93").status == "passed"
    assert verdict(cell, "accuracy >= 0.96").status == "failed"
    v = verdict(cell, "accuracy >= 0.93")
    assert not v.settled
    assert "not settled" in v.reason
    assert f"about {v.cases_needed:,} cases" in v.reason


def test_the_gate_is_the_one_sided_limit(right_wrong):
    cell = with_right(right_wrong, 95, 100)
    lower = estimate(cell, "accuracy").lower
    assert lower == pytest.approx(0.897747, abs=5e-7)
    assert verdict(cell, f"accuracy >= {lower - 1e-6:.9f}").settled
    assert not verdict(cell, f"accuracy >= {lower + 1e-6:.9f}").settled


def test_lower_is_better(right_wrong):
    cell = right_wrong(["11"] * 95 + ["10"] * 5)
    assert verdict(cell, "any_flip_rate <= 0.11").status == "passed"
    assert verdict(cell, "any_flip_rate <= 0.11").settled
    assert verdict(cell, "any_flip_rate <= 0.01").status == "failed"
    assert verdict(cell, "any_flip_rate <= 0.01").settled
    assert not verdict(cell, "any_flip_rate <= 0.06").settled


def test_the_cases_it_would_take_are_enough(right_wrong):
    cell = with_right(right_wrong, 95, 100)
    needed = verdict(cell, "accuracy >= 0.93").cases_needed
    assert needed == cases_for_power(0.93, 0.95)  # four of five samples of so many cases pass

    def passes(n: int) -> float:
        least = min(k for k in range(1, n + 1) if stats.beta.ppf(0.05, k, n - k + 1) >= 0.93)
        return float(stats.binom.sf(least - 1, n, 0.95))

    assert passes(needed - 1) < 0.8 <= min(passes(needed + i) for i in (0, 1, 13, 30))
    scaled = cases_to_settle(
        parse_threshold("drop <= 0.2"),
        Estimate(metric="drop", value=0.1, lower=-0.1, upper=0.3, n=50, method="tango"),
    )
    assert scaled == math.ceil(200 * (1 + 0.8416 / 1.6449) ** 2)


def test_a_value_at_the_limit_can_never_be_settled(right_wrong):
    v = verdict(with_right(right_wrong, 90, 100), "accuracy >= 0.9")
    assert v.status == "passed"
    assert v.cases_needed is None


def test_too_few_replies_are_an_error_whatever_the_value(cell_of):
    cell = cell_of(["AAAA"] * 9 + ["A..."], "A" * 10)
    v = verdict(cell, "accuracy >= 0.1")
    assert v.status == "error"
    assert "92.5%" in v.reason
    assert verdict(cell, "accuracy >= 0.1", min_coverage=0.9).status == "passed"


def test_a_failed_reference_hides_behind_no_number_of_variants(cell_of):
    cell = cell_of(["." + "A" * 39] + ["A" * 40] * 9, "A" * 10)
    assert cell.coverage > 0.99
    assert "unperturbed" in verdict(cell, "accuracy >= 0.1").reason
    assert verdict(cell, "accuracy >= 0.1").status == "error"
    assert verdict(cell, "pass_rate >= 0.1").status == "passed"


def test_one_perturbations_failures_do_not_touch_another(records_of):
    rows = records_of(["AA"] * 10, "A" * 10, perturbation="p")
    rows += [r for r in records_of(["A."] * 10, "A" * 10, perturbation="q") if r.variant]
    (cell,) = frames(rows)
    assert verdict(cell, "flip_rate[p] <= 0.9").status == "passed"
    assert verdict(cell, "flip_rate[q] <= 0.9").status == "error"
    assert verdict(cell, "flip_rate <= 0.9").status == "error"


def test_no_data_is_an_error():
    (cell,) = frames([Record(task="t", model="m", case_id="c", status="not_applicable", perturbation="p")])
    for text in ("accuracy >= 0", "flip_rate[p] <= 1", "consistency_icc >= -1"):
        v = verdict(cell, text)
        assert v.status == "error"
        assert f"is undefined: {'p acts on no case' if '[p]' in text else 'no data'}" in v.reason


def test_an_unknown_perturbation_and_missing_repeats_are_errors(example_a):
    assert "unknown perturbation 'q'" in verdict(example_a, "drop[q] <= 1").reason
    assert verdict(example_a, "drop[q] <= 1").status == "error"
    assert verdict(example_a, "net_drop <= 1").status == "error"


def test_saturated_and_too_few_failures_are_never_passed(right_wrong):
    saturated = verdict(right_wrong(["111"] * 50), "consistency_icc >= 0.1")
    assert saturated.status == "error"
    assert "is undefined: saturated" in saturated.reason
    assert "harder cases" in saturated.reason
    for policy in ("fail", "pass", "xfail"):
        few = verdict(right_wrong(["111"] * 50 + ["000"] * 8), "consistency_icc >= 0.1", policy=policy)
        assert few.status == "inconclusive"
        assert "8 cases with a failure" in few.reason
    never = verdict(right_wrong(["000"] * 50), "pdr <= 0.5")
    assert (never.status, never.estimate.value, never.settled) == ("passed", 0.0, False)  # 0/0 is 0


def test_by_point_the_estimate_decides_always(right_wrong):
    few = right_wrong(["111"] * 50 + ["000"] * 8)
    assert verdict(few, "consistency_icc >= 0.1").status == "passed"
    clustered = right_wrong(["0"] * 12 + ["1"] * 12, clusters=[f"s{i % 4}" for i in range(24)])
    v = verdict(clustered, "accuracy >= 0.9")
    assert (v.status, v.settled) == ("failed", False)
    assert "4 clusters" in v.reason


def test_few_clusters_are_inconclusive(right_wrong):
    clusters = [f"s{i // 10}" for i in range(90)]
    v = verdict(right_wrong(["11"] * 80 + ["10"] * 10, clusters=clusters), "accuracy >= 0.1", policy="fail")
    assert v.status == "inconclusive"
    assert "9 clusters" in v.reason


def test_chance_corrected_gates_settle_where_failures_suffice(right_wrong):
    rng = np.random.default_rng(0)
    rows = ["".join(rng.choice(["0", "1"], 5, p=[1 - p, p])) for p in rng.beta(0.3, 0.2, 300)]
    cell = right_wrong(rows)
    assert verdict(cell, "consistency_icc >= 0.3").settled
    assert verdict(cell, "consistency_icc >= 0.3").status == "passed"
    assert verdict(cell, "consistency_icc >= 0.95").status == "failed"


@pytest.mark.parametrize(
    ("text", "n", "part"),
    [
        ("accuracy >= 0.9", 28, "29 cases are needed"),
        ("accuracy >= 0.8", 13, "14 cases"),
        ("robust_accuracy >= 0.99", 100, "299 cases"),
        ("flip_rate <= 0.05", 20, "at most 0.139; 59 cases"),
        ("accuracy >= 1", 10**6, "at any number of cases"),
        ("drop <= 0.05", 51, "52 cases"),
        ("consistency_icc >= 0.5", 9, "10 with a failure"),
    ],
)
def test_it_says_before_any_call_that_cases_are_too_few(text, n, part):
    assert part in cannot_pass(parse_threshold(text), n)


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("accuracy >= 0.9", 29),
        ("flip_rate <= 0.05", 59),
        ("drop <= 0.05", 52),
        ("consistency_icc >= 0.5", 10),
    ],
)
def test_and_says_nothing_where_they_suffice(text, n):
    assert cannot_pass(parse_threshold(text), n) is None


@pytest.mark.parametrize("text", ["accuracy >= 0.9", "flip_rate <= 0.05", "drop <= 0.05", "pdr <= 0.05"])
def test_the_note_agrees_with_the_verdict_of_a_perfect_model(right_wrong, text):
    threshold = parse_threshold(text)
    for n in (28, 29, 51, 52, 58, 59):
        settled = verdict(right_wrong(["11"] * n), text).settled
        assert settled == (cannot_pass(threshold, n) is None)


def test_every_metric_can_be_judged(example_a):
    for name, metric in METRICS.items():
        if metric.direction != "info":
            v = verdict(example_a, f"{name} {'>=' if metric.direction == 'up' else '<='} 0.5", min_coverage=0)
            assert v.status in ("passed", "failed", "inconclusive", "error")
            assert v.reason


def test_points_near_the_limit_flip_and_settled_verdicts_hardly_do():
    rng = np.random.default_rng(11)
    threshold = parse_threshold("accuracy >= 0.9")
    found = []
    for _ in range(150):
        rows = [
            Record(task="t", model="m", case_id=str(i), score=float(x), answer=str(x))
            for i, x in enumerate(rng.random(100) < 0.9)
        ]
        v = judge(frames(rows)[0], threshold)
        found.append((v.status, v.settled))
    assert 0.3 < np.mean([s == "failed" for s, _ in found]) < 0.6
    assert np.mean([settled and s == "passed" for s, settled in found]) <= 0.06


def test_verdicts_carry_their_estimate(example_a):
    v = verdict(example_a, "accuracy >= 0.5")
    assert v.estimate == estimate(example_a, "accuracy")
    assert replace(v, settled=True).threshold.metric == "accuracy"


def test_clusters_are_called_clusters():
    said = cannot_pass(parse_threshold("accuracy >= 0.9"), 4, units="clusters")
    assert "with 4 clusters: without" in said
    assert said.endswith("29 clusters are needed")
