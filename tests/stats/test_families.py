"""What is compared with what: invariance apart from sensitivity, one set of cases, repeats under their own name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Record, Threshold
from robusttest.errors import CaseError
from robusttest.metrics import METRICS, parse_threshold
from robusttest.stats.across.advice import where_to_work
from robusttest.stats.across.emergence import analyse
from robusttest.stats.cell.estimates import estimate, estimates
from robusttest.stats.cell.frame import frames, from_dataframe
from robusttest.stats.cell.gates import judge


def row(case, variant="", score=1.0, answer="yes", **facts):
    perturbation = variant.partition("#")[0]
    return Record(
        task="t", model="m", case_id=case, variant=variant, perturbation=perturbation,
        level="input" if perturbation else "reference", score=score, answer=answer, target="yes", **facts,
    )  # fmt: skip


def both_families():
    """Right on every variant that keeps the answer; half of the negated ones are not noticed."""
    rows = []
    for i in range(20):
        noticed = i % 2 == 0
        rows += [
            row(f"c{i}"),
            row(f"c{i}", "typo#0"),
            row(f"c{i}", "negation#0", float(noticed), "no" if noticed else "yes", effect="changes"),
        ]
    return frames(rows)[0]


def test_invariance_metrics_never_read_a_variant_that_changes_the_answer():
    cell = both_families()
    for name, value in (
        ("robust_accuracy", 1),
        ("flip_rate", 0),
        ("overall_accuracy", 1),
        ("output_consistency", 1),
    ):
        assert estimate(cell, name).value == value
        assert estimate(cell, name).k == 2
    assert estimate(cell, "consistency_icc").reason == "saturated: every answer is right"
    for name in ("flip_rate", "robust_accuracy", "accuracy", "drop"):
        told = estimate(cell, name, "negation")
        assert told.value is None
        assert told.reason == "negation changes the right answer: sensitivity[negation] is its metric"
    assert (cell.planned & cell.sensitive).sum() == 20


def test_sensitivity_metrics_read_those_alone():
    cell = both_families()
    told = estimate(cell, "sensitivity")
    assert (told.value, told.n, told.method) == (0.5, 20, "wilson")
    assert estimate(cell, "sensitivity", "negation").value == 0.5
    assert estimate(cell, "unmoved").value == 0.5
    assert estimate(cell, "sensitivity", "typo").reason == "no variants that change the right answer"
    assert judge(cell, parse_threshold("sensitivity[negation] >= 0.9")).status == "failed"
    assert judge(cell, parse_threshold("flip_rate[negation] <= 0.5")).status == "error"


def test_each_perturbation_is_told_of_in_its_family():
    told = estimates(both_families())
    names = {p: {e.metric for e in told if e.perturbation == p} for p in ("typo", "negation")}
    assert {"flip_rate", "drop"} <= names["typo"]
    assert "sensitivity" not in names["typo"]
    assert {"sensitivity", "unmoved", "unreadable"} <= names["negation"]
    assert "flip_rate" not in names["negation"]


def test_one_perturbation_of_both_kinds_is_split_by_case():
    """Texts that people wrote: some with another right answer, some with the same."""
    rows = []
    for i in range(10):
        other = i < 4
        rows += [
            row(f"c{i}"),
            row(
                f"c{i}",
                "edit#0",
                float(i not in (0, 9)),
                "no" if other else "yes",
                effect="target" if other else "same",
            ),
        ]
    (cell,) = frames(rows)
    assert (estimate(cell, "sensitivity", "edit").value, estimate(cell, "sensitivity", "edit").n) == (0.75, 4)
    assert estimate(cell, "pass_rate", "edit").value == pytest.approx(5 / 6)
    assert (estimate(cell, "pass_rate", "edit").n, estimate(cell, "pass_rate", "edit").of) == (6, 10)


# one set of cases


def easy_alone(n=150, acted=60):
    """Accuracy .4; a perturbation that applies to the right cases alone and never breaks one."""
    rows = []
    for i in range(n):
        rows.append(row(f"c{i}", score=float(i < acted)))
        if i < acted:
            rows.append(row(f"c{i}", "typo#0"))
    return frames(rows)[0]


def test_a_perturbation_of_the_easy_cases_alone_does_not_lift_robust_accuracy():
    cell = easy_alone()
    assert estimate(cell, "robust_accuracy").value == estimate(cell, "overall_accuracy").value == 0.4
    assert estimate(cell, "robust_accuracy").n == 150
    local = estimate(cell, "robust_accuracy", "typo")
    assert (local.n, local.of) == (150, 150)
    assert (estimate(cell, "pass_rate", "typo").n, estimate(cell, "pass_rate", "typo").of) == (60, 150)
    assert where_to_work(cell).kind == "undecided"
    assert estimate(cell, "consistency_icc").reason == (
        "saturated: every answer is right on the 60 of 150 cases with two replies or more"
    )


def test_a_drop_says_what_it_is_a_drop_from():
    rows = [row(f"c{i}", score=float(i < 16)) for i in range(20)]
    rows += [row(f"c{i}", "typo#0", float(i < 6)) for i in range(8)]
    (cell,) = frames(rows)
    drop = estimate(cell, "drop")
    assert (drop.n, drop.of, drop.base) == (8, 20, 1.0)
    assert drop.base - estimate(cell, "pass_rate").value == pytest.approx(drop.value)
    assert estimate(cell, "accuracy").value == 0.8


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["", "a#0", "a#1", "b#0"]),
                st.floats(0, 1),
                st.sampled_from(["same", "target"]),
            )
        ),
        min_size=1,
        max_size=6,
    )
)
def test_robust_accuracy_is_at_most_overall_accuracy(table):
    rows = {}
    for i, case in enumerate(table):
        for variant, score, effect in case:
            rows[i, variant] = row(f"c{i}", variant, score, effect=effect if variant else "same")
    for cell in frames(rows.values()):
        robust, overall = estimate(cell, "robust_accuracy").value, estimate(cell, "overall_accuracy").value
        assert robust is None or robust <= overall + 1e-12


# replies that cannot be read, or are cut


def test_a_deterministic_model_has_no_noise_whatever_it_says():
    rows = []
    for i in range(40):
        read = i % 10 >= 3
        facts = {"status": "ok" if read else "unparsed", "reply": "billing" if read else "I cannot tell."}
        for variant in ("", "casing#0", "repeat#0", "repeat#1"):
            made = row(f"c{i}", variant, float(read), "billing" if read else None, **facts)
            rows.append(replace(made, level="repeat") if "repeat" in variant else made)
    (cell,) = frames(rows)
    assert estimate(cell, "flip_rate", "repeat").value == 0
    assert estimate(cell, "flip_rate").value == 0
    assert estimate(cell, "net_flip_rate").value == 0
    assert estimate(cell, "unreadable").value == pytest.approx(0.3)
    assert judge(cell, parse_threshold("unreadable <= 0.05")).status == "failed"


def test_replies_cut_at_the_limit_are_counted_apart():
    (cell,) = frames([row(f"c{i}", score=0.0, answer=None, status="unparsed", cut=i < 3) for i in range(12)])
    assert estimate(cell, "cut").value == 0.25
    assert estimate(cell, "unreadable").value == 1


def test_without_labels_consistency_stands_and_accuracy_says_why_not():
    rows = [row(f"c{i}", v, None, "a" if i else v or "a") for i in range(12) for v in ("", "typo#0")]
    (cell,) = frames(rows)
    for name in ("accuracy", "robust_accuracy", "drop", "consistency_icc", "pass_rate", "pdr"):
        assert (estimate(cell, name).value, estimate(cell, name).reason) == (None, "no_labels"), name
    assert estimate(cell, "flip_rate").value == pytest.approx(1 / 12)
    assert estimate(cell, "output_consistency").value == pytest.approx(11 / 12)


# repeats


def test_a_column_of_repeats_and_the_perturbation_say_the_same():
    scores = np.random.default_rng(1).integers(0, 2, (8, 3))
    column, named = [], []
    for i, line in enumerate(scores):
        for r, s in enumerate(line):
            made = row(f"c{i}", score=float(s), answer=str(s))
            column.append(replace(made, repeat=r))
            named.append(
                replace(made, variant=f"repeat#{r}", perturbation="repeat", level="repeat") if r else made
            )
        for rows in (column, named):
            rows.append(row(f"c{i}", "typo#0", float(line[0]), str(line[0])))
    (a,), (b,) = frames(column), frames(named)
    for name in METRICS:
        for p in (None, "repeat", "typo"):
            assert estimate(a, name, p).value == estimate(b, name, p).value, (name, p)
    assert estimate(a, "accuracy").value == pytest.approx(scores.mean())
    assert estimate(a, "overall_accuracy").value == pytest.approx(scores[:, 0].mean())
    assert estimate(a, "flip_rate").value == 0  # against the first run
    assert estimate(a, "drop").value - estimate(a, "drop", "repeat").value == pytest.approx(
        estimate(a, "net_drop").value
    )


def test_all_of_k_and_one_of_k():
    """4 of 5 right: pass^2 .6, pass^3 .4, pass@2 1."""
    (cell,) = frames([replace(row("c", score=float(r != 2)), repeat=r) for r in range(5)])
    assert estimate(cell, "pass^2").value == pytest.approx(0.6)
    assert estimate(cell, "pass^3").value == pytest.approx(0.4)
    assert estimate(cell, "pass@2").value == 1
    assert estimate(cell, "pass^1").value == pytest.approx(0.8) == estimate(cell, "pass@1").value
    assert "5 only" in estimate(cell, "pass^6").reason
    assert parse_threshold("pass^3 >= 0.4") == Threshold(metric="pass^3", op=">=", limit=0.4)


def test_the_worst_of_a_common_number_of_variants(right_wrong):
    cell = right_wrong(["1111", "110 ", "10  "])
    # Pairs that are both right: 6 of 6, 1 of 3, 0 of 1.
    assert estimate(cell, "robust_accuracy@2").value == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert estimate(cell, "robust_accuracy@1").value == estimate(cell, "overall_accuracy").value
    assert "2 only" in estimate(cell, "robust_accuracy@3").reason
    same = right_wrong(["111", "110"])
    assert estimate(same, "robust_accuracy@3").value == estimate(same, "robust_accuracy").value


# recorded tables


def shuffled_letters():
    rows = []
    for i in range(60):
        a, b = "ABCD"[i % 4], "ABCD"[(i + 1) % 4]
        rows += [("perfect", "mc", i, "orig", a, a), ("perfect", "mc", i, "shuffled", b, b)]
    return pd.DataFrame(rows, columns=["model", "task", "case_id", "variant", "answer", "target"])


def test_a_row_with_another_target_than_its_reference_is_one_of_sensitivity():
    (cell,) = from_dataframe(shuffled_letters(), reference="orig")
    assert estimate(cell, "sensitivity").value == 1
    assert estimate(cell, "unmoved").value == 0
    assert (cell.planned & cell.sensitive).sum() == 60
    for name in ("flip_rate", "output_consistency", "robust_accuracy"):
        assert estimate(cell, name).value is None
    (cell,) = from_dataframe(shuffled_letters())  # without a reference: against the first row of the case
    assert (cell.planned & cell.sensitive).sum() == 60


def test_a_target_in_another_notation_is_the_same():
    df = shuffled_letters().assign(answer="7.0", target=["7", "7.0"] * 60)
    (cell,) = from_dataframe(df, reference="orig")
    assert (cell.planned & cell.sensitive).sum() == 0
    assert estimate(cell, "flip_rate").value == 0
    assert estimate(cell, "robust_accuracy").value == 1


def test_a_table_may_say_the_effect_itself():
    df = shuffled_letters().assign(effect=[None, "same"] * 60)
    (cell,) = from_dataframe(df, reference="orig")
    assert (cell.planned & cell.sensitive).sum() == 0
    with pytest.raises(CaseError, match="row 2, column 'effect': 'turns' is not one of same, target"):
        from_dataframe(df.assign(effect=[None, "turns"] * 60), reference="orig")


def test_x_and_y_of_the_scatter_are_of_the_same_cases():
    """Of the cases that were perturbed: accuracy over all of them would be .4 beside a robust accuracy of 1."""
    made = []
    for i in range(12):
        cell = easy_alone(80, 40)
        lost = np.where(np.arange(80)[:, None] < i, np.array([[1.0, 0.0]]), cell.scores)
        made.append(replace(cell, model=f"m{i % 3}", task=f"t{i // 3}", scores=lost))
    for point in analyse(made).points:
        assert point.n == 40
        assert point.accuracy.value >= point.robust_accuracy.value >= 0.7
        assert point.accuracy.n == point.robust_accuracy.n == 40
