"""Rows of one file or several → records: constants set, wide tables turned, names mapped, files told apart."""

from __future__ import annotations

import gc
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from robusttest.core.nouns import Record
from robusttest.errors import UsageError
from robusttest.store.readers.file import ResultFile, cells_of
from robusttest.store.readers.sniff import is_run, open_file
from robusttest.tasks.sources import SourceRow


def read(
    paths: Sequence[str | PathLike[str]],
    *,
    format: str | None = None,
    mapping: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    wide: Sequence[str] = (),
    right: Sequence[str] = (),
    reference: str | None = None,
    encoding: str = "utf-8",
    factors: Sequence[str] = (),
    by: Sequence[str] = (),
) -> tuple[list[Record], list[str]]:
    """The records of the files, and what is to be told of how they were read.

    ``mapping`` says our column → theirs (``a+b`` joins two, ``doc.id`` goes into an object, ``file`` is the file's name),
    ``constants`` sets a column (``{"model": "mine"}``), ``wide`` names the columns that are variants with their scores,
    ``right`` the values of ``score`` that mean right, all others being wrong. ``factors`` names the columns of a crossed
    design (without a column ``variant`` their levels together are the variant), ``by`` those by which results are broken
    down. Raises `UsageError` and `CaseError` that
    name file, row and column, and the way out.
    """
    with _uncollected():
        return _read(
            paths, format, mapping, constants, wide, right, reference, encoding, factors, by,
        )  # fmt: skip


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hundreds of thousands of rows are made, and none is garbage: looking for it took a third of the time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _read(
    paths: Sequence[str | PathLike[str]],
    format: str | None,
    mapping: Mapping[str, str] | None,
    constants: Mapping[str, str] | None,
    wide: Sequence[str],
    right: Sequence[str],
    reference: str | None,
    encoding: str,
    factors: Sequence[str],
    by: Sequence[str],
) -> tuple[list[Record], list[str]]:
    from robusttest.stats.cell.tables import records_from_rows

    notes: list[str] = []
    records: list[Record] = []
    files: list[ResultFile] = []
    for path in paths:
        if format in (None, "robusttest") and is_run(path):
            if mapping or reference is not None or constants or wide or factors or by:
                raise UsageError(
                    f"{path} is a run of robusttest: --map, --set, --wide, --reference, --factors and --by are for other "
                    "tables"
                )
            from robusttest.store.reader import read_run

            records += read_run(path).records
        elif format == "robusttest":
            raise UsageError(f"{path} is not a run file of robusttest")
        else:
            files.append(open_file(path, format=format, encoding=encoding))
    if not files:
        return records, notes
    rows = _apart(files, constants or {}, mapping or {}, notes)
    if wide:
        rows = _long(rows, wide, mapping or {})
    name = files[0].name if len(files) == 1 else f"{len(files)} files"
    known = dict(mapping or {})
    for column in constants or {}:
        known.pop(column, None)
    records += records_from_rows(
        name, rows, mapping=known, reference=reference, right=right, notes=notes, factors=factors, by=by
    )
    kinds = sorted({f.format for f in files} - {"table"})
    if kinds:
        notes.insert(0, f"read as {', '.join(kinds)}")
    return records, notes


def _apart(
    files: Sequence[ResultFile], constants: Mapping[str, str], mapping: Mapping[str, str], notes: list[str]
) -> list[SourceRow]:
    """All rows; files of one model and task are told apart by their settings, or counted as repeats."""
    held = [(f, list(f.rows)) for f in files]
    groups: defaultdict[tuple[Any, Any], list[int]] = defaultdict(list)
    for i, (f, rows) in enumerate(held):
        if f.format != "table" and rows:
            groups[f.said.model, f.said.task].append(i)
    variant: dict[int, str] = {}
    repeat: dict[int, int] = {}
    for (model, task), members in groups.items():
        runs = [held[i][0].said.run for i in members]
        for a, run in enumerate(runs):
            if run is not None and run in runs[:a]:
                first = held[members[runs.index(run)]][0].name
                raise UsageError(
                    f"{held[members[a]][0].name} and {first} are of one run ({run}): give one of them"
                )
        names = _differences([held[i][0].said.settings for i in members])
        if len(members) == 1 or not _overlap([held[i][1] for i in members]):
            continue
        seen: defaultdict[str, int] = defaultdict(int)
        for i, name in zip(members, names, strict=True):
            variant[i], repeat[i] = name, seen[name]
            seen[name] += 1
        kinds = sorted(set(names))
        what = (
            f"{len(kinds)} variants ({', '.join(k or 'as it is' for k in kinds)})"
            if len(kinds) > 1
            else "repeats"
        )
        notes.append(f"{len(members)} files of {task} × {model}: {what}")
    out: list[SourceRow] = []
    for i, (f, rows) in enumerate(held):
        said = {k: v for k, v in (("model", f.said.model), ("task", f.said.task)) if v is not None}
        stem = Path(f.name).name.partition(".")[0]
        counted = rows if f.format != "table" else ()
        most = 1 + max((int(cells_of(r).get("repeat") or 0) for r in counted), default=0)
        if not said and not constants and not variant.get(i) and not repeat.get(i):
            # A plain table: every row is its own already.
            out += (SourceRow(one.place, {"file": stem, **one.values}) for one in rows)  # type: ignore[dict-item]  # values of any kind
            continue
        for one in rows:
            row: dict[str, Any] = {"file": stem, **said, **cells_of(one)}
            if variant.get(i):
                row["variant"] = " ".join(x for x in (row.get("variant"), variant[i]) if x)
            if repeat.get(i):
                row["repeat"] = int(row.get("repeat") or 0) + repeat[i] * most
            row.update(constants)
            out.append(SourceRow(one.place, row))
    return out


def _overlap(parts: Sequence[Sequence[SourceRow]]) -> bool:
    """Whether two of the files hold the same case, variant and repeat."""
    seen: set[tuple[str, ...]] = set()
    for rows in parts:
        mine = {tuple(str(cells_of(r).get(k)) for k in ("case_id", "variant", "repeat")) for r in rows}
        if seen & mine:
            return True
        seen |= mine
    return False


def _differences(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each one's settings as text, those alone that are not the same everywhere."""
    keys = sorted({k for s in settings for k in s})
    differing = [
        k for k in keys if len({json.dumps(s.get(k), sort_keys=True, default=str) for s in settings}) > 1
    ]
    return [
        ", ".join(f"{k}={s[k]}" for k in differing if s.get(k) is not None and s.get(k) != "")
        for s in settings
    ]


def _long(rows: Sequence[SourceRow], wide: Sequence[str], mapping: Mapping[str, str]) -> list[SourceRow]:
    """One row for each of the ``wide`` columns, which are variants and hold scores; an empty cell is no row."""

    def turned() -> Iterator[SourceRow]:
        for one in rows:
            cells, place = cells_of(one), one.place
            missing = [c for c in wide if c not in cells]
            if missing:
                raise UsageError(
                    f"--wide: {place} has no column {missing[0]!r}, only {', '.join(map(repr, cells))}"
                )
            rest = {k: v for k, v in cells.items() if k not in wide}
            for column in wide:
                if cells[column] is not None:
                    yield SourceRow(
                        f"{place}, column {column!r}", {**rest, "variant": column, "score": cells[column]}
                    )

    for name in ("variant", "score"):
        if name in mapping:
            raise UsageError(f"--wide says what {name!r} is: leave out --map {name}={mapping[name]}")
    return list(turned())
