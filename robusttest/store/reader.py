"""Read a run file: of this schema or an older one, whole or cut."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from robusttest.core import codec
from robusttest.core.codec import Line
from robusttest.core.locations import Location
from robusttest.core.nouns import CellKey, Record, RunInfo, Verdict
from robusttest.engine.cell import Cell, grouped
from robusttest.errors import StorageError
from robusttest.store.stream import Waiting, key_of, part_lines, parts_of
from robusttest.store.writer import FOLDER, SCHEMA, PartRef, storage

if TYPE_CHECKING:
    from robusttest.stats.cell.frame import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A stored run. ``info.complete`` is False where the file was cut; ``info.notes`` then says where."""

    info: RunInfo
    cells: list[Cell]
    path: Path | Location

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


def read_run(path: str | os.PathLike[str] | Location) -> Run:
    """Read a run file of this schema or an older one.

    Raises `StorageError` for a file that can't be read, is no run file, or was written by a newer robusttest.
    """
    records: list[Record] = []
    info, cells, _ = read_cells(path, lambda line: records.append(codec.read(Record, line)))
    rows = grouped(records)
    known = {**{key: Cell(key, verdicts=()) for key in rows}, **cells}
    return Run(
        info=info, cells=[replace(c, records=rows.get(key, ())) for key, c in known.items()], path=_file(path)
    )


def read_cells(
    path: str | os.PathLike[str] | Location, record: Callable[[Line], None] | None = None
) -> tuple[RunInfo, dict[CellKey, Cell], dict[CellKey, PartRef]]:
    """A run, what its file says of each cell, without records, and the parts that hold those. ``record`` is handed their lines."""
    cells: dict[CellKey, Cell] = {}
    parts: dict[CellKey, PartRef] = {}

    def cell(line: Line) -> None:
        made = codec.read(Cell, {"verdicts": (), **line})
        held = cells.get(made.key)
        if held is not None:
            verdicts = {str(v.threshold): v for v in (*held.verdicts, *made.verdicts)}
            made = replace(made, verdicts=tuple(verdicts.values()), adaptive=made.adaptive or held.adaptive)
        cells[made.key] = made
        if "part" in line:
            parts[made.key] = PartRef(**line["part"])

    handlers: dict[str, Callable[[Line], None]] = {"cell": cell}
    return scan_run(path, handlers if record is None else {"record": record, **handlers}), cells, parts


def _file(path: str | os.PathLike[str] | Location) -> Path | Location:
    return path if isinstance(path, Location) else Path(path)


def scan_run(
    path: str | os.PathLike[str] | Location, handlers: Mapping[str, Callable[[Line], None]]
) -> RunInfo:
    """Hand each line to the function of its kind, in this schema; lines without one are skipped. Raises as `read_run`.

    For readers that need a few fields of many records: making `Record` of them takes longer than reading them. Of a run
    that did not end the parts are read, too.
    """
    where = _file(path)
    note: str | None = None

    def handle(number: int | str, line: Line) -> None:
        try:
            for ready in (line,) if waiting is None else waiting.take(line):
                if "part" in ready and "record" in handlers:
                    for record in parted(ready):
                        handlers["record"](record)
                if (handler := handlers.get(str(ready.get("kind")))) is not None:
                    handler(ready)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise StorageError(f"{where}, line {number}: not a {line.get('kind')!r} line ({e})") from e

    def parted(line: Line) -> Iterator[Line]:
        """The records of a cell that has them in a part, the first time that it comes."""
        from robusttest.store.parquet import Parts

        if (key := key_of(line)) not in read:
            read.add(key)
            yield from Parts.of(info, where).lines(PartRef(**line["part"]))

    read: set[CellKey] = set()
    lines = _lines(where)
    first = next(lines)[1]
    info = _info(first, where)
    parts = None if isinstance(where, Location) else parts_of(where.parent, info.id)
    waiting = Waiting() if parts is not None and parts.is_dir() else None
    complete = False
    for number, line in lines:
        if line is None:
            note = f"run file cut in line {number}: read up to there"
        elif line.get("kind") == "end":
            info, complete = _info(line, where), True
        else:
            handle(number, line)
    if waiting is not None and parts is not None:
        rest, waiting = waiting.rest(() if complete else part_lines(parts, but=waiting.done)), None
        for line in rest:
            handle(f"of {parts.name}", line)
    if not complete:
        notes = (*info.notes, note or "the run did not end: this is what it had")
        info = replace(info, complete=False, notes=notes)
    return info


def left_over(directory: Path, run: str, *, but: Collection[CellKey]) -> dict[CellKey, list[Record]]:
    """The records in the parts of a run that is about to end, by cell, but for those of these cells."""
    parts = parts_of(directory / FOLDER, run)
    return grouped(codec.read(Record, line) for line in part_lines(parts, but=but))


def begun(directory: Path, run: str) -> RunInfo | None:
    """A run under way, as the process that came first made its file; None where there is none."""
    for path in (directory / FOLDER).glob(f"*-{run}.jsonl"):
        return read_info(path)
    return None


def read_info(path: str | os.PathLike[str]) -> RunInfo:
    """The run alone, from the last line if the run ended, else from the first: cheap for large files."""
    return last_line(Path(path))[0]


def last_line(where: Path | Location) -> tuple[RunInfo, Line | None]:
    """The run, and its last line; None where it did not end, and the run is read from the first line."""
    with storage(where, "read"), where.open("rb") as f:
        first = f.readline()
        begin = f.seek(0, os.SEEK_END)
        last = b""
        while begin and b"\n" not in last.rstrip(b"\n"):
            size = min(begin, max(65_536, len(last)))
            begin = f.seek(begin - size)
            last = f.read(size) + last
    line = codec.parsed(last.rstrip(b"\n").rpartition(b"\n")[2])
    if line is not None and line.get("kind") == "end":
        line = _migrated(line, _schema(line, where))
        return _info(line, where), line
    return replace(_info(_first(first, where), where), complete=False), None


def _info(line: Line | None, path: Path | Location) -> RunInfo:
    assert line is not None
    try:
        return codec.read(RunInfo, line)
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise StorageError(f"{path}: not a {line.get('kind')!r} line ({e})") from e


def _lines(path: Path | Location) -> Iterator[tuple[int, Line | None]]:
    """(line number, the line in this schema), the first one the run's; None where the file was cut, and nothing after it."""
    with storage(path, "read"), path.open("rb") as f:
        first = _first(f.readline(), path)
        schema = _schema(first, path)
        yield 1, first
        for number, raw in enumerate(f, 2):
            line = codec.parsed(raw)
            yield number, None if line is None else _migrated(line, schema)
            if line is None:
                return


def _first(raw: bytes, path: Path | Location) -> Line:
    line = codec.parsed(raw)
    if line is not None and line.get("kind") == "run":
        return _migrated(line, _schema(line, path))
    if line is None and raw and (raw.startswith(_BEGINS) or _BEGINS.startswith(raw)):
        raise StorageError(f"{str(path)!r} is not a run file any more: it was cut in its first line")
    raise StorageError(f"{str(path)!r} is not a run file: its first line is not a run")


_BEGINS = b'{"kind":"run"'


def _schema(line: Line, path: Path | Location) -> int:
    return codec.check_schema(line.get("schema_version"), SCHEMA, f"the run file {str(path)!r}")


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
