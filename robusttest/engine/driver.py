"""Cases → records: the one driver of declared tasks and of tests with a body of their own; knows neither pytest nor disk.

One `Runner` holds the jobs of a whole session, each with its `Asker`. Whoever waits for one job's records keeps the calls
of all jobs in flight: there is no planning thread, and user code (scorers, bodies, own perturbations) runs in the thread
that waits. Variants are made as slots get free, so that memory holds records, not prompts.
"""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from robusttest.core.nouns import Judging, Record, Request, Score, Variant
from robusttest.engine.asker import Asker, Reply, Steps, TaskAsker
from robusttest.engine.job import GatewayLike, Job
from robusttest.engine.record import by_expectation, make_record, score_of
from robusttest.engine.rounds import Rounds, Stopping
from robusttest.engine.shrink import Budget, Effort, Shrinking, searches
from robusttest.errors import CallError, RobusttestError, RunAbortedError
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.scorers.protocol import Labelled
from robusttest.settings import Settings
from robusttest.variants.expand import expand_case, rewrite_steps
from robusttest.variants.remembered import Store
from robusttest.variants.select import Selected, spec_of

TICK = 0.1
"""Seconds between two calls of ``tick`` while the runner waits."""

_BATCH = 16
"""Variants planned between two looks at what has come in."""


__all__ = ["GatewayLike", "Job", "Runner"]


class Whole(NamedTuple):
    """Cases that are done elsewhere, each with its place in the job."""

    cases: tuple[tuple[int, Selected], ...]


class SpreadLike(Protocol):
    """Who has whole cases done elsewhere; `robusttest.run.cases` is one."""

    def takes(self, job: Job) -> bool: ...
    def size(self, job: Job) -> int: ...
    def cases(self) -> int: ...
    def submit(self, job: Job, whole: Whole) -> Future[Any]:
        """A future of what gives ``(place, record, its line)`` of each variant."""
        ...


