"""Spans as OpenTelemetry leaves them in files: OTLP JSON (a line or a document), or a span by itself as SDKs print it.

Log records that belong to a span, which is how older GenAI conventions keep messages, are its events.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from robusttest.errors import CaseError


@dataclass(slots=True)
class TraceSpan:
    """One span: where it was read, what it belongs to, and what it says."""

    place: str
    trace: str
    id: str
    start: str
    """Sorts by time within a file; spans that don't tell it keep the order of the file."""
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Name and content of each event, in order."""
    error: str | None = None


def documents(text: str, name: str) -> Iterator[tuple[str, Any]]:
    """The JSON values of a text, one after another (a line each, or over many lines), each with its place."""
    decoder, at, line = json.JSONDecoder(), 0, 1
    while True:
        start = at
        while at < len(text) and text[at] in " \t\r\n\x1e":
            at += 1
        line += text.count("\n", start, at)
        if at == len(text):
            return
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as e:
            raise CaseError(f"{name}: line {line}: not JSON: {e}") from None
        yield f"{name}: line {line}", value
        line += text.count("\n", at, end)
        at = end


def spans(values: Iterable[tuple[str, Any]]) -> list[TraceSpan]:
    """The spans among JSON values, in the order of their traces and starts, each with the log records that name it."""
    found: list[TraceSpan] = []
    logs: defaultdict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for place, value in values:
        for kind, item, where in _items(value, place):
            if kind == "span":
                found.append(_span(item, where))
            else:
                trace, span = _ids(item)
                logs[trace, span].append(_event(item))
    for one in found:
        one.events += logs.pop((one.trace, one.id), [])
    # Records whose span is in no file are spans of their own: they hold the whole conversation, or its parts.
    for (trace, span), events in logs.items():
        found.append(TraceSpan(f"log records of trace {trace}", trace, span, "", {}, events))
    first: dict[str, int] = {}
    for i, one in enumerate(found):
        first.setdefault(one.trace, i)
    return sorted(found, key=lambda s: (first[s.trace], s.start))


def _items(value: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from _items(item, f"{place}, item {i}")
        return
    if not isinstance(value, Mapping):
        raise CaseError(f"{place}: {str(value)[:60]!r} is no span: give OTLP JSON, or spans as objects")
    nested = False
    for outer, inner, leaf, kind in (
        ("resourceSpans", "scopeSpans", "spans", "span"),
        ("resource_spans", "scope_spans", "spans", "span"),
        ("resourceLogs", "scopeLogs", "logRecords", "log"),
        ("resource_logs", "scope_logs", "log_records", "log"),
    ):
        if outer in value:
            nested = True
            for resource in _list(value[outer], f"{place}, {outer}"):
                for scope in _list(resource.get(inner) or [], f"{place}, {inner}"):
                    for item in _list(scope.get(leaf) or [], f"{place}, {leaf}"):
                        yield kind, item, place
    if nested:
        return
    if isinstance(value.get("spans"), list):
        yield from _items(value["spans"], place)
    elif "body" in value:
        yield "log", value, place
    elif "attributes" in value or "events" in value:
        yield "span", value, place
    elif not any(key in value for key in ("resourceMetrics", "resource_metrics")):
        raise CaseError(
            f"{place}: neither OTLP JSON (resourceSpans, resourceLogs) nor a span with attributes; it has "
            f"{', '.join(map(repr, value)) or 'nothing'}"
        )


def _list(value: Any, place: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise CaseError(f"{place}: no list of objects")
    return value


def _span(item: Mapping[str, Any], place: str) -> TraceSpan:
    trace, span = _ids(item)
    attributes = _attributes(item.get("attributes"))
    status = item.get("status")
    code = status.get("code", status.get("status_code")) if isinstance(status, Mapping) else status
    error = attributes.get("error.type")
    if error is None and str(code).upper() in ("2", "ERROR", "STATUS_CODE_ERROR"):
        error = "error"
    start = next(
        (
            item[k]
            for k in ("startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime")
            if k in item
        ),
        "",
    )
    return TraceSpan(
        place=place,
        trace=trace,
        id=span,
        start=str(start).zfill(32) if str(start).isdigit() else str(start),
        attributes=attributes,
        events=[_event(e) for e in item.get("events") or () if isinstance(e, Mapping)],
        error=None if error is None else str(error),
    )


def _ids(item: Mapping[str, Any]) -> tuple[str, str]:
    context = item.get("context") if isinstance(item.get("context"), Mapping) else item.get("spanContext")
    held = {**item, **context} if isinstance(context, Mapping) else item
    trace = held.get("traceId") or held.get("trace_id") or ""
    span = held.get("spanId") or held.get("span_id") or held.get("id") or ""
    return str(trace).removeprefix("0x"), str(span).removeprefix("0x")


def _event(item: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and content: an event's attributes, and its body where it is a log record."""
    attributes = _attributes(item.get("attributes"))
    body = item.get("body")
    if isinstance(body, Mapping) and any(k in _VALUES for k in body):
        body = _value(body)
    if isinstance(body, Mapping):
        attributes = {**attributes, **body}
    elif body is not None:
        attributes.setdefault("content", body)
    name = item.get("eventName") or item.get("event_name") or item.get("name") or attributes.get("event.name")
    return str(name or ""), attributes


def _attributes(held: Any) -> dict[str, Any]:
    """Attributes as names and values, whether OTLP's list of keys or an object."""
    if isinstance(held, Mapping):
        return dict(held)
    out = {}
    for pair in held if isinstance(held, list) else ():
        if isinstance(pair, Mapping) and "key" in pair:
            out[str(pair["key"])] = _value(pair.get("value"))
    return out


_VALUES = (
    "stringValue", "string_value", "boolValue", "bool_value", "intValue", "int_value", "doubleValue",
    "double_value", "arrayValue", "array_value", "kvlistValue", "kvlist_value", "bytesValue", "bytes_value",
)  # fmt: skip


def _value(held: Any) -> Any:
    """The JSON value of an OTLP ``AnyValue``."""
    if not isinstance(held, Mapping):
        return held
    for key, value in held.items():
        kind = key.replace("_v", "V").removesuffix("Value")
        if kind == "array":
            return [_value(v) for v in (value or {}).get("values") or ()]
        if kind == "kvlist":
            return _attributes((value or {}).get("values"))
        if kind == "int":
            return int(value)
        if kind in ("string", "bool", "double", "bytes"):
            return value
    return None
