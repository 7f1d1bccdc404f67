"""One run's cells and what is written of them: records as they are made, the run file, comparison, baseline, reports."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robusttest.compare import served
from robusttest.core import codec
from robusttest.core.names import is_callable
from robusttest.core.nouns import CellKey, Json, Record, RunInfo, digest
from robusttest.errors import RobusttestError, StorageError, UsageError
from robusttest.settings import Settings

if TYPE_CHECKING:
    from robusttest.compare import CellComparison, Version
    from robusttest.engine.cell import Cell
    from robusttest.engine.job import Job
    from robusttest.gateway import Gateway
    from robusttest.report.model import Report
    from robusttest.run.resume import Unfinished
    from robusttest.store import RunWriter
    from robusttest.store.stream import Stream
    from robusttest.store.writer import PartRef


class Ledger:
    """Of one process of a run; ``process`` names it among them, and ``key`` is what all of them share.

    The process that reports gets each cell by `add`, and `close` writes what is left. What can't be written is told in
    ``problems``, and ends no run.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        key: str | None = None,
        process: str = "main",
        folder: Path | None = None,
        files: Callable[[], Mapping[str, Path | None]] = dict,
        plans: Callable[[], Mapping[str, Json]] = dict,
    ) -> None:
        self.settings = settings
        self.pid = os.getpid()
        self.run_key = key or f"{self.pid}-{os.urandom(4).hex()}"
        """What all processes of this run share: their budget is one."""
        self.process = process
        self.folder = folder
        """Whose git says which commit is checked out; None for the current one."""
        self.files = files
        """Tests and ``python:`` models by name, with their files."""
        self.plans = plans
        """What the whole run plans, by cell."""
        self.started = time.monotonic()
        self.run: RunInfo | None = None
        self.cells: dict[CellKey, Cell] = {}
        """As they arrive."""
        self.tallies: dict[str, dict[str, Json]] = {}
        """Progress of each process that made calls, by its name."""
        self.notes: list[str] = []
        self.report: Report | None = None
        self.problems: list[str] = []
        """What could not be written."""
        self.written: list[str] = []
        """Reports, by path."""
        self.baseline: Version | None = None
        """What this run is compared with."""
        self.regressed: dict[CellKey, CellComparison] = {}
        """What ``--robust-fail-on`` fails."""
        self.gate_broken = ""
        """Why a gate could compare nothing, which fails every test; empty where it could, or there is none."""
        self.unwritten = False
        """Whether the baseline that was asked for was refused."""
        self._compares = settings.baseline is not None or settings.update_baseline is not None
        self.resumed: Unfinished | None = None
        """What this run goes on with."""
        self._writer: RunWriter | None = None
        self._stream: tuple[int, Stream | None] | None = None

    @property
    def run_id(self) -> str:
        return digest(self.run_key, size=4)

    # --- records on disk

    def recorded(self, record: Record, at: Sequence[int], line: str | None = None) -> None:
        """Put a record on disk as it is made; ``line`` is how it is written, where that is known."""
        try:
            if (stream := self._streaming()) is not None:
                stream.write(record, at, line)
        except StorageError as e:
            self.problem(e)
            self._stream = (os.getpid(), None)

    def _streaming(self) -> Stream | None:
        """Where this process puts its records: a forked child has a part of its own."""
        pid = os.getpid()
        if self._stream is None or self._stream[0] != pid:
            from robusttest.store.stream import Stream, begin_run

            self._stream = (pid, None)
            folder = begin_run(self.settings.directory, self.run_id, lambda: self.new_run)
            self._stream = (
                pid,
                Stream(folder, self.process if pid == self.pid else f"{self.process}-{pid}"),
            )
        return self._stream[1]

    def begin(self) -> None:
        """Make the run known on disk, before a record is there."""
        try:
            self._streaming()
            self.end_stream()
        except StorageError as e:
            self.problem(e)

    def _streamed(self) -> Stream | None:
        """The part of this process, if it has begun one."""
        return self._stream[1] if self._stream is not None and self._stream[0] == os.getpid() else None

    def lines(self, cell: Cell) -> list[str]:
        """A cell's records as lines of a run file, as they were written when they were made."""
        try:
            if (stream := self._streamed()) is not None:
                return list(stream.lines(cell.records))
        except StorageError as e:
            self.problem(e)
        return list(map(codec.record_line, cell.records))

    def end_stream(self) -> None:
        """No record comes any more."""
        if (stream := self._streamed()) is not None:
            stream.close()

    # --- the run file

    def add(self, cell: Cell, lines: Iterable[str]) -> None:
        """Take a cell that is complete, and put it into the run file; ``lines`` are its records there."""
        again = cell.key in self.cells
        self.cells[cell.key] = cell
        if again:
            return
        try:
            if (writer := self.open()) is not None:
                part = self._part(cell)
                writer.write_cell(cell, lines if part is None else (), part)
        except StorageError as e:
            self.problem(e)
            self._writer = None

    def _part(self, cell: Cell) -> PartRef | None:
        """Its records in a part of Parquet, where they go there; where that can't be written, they stand in the run file."""
        if self.settings.records == "jsonl" or not cell.records or self._writer is None:
            return None
        from robusttest.store.parquet import Parts

        try:
            return Parts.of(self.new_run, self._writer.path).write(cell.key, cell.records)
        except RobusttestError as e:
            self.problem(e)
            return None

    def open(self) -> RunWriter | None:
        """The run file, once there is something to put into it; None where it can't be written."""
        if self.run is None:
            from robusttest.store import RunWriter, begun, run_path

            self._find_baseline()
            found = begun(self.settings.directory, self.run_id)
            self.run = self.new_run if found is None else found
            self._writer = RunWriter(run_path(self.settings.directory, self.run), self.run)
        return self._writer

    @cached_property
    def new_run(self) -> RunInfo:
        """The run as it begins. What tests it is known by then."""
        from robusttest.run.plan import digest_of
        from robusttest.run.resume import digests, this_process
        from robusttest.store import new_run, used_versions

        made = new_run(
            self.run_id,
            label=self.settings.label,
            models=self.settings.models,
            seed=self.settings.seed,
            versions=used_versions(),
            settings=self.settings.to_json(),
            cwd=self.folder,
        )
        plan = self.plans()
        resumed = None if self.resumed is None else self.resumed.info.id
        if self.settings.shard is not None:
            made = replace(made, plan=plan)
        whole = digest_of(plan) if plan else None
        return replace(
            made, planned=whole, sources=digests(self.files()), process=this_process(), resumed=resumed
        )

    def look_back(self, jobs: Iterable[Job]) -> list[Job]:
        """The jobs, with the records of a run that did not end where they are asked for. A note says what there is.

        Raises `UsageError` where it was asked for and can't be.
        """
        from robusttest.run import resume

        jobs = list(jobs)
        if not (self.settings.directory / "runs").is_dir():
            found = None
        else:
            found = resume.find(self.settings, lambda: self.new_run, self.run_id, [job.key for job in jobs])
        if not self.settings.resume:
            self.notes += [] if found is None else [found.offer]
            return jobs
        if found is None:
            self.notes.append(
                "--robust-resume: no run of these tests is left unfinished; everything is asked"
            )
            return jobs
        if found.refusal is not None:
            raise UsageError(
                f"--robust-resume can't go on with run {found.info.id}: {found.refusal}. Leave the flag out to ask everything"
            )
        self.notes.append(found.taken)
        self.resumed = found
        self.__dict__.pop("new_run", None)  # it says so
        return [replace(job, resumed=found.records.get(job.key, {})) for job in jobs]

    def load_baseline(self) -> None:
        """Find what this run is compared with. Raises `RobusttestError` for a baseline that can't be used."""
        if self._compares and self.baseline is None:
            from robusttest.run import baseline

            self.baseline = baseline.load(self.settings, but=self.run_id)

    def _find_baseline(self) -> None:
        """On xdist's controller, when the first outcome arrives: the workers have refused what is wrong."""
        try:
            self.load_baseline()
        except RobusttestError as e:
            self.problem(e)
            self.gate_broken = "" if self.settings.fail_on is None else str(e)

    def problem(self, error: Exception) -> None:
        """Something could not be written: it is told once."""
        if str(error) not in self.problems:
            self.problems.append(str(error))

    # --- the end

    @property
    def ordered(self) -> list[Cell]:
        return [self.cells[k] for k in sorted(self.cells, key=lambda key: key.order)]

    def close(self, *, complete: bool) -> None:
        """Build the report, compare, close the run file, write what was asked for. `open` came before it."""
        assert self.run is not None
        ordered = self.ordered
        self.run = replace(
            self.run, complete=complete, duration=time.monotonic() - self.started, **self._totals(ordered)
        )
        self.report = self._built(ordered)
        if self._compares:
            self._compare(ordered)
        self.told()
        if self._writer is not None:
            from robusttest.report import history
            from robusttest.store.stream import end_parts

            try:
                self._writer.close(self.run, history.summaries(self.report))
                if self.settings.records != "jsonl":
                    from robusttest.store.parquet import Parts

                    Parts.of(self.run, self._writer.path).end(self._writer.path)
                end_parts(self.settings.directory, self.run.id)
            except StorageError as e:
                self.problem(e)
        self._keep_failing(ordered)
        self._write_reports()

    def told(self) -> None:
        """The report is there, and nothing of it is written yet."""

    def _built(self, ordered: Sequence[Cell]) -> Report:
        from robusttest.report.build import build

        assert self.run is not None
        told = dict.fromkeys(p for t in self.tallies.values() for p in t.get("problems", ()))
        part = []
        if self.settings.shard is not None:
            part = [
                f"shard {self.settings.shard}: nothing is judged here; robusttest merge joins the run files of all shards, judges and "
                "reports"
            ]
        return build(self.run, ordered, notes=[*part, *self.notes, *self.problems, *told])

    def _compare(self, ordered: Sequence[Cell]) -> None:
        from robusttest.run import baseline

        assert self.run is not None
        assert self.report is not None
        found = baseline.compare(self, self.run, ordered)
        if self.settings.update_baseline:
            baseline.update(self, self.run, ordered)
        said = [*self.notes, *self.problems]
        self.report = replace(self.report, comparison=found, notes=(*self.run.notes, *said))

    def _keep_failing(self, ordered: Sequence[Cell]) -> None:
        from robusttest.store.failing import keep

        try:
            keep(self.settings.directory, [c.records for c in ordered])
        except StorageError as e:
            self.problem(e)

    def _write_reports(self) -> None:
        assert self.report is not None
        if not self.settings.report:
            return
        from robusttest.report import files

        report = self.report
        if any(target.kind == "html" for target in self.settings.report):
            from robusttest.report.past import with_history

            try:
                report = with_history(report, self.settings.directory)
            except RobusttestError as e:
                self.problem(e)
        for target in self.settings.report:
            try:
                self.written.append(os.path.relpath(files.write(report, target)))
            except RobusttestError as e:
                self.problem(e)

    def _totals(self, ordered: Sequence[Cell]) -> dict[str, Any]:
        records = [r for c in ordered for r in c.records]
        models = tuple(dict.fromkeys(c.model for c in ordered if c.model))
        tallies = list(self.tallies.values())
        costs = [t["cost"] for t in tallies]
        created = [r.created for r in records if r.cached and r.created]
        return {
            "models": models,
            "calls": sum(t["calls"] for t in tallies),
            "cached": sum(t["cached"] for t in tallies),
            "errors": sum(t["errors"] for t in tallies),
            "cost": None if any(c is None for c in costs) else sum(costs),
            "oldest_reply": min(created, default=None),
            "model_versions": declared_versions(records),
            "served": served.named(records, lambda r: r.served),
            "fingerprints": served.named(records, lambda r: r.fingerprint),
            "versions": dict(self.run.versions if self.run is not None else {})
            | {name: v for t in tallies for name, v in t.get("versions", {}).items()},
        }


def check_records(records: str) -> None:
    """Refuse what records can't be written to (`Settings.records`), before money is spent. Raises `RobusttestError`."""
    if records != "jsonl":
        from robusttest.store.parquet import check

        check(records)


def declared_versions(records: Iterable[Record]) -> dict[str, str]:
    """``python:`` model → the one version that its replies were made by; without those that declare none, or several."""
    found: dict[str, set[str | None]] = {}
    for r in records:
        if is_callable(r.model) and r.status in ("ok", "unparsed", "refused"):
            found.setdefault(r.model, set()).add(r.fingerprint)
    return {
        model: version
        for model, versions in found.items()
        if len(versions) == 1 and (version := next(iter(versions))) is not None
    }


def tally(gateway: Gateway) -> dict[str, Json]:
    """What one process has asked so far."""
    p = gateway.progress()
    return {
        "calls": p.done,
        "cached": p.cached,
        "errors": p.failed,
        "cost": p.cost,
        "problems": gateway.problems(),
        "versions": gateway.facts(),
    }
