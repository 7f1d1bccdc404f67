"""Write a run file while the run goes on: the schema of its lines is here."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Self

from robusttest.core.files import own_folder
from robusttest.core.nouns import Json, Record, RunInfo, Verdict
from robusttest.engine.rounds import Stopping
from robusttest.errors import StorageError

SCHEMA = 1
"""Of the lines of a run file. A change of a stored field's meaning raises it and adds a migration."""

FOLDER = "runs"

Line = dict[str, Json]


@contextmanager
def storage(path: Path, verb: str) -> Iterator[None]:
    """OSError → `StorageError` with the path."""
    try:
        yield
    except OSError as e:
        raise StorageError(f"can't {verb} the run file {os.fspath(path)!r}: {e.strerror or e}") from e


class RunWriter:
    """Streams one run to its file; every line is flushed, so that a killed run leaves what it had.

    ``with RunWriter(run_path(directory, run), run) as writer``. Leaving the block without `close` leaves the run
    incomplete. Raises `StorageError` if the file can't be made or written.
    """

    def __init__(self, path: str | os.PathLike[str], run: RunInfo) -> None:
        self.path = Path(path)
        self._file: IO[str] | None = None
        with storage(self.path, "write"):
            if self.path.parent.name == FOLDER:
                own_folder(self.path.parent.parent)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "w", encoding="utf-8", newline="\n")  # noqa: SIM115 held until close
        self._put({"kind": "run", "schema_version": SCHEMA, **run.to_json()})

    def write(self, record: Record) -> None:
        """Add one record."""
        self._put({"kind": "record", **record.to_json()})

    def write_all(self, records: Iterable[Record]) -> None:
        """Add many records with one flush."""
        for record in records:
            self._put({"kind": "record", **record.to_json()}, flush=False)
        self._flush()

    def write_verdict(self, verdict: Verdict, *, task: str, model: str, test: str | None = None) -> None:
        """Add one verdict of one cell."""
        self._put({"kind": "verdict", "task": task, "model": model, "test": test, **_verdict_json(verdict)})

    def write_adaptive(self, stopping: Stopping, *, task: str, model: str, test: str | None = None) -> None:
        """Add how the adaptive run of one cell ended: its records are in the order of its cases."""
        self._put({"kind": "adaptive", "task": task, "model": model, "test": test, **asdict(stopping)})

    def close(self, run: RunInfo | None = None) -> None:
        """End the file with the final ``run``; without it the run stays incomplete. Closing twice is nothing."""
        if self._file is None:
            return
        try:
            if run is not None:
                self._put({"kind": "end", "schema_version": SCHEMA, **run.to_json()})
        finally:
            file, self._file = self._file, None
            with storage(self.path, "write"):
                file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, line: Line, *, flush: bool = True) -> None:
        if self._file is None:
            raise StorageError(f"the run file {os.fspath(self.path)!r} is closed")
        try:
            text = json.dumps(line, separators=(",", ":"), allow_nan=False, default=str)
        except ValueError:  # NaN in an answer or a reply's facts
            text = json.dumps(_finite(line), separators=(",", ":"), default=str)
        with storage(self.path, "write"):
            self._file.write(text + "\n")
        if flush:
            self._flush()

    def _flush(self) -> None:
        if self._file is not None:
            with storage(self.path, "write"):
                self._file.flush()


def _verdict_json(v: Verdict) -> Line:
    return {
        "threshold": asdict(v.threshold),
        "status": v.status,
        "reason": v.reason,
        "estimate": None if v.estimate is None else v.estimate.to_json(),
        "settled": v.settled,
        "cases_needed": v.cases_needed,
    }


def _finite(value: Json) -> Json:
    """NaN and infinities as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
