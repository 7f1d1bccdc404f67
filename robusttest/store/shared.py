"""Runs in a folder or at a URL, each in a folder of its own with its parts (`robusttest.store.parquet`): found, and read by their sums."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from robusttest.core.files import URL
from robusttest.core.locations import Location, location
from robusttest.core.nouns import RunInfo
from robusttest.engine.cell import Cell
from robusttest.errors import UsageError
from robusttest.store.parquet import RUN, Parts
from robusttest.store.reader import read_cells

if TYPE_CHECKING:
    from robusttest.stats.cell.table_cell import CellFacts, TableCell

HELD = 4
"""Cells of a run whose sums are in memory: a report is told one after the other."""


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


class StoredSums(NamedTuple):
    """A cell of a stored run: what its file says of it, without records, and its sums, read when they are asked for."""

    cell: Cell
    facts: CellFacts
    load: Callable[[], TableCell]


def read_sums(file: Location) -> tuple[RunInfo, list[StoredSums]]:
    """A run and its cells. Of the sums those of a few cells at a time are held.

    Raises `StorageError` for a run of which a part is missing or torn.
    """
    info, cells, parts = read_cells(file)
    at = Parts.of(info, file)
    load = lru_cache(maxsize=HELD)(lambda key: at.sums(key, parts[key]))
    return info, [
        StoredSums(cells[key], at.facts(key, part), partial(load, key)) for key, part in parts.items()
    ]
