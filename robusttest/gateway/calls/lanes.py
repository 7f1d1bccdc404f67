"""How fast one endpoint may be asked: concurrency that adapts, requests and tokens a minute, waits, a circuit breaker.

Pure bookkeeping on a clock that is passed in: the scheduler asks `Lane.wait` before a call and tells what came of it.

Concurrency doubles from a small start until the first 429 or 503 or a rise in latency, then grows by one a round and
is halved, at most once a round, when the endpoint says it has too much (AIMD; Chiu & Jain 1989). Where nothing but
failures comes back, pauses grow between single calls, until one is answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median

START = 8
"""Calls in flight at the start."""
MINUTE = 60.0
LATENCY_RISE = 2.0
"""Doubling ends where the median latency is this many times that of the first calls …"""
LATENCY_FLOOR = 0.1
"""… and at least this many seconds above it: jitter of a fast server is no rise."""
WINDOW = 16
"""Latencies that a median is taken over."""
BREAK_AFTER = 5
"""Failed calls in a row after which an endpoint may be called dead …"""
PATIENCE: dict[str, tuple[float, float]] = {
    "connection": (30.0, 120.0),
    "server": (60.0, 120.0),
    "timeout": (60.0, 120.0),
    "invalid_reply": (30.0, 120.0),
    "refused_call": (0.0, 30.0),
    "overloaded": (300.0, 300.0),
}
"""… once failures of a kind have gone on for so many seconds: where it never answered, and where it did. A server that
loads a model says 503 for minutes, and one that starts again is gone for one. A rate limit is a sign of life."""
BACK_OFF, LONGEST = 0.25, 10.0
"""Seconds that a lane waits after the second round in a row in which nothing but failures came, doubled with each
further one up to the longest: an endpoint that is down is asked by single calls, not by all at once."""
LEFT_ALONE = 5.0
"""Seconds after a failure in which calls that may go to another server do."""
BUSY = ("rate_limit", "overloaded")


class Lane:
    """One model at one endpoint.

    ``most`` calls in flight, ``rpm`` requests and ``tpm`` tokens in any minute (None: no limit). Times are seconds of a
    monotonic clock.
    """

    def __init__(
        self, name: str, *, most: int, rpm: float | None = None, tpm: float | None = None, start: int = START
    ) -> None:
        self.name = name
        self.most, self.rpm, self.tpm = most, rpm, tpm
        self.limit = float(min(start, most))
        """Calls in flight that the endpoint seems to take."""
        self.doubling = True
        self.in_flight = 0
        self.blocked_until = 0.0
        self.blocked_for = ""
        """What is being waited for, in a few words."""
        self._cut_at = self._full_at = float("-inf")
        self._started: deque[tuple[float, int]] = deque()
        self._tokens = 0
        self._first: list[float] = []
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._failures = 0
        self._failing_since: float | None = None
        self._failed_at = float("-inf")
        self._rounds = 0
        """Rounds in a row in which calls failed and none was answered."""
        self.unanswered_since: float | None = None
        """When calls began that nothing but failures has followed."""
        self.has_answered = False
        self.dead: str | None = None
        """Why no further call makes sense."""

    # --- before a call

    def wait(self, now: float, tokens: int = 0) -> float | None:
        """Seconds until a call with about so many tokens may start: 0 is now, None when one in flight has ended."""
        if self.in_flight >= max(1, int(self.limit)):
            return None
        if now < self.blocked_until:
            return self.blocked_until - now
        return self._rate_wait(now, tokens)

    def _rate_wait(self, now: float, tokens: int) -> float:
        if self.rpm is None and self.tpm is None:
            return 0.0
        while self._started and self._started[0][0] <= now - MINUTE:
            self._tokens -= self._started.popleft()[1]
        wait = 0.0
        if self.rpm is not None and len(self._started) >= max(1, int(self.rpm)):
            nth = self._started[len(self._started) - max(1, int(self.rpm))]
            wait = nth[0] + MINUTE - now
        if self.tpm is not None and self._started and self._tokens + tokens > self.tpm:
            over = self._tokens + tokens - self.tpm
            for at, used in self._started:
                over -= used
                if over <= 0:
                    wait = max(wait, at + MINUTE - now)
                    break
            else:  # larger than a whole minute's tokens: alone, then
                wait = max(wait, self._started[-1][0] + MINUTE - now)
        if wait > 0:
            self.blocked_for = "requests per minute" if self.tpm is None else "the limit per minute"
        return max(0.0, wait)

    def begin(self, now: float, tokens: int = 0) -> None:
        """A call starts."""
        self.in_flight += 1
        if self.in_flight >= int(self.limit):
            self._full_at = now
        if self.rpm is not None or self.tpm is not None:
            self._started.append((now, tokens))
            self._tokens += tokens

    # --- after it

    def answered(self, now: float, started: float, *, estimated: int = 0, used: int | None = None) -> None:
        """A reply came. ``used`` tokens replace the estimate in the minute's sum."""
        self.in_flight -= 1
        if self._rounds >= 2:
            self.doubling = True  # back from a failure, not from being asked too much
        self._failures, self._failing_since, self._rounds = 0, None, 0
        self.unanswered_since, self.has_answered = None, True
        if self.tpm is not None and used is not None and used != estimated:
            self._tokens += used - estimated
            for i in range(len(self._started) - 1, -1, -1):
                if self._started[i] == (started, estimated):
                    self._started[i] = (started, used)
                    break
            else:
                self._tokens -= used - estimated
        latency = now - started
        if len(self._first) < WINDOW // 2:
            self._first.append(latency)
        self._recent.append(latency)
        if self.doubling and self._slower():
            self.doubling = False
        if started > self._full_at:
            return  # the limit is not what holds calls back
        self.limit = min(self.most, self.limit + (1.0 if self.doubling else 1.0 / self.limit))

    def _slower(self) -> bool:
        if len(self._recent) < WINDOW:
            return False
        before, now = median(self._first), median(self._recent)
        return now > LATENCY_RISE * before and now > before + LATENCY_FLOOR

    def failed(
        self, now: float, started: float, *, kind: str, retry_after: float | None, message: str = ""
    ) -> None:
        """An attempt failed."""
        self.in_flight -= 1
        self._failed_at = now
        if self.unanswered_since is None:
            self.unanswered_since = started
        if retry_after is not None and retry_after > 0:
            self.block(now + retry_after, "Retry-After")
        if (kind in BUSY or kind in PATIENCE) and started > self._cut_at:
            # One cut and one pause for all the calls that were under way.
            self._cut_at = now
            self._rounds += 1
            if kind in BUSY:
                self.doubling = False
            if kind in BUSY or self._rounds >= 2:
                self.limit = max(1.0, self.limit / 2) if self._rounds < 3 else 1.0
            if self._rounds >= 2 and not retry_after:
                self.block(
                    now + min(LONGEST, BACK_OFF * 2.0 ** min(self._rounds - 2, 20)), "a pause after failures"
                )
        if kind not in PATIENCE:
            self._failures, self._failing_since = 0, None
            return
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = started
        patience = PATIENCE[kind][self.has_answered]
        if self._failures >= BREAK_AFTER and now - self._failing_since >= patience:
            self.dead = f"{self._failures} calls in a row failed; the last one: {message or kind}"

    def failing(self, now: float) -> bool:
        """Whether calls had better go elsewhere: the last one failed just now, or nobody may call."""
        return self.blocked_until > now or (self._failures > 0 and now - self._failed_at < LEFT_ALONE)

    def may_pass(self) -> bool:
        """Whether a refused call (401, 404 …) may be a whim: calls went well, or others are under way that may."""
        return self.has_answered or (self.in_flight > 1 and self._failures < 2)

    def ended(self) -> None:
        """A call ended with no word about the endpoint: cancelled, refused by a budget."""
        self.in_flight -= 1

    def block(self, until: float, why: str) -> None:
        """Nobody calls before ``until``."""
        if until > self.blocked_until:
            self.blocked_until, self.blocked_for = until, why

    def told(self, now: float, facts: Mapping[str, str]) -> None:
        """The provider's own rate-limit headers (`model_response.rate_limit_of`): wait where nothing is left."""
        for what in ("requests", "tokens"):
            left = facts.get(f"remaining-{what}", facts.get(f"{what}-remaining"))
            reset = facts.get(f"reset-{what}", facts.get(f"{what}-reset"))
            if left is None or reset is None:
                continue
            try:
                none_left = float(left) <= 0
            except ValueError:
                continue
            seconds = reset_seconds(reset)
            if none_left and seconds is not None:
                self.block(now + min(seconds, MINUTE), f"the provider's {what} limit")

    def waiting_for(self, now: float) -> str | None:
        """What holds the next call back, for a reader; None if only a free slot."""
        if now < self.blocked_until:
            return f"{self.name}: {self.blocked_for}, {self.blocked_until - now:.0f} s"
        if self._rate_wait(now, 0) > 0:
            return f"{self.name}: {self.blocked_for}"
        return None


def reset_seconds(text: str) -> float | None:
    """Seconds in ``6m0s``, ``1.5s``, ``120ms``, ``12`` or an ISO time (``2026-01-01T00:00:00Z``); None if unreadable."""
    import re
    from datetime import UTC, datetime

    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    text = text.strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if parts and "".join(a + b for a, b in parts) == text:
        return sum(float(a) * units[b] for a, b in parts)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
