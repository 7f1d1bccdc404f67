from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Record
from robusttest.errors import CaseError, UnknownNameError
from robusttest.stats.cell.frame import frames


def row(case="c", variant="", perturbation="", **kwargs):
    given = {"level": "input" if perturbation else "reference", "score": 1.0, "answer": "A"}
    return Record(
        task="t", model="m", case_id=case, variant=variant, perturbation=perturbation, **{**given, **kwargs}
    )


def test_example_a_becomes_arrays(example_a):
    assert example_a.scores.sum(axis=1).tolist() == [4, 3, 3, 1, 1, 0]
    assert (example_a.n_cases, example_a.n_variants, example_a.n_calls) == (6, 4, 24)
    assert example_a.is_reference.tolist() == [True, False, False, False]
    assert example_a.perturbations == ("p",)
    assert example_a.coverage == 1.0
    assert len(set(example_a.answers[3].tolist())) == 3


def test_cells_are_told_apart_by_test_task_and_model_in_first_seen_order():
    rows = [row(), replace(row(), model="n"), replace(row(), task="u"), replace(row(), test="x::y")]
    assert [(c.test, c.task, c.model) for c in frames(rows)] == [
        (None, "t", "m"), (None, "t", "n"), (None, "u", "m"), ("x::y", "t", "m"),
    ]  # fmt: skip


def test_the_reference_comes_first_wherever_its_row_is():
    (cell,) = frames([row("c", "p#0", "p", score=0.0), row("c")])
    assert [c.variant for c in cell.columns] == ["", "p#0"]
    assert cell.scores.tolist() == [[1.0, 0.0]]


def test_failed_and_skipped_calls_lower_coverage_and_are_in_no_mean():
    rows = [
        row("a"),
        row("a", "p#0", "p", status="error", score=0.5),
        row("b"),
        row("b", "p#0", "p", status="skipped"),
    ]
    (cell,) = frames(rows)
    assert cell.coverage == 0.5
    assert cell.reference_coverage == 1.0
    assert np.isnan(cell.scores[:, 1]).all()
    assert (cell.answers[:, 1] == -1).all()
    assert cell.errors.sum() == 2


def test_rejected_and_not_applicable_variants_were_never_planned_but_are_known():
    (cell,) = frames([row("a"), row("a", "p#0", "p", status="not_applicable", score=None)])
    assert cell.coverage == 1.0
    assert cell.n_variants == 1
    assert cell.perturbations == ("p",)
    assert cell.select("p").n_variants == 1


def test_unreadable_replies_equal_nothing_unless_asked():
    rows = [row("a", status="unparsed", answer=None, score=0.0)]
    rows += [row("a", f"p#{i}", "p", status="refused", answer=None, score=0.0) for i in range(2)]
    (cell,) = frames(rows)
    assert len(set(cell.answers[0].tolist())) == 3
    assert cell.unparsed.sum() == 1
    assert cell.refused.sum() == 2
    (cell,) = frames(rows, unparsed_equal=True)
    assert len(set(cell.answers[0].tolist())) == 1


def test_an_answer_is_a_number_however_it_is_written():
    answers = [1, 1.0, "1", True, {"b": 1, "a": 2}, {"a": 2.0, "b": 1}, [1], float("nan"), float("nan")]
    rows = [row("a", f"p#{i}", "p", answer=a) for i, a in enumerate(answers)]
    (cell,) = frames(rows)
    codes = cell.answers[0].tolist()
    assert codes[0] == codes[1] == codes[2]
    assert codes[4] == codes[5]
    assert len(set(codes)) == 6
    assert min(codes) >= 0


def test_two_rows_of_one_variant_are_refused_by_name():
    with pytest.raises(CaseError, match=r"two rows for case 'a', variant 'p#0', repeat 0"):
        frames([row("a"), row("a", "p#0", "p"), row("a", "p#0", "p")])


@pytest.mark.parametrize("score", [float("nan"), -0.1, 1.5, float("inf")])
def test_a_score_outside_0_and_1_is_refused_by_name(score):
    with pytest.raises(CaseError, match=r"case 'a', variant 'p#0' .* is not in \[0, 1\]"):
        frames([row("a", "p#0", "p", score=score)])


def levels():
    rows = [row("a"), row("a", "ocr:0.1#0", "ocr:0.1"), row("a", "ocr:0.2#0", "ocr:0.2")]
    rows.append(row("a", "fmt#0", "fmt", level="prompt"))
    rows.append(row("a", "temperature:0.7#0", "temperature:0.7", level="decoding"))
    rows.append(row("a", "repeat#0", "repeat", level="repeat"))
    return frames(rows)[0]


