"""How fast an endpoint is asked, on a clock of the test's own."""

from __future__ import annotations

import pytest

from robusttest.gateway.calls.lanes import (
    BREAK_AFTER,
    LONGEST,
    MINUTE,
    PATIENCE,
    START,
    Lane,
    reset_seconds,
)


def lane(**options) -> Lane:
    return Lane("openai/m", **{"most": 64, **options})


def filled(lane: Lane, now: float) -> int:
    """Start calls until one has to wait; how many are in flight then."""
    while lane.wait(now) == 0:
        lane.begin(now)
    return lane.in_flight


def a_round(lane: Lane, now: float, latency: float = 0.05) -> float:
    """Fill the lane and have all answered."""
    for _ in range(filled(lane, now)):
        lane.answered(now + latency, now)
    return now + latency


def test_concurrency_doubles_up_to_the_most():
    x, now, seen = lane(), 0.0, []
    for _ in range(5):
        seen.append(filled(x, now))
        now = a_round(x, now)
    assert seen == [START, 16, 32, 64, 64]


def test_it_never_starts_above_the_most():
    assert filled(lane(most=3), 0) == 3


@pytest.mark.parametrize("kind", ["rate_limit", "overloaded"])
def test_too_much_halves_it_once_a_round_and_then_it_grows_by_one(kind):
    x = lane()
    now = a_round(x, a_round(x, 0.0))
    n = filled(x, now)
    assert n == 32
    for _ in range(10):
        x.failed(now + 0.05, now, kind=kind, retry_after=None)
    assert int(x.limit) == 16, "one cut for all that were under way"
    for _ in range(n - 10):
        x.answered(now + 0.05, now)
    before = x.limit
    now = a_round(x, now + 0.1)
    assert before < x.limit < before + 2, "one more a round"
    filled(x, now)
    x.failed(now + 0.1, now, kind=kind, retry_after=None)
    assert x.limit < before


def test_other_failures_cut_nothing():
    x = lane()
    filled(x, 0)
    x.failed(0.1, 0, kind="invalid_reply", retry_after=None)
    x.failed(0.1, 0, kind="bad_request", retry_after=None)
    assert x.limit == START
    assert x.doubling


def test_doubling_ends_where_latency_rises():
    x, now = lane(most=1000), 0.0
    now = a_round(x, now, 0.2)
    now = a_round(x, now, 0.2)
    assert x.doubling
    now = a_round(x, now, 0.9)
    assert not x.doubling
    limit = x.limit
    a_round(x, now, 0.9)
    assert x.limit < limit + 2


def test_jitter_of_a_fast_server_is_no_rise():
    x, now = lane(most=1000), 0.0
    for latency in (0.002, 0.002, 0.02, 0.02):
        now = a_round(x, now, latency)
    assert x.doubling


def test_retry_after_holds_everybody():
    x = lane()
    x.begin(0)
    x.begin(0)
    x.failed(1, 0, kind="rate_limit", retry_after=7)
    assert x.wait(1) == 7
    assert x.waiting_for(3) == "openai/m: Retry-After, 5 s"
    x.failed(1, 0, kind="rate_limit", retry_after=2)
    assert x.wait(2) == 6, "the longest wait counts"
    assert x.wait(8) == 0
    assert x.waiting_for(8) is None


def test_requests_per_minute_hold_in_any_minute():
    x, now, times = lane(rpm=10), 0.0, []
    while now < 200:
        wait = x.wait(now)
        assert wait is not None
        if wait == 0:
            x.begin(now)
            x.answered(now, now)
            times.append(now)
            now += 0.5
        else:
            now += wait + 0.001
    for t in times:
        assert sum(t <= u < t + MINUTE for u in times) <= 10
    assert len(times) > 30


def test_tokens_per_minute_count_what_was_used():
    x = lane(tpm=1000)
    assert x.wait(0, 600) == 0
    x.begin(0, 600)
    assert x.wait(1, 600) == pytest.approx(59)
    x.answered(2, 0, estimated=600, used=100)
    assert x.wait(2, 600) == 0, "it took fewer than estimated"
    x.begin(2, 600)
    assert x.wait(3, 600) == pytest.approx(59), "until the second leaves the minute"
    assert x.wait(70, 5000) == 0, "one that is larger than a minute's goes alone"


