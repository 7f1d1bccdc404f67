"""Metrics by name: the worked example, the edge cases, and identities that hold for any table of answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Record
from robusttest.errors import UnknownNameError, UsageError
from robusttest.metrics import METRICS
from robusttest.stats.cell.estimates import (
    NO_DATA,
    NO_REFERENCE,
    NO_REPEATS,
    NO_SENSITIVE,
    estimate,
    estimates,
    per_perturbation,
)
from robusttest.stats.cell.frame import frames

EXAMPLE_A = {
    "accuracy": 0.666667,
    "pass_rate": 0.444444,
    "overall_accuracy": 0.5,
    "drop": 0.222222,
    "robust_accuracy": 0.166667,
    "success_consistency": 0.166667,
    "helm_worst_case": 0.166667,
    "best_case_accuracy": 0.833333,
    "worst_variant_accuracy": 0.333333,
    "spread": 0.333333,
    "output_consistency": 0.333333,
    "tara": 0.333333,
    "pairwise_consistency": 0.611111,
    "cr_micro": 0.611111,
    "reference_consistency": 0.666667,
    "flip_rate": 0.333333,
    "any_flip_rate": 0.666667,
    "right_to_wrong": 0.416667,
    "wrong_to_right": 0.166667,
    "conditional_robustness": 0.25,
    "pdr": 0.333333,
    "apdr": 0.333333,
    "pdr_worst": 0.75,
    "score_std": 0.288675,
    "pss": 0.333333,
    "torr": 0.333333,
    "maxp": 0.666667,
    "avgp": 0.5,
    "saturation": 0.833333,
    "cps": 0.555556,
    "consistency_kappa": 0.333333,
    "consistency_icc": 0.393939,
    "latent_r": 0.5,
    "answer_kappa": 0.453659,
    "excess_consistency": 0.270833,
    "excess_robust_accuracy": 0.104167,
    "normalised_excess": 0.238095,
    "persistent_error": 0.333333,
    "recoverable_error": 0.333333,
    "parse_failure_rate": 0,
    "refusal_rate": 0,
}


@pytest.mark.parametrize(("metric", "value"), EXAMPLE_A.items())
def test_example_a(example_a, metric, value):
    assert estimate(example_a, metric).value == pytest.approx(value, abs=5e-7)


def test_the_net_drop_identity(example_a):
    e = {name: estimate(example_a, name).value for name in METRICS}
    lost, won = e["accuracy"] * e["right_to_wrong"], (1 - e["accuracy"]) * e["wrong_to_right"]
    assert lost - won == pytest.approx(e["drop"])


def test_every_metric_has_an_estimate_and_says_n_k_and_how(example_a):
    for e in estimates(example_a):
        assert e.metric in METRICS
        if e.value is not None:
            assert e.n > 0
            assert e.k == 4
            assert e.method
            assert (e.low is None) == (e.lower is None) == (e.reason is not None)
        else:
            assert e.reason
            assert e.low is e.high is e.lower is e.upper is None


def test_limits_are_in_order_around_the_value(right_wrong):
    rng = np.random.default_rng(5)
    rows = ["".join(rng.choice(["0", "1"], 6, p=[1 - p, p])) for p in rng.beta(1.5, 1, 80)]
    for e in estimates(right_wrong(rows)):
        if e.low is not None:
            assert e.lower - 1e-9 <= e.value <= e.upper + 1e-9, e
            assert e.low - 1e-9 <= e.value <= e.high + 1e-9, e


def test_all_right(right_wrong):
    cell = right_wrong(["1111"] * 8)
    for name in ("accuracy", "robust_accuracy", "output_consistency"):
        e = estimate(cell, name)
        assert e.value == 1
        assert e.low < 0.7
        assert e.lower == pytest.approx(0.05 ** (1 / 8))
    for name in ("pdr", "spread", "drop", "score_std"):
        assert estimate(cell, name).value == 0
    assert estimate(cell, "spread").upper > 0.2
    for name in (
        "consistency_kappa",
        "consistency_icc",
        "latent_r",
        "excess_consistency",
        "normalised_excess",
    ):
        e = estimate(cell, name)
        assert e.value is None
        assert e.reason == "saturated: every answer is right"


def test_all_wrong_with_the_same_answer(cell_of):
    cell = cell_of(["BBB"] * 6, "AAAAAA")
    assert estimate(cell, "accuracy").value == 0
    assert estimate(cell, "output_consistency").value == 1
    assert estimate(cell, "robust_accuracy").value == 0
    assert estimate(cell, "consistency_kappa").reason == "saturated: every answer is wrong"
    assert estimate(cell, "pdr").value == 0
    assert estimate(cell, "pdr").upper is None
    assert estimate(cell, "right_to_wrong").value is None


def test_all_wrong_with_different_answers(cell_of):
    cell = cell_of(["BCD"] * 4, "AAAA")
    assert estimate(cell, "output_consistency").value == 0
    assert estimate(cell, "pss").value == 0


def test_a_reference_that_is_never_right_has_no_relative_drop(right_wrong):
    for name in ("pdr", "apdr"):
        e = estimate(right_wrong(["01", "00"]), name)
        assert e.value is None
        assert "reference accuracy is 0" in e.reason


def test_no_data_is_neither_0_nor_1():
    (cell,) = frames([Record(task="t", model="m", case_id="c", status="error")])
    for name in METRICS:
        e = estimate(cell, name)
        assert e.value is None, name
        assert e.reason in (NO_DATA, NO_REPEATS, NO_SENSITIVE), name
        assert e.n == 0


def test_one_variant_has_accuracy_and_no_consistency(right_wrong):
    cell = right_wrong(["1", "0", "1", "1"])
    assert estimate(cell, "accuracy").value == 0.75
    assert estimate(cell, "overall_accuracy").value == 0.75
    for name in METRICS:
        if name not in ("accuracy", "overall_accuracy") and METRICS[name].family != "replies":
            assert estimate(cell, name).value is None, name
            assert estimate(cell, name).reason, name


def test_unequal_variants_weigh_cases_alike(right_wrong):
    cell = right_wrong(["1110", "10  "])
    assert estimate(cell, "overall_accuracy").value == 0.625


def test_cases_with_one_reply_stay_in_accuracy_and_leave_consistency(cell_of):
    cell = cell_of(["AAA", "A..", "ABB"], "AAA")
    assert estimate(cell, "accuracy").n == 3
    assert estimate(cell, "output_consistency").n == 2
    assert estimate(cell, "output_consistency").value == 0.5
    assert estimate(cell, "consistency_icc").n == 2


def test_an_unreadable_reply_is_wrong_and_agrees_with_nothing(cell_of):
    cell = cell_of(["A?", "?!", "AA"], "AAA")
    assert estimate(cell, "accuracy").value == pytest.approx(2 / 3)
    assert estimate(cell, "output_consistency").value == pytest.approx(1 / 2)
    assert estimate(cell, "flip_rate").value == pytest.approx(1 / 2)
    assert (estimate(cell, "flip_rate").n, estimate(cell, "flip_rate").of) == (2, 3)
    assert estimate(cell, "unreadable").value == pytest.approx(0.5)
    assert estimate(cell, "refusal_rate").value == pytest.approx(1 / 6)
    assert estimate(cell, "parse_failure_rate").value == pytest.approx(1 / 3)
    assert estimate(cell, "parse_failure_rate", "p").value == pytest.approx(1 / 3)
    assert estimate(cell, "unreadable", "p").value == pytest.approx(2 / 3)


def test_unreadable_replies_that_say_the_same_agree(cell_of):
    cell = cell_of(["??", "AA"], "AA")
    assert estimate(cell, "flip_rate").value == 0
    assert estimate(cell, "output_consistency").value == 1


def test_without_a_reference_what_needs_one_is_absent(cell_of, records_of):
    rows = [r for r in records_of(["ABA", "BBB"], "AB") if r.variant]
    (cell,) = frames(rows)
    for name in ("accuracy", "drop", "flip_rate", "pdr", "right_to_wrong", "conditional_robustness"):
        assert estimate(cell, name).value is None
        assert estimate(cell, name).reason == NO_REFERENCE
    assert estimate(cell, "overall_accuracy").value == 0.75
    assert estimate(cell, "output_consistency").value == 0.5


def test_without_answers_scores_still_count(records_of):
    (cell,) = frames([replace(r, answer=None, reply=None) for r in records_of(["AB", "AA"], "AA")])
    assert estimate(cell, "robust_accuracy").value == 0.5
    assert estimate(cell, "output_consistency").reason == "no answers recorded"
    assert estimate(cell, "tarr").reason == "no replies recorded"


def test_without_scores_answers_still_count(records_of):
    (cell,) = frames([replace(r, score=None) for r in records_of(["AB", "AA"], "AA")])
    assert estimate(cell, "output_consistency").value == 0.5
    assert estimate(cell, "flip_rate").value == 0.5
    assert estimate(cell, "accuracy").value is None
    assert estimate(cell, "robust_accuracy").reason == "no_labels"


def test_raw_replies_differ_where_answers_do_not(records_of):
    rows = records_of(["AAA", "AAA"], "AA")
    rows[1] = replace(rows[1], reply="well, A")
    (cell,) = frames(rows)
    assert estimate(cell, "tara").value == 1
    assert estimate(cell, "tarr").value == 0.5


def test_graded_scores(records_of):
    rows = records_of(["AA", "AA"], "AA")
    scores = [0.5, 1.0, 0.25, 0.25]
    (cell,) = frames([replace(r, score=s) for r, s in zip(rows, scores, strict=True)])
    assert estimate(cell, "overall_accuracy").value == 0.5
    assert estimate(cell, "robust_accuracy").value == 0.375
    assert estimate(cell, "pss").value == 0.25
    assert estimate(cell, "score_std").value == 0.125
    # Within: .125, 0 → W = .0625; mean square .34375 less .25, plus s²(m)/2 = .0625.
    assert estimate(cell, "consistency_icc").value == pytest.approx(1 - 0.0625 / (0.09375 + 0.125 / 2))
    for name in ("latent_r", "recoverable_error", "excess_consistency"):
        assert "needs right/wrong" in estimate(cell, name).reason


# the perturbation's name


def two_perturbations(records_of):
    rows = records_of(["AAB", "ABB"], "AA", perturbation="ocr:0.1")
    more = records_of(["AB", "AA"], "AA", perturbation="ocr:0.2")
    repeats = [
        replace(r, level="repeat") for r in records_of(["AA", "AB"], "AA", perturbation="repeat") if r.variant
    ]
    return frames(rows + [r for r in more if r.variant] + repeats)[0]


def test_a_metric_at_a_perturbation(records_of):
    cell = two_perturbations(records_of)
    assert estimate(cell, "pass_rate", "ocr:0.1").value == 0.25
    assert estimate(cell, "accuracy", "ocr:0.1").value == 0.25
    assert estimate(cell, "pass_rate", "ocr:0.2").value == 0.5
    assert estimate(cell, "pass_rate", "ocr").value == pytest.approx((1 / 3 + 1 / 3) / 2)
    assert estimate(cell, "drop", "ocr:0.1").value == 0.5  # the unperturbed prompts over all their runs: .75
    assert estimate(cell, "robust_accuracy", "ocr:0.2").value == 0.5
    assert estimate(cell, "pass_rate").value == estimate(cell, "pass_rate", "ocr").value


def test_repeats_and_decoding_count_only_under_their_own_name(records_of):
    cell = two_perturbations(records_of)
    assert estimate(cell, "flip_rate", "repeat").value == 0.5
    assert estimate(cell, "overall_accuracy").k == 4
    assert estimate(cell, "overall_accuracy").value == pytest.approx((2 / 4 + 2 / 4) / 2)


def test_over_the_noise_floor_is_a_paired_difference(records_of):
    cell = two_perturbations(records_of)
    drop = estimate(cell, "net_drop", "ocr:0.1")
    assert drop.value == pytest.approx(
        estimate(cell, "drop", "ocr:0.1").value - estimate(cell, "drop", "repeat").value
    )
    flips = estimate(cell, "net_flip_rate", "ocr:0.1")
    assert flips.value == pytest.approx(
        estimate(cell, "flip_rate", "ocr:0.1").value - estimate(cell, "flip_rate", "repeat").value
    )
    assert flips.low < flips.value < flips.high
    assert "floor itself" in estimate(cell, "net_drop", "repeat").reason


def test_pairing_narrows_the_interval_over_the_noise_floor():
    rng = np.random.default_rng(4)
    rows = []
    for i in range(200):
        shaky = rng.random() < 0.3
        answers = {"": "A"}
        for name in ("p", "repeat"):
            for j in range(4):
                answers[f"{name}#{j}"] = "B" if shaky else "A"
        rows += [
            Record(task="t", model="m", case_id=str(i), variant=v, perturbation=v.partition("#")[0], answer=a,
                   level="repeat" if v.startswith("repeat") else "input", score=float(a == "A"))
            for v, a in answers.items()
        ]  # fmt: skip
    (cell,) = frames(rows)
    net, plain = estimate(cell, "net_flip_rate", "p"), estimate(cell, "flip_rate", "p")
    assert net.value == 0
    assert plain.value > 0.2
    assert net.high - net.low < (plain.high - plain.low) / 2


def test_no_repeats_no_noise_floor(example_a):
    assert estimate(example_a, "net_drop").reason == NO_REPEATS


def test_unknown_names_are_refused(example_a):
    with pytest.raises(UnknownNameError, match="Did you mean 'flip_rate'"):
        estimate(example_a, "flip_rat")
    with pytest.raises(UnknownNameError):
        estimate(example_a, "flip_rate", "ocr")


def test_the_report_pools_a_family_only_where_it_has_several_severities(records_of):
    assert per_perturbation(two_perturbations(records_of)) == ["ocr", "ocr:0.1", "ocr:0.2", "repeat"]


def test_estimates_of_chosen_metrics(example_a):
    found = [(e.metric, e.perturbation) for e in estimates(example_a, ["accuracy", "drop"])]
    assert found == [("accuracy", None), ("drop", None), ("accuracy", "p"), ("drop", "p")]


def test_the_two_sided_level_moves_no_gate(example_a):
    wide, narrow = (estimate(example_a, "accuracy", level=x) for x in (0.99, 0.8))
    assert wide.low < narrow.low
    assert wide.lower == narrow.lower


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, float("nan")])
def test_a_level_is_a_share(example_a, level):
    with pytest.raises(UsageError, match="between 0 and 1"):
        estimate(example_a, "accuracy", level=level)


def test_limits_stay_within_what_the_metric_can_be(example_a):
    for e in estimates(example_a):
        for x in (e.low, e.high, e.lower, e.upper):
            if x is not None:
                metric = METRICS[e.metric]
                assert metric.low is None or x >= metric.low, e
                assert metric.high is None or x <= metric.high, e


def test_the_report_is_silent_on_a_noise_floor_that_was_not_measured(example_a, records_of):
    assert not [e for e in estimates(example_a) if e.perturbation and e.metric.startswith("net_")]
    found = [e.metric for e in estimates(two_perturbations(records_of)) if e.perturbation == "ocr"]
    assert "net_drop" in found


def test_clusters_widen_and_few_of_them_give_no_gate(right_wrong):
    rng = np.random.default_rng(0)
    rows = [
        line for p in rng.beta(1, 1, 12) for line in ["".join(rng.choice(["0", "1"], 4, p=[1 - p, p]))] * 5
    ]
    names = [f"s{i // 5}" for i in range(60)]
    alone, shared = right_wrong(rows), right_wrong(rows, clusters=names)
    for name in METRICS:
        a, b = estimate(alone, name), estimate(shared, name)
        assert a.value == b.value, name
        if a.lower is not None and b.lower is not None and not name.startswith("kendall"):
            assert b.upper - b.lower > a.upper - a.lower, name
    few = right_wrong(rows[:45], clusters=names[:45])
    for name in ("accuracy", "drop", "pdr", "consistency_icc", "right_to_wrong"):
        e = estimate(few, name)
        assert e.value is not None
        assert e.lower is None, name
        assert "cluster" in e.reason or "unreliable" in e.reason


# any table of answers

tables = st.lists(st.text("ABC?.", min_size=4, max_size=4), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(tables)
def test_what_holds_for_any_table(cell_of, rows):
    e = {x.metric: x for x in estimates(cell_of(rows, "A" * len(rows)))}
    v = {name: x.value for name, x in e.items()}
    if v["robust_accuracy"] is not None and all("." not in r for r in rows):
        assert v["robust_accuracy"] <= v["worst_variant_accuracy"] + 1e-12
        assert v["worst_variant_accuracy"] <= v["overall_accuracy"] + 1e-12 <= v["best_case_accuracy"] + 2e-12
        assert v["drop"] == pytest.approx(v["accuracy"] - v["pass_rate"])
        assert v["spread"] == pytest.approx(v["maxp"] - v["worst_variant_accuracy"])
        assert v["persistent_error"] <= 1 - v["overall_accuracy"] + 1e-12
        if v["pdr"] is not None and v["accuracy"]:
            assert v["pdr"] == pytest.approx(v["apdr"])
    if v["flip_rate"] is not None:
        assert v["flip_rate"] <= v["any_flip_rate"] + 1e-12
        assert v["reference_consistency"] == pytest.approx(1 - v["flip_rate"])
    if v["output_consistency"] is not None:
        assert v["output_consistency"] <= v["pairwise_consistency"] + 1e-12
    for name, x in e.items():
        if x.value is not None:
            low, high = METRICS[name].low, METRICS[name].high
            assert low is None or x.value >= low - 1e-9, name
            assert high is None or x.value <= high + 1e-9, name


@settings(max_examples=25, deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_estimate(records_of, rows, rng):
    records = records_of(rows, "A" * len(rows), clusters=[f"s{i // 2}" for i in range(len(rows))])
    shuffled = list(records)
    rng.shuffle(shuffled)
    reorder = lambda rs: sorted(rs, key=lambda r: r.index)  # noqa: E731
    (one,), (two,) = frames(records), frames(reorder(shuffled))
    for name in METRICS:
        a, b = estimate(one, name), estimate(two, name)
        assert a.n == b.n
        assert (a.value is None) == (b.value is None)
        if a.value is not None:
            assert a.value == pytest.approx(b.value, abs=1e-9), name
        assert (a.low is None) == (b.low is None), name
        if a.low is not None:
            assert (a.low, a.upper) == pytest.approx((b.low, b.upper), abs=1e-7), name