def names(cell):
    return [c.variant for c in cell.columns]


def test_without_a_name_a_metric_runs_over_input_and_prompt_variants():
    assert names(levels().select()) == ["", "ocr:0.1#0", "ocr:0.2#0", "fmt#0"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("ocr", ["", "ocr:0.1#0", "ocr:0.2#0"]),
        ("ocr:0.2", ["", "ocr:0.2#0"]),
        ("temperature", ["", "temperature:0.7#0"]),
        ("repeat", ["", "repeat#0"]),
    ],
)
def test_a_name_selects_its_variants_and_the_reference(asked, found):
    assert names(levels().select(asked)) == found


def test_an_unknown_perturbation_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'ocr'"):
        levels().select("ocrr")
    with pytest.raises(UnknownNameError):
        levels().select("ocr:0.3")


def test_reruns_of_the_reference_are_its_repeats():
    (cell,) = frames([row("a", repeat=i) for i in range(3)])
    assert names(cell.select()) == [""]
    repeats = cell.select("repeat")
    assert repeats.is_reference.tolist() == [True, False, False]


def test_variants_that_put_the_same_question_are_counted():
    rows = [
        row("a", input_hash="x"),
        row("a", "p#0", "p", input_hash="x"),
        row("a", "p#1", "p", input_hash="y"),
    ]
    rows.append(row("a", "repeat#0", "repeat", level="repeat", input_hash="x"))
    assert frames(rows)[0].unchanged == 1


def test_cases_with_a_shared_cluster_are_clustered_and_the_rest_stand_alone():
    (cell,) = frames([row("a", cluster="s"), row("b", cluster="s"), row("c"), row("d")])
    assert cell.cluster_index.tolist() == [0, 0, 1, 2]
    (cell,) = frames([row("a", cluster="s"), row("b", cluster="t")])
    assert cell.cluster_index is None


def test_no_records_are_no_cells():
    assert frames([]) == []


def test_taking_cases_keeps_their_rows(example_a):
    taken = example_a.take_cases(np.array([True, False, False, True, False, False]))
    assert taken.case_ids == ("c0", "c3")
    assert taken.scores.sum(axis=1).tolist() == [4, 1]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_rows_changes_only_the_order_of_cases_and_columns(example_a_rows, seed):
    shuffled = list(example_a_rows)
    random.Random(seed).shuffle(shuffled)
    (cell,) = frames(shuffled)
    found = {
        (case, column.variant): cell.scores[i, j]
        for i, case in enumerate(cell.case_ids)
        for j, column in enumerate(cell.columns)
    }
    assert found == {(r.case_id, r.variant): r.score for r in example_a_rows}
    assert cell.columns[0].is_reference


def test_records_make_the_same_cell_however_many_are_settled_at_once(monkeypatch):
    rows = [
        row(
            f"c{i}", variant, perturbation, status=status, answer=answer, reply=f"r{i % 2}",
            score=None if status == "error" else 0.5, cut=i == 2, effect="changes" if perturbation == "q" else "same",
            check={"answer": answer} if i else None, cluster=f"g{i // 2}", by={"k": str(i % 2)},
        )
        for i in range(6)
        for variant, perturbation, status, answer in [
            ("", "", "ok", "A"), ("p#0", "p", "ok", ["x", i]), ("p#1", "p", "unparsed", None), ("q#0", "q", "error", "B"),
            ("q#1", "q", "rejected", None),
        ]
    ]  # fmt: skip
    others = [replace(r, model="n") for r in rows]
    mixed = [r for pair in zip(rows, others, strict=True) for r in pair]
    whole = frames(rows + others)
    monkeypatch.setattr("robusttest.stats.cell.frame._AT_ONCE", 4)
    for made in (frames(iter(rows + others)), frames(mixed)):
        for a, b in zip(whole, made, strict=True):
            for name in ("case_ids", "columns", "clusters", "by", "known"):
                assert repr(getattr(a, name)) == repr(getattr(b, name))
            for name in (
                "scores",
                "planned",
                "unparsed",
                "errors",
                "cut",
                "sensitive",
                "answers",
                "replies",
                "checks",
            ):
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
    assert whole[0].cut.sum() == 3  # of the reference and two replies of p: what failed was not cut


def test_a_cell_of_which_nothing_was_planned_has_no_columns():
    (cell,) = frames([row("a", "p#0", "p", status="rejected", score=None)])
    assert (cell.scores.shape, cell.case_ids, cell.perturbations) == ((1, 0), ("a",), ("p",))
