"""Run a test's own body once for each variant: in the main thread, in threads, or as coroutines.

What a body raised or returned becomes a record (`robusttest.engine.body`); nothing here fails a test.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from robusttest.core.nouns import Completion, Variant
from robusttest.engine.body import Ask, Outcome, body_record, body_score, body_variants, left_out
from robusttest.engine.record import by_expectation, score_of
from robusttest.engine.rounds import Rounds
from robusttest.engine.shrink import AGAIN, Shrinking, broken, can_part
from robusttest.errors import RunAbortedError, UsageError
from robusttest.perturbations.base.validity import DEFAULT
from robusttest.plugin.collect import ALIASES, ASK, VARIANT

if TYPE_CHECKING:
    from robusttest.core.nouns import Case, Record, Score
    from robusttest.engine.shrink import Budget
    from robusttest.gateway import Gateway
    from robusttest.perturbations.base.protocol import Perturbation
    from robusttest.perturbations.base.validity import Validity
    from robusttest.plugin.item import RobustItem
    from robusttest.settings import Settings

STOP = (KeyboardInterrupt, SystemExit, pytest.exit.Exception, RunAbortedError, UsageError)
"""What ends the test, not only the variant."""


Place = tuple[int, int]
"""Where a record belongs: the case's number, then the variant's."""


class BodyRun:
    """All variants of one item, through one function. Records gather in ``item.records`` as they come."""

    def __init__(
        self,
        item: RobustItem,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        gateway: Callable[[], Gateway],
        progress: Callable[[], None],
    ) -> None:
        self.item, self.function, self.arguments = item, function, arguments
        self.progress = progress
        self.gateway = gateway
        """Made when the first call needs it: a body that calls no model opens no store."""
        self.perturbations = {p.spec: p for p in item.wanted}
        self.references: dict[str, Score | None] = {}
        self.rows: list[tuple[Place, Record]] = []
        self.waiting: list[tuple[Place, Variant, Outcome, Ask | None]] = []
        self.numbered = 0
        item.records, item.failed, item.rounds = [], 0, None
        item.first_error, item.first_failure = None, None

    def sync(self) -> None:
        """One after another, here and now."""
        for planned in self._rounds():
            for i, v in planned:
                ask, kwargs = self._arguments(v)
                before = self.item.subtests
                try:
                    outcome = Outcome(value=self.function(**kwargs))
                except BaseException as e:
                    outcome = self._outcome(e)
                if outcome.kind == "returned" and (failed := self.item.subtests - before):
                    # pytest has reported it, and fails the test at its end; the variant is as wrong as by an assertion.
                    outcome = Outcome(kind="failed", reason=f"{failed} failed subtest{'s' * (failed != 1)}")
                    self.item.failed += 1
                self._add(i, v, outcome, ask)
        self._close()

    def threads(self, count: int) -> None:
        """``count`` at a time, as the test asked with ``concurrency=``."""

        def one(v: Variant) -> tuple[Outcome, Ask | None]:
            ask, kwargs = self._arguments(v)
            try:
                return Outcome(value=self.function(**kwargs)), ask
            except BaseException as e:
                return self._outcome(e), ask

        with ThreadPoolExecutor(count, thread_name_prefix="robusttest-body") as pool:
            begun: list[tuple[Place, Variant, Future[tuple[Outcome, Ask | None]]]] = []
            try:
                for planned in self._rounds():
                    for i, v in planned:
                        begun.append((i, v, pool.submit(one, v)))
                        if len(begun) >= 2 * count:
                            self._take(*begun.pop(0))
                    while begun:
                        self._take(*begun.pop(0))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        self._close()

    def _take(self, i: Place, v: Variant, future: Future[tuple[Outcome, Ask | None]]) -> None:
        outcome, ask = future.result()
        self._add(i, v, outcome, ask)

    async def gathered(self) -> None:
        """Concurrently on the running loop, as many as ``concurrency`` allows; one by one where that is not asyncio's."""
        for planned in self._rounds():
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                await self._work(planned)
                continue
            most = self.item.settings.concurrency
            workers = [asyncio.ensure_future(self._work(planned)) for _ in range(most)]
            try:
                await asyncio.gather(*workers)
            finally:
                for w in workers:
                    w.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        self._close()

    async def _work(self, planned: Iterator[tuple[Place, Variant]]) -> None:
        for i, v in planned:
            ask, kwargs = self._arguments(v)
            try:
                returned: Awaitable[Any] = self.function(**kwargs)
                outcome = Outcome(value=await returned)
            except asyncio.CancelledError:
                raise
            except BaseException as e:
                outcome = self._outcome(e)
            self._add(i, v, outcome, ask)

    # --- one variant

    def _rounds(self) -> Iterator[Iterator[tuple[Place, Variant]]]:
        """Everything at once; of an adaptive run, rounds of whole cases until every threshold is decided."""
        item = self.item
        if item.plan is None:
            yield self._planned(item.cases, item.settings)
            return
        item.rounds = rounds = Rounds(item.plan)
        settings = replace(item.settings, limit=None, max_cases=None)
        looked = 0
        while batch := rounds.next():
            yield self._planned([s.case for s in batch], settings)
            self._settle()
            self.rows.sort(key=lambda row: row[0])
            rounds.look(record for _, record in self.rows[looked:])
            looked = len(self.rows)

    def _planned(self, cases: Sequence[Case], settings: Settings) -> Iterator[tuple[Place, Variant]]:
        """Numbered variants that the body is run with; the others are recorded as they pass."""
        item = self.item
        planned = body_variants(
            cases,
            item.wanted,
            settings,
            protect=item.marked.protect,
            validity=item.marked.validity or DEFAULT,
            drive=self._drive,
            source=item.source,
            first=item.first,
        )
        # Of an adaptive run in the order in which they are taken: rounds are looked at one after another.
        order = {} if item.plan is not None else {case.id: n for n, case in enumerate(item.cases)}
        for v in planned:
            i = (order.get(v.original.id, 0), self.numbered)
            self.numbered += 1
            if item.freezer is not None:
                item.freezer.add(v)
            if v.status == "ok":
                yield i, v
            else:
                self._put(i, left_out(v, task=item.task, model=item.model, test=item.test))

    def _arguments(self, v: Variant) -> tuple[Ask | None, dict[str, Any]]:
        kwargs = dict(self.arguments)
        ask = None
        for name in self.item.arguments:
            if ALIASES[name] == VARIANT:
                kwargs[name] = v
            elif ALIASES[name] == ASK:
                ask = ask or Ask(self.gateway(), self.item.model, v)
                kwargs[name] = ask
        return ask, kwargs

    def _outcome(self, error: BaseException) -> Outcome:
        if isinstance(error, STOP):
            raise error
        if isinstance(error, pytest.skip.Exception):
            return Outcome(kind="skipped", reason=str(error.msg or "skipped"))
        if isinstance(error, pytest.fail.Exception):
            outcome = Outcome(kind="failed", reason=str(error.msg or "failed").split("\n")[0], error=error)
        else:
            outcome = Outcome.of(error)
        if outcome.kind == "failed":
            self.item.failed += 1
            self.item.first_failure = self.item.first_failure or error
        if outcome.kind == "error" and self.item.first_error is None and isinstance(error, Exception):
            self.item.first_error = error
        return outcome

    def _add(self, i: Place, v: Variant, outcome: Outcome, ask: Ask | None) -> None:
        p = self.perturbations.get(v.perturbation)
        if p is not None and p.expect != "target" and v.original.id not in self.references:
            self.waiting.append((i, v, outcome, ask))  # until the reference has its score
            return
        item = self.item
        record = body_record(
            v,
            outcome,
            task=item.task,
            model=item.model,
            test=item.test,
            ask=ask,
            perturbation=p,
            reference=self.references.get(v.original.id),
        )
        if not v.perturbation:
            self.references[v.original.id] = score_of(record)
        self._put(i, record)

    def _put(self, i: Place, record: Record) -> None:
        self.rows.append((i, record))
        self.item.records.append(record)
        self.progress()

    def _settle(self) -> None:
        """Judge what waited for a reference that has now come, or never will."""
        waiting, self.waiting = self.waiting, []
        for late in waiting:
            self.references.setdefault(late[1].original.id, None)
            self._add(*late)

    def _close(self) -> None:
        self._settle()
        self.rows.sort(key=lambda row: row[0])
        self.item.records = [record for _, record in self.rows]

    # --- shrinking

    def shrink(self, budget: Budget) -> None:
        """Run the body again with parts of the worst failing variants, one after another."""
        for search in self._searches(budget):
            for variant in search.variants():
                ask, kwargs = self._arguments(variant)
                try:
                    outcome = Outcome(value=self.function(**kwargs))
                except BaseException as e:
                    outcome = self._outcome(e)
                search.answer(outcome, ask)

    async def shrink_async(self, budget: Budget) -> None:
        """The same for a coroutine function, on the loop that runs."""
        for search in self._searches(budget):
            for variant in search.variants():
                ask, kwargs = self._arguments(variant)
                try:
                    outcome = Outcome(value=await self.function(**kwargs))
                except asyncio.CancelledError:
                    raise
                except BaseException as e:
                    outcome = self._outcome(e)
                search.answer(outcome, ask)

    def _searches(self, budget: Budget) -> Iterator[BodyShrinking]:
        """Searches to be driven one after another; each leaves in the records what it found."""
        item = self.item
        kept = item.failed, item.first_error, item.first_failure
        for record, reference in list(broken(item.records)):
            p, variant = self.perturbations[record.perturbation], self._variant_of(record)
            score = score_of(reference)
            if variant is None or score is None or not can_part(variant, p):
                continue
            search = BodyShrinking(variant, record, score, p, budget, item.marked.validity or DEFAULT)
            yield search
            found = search.record_found()
            item.records = [found if r is record else r for r in item.records]
        item.failed, item.first_error, item.first_failure = kept

    def _variant_of(self, record: Record) -> Variant | None:
        item = self.item
        alone = replace(item.settings, case=(f"{record.case_id}::{record.variant}",))
        wanted = [p for p in item.wanted if p.spec == record.perturbation and p.rewrite is None]
        made = body_variants(
            item.cases,
            wanted,
            alone,
            protect=item.marked.protect,
            validity=item.marked.validity or DEFAULT,
            source=item.source,
        )
        return next((v for v in made if v.id == record.variant), None)

    def _drive(self, steps: Any) -> Any:
        """Answer the requests of a perturbation that a model writes."""
        gateway = self.gateway()
        value: Completion | None = None
        while True:
            try:
                asked = next(steps) if value is None else steps.send(value)
            except StopIteration as stop:
                return stop.value
            request = gateway.request(asked.model, asked.messages, asked.params, asked.sample)
            value = gateway.submit(request).result()


