from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from robusttest.errors import UsageError
from robusttest.scorers import json_schema
from robusttest.scorers.schemas import Schema


class Line(BaseModel):
    sku: str
    count: int = Field(1, ge=1)


class Order(BaseModel):
    id: int
    note: str | None = None
    lines: list[Line]
    parent: Order | None = None


GOOD = {"id": 1, "lines": [{"sku": "a", "count": 2}], "parent": {"id": 0, "lines": [], "note": "x"}}


@pytest.mark.parametrize("given", [Order, Order.model_json_schema()], ids=["class", "dict"])
def test_a_pydantic_model_with_optional_nested_and_recursive_fields(given):
    scorer = json_schema(given)
    assert scorer(json.dumps(GOOD)).value == 1.0
    assert scorer(json.dumps({**GOOD, "note": None})).value == 1.0
    for change, said in [
        (
            {"note": 3},
            "the reply.note: 3 is not valid under any of the given schemas|the reply.note: 3 is not of type",
        ),
        ({"lines": [{"count": 1}]}, r"the reply.lines\[0\]: 'sku' is a required property"),
        (
            {"lines": [{"sku": "a", "count": 0}]},
            r"the reply.lines\[0\].count: 0 is less than the minimum of 1",
        ),
        ({"parent": {"id": "x", "lines": []}}, "the reply.parent"),
    ]:
        score = scorer(json.dumps({**GOOD, **change}))
        assert (score.value, score.status) == (0.0, "ok")
        assert re.search(said, score.explanation), score.explanation


@pytest.mark.parametrize(
    ("schema", "fits", "not_"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, ["a", None], [1, True]),
        ({"oneOf": [{"minimum": 5}, {"maximum": 7}]}, [4, 8], [6]),
        ({"not": {"type": "string"}}, [1], ["a"]),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}}, [1.5], ["a"]),
        ({"properties": {"next": {"$ref": "#"}}, "type": "object"}, [{"next": {"next": {}}}], [{"next": {"next": 1}}]),
        ({"type": "integer"}, [1, 1.0], [True, 1.5, "1"]),
        ({"enum": [1, "a"]}, [1.0, "a"], [True, "1"]),
        ({"multipleOf": 0.5}, [1.5], [1.3]),
        ({"uniqueItems": True, "prefixItems": [{"type": "string"}]}, [["a", 1]], [["a", "a"], [1]]),
        ({"dependentRequired": {"a": ["b"]}}, [{"a": 1, "b": 2}, {}], [{"a": 1}]),
        ({"if": {"minimum": 5}, "then": {"multipleOf": 2}}, [6, 3], [7]),
        ({"patternProperties": {"^x": {"type": "string"}}, "additionalProperties": False}, [{"xa": "1"}], [{"xa": 1}, {"y": 1}]),
        ({"format": "date"}, ["2026-02-28"], ["2026-02-30", "28.2.2026"]),
        ({"format": "date-time"}, ["2026-02-28T10:00:00Z", "2026-02-28t10:00:00+01:00"], ["2026-02-28", "2026-02-28T25:00:00Z"]),
        ({"format": "time"}, ["10:00:00Z", "10:00:00"], ["25:00:00", "10"]),
        ({"format": "duration"}, ["P1DT2H", "PT0.5S", "P2W"], ["P", "1 day", "PT"]),
        ({"format": "uuid"}, ["0e37df36-f698-11e6-8dd4-cb9ced3df976"], ["0e37df36", "zzz"]),
        ({"format": "uri"}, ["https://a.example/x?y", "mailto:a@b.c"], ["a b", "/x", "http://a b"]),
        ({"format": "email"}, ["a@b.c"], ["a"]),
        ({"format": "ipv4"}, ["127.0.0.1"], ["300.1.1.1"]),
        ({"format": "int32"}, [5, "x"], []),
        (True, [1, {}], []),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}], "additionalItems": False}, [["a"]], [["a", 1]]),
    ],
    ids=str,
)  # fmt: skip
def test_what_json_schema_says_is_checked(schema, fits, not_):
    if schema is True:
        schema = {"additionalProperties": True}
    held = Schema.of(schema)
    assert [v for v in fits if held.misfit(v) is not None] == []
    assert [v for v in not_ if held.misfit(v) is None] == []


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ([], "give a schema as a dict, or a pydantic model"),
        ({"type": "text"}, r"schema.type: 'text' is not valid"),
        ({"properties": {"a": {"requird": ["x"]}}}, r"schema.properties.a has 'requird', which is not checked. Did you mean 'required'\?"),
        ({"items": {"nullable": True}}, "schema.items has 'nullable', which is not checked"),
        ({"format": "phone"}, "the format 'phone', which is not checked"),
        ({"properties": {"a": {"format": "datetime"}}}, "Did you mean 'date-time'"),
        ({"$ref": "#/$defs/a"}, r"the \$ref '#/\$defs/a', which leads nowhere"),
        ({"anyOf": [{"$ref": "https://a.example/schema.json"}]}, r"schema.anyOf\[0\] has the \$ref 'https"),
        ({"$ref": "#"}, "leads back to itself"),
        ({"properties": {"a": {"pattern": "("}}}, "is not a 'regex'"),
        ({"const": float("nan")}, "the schema is not JSON"),
        ({"$schema": "https://json-schema.org/draft/2030/schema"}, "which is no draft of JSON Schema"),
        ({"minimum": "1"}, "'1' is not of type 'number'"),
    ],
    ids=str,
)  # fmt: skip
def test_a_schema_that_would_not_check_is_refused(schema, said):
    with pytest.raises(UsageError, match=said):
        json_schema(schema)


def test_names_of_properties_are_no_keywords():
    json_schema(
        {"properties": {"nullable": {"type": "string"}, "format": {"type": "string"}}, "required": ["format"]}
    )
    json_schema({"$defs": {"requird": {"type": "string"}}, "x-owner": "us"})


def test_an_embedded_schema_resolves_its_own_references():
    schema = {
        "$id": "https://a.example/root",
        "$defs": {"b": {"$id": "b", "$ref": "#/$defs/c", "$defs": {"c": {"type": "string"}}}},
        "properties": {"x": {"$ref": "b"}},
    }
    held = Schema.of(schema)
    assert held.misfit({"x": "a"}) is None
    assert held.misfit({"x": 1}) is not None


def test_a_deep_reply_is_no_crash():
    deep: list = []
    for _ in range(3000):
        deep = [deep]
    held = Schema.of({"items": {"$ref": "#"}})
    assert "too deeply" in held.misfit(deep)


def test_equal_schemas_are_equal_scorers():
    assert json_schema({"type": "object", "minProperties": 1}) == json_schema(
        {"minProperties": 1.0, "type": "object"}
    )
    assert json_schema({"type": "object"}) != json_schema({"type": "array"})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=50)
@given(values)
def test_any_value_is_checked_or_told_why_not(value):
    for schema in (
        Order,
        {"format": "date-time"},
        {"anyOf": [{"format": "uri"}, {"format": "uuid"}, {"format": "duration"}]},
    ):
        said = Schema.of(schema).misfit(value)
        assert said is None or said.startswith("the reply")


def test_the_library_is_imported_where_a_schema_is_named_only():
    code = "import sys, robusttest.scorers; assert 'jsonschema' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
