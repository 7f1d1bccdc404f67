"""One thread with one event loop that makes every remote call of a run: retries, waits, limits, in one place.

`Flight` is a request with everybody who waits for its reply. A flight waits in its lane until `Lane.wait` lets it go,
makes one attempt, and ends, or comes back to the lane after a pause (full jitter; Brooker 2015).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from robusttest.core.nouns import Completion, Request, derive_seed
from robusttest.core.secrets import Private, normal_url, scrub
from robusttest.errors import (
    BudgetExhaustedError,
    CallError,
    ConfigurationError,
    RobusttestError,
    RunAbortedError,
)
from robusttest.gateway.calls.backends import Backend
from robusttest.gateway.calls.budget import CallBudget
from robusttest.gateway.calls.lanes import START, Lane
from robusttest.gateway.litellm import logs, prices
from robusttest.gateway.litellm.failures import AttemptError, RefusedCallError
from robusttest.gateway.store.replies import ReplyStore
from robusttest.settings import Settings

PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds: a call that failed waits before its next attempt, as long as its deadline allows. The pause is drawn from 0 to
``PAUSE`` × 2^attempt, at most ``LONGEST_PAUSE``."""
LEASED_AHEAD = 64
DEFECTS = 2
"""Attempts at a call that a client's own defect breaks."""
PAID = ("timeout", "invalid_reply", "defect")
"""Kinds of failure after which a provider has done its work."""
STOP_SECONDS = 0.3
SERVERS = "endpoints"
"""Name of the private parameter that lists the servers of a model."""
CHARACTERS_PER_TOKEN = 4


@dataclass(eq=False, slots=True)
class Flight:
    """A request on its way. ``done`` is told its outcome once, on the scheduler's thread."""

    request: Request
    key: str | None
    """None: nothing is stored, nothing shared."""
    done: Callable[[Flight, Completion | BaseException], None]
    call: Callable[[Request], Any] | None = None
    """A coroutine function that makes the call instead of the backend."""
    tokens: int = 0
    attempts: int = 0
    began: float | None = None
    error: AttemptError | None = None
    """What the last attempt came to."""
    leased: bool = False
    ended: bool = False
    waiters: list[Any] = field(default_factory=list)
    servers: tuple[str, ...] = ()
    """Addresses at any of which it may be made; the request holds the one that was chosen."""


class _Queue:
    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.flights: deque[Flight] = deque()
        self.timer: asyncio.TimerHandle | None = None
        self.error: BaseException | None = None
        self.url = ""
        """The server's address, where the model has several."""
        self.others: tuple[_Queue, ...] = ()
        """Lanes of the model's other servers."""

    def load(self) -> float:
        """Calls that wait or are under way, for each that may be at once."""
        return (len(self.flights) + self.lane.in_flight) / max(1.0, self.lane.limit)


