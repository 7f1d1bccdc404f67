from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robusttest.compare.model import REASONS
from robusttest.compare.pairing import pair
from robusttest.compare.rows import noise, rows_of, same_hash

NAMES = ["", "keyboard#0", "keyboard#1", "ocr:0.2#0"]


def paired(old, new):
    (a,), (b,) = rows_of(old), rows_of(new)
    return pair(a, b)


def test_equal_questions_are_paired_whatever_the_order(rows):
    old = rows({"c1": "1111", "c2": "1001"}, NAMES)
    new = rows({"c1": "1101", "c2": "1111"}, NAMES)
    random.Random(3).shuffle(new)
    made = paired(old, new)
    assert (made.n_pairs, made.n_cases, dict(made.excluded)) == (8, 2, {})
    for (case, _, variant, _), (a, b) in made.pairs.items():
        assert a.text == b.text == f"{case} {variant}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"input_hash": "f" * 16}, "changed_input"),
        ({"target": "no"}, "changed_target"),
        ({"target": None}, "changed_target"),
        ({"status": "error", "score": None}, "no_reply_new"),
        ({"status": "skipped", "score": None}, "no_reply_new"),
        ({"case_id": "c9"}, "new_case"),
        ({"perturbation": "casing", "variant": "casing#0"}, "new_perturbation"),
        ({"index": 7, "variant": "keyboard#7"}, "new_variant"),
        ({"input_hash": None, "text": None}, "unknown_input"),
        ({"status": "not_applicable", "score": None}, None),
    ],
)
def test_what_is_not_the_same_hash_is_counted_by_reason(rows, change, reason):
    old = rows({"c1": "1111", "c2": "1111"}, NAMES)
    new = [*old[:1], replace(old[1], **change), *old[2:]]
    made = paired(old, new)
    assert made.n_pairs == 7
    moved = "case_id" in change or "variant" in change or change.get("status") == "not_applicable"
    expected = {reason: 1} if reason else {}
    assert made.excluded == {**expected, **({"dropped_variant": 1} if moved else {})}
    assert set(made.excluded) <= set(REASONS)


def test_what_is_gone_is_counted_too(rows):
    old = rows({"c1": "1111", "c2": "1111", "c3": "111."}, NAMES)
    new = rows({"c1": "11 1", "c3": "11 1"}, NAMES)
    made = paired(old, new)
    assert made.excluded == {"dropped_case": 4, "dropped_variant": 2, "no_reply_old": 1}
    assert paired(new, rows({"c1": "1"}, [""])).excluded["dropped_perturbation"] == 2
    assert paired(rows({"c1": "1"}, [""]), rows({"c1": "11"}, NAMES[:2])).excluded == {"new_perturbation": 1}


def test_a_row_without_a_hash_goes_by_its_text(rows):
    old = [replace(r, input_hash=None) for r in rows({"c1": "11"}, NAMES[:2])]
    new = [old[0], replace(old[1], text="other words")]
    made = paired(old, new)
    assert (made.n_pairs, made.excluded) == (1, {"changed_input": 1})


def test_the_input_decides_where_it_is_known(rows):
    """Another prompt around the same input is the same question; another input under the same prompt is not."""
    old = [replace(r, case_hash=f"{i:016x}") for i, r in enumerate(rows({"c1": "1111"}, NAMES))]
    reworded = paired(old, [replace(r, input_hash=f"{i:015x}f", text="otherwise") for i, r in enumerate(old)])
    assert (reworded.n_pairs, reworded.other_prompt, reworded.by_name) == (4, True, False)
    assert paired(old, [replace(r, case_hash="f" * 16) for r in old]).excluded == {"changed_input": 4}
    assert not paired(old, old).other_prompt
    older = [replace(r, case_hash=None) for r in old]
    assert paired(older, old).n_pairs == 4


def test_rows_of_which_nothing_is_known_go_by_their_names(rows):
    old = [replace(r, input_hash=None, text=None) for r in rows({"c1": "1111"}, NAMES)]
    made = paired(old, old)
    assert (made.n_pairs, made.by_name) == (4, True)


def test_a_short_hash_is_compared_as_far_as_it_goes():
    assert same_hash("0123456789abcdef", "0123456789abcdef")
    assert same_hash("01234567", "0123456789abcdef")
    assert same_hash("0123456789abcdef", "01234567")
    assert not same_hash("01234567", "0123456689abcdef")
    assert not same_hash("0123456789abcdef", "0123456789abcde0")
    assert not same_hash("", "")


