"""Run files: ``.robusttest/runs/<utc>-<commit>-<id>.jsonl``, written line by line while the run goes on.

The first line is the run, then records and cells as they come, and last the run again, complete. One line of
pandas reads the records::

    pandas.read_json(path, lines=True).query("kind == 'record'")

A file without its last line (a crash, a full disk) is readable up to the cut and called incomplete. While a run goes on
each of its processes puts its records, as they are made, into a part beside the file (`robusttest.store.stream`); of a run that
was killed the parts are read with the file.
``robust-baseline.json`` (`robusttest.store.baseline`) is the run that others are compared with, compact and committed.
"""

from __future__ import annotations

from robusttest.store.find import find_run, git_state, list_runs, new_run, used_versions
from robusttest.store.reader import Run, begun, read_info, read_run
from robusttest.store.writer import SCHEMA, RunWriter, run_path

__all__ = [
    "SCHEMA",
    "Run",
    "RunWriter",
    "begun",
    "find_run",
    "git_state",
    "list_runs",
    "new_run",
    "read_info",
    "read_run",
    "run_path",
    "used_versions",
]
