"""Rows of cases as they stand in a file, a table or an iterable, each with its place for the reader of an error."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

from robusttest.core.nouns import Case
from robusttest.errors import CaseError, MissingExtraError, UsageError, did_you_mean

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
"""Formats that a file's name tells."""
READERS: Mapping[str, str] = {"otel": "traces", "robustbench-tc": "robustbench"}
"""Formats that it does not tell, and the module of this room that reads each: `read_path` a file or a folder, `read_items` objects."""
FORMATS = (*(suffix[1:] for suffix in SUFFIXES), *READERS)


class SourceRow(NamedTuple):
    """One row as it was read, and where it stands for the reader of an error."""

    place: str
    values: Mapping[str, Any] | Case


def rows(source: Any, encoding: str, *, kind: str | None = None) -> tuple[str, Iterator[SourceRow]]:
    """A name for errors, and the rows. ``kind`` is the format (``.jsonl``, or one of `READERS`) where a name does not tell."""
    if isinstance(source, str | PathLike):
        path = Path(fspath(source))
        if isinstance(source, str) and ("\n" in source or len(source) > 1000):
            raise CaseError(f"load_cases: {source[:60]!r}… is no path; for texts give a list")
        return str(path), _file_rows(path, encoding, kind)
    if isinstance(source, bytes | Mapping | Case) or not isinstance(source, Iterable):
        if hasattr(source, "to_dict"):
            pass
        else:
            kind = type(source).__name__
            raise CaseError(
                f"load_cases: {kind} is no source of cases; give a path, a DataFrame or a list of dicts"
            )
    if kind is not None and kind in READERS:
        return "cases", _reader(kind).read_items(source, "cases")
    if hasattr(source, "to_dicts"):  # polars
        return "DataFrame", _numbered("DataFrame row", source.to_dicts())
    if hasattr(source, "to_dict") and hasattr(source, "columns"):
        columns = [str(c) for c in source.columns]
        _refuse_repeated_columns(columns, "DataFrame")
        return "DataFrame", _numbered("DataFrame row", source.to_dict("records"))
    return "cases", _items(source)


def _numbered(what: str, records: Iterable[Any], start: int = 0) -> Iterator[SourceRow]:
    for i, record in enumerate(records, start):
        yield SourceRow(f"{what} {i}", record)


def _items(source: Iterable[Any]) -> Iterator[SourceRow]:
    for i, item in enumerate(source):
        place = f"cases[{i}]"
        if isinstance(item, Case | Mapping):
            yield SourceRow(place, item)
        elif isinstance(item, str):
            yield SourceRow(place, {"input": item})
        elif isinstance(item, tuple | list) and len(item) in (1, 2):
            yield SourceRow(place, dict(zip(("input", "target"), item, strict=False)))
        else:
            raise CaseError(
                f"{place}: {str(item)[:80]!r} ({type(item).__name__}) is no case; give dicts, (input, target) pairs, texts "
                "or Case"
            )


def open_bytes(path: Path) -> tuple[bytes, str]:
    """What is in a file, unpacked where it is gzip or Zstandard, and the suffix that says its format (``.csv``).

    Raises `CaseError` for a file that is not there, can't be read or can't be unpacked.
    """
    if not path.exists():
        raise CaseError(
            f"{path}: no such file (from {Path.cwd()}).{did_you_mean(path.name, _siblings(path))}"
        )
    if not path.is_file():
        raise CaseError(f"{path}: not a file")
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise CaseError(f"{path}: can't be read: {e.strerror or e}") from None
    kind = path.suffix.lower()
    if kind in (".gz", ".zst") or raw[:2] == b"\x1f\x8b" or raw[:4] == b"\x28\xb5\x2f\xfd":
        raw = _unpacked(path, raw)
        kind = Path(path.stem).suffix.lower() if kind in (".gz", ".zst") else kind
    return raw, kind


def _unpacked(path: Path, raw: bytes) -> bytes:
    import gzip
    import zlib

    try:
        if raw[:2] == b"\x1f\x8b":
            return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as e:
        raise CaseError(f"{path}: can't be unpacked: {e}") from None
    return unzstd(path, raw)


