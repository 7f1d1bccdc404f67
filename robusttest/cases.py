"""Cases from files, tables, lists and generators, with errors that say the file, row and column."""

from __future__ import annotations

import datetime
import difflib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

from robusttest.data import Case, Json, canonical_json, digest
from robusttest.errors import CaseError, MissingExtraError, UsageError
from robusttest.scorers.choices import check_labels, option_of

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")


class _Row(NamedTuple):
    """One row as it was read, and where it stands for the reader of an error."""

    place: str
    values: Mapping[str, Any] | Case


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

    Raises `CaseError` (file, row, column) for missing columns, an empty source, duplicate ids, missing targets.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise UsageError(f"load_cases(limit={limit!r}): a positive number of cases")
    name, rows = _rows(source, encoding)
    reader = _Reader(name, id, input, target, choices, cluster, metadata, fields)
    out = [reader.case(row) for row in islice(rows, limit)]
    if not out:
        raise CaseError(f"{name}: no cases in it")
    _refuse_duplicates(out, name)
    _refuse_missing_targets(out, name, target)
    return list(with_choices(tuple(out), None, name))


class _Reader:
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

    def case(self, row: _Row) -> Case:
        place, values = row
        if isinstance(values, Case):
            return values
        fields: dict[str, Json] = {}
        if self.input in values or self.input != "input" or not self.fields:
            fields["input"] = self._value(place, values, self.input, hint=not self.fields)
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
            near = difflib.get_close_matches(column, [str(k) for k in values], n=1, cutoff=0.5)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            how = (
                f" Name it: load_cases(…, input={(near or list(map(str, values)) or ['text'])[0]!r})"
                if hint
                else ""
            )
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
        return digest(canonical_json([dict(fields), target, choices]), size=6)

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


# --- sources --------------------------------------------------------------------------------------------------


def _rows(source: Any, encoding: str) -> tuple[str, Iterator[_Row]]:
    """A name for errors, and the rows."""
    if isinstance(source, str | PathLike):
        path = Path(fspath(source))
        if isinstance(source, str) and ("\n" in source or len(source) > 1000):
            raise CaseError(f"load_cases: {source[:60]!r}… is no path; for texts give a list")
        return str(path), _file_rows(path, encoding)
    if isinstance(source, bytes | Mapping | Case) or not isinstance(source, Iterable):
        if hasattr(source, "to_dict"):
            pass
        else:
            kind = type(source).__name__
            raise CaseError(
                f"load_cases: {kind} is no source of cases; give a path, a DataFrame or a list of dicts"
            )
    if hasattr(source, "to_dicts"):  # polars
        return "DataFrame", _numbered("DataFrame row", source.to_dicts())
    if hasattr(source, "to_dict") and hasattr(source, "columns"):
        columns = [str(c) for c in source.columns]
        _refuse_repeated_columns(columns, "DataFrame")
        return "DataFrame", _numbered("DataFrame row", source.to_dict("records"))
    return "cases", _items(source)


def _numbered(what: str, records: Iterable[Any], start: int = 0) -> Iterator[_Row]:
    for i, record in enumerate(records, start):
        yield _Row(f"{what} {i}", record)


def _items(source: Iterable[Any]) -> Iterator[_Row]:
    for i, item in enumerate(source):
        place = f"cases[{i}]"
        if isinstance(item, Case | Mapping):
            yield _Row(place, item)
        elif isinstance(item, str):
            yield _Row(place, {"input": item})
        elif isinstance(item, tuple | list) and len(item) in (1, 2):
            yield _Row(place, dict(zip(("input", "target"), item, strict=False)))
        else:
            raise CaseError(
                f"{place}: {str(item)[:80]!r} ({type(item).__name__}) is no case; give dicts, (input, target) pairs, texts "
                "or Case"
            )


def _file_rows(path: Path, encoding: str) -> Iterator[_Row]:
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise CaseError(
            f"{path}: can't tell its format by {kind or 'a missing suffix'!r}; known: {', '.join(FORMATS)}"
        )
    if not path.exists():
        near = difflib.get_close_matches(path.name, _siblings(path), n=1)
        raise CaseError(
            f"{path}: no such file (from {Path.cwd()})" + (f". Did you mean {near[0]!r}?" if near else "")
        )
    if not path.is_file():
        raise CaseError(f"{path}: not a file")
    if kind == ".parquet":
        return _parquet(path)
    text = _read(path, encoding)
    if kind in (".csv", ".tsv"):
        return _csv(path, text, "\t" if kind == ".tsv" else ",")
    if kind == ".json":
        return _json(path, text)
    return _jsonl(path, text)


def _siblings(path: Path) -> list[str]:
    try:
        return [p.name for p in path.parent.iterdir()]
    except OSError:
        return []


