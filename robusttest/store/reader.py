"""Read a run file: of this schema or an older one, whole or cut."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from robusttest.core import codec
from robusttest.core.codec import Line
from robusttest.core.nouns import CellKey, Record, RunInfo, Verdict
from robusttest.engine.cell import Cell, grouped
from robusttest.errors import StorageError
from robusttest.store.writer import SCHEMA, storage

if TYPE_CHECKING:
    from robusttest.stats.cell.frame import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A stored run. ``info.complete`` is False where the file was cut; ``info.notes`` then says where."""

    info: RunInfo
    cells: list[Cell]
    path: Path

    @property
    def records(self) -> list[Record]:
        return [r for cell in self.cells for r in cell.records]

    @property
    def frames(self) -> list[Frame]:
        """The records as arrays, cell by cell."""
        return [cell.frame for cell in self.cells if cell.frame is not None]

    @property
    def verdicts(self) -> list[Verdict]:
        return [v for cell in self.cells for v in cell.verdicts]


def read_run(path: str | os.PathLike[str]) -> Run:
    """Read a run file of this schema or an older one.

    Raises `StorageError` for a file that can't be read, is no run file, or was written by a newer robusttest.
    """
    cells: dict[CellKey, Cell] = {}
    records: list[Record] = []

    def record(line: Line) -> None:
        records.append(codec.read(Record, line))

    def cell(line: Line) -> None:
        made = codec.read(Cell, {"verdicts": (), **line})
        held = cells.get(made.key)
        if held is not None:
            verdicts = {str(v.threshold): v for v in (*held.verdicts, *made.verdicts)}
            made = replace(made, verdicts=tuple(verdicts.values()), adaptive=made.adaptive or held.adaptive)
        cells[made.key] = made

    info = scan_run(path, {"record": record, "cell": cell})
    rows = grouped(records)
    known = {**{key: Cell(key, verdicts=()) for key in rows}, **cells}
    return Run(
        info=info, cells=[replace(c, records=rows.get(key, ())) for key, c in known.items()], path=Path(path)
    )


def scan_run(path: str | os.PathLike[str], handlers: Mapping[str, Callable[[Line], None]]) -> RunInfo:
    """Hand each line to the function of its kind, in this schema; lines without one are skipped. Raises as `read_run`.

    For readers that need a few fields of many records: making `Record` of them takes longer than reading them.
    """
    where = Path(path)
    info: RunInfo | None = None
    complete, note = False, None
    for number, line in _lines(where):
        if line is None:
            note = f"run file cut in line {number}: read up to there"
            break
        kind = line.get("kind")
        try:
            if kind == "run" or kind == "end":
                info, complete = codec.read(RunInfo, line), kind == "end"
            elif (handle := handlers.get(str(kind))) is not None:
                handle(line)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise StorageError(f"{os.fspath(where)}, line {number}: not a {kind!r} line ({e})") from e
    if info is None:
        raise StorageError(f"{os.fspath(where)!r} is not a run file: its first line is not a run")
    if not complete:
        notes = (*info.notes, note or "the run did not end: this is what it had")
        info = replace(info, complete=False, notes=notes)
    return info


def read_info(path: str | os.PathLike[str]) -> RunInfo:
    """The run alone, from the last line if the run ended, else from the first: cheap for large files."""
    where = Path(path)
    with storage(where, "read"), open(where, "rb") as f:
        first = f.readline()
        size = f.seek(0, os.SEEK_END)
        f.seek(max(0, size - 65_536))
        last = f.read().rstrip(b"\n").rpartition(b"\n")[2]
    for raw, kind in ((last, "end"), (first, "run")):
        line = _parse(raw)
        if line is not None and line.get("kind") == kind:
            info = codec.read(RunInfo, _migrated(line, _schema(line, where)))
            return info if kind == "end" else replace(info, complete=False)
    raise StorageError(f"{os.fspath(where)!r} is not a run file: its first line is not a run")


def _lines(path: Path) -> Iterator[tuple[int, Line | None]]:
    """(line number, the line in this schema); None where the file was cut, and nothing after it."""
    with storage(path, "read"), open(path, "rb") as f:
        schema = SCHEMA
        for number, raw in enumerate(f, 1):
            line = _parse(raw) if raw.endswith(b"\n") or number > 1 else None
            if number == 1:
                if line is None or line.get("kind") != "run":
                    raise StorageError(f"{os.fspath(path)!r} is not a run file: its first line is not a run")
                schema = _schema(line, path)
            if line is None:
                yield number, None
                return
            yield number, _migrated(line, schema)


def _parse(raw: bytes) -> Line | None:
    try:
        line = codec.loads(raw)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _schema(line: Line, path: Path) -> int:
    return codec.check_schema(line.get("schema_version"), SCHEMA, f"the run file {os.fspath(path)!r}")


def _migrated(line: Line, schema: int) -> Line:
    for old in range(schema, SCHEMA):
        line = MIGRATIONS[old](line)
    return line


def _from_1(line: Line) -> Line:
    """Schema 1 had a line for each verdict, and one for how an adaptive run ended."""
    if line.get("kind") not in ("verdict", "adaptive"):
        return line
    made = {"kind": "cell", "test": line.get("test"), "task": line["task"], "model": line["model"]}
    if line["kind"] == "adaptive":
        return {**made, "adaptive": line}
    return {**made, "verdicts": [line]}


MIGRATIONS: dict[int, Callable[[Line], Line]] = {1: _from_1}
"""Schema → what turns one of its lines into the next schema's."""
