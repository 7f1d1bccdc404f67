"""The way to every model of a run: stored replies first, then one scheduler; callables of the repo beside it."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Self

from robusttest.core.formats import json_params
from robusttest.core.models import Model, asked, merged, one_temperature
from robusttest.core.names import is_callable
from robusttest.core.nouns import Completion, Json, Request
from robusttest.core.secrets import hidden_reply, normal_url, public_params
from robusttest.errors import (
    BudgetExhaustedError,
    ConfigurationError,
    ReplayMissError,
    RunAbortedError,
)
from robusttest.gateway.callables import Callables, PythonModel
from robusttest.gateway.calls import backends
from robusttest.gateway.calls.budget import CallBudget
from robusttest.gateway.calls.params import refuse
from robusttest.gateway.calls.scheduler import SERVERS, Flight, Scheduler
from robusttest.gateway.litellm import keys, prices, tokens
from robusttest.gateway.litellm.address import endpoint_of
from robusttest.gateway.litellm.tokens import Learnt
from robusttest.gateway.shards import Workers
from robusttest.gateway.store import nearest
from robusttest.gateway.store.replies import ReplyStore
from robusttest.settings import Settings

EXPLAINED = 3
"""Missing replies that are compared with what is stored; more of the same are only named."""
FAR = 16
"""Looks into the shared store at once, for calls that no lease is taken of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A snapshot of a gateway's calls."""

    submitted: int = 0
    done: int = 0
    """Ended, with a reply or without; replayed ones among them."""
    cached: int = 0
    """Replies that no call was made for."""
    failed: int = 0
    skipped: int = 0
    """Not called, as the budget is spent; neither done nor failed."""
    in_flight: int = 0
    """Submitted and not ended."""
    cost: float | None = 0.0
    """US dollars spent; None where a remote call's cost is unknown."""
    waiting_for: str | None = None
    """What holds calls back: a rate limit, ``Retry-After``."""