def _read(path: Path, encoding: str) -> str:
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise CaseError(f"{path}: can't be read: {e.strerror or e}") from None
    try:
        text = raw.decode(encoding)
    except LookupError:
        raise UsageError(f"load_cases(encoding={encoding!r}): unknown encoding") from None
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        guess = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252"
        raise CaseError(
            f"{path}: line {line}, byte {e.start} (0x{raw[e.start]:02x}) is not {encoding}; say what it is, as in "
            f"load_cases(…, encoding={guess!r})"
        ) from None
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise CaseError(f"{path}: the file is empty")
    return text


def _csv(path: Path, text: str, delimiter: str) -> Iterator[_Row]:
    import csv
    import io

    before = csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    try:
        # Here, not row by row: the limit is the process's, and it is put back.
        lines = []
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            for values in reader:
                lines.append((reader.line_num, values))
        except csv.Error as e:
            raise CaseError(f"{path}: line {reader.line_num}: {e}") from None
    finally:
        csv.field_size_limit(before)
    lines = [(n, values) for n, values in lines if values]
    header = [h.strip() for h in lines[0][1]]
    _refuse_repeated_columns(header, str(path))
    return _csv_rows(path, header, lines[1:])


def _csv_rows(path: Path, header: list[str], lines: list[tuple[int, list[str]]]) -> Iterator[_Row]:
    for i, (line, values) in enumerate(lines, 1):
        place = f"{path}: row {i} (line {line})"
        if len(values) != len(header):
            raise CaseError(
                f"{place}: {len(values)} values for {len(header)} columns ({', '.join(header)}); a comma inside a value "
                "needs quotes around it"
            )
        # An empty cell is a missing value: csv has no other way to say so.
        yield _Row(place, {k: v if v != "" else None for k, v in zip(header, values, strict=True)})


def _jsonl(path: Path, text: str) -> Iterator[_Row]:
    for i, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as e:
            raise CaseError(f"{path}: line {i}: not JSON: {e}") from None
        yield _Row(f"{path}: line {i}", _object(value, f"{path}: line {i}"))


def _json(path: Path, text: str) -> Iterator[_Row]:
    try:
        value = json.loads(text)
    except ValueError as e:
        raise CaseError(f"{path}: not JSON: {e}") from None
    if isinstance(value, dict):
        lists = [k for k, v in value.items() if isinstance(v, list)]
        if len(lists) != 1:
            raise CaseError(
                f"{path}: give a list of objects, or an object with one list (it has {len(lists)})"
            )
        value = value[lists[0]]
    if not isinstance(value, list):
        raise CaseError(f"{path}: a {type(value).__name__}, not a list of objects")
    for i, item in enumerate(value):
        yield _Row(f"{path}: item {i}", _object(item, f"{path}: item {i}"))


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise CaseError(f"{place}: {str(value)[:80]!r} is not an object with columns")
    return value


def _parquet(path: Path) -> Iterator[_Row]:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError(f"{path}: reading parquet", "robusttest[parquet]") from None
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as e:
        raise CaseError(f"{path}: not a readable parquet file: {str(e).splitlines()[0]}") from None
    return _numbered(f"{path}: row", table.to_pylist(), 1)


# --- checks of the whole ----------------------------------------------------------------------------------------


def _refuse_repeated_columns(header: Sequence[str], name: str) -> None:
    twice = [h for h, n in Counter(header).items() if n > 1]
    if twice:
        raise CaseError(f"{name}: the column {twice[0]!r} is there {Counter(header)[twice[0]]} times")


def _refuse_duplicates(cases: list[Case], name: str) -> None:
    places: dict[str, list[int]] = {}
    for i, case in enumerate(cases, 1):
        places.setdefault(case.id, []).append(i)
    twice = {k: v for k, v in places.items() if len(v) > 1}
    if twice:
        shown = "; ".join(f"{k!r} in cases {', '.join(map(str, v[:5]))}" for k, v in list(twice.items())[:3])
        more = f" and {len(twice) - 3} more" if len(twice) > 3 else ""
        same = (
            len({canonical_json([dict(c.fields), c.target]) for c in cases if c.id == next(iter(twice))}) == 1
        )
        why = "; they are equal: remove the copies, or give each an id" if same else ""
        raise CaseError(f"{name}: duplicate ids: {shown}{more}{why}")


def _refuse_missing_targets(cases: list[Case], name: str, column: str) -> None:
    missing = [i for i, c in enumerate(cases, 1) if c.target is None]
    if missing and len(missing) < len(cases):
        shown = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
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
    near = difflib.get_close_matches(str(case.target), case.choices, n=1)
    hint = f". Did you mean {near[0]!r}?" if near else ""
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
