from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from robusttest.core.nouns import Record
from robusttest.errors import CaseError, UsageError
from robusttest.stats.cell.estimates import NO_REFERENCE, estimate
from robusttest.stats.cell.frame import frames, from_dataframe, to_dataframe
from robusttest.stats.cell.tables import records_from
from robusttest.store.readers import read


def table(**columns):
    base = {
        "model": ["m"] * 4,
        "task": ["t"] * 4,
        "case_id": ["a", "a", "b", "b"],
        "variant": ["", "v1", "", "v1"],
        "score": [1.0, 0.0, 1.0, 1.0],
    }
    return pd.DataFrame({k: v for k, v in {**base, **columns}.items() if v is not None})


def test_a_table_of_scores():
    (cell,) = from_dataframe(table())
    assert estimate(cell, "accuracy").value == 1
    assert estimate(cell, "pass_rate", "v1").value == 0.5
    assert estimate(cell, "drop").value == 0.5
    assert estimate(cell, "output_consistency").reason == "no answers recorded"


def test_a_table_of_answers_and_targets():
    df = table(score=None, answer=["x", "y", "x", None], target=["x", "x", "x", "x"])
    (cell,) = from_dataframe(df)
    assert cell.scores.tolist() == [[1, 0], [1, 0]]
    assert estimate(cell, "output_consistency").value == 0
    assert estimate(cell, "parse_failure_rate", "v1").value == 0.5


def test_numbers_as_answers_match_their_targets():
    df = table(score=None, answer=[1, 2, 3, 3.0], target=["1", "1", 3, "3"])
    assert from_dataframe(df)[0].scores.tolist() == [[1, 0], [1, 1]]


def test_answers_without_targets_have_consistency_and_no_accuracy():
    (cell,) = from_dataframe(table(score=None, answer=["x", "y", "x", "x"]))
    assert estimate(cell, "output_consistency").value == 0.5
    assert estimate(cell, "accuracy").value is None


def test_the_reference_by_name():
    df = table(variant=["orig", "v1", "orig", "v1"])
    assert estimate(from_dataframe(df)[0], "drop").reason == NO_REFERENCE
    (cell,) = from_dataframe(df, reference="orig")
    assert estimate(cell, "drop").value == 0.5
    assert cell.perturbations == ("v1",)


def test_the_reference_by_an_empty_perturbation():
    df = table(variant=["orig", "a", "orig", "a"], perturbation=["", "ocr:0.1", None, "ocr:0.1"])
    (cell,) = from_dataframe(df)
    assert estimate(cell, "drop", "ocr").value == 0.5


def test_two_variants_without_a_perturbation_are_ambiguous():
    df = table(variant=["o", "a", "o", "a"], perturbation=[""] * 4)
    with pytest.raises(UsageError, match=r"'o' and 'a' both have an empty perturbation.*--reference"):
        from_dataframe(df)
    assert estimate(from_dataframe(df, reference="o")[0], "drop").value == 0.5


def test_other_column_names():
    df = table().rename(columns={"task": "dataset", "score": "acc"})
    (cell,) = from_dataframe(df, mapping={"task": "dataset", "score": "acc"})
    assert cell.task == "t"
    with pytest.raises(UsageError, match=r"no column 'task', only 'model'.*--map task=YOURS"):
        from_dataframe(df, mapping={"score": "acc"})
    with pytest.raises(UsageError, match=r"--map case_id=Case ID$"):
        from_dataframe(table().rename(columns={"case_id": "Case ID"}))
    with pytest.raises(UsageError, match="no column 'nope'"):
        from_dataframe(df, mapping={"task": "nope"})
    with pytest.raises(UsageError, match="'tsk' is not one of our columns"):
        from_dataframe(df, mapping={"tsk": "dataset"})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"score": [1.0, float("nan"), 1.0, 1.0]}, r"row 2, column 'score': missing"),
        ({"score": [1.0, 0.0, 1.5, 1.0]}, r"row 3, column 'score': 1.5 is not in \[0, 1\]"),
        ({"score": [1.0, 0.0, -0.5, 1.0]}, r"row 3, column 'score': -0.5"),
        ({"score": [1.0, 0.0, "good", 1.0]}, r"row 3, column 'score': 'good' is not a number"),
        ({"case_id": ["a", "a", None, "b"]}, r"row 3, column 'case_id': empty"),
        ({"model": ["m", "", "m", "m"]}, r"row 2, column 'model': empty; fill it in.*--set model=NAME"),
        (
            {"variant": ["base", "v1", "", "v1"]},
            r"row 3, column 'variant': empty, where other rows have 'base'",
        ),
        (
            {"cluster": ["g", None, "g", "h"]},
            r"row 4, column 'cluster': 'h', but case 'b' is in 'g' by row 3",
        ),
        ({"variant": ["", "v1", "", ""]}, r"row 4 repeats row 3: .*case 'b', variant 'reference', repeat 0"),
        ({"repeat": [0, 0, -1, 0]}, r"row 3, column 'repeat': -1"),
        ({"repeat": [0, 0, 0.5, 0]}, r"row 3, column 'repeat': 0.5"),
        ({"status": ["ok", "ok", "fine", "ok"]}, r"row 3, column 'status': 'fine' is not one of ok"),
    ],
)
def test_a_bad_row_is_named(columns, message):
    with pytest.raises(CaseError, match=message):
        from_dataframe(table(**columns))


