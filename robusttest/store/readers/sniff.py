"""Which tool wrote a file: told by what is in it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from robusttest.errors import CaseError, UnknownNameError
from robusttest.store.readers import apps, every_eval, harnesses
from robusttest.store.readers.file import FORMATS, FileFacts, ResultFile
from robusttest.tasks.sources import SourceRow, open_bytes, rows

Made = tuple[FileFacts, Iterator[SourceRow]]

_DOCUMENTS: tuple[tuple[str, Callable[[Any], bool], Callable[[Path, Any], Made]], ...] = (
    ("inspect", harnesses.is_inspect, harnesses.inspect_log),
    ("promptfoo", apps.is_promptfoo, apps.promptfoo),
    ("helm", harnesses.is_helm, harnesses.helm),
    ("deepeval", apps.is_deepeval, apps.deepeval),
    ("every-eval-ever", every_eval.is_summary, every_eval.summary),
)
"""Formats that are one JSON value a file: name, how it is known, how it is read."""

_LINES: tuple[tuple[str, Callable[[Any], bool], Callable[[Path, Iterable[SourceRow]], Made]], ...] = (
    ("lm-eval", harnesses.is_lm_eval, harnesses.lm_eval),
    ("openai-evals", harnesses.is_openai_evals, harnesses.openai_evals),
    ("every-eval-ever", every_eval.is_instance, every_eval.instances),
)
"""Formats that are one JSON object a line."""


def open_file(path: str | PathLike[str], *, format: str | None = None, encoding: str = "utf-8") -> ResultFile:
    """The rows of a file, and what it says of itself.

    Raises `UnknownNameError` for a format that is none, `CaseError` for a file that can't be read or is not of the
    format that ``format`` says.
    """
    if format is not None and format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS)
    where = Path(fspath(path))
    raw, kind = open_bytes(where)
    name = fspath(where)
    if raw[:4] == b"PK\x03\x04" and kind != ".parquet":
        said, found = harnesses.inspect_archive(where, raw)
        return ResultFile(name=name, format="inspect", said=said, rows=found)
    if kind in (".json", "") and format in (None, *(n for n, _, _ in _DOCUMENTS)):
        value = _document(raw, encoding)
        for known, fits, reader in _DOCUMENTS:
            if value is not None and format in (None, known) and fits(value):
                said, found = reader(where, value)
                return ResultFile(name=name, format=known, said=said, rows=found)
    if kind in (".jsonl", ".ndjson", ".log", "") and format in (None, *(n for n, _, _ in _LINES)):
        first = _first_object(where, raw, encoding)
        for known, fits, line_reader in _LINES:
            if format in (None, known) and fits(first):
                _, lines = rows(where, encoding, kind=".jsonl")
                said, found = line_reader(where, lines)
                return ResultFile(name=name, format=known, said=said, rows=found)
    if format not in (None, "table"):
        raise CaseError(f"{name}: not a file of {format}; leave out --format to have it told by its content")
    _, found = rows(where, encoding)
    return ResultFile(name=name, format="table", said=FileFacts(), rows=found)


def is_run(path: str | PathLike[str]) -> bool:
    """Whether it is a run file of robusttest, which `robusttest.store.read_run` reads."""
    try:
        with open(path, "rb") as f:
            return b'"kind":"run"' in f.readline(10_000).replace(b" ", b"")
    except OSError:
        return False


def _document(raw: bytes, encoding: str) -> Any:
    try:
        return json.loads(raw.decode(encoding))
    except (ValueError, LookupError):
        return None


def _first_object(path: Path, raw: bytes, encoding: str) -> Any:
    for line in itertools.islice(raw.split(b"\n", 20), 20):
        if line.strip():
            try:
                return json.loads(line.decode(encoding))
            except (ValueError, LookupError):
                return None
    raise CaseError(f"{path}: the file is empty")
