"""Cases from files, tables, lists and generators, with errors that say the file, row and column."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from robusttest.core.nouns import Case, Json, canonical_json, digest
from robusttest.errors import CaseError, UnknownNameError, UsageError, did_you_mean, nearest
from robusttest.scorers.choices import check_labels, option_of
from robusttest.tasks.sources import FORMATS, READERS, SourceRow, rows


def load_cases(
    source: Any,
    *,
    id: str = "id",
    input: str = "input",
    target: str = "target",
    choices: str | Sequence[str] = "choices",
    cluster: str | None = None,
    metadata: Sequence[str] | None = None,
    fields: Sequence[str] | None = None,
    limit: int | None = None,
    encoding: str = "utf-8",
    format: str | None = None,
) -> list[Case]:
    """Read cases.

    ``source``: the path of a csv, tsv, jsonl, ndjson, json or parquet file; a DataFrame; or an iterable of dicts, of
    ``(input, target)`` pairs, of texts, or of `Case`.

    The other arguments are names of columns, given where they are not called so: ``load_cases("tickets.jsonl",
    input="text", target="intent")``. The column ``input`` becomes the field ``input``; ``fields`` names further
    columns that are part of the question (and are perturbed like it), or all of them where there is no input
    column. Every other column is metadata (or those of ``metadata`` alone); a task whose prompt shows one makes it a
    field.

    ``id``: kept as text, else derived from the content, so that it stays the same when rows move. ``choices``: a column
    that holds a list (in a csv file as JSON, or separated by ``|``), or a list of columns with one option each. A target
    among choices may be the option's text, its letter, or its position where the file shows from what it counts.
    ``cluster``: cases that share it are not independent.

    ``format``: of the file, where its name does not tell it. ``otel``: traces of an application by OpenTelemetry's GenAI
    conventions (OTLP JSON, or spans as objects): a case for each request of a user, with the columns ``answer``, ``calls``,
    ``history``, ``system``, ``tools``, ``model``, ``conversation``, ``error`` and ``trace``. What was answered is not what is
    right: there is no target until ``target="answer"`` (or ``"calls"``) says that the answers were reviewed.
    ``robustbench-tc``: the folder of that benchmark (`robusttest.tasks.robustbench`), or one file of it.

    Raises `CaseError` (file, row, column) for missing columns, an empty source, duplicate ids, missing targets.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise UsageError(f"load_cases(limit={limit!r}): a positive number of cases")
    if format is not None and format not in FORMATS:
        raise UnknownNameError("format", str(format), FORMATS)
    _check_columns(id=id, input=input, target=target, cluster=cluster)
    kind = f".{format}" if format is not None and format not in READERS else format
    name, found = rows(source, encoding, kind=kind)
    reader = _CaseReader(name, id, input, target, choices, cluster, metadata, fields)
    out = [reader.case(row) for row in islice(found, limit)]
    if not out:
        raise CaseError(f"{name}: no cases in it")
    out = _told_apart(out)
    _refuse_duplicates(out, name)
    _refuse_missing_targets(out, name, target)
    return list(with_choices(tuple(out), None, name))


def _check_columns(**columns: Any) -> None:
    """Each of these names one column."""
    for argument, column in columns.items():
        if column is None or isinstance(column, str):
            continue
        listed = [c for c in column if isinstance(c, str)] if isinstance(column, list | tuple) else []
        hint = ""
        if argument == "input" and listed:
            rest = f", fields={listed[1:]!r}" if len(listed) > 1 else ""
            hint = (
                f": write input={listed[0]!r}{rest}; the prompt shows each by its name, as in "
                f"{' '.join(f'{{{c}}}' for c in ['input', *listed[1:]])!r}"
            )
        raise UsageError(f"load_cases({argument}={column!r}): the name of one column{hint}")


ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def _check_input(value: Json, place: str) -> None:
    """An input is one value: a text, or a conversation; also the content parts of one message."""
    if isinstance(value, Mapping):
        keys = [str(k) for k in value]
        named = ", ".join(map(repr, keys[:3])) + (", …" if len(keys) > 3 else "")
        raise CaseError(
            f"{place}: an object with the keys {named or '(none)'}; an input is one text. Make its parts fields of the case, as in "
            f"load_cases(…, fields=[{named}]), and show each in the prompt by its name, as in '{{{(keys or ['question'])[0]}}}'"
        )
    if not isinstance(value, list | tuple):
        return
    if value and all(isinstance(m, Mapping) and ("role" in m or "type" in m) for m in value):
        for m in value:
            _check_message(m, place)
        return
    shown = canonical_json(list(value))
    raise CaseError(
        f"{place}: a list of {len(value)} ({shown[:60] + '…' if len(shown) > 60 else shown}); an input is one text. Write a case for each, "
        "or, where they are parts of one question, give each a column of its own: load_cases(…, fields=['question', 'context']). "
        "A conversation is a list of messages: [{'role': 'user', 'content': '…'}]"
    )


