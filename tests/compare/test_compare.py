from __future__ import annotations

import dataclasses
import json
from dataclasses import replace

import pytest

from robusttest.compare import Comparison, Version, compare
from robusttest.compare.model import LISTED
from robusttest.core.fail_on import FailOn
from robusttest.core.nouns import RunInfo
from robusttest.errors import UsageError

NAMES = ["", "keyboard#0", "casing#0"]


def outcomes(
    n: int, broken: int = 0, fixed: int = 0, letters: str = "111", bad: str = "101"
) -> dict[str, str]:
    """``n`` cases of which some break at keyboard (or whatever ``bad`` says), and some start out wrong."""
    out = {f"c{i}": letters for i in range(n)}
    return {**out, **{f"c{i}": bad for i in range(broken)}, **{f"c{n - 1 - i}": "000" for i in range(fixed)}}


def cell(comparison: Comparison):
    (one,) = comparison.cells
    return one


def test_the_same_run_twice_is_no_worse(rows, version):
    v = version(rows(outcomes(100, 7), NAMES))
    found = cell(compare(v, v))
    assert found.verdict == "no_worse"
    assert (found.pairs, found.n_broke, found.n_fixed, found.excluded) == (300, 0, 0, {})
    assert all(c.identical for c in found.changes)


def test_a_regression_is_found_and_its_mirror_is_an_improvement(rows, version):
    before, after = version(rows(outcomes(100), NAMES)), version(rows(outcomes(100, 12), NAMES))
    worse, better = cell(compare(before, after)), cell(compare(after, before))
    assert (worse.verdict, worse.n_broke, worse.n_fixed) == ("regressed", 12, 0)
    assert (better.verdict, better.n_broke, better.n_fixed) == ("improved", 0, 12)


def test_a_more_accurate_version_that_is_less_robust_to_typos_is_found(rows, version):
    """What comparing accuracies would call a success."""
    before = version(rows(outcomes(100, fixed=6), NAMES))
    after = version(rows({**outcomes(100), **{f"c{i}": "101" for i in range(24)}}, NAMES))
    found = cell(compare(before, after))
    accuracy, keyboard = (next(c for c in found.changes if c.measure == m) for m in ("accuracy", "keyboard"))
    assert accuracy.difference > 0
    assert keyboard.verdict == "regressed"
    assert found.main.verdict != "regressed"
    assert found.verdict == "regressed"


def test_holm_runs_over_the_whole_suite(rows, version):
    before = rows(outcomes(60), NAMES)
    after = rows(outcomes(60, 6, bad="000"), NAMES)
    alone = compare(version(before), version(after))
    assert cell(alone).verdict == "regressed"
    many_before, many_after = list(before), list(after)
    for i in range(9):
        same = [replace(r, test=f"b.py::test_{i}", task=f"t{i}") for r in before]
        many_before += same
        many_after += same
    together = compare(version(many_before), version(many_after))
    assert together.count("regressed") == 0
    assert len(together.cells) == 10
    family = sum(len(c.changes) for c in together.cells)
    assert family == 10 * len(alone.cells[0].changes)


def test_a_margin_forgives_small_drops(rows, version):
    before, after = version(rows(outcomes(100), NAMES)), version(rows(outcomes(100, 8, bad="000"), NAMES))
    assert cell(compare(before, after)).verdict == "regressed"
    assert cell(compare(before, after, margin=0.2)).verdict == "no_worse"
    assert cell(compare(before, after, margin=0.05)).verdict == "undecided"


def test_nothing_paired_is_undecided_and_says_why(rows, version):
    before = rows(outcomes(20), NAMES)
    after = [replace(r, input_hash="e" * 16) for r in before]
    found = cell(compare(version(before), version(after, versions={"nlpaug": "1.2"})))
    assert (found.verdict, found.changes, found.pairs) == ("undecided", (), 0)
    assert found.excluded == {"changed_input": 60}
    assert "nlpaug 1.1.11 then, 1.2 now" in found.notes[0]


def test_little_paired_says_so(rows, version):
    before = rows(outcomes(20), NAMES)
    after = [replace(r, input_hash="e" * 16) if r.variant else r for r in before]
    found = cell(compare(version(before), version(after, seed=3)))
    assert found.notes == ("only 20 of 60 variants could be compared (seed 0 then, 3 now)",)


def test_an_incomplete_run_is_named(rows, version):
    v = version(rows(outcomes(3), NAMES))
    cut = version(rows(outcomes(2), NAMES), complete=False, label="cut")
    found = compare(v, cut)
    assert any("cut" in note and "did not run to its end" in note for note in found.notes)
    assert cell(found).excluded == {"dropped_case": 3}


# which cells are one another's


def test_another_model_is_compared_where_there_is_one_on_each_side(rows, version):
    before, after = rows(outcomes(30), NAMES, model="gpt-1"), rows(outcomes(30), NAMES, model="gpt-2")
    found = cell(compare(version(before), version(after)))
    assert (found.old_model, found.model, found.pairs) == ("gpt-1", "gpt-2", 90)
    assert found.notes == ("another model: gpt-1 then, gpt-2 now",)


