"""Run a test's own body once for each variant: in the main thread, in threads, or as coroutines on the test's own loop.

What a body raised or returned becomes a record by `robusttest.engine.body`, in the order and the rounds of the one driver
(`robusttest.engine.driver`); nothing here fails a test for what its body did.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import unittest
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from robusttest.engine.body import Body, Outcome, Run
from robusttest.engine.driver import TICK, Runner
from robusttest.errors import RobusttestError, RunAbortedError, UsageError
from robusttest.plugin.collect import ALIASES
from robusttest.plugin.fixtures import Fixtures
from robusttest.plugin.verdicts import add_verdict, fail_in_test, refuse_value

if TYPE_CHECKING:
    from robusttest.core.nouns import Completion, Record, Request
    from robusttest.gateway.store.replies import ReplyStore
    from robusttest.plugin.item import RobustItem
    from robusttest.plugin.session import RobustSession

STOP = (pytest.exit.Exception, RunAbortedError, UsageError)
"""What ends the test, not only the variant."""

Arguments = Mapping[str, Any]


def run(session: RobustSession, item: RobustItem, test: pytest.Function) -> None:
    """All variants of one item, one after another, or as many at a time as the test's ``concurrency=`` says."""
    count, function = item.marked.settings.get("concurrency"), test.obj
    fixtures = Fixtures(test, together=bool(count))

    def call(kwargs: Arguments) -> Outcome:
        before = item.subtests
        try:
            value = function(**kwargs)
        except BaseException as e:
            return _outcome(e)
        if (failed := item.subtests - before) and not count:  # among threads nobody knows whose it is
            # pytest has reported it, and fails the test at its end; the variant is as wrong as by an assertion.
            return Outcome(kind="failed", reason=f"{failed} failed subtest{'s' * (failed != 1)}")
        return Outcome(value=value)

    if not count:
        with _runner(session, item, call, fixtures) as runner:
            runner.result(item.job, session.shrinking)
        return
    with ThreadPoolExecutor(count, thread_name_prefix="robusttest-body") as pool:

        def in_pool(kwargs: Arguments) -> Future[Outcome]:
            return pool.submit(call, kwargs)

        with _runner(session, item, in_pool, fixtures, most=2 * count) as runner:
            try:
                runner.result(item.job, session.shrinking)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def coroutine(
    session: RobustSession, item: RobustItem, test: pytest.Function
) -> Callable[..., Awaitable[None]]:
    """A coroutine function in the body's place, on whatever loop the test has: it runs the body as often as it is to be run."""
    function: Callable[..., Awaitable[Any]] = test.obj

    async def call(kwargs: Arguments) -> Outcome:
        try:
            return Outcome(value=await function(**kwargs))
        except asyncio.CancelledError as e:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            return Outcome.of(e)
        except BaseException as e:
            return _outcome(e)

    @functools.wraps(function)
    async def drive(**arguments: Any) -> None:
        theirs = {k: v for k, v in arguments.items() if k not in ALIASES}
        if item.declared and item.settings.shard is not None:
            return  # its assertions are on the whole
        if item.declared:
            try:
                refuse_value(test, await function(**theirs, **dict.fromkeys(item.arguments, item.result)))
            except Exception as e:
                add_verdict(item, e)
                raise
            return
        most = item.settings.concurrency
        async with _loop(most) as loop:

            def begin(kwargs: Arguments) -> Future[Outcome]:
                return loop.begin(functools.partial(call, kwargs))

            fixtures = Fixtures(test, together=True)
            with _runner(session, item, begin, fixtures, most=most, wake=loop.wake) as runner:
                await runner.aresult(item.job, loop.wait, session.shrinking)

    return drive