def _check_message(message: Any, place: str) -> None:
    if "role" not in message:
        return  # a content part
    if message["role"] not in ROLES:
        raise CaseError(
            f"{place}: a message of the role {message['role']!r}.{did_you_mean(str(message['role']), ROLES)} Roles: {', '.join(ROLES)}"
        )
    content = message.get("content")
    if not isinstance(content, str | list | tuple) and not message.get("tool_calls"):
        raise CaseError(
            f"{place}: a message of {message['role']!r} without a content: {canonical_json(dict(message))[:80]}"
        )


_DERIVED = re.compile("[0-9a-f]{12}")


def broken_down(cases: Sequence[Case], columns: Sequence[str]) -> tuple[Case, ...]:
    """The cases with their values of these columns in ``by``: ``target``, ``cluster``, metadata and fields go by name. A
    case that lacks one has none.
    """
    if not columns:
        return tuple(cases)
    out = []
    for case in cases:
        found = {name: said for name in columns if (said := _of_column(case, name)) is not None}
        out.append(replace(case, by={**case.by, **found}))
    return tuple(out)


def columns_of(cases: Sequence[Case]) -> list[str]:
    """The columns by which cases can be broken down."""
    seen: dict[str, None] = {}
    for case in cases:
        seen.update(dict.fromkeys([*case.metadata, *case.fields]))
    for name in ("cluster", "target"):
        if any(getattr(case, name) is not None for case in cases):
            seen.setdefault(name)
    return list(seen)


_LONGEST = 200


def _of_column(case: Case, name: str) -> str | None:
    value = case.metadata.get(name, case.fields.get(name))
    if value is None and name in ("target", "cluster"):
        value = getattr(case, name)
    if value is None:
        return None
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