class Scheduler:
    """Runs flights. `put` and `stop` may be called from any thread; the loop's thread starts with the first `put`."""

    def __init__(
        self,
        settings: Settings,
        backend: Backend,
        budget: CallBudget,
        *,
        store: ReplyStore | None = None,
        since: Callable[[], float | None] = lambda: None,
        workers: int = 1,
    ) -> None:
        self._settings, self._backend, self._budget = settings, backend, budget
        self._store, self._since, self._workers = store, since, workers
        self._queues: dict[tuple[str, str | None], _Queue] = {}
        self._inbox: deque[Flight] = deque()
        self._lock = threading.Lock()
        self._woken = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._flights: set[Flight] = set()
        self.lost, self.lost_calls = 0.0, 0
        """Estimated US dollars of attempts that are paid and gave no reply, and how many there were."""
        self._random = random.Random(derive_seed("pauses", settings.seed))

    # --- from any thread

    def put(self, flight: Flight) -> None:
        with self._lock:
            if self._stopping:
                stopped = True
            else:
                stopped = False
                self._inbox.append(flight)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="robusttest-io", daemon=True)
                    self._thread.start()
                wake, self._woken = not self._woken, True
        if stopped:
            flight.done(flight, RunAbortedError("no call was made: the run was stopped"))
            return
        if wake:
            self._ready.wait()
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._drain)

    def stop(self, seconds: float = 2.0) -> None:
        """End every call and the thread, within about so many seconds."""
        with self._lock:
            self._stopping = True
            thread = self._thread
        if thread is None:
            return
        self._ready.wait()
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        thread.join(timeout=seconds)

    def waiting_for(self) -> str | None:
        """What holds calls back, for a reader."""
        now = time.monotonic()
        for queue in list(self._queues.values()):
            if queue.flights and (said := queue.lane.waiting_for(now)):
                return said
        return None

    def problems(self) -> list[str]:
        """Servers that took no part, while others of the same model did."""
        queues = [q for q in list(self._queues.values()) if q.others and q.error is not None]
        return [
            f"{q.lane.name} was left out: {q.error}" for q in queues if any(o.error is None for o in q.others)
        ]

    # --- the thread

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        self._loop = loop
        try:
            with logs.scrubbed():
                loop.run_until_complete(self._main())
        finally:
            self._ready.set()
            with contextlib.suppress(Exception):
                loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
        self._drain_inbox()
        for flight in list(self._flights):
            self._end(flight, RunAbortedError("the call was not finished: the run was stopped"))
        with contextlib.suppress(Exception):
            await self._backend.close()

    def _drain_inbox(self) -> list[Flight]:
        with self._lock:
            flights = list(self._inbox)
            self._inbox.clear()
            self._woken = False
        self._flights.update(flights)
        return flights

    def _drain(self) -> None:
        touched: dict[int, _Queue] = {}
        for flight in self._drain_inbox():
            queue = self._queue(flight)
            if self._settings.tpm is not None:
                flight.tokens = _tokens(flight.request)
            queue.flights.append(flight)
            touched[id(queue)] = queue
        for queue in touched.values():
            self._pump(queue)

    def _queue(self, flight: Flight) -> _Queue:
        """The lane of its server; of several servers' lanes that which has the least to do for what it may do at once."""
        if not flight.servers and SERVERS in flight.request.private:
            flight.servers = tuple(flight.request.private[SERVERS])
        if not flight.servers:
            return self._lane_of(flight, flight.request.endpoint)
        lanes = [self._lane_of(flight, normal_url(url)) for url in flight.servers]
        if not lanes[0].others:
            for queue, url in zip(lanes, flight.servers, strict=True):
                queue.url, queue.others = url, tuple(other for other in lanes if other is not queue)
        now = time.monotonic()
        queue = min(lanes, key=lambda q: (q.error is not None, q.lane.failing(now), q.load()))
        _aim(flight, queue)
        return queue

    def _taken_over(self, queue: _Queue, now: float) -> bool:
        """Take a flight that waits for another of the model's servers, where this one has nothing to do."""
        if queue.error is not None or queue.lane.failing(now) or queue.lane.wait(now, 0) != 0:
            return False
        longest = max(queue.others, key=lambda q: len(q.flights), default=None)
        if longest is None or not longest.flights:
            return False
        flight = longest.flights.pop()
        _aim(flight, queue)
        queue.flights.append(flight)
        return True

    def _elsewhere(self, queue: _Queue, flight: Flight) -> bool:
        """Put a flight of a lane that ended into that of another server, where there is one that answers."""
        if not flight.servers or (other := self._queue(flight)).error is not None or other is queue:
            return False
        if queue.error is None and other.lane.failing(time.monotonic()):
            return False
        other.flights.append(flight)
        asyncio.get_running_loop().call_soon(self._pump, other)
        return True

    def _lane_of(self, flight: Flight, endpoint: str | None) -> _Queue:
        request = flight.request
        key = (request.model, endpoint)
        queue = self._queues.get(key)
        if queue is None:
            s, n = self._settings, self._workers
            most = max(1, s.concurrency // n)
            lane = Lane(
                request.model if endpoint is None else f"{request.model} at {endpoint}",
                most=most,
                start=START if flight.call is None else most,  # the user's own code says no 429
                rpm=None if s.rpm is None else s.rpm / n,
                tpm=None if s.tpm is None else s.tpm / n,
            )
            queue = self._queues[key] = _Queue(lane)
        return queue

    def _pump(self, queue: _Queue) -> None:
        """Start what may start."""
        if queue.timer is not None:
            queue.timer.cancel()
            queue.timer = None
        loop, lane = asyncio.get_running_loop(), queue.lane
        while queue.flights or (queue.others and self._taken_over(queue, time.monotonic())):
            if queue.error is not None:
                flight = queue.flights.popleft()
                if not self._elsewhere(queue, flight):
                    self._end(flight, queue.error)
                continue
            now = time.monotonic()
            flight = queue.flights[0]
            if flight.began is not None and now - flight.began >= self._settings.deadline:
                queue.flights.popleft()
                self._end(flight, self._given_up(flight, f"the deadline of {self._settings.deadline:g} s"))
                continue
            if lane.blocked_until - now > self._settings.deadline:
                self._end_waiting(
                    queue,
                    f"{lane.name}: the provider asks to wait {lane.blocked_until - now:.0f} s ({lane.blocked_for}), "
                    f"longer than the deadline of {self._settings.deadline:g} s",
                )
                return
            wait = lane.wait(now, flight.tokens)
            if wait is None:
                return
            if wait > 0:
                queue.timer = loop.call_later(min(wait, 60.0) + 0.001, self._pump, queue)
                return
            queue.flights.popleft()
            if flight.ended:
                continue
            if flight.key is not None and not flight.leased and not self._leased(queue, flight):
                continue
            lane.begin(now, flight.tokens)
            self._spawn(self._attempt(queue, flight, now))

    def _end_waiting(self, queue: _Queue, why: str, kind: str = "rate_limit") -> None:
        """Nobody who waits in this lane gets a reply in time."""
        while queue.flights:
            flight = queue.flights.popleft()
            if not self._elsewhere(queue, flight):
                self._end(flight, AttemptError(why, kind=kind))

    def _given_up(self, flight: Flight, after: str) -> CallError:
        error = flight.error
        if error is None:
            return CallError(f"{flight.request.model}: no reply within {after}", kind="timeout")
        tried = f"{flight.attempts} attempt{'s' * (flight.attempts != 1)}"
        return AttemptError(
            f"{error} (given up after {tried} and {after})", kind=error.kind, status=error.status
        )

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- leases

    def _leased(self, queue: _Queue, flight: Flight) -> bool:
        """True where the call is ours to make. Those next in line are leased in the same go."""
        if self._store is None:
            flight.leased = True
            return True
        group = [flight]
        for other in queue.flights:
            if len(group) >= LEASED_AHEAD:
                break
            if other.key is not None and not other.leased:
                group.append(other)
        mine = self._store.lease([f.key for f in group if f.key is not None])
        for f in group:
            f.leased = f.key in mine
            if f.leased and f.key is not None:
                stored = self._store.get(f.key, since=self._since())
                if stored is not None:  # another process had it meanwhile
                    self._end(f, stored)
        if not flight.leased:
            self._spawn(self._await_other(queue, flight))
        return flight.leased and not flight.ended

    async def _await_other(self, queue: _Queue, flight: Flight) -> None:
        """Another process makes this call: take its reply from the store, or the lease it gave up."""
        assert self._store is not None
        assert flight.key is not None
        pause, until = 0.02, time.monotonic() + self._settings.deadline
        while True:
            if time.monotonic() > until:
                why = (
                    f"another process has had this call for {self._settings.deadline:g} s and stored no reply"
                )
                self._end(flight, CallError(f"{flight.request.model}: {why}", kind="timeout"))
                return
            await asyncio.sleep(pause)
            pause = min(1.0, pause * 1.5)
            stored = self._store.get(flight.key, since=self._since())
            if stored is not None:
                self._end(flight, stored)
                return
            if self._store.lease([flight.key]):
                # The holder may have stored its reply between our two looks.
                stored = self._store.get(flight.key, since=self._since())
                if stored is not None:
                    self._end(flight, stored)
                    return
                flight.leased = True
                queue.flights.append(flight)
                self._pump(queue)
                return

    # --- attempts

    async def _attempt(self, queue: _Queue, flight: Flight, now: float) -> None:
        lane, request = queue.lane, flight.request
        flight.attempts += 1
        if flight.began is None:
            flight.began = now
        left = self._settings.deadline - (now - flight.began)
        outcome: Completion | BaseException
        reserved, most = 0.0, None
        try:
            if self._budget.limited:
                # The user's own code costs nothing.
                most = 0.0 if flight.call is not None else self._backend.estimate(request)
                reserved = await self._reserved(request, most)
            timeout = min(self._settings.timeout, max(0.01, left))
            if flight.call is not None:
                async with asyncio.timeout(timeout):
                    outcome = await flight.call(request)
            else:
                outcome = await self._backend.call(request, timeout=timeout)
        except asyncio.CancelledError:
            lane.ended()
            self._budget.settle(reserved, 0.0)
            raise
        except TimeoutError:
            outcome = CallError(f"{request.model}: no reply within {timeout:g} s", kind="timeout")
        except RobusttestError as e:
            outcome = e
        except Exception as e:  # a defect of ours or of a library: this call's error, not the run's
            outcome = CallError(scrub(f"{request.model}: {type(e).__name__}: {e}"))
        try:
            self._came(queue, flight, now, outcome, reserved, most)
        except Exception as e:  # whatever it is: nobody waits for a call that has ended
            self._end(flight, CallError(scrub(f"{request.model}: {type(e).__name__}: {e}")))
        self._pump(queue)

    async def _reserved(self, request: Request, most: float | None) -> float:
        """Room for a call in the budget; waits for calls under way to settle where it does not fit beside them."""
        pause, until = 0.01, time.monotonic() + self._settings.deadline
        bounded = prices.output_limit(request) is not None
        while (room := self._budget.reserve(most, model=request.model, bounded=bounded)) is None:
            if time.monotonic() > until:
                raise BudgetExhaustedError(
                    "not called: what other calls have reserved of the budget did not settle"
                )
            await asyncio.sleep(pause)
            pause = min(0.2, pause * 1.5)
        return room

    def _came(
        self,
        queue: _Queue,
        flight: Flight,
        started: float,
        outcome: Completion | BaseException,
        reserved: float,
        most: float | None,
    ) -> None:
        lane, now = queue.lane, time.monotonic()
        model = flight.request.model
        if isinstance(outcome, Completion):
            told = self._settings.price
            if told and (price := prices.known(model, told)) is not None:
                object.__setattr__(outcome, "cost", prices.cost_of(outcome, price))
            self._budget.settle(reserved, outcome.cost, model=model, most=most)
            used = None
            if outcome.input_tokens is not None and outcome.output_tokens is not None:
                used = outcome.input_tokens + outcome.output_tokens
            lane.answered(now, started, estimated=flight.tokens, used=used)
            limits = outcome.meta.get("rate_limit")
            if limits:
                lane.told(now, limits)
                meta = {k: v for k, v in outcome.meta.items() if k != "rate_limit"}
                object.__setattr__(outcome, "meta", meta)
            self._end(flight, outcome)
            return
        # The provider has answered, or may have: such attempts are paid, and nobody says how much.
        paid = isinstance(outcome, CallError) and outcome.kind in PAID
        lost = self._lost(flight, most) if paid and flight.call is None else 0.0
        self._budget.settle(reserved, lost)
        if isinstance(outcome, RefusedCallError) and lane.may_pass():
            outcome = AttemptError(
                str(outcome),
                kind="refused_call",
                status=outcome.status,
                retryable=True,
                retry_after=outcome.retry_after,
            )
        if isinstance(outcome, AttemptError):
            lane.failed(
                now, started, kind=outcome.kind, retry_after=outcome.retry_after, message=str(outcome)
            )
            if lane.dead is not None and queue.error is None:
                queue.error = RunAbortedError(
                    f"{lane.name} does not answer: {lane.dead}. No further call is made to it."
                )
            self._again(queue, flight, now, outcome)
            since = lane.unanswered_since
            if since is not None and now - since >= self._settings.deadline and queue.error is None:
                self._end_waiting(
                    queue,
                    f"{outcome} (no call to {lane.name} was answered within the deadline of {self._settings.deadline:g} s)",
                    outcome.kind,
                )
            return
        lane.ended()
        if isinstance(outcome, ConfigurationError):
            queue.error = queue.error or outcome
            if self._elsewhere(queue, flight):
                return
        self._end(flight, outcome)

    def _lost(self, flight: Flight, most: float | None) -> float | None:
        """About what an attempt cost that may be paid and gave no reply; None where nobody knows."""
        self.lost_calls += 1
        request = flight.request
        most = most if most is not None else self._backend.estimate(request)
        cost = self._budget.typical(request.model, most) if most is not None else None
        if cost is None and (price := prices.known(request.model, self._settings.price)) is not None:
            cost = prices.typical(request, price)
        self.lost += cost or 0.0
        return cost

    def _again(self, queue: _Queue, flight: Flight, now: float, error: AttemptError) -> None:
        assert flight.began is not None
        # An attempt that the deadline cut short says nothing of the server; what the one before it met does.
        cut = error.kind == "timeout" and now - flight.began >= 0.95 * self._settings.deadline
        if flight.error is None or not cut:
            flight.error = error
        if queue.error is not None:
            if not self._elsewhere(queue, flight):
                self._end(flight, queue.error)
            return
        if not error.retryable or (error.kind == "defect" and flight.attempts >= DEFECTS):
            self._end(flight, error)
            return
        deadline = self._settings.deadline
        if (error.retry_after or 0.0) > deadline:
            after = f"as it is to wait {error.retry_after:.0f} s, longer than the deadline of {deadline:g} s"
            self._end(
                flight, AttemptError(f"{error} (given up, {after})", kind=error.kind, status=error.status)
            )
            return
        pause = self._random.uniform(0, min(LONGEST_PAUSE, PAUSE * 2.0 ** min(flight.attempts, 10)))
        if max(now + pause, queue.lane.blocked_until) - flight.began >= deadline:
            self._end(flight, self._given_up(flight, f"the deadline of {deadline:g} s"))
            return
        asyncio.get_running_loop().call_later(pause, self._requeue, queue, flight)

    def _requeue(self, queue: _Queue, flight: Flight) -> None:
        if not flight.ended:
            queue = self._queue(flight) if flight.servers else queue
            queue.flights.appendleft(flight)
            self._pump(queue)

    def _end(self, flight: Flight, outcome: Completion | BaseException) -> None:
        if flight.ended:
            return
        flight.ended = True
        self._flights.discard(flight)
        flight.done(flight, outcome)
        if flight.leased and flight.key is not None and self._store is not None:
            # After `done` has put the reply: the lease goes with the write that holds it.
            self._store.release(flight.key)


def _aim(flight: Flight, queue: _Queue) -> None:
    """The request as this server is sent it; its identity names none of them."""
    private = Private({k: v for k, v in flight.request.private.items() if k != SERVERS})
    private["api_base"] = queue.url
    flight.request = replace(flight.request, private=private)


def _tokens(request: Request) -> int:
    """About how many tokens a call takes: the prompt's, and the most it may answer."""
    most = request.params.get("max_completion_tokens") or request.params.get("max_tokens") or 256
    size = sum(len(str(m.get("content", ""))) for m in request.messages)
    return size // CHARACTERS_PER_TOKEN + (most if isinstance(most, int) else 256)
