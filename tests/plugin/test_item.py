"""What crosses processes on a test report comes back as it was."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core import codec
from robusttest.core.nouns import CellKey, Estimate, Record, Threshold, Verdict
from robusttest.engine.cell import Cell
from robusttest.plugin.item import _without_model

texts = st.text(max_size=8)
plain = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1) | texts | st.lists(texts, max_size=2)
records = st.builds(
    Record,
    task=texts, model=texts, case_id=texts, variant=texts, perturbation=texts, score=st.none() | st.floats(0, 1),
    answer=plain, target=plain, reason=st.none() | texts, edits=st.none() | st.just({"input": [[0, 1, "x"]]}),
    reply=st.none() | st.text(st.characters(), max_size=8),
)  # fmt: skip
verdicts = st.builds(
    Verdict,
    threshold=st.builds(Threshold, metric=texts, op=st.sampled_from([">=", "<="]), limit=st.floats(0, 1)),
    status=st.sampled_from(["passed", "failed", "inconclusive", "error"]),
    reason=texts,
    estimate=st.none()
    | st.builds(Estimate, metric=texts, value=st.none() | st.floats(0, 1), n=st.integers(0, 9)),
    settled=st.booleans(),
    cases_needed=st.none() | st.integers(1, 9),
)


@settings(max_examples=60, deadline=None)
@given(
    rs=st.lists(records, max_size=3),
    vs=st.lists(verdicts, max_size=3),
    names=st.tuples(texts, texts, texts, texts),
)
def test_an_outcome_survives_the_way(rs, vs, names):
    task, model, test, nodeid = names
    cell = Cell(
        CellKey(test, task, model), nodeid=nodeid, verdicts=vs, notes=("n",), outcome="failed", reason="r"
    )
    text = codec.dumps([cell, rs])
    text.encode("ascii")  # execnet and marshal take it whatever a model says, lone surrogates too
    there, rows = codec.loads(text)
    back = codec.read(Cell, there)
    assert vars(back) == vars(cell)
    assert [codec.read(Record, r) for r in rows] == rs


def test_the_node_id_without_its_model():
    assert _without_model("a.py::test[openai/x]", "openai/x") == "a.py::test"
    assert _without_model("a.py::test[de-openai/x]", "openai/x") == "a.py::test[de]"
    assert _without_model("a.py::test[other]", "openai/x") == "a.py::test[other]"
    assert _without_model("a.py::test", "") == "a.py::test"
    assert _without_model("a.py::test[m\\xf6]", "mö") == "a.py::test"
