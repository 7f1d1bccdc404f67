"""Loading cases: every kind of source, and errors that say the file, row and column."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case
from robusttest.errors import CaseError, UsageError
from robusttest.plugin.mark import load
from robusttest.tasks.cases import load_cases
from robusttest.tasks.task import Task


def write(tmp_path, name, text, encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


ROWS = [
    {"id": "a", "text": "one", "intent": "x", "note": 1},
    {"id": "b", "text": "two", "intent": "y", "note": 2},
]


def test_every_source_gives_the_same_cases(tmp_path):
    pandas = pytest.importorskip("pandas")
    csv = "id,text,intent,note\na,one,x,1\nb,two,y,2\n"
    sources = [
        write(tmp_path, "c.csv", csv),
        write(tmp_path, "c.tsv", csv.replace(",", "\t")),
        write(tmp_path, "b.csv", "\ufeff" + csv.replace("\n", "\r\n")),
        write(tmp_path, "c.jsonl", "\n".join(map(json.dumps, ROWS)) + "\n\n"),
        write(tmp_path, "c.ndjson", "\n".join(map(json.dumps, ROWS))),
        write(tmp_path, "c.json", json.dumps(ROWS)),
        write(tmp_path, "d.json", json.dumps({"data": ROWS, "version": 1})),
        str(tmp_path / "c.csv"),
        ROWS,
        iter(ROWS),
        (row for row in ROWS),
        pandas.DataFrame(ROWS),
    ]
    for source in sources:
        cases = load_cases(source, input="text", target="intent")
        assert [(c.id, c.input, c.target, str(c.metadata["note"])) for c in cases] == [
            ("a", "one", "x", "1"),
            ("b", "two", "y", "2"),
        ]


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "c.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    assert [c.id for c in load_cases(path, input="text", target="intent")] == ["a", "b"]
    with pytest.raises(CaseError, match="not a readable parquet"):
        load_cases(write(tmp_path, "bad.parquet", "no"))


def test_pairs_texts_and_cases():
    assert [(c.input, c.target) for c in load_cases([("a", "b"), ("c", "d")])] == [("a", "b"), ("c", "d")]
    assert load_cases(["a"])[0].target is None
    case = Case(id="1", fields={"input": "x"})
    assert load_cases([case]) == [case]


def test_ids_come_from_content():
    first, second = load_cases([("a", "b"), ("c", "d")])
    assert load_cases([("c", "d"), ("a", "b")]) == [second, first]
    assert len(first.id) == 12


def test_ids_of_numbers_are_kept_as_text():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"id": [1.0, 2.0], "input": ["a", "b"]})
    assert [c.id for c in load_cases(frame)] == ["1", "2"]


PASSAGES = [
    {"input": "Who?", "context": "Ann did it.", "target": "Ann"},
    {"input": "Who?", "context": "Bob saw Ann do it.", "target": "Ann"},
]


def test_cases_that_differ_in_another_column_are_different_cases():
    first, second = load_cases(PASSAGES)
    assert first.id != second.id
    assert [c.id for c in load_cases(PASSAGES[::-1])] == [second.id, first.id], "the same when rows move"
    assert Task("rag", cases=load_cases(PASSAGES), prompt="{context}\n{input}").cases[0].fields["context"]
    with pytest.raises(CaseError, match="equal: remove the copies"):
        load_cases([*PASSAGES, PASSAGES[0]])


def test_a_task_refuses_what_is_the_same_question_to_it_and_says_what_differs():
    with pytest.raises(
        CaseError, match=r"cases 1 and 2 put the same question.*differ in 'context', which the prompt does"
    ):
        Task("bare", cases=load_cases(PASSAGES), prompt="{input}")
    named = [{**row, "id": f"c{i}"} for i, row in enumerate(PASSAGES)]
    assert len(Task("named", cases=load_cases(named), prompt="{input}")) == 2


def test_copies_with_an_id_that_differ_elsewhere_are_not_called_equal():
    rows = [{"id": "a", "input": "x", "user": u} for u in (1, 2)]
    with pytest.raises(CaseError, match=r"duplicate ids: 'a' in cases 1, 2$"):
        load_cases(rows)


def test_a_list_of_input_columns_is_told_how_to_write_it():
    with pytest.raises(
        UsageError, match=r"the name of one column: write input='question', fields=\['context'\]"
    ):
        load_cases(PASSAGES, input=["question", "context"])
    with pytest.raises(UsageError, match=r"load_cases\(id=3\): the name of one column"):
        load_cases(PASSAGES, id=3)


def test_duplicate_ids_are_named():
    with pytest.raises(CaseError, match=r"duplicate ids: 'a' in cases 1, 3$"):
        load_cases([{"id": "a", "input": "1"}, {"id": "b", "input": "2"}, {"id": "a", "input": "3"}])
    with pytest.raises(CaseError, match="they are equal: remove the copies"):
        load_cases([("a", "b"), ("a", "b")])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("e.csv", "", "the file is empty"),
        ("e.csv", "id,input\n", "no cases"),
        ("e.jsonl", "\n\n", "the file is empty"),
        ("e.json", "[]", "no cases"),
        ("e.json", '{"a": 1}', "an object with one list"),
        ("e.json", '"x"', "a str, not a list"),
        ("e.csv", "id,text\n1,a\n", r"row 1 \(line 2\): no column 'input'. .*Columns: id, text"),
        ("e.csv", "id,inputs\n1,a\n", "Did you mean 'inputs'"),
        ("e.csv", "id,input\n1,a,b\n", r"row 1 \(line 2\): 3 values for 2 columns"),
        ("e.csv", "id,input,input\n1,a,b\n", "the column 'input' is there 2 times"),
        ("e.csv", 'id,input\n1,"a\n', "line 2: unexpected end of data"),
        ("e.csv", "id,input\n1,\n", "row 1.*column 'input': empty"),
        ("e.csv", "id,input\n,a\n", "column 'id': None is no id"),
        ("e.csv", "input,target\na,b\nc,\n", r"column 'target' is empty \(or NaN\) in 1 of 2 rows: 2"),
        ("e.jsonl", '{"input": "a"}\nnope\n', "line 2: not JSON"),
        ("e.jsonl", "[1]\n", "line 1: .* is not an object"),
        ("e.jsonl", '{"input": 1e999}', "is not a finite number"),
        ("e.jsonl", '{"input": "a", "choices": "yes"}', "'yes' is not a list of options"),
        ("e.jsonl", '{"input": "a", "choices": ["yes", "yes"]}', "'yes' is listed twice"),
        ("e.jsonl", '{"input": "a", "choices": ["yes", "no"], "target": "ye"}', "Did you mean 'yes'"),
        ("e.txt", "a", "can't tell its format by '.txt'"),
    ],
)
def test_errors_say_where(tmp_path, name, text, message):
    path = write(tmp_path, name, text)
    with pytest.raises(CaseError, match=message) as error:
        load_cases(path)
    assert str(path) in str(error.value)


def test_a_missing_file_says_the_nearest(tmp_path):
    write(tmp_path, "tickets.csv", "input\na\n")
    with pytest.raises(CaseError, match=r"no such file.*Did you mean 'tickets\.csv'"):
        load_cases(tmp_path / "ticket.csv")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(CaseError, match="not a file"):
        load_cases(tmp_path / "d.csv")


def test_a_wrong_encoding_says_line_and_byte(tmp_path):
    path = write(tmp_path, "l.csv", "input\nok\ncafé\n", "cp1252")
    with pytest.raises(CaseError, match=r"line 3, byte 12 \(0xe9\) is not utf-8.*encoding='cp1252'"):
        load_cases(path)
    assert load_cases(path, encoding="cp1252")[1].input == "café"
    with pytest.raises(CaseError, match="utf-16"):
        load_cases(write(tmp_path, "u.csv", "input\na\n", "utf-16"))
    with pytest.raises(UsageError, match="unknown encoding"):
        load_cases(path, encoding="utf-9")


@pytest.mark.parametrize("source", [3, None, {"input": "a"}, b"x", "a\nb", [3], [("a", "b", "c")], [None]])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(CaseError):
        load_cases(source)


def test_nan_targets_are_missing_not_a_label():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"input": ["a", "b"], "target": ["x", float("nan")]})
    with pytest.raises(CaseError, match="in 1 of 2 rows: 2"):
        load_cases(frame)
    assert load_cases(frame[["input"]])[0].target is None
    stamps = pandas.DataFrame({"input": ["a"], "when": [pandas.NaT], "n": [pandas.NA]})
    assert load_cases(stamps)[0].metadata == {"when": None, "n": None}


def test_fields_and_metadata():
    row = {"premise": "p", "hypothesis": "h", "target": "t", "source": "s", "other": {1, 2}}
    (case,) = load_cases([row], fields=["premise", "hypothesis"])
    assert (case.fields, case.metadata["source"]) == ({"premise": "p", "hypothesis": "h"}, "s")
    assert isinstance(case.metadata["other"], str)
    (case,) = load_cases([row], input="premise", fields=["hypothesis"], metadata=["source"])
    assert case.fields == {"input": "p", "hypothesis": "h"}
    assert case.metadata == {"source": "s"}
    with pytest.raises(CaseError, match="no column 'label'"):
        load_cases([row], input="premise", target="label")
    with pytest.raises(UsageError, match="a list of columns"):
        load_cases([row], fields="premise")


def test_choices_from_columns_and_lists():
    row = {"input": "q", "a": "x", "b": "y", "target": "B"}
    assert load_cases([row], choices=["a", "b"])[0].target == "y"
    assert load_cases([{"input": "q", "choices": "x|y", "target": "(a)"}])[0].choices == ("x", "y")
    assert load_cases([{"input": "q", "choices": '["x", "y"]'}])[0].choices == ("x", "y")
    arc = {"input": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "target": "B"}
    assert load_cases([arc])[0].target == "y"


def test_positions_are_read_only_where_the_file_tells_from_what_they_count():
    def targets(*values):
        rows = [{"input": str(i), "choices": ["x", "y", "z"], "target": v} for i, v in enumerate(values)]
        return [c.target for c in load_cases(rows)]

    assert targets(0, 2) == ["x", "z"]
    assert targets(1, 3) == ["x", "z"]
    assert targets("0", "1") == ["x", "y"]
    assert targets("X", "y") == ["x", "y"]
    with pytest.raises(CaseError, match="from 0 or from 1"):
        targets(1, 2)
    with pytest.raises(CaseError, match="none of its choices"):
        targets(0, 3)


def test_clusters_and_limits():
    rows = [{"input": str(i), "page": i // 2} for i in range(6)]
    assert [c.cluster for c in load_cases(rows, cluster="page", limit=3)] == ["0", "0", "1"]
    with pytest.raises(UsageError, match="limit"):
        load_cases(rows, limit=0)


def test_odd_texts_are_kept(tmp_path):
    long = "x" * 200_000
    assert load_cases(write(tmp_path, "l.csv", f"input\n{long}\n"))[0].input == long
    assert load_cases(["\ud800", "\x00", "  "])[0].input == "\ud800"
    (line,) = load_cases(write(tmp_path, "s.jsonl", '{"input": "a\u2028b"}\n'))
    assert line.input == "a\u2028b"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, unique=True))
def test_lists_keep_what_they_hold(pairs):
    assert [(c.input, c.target) for c in load_cases(pairs)] == pairs


# an input is one value

NOT_ONE = [
    (["one text", "another"], "a list of 2 ([\"one text\",\"another\"]); an input is one text. Write a case for each"),
    ([], "a list of 0 ([]); an input is one text"),
    ([1, 2], "a list of 2 ([1,2]); an input is one text"),
    (["x", {"role": "user", "content": "hi"}], "a conversation is a list of messages"),
    ([{"content": "hi"}], "a list of 1"),
    ({"a": "x", "b": 1}, "an object with the keys 'a', 'b'; an input is one text. Make its parts fields"),
    ({}, "an object with the keys (none)"),
    ([{"role": "usr", "content": "hi"}], "a message of the role 'usr'. Did you mean 'user'?"),
    ([{"role": "user"}], "a message of 'user' without a content"),
]  # fmt: skip


def ways_in(value, tmp_path):
    """Every way by which a case comes in."""
    path = tmp_path / "c.jsonl"
    path.write_text(
        json.dumps({"input": "a text", "target": "x"}) + "\n" + json.dumps({"input": value, "target": "x"})
    )
    renamed = tmp_path / "r.jsonl"
    renamed.write_text(json.dumps({"question": value, "target": "x"}))
    row = {"input": value, "target": "x"}
    case = Case(id="1", fields={"input": value}, target="x")
    yield "file", lambda: load_cases(path)
    yield "column", lambda: load_cases(renamed, input="question")
    yield "list", lambda: load_cases([row])
    yield "pair", lambda: Task("t", cases=[(value, "x")], scorer="exact")
    yield "task", lambda: Task("t", cases=[row], prompt="Say: {input}", scorer="exact")
    yield "case", lambda: Task("t", cases=[case], scorer="exact")
    yield "demos", lambda: Task("t", cases=[("a", "x")], demos=[row], scorer="exact")
    yield "decorator", lambda: load([row])
    yield "decorator with a case", lambda: load([case])


@pytest.mark.parametrize(("value", "said"), NOT_ONE, ids=[str(i) for i in range(len(NOT_ONE))])
def test_an_input_that_is_not_one_text_is_refused_on_every_way_in(value, said, tmp_path):
    for way, make in ways_in(value, tmp_path):
        with pytest.raises(CaseError) as e:
            make()
        assert said.lower() in str(e.value).lower(), way
    with pytest.raises(CaseError, match="line 2, column 'input'"):
        load_cases(tmp_path / "c.jsonl")


@pytest.mark.parametrize(
    "value",
    [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "where is it"}],
        [{"role": "user", "content": [{"type": "text", "text": "what is this"}]}],
        [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}, {"role": "tool", "content": "5"}],
        [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": "https://x.example/1.png"}}],
        7,
    ],
)  # fmt: skip
def test_a_conversation_and_the_parts_of_a_message_are_inputs(value, tmp_path):
    for _, make in ways_in(value, tmp_path):
        assert make()
