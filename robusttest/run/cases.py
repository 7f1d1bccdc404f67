"""Whole cases of a job on an engine's workers: expanded, asked, scored and recorded there, by the very driver that does it here.

What crosses is the ids of cases one way, and lines of a run file the other. A worker finds the task by its name in the module that defines
it, and the perturbations by their specs: nothing of a job is sent but names. Where a task or a perturbation has none, where
another model writes, judges or is limited by a budget, and in adaptive rounds, the driver does it all and only the calls go to workers.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import tempfile
from concurrent.futures import BrokenExecutor, Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from robusttest.core import codec
from robusttest.core.models import Model
from robusttest.core.names import is_callable
from robusttest.core.nouns import Json, Record, digest
from robusttest.engine.driver import Runner, Whole
from robusttest.engine.job import Job
from robusttest.gateway import Gateway
from robusttest.gateway.shards import TRIES
from robusttest.settings import Settings
from robusttest.tasks.task import Task
from robusttest.workers.engines import LOCAL

SECONDS = 1.0
"""About how long a shard of cases takes."""
MOST = 32
"""Cases of a shard, at most."""
_TOLD = (
    "variants",
    "seed",
    "replies",
    "store",
    "max_age",
    "by",
    "only",
    "skip",
    "concurrency",
    "case",
    "limit",
    "max_cases",
    "shard",
)
"""Settings that decide what is made of a case."""

_HELD: dict[str, tuple[Job, Gateway]] = {}
"""In a worker: the jobs that it knows, with their gateways."""


def run_cases(text: str) -> str:
    """The records of some cases of a job, in order, each with its place, and what the calls of them were."""
    told = json.loads(text)
    key = digest(json.dumps(told["job"]))
    if key not in _HELD:
        _HELD[key] = _again(told["job"])
    job, gateway = _HELD[key]
    by_id = {s.case.id: s for s in job.selected()}
    rows: list[Json] = []
    runner = Runner(gateway, job.settings, on_record=lambda r, at: rows.append([*at, codec.record_line(r)]))
    before = gateway.progress()
    runner.result(replace(job, taken=tuple(by_id[i] for i in told["cases"])))
    if gateway.store is not None:
        gateway.store.flush()  # this process is ended without a word
    now = gateway.progress()
    counts = [now.done - before.done, now.cached - before.cached, now.failed - before.failed]
    return codec.dumps({"rows": rows, "counts": counts, "notes": gateway.problems()})


def _again(told: Json) -> tuple[Job, Gateway]:
    module, name = told["task"]
    task = getattr(importlib.import_module(module), name)
    if not isinstance(task, Task) or _cases(task) != told["cases"]:
        raise ValueError(f"{module}.{name} is another task here than on the driver")
    directory = told["directory"] or tempfile.mkdtemp(prefix="robusttest-")
    settings = Settings(**{**told["settings"], "directory": Path(directory)})
    job = Job(task, told["model"], told["perturbations"], (), settings, told["test"])
    return job, Gateway(settings, away=False)


def _cases(task: Task) -> str:
    return digest(codec.dumps([codec.plain(c) for c in task.cases]))


class CaseWorkers:
    """The driver's side: which jobs go to workers in whole cases, and their shards."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway, self.settings = gateway, gateway.settings
        self._told: dict[int, tuple[Job, Json | None]] = {}
        self._seconds = SECONDS

    def takes(self, job: Job) -> bool:
        """Whether a job's cases may go to workers whole."""
        return self._job(job) is not None

    def _job(self, job: Job) -> Json | None:
        held = self._told.get(id(job))
        if held is None:
            held = self._told[id(job)] = (job, self._described(job))
        return held[1]

    def _described(self, job: Job) -> Json | None:
        s, task = job.settings, job.task
        if self.settings.engine == LOCAL or not isinstance(task, Task) or isinstance(job.model, Model):
            return None
        if job.source or job.keep or job.adaptive or job.resumed or not is_callable(job.model):
            return None
        if self.settings.max_calls is not None or self.settings.max_cost is not None or self.settings.shrink:
            return None
        scorers = (task.scorer, task.scorer_check)
        if any(p.rewrite is not None for p in job.wanted) or any(x is not None and x.model for x in scorers):
            return None
        if not all(isinstance(p, str) for p in job.perturbations):
            return None
        workers = self.gateway.workers_of(job.model)
        named = _name_of(task)
        if workers is None or named is None:
            return None
        near = getattr(workers.executor, "shares_disk", False)
        if not near and self.settings.store is None:  # the store of replies is here alone
            return None
        return {
            "task": named,
            "cases": _cases(task),
            "model": job.model,
            "perturbations": list(job.perturbations),
            "test": job.test,
            "directory": str(s.directory.absolute()) if near else None,
            "settings": {n: getattr(s, n) for n in _TOLD},
        }

    def size(self, job: Job) -> int:
        """Shards that are done at once."""
        workers = self.gateway.workers_of(job.model)
        return 1 if workers is None else workers.at_once

    def cases(self) -> int:
        """Cases that make a shard."""
        return max(1, min(MOST, int(SECONDS / self._seconds)))

    def submit(self, job: Job, whole: Whole) -> Future[Any]:
        """Have a worker do some cases: a list of ``(place, record)``. A worker that dies of them is replaced, and asked again."""
        text = json.dumps({"job": self._job(job), "cases": [s.case.id for _, s in whole.cases]})
        outer: Future[Any] = Future()
        self._put(job, whole, text, outer, TRIES)
        return outer

    def _put(self, job: Job, whole: Whole, text: str, outer: Future[Any], tries: int) -> None:
        workers = self.gateway.workers_of(job.model)
        assert workers is not None
        try:
            inner = workers.executor.submit(run_cases, text)
        except RuntimeError as e:
            outer.set_exception(e)
            return

        def came(inner: Future[Any]) -> None:
            error = inner.exception()
            if isinstance(error, BrokenExecutor) and tries > 1:
                self._put(job, whole, text, outer, tries - 1)
            elif error is not None:
                outer.set_exception(error)
            else:
                outer.set_result(partial(self._read, whole, inner.result()))

        inner.add_done_callback(came)

    def _read(self, whole: Whole, text: str) -> list[tuple[tuple[int, int, int], Record, str]]:
        """In the driver's thread."""
        said = json.loads(text)
        self.gateway.took(*said["counts"], notes=said["notes"])
        places = [place for place, _ in whole.cases]
        rows = [
            ((places[k], order, index), codec.read(Record, codec.loads(line)), line)
            for k, order, index, line in said["rows"]
        ]
        spent = sum(r.latency or 0.0 for _, r, _ in rows) / len(places)
        self._seconds = max(1e-3, (self._seconds + max(spent, 0.001 * len(rows) / len(places))) / 2)
        return rows


def _name_of(task: Task) -> tuple[str, str] | None:
    """Module and name at which a worker finds it."""
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "__main__") in ("__main__", "__mp_main__"):
            continue
        with contextlib.suppress(Exception):
            for name, value in vars(module).items():
                if value is task:
                    return module.__name__, name
    return None
