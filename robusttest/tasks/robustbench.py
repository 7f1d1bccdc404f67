"""RobustBench-TC's files → rows of cases: each clean task, and beside it what its perturbations make of it.

The benchmark (arXiv 2605.11928, CC-BY-4.0) is a folder of 17 JSON Lines files: ``clean.jsonl`` with 199 tasks, and one file for each
of its 16 perturbations of query, tool list and descriptions; ``id`` says which task a row is of. A row's ``conversation``, ``tools``,
``golden_answers``, ``perturbation``, ``eval_config`` and ``source`` are JSON in texts. Its faults of tools are made at run time and in
no file: `robusttest.perturbations.tool_fault` has those.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from robusttest.core.nouns import Json
from robusttest.errors import CaseError, did_you_mean
from robusttest.tasks.sources import SourceRow
from robusttest.tasks.trace_spans import documents

PERTURBATIONS = (
    "realistic_typos",
    "query_paraphrase",
    "paraphrase_tool_description",
    "paraphrase_parameter_description",
    "same_name_A",
    "same_name_B",
    "same_name_C",
    "same_name_D",
    "same_name_E",
    "redundant",
    "CD",
    "TD",
    "CD_NT",
    "TD_NT",
    "CD_AB",
    "TD_AB",
)
"""The files beside ``clean.jsonl``: how a user writes, what is offered beside, what is said of the tools."""
CLEAN = "clean"

_SAME_NAME = re.compile(
    r"(?P<before>.*)_(?P<kind>\w+?)_type_[A-E]__same_name_(?P=kind)_type_[A-E]_(?P<number>\d+)"
)
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": None}
"""Types of the Berkeley leaderboard's schemas, and JSON Schema's; None: left out, as it allows any value."""


def read_path(path: Path, text_of: Callable[[Path], str]) -> Iterator[SourceRow]:
    """The rows of the benchmark's folder, or of one of its files. Columns: ``id``, ``input`` (the last message), ``target`` (the
    calls that are right), ``history`` (the messages before), ``tools``, ``benchmark``, ``category``, ``method`` (how the benchmark
    itself scores); of a folder also one for each perturbation, with what it changes, which ``counterpart:NAME`` puts.

    Names of tools are spelt as providers take them (``mutation_type.find`` → ``mutation_type_find``). A row of a perturbation whose
    task is not in ``clean.jsonl`` is left out. Raises `CaseError` for a folder without ``clean.jsonl``, and a file without a row of
    any of its tasks.
    """
    if not path.is_dir():
        for place, row in documents(text_of(path), str(path)):
            yield SourceRow(place, _values(_row(row, place), place))
        return
    clean = path / f"{CLEAN}.jsonl"
    if not clean.is_file():
        there = sorted(p.name for p in path.iterdir())
        raise CaseError(
            f"{path}: no {clean.name} in it, which a folder of RobustBench-TC has.{did_you_mean(clean.name, there)} There are: "
            f"{', '.join(there) or 'no files'}"
        )
    tasks = {}
    for place, row in documents(text_of(clean), str(clean)):
        held = _row(row, place)
        tasks[str(held.get("id"))] = (place, _values(held, place))
    for name in PERTURBATIONS:
        file = path / f"{name}.jsonl"
        if file.is_file():
            _beside(tasks, name, file, text_of(file))
    for place, values in tasks.values():
        yield SourceRow(place, values)


def read_items(items: Iterable[Any], name: str) -> Iterator[SourceRow]:
    """The rows of tasks that are objects already."""
    for i, item in enumerate(items):
        yield SourceRow(f"{name}[{i}]", _values(_row(item, f"{name}[{i}]"), f"{name}[{i}]"))


def _beside(tasks: Mapping[str, tuple[str, dict[str, Json]]], name: str, file: Path, text: str) -> None:
    """Put what a perturbation makes of each task beside it."""
    found = 0
    for place, row in documents(text, str(file)):
        held = _row(row, place)
        if (task := tasks.get(_task_of(str(held.get("id"))))) is not None:
            made = _values(held, place)
            task[1][name] = {k: made[k] for k in ("input", "history", "tools", "target")}
            found += 1
    if not found:
        raise CaseError(f"{file}: none of its rows is of a task in {CLEAN}.jsonl")


def _task_of(id: str) -> str:
    """The id of the clean task: the same, but for tools of one name, whose rows bear the variant's."""
    m = _SAME_NAME.fullmatch(id)
    return id if m is None else f"{m['before']}_{m['kind']}__{m['kind']}_{m['number']}"


