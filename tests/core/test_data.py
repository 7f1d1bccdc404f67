"""The nouns: canonical JSON, digests, seeds, ids, round trips."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core import codec
from robusttest.core.nouns import (
    Answer,
    Case,
    Completion,
    Draft,
    Estimate,
    Record,
    Request,
    RunInfo,
    Threshold,
    Variant,
    canonical_json,
    derive_seed,
    digest,
)
from robusttest.errors import ThresholdError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_canonical_json_is_read_back_and_stable(value):
    text = canonical_json(value)
    assert json.loads(text) == value or value != value
    assert canonical_json(json.loads(text)) == text
    assert text.isascii()


def test_canonical_json_ignores_order_and_the_kind_of_number():
    assert canonical_json({"b": 1.0, "a": (2,)}) == canonical_json({"a": [2], "b": 1}) == '{"a":[2],"b":1}'
    assert canonical_json(True) != canonical_json(1)
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError):
            canonical_json(bad)


def test_digests_tell_parts_apart():
    assert digest("a", "bc") != digest("ab", "c") != digest("abc")
    assert len(digest("a")) == 32
    assert len(digest("a", size=8)) == 16
    assert digest("\ud800") != digest("?")


def test_seeds_are_the_same_in_every_process():
    code = "from robusttest.core.nouns import derive_seed; print(derive_seed('a', 1, 'b'))"
    seeds = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert seeds == {f"{derive_seed('a', 1, 'b')}\n"}
    assert 0 <= derive_seed("a") < 2**64


def test_a_request_is_the_same_whatever_its_order():
    def key(**changes):
        given = {"model": "m", "messages": ({"role": "user", "content": "x"},), **changes}
        return Request(**given).key()

    assert key(params={"a": 0, "b": 1}) == key(params={"b": 1.0, "a": 0.0})
    different = [
        key(),
        key(params={"temperature": 0}),
        key(sample=1),
        key(endpoint="http://a"),
        key(version="2"),
        key(model="n"),
        key(messages=({"role": "system", "content": "x"},)),
    ]
    assert len(set(different)) == len(different)
    assert len(key()) == 64


CASE = Case(id="1", fields={"input": "x"}, target="t", choices=("t", "u"), metadata={"a": 1})


def test_variants_show_their_case():
    v = Variant(original=CASE, draft=Draft(case=CASE, params={"seed": 1}), perturbation="ocr:0.2", index=3)
    assert v.id == "ocr:0.2#3"
    assert (v.input, v.target, v.choices, v.metadata, v.params) == (
        "x",
        "t",
        ("t", "u"),
        {"a": 1},
        {"seed": 1},
    )
    assert Variant(original=CASE, draft=Draft(case=CASE)).id == ""


def test_the_input_of_a_case():
    assert Case(id="1", fields={"q": "x"}).input == "x"
    assert Case(id="1", fields={"a": "x", "b": "y"}).input == {"a": "x", "b": "y"}
    assert Case(id="1", fields={"a": "x", "input": "y"}).input == "y"


def test_nouns_are_frozen_and_copied_with_changes():
    with pytest.raises(FrozenInstanceError):
        CASE.id = "2"
    assert Draft(case=CASE).with_(sample=2).sample == 2
    assert str(Completion(text="x")) == "x"
    assert Answer("x") == Answer("x", None)


def test_records_cross_json():
    record = Record(task="t", model="m", case_id="1", score=0.5, edits={"input": [[0, 1, "y"]]}, answer=["a"])
    data = codec.plain(record)
    assert set(data) == {"task", "model", "case_id", "score", "edits", "answer"}
    assert codec.read(Record, json.loads(json.dumps(data))) == record
    assert codec.read(Record, {**data, "column_of_a_later_version": 1}) == record
    assert record.scored
    assert not replace(record, score=None).scored


def test_every_column_of_a_record_has_a_default_but_its_names():
    required = [
        f.name
        for f in fields(Record)
        if f.default is not None and f.default.__class__.__name__ == "_MISSING_TYPE"
    ]
    assert required == ["task", "model", "case_id"]


def test_runs_cross_json():
    run = RunInfo(id="r", created="2030-01-01T00:00:00Z", models=("a",), notes=("n",), settings={"seed": 1})
    data = json.loads(codec.dumps(run))
    assert codec.read(RunInfo, {**data, "later": 1}) == run
    assert codec.plain(Estimate(metric="accuracy", value=0.5))["value"] == 0.5


def test_a_threshold_has_no_truth_value():
    threshold = Threshold(metric="flip_rate", op="<=", limit=0.05, perturbation="ocr:0.2")
    assert str(threshold) == "flip_rate[ocr:0.2] <= 0.05"
    with pytest.raises(ThresholdError, match="no truth value"):
        bool(threshold)


def test_a_changed_copy_is_the_one_that_dataclasses_make():
    from dataclasses import replace

    from robusttest.core.nouns import changed

    draft = Draft(case=CASE, params={"seed": 1}, sample=2)
    assert changed(CASE, fields={"input": "x"}) == replace(CASE, fields={"input": "x"})
    assert draft.with_(sample=3, protect=("a",)) == replace(draft, sample=3, protect=("a",))
    assert draft.sample == 2
    with pytest.raises(TypeError, match="no field smaple"):
        draft.with_(smaple=3)
