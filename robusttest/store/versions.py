"""A version to compare: a stored run by any of its names, or a baseline file."""

from __future__ import annotations

import os
from pathlib import Path

from robusttest.compare.rows import RowsBuilder, Version
from robusttest.store.baseline import read_baseline
from robusttest.store.find import find_run
from robusttest.store.reader import scan_run


def load_version(ref: str, directory: str | os.PathLike[str] = ".robusttest") -> Version:
    """A file (a run's or a baseline), or a run by id, label, git ref or ``latest`` (see `find_run`).

    Raises `UsageError` where nothing of that name is there, `StorageError` where it can't be read.
    """
    if is_baseline(ref):
        return read_baseline(ref)
    path = find_run(ref, directory)
    rows = RowsBuilder()
    info = scan_run(path, {"record": rows.add_line})
    return Version(info=info, cells=tuple(rows.cells), name=ref if ref != "latest" else info.id)


def is_baseline(ref: str) -> bool:
    """Whether this is a file, and not one that begins (or is named) as a run file does."""
    if not ref or not Path(ref).is_file() or Path(ref).suffix == ".jsonl":
        return False
    try:
        with open(ref, "rb") as f:
            return not f.read(16).replace(b" ", b"").startswith(b'{"kind":"run"')
    except OSError:
        return False
