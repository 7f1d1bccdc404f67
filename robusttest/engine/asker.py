"""Who asks: what the driver needs to know of a declared task, or of a test's own body, to have a variant answered.

An `Asker` says what came of one variant as a `Reply`, and which `Record` that makes. All else (order, rounds, references,
writers, shrinking) is the driver's, and the same for every asker.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from robusttest.core.formats import case_params
from robusttest.core.nouns import Completion, Record, RecordStatus, Request, Score, Variant
from robusttest.engine.job import GatewayLike, Job
from robusttest.engine.record import make_record
from robusttest.errors import BudgetExhaustedError, CallError, RobusttestError, RunAbortedError
from robusttest.scorers.protocol import Scorer, Scoring
from robusttest.tasks.render import render
from robusttest.tasks.task import Task

T = TypeVar("T")

Steps = Generator[Request | Future[Any], Any, T]
"""Yields what it waits for, is sent what came of it (a call that failed is thrown in), returns what it is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of asking one variant: a score, or why there is none."""

    score: Score | None = None
    status: RecordStatus = "error"
    """Where there is no score."""
    reason: str | None = None
    request: Request | None = None
    completion: Completion | None = None
    spent: int = 1
    """Calls that it took, replayed ones, too, so that a replayed run looks as far as the one that was recorded; 1 for a body that makes
    none."""
    ended: Any = None
    """How a body ended, an `Outcome`."""
    fatal: RobusttestError | None = None
    """Why nothing more is to be asked: a scorer that breaks its contract would break it again."""

    @classmethod
    def failed(cls, error: BaseException, **facts: Any) -> Reply:
        """No score: ``skipped`` where the budget is spent, else an ``error``."""
        status: RecordStatus = "skipped" if isinstance(error, BudgetExhaustedError) else "error"
        return cls(status=status, reason=str(error) or type(error).__name__, **facts)


class Asker(Protocol):
    """Asks the variants of one job."""

    of: str
    """What one variant is, for people: a ``call``, or a ``variant`` that a body runs with."""
    most: int | None
    """Variants under way at most; None: as many as the driver has room for."""

    def ask(self, variant: Variant) -> Steps[Reply]:
        """Have one variant answered. An exception ends the job, or (`KeyboardInterrupt` …) more than that."""
        ...

    def record(self, variant: Variant, reply: Reply) -> Record:
        """The record of a reply, once it is judged: exactly one for each variant of the run that is asked."""
        ...

    def took(self, record: Record) -> None:
        """A record of an earlier run stands in the place of asking."""
        ...


def scored(reply: Reply, scorer: Scorer, score: Callable[[], Scoring]) -> Steps[Reply]:
    """A reply with its score, or with why there is none: a scorer may ask a model, and raise."""
    fatal: RobusttestError | None = None
    try:
        scoring = score()
        return replace(reply, score=scoring if isinstance(scoring, Score) else (yield from scoring))
    except (CallError, RunAbortedError) as e:
        error: BaseException = e
    except RobusttestError as e:
        error, fatal = CallError("the scorer broke its contract"), e
    except Exception as e:
        error = CallError(f"scorer {scorer.name} raised {type(e).__name__}: {e}")
    failed = Reply.failed(error)
    return replace(reply, status=failed.status, reason=failed.reason, fatal=fatal)


class TaskAsker:
    """Asks for a declared task: renders, submits, scores."""

    of: str = "call"
    most: int | None = None

    def __init__(self, job: Job, gateway: GatewayLike) -> None:
        assert isinstance(job.task, Task)
        self.task, self.job, self.gateway = job.task, job, gateway

    def ask(self, variant: Variant) -> Steps[Reply]:
        draft, task = variant.draft, self.task
        params = case_params(task.params, draft.case)
        if draft.params:
            params = {**params, **draft.params}
        request = self.gateway.request(self.job.model, render(draft), params, draft.sample)
        try:
            completion: Completion = yield self.gateway.submit(request)
        except (CallError, RunAbortedError) as e:
            return Reply.failed(e, request=request)
        made = Reply(request=request, completion=completion)
        return (yield from scored(made, task.scorer, lambda: task.score(completion, variant)))

    def record(self, variant: Variant, reply: Reply) -> Record:
        return make_record(
            variant,
            score=reply.score,
            status=reply.status,
            reason=reply.reason,
            request=reply.request,
            completion=reply.completion,
            **self.job.names,
        )

    def took(self, record: Record) -> None:
        """It says all."""
