"""One robust session: its items, the one gateway and runner they share, and what they leave.

Made when the first robust mark is collected, or (on xdist's controller) when the first records arrive. A session that
sees neither never imports this.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from robusttest.core import codec
from robusttest.core.nouns import CellKey, Json, Record, digest
from robusttest.errors import RunAbortedError, StorageError
from robusttest.plugin import RUN_KEY, options
from robusttest.plugin import item as items
from robusttest.plugin import mark as marks
from robusttest.plugin.collect import MODEL
from robusttest.plugin.item import RobustItem
from robusttest.plugin.outcomes import Outcomes
from robusttest.run.ledger import Ledger, tally

if TYPE_CHECKING:
    from robusttest.engine.cell import Cell
    from robusttest.engine.driver import Runner
    from robusttest.engine.shrink import Budget
    from robusttest.gateway import Gateway
    from robusttest.plugin.terminal import ProgressLine
    from robusttest.run.calls import Calls

KEY = pytest.StashKey["RobustSession"]()
ITEM = pytest.StashKey[RobustItem]()


def ensure(config: pytest.Config) -> RobustSession:
    """The session of this pytest run; made, with its hooks, when first asked for."""
    session = config.stash.get(KEY, None)
    if session is None:
        from robusttest.plugin.hooks import Hooks

        session = config.stash[KEY] = RobustSession(config)
        config.pluginmanager.register(Hooks(session), "robusttest-session")
    return session


def finish_early(config: pytest.Config, run_key: str) -> None:
    """On xdist's controller, which no outcome has reached: tell what the workers of this run have on disk."""
    from robusttest.store.stream import parts_of

    if KEY in config.stash:
        return
    if parts_of(options.resolve(config).directory / "runs", digest(run_key, size=4)).is_dir():
        ensure(config).finish(complete=False)


