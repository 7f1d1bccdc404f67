"""Engines by name: ``local``, ``processes[:N]``, ``ray[:ADDRESS]``, and what packages add under the entry point group ``robusttest.engines``.

An engine is a factory ``(argument, needs) -> concurrent.futures.Executor``. Its executor is given ``submit(fn, text)``, where
``fn`` can be imported by name and takes and returns a text; a worker that dies is told by `WorkerDiedError` or
`concurrent.futures.BrokenExecutor`, and ``workers`` is how many shards it does at once. A factory may have ``check(argument)``,
which raises `UsageError` for one that makes no sense, and `MissingExtraError` for what is not installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from robusttest.core.names import Registry
from robusttest.errors import UnknownNameError, UsageError

LOCAL = "local"
MOST = 1024
"""Processes of one machine, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What each worker has to have, as a model declares it."""

    gpus: float | None = None
    memory: int | None = None
    """Bytes."""
    workers: int | None = None
    """Workers at most; None: as many as the engine has."""
    share: int = 1
    """Processes of the run that each have an engine (pytest -n): what is on this machine is divided among them."""


Factory = Callable[[str | None, Needs], Executor]
ENGINES: Registry[Factory] = Registry("engine", "robusttest.engines")


def split(text: str) -> tuple[str, str | None]:
    """``processes:4`` → ``("processes", "4")``; of ``ray:ray://host:10001`` all behind the first colon is the argument."""
    name, colon, argument = text.strip().partition(":")
    return name, argument if colon else None


def check(text: str) -> str:
    """The engine as it was written. Raises `UsageError` for one that is not known, not installed or given nonsense."""
    name, argument = split(text)
    if name == LOCAL:
        if argument is not None:
            raise UsageError(f"{text!r}: local takes no argument; processes:N has N processes")
        return LOCAL
    probe = getattr(_factory(name), "check", None)
    if probe is not None:
        probe(argument)
    return text.strip()


def opened(text: str, needs: Needs) -> Executor:
    """The executor of an engine other than ``local``."""
    name, argument = split(text)
    return _factory(name)(argument, needs)


def size_of(executor: Executor) -> int:
    """How many shards it does at once."""
    for name in ("workers", "_max_workers"):
        found = getattr(executor, name, None)
        if isinstance(found, int) and not isinstance(found, bool) and found >= 1:
            return found
    return cores()


def cores() -> int:
    """The processors that this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable is not None else os.cpu_count() or 1


def _factory(name: str) -> Factory:
    try:
        return ENGINES.get(name)
    except UnknownNameError:
        raise UnknownNameError("engine", name, [LOCAL, *ENGINES]) from None


def count(argument: str | None) -> int:
    """The N of ``processes:N``; without one as many as there are processors."""
    if argument is None:
        return cores()
    if not (argument.isascii() and argument.isdigit()) or not 1 <= int(argument) <= MOST:
        raise UsageError(f"processes:{argument}: give a number of processes from 1 to {MOST:,}")
    return int(argument)


@ENGINES.register("processes")
def _processes(argument: str | None, needs: Needs) -> Executor:
    from robusttest.workers.processes import Processes

    return Processes(min(max(1, count(argument) // needs.share), needs.workers or MOST))


@ENGINES.register("ray")
def _ray(argument: str | None, needs: Needs) -> Executor:
    from robusttest.workers.actors import Actors

    return Actors(argument, needs)


def _cluster(argument: str | None) -> None:
    from robusttest.workers.actors import check

    check(argument)


def _checked(factory: Any, probe: Callable[[str | None], Any]) -> None:
    factory.check = probe


_checked(_processes, count)
_checked(_ray, _cluster)
