"""Equal ways to write a schema: what the one takes the other takes, shown by jsonschema over generated schemas and values."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.perturbations.tools.schemas import Writer, _wholes, alternatives

CHECK = jsonschema.Draft202012Validator
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    2,
    1.0,
    1.5,
    "",
    "a",
    "b",
    "ab",
    [],
    ["a"],
    {},
    {"a": "a"},
    {"a": 1, "b": None},
]


def takes(schema: Any) -> list[bool]:
    check = CHECK(schema)
    return [check.is_valid(v) for v in VALUES]


FORMS = [
    ({"enum": ["a", "b"]}, {"anyOf": [{"const": "a"}, {"const": "b"}]}),
    ({"enum": ["a", 1, None], "type": ["string", "integer", "null"]}, {"oneOf": [{"const": "a"}, {"const": 1}, {"const": None}], "type": ["string", "integer", "null"]}),
    ({"enum": ["a"]}, {"const": "a"}),
    ({"const": "a"}, {"enum": ["a"]}),
    ({"anyOf": [{"const": "a"}, {"const": "b"}]}, {"enum": ["a", "b"]}),
    ({"oneOf": [{"const": "a"}, {"const": "b"}]}, {"enum": ["a", "b"]}),
    ({"type": ["string", "null"], "minLength": 1}, {"anyOf": [{"type": "string"}, {"type": "null"}], "minLength": 1}),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": ["string", "null"]}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "other"), FORMS, ids=lambda s: json.dumps(s)[:40])
def test_each_form_is_there_and_takes_the_same(schema: Any, other: Any) -> None:
    assert other in alternatives(schema)
    assert {tuple(takes(a)) for a in alternatives(schema)} == {tuple(takes(schema))}
    assert len(set(takes(schema))) == 2  # the values tell schemas apart


def test_properties_and_definitions_each_the_other_way_round() -> None:
    plain = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "null"}},
        "required": ["a"],
    }
    _, defined = _wholes(plain)
    assert defined["properties"] == {"a": {"$ref": "#/$defs/a"}, "b": {"$ref": "#/$defs/b"}}
    assert takes(defined) == takes(plain)
    assert _wholes(defined)[1] == plain


RECURSIVE = {
    "$defs": {"a": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}}},
    "$ref": "#/$defs/a",
}


@pytest.mark.parametrize(
    "schema",
    [
        {"oneOf": [{"const": 1}, {"const": 1.0}]},  # takes neither: both are one value
        {"oneOf": [{"const": "a"}, {"const": "a"}]},
        {"anyOf": [{"type": "string"}, {"type": "null"}], "type": "string"},
        {"enum": ["a"], "const": "b"},
        {"anyOf": [{"type": "string"}, {"type": "string"}]},
        {"enum": [], "type": "string"},
    ],
)
def test_what_would_not_be_equal_is_left_alone(schema: Any) -> None:
    for other in alternatives(schema):
        assert takes(other) == takes(schema)


@pytest.mark.parametrize(
    "schema",
    [
        RECURSIVE,
        {"properties": {"a": {"$ref": "other.json"}}},
        {"$id": "x", "properties": {"a": {"type": "string"}}},
        {
            "$defs": {"a": {"type": "string"}},
            "properties": {"a": {"$ref": "#/$defs/a", "description": "beside it"}},
        },
        {"properties": {"a/b": {"type": "string"}}},
        {"properties": {}},
    ],
)
def test_references_that_cannot_be_moved_stand(schema: Any) -> None:
    assert _wholes(schema) == [schema]


def test_a_strict_schema_has_no_one_of() -> None:
    schema = {"enum": ["a", "b"]}
    assert not any("oneOf" in a for a in alternatives(schema, strict=True))
    assert any("oneOf" in a for a in alternatives(schema))


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    scalars = st.sampled_from([None, True, 0, 1, 1.0, "a", "b", ["a"]])
    types = st.sampled_from(["string", "integer", "null", "boolean", "array", "object"])
    leaves = st.fixed_dictionaries(
        {},
        optional={
            "type": types | st.lists(types, min_size=1, max_size=3, unique=True),
            "enum": st.lists(scalars, min_size=1, max_size=4),
            "const": scalars,
            "anyOf": st.lists(st.fixed_dictionaries({"const": scalars}), min_size=1, max_size=3)
            | st.lists(st.fixed_dictionaries({"type": types}), min_size=1, max_size=3),
            "oneOf": st.lists(st.fixed_dictionaries({"const": scalars}), min_size=1, max_size=3),
            "minLength": st.integers(0, 2),
            "default": scalars,
        },
    )
    names = st.sampled_from(["a", "b", "a/b"])
    objects = st.fixed_dictionaries(
        {"properties": st.dictionaries(names, leaves, max_size=3)},
        optional={
            "type": st.just("object"),
            "required": st.lists(names, max_size=2, unique=True),
            "additionalProperties": st.booleans() | leaves,
            "items": leaves,
            "not": leaves,
        },
    )
    return leaves | objects


@settings(max_examples=80, deadline=None)
@given(
    schemas(),
    st.randoms(use_true_random=False),
    st.dictionaries(st.sampled_from(["a", "b", "a/b"]), st.sampled_from(VALUES)),
)
def test_whatever_is_written_takes_the_same_values(
    schema: dict[str, Any], rng: random.Random, value: Any
) -> None:
    before, valid = takes(schema), CHECK(schema).is_valid(value)
    for forms in (False, True):
        made = Writer(schema, forms=forms).write(rng)
        assert takes(made) == before
        assert CHECK(made).is_valid(value) == valid
