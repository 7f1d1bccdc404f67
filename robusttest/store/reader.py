"""Read a run file: of this schema or an older one, whole or cut."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from robusttest.core.nouns import Estimate, Record, RunInfo, Threshold, Verdict
from robusttest.engine.rounds import Stopping
from robusttest.errors import StorageError
from robusttest.store.writer import SCHEMA, Line, storage

if TYPE_CHECKING:
    from robusttest.stats.cell.frame import Frame

MIGRATIONS: dict[int, Callable[[Line], Line]] = {}
"""Schema → what turns one of its lines into the next schema's."""


@dataclass(slots=True, kw_only=True)
class StoredResult:
    """One test × task × model of a stored run: what `robusttest.report.build` and the statistics read."""

    task: str
    model: str
    test: str | None
    records: list[Record] = field(default_factory=list, repr=False)
    verdicts: list[Verdict] = field(default_factory=list)
    adaptive: Stopping | None = None

    @property
    def thresholds(self) -> list[Threshold]:
        return [v.threshold for v in self.verdicts]

    @property
    def cell(self) -> Frame | None:
        """The records as arrays, made anew; None where there is none."""
        from robusttest.stats.cell.frame import frames

        return next(iter(frames(self.records, sequential=self.adaptive is not None)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A stored run. ``info.complete`` is False where the file was cut; ``info.notes`` then says where."""

    info: RunInfo
    results: list[StoredResult]
    path: Path

    @property
    def records(self) -> list[Record]:
        return [r for result in self.results for r in result.records]

    @property
    def cells(self) -> list[Frame]:
        """The records as arrays, made anew."""
        return [cell for result in self.results if (cell := result.cell) is not None]

    @property
    def verdicts(self) -> list[Verdict]:
        return [v for result in self.results for v in result.verdicts]


def read_run(path: str | os.PathLike[str]) -> Run:
    """Read a run file of this schema or an older one.

    Raises `StorageError` for a file that can't be read, is no run file, or was written by a newer robusttest.
    """
    results: dict[tuple[str | None, str, str], StoredResult] = {}

    def record(line: Line) -> None:
        made = Record.from_json(line)
        _result(results, made.test, made.task, made.model).records.append(made)

    def verdict(line: Line) -> None:
        _result(results, line.get("test"), line["task"], line["model"]).verdicts.append(_verdict(line))

    def adaptive(line: Line) -> None:
        _result(results, line.get("test"), line["task"], line["model"]).adaptive = Stopping.from_json(line)

    info = scan_run(path, {"record": record, "verdict": verdict, "adaptive": adaptive})
    return Run(info=info, results=list(results.values()), path=Path(path))


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
                info, complete = RunInfo.from_json(line), kind == "end"
            elif (handle := handlers.get(str(kind))) is not None:
                handle(line)
        except (KeyError, TypeError, AttributeError) as e:
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
            info = RunInfo.from_json(_migrated(line, _schema(line, where)))
            return info if kind == "end" else replace(info, complete=False)
    raise StorageError(f"{os.fspath(where)!r} is not a run file: its first line is not a run")


def _result(
    results: dict[tuple[str | None, str, str], StoredResult], test: str | None, task: str, model: str
) -> StoredResult:
    key = (test, task, model)
    if key not in results:
        results[key] = StoredResult(task=task, model=model, test=test)
    return results[key]


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
        line = json.loads(raw)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _schema(line: Line, path: Path) -> int:
    schema = line.get("schema_version")
    if not isinstance(schema, int) or schema < 1:
        raise StorageError(
            f"{os.fspath(path)!r}: schema_version {schema!r} is not a number that robusttest wrote"
        )
    if schema > SCHEMA:
        raise StorageError(
            f"{os.fspath(path)!r} has schema {schema}, written by a newer robusttest; this one reads up to "
            f"{SCHEMA}: pip install -U robusttest"
        )
    return schema


def _migrated(line: Line, schema: int) -> Line:
    for old in range(schema, SCHEMA):
        line = MIGRATIONS[old](line)
    return line


def _verdict(line: Line) -> Verdict:
    estimate = line.get("estimate")
    return Verdict(
        threshold=Threshold(**_known(Threshold, line["threshold"])),
        status=line["status"],
        reason=line["reason"],
        estimate=None if estimate is None else Estimate(**_known(Estimate, estimate)),
        settled=line.get("settled", True),
        cases_needed=line.get("cases_needed"),
    )


def _known(kind: type[Threshold | Estimate], data: Line) -> Line:
    """Without the fields that a later version of the same schema has added."""
    names = {f.name for f in fields(kind)}
    return {k: v for k, v in data.items() if k in names}
