from __future__ import annotations

import json
import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest import Record
from robusttest.core.equality import among, flipped, key, number, same
from robusttest.core.nouns import CellKey
from robusttest.engine.cell import Cell
from robusttest.engine.record import by_expectation
from robusttest.report.build import build
from robusttest.report.html.cases import explorer
from robusttest.scorers import choice, exact, json_schema, pattern, tool_call
from robusttest.stats.cell.frame import frames
from robusttest.store import new_run

EQUAL = [
    (7, 7.0),
    (7, "7"),
    ("7", "7.0"),
    (7.0, "7"),
    ("+7", "70e-1"),
    (0, -0.0),
    ("0.50", ".5"),
    (10**30, "1e30"),
    (0.1, "0.1"),
    ("-0", 0),
    (1e-05, "0.00001"),
    ([1, "2", {"a": 3.0}], [1.0, 2, {"a": "3"}]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (None, None),
    ("\ud800", "\ud800"),
]
DIFFERENT = [
    (True, 1),
    (False, 0),
    (True, "True"),
    ("007", "7"),
    ("7", "7 "),
    ("x", "X"),
    ([1, 2], [2, 1]),
    ([True], [1]),
    (math.nan, math.nan),
    ([math.nan], [math.nan]),
    (0.1 + 0.2, 0.3),
    (10**20, 10**20 + 1),
    ("1,000", 1000),
    (None, "null"),
    ("[1]", [1]),
    ({"": ["", "7", 0]}, 7),
    ([7], ['{"":["","7",0]}']),
    ("٧", "7"),
    ("1e5x", "100000"),
]


@pytest.mark.parametrize(("a", "b"), EQUAL, ids=repr)
def test_one_answer_however_it_is_written(a, b):
    assert same(a, b)
    assert same(b, a)
    assert key(a) == key(b)
    assert hash(key(a)) == hash(key(b))
    assert same([a], [b])
    assert among(a, ["nothing", b])


@pytest.mark.parametrize(("a", "b"), DIFFERENT, ids=repr)
def test_two_answers(a, b):
    assert not same(a, b)
    assert not same([a], [b])
    assert not among(a, [b])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(json_values)
def test_a_value_is_the_same_after_json_and_as_its_text(value):
    assert same(value, json.loads(json.dumps(value)))
    assert pickle.loads(pickle.dumps(key(value))) == key(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        assert same(value, repr(value))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([x for pair in EQUAL + DIFFERENT for x in pair]), min_size=3, max_size=3))
def test_it_is_an_equivalence(values):
    a, b, c = values
    assert same(a, b) == same(b, a)
    if same(a, b) and same(b, c):
        assert same(a, c)


def test_what_is_no_json_equals_nothing():
    assert key(object()) is None
    assert not same(object, object)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert key(deep) is None
    assert key(10**5000) is not None
    assert same("1" * 2000, "1" * 2000)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("7.50", 7.5), (3, 3.0), (True, None), ("nan", None), ("inf", None), ("about 7", None), (None, None),
     ("1e999", None), (10**400, None), ([1], None), ("1_000", None)],
)  # fmt: skip
def test_the_number_of_an_answer(value, wanted):
    assert number(value) == wanted


def row(case, perturbation, answer, *, status="ok", score=1.0, reply=None):
    return Record(
        task="t",
        model="m",
        case_id=case,
        perturbation=perturbation,
        variant=f"{perturbation}#0" if perturbation else "",
        level="input" if perturbation else "reference",
        status=status,
        score=score,
        answer=answer,
        reply=reply,
        text=f"{case}{perturbation}",
    )


PAIRS = [("7", "7.0"), (7, "7"), (True, 1), ("x", "y"), ([1, 2.0], ["1", 2]), ("a", "a"), (None, "a")]


def test_the_flip_rate_the_agreement_the_explorer_and_the_scores_ask_one_question():
    for before, after in PAIRS:
        records = [row("a", "", before), row("a", "keyboard", after)]
        result = Cell(CellKey(None, "t", "m"), records)
        moved = flipped(*records)
        held = explorer(build(new_run(), [result]))
        assert held.rows[0][7] is moved
        assert result.flip_rate.value == (None if moved is None else float(moved)), (before, after)
        if moved is not None:
            assert result.reference_consistency.value == float(not moved), (before, after)
            kept = by_expectation(*(lambda new, old: (new, "same", old))(*map(_score, (after, before))))
            assert kept.value == float(not moved)


def _score(answer):
    from robusttest import Score

    return Score(value=1.0, answer=answer)


def test_flips_with_unreadable_replies():
    ok = row("a", "", "x", reply="x")
    lost = row("a", "k", None, status="unparsed", score=0.0, reply="hm")
    assert flipped(ok, lost) is True
    assert flipped(lost, ok) is True
    assert flipped(lost, lost) is False
    assert flipped(lost, row("a", "k", None, status="refused", score=0.0, reply="no")) is None
    assert flipped(row("a", "", None, status="unparsed", score=0.0), lost) is None
    assert flipped(ok, row("a", "k", None, status="error", score=None)) is None


def test_replies_and_question_hashes_are_compared_as_they_are_written():
    cell = frames(
        [
            row("a", "", "x", reply="7"),
            row("a", "k", "x", reply="7.0"),
        ]
    )[0]
    assert cell.replies[0, 0] != cell.replies[0, 1]


def test_scorers_take_a_number_for_the_number_it_is():
    assert exact()("7.0", 7).value == 1.0
    assert exact()("7", "7.0").value == 1.0
    assert exact()("007", "7").value == 0.0
    assert pattern(r"= (\S+)")("x = 0.50", 0.5).value == 1.0
    schema = {"type": "object"}
    assert json_schema(schema)('{"n": 7.0, "s": "x"}', {"n": 7, "s": "x"}).value == 1.0
    assert json_schema(schema)('{"n": true}', {"n": 1}).value == 0.0
    assert tool_call().problem is not None


def test_labels_that_are_one_number_are_two_answers():
    versions = choice(["3.1", "3.10", "3.9"])
    wrong, right = versions("3.1", "3.10"), versions("3.10", "3.10")
    assert (wrong.value, right.value) == (0.0, 1.0)
    assert not same(wrong.answer, right.answer)
    assert choice(["1", "2"])("2", "2").answer == "2"
