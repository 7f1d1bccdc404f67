"""One JSON form for each noun, written and read in one place."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robusttest.core import codec
from robusttest.core.nouns import CellKey, Estimate, Record, RunInfo, Threshold, Verdict
from robusttest.engine.cell import Cell
from robusttest.engine.rounds import Stopping
from robusttest.errors import StorageError

LIMIT = Threshold(metric="flip_rate", op="<=", limit=0.1 + 0.2, perturbation="ocr:0.2")
VERDICT = Verdict(
    threshold=LIMIT, status="failed", reason="why", estimate=Estimate(metric="flip_rate", value=0.5)
)
RECORD = Record(
    task="t", model="m", case_id="c", test="a.py::t", score=0.5, edits={"input": [[0, 1, "x"]]}, answer=["a"]
)
CELL = Cell(
    CellKey("a.py::t", "t", "m"),
    nodeid="a.py::t[m]",
    outcome="failed",
    reason="1 of 1 threshold missed",
    verdicts=(VERDICT,),
    notes=("n",),
    adaptive=Stopping(cases=4, available=9, made=8, saved=10, decided=True),
)
RUN = RunInfo(id="r", created="2030-01-01T00:00:00Z", models=("a",), settings={"seed": 1}, notes=("n",))


@pytest.mark.parametrize("noun", [LIMIT, VERDICT, RECORD, RUN, CELL.adaptive], ids=lambda n: type(n).__name__)
def test_a_noun_comes_back_as_it_was(noun):
    there = codec.loads(codec.dumps(noun))
    assert there == codec.plain(noun)
    assert codec.read(type(noun), there) == noun
    assert codec.read(type(noun), {**there, "of_a_later_version": {"x": 1}}) == noun


def test_a_cell_comes_back_without_its_records():
    there = codec.loads(codec.line("cell", CELL))
    assert there["kind"] == "cell"
    assert (there["test"], there["task"], there["model"]) == CELL.key
    assert vars(codec.read(Cell, there)) == vars(CELL)
    assert not {"records", "settings", "key", "frame"} & set(there)


def test_the_limit_of_a_threshold_is_exact_though_its_text_is_short():
    there = codec.plain(VERDICT)
    assert there["threshold"] == "flip_rate[ocr:0.2] <= 0.3"
    assert codec.read(Verdict, there).threshold.limit == 0.1 + 0.2


def test_a_record_is_written_without_what_it_does_not_say():
    assert codec.plain(RECORD) == {
        "task": "t", "model": "m", "case_id": "c", "test": "a.py::t", "score": 0.5,
        "edits": {"input": [[0, 1, "x"]]}, "answer": ["a"],
    }  # fmt: skip


ANSWERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(ANSWERS)
def test_whatever_a_model_says_is_one_line_of_ascii_that_comes_back(answer):
    text = codec.record_line(Record(task="t", model="m", case_id="c", answer=answer))
    text.encode("ascii")
    assert "\n" not in text
    assert "NaN" not in text.replace("\\u", "") or "NaN" in str(answer)
    assert codec.read(Record, codec.loads(text)).answer == codec.finite(answer)


def test_a_lone_surrogate_stays_one():
    assert codec.loads(codec.dumps({"\udfff": "a\ud800b"})) == {"\udfff": "a\ud800b"}
    assert codec.loads('"\ud800"'.encode("utf-8", "surrogatepass")) == "\ud800"


def test_nan_is_null_in_both_directions():
    assert codec.dumps([math.nan, math.inf, {"a": -math.inf}, 1.5]) == '[null,null,{"a":null},1.5]'
    assert codec.loads("[NaN, Infinity, -Infinity, 1.5]") == [None, None, None, 1.5]
    assert codec.dumps(np.float32("nan")) == "null"
    assert codec.loads(codec.dumps(Estimate(metric="m", value=math.nan), indent=1))["value"] is None


def test_what_json_has_no_form_for_gets_one():
    @dataclass
    class Point:
        x: int

    held = {"d": date(2030, 1, 2), "n": np.int64(3), "a": np.array([1, 2]), "s": {"b", "a"}, "p": Point(1)}
    assert codec.loads(codec.dumps(held)) == {
        "d": "2030-01-02", "n": 3, "a": [1, 2], "s": ["a", "b"], "p": {"x": 1},
    }  # fmt: skip
    assert codec.loads(codec.dumps({(1, 2): 1, 3: 2})) == {"(1, 2)": 1, "3": 2}


@pytest.mark.parametrize("data", [None, [], "x", {"task": "t"}, {"task": "t", "model": "m"}])
def test_what_is_no_noun_is_refused(data):
    with pytest.raises((KeyError, TypeError)):
        codec.read(Record, data)
    with pytest.raises((KeyError, TypeError)):
        codec.read(Verdict, data)


def test_a_newer_schema_is_refused_in_one_way():
    assert codec.check_schema(1, 2, "the file 'x'") == 1
    with pytest.raises(StorageError, match=r"the file 'x' has schema 3, .* reads up to 2: pip install -U"):
        codec.check_schema(3, 2, "the file 'x'")
    for wrong in (None, "1", 0, -1, True, 1.0):
        with pytest.raises(StorageError, match="not a number that robusttest wrote"):
            codec.check_schema(wrong, 2, "the file 'x'")


@pytest.mark.parametrize("raw", [b"", b"[1]", b"{", b'{"a": "\xff"}', b"\x00\x00"])
def test_a_cut_line_is_none(raw):
    assert codec.parsed(raw) is None
    assert json.loads(b"{}") == codec.parsed(b"{}\n")