def unzstd(path: Path, raw: bytes) -> bytes:
    """Zstandard, unpacked by Python itself from 3.14, before by the package ``zstandard``. Raises `CaseError`."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
    except ImportError:
        try:
            import zstandard
        except ImportError:
            raise MissingExtraError(f"{path}: reading Zstandard", "robusttest[zstd]") from None
        parts = []
        try:
            while raw:  # frame by frame; a cut one ends without an error of its own
                frame = zstandard.ZstdDecompressor().decompressobj()
                parts.append(frame.decompress(raw))
                if not frame.eof:
                    raise CaseError(f"{path}: can't be unpacked: it is cut")
                raw = frame.unused_data
        except zstandard.ZstdError as e:
            raise CaseError(f"{path}: can't be unpacked: {e}") from None
        return b"".join(parts)
    try:
        unpacked: bytes = zstd.decompress(raw)
    except zstd.ZstdError as e:
        raise CaseError(f"{path}: can't be unpacked: {e}") from None
    return unpacked


def _reader(kind: str) -> Any:
    return import_module(f"robusttest.tasks.{READERS[kind]}")


def _file_rows(path: Path, encoding: str, given: str | None = None) -> Iterator[SourceRow]:
    packed = path.suffix.lower() in (".gz", ".zst")
    kind = given or (Path(path.stem) if packed else path).suffix.lower()
    if kind not in SUFFIXES and kind not in READERS:
        raise CaseError(
            f"{path}: can't tell its format by {kind or 'a missing suffix'!r}; known: {', '.join(SUFFIXES)}, each also as "
            ".gz or .zst"
        )
    if kind in READERS:
        made: Iterator[SourceRow] = _reader(kind).read_path(
            path, lambda file: _decoded(file, open_bytes(file)[0], encoding)
        )
        return made
    raw, _ = open_bytes(path)
    if kind == ".parquet":
        return _parquet(path)
    text = _decoded(path, raw, encoding)
    if kind in (".csv", ".tsv"):
        return _csv(path, text, "\t" if kind == ".tsv" else _delimiter(text))
    if kind == ".json":
        return _json(path, text)
    return _jsonl(path, text)


def _delimiter(text: str) -> str:
    """What separates the columns of the first line: a comma, unless it has none and another is there."""
    line = text.lstrip("\n\r").partition("\n")[0]
    return next((d for d in ",;\t|" if d in line), ",")


def _siblings(path: Path) -> list[str]:
    try:
        return [p.name for p in path.parent.iterdir()]
    except OSError:
        return []


def _decoded(path: Path, raw: bytes, encoding: str) -> str:
    try:
        text = raw.decode(encoding)
    except LookupError:
        raise UsageError(f"encoding={encoding!r}: unknown encoding") from None
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        guess = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252"
        raise CaseError(
            f"{path}: line {line}, byte {e.start} (0x{raw[e.start]:02x}) is not {encoding}; say what it is, as in "
            f"encoding={guess!r} (--encoding {guess})"
        ) from None
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise CaseError(f"{path}: the file is empty")
    return text


_CHUNK = 5_000


def _csv(path: Path, text: str, delimiter: str) -> Iterator[SourceRow]:
    import csv
    import io

    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)

    def chunk(most: int) -> list[tuple[int, list[str]]]:
        # Not row by row: the limit is the process's, and it is put back.
        before = csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
        try:
            return [(reader.line_num, values) for values in islice(reader, most)]
        except csv.Error as e:
            raise CaseError(f"{path}: line {reader.line_num}: {e}") from None
        finally:
            csv.field_size_limit(before)

    first: list[str] = []
    while not first:
        first = chunk(1)[0][1]  # there is one: the file is not empty
    header = [h.strip() for h in first]
    _refuse_repeated_columns(header, str(path))
    return _csv_rows(path, header, chunk)


def _csv_rows(
    path: Path, header: list[str], chunk: Callable[[int], list[tuple[int, list[str]]]]
) -> Iterator[SourceRow]:
    i, most, name = 0, 1, str(path)  # who wants to know what a file is reads one row
    while lines := chunk(most):
        most = _CHUNK
        for line, values in lines:
            if not values:
                continue
            i += 1
            place = f"{name}: row {i} (line {line})"
            if len(values) != len(header):
                raise CaseError(
                    f"{place}: {len(values)} values for {len(header)} columns ({', '.join(header)}); a comma inside a value "
                    "needs quotes around it"
                )
            # An empty cell is a missing value: csv has no other way to say so.
            if "" in values:
                yield SourceRow(place, {k: v or None for k, v in zip(header, values, strict=True)})
            else:
                yield SourceRow(place, dict(zip(header, values, strict=True)))


def _jsonl(path: Path, text: str) -> Iterator[SourceRow]:
    for i, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as e:
            raise CaseError(f"{path}: line {i}: not JSON: {e}") from None
        yield SourceRow(f"{path}: line {i}", _object(value, f"{path}: line {i}"))


def _json(path: Path, text: str) -> Iterator[SourceRow]:
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
        yield SourceRow(f"{path}: item {i}", _object(item, f"{path}: item {i}"))


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise CaseError(f"{place}: {str(value)[:80]!r} is not an object with columns")
    return value


def _parquet(path: Path) -> Iterator[SourceRow]:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError(f"{path}: reading parquet", "robusttest[parquet]") from None
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as e:
        raise CaseError(f"{path}: not a readable parquet file: {str(e).splitlines()[0]}") from None
    return _numbered(f"{path}: row", table.to_pylist(), 1)


def _refuse_repeated_columns(header: Sequence[str], name: str) -> None:
    twice = [h for h, n in Counter(header).items() if n > 1]
    if twice:
        raise CaseError(f"{name}: the column {twice[0]!r} is there {Counter(header)[twice[0]]} times")