def _row(row: Any, place: str) -> dict[str, Any]:
    """A row with its columns read: most are JSON in a text."""
    if not isinstance(row, Mapping):
        raise CaseError(f"{place}: {str(row)[:60]!r} is not an object with columns")
    out: dict[str, Any] = dict(row)
    for column in ("conversation", "tools", "golden_answers", "eval_config"):
        value = out.get(column)
        if value is None and column != "eval_config":
            raise CaseError(f"{place}: no column {column!r}; it has {', '.join(map(repr, row)) or 'none'}")
        out[column] = _read(value, f"{place}, column {column!r}")
    return out


def _read(value: Any, place: str) -> Any:
    """A value that may be JSON in a text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as e:
        raise CaseError(f"{place}: not JSON: {e}") from None


def _values(row: Mapping[str, Any], place: str) -> dict[str, Json]:
    said = row["conversation"]
    if (
        not isinstance(said, list)
        or not said
        or not all(isinstance(m, Mapping) and "role" in m for m in said)
    ):
        raise CaseError(f"{place}, column 'conversation': no list of messages")
    if said[-1]["role"] != "user":
        raise CaseError(
            f"{place}, column 'conversation': its last message is the {said[-1]['role']}'s, not the user's"
        )
    how = row.get("eval_config")
    return {
        "id": row.get("id"),
        "input": said[-1].get("content"),
        "target": [
            _call(c, f"{place}, column 'golden_answers'") for c in _list(row, "golden_answers", place)
        ],
        "history": [dict(m) for m in said[:-1]],
        "tools": [_tool(t, f"{place}, column 'tools'") for t in _list(row, "tools", place)],
        "benchmark": row.get("benchmark"),
        "category": row.get("category"),
        "method": how.get("method") if isinstance(how, Mapping) else how,
    }


def _list(row: Mapping[str, Any], column: str, place: str) -> list[Any]:
    held = row[column]
    if not isinstance(held, list):
        raise CaseError(f"{place}, column {column!r}: no list")
    return held


def _named(held: Any, place: str) -> str:
    name = held.get("name") if isinstance(held, Mapping) else None
    if not isinstance(name, str) or not name:
        raise CaseError(f"{place}: {str(held)[:60]!r} has no name")
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _call(held: Any, place: str) -> dict[str, Json]:
    name, arguments = _named(held, place), _read(held.get("parameters"), place)
    return {"name": name, "arguments": arguments or {}}


def _tool(held: Any, place: str) -> dict[str, Json]:
    name, schema = _named(held, place), _schema(_read(held.get("parameters"), place) or {})
    if "properties" not in schema and schema.get("type", "object") == "object":
        rest = {k: v for k, v in schema.items() if k != "type"}
        schema = {"properties": rest if all(isinstance(v, Mapping) for v in rest.values()) else {}}
    made: dict[str, Json] = {"name": name, "parameters": {**schema, "type": "object"}}
    if held.get("description"):
        made["description"] = str(held["description"])
    return {"type": "function", "function": made}


def _schema(schema: Any) -> Any:
    """With types as JSON Schema names them."""
    if isinstance(schema, list):
        return [_schema(s) for s in schema]
    if not isinstance(schema, Mapping):
        return schema
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, Mapping):
            out[key] = {name: _schema(inner) for name, inner in value.items()}
        elif key == "type" and isinstance(value, str):
            if (kind := _TYPES.get(value, value)) is not None:
                out[key] = kind
        else:
            out[key] = _schema(value)
    return out