@contextlib.contextmanager
def _runner(
    session: RobustSession,
    item: RobustItem,
    run: Run,
    fixtures: Fixtures,
    *,
    most: int | None = None,
    wake: Callable[[], None] | None = None,
) -> Iterator[Runner]:
    """A runner of this item alone, as other tests' scorers are not to run among its fixtures; its records are the item's."""
    gateway = _Gateway(session)
    given = {name: ALIASES[name] for name in item.arguments}
    if (note := fixtures.note()) is not None and note not in item.notes:
        item.notes = (*item.notes, note)
    body = Body(item.job, gateway, run, arguments=lambda: _arguments(fixtures), given=given, most=most)

    def recorded(record: Record, at: Sequence[int]) -> None:
        session.recorded(record, at)
        session.ticked()

    runner = Runner(gateway, session.settings, on_record=recorded, tick=session.ticked, wake=wake)
    item.records = []
    try:
        runner.add(item.job, body)
        yield runner
    except RobusttestError as e:
        fail_in_test(fixtures.item, pytest.fail.Exception(f"robusttest: {e}", pytrace=False))
    finally:
        session.clear_progress()
        item.records = runner.records(item.job)
        item.skips = body.skips
        item.notes = (*item.notes, *(note for note in body.notes() if note not in item.notes))
        item.failed, item.first_failure, item.first_error = (
            body.failed,
            body.first_failure,
            body.first_error,
        )
    item.finish(item.records, runner.stopping(item.job), runner.notes(item.job), runner.judging(item.job))


@contextlib.contextmanager
def _arguments(fixtures: Fixtures) -> Iterator[Arguments | Outcome]:
    """Of one variant. A fixture that fails is an error of that variant, one that skips leaves it out."""
    with contextlib.ExitStack() as stack:
        try:
            theirs: Arguments | Outcome = stack.enter_context(fixtures.of_variant())
        except BaseException as e:
            theirs = _outcome(e)
        yield theirs


def _outcome(error: BaseException) -> Outcome:
    theirs = isinstance(error, Exception | pytest.skip.Exception | pytest.fail.Exception)
    if isinstance(error, STOP) or not theirs:  # Ctrl-C, a cancelled task
        raise error
    if isinstance(error, pytest.skip.Exception | unittest.SkipTest):
        return Outcome(kind="skipped", reason=str(getattr(error, "msg", None) or error or "skipped"))
    if isinstance(error, pytest.fail.Exception):
        return Outcome(kind="failed", reason=str(error.msg or "failed").split("\n")[0], error=error)
    return Outcome.of(error)


class _Gateway:
    """The session's gateway, opened when it is needed: a body that calls no model makes none."""

    def __init__(self, session: RobustSession) -> None:
        self._session = session

    @property
    def store(self) -> ReplyStore | None:
        return self._session.gateway.store

    def request(self, *args: Any) -> Request:
        return self._session.body_gateway().request(*args)

    def submit(self, request: Request) -> Future[Completion]:
        return self._session.body_gateway().submit(request)


# --- event loops


class _Asyncio:
    """The running loop: ``most`` bodies at once, and a wait that holds nobody up."""

    def __init__(self, most: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.woken = asyncio.Event()
        self.places = asyncio.Semaphore(most)
        self.tasks: set[asyncio.Task[Outcome]] = set()

    def begin(self, body: Callable[[], Awaitable[Outcome]]) -> Future[Outcome]:
        future: Future[Outcome] = Future()

        async def go() -> Outcome:
            async with self.places:
                return await body()

        def done(task: asyncio.Task[Outcome]) -> None:
            self.tasks.discard(task)
            if task.cancelled():
                future.cancel()
            elif (error := task.exception()) is not None:
                future.set_exception(error)
            else:
                future.set_result(task.result())

        task = asyncio.ensure_future(go())
        self.tasks.add(task)
        task.add_done_callback(done)
        return future

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(self.woken.set)

    async def wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK):
                await self.woken.wait()
        self.woken.clear()

    async def close(self) -> None:
        left = list(self.tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


class _OneByOne:
    """A loop that is not asyncio's: one body after another."""

    def __init__(self) -> None:
        self.begun: list[tuple[Callable[[], Awaitable[Outcome]], Future[Outcome]]] = []

    def begin(self, body: Callable[[], Awaitable[Outcome]]) -> Future[Outcome]:
        self.begun.append((body, Future()))
        return self.begun[-1][1]

    def wake(self) -> None:
        """It looks by itself."""

    async def wait(self) -> None:
        if not self.begun:
            import anyio  # which runs this loop

            await anyio.sleep(TICK / 10)
            return
        body, future = self.begun.pop(0)
        try:
            future.set_result(await body())
        except Exception as e:
            future.set_exception(e)

    async def close(self) -> None:
        self.begun.clear()


@contextlib.asynccontextmanager
async def _loop(most: int) -> AsyncIterator[_Asyncio | _OneByOne]:
    try:
        loop: _Asyncio | _OneByOne = _Asyncio(most)
    except RuntimeError:
        loop = _OneByOne()
    try:
        yield loop
    finally:
        await loop.close()
