"""Models in the user's own repo: ``python:package.module:callable``, without a server, a key, or LiteLLM.

A sync callable runs in a thread of its own (or ``concurrency`` of them), one prompt or one batch at a time; a coroutine
function runs on the gateway's event loop. What it raises is an error of that variant, never a wrong answer.
"""

from __future__ import annotations

import asyncio
import importlib.machinery
import inspect
import math
import numbers
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, overload

from robusttest.core.names import module_and_name
from robusttest.core.nouns import Completion, Json, Request, canonical_json
from robusttest.core.secrets import scrub
from robusttest.errors import (
    CallError,
    ConfigurationError,
    ModelCodeError,
    RunAbortedError,
    UnknownNameError,
    UsageError,
    did_you_mean,
)
from robusttest.gateway.shards import Outcome, Workers
from robusttest.tasks.render import prompt_text
from robusttest.workers.engines import LOCAL, Needs, opened, size_of

_DECLARED = "__robusttest_model__"
CHARACTERS_PER_TOKEN = 4
LINGER = 0.002
"""Seconds that a batch which is not full waits for more."""
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What `model` says of a callable."""

    version: str | None = None
    batch_size: int | None = None
    concurrency: int | None = None
    gpus: float | None = None
    memory: int | None = None
    workers: int | None = None
    batch_tokens: int | None = None
    sort_by_length: bool = False

    @property
    def needs(self) -> Needs:
        """What an engine's workers must have."""
        return Needs(gpus=self.gpus, memory=self.memory, workers=self.workers)


@overload
def model(fn: F, /) -> F: ...
@overload
def model(
    *,
    version: str | int | None = None,
    batch_size: int | None = None,
    concurrency: int | None = None,
    gpus: float | None = None,
    memory: int | None = None,
    workers: int | None = None,
    batch_tokens: int | None = None,
    sort_by_length: bool = False,
) -> Callable[[F], F]: ...
def model(
    fn: Any = None,
    /,
    *,
    version: str | int | None = None,
    batch_size: int | None = None,
    concurrency: int | None = None,
    gpus: float | None = None,
    memory: int | None = None,
    workers: int | None = None,
    batch_tokens: int | None = None,
    sort_by_length: bool = False,
) -> Any:
    """Declare how a callable is used as a model, ``python:package.module:callable``.

    ::

        @model(version=fingerprint("weights.bin"), batch_size=64)
        def classify(prompts: list[str]) -> list[str]: ...

    ``version`` names what decides its answers (a digest of weights and code): replies are then reused across runs as
    long as it stays the same. Without one nothing is reused, so that a retrained model is never scored on its
    predecessor's answers. ``batch_size``: it takes a list of up to so many prompts and returns a list as long; with
    ``sort_by_length`` those of about one length go together, the longest first, and with ``batch_tokens`` a batch has at
    most as many tokens (about four characters each), all prompts as long as the longest; a longer one goes alone.
    ``concurrency``: threads (sync; 1) or calls (async) at a time. ``workers``: so many processes of this machine, for code
    that keeps a core busy; each imports the module by its name and makes a class into an object once, and with pytest's ``-n``
    each process of the run has its share of them. With ``--robust-engine`` at most so many of its workers have the model;
    ``gpus`` (a part of one, too) and ``memory`` (bytes) are what an engine that places its workers gives to each.

    The callable gets the prompt as one text, or the list of messages if its parameter is called ``messages``; generation
    parameters (``temperature``, ``seed``, ``max_tokens`` …) by name where it takes them. It returns a text, a
    number, probabilities by label (which sum to 1; the likeliest is the reply) or a `Completion`. Raises `UsageError` for numbers below 1,
    and for ``gpus`` that are none.
    """
    whole = {
        "batch_size": batch_size,
        "concurrency": concurrency,
        "memory": memory,
        "workers": workers,
        "batch_tokens": batch_tokens,
    }
    for name, value in whole.items():
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise UsageError(f"model({name}={value!r}): give a whole number of 1 or more")
    if gpus is not None and (not _is_number(gpus) or not 0 < gpus < math.inf):
        raise UsageError(f"model(gpus={gpus!r}): give a number above 0, as 1 or 0.5")
    for name, given in (("batch_tokens", batch_tokens is not None), ("sort_by_length", sort_by_length)):
        if given and batch_size is None:
            raise UsageError(f"model({name}=…): give batch_size, too: how many prompts it takes at a time")
    declared = Declared(
        version=None if version is None else str(version),
        batch_size=batch_size,
        concurrency=concurrency,
        gpus=gpus,
        memory=memory,
        workers=workers,
        batch_tokens=batch_tokens,
        sort_by_length=sort_by_length,
    )

    def mark(fn: Any) -> Any:
        setattr(fn, _DECLARED, declared)
        return fn

    return mark if fn is None else mark(fn)


