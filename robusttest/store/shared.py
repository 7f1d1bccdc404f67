"""Runs in a folder or at a URL, each in a folder of its own with its parts (`robusttest.store.parquet`): found, and read by their sums."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from robusttest.core.files import URL
from robusttest.core.locations import Location, location
from robusttest.core.nouns import CellKey, RunInfo
from robusttest.engine.cell import Cell
from robusttest.errors import UsageError
from robusttest.store.parquet import RUN, Parts
from robusttest.store.reader import read_cells
from robusttest.store.writer import PartRef

if TYPE_CHECKING:
    from robusttest.stats.cell.table_cell import TableCell


def is_shared(ref: str) -> bool:
    """Whether this is a URL, or a folder that holds such runs or is one."""
    if URL.fullmatch(ref):
        return True
    folder = Path(ref)
    return bool(ref) and folder.is_dir() and ((folder / RUN).is_file() or any(folder.glob(f"*/{RUN}")))


def shared_runs(ref: str) -> list[Location]:
    """The run files in a folder, the oldest first, or that of the run whose folder this is. Raises `UsageError` where there is none."""
    folder = location(ref)
    if (folder / RUN).exists():
        return [folder / RUN]
    found = [folder / name / RUN for name in folder.names()]
    if not (there := [file for file in found if file.exists()]):
        raise UsageError(
            f"{folder}: no run is there; pytest --robust-records=parquet:{folder} puts one there when it has ended"
        )
    return there


def the_run(ref: str) -> Location:
    """The one run of a folder. Raises `UsageError` where there are several."""
    found = shared_runs(ref)
    if len(found) > 1:
        names = ", ".join(file.parent.name for file in found[-5:])
        raise UsageError(
            f"{ref} holds {len(found)} runs: name one of them, as {found[-1].parent}. The newest: {names}"
        )
    return found[0]


def read_sums(file: Location) -> tuple[RunInfo, Iterator[tuple[Cell, TableCell]]]:
    """A run, and its cells with their sums, one read after the other: what the run file says of a cell has no records.

    Raises `StorageError` for a run of which a part is missing or torn.
    """
    info, cells, parts = read_cells(file)
    return info, _sums(Parts.of(info, file), cells, parts)


def _sums(
    at: Parts, cells: dict[CellKey, Cell], parts: dict[CellKey, PartRef]
) -> Iterator[tuple[Cell, TableCell]]:
    for key, part in parts.items():
        yield cells[key], at.sums(key, part)
