"""Write a run file while the run goes on: the schema of its lines is here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Self

from robusttest.core import codec
from robusttest.core.files import own_folder
from robusttest.core.nouns import CellKey, CellSummary, Record, RunInfo
from robusttest.errors import StorageError

if TYPE_CHECKING:
    from robusttest.engine.cell import Cell

SCHEMA = 2
"""Of the lines of a run file. A change of a stored field's meaning raises it and adds a migration."""

FOLDER = "runs"


class PartRef(NamedTuple):
    """Where a cell's records are that stand in no run file: see `robusttest.store.parquet`."""

    name: str
    rows: int


@contextmanager
def storage(path: object, verb: str) -> Iterator[None]:
    """OSError → `StorageError` with the path."""
    try:
        yield
    except OSError as e:
        raise StorageError(f"can't {verb} the run file {str(path)!r}: {e.strerror or e}") from e


def run_path(directory: str | os.PathLike[str], run: RunInfo) -> Path:
    """Where this run's file goes: names sort by time."""
    stamp = "".join(c for c in run.created[:19] if c.isdigit() or c == "T")
    return Path(directory) / FOLDER / f"{stamp}Z-{(run.commit or 'nogit')[:8]}-{run.id}.jsonl"


class RunWriter:
    """Streams one run to its file; every line is flushed, so that a killed run leaves what it had.

    ``with RunWriter(run_path(directory, run), run) as writer``. Leaving the block without `close` leaves the run
    incomplete. Raises `StorageError` if the file can't be made or written.
    """

    def __init__(self, path: str | os.PathLike[str], run: RunInfo) -> None:
        self.path = Path(path)
        self._file: IO[str] | None = None
        self._parts: dict[CellKey, PartRef] = {}
        with storage(self.path, "write"):
            if self.path.parent.name == FOLDER:
                own_folder(self.path.parent.parent)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "w", encoding="utf-8", newline="\n")  # noqa: SIM115 held until close
        self._put(codec.line("run", run, schema_version=SCHEMA))

    def write(self, *records: Record) -> None:
        """Add records, with one flush."""
        self._put(*(codec.record_line(r) for r in records))

    def write_cell(self, cell: Cell, records: Iterable[str] = (), part: PartRef | None = None) -> None:
        """Add what a cell holds; a later one of the same key stands in its place. ``records``: theirs, as lines; ``part`` is
        where they are if not here.
        """
        if part is not None:
            self._parts[cell.key] = part
        held = self._parts.get(cell.key)
        self._put(*records, codec.line("cell", cell, **({} if held is None else {"part": held._asdict()})))

    def close(self, run: RunInfo | None = None, cells: Iterable[CellSummary] = ()) -> None:
        """End the file with the final ``run`` and its cells' summaries; without a run it stays incomplete. Closing twice is
        nothing.
        """
        if self._file is None:
            return
        try:
            if run is not None:
                told = [codec.plain(c) for c in cells]
                self._put(codec.line("end", run, schema_version=SCHEMA, **({"cells": told} if told else {})))
        finally:
            file, self._file = self._file, None
            with storage(self.path, "write"):
                file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, *lines: str) -> None:
        if self._file is None:
            raise StorageError(f"the run file {os.fspath(self.path)!r} is closed")
        with storage(self.path, "write"):
            self._file.write("".join(f"{line}\n" for line in lines))
            self._file.flush()