def looked_in(directory: Path) -> tuple[Path, ...]:
    """Where modules of models are looked for, besides where Python does; ``directory`` is the project's ``.robusttest``."""
    return tuple(dict.fromkeys([directory.absolute().parent, Path.cwd()]))


class Callables:
    """Every callable of a run, resolved once."""

    def __init__(
        self,
        *,
        most: int,
        directory: Path = Path(".robusttest"),
        engine: str = LOCAL,
        share: int = 1,
        away: bool = True,
    ) -> None:
        self._most, self._engine, self._share, self._away = most, engine, share, away
        self._folders = looked_in(directory)
        self._models: dict[str, PythonModel] = {}
        self._executors: dict[tuple[str, Needs], Executor] = {}

    def get(self, name: str) -> PythonModel:
        """Raises `ConfigurationError` where there is no such callable, also on a worker that is to have it."""
        found = self._models.get(name)
        if found is None:
            found = self._models[name] = self._made(name)
        return found

    def _made(self, name: str) -> PythonModel:
        fn = resolve(name, self._folders, make=False)
        told = PythonModel(name, fn, most=1)
        engine, why = self._engine, f"--robust-engine={self._engine}"
        if engine == LOCAL and self._away and told.declared.workers is not None:
            engine = f"processes:{told.declared.workers}"
            why = f"@model(workers={told.declared.workers})"
        if engine == LOCAL:
            return PythonModel(name, resolve(name, self._folders), most=self._most)
        if told.is_async:
            made = PythonModel(name, resolve(name, self._folders), most=self._most)
            made.notes.append(
                f"{name} is a coroutine function, which waits rather than computes: it runs in this process, without "
                f"{why}; @model(concurrency=N) sets how many of its calls are under way"
            )
            return made
        if module_and_name(name)[0] == "__main__":
            raise ConfigurationError(
                f"model {name!r}: no worker can import what the program itself defines: put it into a module of its own, or leave "
                f"out {why}"
            )
        key = (engine, replace(told.declared.needs, share=self._share))
        if key not in self._executors:
            self._executors[key] = opened(*key)
        executor = self._executors[key]
        workers = Workers(name, executor, self._folders)
        made = PythonModel(name, fn, most=self._most, workers=workers, threads=size_of(executor))
        workers.check(made.version)
        return made

    @property
    def notes(self) -> list[str]:
        return [n for m in self._models.values() for n in m.all_notes()]

    def close(self) -> None:
        for m in self._models.values():
            m.close()
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=True)


def resolve(model: str, folders: Iterable[Path] = (), *, make: bool = True) -> Callable[..., Any]:
    """The callable that ``python:module:name`` names; a class is made into an object once (``make``).

    The module is looked for as Python does, then in ``folders``: the one that holds the project's ``.robusttest``
    (pytest's root), then the working directory. One that it is found in stays on `sys.path`, behind all others, for what the
    module imports later. Raises `ConfigurationError`, with the nearest name.
    """
    module, name = module_and_name(model)
    try:
        found: Any = _imported(module, [str(f) for f in folders])
    except Exception as e:
        hint = did_you_mean(module, _modules(folders)) if isinstance(e, ModuleNotFoundError) else ""
        said = f"model {model!r}: can't import {module!r}: {type(e).__name__}: {e}"
        raise ConfigurationError(scrub(f"{said}.{hint}" if hint else said)) from None
    for part in name.split("."):
        if not hasattr(found, part):
            public = [n for n in dir(found) if not n.startswith("_") and callable(getattr(found, n, None))]
            raise ConfigurationError(
                f"model {model!r}: {UnknownNameError(f'name in {module}', part, public)}"
            )
        found = getattr(found, part)
    if isinstance(found, type) and make:
        try:
            found = found()
        except Exception as e:
            raise ConfigurationError(
                scrub(f"model {model!r}: {name}() raised {type(e).__name__}: {e}")
            ) from None
    if not callable(found):
        raise ConfigurationError(f"model {model!r}: {name} is not callable: it is a {type(found).__name__}")
    return found  # type: ignore[no-any-return]  # callable: checked above