def test_models_that_cannot_be_told_apart_are_not_compared(rows, version):
    x, y, z = (rows(outcomes(5), NAMES, model=m) for m in "xyz")
    found = compare(version([*x, *y]), version([*x, *z]))
    assert [c.model for c in found.cells] == ["x"]
    assert (found.only_old, found.only_new) == (("a.py::test_t · y",), ("a.py::test_t · z",))
    with pytest.raises(UsageError, match="several models"):
        compare(version([*x, *y]), version(z))


def test_a_moved_test_is_found_by_its_task(rows, version):
    before, after = rows(outcomes(5), NAMES), rows(outcomes(5), NAMES, test="tests/b.py::test_u")
    assert "another test" in cell(compare(version(before), version(after))).notes[0]


def test_two_tests_of_one_task_stay_apart(rows, version):
    a, b = rows(outcomes(30), NAMES), rows(outcomes(30), NAMES, test="a.py::test_u")
    worse = rows(outcomes(30, 20, bad="000"), NAMES, test="a.py::test_u")
    found = compare(version([*a, *b]), version([*worse, *a]))
    assert [(c.test, c.verdict) for c in found.cells] == [
        ("a.py::test_u", "regressed"),
        ("a.py::test_t", "undecided"),
    ]
    assert all(c.ambiguous for c in found.cells)
    assert "test_u" in found.cells[0].name


def test_a_test_that_took_up_another_task_is_not_compared(rows, version):
    before, after = rows(outcomes(5), NAMES), rows(outcomes(5), NAMES, task="other")
    with pytest.raises(UsageError, match="nothing to compare"):
        compare(version(before), version(after))


def test_another_task_is_refused_by_name(rows, version):
    a, b = (
        rows(outcomes(5), NAMES, task="intents"),
        rows(outcomes(5), NAMES, task="sentiment", test="b.py::t"),
    )
    with pytest.raises(UsageError, match=r"nothing to compare.*'intents'.*'sentiment'"):
        compare(version(a), version(b))
    with pytest.raises(UsageError, match="tasks none"):
        compare(version([]), version(b))


# plain data


def test_a_comparison_is_plain_data(rows, version):
    found = compare(version(rows(outcomes(100), NAMES)), version(rows(outcomes(100, 60), NAMES)))
    data = json.loads(json.dumps(dataclasses.asdict(found), allow_nan=False))
    assert data["cells"][0]["verdict"] == "regressed"
    assert len(data["cells"][0]["broke"]) == LISTED < data["cells"][0]["n_broke"] == 60


def test_order_of_rows_changes_nothing(rows, version):
    before, after = rows(outcomes(40), NAMES), rows(outcomes(40, 9), NAMES)
    assert (
        compare(version(before), version(after)).cells
        == compare(version(before[::-1]), version(after[::-1])).cells
    )


def test_the_title_says_label_day_and_commit():
    info = RunInfo(id="0123abcd", created="2026-11-24T12:00:00Z", label="v1", commit="353a334d" * 5)
    assert Version(info=info, cells=(), name="robust-baseline.json").title == (
        "robust-baseline.json (v1, 2026-11-24, 353a334d)"
    )
    assert Version(info=info, cells=(), name="v1").title == "v1 (2026-11-24, 353a334d)"
    assert Version(info=RunInfo(id="0123abcd", created=""), cells=()).title == "0123abcd"


@pytest.mark.parametrize(
    ("text", "kind", "margin"),
    [
        ("regression", "regression", None),
        ("regression:0.02", "regression", 0.02),
        ("undecided", "undecided", None),
    ],
)
def test_fail_on(text, kind, margin):
    gate = FailOn.parse(text)
    assert (gate.kind, gate.margin) == (kind, margin)
    assert gate.fails("regressed")
    assert gate.fails("undecided") is (kind == "undecided")
    assert not gate.fails("no_worse")


@pytest.mark.parametrize(
    "text", ["", "regress", "undecided:0.1", "regression:", "regression:2", "regression:x", "regression:-1"]
)
def test_a_wrong_fail_on_is_refused(text):
    with pytest.raises(UsageError, match="regression"):
        FailOn.parse(text)


def test_two_tests_of_one_task_need_a_column_of_a_recorded_table_that_tells_them_apart(rows, version):
    a, b = rows(outcomes(5), NAMES), rows(outcomes(5), NAMES, test="a.py::test_u")
    table = version(rows(outcomes(5), NAMES, test=None), label="table.csv")
    said = r"the rows of table.csv.* name no test; give them a column 'test' .* as 'a.py::test_t'"
    for sides in ((table, version([*a, *b])), (version([*a, *b]), table)):
        with pytest.raises(UsageError, match=said):
            compare(*sides)
    named = version([*a, *b], label="table.csv")
    assert len(compare(named, version([*a, *b])).cells) == 2, "with the column they are"
    # Where something else is compared the report says what was not, and how it would be.
    other = rows(outcomes(5), NAMES, task="u")
    found = compare(version([*table_rows(rows), *other], label="table.csv"), version([*a, *b, *other]))
    assert [c.task for c in found.cells] == ["u"]
    (note,) = found.notes
    assert note.startswith(
        "'t' not compared: several models or tests that can't be told apart: the rows of table.csv"
    )
    assert "a column 'test'" in note


def table_rows(rows):
    return rows(outcomes(5), NAMES, test=None)