def test_what_the_provider_says_is_left():
    x = lane()
    x.told(0, {"remaining-requests": "0", "reset-requests": "1.5s"})
    assert x.wait(0) == 1.5
    x.told(0, {"remaining-tokens": "12", "reset-tokens": "6m0s"})
    assert x.wait(2) == 0
    x.told(2, {"requests-remaining": "0", "requests-reset": "garbage", "remaining-tokens": "?"})
    assert x.wait(2) == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360), ("1.5s", 1.5), ("120ms", 0.12), ("12", 12), ("1h2m", 3720), ("soon", None), ("", None)],
)
def test_reset_times(text, seconds):
    assert reset_seconds(text) == seconds


def failing(x: Lane, n: int, start: float, step: float, kind: str = "connection") -> float:
    for i in range(n):
        x.begin(start + i * step)
        x.failed(start + (i + 1) * step, start + i * step, kind=kind, retry_after=None, message="refused")
    return start + n * step


@pytest.mark.parametrize("kind", PATIENCE)
@pytest.mark.parametrize("answered", [False, True])
def test_an_endpoint_is_dead_after_as_long_as_its_kind_of_failure_deserves(kind, answered):
    x = lane()
    if answered:
        a_round(x, 0)
    patience = max(PATIENCE[kind][answered], BREAK_AFTER)
    now = failing(x, BREAK_AFTER, 1, 0.9 * patience / BREAK_AFTER, kind=kind)
    assert x.dead is None or patience == BREAK_AFTER
    failing(x, BREAK_AFTER, now, patience, kind=kind)
    assert x.dead is not None
    assert "calls in a row failed; the last one: refused" in x.dead


def test_a_server_that_loads_for_minutes_is_not_dead():
    x = lane()
    failing(x, 240, 0, 1, kind="overloaded")
    assert x.dead is None


@pytest.mark.parametrize(
    "kind", ["connection", "server", "timeout", "invalid_reply", "overloaded", "rate_limit"]
)
def test_a_lane_backs_off_while_nothing_but_failures_comes(kind):
    x, now, asked = lane(), 0.0, []
    now = a_round(x, a_round(x, now))
    until = now + 60
    while now < until:
        n = filled(x, now)
        if n:
            asked.append((now, n))
        for _ in range(n):
            x.failed(now + 0.01, now, kind=kind, retry_after=None)
        now += 0.02 + max(x.wait(now + 0.02) or 0.0, 0.0)
    assert sum(n for _, n in asked) < 90, asked
    assert [n for _, n in asked][-5:] == [1] * 5
    assert now - asked[-1][0] == pytest.approx(LONGEST, abs=0.1)
    for _ in range(5):
        now = a_round(x, now)
    if kind not in ("overloaded", "rate_limit"):
        assert x.limit > 8, "and is back soon"


def test_a_fault_among_replies_slows_nothing():
    x = lane()
    now = a_round(x, a_round(x, 0))
    for _ in range(50):
        n = filled(x, now)
        assert n == 32 or x.limit > 32
        x.failed(now + 0.05, now, kind="connection", retry_after=None)
        for _ in range(n - 1):
            x.answered(now + 0.05, now)
        now += 0.05


def test_a_refused_call_may_pass_after_good_ones_or_beside_others():
    x = lane()
    x.begin(0)
    assert not x.may_pass(), "alone and first: how the run is set up"
    x.begin(0)
    assert x.may_pass()
    for _ in range(2):
        x.failed(0.1, 0, kind="refused_call", retry_after=None)
    x.begin(1)
    x.begin(1)
    assert not x.may_pass(), "the third of them"
    x.answered(2, 1)
    assert x.may_pass()


def test_a_rate_limit_and_a_reply_are_signs_of_life():
    x = lane()
    failing(x, BREAK_AFTER - 1, 0, 10)
    failing(x, 1, 100, 1, kind="rate_limit")
    failing(x, BREAK_AFTER - 1, 110, 10)
    x.begin(300)
    x.answered(301, 300)
    failing(x, BREAK_AFTER - 1, 310, 10)
    assert x.dead is None
