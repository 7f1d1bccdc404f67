"""What makes a run's calls, set up: a gateway, and the runner on it. Pytest's session has one in each process, `evaluate` one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from robusttest.core.nouns import Record
from robusttest.engine.driver import Runner
from robusttest.engine.shrink import Budget
from robusttest.gateway import Gateway
from robusttest.settings import Settings
from robusttest.workers.engines import LOCAL


class Calls(NamedTuple):
    gateway: Gateway
    runner: Runner
    shrinking: Budget | None
    """Calls left for shrinking in this process; None where nothing is shrunk."""


def opened(
    settings: Settings,
    recorded: Callable[[Record, Sequence[int], str | None], None],
    *,
    workers: int = 1,
    tests: int = 1,
    run: str | None = None,
    tick: Callable[[], None] | None = None,
) -> Calls:
    """``recorded`` is told each record as it is made, and its line where a worker has made it. ``workers`` processes of
    one ``run`` share limits and budgets, and its ``tests`` tests what may be spent on shrinking; ``tick`` is called while the
    runner waits. The gateway is to be closed.
    """
    gateway = Gateway(settings, workers=workers, run=run)
    spread = None
    if settings.engine != LOCAL:
        from robusttest.run.cases import CaseWorkers

        spread = CaseWorkers(gateway)
    runner = Runner(gateway, settings, on_record=recorded, tick=tick, spread=spread)
    budget = Budget(settings.shrink // workers, -(-tests // workers)) if settings.shrink else None
    return Calls(gateway, runner, budget)