def source_of(model: str, folders: Iterable[Path] = ()) -> Path | None:
    """The file of the module that ``python:module:name`` names; None where it has none. Raises as `resolve`."""
    resolve(model, folders, make=False)
    file = getattr(sys.modules.get(module_and_name(model)[0]), "__file__", None)
    return None if file is None else Path(file)


def _imported(module: str, folders: Sequence[str]) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as e:
        if e.name != module.partition(".")[0]:
            raise
        for folder in folders:
            if (
                folder not in sys.path
                and importlib.machinery.PathFinder.find_spec(e.name, [folder]) is not None
            ):
                sys.path.append(folder)
                return importlib.import_module(module)
        raise


def _modules(folders: Iterable[Path]) -> list[str]:
    return [p.stem for folder in folders if folder.is_dir() for p in sorted(folder.glob("*.py"))]


@dataclass(slots=True)
class _Asked:
    request: Request
    future: Future[Completion]
    size: int
    """Characters of the prompt."""


class PythonModel:
    """One callable, with the threads that call it, or that hand its calls to an engine's ``workers`` (a class is made there)."""

    def __init__(
        self,
        name: str,
        fn: Callable[..., Any],
        *,
        most: int,
        workers: Workers | None = None,
        threads: int | None = None,
    ) -> None:
        self.name, self.fn, self.workers = name, fn, workers
        declared = getattr(fn, _DECLARED, None) or getattr(type(fn), _DECLARED, None)
        self.declared: Declared = declared if isinstance(declared, Declared) else Declared()
        if isinstance(fn, type):
            call: Any = vars(fn).get("__call__", getattr(fn, "__call__", fn))  # noqa: B004
        else:
            call = fn if inspect.isroutine(fn) else getattr(fn, "__call__", fn)  # noqa: B004  the method itself
        self.is_async = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(call)
        self.concurrency = threads or self.declared.concurrency or (most if self.is_async else 1)
        self._takes, self._any, self._messages = _parameters(fn)
        self._ready = threading.Condition()
        self._buckets: dict[str, deque[_Asked]] = {}
        """What waits, by the options that the callable is given: what is equal in them fits into one batch."""
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._ignored: set[str] = set()
        self._semaphore: asyncio.Semaphore | None = None
        self._calls = self._largest = 0
        self.notes: list[str] = []

    @property
    def version(self) -> str | None:
        return self.declared.version

    def all_notes(self) -> list[str]:
        """What there is to know of its calls, here and on workers."""
        unfilled = [] if (note := self._unfilled()) is None else [note]
        return list(dict.fromkeys([*self.notes, *(self.workers.notes if self.workers else ()), *unfilled]))

    def _unfilled(self) -> str | None:
        """That no batch was full, though there were prompts enough."""
        size = self.declared.batch_size
        if size is None or self.is_async or self._largest >= size or self._calls < 2 * size:
            return None
        return (
            f"{self.name}: no batch was full, the largest had {self._largest} of batch_size={size}: "
            f"--robust-concurrency={size * self.concurrency} keeps more prompts under way (a test's own body that asks one by one never does)"
        )

    def call(self, request: Request, future: Future[Completion]) -> None:
        """Have a thread answer; sync callables only."""
        if not self._threads:
            for i in range(self.concurrency):
                thread = threading.Thread(target=self._serve, name=f"{self.name}-{i}", daemon=True)
                self._threads.append(thread)
                thread.start()
        bucket = canonical_json(self._options(request)) if self.declared.batch_size is not None else ""
        with self._ready:
            self._buckets.setdefault(bucket, deque()).append(
                _Asked(request, future, len(prompt_text(request.messages)))
            )
            self._ready.notify()

    async def acall(self, request: Request) -> Completion:
        """One call of a coroutine function. Raises `ModelCodeError`."""
        __tracebackhide__ = True
        if self._semaphore is None:
            self._semaphore = asyncio.Semaphore(self.concurrency)
        async with self._semaphore:
            started = time.perf_counter()
            try:
                if self.declared.batch_size is not None:
                    said = await self.fn([self._prompt(request)], **self._options(request))
                    said = _as_many(said, 1, self.name)[0]
                else:
                    said = await self.fn(self._prompt(request), **self._options(request))
                return self._completion(said, time.perf_counter() - started)
            except CallError:
                raise
            except Exception as e:
                error = _code_error(self.name, e)
        raise error

    def _serve(self) -> None:
        while (batch := self._next()) is not None:
            batch = [a for a in batch if a.future.set_running_or_notify_cancel()]
            if batch:
                self._answer(batch)

    def _next(self) -> list[_Asked] | None:
        """Up to a batch of what waits, from a full bucket where there is one, else from the oldest; None at the end."""
        size = self.declared.batch_size or (1 if self.workers is None else self.workers.size)
        with self._ready:
            while not self._buckets and not self._closed:
                self._ready.wait()
            if size > 1 and not self._closed and not any(len(b) >= size for b in self._buckets.values()):
                self._ready.wait(LINGER)
            if self._closed or not self._buckets:
                return None if self._closed else []
            key = next((k for k, b in self._buckets.items() if len(b) >= size), next(iter(self._buckets)))
            bucket = self._buckets[key]
            if self.declared.sort_by_length:
                bucket = self._buckets[key] = deque(sorted(bucket, key=lambda a: -a.size))
            batch = self._taken(bucket, size)
            if not bucket:
                del self._buckets[key]
            self._calls += len(batch)
            self._largest = max(self._largest, len(batch))
            return batch

    def _taken(self, bucket: deque[_Asked], size: int) -> list[_Asked]:
        """As many from the left as fit into a batch, one at least."""
        most = self.declared.batch_tokens
        batch = [bucket.popleft()]
        longest = batch[0].size
        while bucket and len(batch) < size:
            longest = max(longest, bucket[0].size)
            if most is not None and (len(batch) + 1) * longest > most * CHARACTERS_PER_TOKEN:
                break
            batch.append(bucket.popleft())
        return batch

    def _answer(self, batch: Sequence[_Asked]) -> None:
        requests = [a.request for a in batch]
        outcomes: Sequence[Outcome | RunAbortedError]
        try:
            if self.workers is None:
                outcomes = self.answers(requests)
            else:
                together = self.declared.batch_size is not None
                outcomes = self.workers.answers(requests, self.version, batch=together)
        except RunAbortedError as e:
            outcomes = [e] * len(batch)
        for asked, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Completion):
                asked.future.set_result(outcome)
            else:
                asked.future.set_exception(outcome)

    def answers(self, requests: Sequence[Request]) -> list[Outcome]:
        """Call it once, here: with a batch, or with one prompt. Each outcome is a reply, or why there is none."""
        started = time.perf_counter()
        try:
            options = self._options(requests[0])
            if self.declared.batch_size is not None:
                said = self.fn([self._prompt(r) for r in requests], **options)
                replies = _as_many(said, len(requests), self.name)
            else:
                replies = [self.fn(self._prompt(requests[0]), **options)]
            seconds = (time.perf_counter() - started) / len(requests)
            return [self._completion(r, seconds) for r in replies]
        except CallError as e:
            return [e] * len(requests)
        except (Exception, SystemExit) as e:
            return [_code_error(self.name, e)] * len(requests)

    def _prompt(self, request: Request) -> Any:
        if self._messages:
            return [dict(m) for m in request.messages]
        return prompt_text(request.messages)

    def _options(self, request: Request) -> dict[str, Json]:
        if self._any:
            return dict(request.params)
        taken = {k: v for k, v in request.params.items() if k in self._takes}
        for ignored in sorted(request.params.keys() - taken.keys() - self._ignored):
            self._ignored.add(ignored)
            self.notes.append(f"{self.name} takes no {ignored}: it was called without")
        if "sample" in self._takes:
            taken["sample"] = request.sample
        return taken

    def _completion(self, said: Any, seconds: float) -> Completion:
        created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if isinstance(said, str):
            return Completion(text=str(said), latency=seconds, created=created)
        if isinstance(said, Completion):
            return replace(said, latency=said.latency or seconds, created=said.created or created)
        if isinstance(said, Mapping) and ("text" in said or "tool_calls" in said):
            known = {f.name for f in fields(Completion)} - {"cached"}
            given = {"text": "", **said}
            if unknown := sorted(map(str, given.keys() - known)):
                raise ModelCodeError(f"{self.name} returned a dict with {', '.join(unknown)}: unknown fields")
            if given.get("tool_calls") is not None:
                given["tool_calls"] = tuple(given["tool_calls"])
            canonical_json(given)
            return Completion(**{"latency": seconds, "created": created, **given})
        if _is_number(said) and math.isfinite(said):
            number = int(said) if isinstance(said, numbers.Integral) else float(said)
            return Completion(text=repr(number), latency=seconds, created=created)
        if (probabilities := _probabilities(said)) is not None:
            # The first of the likeliest, as written: the same on every machine.
            label = max(probabilities, key=lambda name: probabilities[name])
            return Completion(
                text=label, latency=seconds, created=created, meta={"probabilities": probabilities}
            )
        raise ModelCodeError(
            f"{self.name} returned {type(said).__name__} {str(said)[:60]!r}: a model returns a text, a number, "
            "probabilities by label, or a Completion"
        )

    def close(self) -> None:
        with self._ready:
            self._closed = True
            self._ready.notify_all()


