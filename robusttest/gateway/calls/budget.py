"""What a run may spend: reserved before each call, settled after it, one budget for all processes of a run."""

from __future__ import annotations

import threading

from robusttest.errors import BudgetExhaustedError, StorageError
from robusttest.gateway.store.replies import ReplyStore
from robusttest.settings import Settings


class Budget:
    """``max_calls`` and ``max_cost`` of the settings.

    With several processes of one ``run`` the sum is kept in the reply store; without a store that can be written each
    process has its equal share. A call without a known price reserves nothing: ``unpriced`` is then set.
    """

    def __init__(
        self, settings: Settings, *, workers: int = 1, run: str | None = None, store: ReplyStore | None = None
    ) -> None:
        self.max_calls, self.max_cost = settings.max_calls, settings.max_cost
        self.unpriced = False
        self._lock = threading.Lock()
        self._calls, self._cost = 0, 0.0
        shared = run is not None and store is not None and not store.read_only and not store.problems
        self._store = store if shared else None
        self._run = run or ""
        if not shared and workers > 1:
            if self.max_calls is not None:
                self.max_calls //= workers
            if self.max_cost is not None:
                self.max_cost /= workers

    @property
    def limited(self) -> bool:
        return self.max_calls is not None or self.max_cost is not None

    def reserve(self, estimate: float | None) -> float:
        """Set aside one call of about ``estimate`` US dollars, and return what was reserved.

        Raises `BudgetExhaustedError` where it does not fit any more.
        """
        if not self.limited:
            return 0.0
        if estimate is None:
            self.unpriced = True
        cost = (estimate or 0.0) if self.max_cost is not None else 0.0
        if self._store is not None:
            try:
                fits = self._store.spend(self._run, 1, cost, max_calls=self.max_calls, max_cost=self.max_cost)
            except StorageError as e:
                raise BudgetExhaustedError(f"the budget can't be kept: {e}") from None
        else:
            with self._lock:
                fits = (self.max_calls is None or self._calls < self.max_calls) and (
                    self.max_cost is None or self._cost + cost <= self.max_cost
                )
                if fits:
                    self._calls, self._cost = self._calls + 1, self._cost + cost
        if not fits:
            raise BudgetExhaustedError(self._message())
        return cost

    def settle(self, reserved: float, actual: float | None) -> None:
        """Replace a reservation by what the call cost; None (no price told) leaves it."""
        if self.max_cost is None or actual is None or actual == reserved:
            return
        if self._store is not None:
            try:
                self._store.spend(self._run, 0, actual - reserved, max_calls=None, max_cost=None)
            except StorageError:
                return  # the reservation stands: rather too careful
        else:
            with self._lock:
                self._cost += actual - reserved

    def _message(self) -> str:
        parts = []
        if self.max_calls is not None:
            parts.append(f"--robust-max-calls={self.max_calls}")
        if self.max_cost is not None:
            parts.append(f"--robust-max-cost={self.max_cost:g}")
        return f"not called: the budget is spent ({', '.join(parts)})"