@given(
    st.lists(st.text("01. ", min_size=4, max_size=4), max_size=6),
    st.lists(st.text("01. ", min_size=4, max_size=4), max_size=6),
)
def test_every_variant_of_either_side_is_paired_or_counted(rows, before, after):
    old = rows({f"c{i}": x for i, x in enumerate(before)}, NAMES)
    new = rows({f"c{i}": x for i, x in enumerate(after)}, NAMES)
    if not old or not new:
        return
    made = paired(old, new)
    keys = {(r.case_id, r.variant) for r in old} | {(r.case_id, r.variant) for r in new}
    assert made.n_pairs + sum(made.excluded.values()) == len(keys)
    back = paired(new, old)
    assert back.n_pairs == made.n_pairs


# measures


def measures(made):
    return {c.measure: c for c in made.changes()}


def test_the_measures_of_a_pair(rows):
    old = rows({"c1": "1111", "c2": "1111", "c3": "1111"}, NAMES)
    new = rows({"c1": "1011", "c2": "0000", "c3": "1110"}, NAMES)
    found = measures(paired(old, new))
    assert list(found) == ["all", "accuracy", "robust_accuracy", "keyboard", "ocr"]
    assert found["all"].difference == pytest.approx(-(0.25 + 1 + 0.25) / 3)
    assert (found["accuracy"].difference, found["accuracy"].pairs) == (pytest.approx(-1 / 3), 3)
    assert found["robust_accuracy"].difference == -1
    assert (found["keyboard"].difference, found["keyboard"].pairs) == (pytest.approx(-1.5 / 3), 6)
    assert found["ocr"].difference == pytest.approx(-2 / 3)


def test_decoding_counts_under_its_own_name_and_repeats_nowhere(rows):
    names = ["", "temperature:0.7#0", "repeat#0"]
    old = rows({"c1": "111", "c2": "111"}, names)
    new = rows({"c1": "100", "c2": "100"}, names)
    old, new = ([replace(r, level="decoding") if "temp" in r.variant else r for r in x] for x in (old, new))
    found = measures(paired(old, new))
    assert list(found) == ["all", "temperature"]
    assert (found["all"].difference, found["temperature"].difference) == (0, -1)


def test_a_measure_that_is_all_again_is_left_out(rows):
    only = paired(rows({"c1": "1"}, [""]), rows({"c1": "0"}, [""]))
    assert list(measures(only)) == ["all"]
    one_family = paired(rows({"c1": "11"}, NAMES[1:3]), rows({"c1": "01"}, NAMES[1:3]))
    assert list(measures(one_family)) == ["all", "robust_accuracy"]


def test_clusters_reach_the_test(rows):
    old = rows({f"c{i}": "11" for i in range(30)}, NAMES[:2])
    new = [replace(r, score=0.0) if int(r.case_id[1:]) < 6 else r for r in old]
    shared = [replace(r, cluster=f"g{int(r.case_id[1:]) // 3}") for r in new]
    assert measures(paired(old, new))["all"].p_worse == 0.5**6
    clustered = measures(paired(old, shared))["all"]
    assert (clustered.p_worse, clustered.clusters) == (0.25, 10)


# flips, noise


def test_what_broke_and_was_fixed_by_case_with_both_answers(rows):
    old = rows({"c1": "1110", "c2": "0000", "c3": "1110", "c4": "0000"}, NAMES)
    new = rows({"c1": "1101", "c2": "0000", "c3": "0101", "c4": "0001"}, NAMES)
    made = paired(old, new)
    (broke,), (fixed,) = made.flips(down=True), made.flips(down=False)
    assert (broke.case_id, broke.variants, broke.of) == ("c3", ("", "keyboard#1"), 4)
    assert (broke.old_answer, broke.new_answer, broke.target, broke.text) == ("yes", "no", "yes", "c3 ")
    assert (fixed.case_id, fixed.variants, fixed.old_answer, fixed.new_answer) == (
        "c4",
        ("ocr:0.2#0",),
        "no",
        "yes",
    )
    (change, *_) = made.changes()
    assert (change.worse, change.better) == (1, 1), "one pair of words for one pair of numbers"


def test_noise_is_the_share_of_repeats_that_differ(rows):
    (cell,) = rows_of(rows({"c1": "110", "c2": "111", "c3": ".11"}, ["", "repeat#0", "repeat#1"]))
    assert noise(cell) == (1, 4)
    (other,) = rows_of([replace(r, answer="maybe") if r.variant == "repeat#1" else r
                        for r in rows({"c1": "000"}, ["", "repeat#0", "repeat#1"])])  # fmt: skip
    assert noise(other) == (1, 2)
    (none,) = rows_of(rows({"c1": "1111"}, NAMES))
    assert noise(none) == (0, 0)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("delivery", "208413cc"),
        ("7", "b72ba0ff"),
        (7, "43ec3804"),
        (7.0, "43ec3804"),
        (["a", 1], "d94c61ed"),
        (None, ""),
    ],
)
def test_the_codes_of_right_answers_stand_in_committed_baselines_and_never_change(row, target, code):
    (cell,) = rows_of([row("c1", target=target)])
    assert [r.target for r in cell.rows.values()] == [code]