class Gateway:
    """Carries requests to models; a context manager.

    ::

        with Gateway(settings) as gateway:
            request = gateway.request("openai/gpt-4o-mini", [{"role": "user", "content": "Hi"}], {"temperature": 0})
            completion = gateway.submit(request).result()

    A future ends with a `Completion`, a `CallError` (this call gave no reply), or a `RunAbortedError` (no call to this
    model makes sense). Equal requests under way are put once. ``workers`` processes share the limits; those with the
    same ``run`` share one budget.
    """

    def __init__(
        self, settings: Settings, *, workers: int = 1, run: str | None = None, away: bool = True
    ) -> None:
        self.settings = settings
        self.notes: list[str] = []
        self.store: ReplyStore | None = None
        """Replies and variants; None with ``replies="off"``."""
        self._began = time.time()
        if settings.replies != "off":
            self.store = ReplyStore(
                settings.directory, read_only=settings.replies == "replay", shared=settings.store
            )
        self._backend = backends.litellm_backend(settings)
        self._budget = CallBudget(settings, workers=workers, run=run, store=self.store)
        self._scheduler = Scheduler(
            settings, self._backend, self._budget, store=self.store, since=self._since, workers=workers
        )
        self._callables = Callables(
            most=settings.concurrency,
            directory=settings.directory,
            engine=settings.engine,
            share=workers,
            away=away,
        )
        self._far = ThreadPoolExecutor(FAR, thread_name_prefix="robusttest-far")
        self._lock = threading.Lock()
        self._flights: dict[str, Flight] = {}
        self._submitted = self._done = self._cached = self._failed = self._skipped = self._missed = 0
        self._cost: float | None = 0.0
        self._remote: dict[str, None] = {}
        """Models of LiteLLM that the tests name, to be checked before the first live call."""
        self._with_key: set[str] = set()
        self._left_out: set[tuple[str, tuple[str, ...]]] = set()
        self._checked: dict[str, ConfigurationError | None] = {}
        self._learnt: dict[str, Learnt | None] = {}
        self._closed = False

    # --- requests

    def request(
        self, model: str, messages: Sequence[Mapping[str, Json]], params: Mapping[str, Json], sample: int = 0
    ) -> Request:
        """The request that these make: keys and timeouts set apart, endpoint and version filled in.

        Raises `ConfigurationError` for a ``python:`` model that can't be imported.
        """
        name = asked(model)
        if params or name is not model:
            params, left = merged(model, json_params(params))
            if left:
                self._leave_out(model, left)
        public, private = public_params(params) if params else ({}, {})
        endpoint = version = None
        if is_callable(name):
            version = self._callables.get(name).version
        else:
            refuse(name, params)
            endpoint = endpoint_of(name, params)
            if isinstance(model, Model):
                endpoint = _endpoint(model, endpoint, private)
        return Request(
            model=name,
            messages=tuple(messages),
            params=public,
            endpoint=endpoint,
            version=version,
            sample=sample,
            private=private,
        )

    def _leave_out(self, model: str, names: tuple[str, ...]) -> None:
        if (model, names) in self._left_out:
            return
        self._left_out.add((model, names))
        why = "dropped, as Model(drop=…, params=…) says"
        if names == ("temperature",) and one_temperature(asked(model)):
            why = "the model takes no other than 1"
        self.notes.append(f"{model}: {', '.join(names)} not sent: {why}")

    def preflight(self, models: Iterable[str], *, with_key: Collection[str] = ()) -> None:
        """Check the models that will be called: callables now, LiteLLM's before the first live call.

        ``with_key`` are those whose tests give an ``api_key`` themselves. Raises `ConfigurationError`.
        """
        problems = []
        self._with_key.update(asked(m) for m in with_key)
        for given in models:
            model = asked(given)
            if keys.brings_access(given):
                self._with_key.add(model)
            if not is_callable(model):
                self._remote[model] = None
                continue
            try:
                self._callables.get(model)
            except ConfigurationError as e:
                problems.append(str(e))
        if problems:
            raise ConfigurationError("\n".join(problems))

    def stored(self, request: Request) -> bool:
        """Whether a reply is there that this run would replay."""
        if self.store is None or (is_callable(request.model) and request.version is None):
            return False
        key, since = request.key(), self._since()
        if self.store.get(key, since=since) is not None:
            return True
        return self.store.shares and self.store.far(key, since=since) is not None

    def learnt(self, model: str) -> Learnt | None:
        """What the stored replies of a model have used; None where there are too few."""
        if model not in self._learnt:
            rows = [] if self.store is None or is_callable(model) else self.store.answered(model)
            self._learnt[model] = tokens.learnt(tokens.read(rows))
        return self._learnt[model]

    # --- calls

    def submit(self, request: Request) -> Future[Completion]:
        """Put a request; never blocks on the network (the first live call imports LiteLLM)."""
        python = self._callables.get(request.model) if is_callable(request.model) else None
        key = None
        if python is None or (python.version is not None and self.store is not None):
            key = request.key()
        future: Future[Completion] = Future()
        ended, stored = self._done, self._near(key)
        with self._lock:
            self._submitted += 1
            flight = self._flights.get(key) if key is not None else None
            if stored is None and flight is None and self._done != ended:
                stored = self._near(key)  # an equal call has ended between our two looks
            if stored is not None:
                self._done += 1
                self._cached += 1
                future.set_result(stored)
                return future
            if flight is not None:
                flight.waiters.append(future)
                return future
            flight = Flight(request=request, key=key, done=self._ended, waiters=[future])
            if key is not None:
                self._flights[key] = flight
        if self._looks_far(key, python):
            self._far.submit(self._look_far, flight, python)
        else:
            self._put(flight, python)
        return future

    def _near(self, key: str | None) -> Completion | None:
        """What this machine has of a call."""
        if key is None or self.store is None:
            return None
        return self.store.get(key, since=self._since())

    def _looks_far(self, key: str | None, python: PythonModel | None) -> bool:
        """Calls that are leased look into the shared store as they are: many at once."""
        if key is None or self.store is None or not self.store.shares:
            return False
        return self.settings.replies == "replay" or (python is not None and not python.is_async)

    def _look_far(self, flight: Flight, python: PythonModel | None) -> None:
        """What other machines have of a call, in a thread of its own."""
        assert self.store is not None
        assert flight.key is not None
        stored = self.store.far(flight.key, since=self._since())
        if stored is not None:
            self._ended(flight, stored)
        else:
            self._put(flight, python)

    def _put(self, flight: Flight, python: PythonModel | None) -> None:
        problem = self._problem(flight.request, python)
        if problem is not None:
            self._ended(flight, problem)
        elif python is None:
            self._scheduler.put(flight)
        elif python.is_async:
            flight.call = python.acall
            self._scheduler.put(flight)
        else:
            self._call(python, flight)

    def _problem(self, request: Request, python: PythonModel | None) -> BaseException | None:
        """Why no call is made."""
        if self._closed:
            return RunAbortedError("no call was made: the run was stopped")
        if python is not None:
            return None  # the repo's own code needs neither key nor network, in replay mode either
        if self.settings.replies == "replay":
            return self._miss(request)
        return self._check(request)

    def _miss(self, request: Request) -> ReplayMissError:
        with self._lock:
            self._missed += 1
            first = self._missed <= EXPLAINED
        if not first or self.store is None:
            return ReplayMissError(f"no stored reply for {request.model} (request {request.key()[:12]})")
        return ReplayMissError(nearest.missing(request, self.store.requests_to(request.model)))

    def _check(self, request: Request) -> RunAbortedError | None:
        """Before the first live call of a model: is there such a provider, and a key?"""
        if request.model in self._checked:
            return self._checked[request.model]
        with self._lock:
            if {"api_key", SERVERS} & request.private.keys():
                self._with_key.add(request.model)
            known = getattr(self._backend, "known", None)
            if known is not None and known(request):
                problems = self._without_price(request.model)
                self._checked[request.model] = ConfigurationError("\n".join(problems)) if problems else None
                return self._checked[request.model]
            wanted = [m for m in dict.fromkeys([request.model, *self._remote]) if m not in self._checked]
            # Importing LiteLLM warns of other packages' affairs; here, as a thread's filters are everybody's.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for model in wanted:
                    problems = backends.preflight([model], with_key=self._with_key)
                    problems = problems or self._without_price(model)
                    self._checked[model] = ConfigurationError("\n".join(problems)) if problems else None
            return self._checked[request.model]

    def _without_price(self, model: str) -> list[str]:
        if self.settings.max_cost is None or prices.known(model, self.settings.price) is not None:
            return []
        return [
            f"{model}: no price is known, so --robust-max-cost can't be kept: tell it by --robust-price={model}=IN/OUT (US dollars for a "
            "million tokens), or limit the run by --robust-max-calls"
        ]

    def _call(self, python: PythonModel, flight: Flight) -> None:
        try:
            reserved = self._budget.reserve(0.0) or 0.0
        except BudgetExhaustedError as e:
            self._ended(flight, e)
            return
        inner: Future[Completion] = Future()

        def answered(inner: Future[Completion]) -> None:
            error = inner.exception()
            self._budget.settle(reserved, 0.0)
            self._ended(flight, error if error is not None else inner.result())

        inner.add_done_callback(answered)
        python.call(flight.request, inner)

    def _ended(self, flight: Flight, outcome: Completion | BaseException) -> None:
        request, key = flight.request, flight.key
        if isinstance(outcome, Completion):
            # Before it is scored: what is replayed later must say the same.
            outcome = hidden_reply(outcome)
        if (
            isinstance(outcome, Completion)
            and not outcome.cached
            and key is not None
            and self.store is not None
        ):
            self.store.put(key, request, outcome)
        with self._lock:
            if key is not None:
                self._flights.pop(key, None)
            waiters, flight.waiters = flight.waiters, []
            n = len(waiters)
            self._done += 0 if isinstance(outcome, BudgetExhaustedError) else n
            if isinstance(outcome, Completion):
                self._cached += n if outcome.cached else n - 1
                if not outcome.cached and not is_callable(request.model):
                    known = self._cost is not None and outcome.cost is not None
                    self._cost = self._cost + outcome.cost if known else None  # type: ignore[operator]  # known: neither is None
            elif isinstance(outcome, BudgetExhaustedError):
                self._skipped += n
            else:
                self._failed += n
        for i, future in enumerate(waiters):
            if future.cancelled() or not future.set_running_or_notify_cancel():
                continue
            if not isinstance(outcome, Completion):
                future.set_exception(outcome)
            else:
                future.set_result(outcome if i == 0 else replace(outcome, cached=True))

    def _since(self) -> float | None:
        """From when on a stored reply counts, in seconds since the epoch."""
        since = self._began if self.settings.replies == "live" else None
        if self.settings.max_age is not None:
            since = max(since or 0.0, self._began - self.settings.max_age)
        return since

    # --- what is told

    def workers_of(self, model: str) -> Workers | None:
        """The engine's workers that a ``python:`` model runs on; None where it runs here, or is served."""
        return self._callables.get(asked(model)).workers if is_callable(asked(model)) else None

    def took(self, done: int, cached: int, failed: int, *, notes: Iterable[str] = ()) -> None:
        """Count calls that a worker has made by itself."""
        with self._lock:
            self._submitted += done
            self._done += done
            self._cached += cached
            self._failed += failed
            self.notes += [n for n in notes if n not in self.notes]

    def progress(self) -> Progress:
        with self._lock:
            done, submitted = self._done, self._submitted
            return Progress(
                submitted=submitted,
                done=done,
                cached=self._cached,
                failed=self._failed,
                skipped=self._skipped,
                in_flight=submitted - done - self._skipped,
                cost=None if self._cost is None else self._cost + self._scheduler.lost,
                waiting_for=self._scheduler.waiting_for(),
            )

    def problems(self) -> list[str]:
        """What a reader of the run has to know about its calls."""
        out = [*self.notes, *self._callables.notes, *getattr(self._backend, "notes", ())]
        if self.store is not None:
            out += self.store.problems
        out += self._scheduler.problems()
        if self._scheduler.lost_calls:
            n = self._scheduler.lost_calls
            out.append(
                f"{n} attempt{'s' * (n != 1)} gave no reply that can be read and may be paid: counted with about "
                f"${self._scheduler.lost:.2g}"
            )
        return list(dict.fromkeys(out))

    def facts(self) -> dict[str, str]:
        """Versions that decided replies: of LiteLLM and its price table, where it was loaded."""
        facts: Any = getattr(self._backend, "facts", dict)()
        return dict(facts)

    # --- the end

    def close(self) -> None:
        """Stop calling, write what is waiting. Calls under way end with `RunAbortedError`. Takes about two seconds at most."""
        if self._closed:
            return
        self._closed = True
        self._scheduler.stop()
        self._callables.close()
        self._far.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            left = list(self._flights.values())
        for flight in left:
            self._ended(flight, RunAbortedError("the call was not finished: the run was stopped"))
        if self.store is not None:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _endpoint(model: Model, given: str | None, private: dict[str, Any]) -> str | None:
    """What stands for the address in a request's identity: the model's own name, where it has one and an address."""
    if model.endpoints:
        private[SERVERS] = model.endpoints
        given = ", ".join(sorted(normal_url(url) for url in model.endpoints))
    return str(model) if model.named and given is not None else given