class _CaseReader:
    def __init__(
        self,
        name: str,
        id: str,
        input: str,
        target: str,
        choices: str | Sequence[str],
        cluster: str | None,
        metadata: Sequence[str] | None,
        fields: Sequence[str] | None,
    ) -> None:
        for label, value in (("metadata", metadata), ("fields", fields)):
            if isinstance(value, str):
                raise UsageError(
                    f"load_cases({label}={value!r}): a list of columns, as in {label}=[{value!r}]"
                )
        self.name, self.id, self.input, self.target = name, id, input, target
        self.choices, self.cluster, self.metadata = choices, cluster, metadata
        self.fields = tuple(fields or ())

    def case(self, row: SourceRow) -> Case:
        place, values = row
        if isinstance(values, Case):
            _check_input(values.fields.get("input"), f"{place} ({values.id})")
            return values
        fields: dict[str, Json] = {}
        if self.input in values or self.input != "input" or not self.fields:
            fields["input"] = self._value(place, values, self.input, hint=not self.fields)
            _check_input(fields["input"], f"{place}, column {self.input!r}")
        for column in self.fields:
            fields.setdefault("input" if column == self.input else column, self._value(place, values, column))
        if all(v is None for v in fields.values()):
            raise CaseError(f"{place}, column {self.input!r}: empty")
        target = (
            self._value(place, values, self.target) if self._given(values, self.target, "target") else None
        )
        choices = self._options(place, values)
        cluster = None if self.cluster is None else self._value(place, values, self.cluster)
        taken = {self.id, self.input, self.target, self.cluster, *self.fields}
        taken |= {self.choices} if isinstance(self.choices, str) else set(self.choices)
        if self.metadata is None:
            rest = {str(k): _loose(v) for k, v in values.items() if k not in taken}
        else:
            rest = {k: self._value(place, values, k) for k in self.metadata}
        return Case(
            id=self._identity(place, values, fields, target, choices),
            fields=fields,
            target=target,
            choices=choices,
            metadata=rest,
            cluster=None if cluster is None else str(cluster),
        )

    def _given(self, values: Mapping[str, Any], column: str, default: str) -> bool:
        """A column that the caller named must be there; one of the usual name may be."""
        return column in values or column != default

    def _value(self, place: str, values: Mapping[str, Any], column: str, *, hint: bool = False) -> Json:
        if column not in values:
            if any(str(key).startswith("resource") for key in values):
                raise CaseError(
                    f"{place}: no column {column!r}; for OpenTelemetry's traces say format='otel'"
                )
            near = nearest(column, map(str, values), cutoff=0.5)
            guess = "" if near is None else f" Did you mean {near!r}?"
            how = f" Name it: load_cases(…, input={near or next(map(str, values), 'text')!r})" if hint else ""
            raise CaseError(
                f"{place}: no column {column!r}.{guess} Columns: {', '.join(map(str, values)) or 'none'}.{how}"
            )
        return _plain(values[column], f"{place}, column {column!r}")

    def _identity(
        self, place: str, values: Mapping[str, Any], fields: Mapping[str, Json], target: Json, choices: Any
    ) -> str:
        if self._given(values, self.id, "id"):
            value = self._value(place, values, self.id)
            if value is None or isinstance(value, list | dict | bool) or not str(value).strip():
                raise CaseError(f"{place}, column {self.id!r}: {value!r} is no id")
            if isinstance(value, float) and value.is_integer():
                value = int(value)  # what a DataFrame makes of integers beside a gap
            return str(value).strip()
        return _derived(fields, target, choices)

    def _options(self, place: str, values: Mapping[str, Any]) -> tuple[str, ...] | None:
        if not isinstance(self.choices, str):
            found: Json = [self._value(place, values, column) for column in self.choices]
            found = [x for x in found if x is not None]  # questions with fewer options than columns
            column = ", ".join(self.choices)
        else:
            if not self._given(values, self.choices, "choices"):
                return None
            column = self.choices
            found = self._value(place, values, column)
        if found is None:
            return None
        if isinstance(found, dict) and isinstance(found.get("text"), list):
            found = found["text"]  # {"text": […], "label": […]}, as in ARC
        if isinstance(found, str):
            found = _list_in_text(found)
        if not isinstance(found, list):
            raise CaseError(
                f"{place}, column {column!r}: {found!r} is not a list of options (as JSON, or 'a|b|c')"
            )
        options = tuple(x if isinstance(x, str) else canonical_json(x) for x in found)
        try:
            check_labels(options, f"{place}, column {column!r}")
        except UsageError as e:
            raise CaseError(str(e)) from None
        return options


def _derived(*parts: Any) -> str:
    """An id made of a case's content."""
    return digest(canonical_json([dict(p) if isinstance(p, Mapping) else p for p in parts]), size=6)


def _told_apart(cases: list[Case]) -> list[Case]:
    """Where derived ids are equal and other columns are not (the passages of one question, the images of one prompt), an id
    is made of all columns: which of them a prompt shows is not known yet.
    """
    times = Counter(c.id for c in cases)
    if len(times) == len(cases):
        return cases
    out = []
    for case in cases:
        if (
            times[case.id] > 1
            and case.metadata
            and case.id == _derived(case.fields, case.target, case.choices)
        ):
            case = replace(case, id=_derived(case.fields, case.target, case.choices, case.metadata))
        out.append(case)
    return out


def refuse_copies(cases: Sequence[Case], where: str) -> None:
    """Refuse cases without ids of their own whose question is the same, as the task puts it."""
    seen: dict[str, tuple[int, Case]] = {}
    for i, case in enumerate(cases, 1):
        if not _DERIVED.fullmatch(case.id):
            continue
        place, first = seen.setdefault(_derived(case.fields, case.target, case.choices), (i, case))
        if first is not case:
            other = sorted(k for k in {**case.metadata, **first.metadata}
                           if case.metadata.get(k) != first.metadata.get(k))  # fmt: skip
            raise CaseError(
                f"{where}: cases {place} and {i} put the same question with the same right answer; they differ in "
                f"{', '.join(map(repr, other)) or 'nothing'}, which the prompt does not show: show it, remove one, or give "
                "each an id"
            )


def _list_in_text(text: str) -> Json:
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            pass
    return [part.strip() for part in text.split("|")] if "|" in text else text


