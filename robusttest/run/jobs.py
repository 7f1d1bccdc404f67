"""Jobs before the first call: with the variants of a frozen file, and what failed the last time first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from robusttest.engine.job import Job
from robusttest.settings import Settings
from robusttest.variants.frozen import Freezer


def with_frozen(jobs: Iterable[Job], settings: Settings) -> tuple[list[Job], list[Freezer]]:
    """The jobs with the variants of ``settings.freeze``; where that is to be written, each with what gathers its own.

    Raises `StaleError` or another `UsageError` for a file that can't be read, or does not fit.
    """
    from robusttest.variants import frozen

    jobs, path = list(jobs), settings.freeze
    if path is None:
        return jobs, []
    scopes = [job.scope() for job in jobs]
    held = frozen.begin(path, settings)
    if held is None:
        freezers = [Freezer(scope) for scope in scopes]
        return [replace(j, keep=f.add) for j, f in zip(jobs, freezers, strict=True)], freezers
    stale = dict.fromkeys(said for scope in scopes for said in held.stale(scope))
    if stale:
        raise frozen.refuse(path, list(stale))
    return [replace(j, source=held.source(s)) for j, s in zip(jobs, scopes, strict=True)], []


def failing_first(jobs: Iterable[Job], settings: Settings) -> list[Job]:
    """The jobs with the cases that failed the last time first, where every case is asked in the end."""
    jobs = list(jobs)
    if settings.dry_run or not (settings.directory / "failures.jsonl").exists():
        return jobs
    from robusttest.store.failing import cases_first

    known = cases_first(settings.directory)
    return [
        replace(job, first=known[job.key]) if job.key in known and _asks_all(job.settings) else job
        for job in jobs
    ]


def _asks_all(settings: Settings) -> bool:
    """Else, which cases are asked must not depend on what failed."""
    return not settings.adaptive and settings.max_calls is None and settings.max_cost is None
