"""Records on disk as they are made: each process of a run appends to a part of its own until the run ends.

``runs/<id>.parts/<process>.jsonl`` lies beside the run file. Its lines are the run file's, with ``at``: the record's place
in its cell, since records come in no order. The process that reports puts each cell that is complete into the run file,
and at the end what else the parts hold; then they go. Of a run that was killed they stay, and are read with its file.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import IO

from robusttest.core import codec
from robusttest.core.codec import Line
from robusttest.core.files import own_folder
from robusttest.core.nouns import REFERENCE, CellKey, Record, RunInfo
from robusttest.store.writer import FOLDER, RunWriter, run_path, storage

Identity = tuple[CellKey, str, str, int]
"""A cell's key, the case, the variant, the repeat."""


def parts_of(runs: Path, run: str) -> Path:
    """The folder with the parts of the run with this id, among the run files."""
    return runs / f"{run}.parts"


def begin_run(directory: Path, run: str, info: Callable[[], RunInfo]) -> Path:
    """The folder for the parts of a run; whichever of its processes comes first also makes its run file.

    Raises `StorageError` where it can't be made.
    """
    folder = parts_of(directory / FOLDER, run)
    with storage(folder, "write"):
        own_folder(directory)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:
            return folder
    made = info()
    RunWriter(run_path(directory, made), made).close()
    return folder


class Stream:
    """The records of one process of a run. Raises `StorageError` where they can't be written."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.jsonl"
        self._file: IO[bytes] | None = None
        self._size = 0
        self._held: dict[int, tuple[Record, int, int]] = {}
        """Where the line of a record begins and ends: the run file gets the same line, encoded once."""

    def write(self, record: Record, at: Sequence[int], line: str | None = None) -> None:
        """Add a record; it is on disk when this returns. ``at`` sorts the records of a cell; ``line`` is how it is written."""
        head = f'{{"at":[{",".join(map(str, at))}],'
        raw = (head + (line or codec.record_line(record))[1:] + "\n").encode("ascii")
        with storage(self.path, "write"):
            if self._file is None:
                self._file = open(self.path, "ab")  # noqa: SIM115 held until close
                self._size = self._file.tell()
            begin = self._size
            self._size += self._file.write(raw)
            self._file.flush()
        self._held[id(record)] = (record, begin + len(head), begin + len(raw) - 1)

    def lines(self, records: Sequence[Record]) -> Iterator[str]:
        """The records as lines of a run file. Those that were written here are forgotten."""
        if not self._held:
            yield from (codec.record_line(r) for r in records)
            return
        with storage(self.path, "read"), open(self.path, "rb") as file:
            for r in records:
                held, begin, end = self._held.pop(id(r), (None, 0, 0))
                if held is not r:
                    yield codec.record_line(r)
                    continue
                file.seek(begin)
                yield "{" + file.read(end - begin).decode("ascii")

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with storage(self.path, "write"):
                file.close()


def part_lines(folder: Path, *, but: Collection[CellKey] = ()) -> list[Line]:
    """The records in a run's parts as lines, cell by cell and in order, but for those of these cells.

    A variant that was run again counts once, as it came last. A part is read up to where it was cut.
    """
    found: dict[Identity, Line] = {}
    for path in sorted(folder.glob("*.jsonl")):
        with storage(path, "read"), open(path, "rb") as file:
            for raw in file:
                line = codec.parsed(raw)
                if line is None or not line.keys() >= {"task", "model", "case_id", "at"}:
                    break
                if key_of(line) not in but:
                    found[identity_of(line)] = line
    return [found[k] for k in sorted(found, key=lambda k: (k[0].order, found[k]["at"]))]


def key_of(line: Line) -> CellKey:
    """The cell of a line."""
    return CellKey(line.get("test"), line["task"], line["model"])


def identity_of(line: Line) -> Identity:
    """What no two records of a run share."""
    return key_of(line), line["case_id"], line.get("variant", REFERENCE), line.get("repeat", 0)


class Waiting:
    """Records of a run file that wait for the line of their cell: without it, the file was cut among them."""

    def __init__(self) -> None:
        self.done: set[CellKey] = set()
        self._records: dict[CellKey, list[Line]] = {}

    def take(self, line: Line) -> list[Line]:
        """What is ready to be read, now that this line is there."""
        kind = line.get("kind")
        if kind == "record":
            self._records.setdefault(key_of(line), []).append(line)
            return []
        if kind != "cell":
            return [line]
        self.done.add(key_of(line))
        return [*self._records.pop(key_of(line), ()), line]

    def rest(self, more: Sequence[Line]) -> list[Line]:
        """What no cell came for, with the records of the parts."""
        known = {identity_of(line) for line in more}
        cut = [line for lines in self._records.values() for line in lines if identity_of(line) not in known]
        return [*cut, *more]


def end_parts(directory: Path, run: str) -> None:
    """The run file has them now."""
    shutil.rmtree(parts_of(directory / FOLDER, run), ignore_errors=True)