@pytest.mark.parametrize("name", ["model", "task", "case_id", "variant"])
def test_a_missing_column_is_named(name):
    with pytest.raises(UsageError, match=f"no column '{name}'"):
        from_dataframe(table().drop(columns=name))


def test_no_scores_and_no_answers_and_no_rows():
    with pytest.raises(UsageError, match="'score', or 'answer' and 'target'"):
        from_dataframe(table().drop(columns="score"))
    with pytest.raises(UsageError, match="no rows"):
        from_dataframe(table().iloc[:0])
    with pytest.raises(UsageError, match="'w' is not among the variants: , v1"):
        from_dataframe(table(), reference="w")


def test_a_column_twice():
    df = table()
    df.insert(0, "score", 1.0, allow_duplicates=True)
    with pytest.raises(UsageError, match="'score' more than once"):
        from_dataframe(df)


def test_failed_calls_have_a_status():
    (cell,) = from_dataframe(table(score=[1.0, np.nan, 1.0, 1.0], status=["ok", "error", "ok", None]))
    assert cell.coverage == 0.75
    assert estimate(cell, "pass_rate").value == 1


def test_reruns_count_as_repeats_of_the_reference():
    df = table(variant=["", "", "", ""], repeat=[0, 1, 0, 1], score=None, answer=["x", "y", "x", "x"])
    (cell,) = from_dataframe(df)
    assert estimate(cell, "tara").value == 0.5
    assert estimate(cell, "flip_rate", "repeat").value == 0.5


def test_levels_are_known_by_name():
    df = table(perturbation=["", "temperature:0.7", "", "repeat"], variant=["", "a", "", "b"])
    (cell,) = from_dataframe(df)
    assert [c.level for c in cell.columns] == ["reference", "decoding", "repeat"]
    assert estimate(cell, "pass_rate").value is None
    assert estimate(cell, "pass_rate", "temperature").value == 0


def test_clusters_and_numbered_names():
    df = table(case_id=[1.0, 1.0, 2.0, 2.0], cluster=[7, 7, 7, 7])
    (cell,) = from_dataframe(df)
    assert cell.case_ids == ("1", "2")
    assert cell.clusters == ("7", "7")
    assert cell.cluster_index.tolist() == [0, 0]


def test_example_a_goes_out_and_comes_back(example_a_rows):
    df = to_dataframe(example_a_rows)
    assert list(df.columns)[:3] == ["task", "model", "case_id"]
    assert df.score.mean() == 0.5
    (there,), (back,) = frames(example_a_rows), from_dataframe(df)
    assert (there.scores == back.scores).all()
    assert (there.answers == back.answers).all()
    assert (there.unparsed == back.unparsed).all()


def test_a_missing_score_is_nan_in_the_frame_and_nowhere_else():
    df = to_dataframe([Record(task="t", model="m", case_id="c", status="error", reason="timeout")])
    assert np.isnan(df.score[0])
    assert records_from(df)[0].score is None


def test_no_records_make_an_empty_frame():
    assert len(to_dataframe([])) == 0


def told(tmp_path, **columns):
    path = tmp_path / "t.csv"
    table(**columns).to_csv(path, index=False)
    return read([path])


def test_a_gap_in_the_clusters_is_filled_by_the_cases_other_rows(tmp_path):
    records, notes = told(tmp_path, cluster=["g", None, None, "h"])
    assert [r.cluster for r in records] == ["g", "g", "h", "h"]
    assert not any("cluster" in note for note in notes)
    _, notes = told(tmp_path, cluster=["g", None, None, None])
    assert "1 of 2 cases have no cluster: they count as independent of all others" in notes


@pytest.mark.parametrize(
    ("columns", "note"),
    [
        (
            {"model": ["m", "m", "m ", "m "]},
            "model 'm' and 'm ' differ by blanks or capitals alone, and count as two",
        ),
        ({"task": ["t", "t", "T", "T"]}, "task 't' and 'T' differ"),
        ({"variant": ["base", "v1", "base", " v1"]}, "variant 'v1' and ' v1' differ"),
        ({"case_id": ["a", "a", "A", "A"]}, "case_id 'a' and 'A' differ"),
    ],
)
def test_names_that_are_likely_one_are_told(tmp_path, columns, note):
    assert not any("differ by blanks" in said for said in told(tmp_path)[1])
    assert [said for said in told(tmp_path, **columns)[1] if note in said]