def _plain(value: Any, place: str) -> Json:
    """A JSON value: numpy scalars as numbers, NaN as None, dates as ISO text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if math.isinf(value):
            raise CaseError(f"{place}: {value!r} is not a finite number")
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {str(k): _plain(v, place) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, place) for v in value]
    if isinstance(value, datetime.date | datetime.time):
        return None if value != value else value.isoformat()  # pandas' NaT is a datetime
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return _plain(value.tolist(), place)
    if value != value or type(value).__name__ in ("NAType", "NaTType"):
        return None
    raise CaseError(f"{place}: {type(value).__name__} is no JSON value: {str(value)[:80]!r}")


def _loose(value: Any) -> Json:
    """Metadata of any type: what is not JSON is kept as its text."""
    try:
        return _plain(value, "")
    except CaseError:
        return str(value)


# --- checks of the whole ----------------------------------------------------------------------------------------


def _refuse_duplicates(cases: list[Case], name: str) -> None:
    places: dict[str, list[int]] = {}
    for i, case in enumerate(cases, 1):
        places.setdefault(case.id, []).append(i)
    twice = {k: v for k, v in places.items() if len(v) > 1}
    if twice:
        shown = "; ".join(f"{k!r} in cases {', '.join(map(str, v[:5]))}" for k, v in list(twice.items())[:3])
        more = f" and {len(twice) - 3} more" if len(twice) > 3 else ""
        same = (
            len(
                {
                    canonical_json([dict(c.fields), c.target, c.choices, dict(c.metadata)])
                    for c in cases
                    if c.id == next(iter(twice))
                }
            )
            == 1
        )
        why = "; they are equal: remove the copies, or give each an id" if same else ""
        raise CaseError(f"{name}: duplicate ids: {shown}{more}{why}")


def _refuse_missing_targets(cases: list[Case], name: str, column: str) -> None:
    missing = [i for i, c in enumerate(cases, 1) if c.target is None]
    # A column of the usual name may be empty: then nothing says what is right. One that the caller names may not.
    if missing and (len(missing) < len(cases) or column != "target"):
        named = [str(i) if _DERIVED.fullmatch(c := cases[i - 1].id) else f"{i} ({c})" for i in missing[:5]]
        shown = ", ".join(named) + (" …" if len(missing) > 5 else "")
        raise CaseError(
            f"{name}: column {column!r} is empty (or NaN) in {len(missing)} of {len(cases)} rows: {shown}"
        )


def with_choices(cases: tuple[Case, ...], labels: tuple[str, ...] | None, where: str) -> tuple[Case, ...]:
    """The cases with ``labels`` as their choices, and every target among choices as the option's text.

    A target may be the text, its letter (``B``, ``(b)``) or a position: from 0 if one case has 0, from 1 if one has
    the number of its options; `CaseError` where the targets don't tell.
    """
    if labels is not None:
        check_labels(labels, where)
        for case in cases:
            if case.choices is not None and set(case.choices) != set(labels):
                raise CaseError(
                    f"{where}: case {case.id!r} has the choices {list(case.choices)!r}, not {list(labels)!r}"
                )
        cases = tuple(c if c.choices is not None else replace(c, choices=labels) for c in cases)
    first: list[int | None] = []
    return tuple(_with_option(case, cases, where, first) for case in cases)


def _with_option(case: Case, cases: tuple[Case, ...], where: str, first: list[int | None]) -> Case:
    if case.choices is None or case.target is None or case.target in case.choices:
        return case
    if isinstance(case.target, list | tuple):
        several = [option_of(t, case.choices) for t in case.target]
        if None not in several:
            return replace(case, target=several)
    elif (option := option_of(case.target, case.choices)) is not None:
        return replace(case, target=option)
    elif (position := _position(case.target)) is not None:
        if not first:
            first.append(_counted_from(cases))
        if first[0] is None:
            raise CaseError(
                f"{where}: case {case.id!r}: the target {case.target!r} may count options from 0 or from 1; give the "
                f"option's text or letter: {list(case.choices)!r}"
            )
        if 0 <= position - first[0] < len(case.choices):
            return replace(case, target=case.choices[position - first[0]])
    hint = "." + did_you_mean(str(case.target), case.choices)
    raise CaseError(
        f"{where}: case {case.id!r}: the target {case.target!r} is none of its choices {list(case.choices)!r}{hint}"
    )


def _position(value: Json) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    return value if isinstance(value, int) else None


def _counted_from(cases: tuple[Case, ...]) -> int | None:
    found = [
        (p, len(c.choices))
        for c in cases
        if c.choices is not None and c.target not in c.choices and (p := _position(c.target)) is not None
    ]
    if any(p == 0 for p, _ in found):
        return 0
    return 1 if any(p == n for p, n in found) else None
