"""Cases → records. Expands, renders, submits and scores; knows neither pytest nor disk.

One `Runner` holds the jobs of a whole session. Whoever waits for one job's records keeps the calls of all jobs in
flight: there is no planning thread, and user code (scorers, own perturbations) runs in the thread that waits. Variants
are made as slots get free, so that memory holds records, not prompts.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

from robusttest.core.nouns import Completion, Record, Request, Score, Variant
from robusttest.engine.job import GatewayLike, Job
from robusttest.engine.record import by_expectation, failed_record, make_record
from robusttest.engine.rounds import Rounds, Stopping
from robusttest.engine.shrink import Budget, searches
from robusttest.errors import CallError, RobusttestError, RunAbortedError
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.settings import Settings
from robusttest.tasks.render import render
from robusttest.variants.expand import expand_case, rewrite_steps
from robusttest.variants.remembered import Store
from robusttest.variants.select import (
    Selected,
    spec_of,
)

TICK = 0.1
"""Seconds between two calls of ``tick`` while the runner waits."""

_BATCH = 16
"""Variants planned between two looks at what has come in."""


__all__ = ["GatewayLike", "Job", "Runner"]

Steps = Generator[Request, Completion, Any]


class _State:
    """A job under way."""

    def __init__(self, job: Job, store: Store | None) -> None:
        self.job, self.store = job, store
        self.order = {p.spec: i for i, p in enumerate(job.wanted, 1)}
        self.expect = {p.spec: p.expect for p in job.wanted if p.expect != "target"}
        self.rounds = Rounds(job.adaptive) if job.adaptive else None
        self.cases = 0
        self.looked = 0
        self.plan = self._planned(job.selected() if self.rounds is None else self.rounds.next())
        self.planned_all = False
        self.between = False
        """The round is planned, and some of it is not back: what comes next depends on it."""
        self.pending = 0
        self.rows: list[tuple[tuple[int, int, int], Record]] = []
        self.references: dict[int, Score | None] = {}
        self.held: dict[int, list[Callable[[], None]]] = {}
        self.failure: BaseException | None = None

    def _planned(self, cases: list[Selected]) -> Iterator[tuple[int, Selected, Variant | Perturbation]]:
        first = self.job.first
        planned = sorted(enumerate(cases, self.cases), key=lambda place: place[1].case.id not in first)
        for i, selected in planned:
            for item in self.job.variants(selected, self.store):
                yield i, selected, item
            self.cases += 1

    def planned(self) -> None:
        """The plan is at its end."""
        self.planned_all, self.between = self.rounds is None, self.rounds is not None

    def look(self) -> None:
        """The round is back: plan the next one, if there is to be one."""
        assert self.rounds is not None
        rows = sorted((row for row in self.rows if row[0][0] >= self.looked), key=lambda row: row[0])
        self.looked = self.cases
        self.rounds.look(record for _, record in rows)
        batch = self.rounds.next()
        self.plan, self.planned_all, self.between = self._planned(batch), not batch, False

    @property
    def done(self) -> bool:
        return self.planned_all and not self.pending

    def records(self) -> list[Record]:
        self.rows.sort(key=lambda row: row[0])
        return [record for _, record in self.rows]


class Runner:
    """Runs jobs through one gateway.

    ::

        runner = Runner(gateway, settings)
        for job in jobs:
            runner.add(job)
        for job in jobs:
            records = runner.result(job)

    ``on_record`` is told each record as it is made (in no order), ``tick`` is called while the runner waits; both in
    the waiting thread. A `KeyboardInterrupt` passes through `result`; `records` then has what came in before it.
    """

    def __init__(
        self,
        gateway: GatewayLike,
        settings: Settings | None = None,
        *,
        on_record: Callable[[Job, Record], None] | None = None,
        tick: Callable[[], None] | None = None,
        window: int | None = None,
    ) -> None:
        self.gateway, self.settings = gateway, settings or Settings()
        self.window = window or max(4 * self.settings.concurrency, 256)
        """Calls of one model that are submitted and not back, at most."""
        self._on_record, self._tick = on_record, tick
        self._states: dict[int, _State] = {}
        self._jobs: dict[int, Job] = {}
        self._ready: queue.SimpleQueue[
            tuple[_State, Callable[[Future[Completion]], None], Future[Completion]]
        ] = queue.SimpleQueue()
        self._in_flight: dict[str, int] = {}

    def add(self, job: Job) -> None:
        """Plan a job: its calls begin as soon as anybody waits for a result."""
        if id(job) not in self._states:
            self._jobs[id(job)] = job  # keeps the id its own
            self._states[id(job)] = _State(job, self._store())

    def _store(self) -> Store | None:
        store = getattr(self.gateway, "store", None)
        return store if hasattr(store, "get_variants") and hasattr(store, "put_variants") else None

    def result(self, job: Job) -> list[Record]:
        """The job's records in the order of cases and variants; waits for them.

        Raises what stops the job as a whole: `RunAbortedError` (a dead endpoint, a wrong key), or `UsageError`
        from a perturbation or scorer that breaks its contract. `records` has what came in until then.
        """
        self.add(job)
        state = self._states[id(job)]
        while not state.done:
            self._step(state)
        if state.failure is not None:
            raise state.failure
        return state.records()

    def stopping(self, job: Job) -> Stopping | None:
        """How an adaptive job ended; None for one that takes all its cases."""
        state = self._states[id(job)]
        return None if state.rounds is None else state.rounds.stopping(state.records())

    def records(self, job: Job) -> list[Record]:
        """The records that the job has so far, in order. Waits for nothing."""
        state = self._states.get(id(job))
        return [] if state is None else state.records()

    def shrink(self, job: Job, budget: Budget) -> list[Record]:
        """The records of a job that is done, the worst failing variant of each family with the smallest edits that fail.

        Asks at most as often as ``budget`` has left. Only `Record.shrunk` is filled in: no number changes.
        """
        records = self.result(job)
        state = self._states[id(job)]
        begun = searches(job, records, budget, state.store)
        for search in begun:
            self._drive(state, search.steps(), None, _nothing, _nothing)
        while state.pending:
            self._step(state)
        found = {id(s.record): s.record_found() for s in begun}
        return [found.get(id(r), r) for r in records]

    def drop(self, job: Job) -> None:
        """Plan no further call of this job, and forget its records."""
        state = self._states.pop(id(job), None)
        self._jobs.pop(id(job), None)
        if state is not None:
            state.planned_all = True

    # --- the loop ---------------------------------------------------------------------------------------------

    def _step(self, current: _State) -> None:
        while not self._ready.empty():
            self._take(*self._ready.get())
        state = self._next(current)
        if state is not None:
            self._plan_some(state)
            return
        idle = current.pending == sum(map(len, current.held.values()))
        if (current.planned_all or current.between) and idle:
            for case in list(current.held):  # its reference was never put, as from a source that has none
                self._reference(current, case, None)
        if current.between and not current.pending:
            try:
                current.look()
            except Exception as e:
                self._fail(current, e)
            return
        if current.done:
            return
        with contextlib.suppress(queue.Empty):
            self._take(*self._ready.get(timeout=TICK))
        if self._tick is not None:
            self._tick()

    def _next(self, current: _State) -> _State | None:
        """The job to plan for: the one waited for, then the others as they were added; where there is room."""
        for state in (current, *self._states.values()):
            waits = state.planned_all or state.between
            if not waits and self._in_flight.get(state.job.model, 0) < self.window:
                return state
        return None

    def _plan_some(self, state: _State) -> None:
        for _ in range(_BATCH):
            try:
                item = next(state.plan, None)
                if item is None:
                    state.planned()
                    return
                self._begin(state, *item)
            except Exception as e:
                # The job's, not that of whoever happens to wait.
                self._fail(state, e)
                return

    def _fail(self, state: _State, error: BaseException) -> None:
        state.failure = state.failure or error
        state.planned_all, state.between = True, False

    def _take(
        self, state: _State, then: Callable[[Future[Completion]], None], future: Future[Completion]
    ) -> None:
        state.pending -= 1
        try:
            then(future)
        except Exception as e:
            self._fail(state, e)

    # --- one variant --------------------------------------------------------------------------------------------

    def _begin(self, state: _State, case: int, selected: Selected, item: Variant | Perturbation) -> None:
        if isinstance(item, Perturbation):
            self._rewrite(state, case, selected, item)
            return
        if state.job.keep is not None:
            state.job.keep(item)
        if item.status != "ok":
            self._record(
                state, case, item, make_record(item, status=item.status, reason=item.reason, **_names(state))
            )
            return
        draft = item.draft
        params = {**state.job.task.params, **draft.params} if draft.params else state.job.task.params
        request = self.gateway.request(state.job.model, render(draft), params, draft.sample)
        self._submit(state, request, lambda future: self._answered(state, case, item, request, future))

    def _submit(self, state: _State, request: Request, then: Callable[[Future[Completion]], None]) -> None:
        model = request.model
        future = self.gateway.submit(request)
        state.pending += 1
        self._in_flight[model] = self._in_flight.get(model, 0) + 1

        def arrived(future: Future[Completion]) -> None:
            self._in_flight[model] -= 1
            then(future)

        future.add_done_callback(lambda f: self._ready.put((state, arrived, f)))

    def _answered(
        self, state: _State, case: int, variant: Variant, request: Request, future: Future[Completion]
    ) -> None:
        outcome = self._outcome(state, future)
        if not isinstance(outcome, Completion):
            self._failed(state, case, variant, outcome, request)
            return
        completion = outcome

        def scored(score: Score) -> None:
            self._scored(state, case, variant, request, completion, score)

        def failed(error: BaseException) -> None:
            self._failed(state, case, variant, error, request, completion)

        try:
            scoring = state.job.task.score(completion, variant)
        except RobusttestError:
            failed_as = "the scorer broke its contract"
            self._failed(state, case, variant, CallError(failed_as), request, completion)
            raise
        except Exception as e:
            failed(CallError(f"scorer {state.job.task.scorer.name} raised {type(e).__name__}: {e}"))
            return
        if isinstance(scoring, Score):
            scored(scoring)
        else:
            self._drive(state, scoring, None, scored, failed)

    def _outcome(self, state: _State, future: Future[Completion]) -> Completion | BaseException:
        try:
            return future.result(timeout=0)
        except CancelledError:
            return CallError("the call was cancelled", kind="cancelled")
        except CallError as e:
            return e
        except RunAbortedError as e:
            self._fail(state, e)
            return e

    def _failed(
        self,
        state: _State,
        case: int,
        variant: Variant,
        error: BaseException,
        request: Request | None = None,
        completion: Completion | None = None,
    ) -> None:
        record = failed_record(variant, error, request=request, completion=completion, **_names(state))
        self._record(state, case, variant, record)
        if not variant.perturbation:
            self._reference(state, case, None)

    def _scored(
        self,
        state: _State,
        case: int,
        variant: Variant,
        request: Request,
        completion: Completion,
        score: Score,
    ) -> None:
        expect = state.expect.get(variant.perturbation)
        if expect is not None and case not in state.references:
            state.pending += 1  # held until the reference has its answer
            state.held.setdefault(case, []).append(
                lambda: self._scored(state, case, variant, request, completion, score)
            )
            return
        if expect is not None:
            judged = by_expectation(score, expect, state.references[case])
            if isinstance(judged, str):
                self._failed(state, case, variant, CallError(judged), request, completion)
                return
            score = judged
        record = make_record(variant, score=score, request=request, completion=completion, **_names(state))
        self._record(state, case, variant, record)
        if not variant.perturbation:
            self._reference(state, case, score)

    def _reference(self, state: _State, case: int, score: Score | None) -> None:
        if not state.expect:
            return
        state.references[case] = score
        for again in state.held.pop(case, ()):
            state.pending -= 1
            again()

    def _record(self, state: _State, case: int, variant: Variant, record: Record) -> None:
        key = (
            case,
            state.order.get(variant.perturbation, len(state.order) + 1 if variant.perturbation else 0),
        )
        state.rows.append(((*key, variant.index), record))
        if self._on_record is not None:
            self._on_record(state.job, record)

    # --- steps that ask a model: writers and judges -----------------------------------------------------------------

    def _rewrite(self, state: _State, case: int, selected: Selected, perturbation: Perturbation) -> None:
        job = state.job
        only = selected.variants
        most = job.settings.variants
        if only is not None:
            most = max([most, *(i + 1 for s, i in map(spec_of, sorted(only)) if s == perturbation.spec)])
        steps = rewrite_steps(
            selected.case,
            perturbation,
            prompt=job.task.prompt,
            params=job.task.params,
            variants=most,
            seed=job.settings.seed,
            protect=job.task.protect,
            validity=job.task.validity,
        )

        def written(variants: list[Variant]) -> None:
            for v in variants:
                if only is None or v.id in only:
                    self._begin(state, case, selected, v)

        def failed(error: BaseException) -> None:
            # They were planned, and there is nothing to ask: each lowers coverage.
            (reference,) = expand_case(selected.case, (), prompt=job.task.prompt)
            count = most if perturbation.limit is None else min(most, perturbation.limit)
            for i in range(count):
                missing = Variant(
                    original=selected.case,
                    draft=reference.draft,
                    perturbation=perturbation.spec,
                    index=i,
                    level=perturbation.level,
                    severity=perturbation.severity,
                    preserves=perturbation.preserves,
                    expected=perturbation.effect,
                    writer=perturbation.writer,
                )
                if only is None or missing.id in only:
                    self._failed(state, case, missing, error)

        self._drive(state, steps, None, written, failed)

    def _drive(
        self,
        state: _State,
        steps: Steps,
        value: Completion | None,
        then: Callable[[Any], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Run a generator to its next request, and on with its reply; ``then`` gets what it returns."""
        try:
            asked = next(steps) if value is None else steps.send(value)
        except StopIteration as stop:
            then(stop.value)
            return
        except RobusttestError:
            raise
        except Exception as e:
            failed(CallError(f"{type(e).__name__}: {e}"))
            return
        request = self.gateway.request(asked.model, asked.messages, asked.params, asked.sample)

        def answered(future: Future[Completion]) -> None:
            outcome = self._outcome(state, future)
            if isinstance(outcome, Completion):
                self._drive(state, steps, outcome, then, failed)
            else:
                failed(outcome)

        self._submit(state, request, answered)


def _nothing(_: object) -> None:
    """What a search has found so far, it holds itself."""


def _names(state: _State) -> dict[str, Any]:
    return {"task": state.job.task.name, "model": state.job.model, "test": state.job.test}