def _parameters(fn: Callable[..., Any]) -> tuple[frozenset[str], bool, bool]:
    """``(names it takes after the prompt, takes any, wants messages)``; of a class those of its objects."""
    try:
        of = inspect.signature(getattr(fn, "__call__") if isinstance(fn, type) else fn)  # noqa: B004, B009
        parameters = list(of.parameters.values())[isinstance(fn, type) :]
    except (TypeError, ValueError):
        return frozenset(), False, False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    first = positional[0].name if positional else ""
    names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {first}
    return frozenset(names), any(p.kind is p.VAR_KEYWORD for p in parameters), first == "messages"


def _is_number(value: Any) -> bool:
    """NumPy's numbers too; True and False are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _probabilities(said: Any) -> dict[str, float] | None:
    """Label → probability, in the order given; None where it is something else."""
    if not isinstance(said, Mapping) or not said or not all(isinstance(k, str) for k in said):
        return None
    values = list(said.values())
    if not all(_is_number(v) and 0 <= v <= 1 for v in values):
        return None
    return {k: float(v) for k, v in said.items()} if abs(sum(map(float, values)) - 1) <= 0.01 else None


def _as_many(said: Any, n: int, name: str) -> list[Any]:
    if isinstance(said, str | Mapping) or not hasattr(said, "__iter__"):
        raise ModelCodeError(
            f"{name} returned {type(said).__name__} for a batch: return a list, one reply a prompt"
        )
    replies = list(said)
    if len(replies) != n:
        raise ModelCodeError(f"{name} returned {len(replies)} replies for a batch of {n} prompts")
    return replies


def _code_error(name: str, error: BaseException) -> ModelCodeError:
    """What the callable raised, with its place, without its locals."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(("<", str(Path(__file__).parent))):
            place = f" ({Path(code.co_filename).name}:{trace.tb_lineno})"
        trace = trace.tb_next
    return ModelCodeError(scrub(f"{name} raised {type(error).__name__}: {error}{place}"))