class _State:
    """A job under way."""

    def __init__(
        self, job: Job, asker: Asker, most: int, store: Store | None, spread: SpreadLike | None = None
    ) -> None:
        self.job, self.asker, self.most, self.store = job, asker, most, store
        self.spread = spread if spread is not None and spread.takes(job) else None
        if self.spread is not None:
            self.most = 2 * self.spread.size(job)
        self.order = {p.spec: i for i, p in enumerate(job.wanted, 1)}
        self.expect = {p.spec: p.expect for p in job.wanted if p.expect != "target"}
        self.rounds = Rounds(job.adaptive) if job.adaptive else None
        self.cases = 0
        self.looked = 0
        self.plan = self._planned(job.selected() if self.rounds is None else self.rounds.next())
        self.planned_all = False
        self.between = False
        """The round is planned, and some of it is not back: what comes next depends on it."""
        self.flying = 0
        """Waited for: calls, and bodies that run elsewhere."""
        self.rows: list[tuple[tuple[int, int, int], Record]] = []
        self.references: dict[int, Score | None] = {}
        self.held: dict[int, list[Callable[[], None]]] = {}
        """By case, what is answered and waits for the reference's answer."""
        self.failure: BaseException | None = None
        self.effort: Effort | None = None
        self.judging: Judging | None = None

    def _planned(
        self, cases: list[Selected]
    ) -> Iterator[tuple[int, Selected, Variant | Perturbation | Whole]]:
        first = self.job.first
        planned = sorted(enumerate(cases, self.cases), key=lambda place: place[1].case.id not in first)
        left = deque(planned)
        while left:
            if self.spread is not None:
                # Smaller towards the end, so that no worker is at its last shard alone for long.
                fair = -(-len(left) // (2 * self.spread.size(self.job)))
                some = tuple(left.popleft() for _ in range(min(fair, self.spread.cases())))
                self.cases += len(some)
                yield *some[0], Whole(some)
                continue
            i, selected = left.popleft()
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
    def pending(self) -> bool:
        return bool(self.flying or self.held)

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

    ``on_record`` is told each record as it is made (in no order), its place in the job, and its line where it came as one; ``tick`` is called while the runner waits; both in
    the waiting thread. A `KeyboardInterrupt` passes through `result`; `records` then has what came in before it.
    """

    def __init__(
        self,
        gateway: GatewayLike,
        settings: Settings | None = None,
        *,
        on_record: Callable[..., None] | None = None,
        tick: Callable[[], None] | None = None,
        wake: Callable[[], None] | None = None,
        window: int | None = None,
        spread: SpreadLike | None = None,
    ) -> None:
        self.gateway, self.settings = gateway, settings or Settings()
        self.window = window or max(4 * self.settings.concurrency, 256)
        """Calls of one model that are submitted and not back, at most."""
        self._on_record, self._tick, self._wake, self._spread = on_record, tick, wake, spread
        self._states: dict[int, _State] = {}
        self._jobs: dict[int, Job] = {}
        self._ready: queue.SimpleQueue[tuple[_State, Callable[[Future[Any]], None], Future[Any]]] = (
            queue.SimpleQueue()
        )
        self._in_flight: dict[str, int] = {}

    def add(self, job: Job, asker: Asker | None = None) -> None:
        """Plan a job: its calls begin as soon as anybody waits for a result. ``asker``: a body's, for a test that has one."""
        if id(job) not in self._states:
            self._jobs[id(job)] = job  # keeps the id its own
            store = getattr(self.gateway, "store", None) if job.remembers else None
            who: Asker = asker or TaskAsker(job, self.gateway)
            spread = self._spread if asker is None else None
            self._states[id(job)] = _State(job, who, who.most or self.window, store, spread)

    def result(self, job: Job, shrink: Budget | None = None) -> list[Record]:
        """The job's records in the order of cases and variants; waits for them.

        With ``shrink`` the failing variants have the smallest edits that fail in `Record.shrunk`: the worst of each family
        first, then the others while the budget lasts, which holds how often the job asks for that. It changes no number.

        Raises what stops the job as a whole: `RunAbortedError` (a dead endpoint, a wrong key), or `UsageError`
        from a perturbation, scorer or body that breaks its contract. `records` has what came in until then.
        """
        self.add(job)
        for _ in self._work(self._states[id(job)], shrink):
            with contextlib.suppress(queue.Empty):
                self._take(*self._ready.get(timeout=TICK))
            if self._tick is not None:
                self._tick()
        return self.records(job)

    async def aresult(
        self, job: Job, wait: Callable[[], Awaitable[None]], shrink: Budget | None = None
    ) -> list[Record]:
        """The same on an event loop that is not held up: ``wait`` ends when ``wake`` was called, or after a while."""
        self.add(job)
        for _ in self._work(self._states[id(job)], shrink):
            await wait()
            if self._tick is not None:
                self._tick()
        return self.records(job)

    def stopping(self, job: Job) -> Stopping | None:
        """How an adaptive job ended; None for one that takes all its cases."""
        state = self._states[id(job)]
        return None if state.rounds is None else state.rounds.stopping(state.records(), of=state.asker.of)

    def notes(self, job: Job) -> tuple[str, ...]:
        """What a reader of the job's records is to know of how they were made: what shrinking tried, and its calls."""
        state = self._states.get(id(job))
        return () if state is None or state.effort is None else (state.effort.note(),)

    def judging(self, job: Job) -> Judging | None:
        """How the judge of the job's task does on answers that a person graded; None where there are none."""
        state = self._states.get(id(job))
        return None if state is None else state.judging

    def records(self, job: Job) -> list[Record]:
        """The records that the job has so far, in order. Waits for nothing."""
        state = self._states.get(id(job))
        return [] if state is None else state.records()

    def drop(self, job: Job) -> None:
        """Plan no further call of this job, and forget its records."""
        state = self._states.pop(id(job), None)
        self._jobs.pop(id(job), None)
        if state is not None:
            state.planned_all = True

    # --- the loop ---------------------------------------------------------------------------------------------

    def _work(self, state: _State, shrink: Budget | None) -> Iterator[None]:
        """Do what can be done; yields wherever only waiting is left."""
        self._ask_judge(state)
        while not state.done:
            if not self._step(state):
                yield
        self._raise(state)
        if shrink is None:
            return
        rounds = searches(state.job, state.asker, state.records(), shrink, state.store)
        begun: list[Shrinking] = []
        for number, some in enumerate(rounds):
            # Those of one round share the budget side by side, and what is left goes to the next.
            if number == 1:
                shrink.share()
            if shrink.spent or state.failure is not None:
                break
            begun += some
            for search in some:
                try:
                    self._drive(state, search.steps(), _nothing, _nothing)
                except Exception as e:
                    self._fail(state, e)
            while state.flying:
                if not self._step(state):
                    yield
        shrink.done()
        self._raise(state, but=RunAbortedError)  # a dead endpoint takes nothing from what is known by now
        if rounds:
            state.effort = Effort(
                tried=sum(s.found is not None for s in begun),
                of=sum(map(len, rounds)),
                calls=sum(s.spent for s in begun),
            )
        found = {id(s.record): s.record_found() for s in begun}
        state.rows = [(place, found.get(id(r), r)) for place, r in state.rows]

    def _step(self, current: _State) -> bool:
        """One piece of work; False where there is none before something comes in."""
        while not self._ready.empty():
            self._take(*self._ready.get())
        state = self._next(current)
        if state is not None:
            self._plan_some(state)
            return True
        if (current.planned_all or current.between) and not current.flying:
            for case in list(current.held):  # its reference was never put, as from a source that has none
                self._reference(current, case, None)
        if current.between and not current.pending:
            try:
                current.look()
            except Exception as e:
                self._fail(current, e)
            return True
        return current.done

    def _next(self, current: _State) -> _State | None:
        """The job to plan for: the one waited for, then the others as they were added; where there is room."""
        for state in (current, *self._states.values()):
            if not (state.planned_all or state.between) and self._has_room(state):
                return state
        return None

    def _has_room(self, state: _State) -> bool:
        return state.flying < state.most and self._in_flight.get(state.job.model, 0) < self.window

    def _plan_some(self, state: _State) -> None:
        for _ in range(_BATCH if state.spread is None else 1):
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

    def _raise(self, state: _State, but: type[BaseException] | tuple[()] = ()) -> None:
        if state.failure is not None and not isinstance(state.failure, but):
            raise state.failure

    def _fail(self, state: _State, error: BaseException) -> None:
        state.failure = state.failure or error
        state.planned_all, state.between = True, False

    def _take(self, state: _State, then: Callable[[Future[Any]], None], future: Future[Any]) -> None:
        state.flying -= 1
        try:
            then(future)
        except Exception as e:
            self._fail(state, e)

    # --- one variant --------------------------------------------------------------------------------------------

    def _done_elsewhere(self, state: _State, whole: Whole) -> None:
        assert state.spread is not None

        def came(read: Any, error: BaseException | None) -> None:
            if isinstance(error, RunAbortedError):
                return
            if error is not None:  # what workers can't do whole is done here, but for the calls
                if not isinstance(error, BrokenExecutor):
                    state.spread, state.most = None, self.window
                for case, selected in whole.cases:
                    for item in state.job.variants(selected, state.store):
                        self._begin(state, case, selected, item)
                return
            for at, record, line in read():
                state.rows.append((at, record))
                if self._on_record is not None:
                    self._on_record(record, at, line)

        self._await(state, state.spread.submit(state.job, whole), came)

    def _begin(
        self, state: _State, case: int, selected: Selected, item: Variant | Perturbation | Whole
    ) -> None:
        if isinstance(item, Whole):
            self._done_elsewhere(state, item)
            return
        if isinstance(item, Perturbation):
            self._rewrite(state, case, selected, item)
            return
        if state.job.keep is not None:
            state.job.keep(item)
        if (held := state.job.held(item)) is not None:
            state.asker.took(held)
            self._record(state, case, item, held)
            if not item.perturbation:
                self._reference(state, case, score_of(held))
        elif item.status == "ok":
            self._drive(state, state.asker.ask(item), lambda reply: self._answered(state, case, item, reply))
        else:
            self._record(
                state,
                case,
                item,
                make_record(item, status=item.status, reason=item.reason, **state.job.names),
            )

    def _answered(self, state: _State, case: int, variant: Variant, reply: Reply) -> None:
        expect = state.expect.get(variant.perturbation)
        if expect is not None and reply.score is not None:
            if case not in state.references:
                state.held.setdefault(case, []).append(lambda: self._answered(state, case, variant, reply))
                return
            judged = by_expectation(reply.score, expect, state.references[case])
            reply = (
                replace(reply, score=None, status="error", reason=judged)
                if isinstance(judged, str)
                else replace(reply, score=judged)
            )
        self._record(state, case, variant, state.asker.record(variant, reply))
        if not variant.perturbation:
            self._reference(state, case, reply.score)
        if reply.fatal is not None:
            raise reply.fatal

    def _reference(self, state: _State, case: int, score: Score | None) -> None:
        if not state.expect:
            return
        state.references[case] = score
        for again in state.held.pop(case, ()):
            again()

    def _record(self, state: _State, case: int, variant: Variant, record: Record) -> None:
        last = len(state.order) + 1 if variant.perturbation else 0
        at = (case, state.order.get(variant.perturbation, last), variant.index)
        state.rows.append((at, record))
        if self._on_record is not None:
            self._on_record(record, at)

    def _ask_judge(self, state: _State) -> None:
        """Have the labelled answers graded, once."""
        scorer = state.job.task.scorer
        if scorer is None or not scorer.labelled or state.judging is not None:
            return
        state.judging = Judging(model=scorer.model or scorer.name)
        for label in scorer.labelled:

            def told(graded: bool | None, right: bool = label.right) -> None:
                assert state.judging is not None
                name = COUNTS[right, graded] if graded is not None else "ungraded"
                state.judging = replace(state.judging, **{name: getattr(state.judging, name) + 1})

            self._drive(state, _graded(label), told, lambda _, told=told: told(None))  # type: ignore[misc]  # mypy infers no default of a lambda

    # --- steps: what asks a variant, writes it, judges its answer, shrinks it -----------------------------------------

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
                    self._answered(state, case, missing, Reply.failed(error))

        self._drive(state, steps, written, failed)

    def _drive(
        self,
        state: _State,
        steps: Steps[Any],
        then: Callable[[Any], None],
        failed: Callable[[BaseException], None] | None = None,
        came: Any = None,
        error: BaseException | None = None,
    ) -> None:
        """Run steps to where they wait, and on with what came; ``then`` gets what they return.

        ``failed`` gets what they raise; without it that ends the job, as does an error of how they are used.
        """
        try:
            asked = steps.send(came) if error is None else steps.throw(error)
        except StopIteration as stop:
            returned = stop.value
        except Exception as e:
            if failed is None or (
                e is not error and isinstance(e, RobusttestError) and not isinstance(e, CallError)
            ):
                raise
            failed(e if isinstance(e, RobusttestError) else CallError(f"{type(e).__name__}: {e}"))
            return
        else:
            self._await(state, asked, lambda *came: self._drive(state, steps, then, failed, *came))
            return
        then(returned)

    def _await(
        self,
        state: _State,
        asked: Request | Future[Any],
        then: Callable[[Any, BaseException | None], None],
    ) -> None:
        if isinstance(asked, Request):
            model = asked.model
            request = self.gateway.request(model, asked.messages, asked.params, asked.sample)
            future: Future[Any] = self.gateway.submit(request)
        else:
            model, future = state.job.model, asked
        state.flying += 1
        self._in_flight[model] = self._in_flight.get(model, 0) + 1

        def arrived(future: Future[Any]) -> None:
            self._in_flight[model] -= 1
            came: Any = None
            error: Exception | None = None
            try:
                came = future.result(timeout=0)
            except CancelledError:
                error = CallError("the call was cancelled", kind="cancelled")
            except Exception as e:
                error = e
            if isinstance(error, RunAbortedError):
                self._fail(state, error)
            then(came, error)

        def put(future: Future[Any]) -> None:
            self._ready.put((state, arrived, future))
            if self._wake is not None:
                self._wake()

        future.add_done_callback(put)


COUNTS = {
    (True, True): "right_right",
    (True, False): "right_wrong",
    (False, False): "wrong_wrong",
    (False, True): "wrong_right",
}


def _graded(label: Labelled) -> Steps[bool | None]:
    verdict = yield label.request
    return label.graded(verdict.text)


def _nothing(_: object) -> None:
    """What a search has found so far, it holds itself."""