class BodyShrinking(Shrinking):
    """Hands out the variants that a body is to be run with, and is told what came of each."""

    def __init__(
        self,
        variant: Variant,
        record: Record,
        reference: Score,
        perturbation: Perturbation,
        budget: Budget,
        validity: Validity,
    ) -> None:
        super().__init__(variant, record, perturbation, budget, validity)
        self.reference = reference
        self._score: float | None = None

    def variants(self) -> Iterator[Variant]:
        """Each one is to be followed by an `answer`."""
        steps = self.steps()
        with contextlib.suppress(StopIteration):
            asked = next(steps)
            while True:
                self._score = None
                yield asked
                asked = steps.send(self._score)

    def answer(self, outcome: Outcome, ask: Ask | None) -> None:
        """What came of the last variant. A body counts as the calls it made, and as one where it made none."""
        calls = [completion for _, completion in ask.calls] if ask is not None else []
        if calls:
            self.budget.left += 1 - sum(not c.cached for c in calls)
        if outcome.kind not in ("skipped", "error"):
            score = body_score(outcome, calls[-1] if calls else None)
            judged = by_expectation(score, self.perturbation.expect, self.reference)
            self._score = None if isinstance(judged, str) else judged.value

    def _scored(self, variant: Variant, number: int) -> Generator[Variant, float | None, float | None]:
        if not self.budget.take():
            return None
        # Another sample: the same question again is not to be answered from the store.
        draft = variant.draft.with_(sample=variant.draft.sample + number * AGAIN)
        return (yield replace(variant, draft=draft))