class RobustSession(Ledger):
    """State of one pytest run. On xdist there is one in each worker, and one on the controller that reports."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.worker: Mapping[str, Any] | None = getattr(config, "workerinput", None)
        super().__init__(
            options.resolve(config),
            key=str(self.worker["testrunuid"]) if self.worker else config.stash.get(RUN_KEY, None),
            process=str(self.worker["workerid"]) if self.worker else "main",
            folder=config.rootpath,
            files=self._files,
            plans=self._plans,
        )
        self.items: dict[str, RobustItem] = {}
        self.frozen: dict[CellKey, tuple[list[Json], list[str]]] = {}
        """Variants as rows of a frozen file, and what of them could not be made, where they are to be written to one."""
        self.outcomes = Outcomes()
        self.unavailable: dict[str, RunAbortedError] = {}
        """Models that can't be called, as a look at them found before any call: an error of their own tests alone."""
        self.refused: str | None = None
        """Why a worker runs none of its tests; without xdist that is a usage error of the session."""
        self.interrupted = False
        self.progress: ProgressLine | None = None
        self.reports: dict[CellKey, tuple[pytest.TestReport, Any]] = {}
        """Where a gate may fail a test afterwards: the report that brought its outcome, and JUnit's entry of it."""
        self.places: dict[CellKey, tuple[str, int]] = {}
        """Each test's file, as pytest names it, and the line that it begins at, from 1."""
        self._calls: tuple[int, Calls] | None = None
        self._marks: dict[int, tuple[pytest.Mark, marks.Marked]] = {}

    # --- collection

    def marked(self, mark: pytest.Mark) -> marks.Marked:
        """What a mark says, read once."""
        held = self._marks.get(id(mark))
        if held is None:
            held = self._marks[id(mark)] = (mark, marks.read(mark, options.expected(self.config)))
        return held[1]

    def adopt(self, item: pytest.Function) -> RobustItem | None:
        """The state of a collected item, if it is a robust one."""
        held = item.stash.get(ITEM, None)
        if held is not None:
            return held
        mark = item.get_closest_marker("robust")
        if mark is None or not hasattr(item, "callspec") or MODEL not in item.callspec.params:
            return None
        if marks.PLUGIN_IS_OFF in item.fixturenames:
            item.fixturenames.remove(marks.PLUGIN_IS_OFF)
        marked = self.marked(mark)
        settings = options.resolve(self.config, marked.settings)
        made = item.stash[ITEM] = items.make(item, marked, settings)
        self.items[made.nodeid] = made
        return made

    # --- calls

    @property
    def gateway(self) -> Gateway:
        """The gateway of this process: a forked child has its own."""
        return self._begun().gateway

    @property
    def runner(self) -> Runner:
        return self._begun().runner

    @property
    def shrinking(self) -> Budget | None:
        """Calls left for shrinking in this process: on xdist each worker has its share. None where nothing is shrunk."""
        return self._begun().shrinking

    def _begun(self) -> Calls:
        if self._calls is None or self._calls[0] != os.getpid():
            from robusttest.run.calls import opened

            workers = int(self.worker["workercount"]) if self.worker is not None else 1
            calls = opened(
                self.settings,
                self.recorded,
                workers=workers,
                tests=len(self.items),
                run=self.run_key,
                tick=self.ticked,
            )
            self._calls = os.getpid(), calls
        return self._calls[1]

    @property
    def calling(self) -> Gateway | None:
        """The gateway, if this process has made one."""
        return self._calls[1].gateway if self._calls is not None and self._calls[0] == os.getpid() else None

    def ticked(self) -> None:
        if self.progress is not None:
            self.progress.tick()

    def clear_progress(self) -> None:
        if self.progress is not None:
            self.progress.clear()

    def preflight(self, models: Iterable[str], with_key: Iterable[str] = ()) -> None:
        """Refuse unknown providers and missing keys for all tests at once, before the first call."""
        keys = tuple(with_key)
        for model in dict.fromkeys(models):
            try:
                self.gateway.preflight([model], with_key=keys)
            except RunAbortedError as e:
                self.unavailable[model] = e

    def plan(self, wanted: Iterable[RobustItem]) -> None:
        """Put the calls of declared tasks into the one window of the session."""
        for item in wanted:
            # An adaptive job waits for its setup: what it asks depends on what it was told.
            job = item.job
            if not item.declared or job.adaptive is not None or item.result is not None:
                continue
            if not self.unavailable.keys() & set(job.models()):
                self.runner.add(job)

    def compute(self, item: RobustItem) -> None:
        """Wait for a declared task's records. A rerun finds them there."""
        if item.result is not None:
            return
        for model in item.job.models():
            if (error := self.unavailable.get(model)) is not None:
                raise type(error)(f"no call was made for this test: {error}")
        try:
            records = self.runner.result(item.job, self.shrinking)
        finally:
            self.clear_progress()
        job, runner = item.job, self.runner
        item.finish(records, runner.stopping(job), runner.notes(job), runner.judging(job))
        self.runner.drop(item.job)

    def body_gateway(self) -> Gateway:
        return self.gateway

    def _files(self) -> dict[str, Path | None]:
        from robusttest.run.resume import files_of

        states = self.items.values()
        tests = [state.node.partition("::")[0] for state in states]
        models = files_of((m for state in states for m in state.job.models()), self.settings.directory)
        return {name: self.config.rootpath / name for name in tests} | models

    def _plans(self) -> dict[str, Json]:
        from robusttest.run.plan import planned

        return planned(state.job for state in self.items.values())

    # --- what comes out

    def payload(self, item: RobustItem) -> str:
        """The cell of one item, for its report: its node id in this process, JSON across processes."""
        item.sent = True
        if self.worker is None and os.getpid() == self.pid:
            return item.nodeid
        cell, (rows, missing) = item.cell, _frozen(item)
        head = {
            "cell": codec.plain(cell),
            "frozen": rows,
            "unfrozen": missing,
            "source": f"{self.worker['workerid'] if self.worker else 'main'}:{os.getpid()}",
            "tally": self._tally(),
            "of_run": self.notes,
        }
        return "\n".join([codec.dumps(head), *self.lines(cell)])

    def collected(self, node: str, item: Sequence[Any]) -> None:
        """An item of ours whose first report has come."""
        self.outcomes.collected(node, CellKey(*item[0]), item[1])

    def joined(self, wire: str) -> None:
        """What a worker had collected, told as it ended."""
        self.outcomes.join(codec.loads(wire))

    def _tally(self) -> dict[str, Json]:
        return {} if self.calling is None else tally(self.calling)

    def receive(self, payload: str, report: pytest.TestReport | None = None) -> None:
        """Take one outcome off a report. One that is to be rerun is not final and leaves nothing."""
        if report is not None and str(report.outcome) == "rerun":
            return
        if payload in self.items:
            item = self.items[payload]
            cell, frozen = item.cell, _frozen(item)
            lines = self.lines(cell)
        else:
            head, *lines = payload.split("\n")
            data = codec.loads(head)
            if data["tally"]:
                self.tallies[data["source"]] = data["tally"]
            self.notes += [note for note in data["of_run"] if note not in self.notes]
            cell, frozen = _received(data["cell"], lines), (data["frozen"], data["unfrozen"])
        if report is not None and report.location[1] is not None:
            self.places[cell.key] = (report.location[0], report.location[1] + 1)
        if report is not None and self.settings.fail_on is not None:
            from robusttest.plugin import listings

            self.reports[cell.key] = (report, listings.entry_of(self.config, report))
        self._add(cell, frozen, lines)

    def _add(self, cell: Cell, frozen: tuple[list[Json], list[str]], lines: Iterable[str]) -> None:
        self.frozen[cell.key] = frozen
        self.add(cell, lines)
        hook = self.config.hook.pytest_robust_record
        if hook.get_hookimpls():
            for record in cell.records:
                hook(config=self.config, record=record)

    def finish(self, *, complete: bool) -> None:
        """Stop calling; where the session reports: close the run file, build the report, write what was asked for."""
        self._take_rest()
        tally = self._tally()
        if self.calling is not None:
            self.calling.close()
            tally["problems"] = self.calling.problems()  # of the last writes, too
        if tally:
            self.tallies["here"] = tally
        if self.worker is not None:
            if self.settings.shard is not None and self.items:
                self.begin()  # the plan is a worker's to say, whether or not the shard has a case
            output = self.config.workeroutput  # type: ignore[attr-defined]  # xdist's, of a worker
            output["robusttest"] = codec.dumps(self.outcomes.wire())
            return
        self._add_outcomes()
        if self.run is None and not self.cells:
            return
        assert self.run is not None
        if self.settings.freeze is not None:
            from robusttest.plugin import freeze

            freeze.put(self, list(self.items.values()), [self.frozen[c.key] for c in self.ordered])
        self.close(complete=complete and self.outcomes.all_ran)
        self._write_summary()

    def told(self) -> None:
        assert self.report is not None
        if self.regressed or self.gate_broken:
            self._gated()
            told = self.cells
            cells = tuple(
                replace(c, item=told[c.key].outcome, reason=told[c.key].reason) for c in self.report.cells
            )
            self.report = replace(self.report, cells=cells)
        self._write_cells()
        self.config.hook.pytest_robust_report(config=self.config, report=self.report)

    def _add_outcomes(self) -> None:
        """What pytest says of each collected item; one that left no cell gets an empty one."""
        from robusttest.engine.cell import Cell

        if not self.cells and not any(t.outcome != "not_run" for t in self.outcomes.items.values()):
            return
        for told in self.outcomes.items.values():
            cell = self.cells.get(told.key)
            if cell is None:
                cell = self.cells[told.key] = Cell(told.key, nodeid=told.nodeid)
                self.frozen[told.key] = ([], [])
            cell.outcome, cell.reason = self.outcomes.of(told.key)
        try:
            self.open()
        except StorageError as e:
            self.problem(e)
            self._writer = None

    def _write_cells(self) -> None:
        """What came of each test, to the run file: once that is settled."""
        if self._writer is None:
            return
        try:
            for cell in self.cells.values():
                self._writer.write_cell(cell)
        except StorageError as e:
            self.problem(e)
            self._writer = None

    def _gated(self) -> None:
        """A test that the gate fails has failed, in every report."""
        from robusttest.report.words.against import WORDS

        gate = f"(--robust-fail-on={self.settings.fail_on})"
        for key, cell in self.cells.items():
            found = self.regressed.get(key)
            if cell.outcome != "passed" or (found is None and not self.gate_broken):
                continue
            cell.outcome = "failed"
            cell.reason = (
                f"{self.gate_broken} {gate}"
                if found is None
                else f"{WORDS[found.verdict].lower()} against the baseline {gate}"
            )

    def _take_rest(self) -> None:
        """Where the session reports: the cells that no report brought, as their test was interrupted, or their worker
        crashed. What they have is told; without verdicts, unless all records were in.
        """
        unsent = {} if self.worker is not None else {i.key: i for i in self.items.values() if not i.sent}
        for item in unsent.values():
            if item.result is None and item.declared and self.calling is not None:
                item.records = self.runner.records(item.job)
            if item.records or item.result is not None:
                self.receive(self.payload(item))
        self.end_stream()
        if self.worker is not None:
            return
        from robusttest.store.reader import left_over

        try:
            for key, records in left_over(self.settings.directory, self.run_id, but=self.cells).items():
                self._add(
                    items.partial(key, records, unsent.get(key)), ([], []), map(codec.record_line, records)
                )
        except StorageError as e:
            self.problem(e)

    def _write_summary(self) -> None:
        """GitHub shows it on the page of the run."""
        assert self.report is not None
        if "GITHUB_STEP_SUMMARY" not in os.environ:
            return
        from robusttest.report import github

        try:
            github.append_summary(self.report)
        except StorageError as e:
            self.problem(e)


def _received(cell: Json, lines: Iterable[str]) -> Cell:
    from robusttest.engine.cell import Cell

    records = tuple(codec.read(Record, codec.loads(line)) for line in lines)
    return replace(codec.read(Cell, cell), records=records)


def _frozen(item: RobustItem) -> tuple[list[Json], list[str]]:
    done = item.freezer if item.result is not None else None
    return ([], []) if done is None else (list(done.rows), list(done.missing()))
