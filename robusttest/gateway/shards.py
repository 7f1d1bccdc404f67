"""A shard of a ``python:`` model's calls: the pure runner that every engine's workers run, and the driver's side of it.

Only the repo's own callables go to workers. Stored replies, budget, retries, every remote call, scoring and judging stay with
the one driver, so that no number and no limit depends on where a callable runs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from robusttest.core import codec
from robusttest.core.nouns import Completion, Json, Request
from robusttest.errors import CallError, ConfigurationError, ModelCodeError, RunAbortedError
from robusttest.workers.engines import size_of

TRIES = 3
"""Workers that may die of one shard."""
SECONDS = 0.05
"""A shard of calls that are quicker holds as many as take about this long: what crosses costs about 0.2 ms."""
MOST = 64
"""Calls of one shard, at most."""

Outcome = Completion | CallError

_MODELS: dict[str, Any] = {}
"""In a worker: each model, imported and made once."""


def run_shard(text: str) -> str:
    """The replies to a shard of one model's prompts, in order: each a completion, or why there is none. Imports the model, and makes
    an object of a class, when it is first asked for.
    """
    shard = json.loads(text)
    try:
        model = _model(shard["model"], shard["folders"])
    except ConfigurationError as e:
        return codec.dumps({"refused": str(e)})
    requests = [Request(model=model.name, **r) for r in shard["requests"]]
    if model.declared.batch_size is not None:
        outcomes = model.answers(requests) if requests else []
    elif model.declared.concurrency is not None and len(requests) > 1:
        with ThreadPoolExecutor(model.declared.concurrency) as threads:
            outcomes = list(threads.map(lambda r: model.answers([r])[0], requests))
    else:
        outcomes = [model.answers([r])[0] for r in requests]
    return codec.dumps(
        {"outcomes": [_plain(o) for o in outcomes], "version": model.version, "notes": model.notes}
    )


def _model(name: str, folders: Sequence[str]) -> Any:
    from robusttest.gateway.callables import PythonModel, resolve

    found = _MODELS.get(name)
    if found is None:
        found = _MODELS[name] = PythonModel(name, resolve(name, [Path(f) for f in folders]), most=1)
    return found


def _plain(outcome: Outcome) -> Json:
    if isinstance(outcome, Completion):
        return codec.plain(outcome)
    return {"error": str(outcome), "kind": outcome.kind, "status": outcome.status}


def _read(outcome: Json) -> Outcome:
    if "error" not in outcome:
        return codec.read(Completion, outcome)
    error = ModelCodeError if outcome["kind"] == ModelCodeError.kind else CallError
    return error(outcome["error"], kind=outcome["kind"], status=outcome["status"])


class Workers:
    """The driver's side: shards of one model's calls, on an engine's executor."""

    def __init__(self, model: str, executor: Executor, folders: Sequence[Path]) -> None:
        self.model, self.executor = model, executor
        self.folders = [str(f) for f in folders]
        self.notes: list[str] = []
        self._seconds = SECONDS

    @property
    def at_once(self) -> int:
        """Shards that are done at once."""
        return size_of(self.executor)

    @property
    def size(self) -> int:
        """Calls that make a shard."""
        return max(1, min(MOST, int(SECONDS / self._seconds)))

    def check(self, version: str | None) -> None:
        """Have one worker import the model. Raises `ConfigurationError` where it can't, or finds another version of it."""
        self._submit([], version)

    def answers(self, requests: Sequence[Request], version: str | None, *, batch: bool) -> list[Outcome]:
        """The outcomes, in order. A worker that dies is replaced, and asked again: of a shard of single calls one at a time, so
        that one that kills its worker takes no other along. Raises `RunAbortedError` where no worker can answer.
        """
        for tries in range(1, TRIES + 1):
            try:
                return self._submit(requests, version)
            except BrokenExecutor as e:
                if len(requests) > 1 and not batch:
                    return [self.answers([r], version, batch=False)[0] for r in requests]
                died = CallError(f"{self.model}: {tries} workers died of this call: {e}", kind="worker")
        return [died] * len(requests)

    def _submit(self, requests: Sequence[Request], version: str | None) -> list[Outcome]:
        asked = [{"messages": r.messages, "params": r.params, "sample": r.sample} for r in requests]
        text = codec.dumps({"model": self.model, "folders": self.folders, "requests": asked})
        try:
            said = json.loads(self.executor.submit(run_shard, text).result())
        except (CancelledError, RuntimeError) as e:
            if isinstance(e, BrokenExecutor):
                raise
            raise RunAbortedError(
                f"{self.model}: the engine gave no answer: {type(e).__name__}: {e}"
            ) from None
        if "refused" in said:
            raise ConfigurationError(f"on a worker: {said['refused']}")
        if said["version"] != version:
            raise ConfigurationError(
                f"{self.model}: a worker has version {said['version']!r} of it, the driver {version!r}: the code on the two differs"
            )
        self.notes += [n for n in said["notes"] if n not in self.notes]
        outcomes = [_read(o) for o in said["outcomes"]]
        seconds = [o.latency for o in outcomes if isinstance(o, Completion) and o.latency is not None]
        if seconds:
            self._seconds = max(1e-6, (self._seconds + sum(seconds) / len(seconds)) / 2)
        return outcomes
