"""The file of frozen variants: its rows, read and written. What they mean is in `robusttest.variants.frozen`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import get_args

from robusttest.core.codec import check_schema
from robusttest.core.files import write_text
from robusttest.core.nouns import Json, Prompt, VariantStatus
from robusttest.core.secrets import secret_in
from robusttest.errors import UsageError, did_you_mean

SCHEMA = 1
Row = dict[str, Json]
Key = tuple[str, str, str, int]
"""Task, case, perturbation, index; the case is empty in a line that says what was frozen."""


def key_of(row: Row) -> Key:
    """Where a row stands in its file."""
    return row["task"], row.get("case", ""), row["perturbation"], row.get("index", -1)


def write(path: Path, rows: Iterable[Row], *, cases: Mapping[str, set[str]], kept: Iterable[Row] = ()) -> int:
    """Write rows to a file, sorted, whole or not at all; returns how many variants it has now.

    ``kept`` are the rows of the file that is refreshed: they stay, but where ``rows`` has the same case and perturbation,
    or ``cases`` (by task) no longer holds theirs. Raises `UsageError` where two tests freeze different variants under one
    name, `StorageError` where the file can't be written.
    """
    new: dict[Key, Row] = {}
    for row in rows:
        held = new.setdefault(key_of(row), row)
        if held == row or held.get("status") == row.get("status") == "not_applicable":
            continue  # how many were asked for may differ, and is told in the reason
        if "frozen" not in row or held["seed"] != row["seed"]:
            raise UsageError(
                f"task {row['task']!r}: two tests freeze different variants of {named(row)} under this name; give "
                "their tasks different names, or both the same seed, prompt and cases"
            )
        if held["variants"] < row["variants"]:  # the longer list holds the shorter
            new[key_of(row)] = row
    replaced = {key[:3] for key in new}
    for row in kept:
        task, case, spec, _ = key = key_of(row)
        gone = case and task in cases and case not in cases[task]
        if not gone and (task, case, spec) not in replaced:
            new[key] = row
    for row in new.values():
        if secret := secret_in(row):
            raise UsageError(
                f"task {row['task']!r}: {named(row)} holds what is kept secret as {secret}, so it can't be frozen in a file: "
                "take it out of the case or the prompt"
            )
    write_text(path, "".join(_line(new[key]) for key in sorted(new, key=_order)))
    return sum("frozen" not in row for row in new.values())


def _order(key: Key) -> tuple[str, bool, str, str, int]:
    task, case, spec, index = key
    return task, bool(case), case, spec, index


_UNSEEN = re.compile(r"[\x7f-\xa0\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0]")  # fmt: skip


def _line(row: Row) -> str:
    """One line; what a reviewer could not see, or no file can hold, is written as an escape."""
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    return _UNSEEN.sub(lambda m: f"\\u{ord(m[0]):04x}", text) + "\n"


def named(row: Row) -> str:
    if "frozen" in row:
        return str(row["perturbation"])
    return f"{row['case']}::{row['perturbation']}#{row['index']}"


def read(path: Path) -> list[Row]:
    """The rows of a file. Raises `UsageError` that names the line for whatever is not one, `StorageError` for a newer schema."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(
            f"can't read the frozen variants in {os.fspath(path)!r}: {getattr(e, 'strerror', None) or e}"
        ) from e
    rows: list[Row] = []
    seen: set[Key] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as e:
            raise UsageError(f"{where}: not JSON ({e})") from None
        if isinstance(row, dict) and "frozen" in row:
            check_schema(row["frozen"], SCHEMA, where)
        if wrong := _wrong(row):
            raise UsageError(f"{where}: {wrong}")
        key = key_of(row)
        if key in seen:
            raise UsageError(f"{where}: {named(row)} of task {row['task']!r} is there twice")
        seen.add(key)
        rows.append(row)
    return rows


_TYPES: Mapping[str, tuple[type, ...]] = {
    "fields": (dict,),
    "without": (list,),
    "choices": (list, type(None)),
    "metadata": (dict,),
    "edits": (dict,),
    "realised": (float, int),
    "prompt": (dict,),
    "params": (dict,),
    "factors": (dict,),
    "tool_names": (dict,),
    "fault": (dict,),
    "sample": (int,),
}


_KNOWN = frozenset(
    ["task", "case", "perturbation", "index", "status", "reason", "target", "cluster", "of_prompt", "level", "severity", "preserves", "seed", "writer", "of", "frozen", "variants"]
) | frozenset(_TYPES)  # fmt: skip


def _wrong(row: Json) -> str | None:
    if not isinstance(row, dict):
        return "not an object"
    if not isinstance(row.get("task"), str) or not isinstance(row.get("perturbation"), str):
        return "an object needs a task and a perturbation, both texts"
    if odd := next((name for name in row if name not in _KNOWN), None):
        return f"it has a field {odd!r}, which says nothing here.{did_you_mean(odd, sorted(_KNOWN))}"
    if "frozen" in row:
        good = isinstance(row.get("variants"), int) and isinstance(row.get("seed"), int)
        return None if good else "needs variants and seed, both whole numbers"
    if not isinstance(row.get("case"), str) or not isinstance(row.get("of"), str):
        return "a variant needs a case and of, both texts"
    if isinstance(row.get("index"), bool) or not isinstance(row.get("index"), int) or row["index"] < 0:
        return f"index={row.get('index')!r} is not a whole number of 0 or more"
    if row.get("status", "ok") not in get_args(VariantStatus):
        return f"status={row['status']!r}: one of {', '.join(get_args(VariantStatus))}"
    for name, types in _TYPES.items():
        if name in row and not isinstance(row[name], types):
            return f"{name}={row[name]!r} is a {type(row[name]).__name__}"
    unknown = set(row.get("prompt", ())) - {f.name for f in fields(Prompt)}
    return f"prompt has no {min(unknown)!r}" if unknown else None
