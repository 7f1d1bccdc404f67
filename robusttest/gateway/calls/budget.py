"""What a run may spend: reserved before each call, settled after it, one budget for all processes of a run."""

from __future__ import annotations

import contextlib
import threading
from bisect import insort
from math import ceil

from robusttest.errors import BudgetExhaustedError, StorageError
from robusttest.gateway.store.replies import ReplyStore, fitting
from robusttest.settings import Settings

LEARNT = 3
"""Replies of a model after which its calls are estimated by what such calls have cost."""
QUANTILE, MARGIN = 0.9, 1.1
"""A call is estimated at this quantile of them, and a tenth more: at the dearest, one long reply would hold back all others.
The limit may be exceeded by what the last calls cost beyond that."""
KEPT = 1_000
"""Calls of a model that are learnt from."""


class CallBudget:
    """``max_calls`` and ``max_cost`` of the settings.

    With several processes of one ``run`` the sum is kept in the reply store; without a store that can be written each
    process has its equal share.
    """

    def __init__(
        self, settings: Settings, *, workers: int = 1, run: str | None = None, store: ReplyStore | None = None
    ) -> None:
        self.max_calls, self.max_cost = settings.max_calls, settings.max_cost
        self.unpriced = False
        """Calls without a known price were made, which reserve nothing."""
        self._lock = threading.Lock()
        self._calls, self._cost, self._open = 0, 0.0, 0.0
        self._shares: dict[str, list[float]] = {}
        """Model → the shares of their upper estimates that calls have cost, in order."""
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

    def likely(self, model: str, most: float) -> tuple[float, bool]:
        """What nine of ten calls stay under that cost ``most`` US dollars at most, by what calls to this model have cost, and
        whether that is known: before enough have come back, to this process or to all of the run, it is the most.
        """
        shares = self._shares.get(model, [])
        if len(shares) >= LEARNT:
            share = shares[ceil(QUANTILE * len(shares)) - 1]
        else:
            n, share = (0, 0.0) if self._store is None else self._store.learnt(self._run, model)
            if n < LEARNT:
                return most, False
        # More than the most, where a model's template adds what the request does not show.
        return most * share * MARGIN, True

    def typical(self, model: str, most: float) -> float | None:
        """What such a call has cost on average; None where none has come back."""
        shares = self._shares.get(model)
        return most * sum(shares) / len(shares) if shares else None

    def reserve(self, most: float | None, *, model: str = "", bounded: bool = True) -> float | None:
        """Set aside one call that costs ``most`` US dollars at most, and return what was reserved.

        None: it does not fit beside what others have reserved, and may when they have settled. ``bounded``: the request
        itself limits its output; else the first calls go one by one, within what is left. Raises `BudgetExhaustedError`
        where it does not fit any more.
        """
        if not self.limited:
            return 0.0
        if most is None:
            self.unpriced = True
        cost, known = self.likely(model, most or 0.0) if self.max_cost is not None else (0.0, True)
        alone = not bounded and not known
        if self._store is not None:
            try:
                fits = self._store.reserve(
                    self._run, cost, max_calls=self.max_calls, max_cost=self.max_cost, alone=alone
                )
            except StorageError as e:
                raise BudgetExhaustedError(f"the budget can't be kept: {e}") from None
        else:
            with self._lock:
                fits = fitting(
                    self._calls,
                    self._cost,
                    self._open,
                    cost,
                    max_calls=self.max_calls,
                    max_cost=self.max_cost,
                    alone=alone,
                )
                if isinstance(fits, float):
                    self._calls, self._open = self._calls + 1, self._open + fits
        if fits is False:
            raise BudgetExhaustedError(self._message())
        return None if fits is None else float(fits)

    def settle(
        self, reserved: float, actual: float | None, *, model: str = "", most: float | None = None
    ) -> None:
        """Replace a reservation by what the call cost; None (no price told): what was reserved."""
        if actual and most:
            with self._lock:
                shares = self._shares.setdefault(model, [])
                if len(shares) < KEPT:
                    insort(shares, actual / most)
            if self._store is not None and self.max_cost is not None and len(shares) <= LEARNT:
                self._store.learn(self._run, model, actual / most)
        if not self.limited or self.max_cost is None:
            return
        cost = reserved if actual is None else actual
        if self._store is not None:
            with contextlib.suppress(StorageError):  # the reservation stands: rather too careful
                self._store.settle(self._run, reserved, cost)
        else:
            with self._lock:
                self._open, self._cost = max(0.0, self._open - reserved), self._cost + cost

    def _message(self) -> str:
        parts = []
        if self.max_calls is not None:
            parts.append(f"--robust-max-calls={self.max_calls}")
        if self.max_cost is not None:
            parts.append(f"--robust-max-cost={self.max_cost:g}")
        return f"not called: the budget is spent ({', '.join(parts)})"
