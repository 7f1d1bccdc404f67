"""JSON Schema, by the library ``jsonschema``: what a schema may say, and where a value does not fit it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from robusttest.core.nouns import Json, canonical_json
from robusttest.errors import UsageError, did_you_mean

_NOTES = frozenset(
    ("$schema", "$id", "$anchor", "$dynamicAnchor", "$comment", "$vocabulary", "title", "description", "default", "examples", "deprecated",
     "readOnly", "writeOnly", "contentEncoding", "contentMediaType", "contentSchema", "discriminator", "strict", "name")
)  # fmt: skip
"""Keywords that check nothing: they describe."""
_PARTS = frozenset(("$defs", "definitions", "then", "else", "minContains", "maxContains"))
"""Keywords that others read."""
_OF_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_ARE_SCHEMAS = (
    "items", "prefixItems", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "additionalProperties", "contains", "propertyNames",
    "unevaluatedItems", "unevaluatedProperties", "additionalItems", "contentSchema",
)  # fmt: skip
_DESCRIBING_FORMATS = frozenset(
    ("password", "binary", "byte", "base64", "base64url", "path", "file-path", "directory-path", "json-string", "int32", "int64", "float",
     "double", "decimal")
)  # fmt: skip
"""Formats of OpenAPI and pydantic that say how a value is meant, where nothing is to be checked in JSON."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema that is checked and can be checked against; equal if it says the same."""

    text: str
    """As canonical JSON."""

    @classmethod
    def of(cls, schema: Any) -> Schema:
        """A dict, or a pydantic model's class. Raises `UsageError` that says where it is wrong.

        A keyword or a format that checks nothing is refused, as it would look checked and not be; so is a ``$ref`` that
        leads nowhere. Nothing is fetched.
        """
        if hasattr(schema, "model_json_schema"):
            schema = schema.model_json_schema()
        if not isinstance(schema, Mapping):
            raise UsageError(f"json_schema({schema!r}): give a schema as a dict, or a pydantic model")
        try:
            made = cls(canonical_json(schema))
        except (TypeError, ValueError) as e:
            raise UsageError(f"json_schema: the schema is not JSON ({e})") from None
        _check(made)
        return made

    def misfit(self, value: Json) -> str | None:
        """Where and why ``value`` does not fit; None where it does."""
        from jsonschema.exceptions import best_match

        try:
            error = best_match(_validator(self.text).iter_errors(value))
        except RecursionError:
            return "the reply is nested too deeply to be checked"
        return None if error is None else f"the reply{error.json_path[1:]}: {error.message}"


@lru_cache(maxsize=64)
def _validator(text: str) -> Any:
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry

    schema = json.loads(text)
    made = validator_for(schema, default=Draft202012Validator)
    # An empty registry fetches nothing; the metaschemas are the library's own.
    return made(schema, registry=Registry(), format_checker=_formats())


@lru_cache(maxsize=1)
def _formats() -> Any:
    from jsonschema import FormatChecker

    checker = FormatChecker()

    def checks(name: str, reads: Callable[[str], Any]) -> None:
        def fits(value: object) -> bool:
            if isinstance(value, str):
                reads(value)
            return True

        checker.checks(name, raises=(ValueError, TypeError))(fits)

    checks("date-time", _date_time)
    checks("date", date.fromisoformat)
    checks("time", _time)
    checks("duration", _duration)
    checks("uuid", _uuid)
    for name in ("uri", "iri", "url"):
        checks(name, _uri)
    return checker


def _date_time(text: str) -> None:
    if text[10:11] not in ("T", "t", " "):
        raise ValueError(text)
    datetime.fromisoformat(text.upper())


def _time(text: str) -> None:
    if ":" not in text:
        raise ValueError(text)
    time.fromisoformat(text.upper())


def _duration(text: str) -> None:
    if not re.fullmatch(
        r"P(?=.)(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?)",
        text,
        re.ASCII,
    ):
        raise ValueError(text)


def _uuid(text: str) -> None:
    if str(UUID(text)) != text.lower():
        raise ValueError(text)


def _uri(text: str) -> None:
    parts = urlsplit(text)
    if not parts.scheme or not (parts.netloc or parts.path) or any(c.isspace() for c in text):
        raise ValueError(text)


def _check(schema: Schema) -> None:
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    validator = _validator(schema.text)
    stated = validator.schema.get("$schema")
    if stated is not None and validator_for(validator.schema, default=None) is None:
        raise UsageError(
            f"json_schema: $schema is {stated!r}, which is no draft of JSON Schema that is known"
        )
    try:
        validator.check_schema(validator.schema)
    except SchemaError as e:
        raise UsageError(f"json_schema: schema{e.json_path[1:]}: {e.message}") from None
    known = sorted({*validator.VALIDATORS, *_NOTES, *_PARTS})
    formats = sorted({*_formats().checkers, *_DESCRIBING_FORMATS})
    for where, part, resolver in _parts(validator.schema):
        for key, value in part.items():
            if key not in known and not key.startswith("x-"):
                raise UsageError(
                    f"json_schema: {where} has {key!r}, which is not checked.{did_you_mean(key, known)} Leave it out"
                )
            if key == "format" and value not in formats:
                raise UsageError(
                    f"json_schema: {where} has the format {value!r}, which is not checked.{did_you_mean(str(value), formats)} "
                    "Write a pattern instead"
                )
            if key in ("$ref", "$dynamicRef"):
                _followed(resolver, value, where)
    try:
        validator.is_valid(None)
    except RecursionError:
        raise UsageError("json_schema: a $ref of the schema leads back to itself") from None


def _followed(resolver: Any, ref: str, where: str) -> None:
    from referencing.exceptions import Unresolvable

    try:
        resolver.lookup(ref)
    except Unresolvable:
        raise UsageError(f"json_schema: {where} has the $ref {ref!r}, which leads nowhere in it") from None


def _parts(schema: Any) -> Iterator[tuple[str, Mapping[str, Json], Any]]:
    """The schema and every schema in it, with its place and what resolves its references."""
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    if not isinstance(schema, Mapping):
        return
    root = Resource.from_contents(schema, default_specification=DRAFT202012)
    resolver = Registry().resolver_with_root(root)
    left: list[tuple[str, Any, Any]] = [("schema", schema, resolver)]
    while left:
        where, part, resolver = left.pop()
        if not isinstance(part, Mapping):
            continue
        if part is not schema and "$id" in part:
            resolver = resolver.in_subresource(
                Resource.from_contents(part, default_specification=DRAFT202012)
            )
        yield where, part, resolver
        for key, value in part.items():
            if key in _OF_SCHEMAS and isinstance(value, Mapping):
                left += [(f"{where}.{key}.{name}", inner, resolver) for name, inner in value.items()]
            elif key in _ARE_SCHEMAS and isinstance(value, list):
                left += [(f"{where}.{key}[{i}]", inner, resolver) for i, inner in enumerate(value)]
            elif key in _ARE_SCHEMAS:
                left.append((f"{where}.{key}", value, resolver))
