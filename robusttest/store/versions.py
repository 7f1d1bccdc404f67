"""A version to compare: a stored run by any of its names, a baseline file, or recorded results."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from robusttest.compare.rows import RowsBuilder, Version
from robusttest.core.nouns import Record, RunInfo
from robusttest.store.baseline import BASELINE, KIND, read_baseline
from robusttest.store.find import find_run
from robusttest.store.reader import scan_run


def load_version(
    ref: str, directory: str | os.PathLike[str] = ".robusttest", *, but: str | None = None
) -> Version:
    """A file (a run's, a baseline, what `robusttest.store.readers.read` reads), or a run by id, label, git ref or
    ``latest`` (see `find_run`).

    Raises `UsageError` where nothing of that name is there, `StorageError` where it can't be read.
    """
    if is_baseline(ref):
        return read_baseline(ref)
    if is_recorded(ref):
        from robusttest.store.readers import read

        return recorded(ref, read([ref])[0])
    path = find_run(ref, directory, but=but)
    rows = RowsBuilder()
    info = scan_run(path, {"record": rows.add_line, "cell": rows.add_cell})
    return Version(info=info, cells=tuple(rows.cells), name=ref if ref != "latest" else info.id)


def recorded(name: str, records: Iterable[Record]) -> Version:
    """A version of recorded results."""
    rows = list(records)
    models = tuple(dict.fromkeys(r.model for r in rows if r.model))
    return Version.of(RunInfo(id=Path(name).stem, created="", complete=True, models=models), rows, name=name)


def is_recorded(ref: str) -> bool:
    """Whether this is a file, and neither a run of ours nor a baseline."""
    from robusttest.store.readers.sniff import is_run

    return bool(ref) and Path(ref).is_file() and not is_run(ref) and not is_baseline(ref)


def is_baseline(ref: str) -> bool:
    """Whether this is a file that says so at its beginning, is called so, or is one that a merge has broken."""
    if not ref or not Path(ref).is_file() or Path(ref).suffix == ".jsonl":
        return False
    try:
        with open(ref, "rb") as f:
            head = f.read(2000)
    except OSError:
        return False
    return KIND.encode() in head or Path(ref).name == BASELINE or b"<<<<<<< " in head
