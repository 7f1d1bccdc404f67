"""How far the calls are: a line of text, and where a notebook shows it."""

from __future__ import annotations

import sys
import time
from typing import Any


def progress_line(p: Any, total: int, seconds: float) -> str:
    """Calls done, replayed, failed, cost so far, time left, what is being waited for."""
    done = p.done
    parts = [f"robusttest: {done:,} of {max(total, done):,} calls"]
    if p.cached:
        parts.append(f"{p.cached:,} replayed")
    if p.failed:
        parts.append(f"{p.failed:,} failed")
    if p.cost:
        parts.append(f"${p.cost:.2f}")
    if 0 < done < total and seconds > 2:
        left = seconds / done * (total - done)
        parts.append(f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left")
    if p.waiting_for:
        parts.append(f"waiting for {p.waiting_for}")
    return " · ".join(parts)


class KernelProgress:
    """The line in the output of a notebook's cell, written over by the next one; the last one stays."""

    EVERY = 0.5
    """Seconds between two lines."""

    def __init__(self, gateway: Any, total: int, display: Any) -> None:
        self.gateway, self.total, self.display = gateway, total, display
        self.began = self.last = time.monotonic()
        self.handle: Any = None

    def tick(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self.last < self.EVERY:
            return
        self.last = now
        p = self.gateway.progress()
        # At the end there is nothing to wait for: calls that were not needed are no calls that are left.
        line = progress_line(p, p.done if last else self.total, now - self.began)
        if self.handle is not None:
            self.handle.update({"text/plain": line}, raw=True)
        elif not last:  # what is done before anybody could look says nothing
            self.handle = self.display({"text/plain": line}, raw=True, display_id=True)


def in_kernel(gateway: Any, total: int) -> KernelProgress | None:
    """Progress for a notebook; None where the program runs in none (IPython in a terminal is none, either)."""
    ipython = sys.modules.get("IPython")
    shell = getattr(ipython, "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display

    return KernelProgress(gateway, total, display)
