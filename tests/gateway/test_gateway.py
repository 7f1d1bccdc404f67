"""The gateway as a whole, over real HTTP through real LiteLLM: faults, limits, budgets, modes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Self

import pytest
from loopback import TRANSIENT, LoopbackServer

from robusttest.core.nouns import Completion
from robusttest.errors import (
    BudgetExhaustedError,
    CallError,
    ConfigurationError,
    ReplayMissError,
    RunAbortedError,
)
from robusttest.gateway import Gateway
from robusttest.gateway.calls import scheduler
from robusttest.gateway.calls.lanes import PATIENCE
from robusttest.settings import Settings

MODEL = "openai/served-locally"


class Calls:
    """A gateway onto one server."""

    def __init__(self, server: LoopbackServer, directory: Path, **options) -> None:
        self.server = server
        self.gateway = Gateway(Settings(directory=directory, **options))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.gateway.close()

    def submit(self, text: str, model: str = MODEL, sample: int = 0, **params) -> Future[Completion]:
        params = {"api_base": self.server.url, "api_key": "key-of-a-test", **params}
        return self.gateway.submit(
            self.gateway.request(model, [{"role": "user", "content": text}], params, sample)
        )

    def ask(self, text: str, **params) -> Completion:
        return self.submit(text, **params).result(timeout=30)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses as in life, but a tenth as long."""
    monkeypatch.setattr(scheduler, "PAUSE", 0.02)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as made:
        yield made


def requests(server: LoopbackServer) -> int:
    return len(server.requests)


def test_a_reply_is_asked_for_once(server, tmp_path):
    with Calls(server, tmp_path) as calls:
        first = calls.ask("Hi")
        assert str(first) == "echo: Hi"
        assert not first.cached
        again = calls.ask("Hi")
        assert again.cached
        assert (again.text, again.created) == (first.text, first.created)
        assert str(calls.ask("Hi", temperature=0.5)) == "echo: Hi"
        assert str(calls.ask("Hi", sample=1)) == "echo: Hi"
        p = calls.gateway.progress()
        assert (p.submitted, p.done, p.cached, p.failed, p.in_flight) == (4, 4, 1, 0, 0)
    assert requests(server) == 3
    with Calls(server, tmp_path) as calls:
        assert calls.ask("Hi").cached
    assert requests(server) == 3


def test_equal_requests_under_way_are_put_once(tmp_path):
    with LoopbackServer(delay=0.1) as server, Calls(server, tmp_path) as calls:
        replies = [f.result(30) for f in [calls.submit("Hi") for _ in range(10)]]
        assert requests(server) == 1
    assert sorted(r.cached for r in replies) == [False, *[True] * 9]


def test_faults_change_no_answer(tmp_path):
    """Mixed faults at a fifth of all requests: every call is answered as without them, and once."""
    faults = dict.fromkeys(TRANSIENT, 0.2 / len(TRANSIENT))
    texts = [f"Question {i}" for i in range(400)]
    with LoopbackServer(faults=faults) as server, Calls(server, tmp_path, concurrency=32) as calls:
        futures = [calls.submit(t) for t in texts]
        assert [str(f.result(60)) for f in futures] == [f"echo: {t}" for t in texts]
        assert requests(server) > len(texts) * 1.1, "there were faults"
        assert calls.gateway.progress().failed == 0


@pytest.mark.parametrize("fault", ["400", "400-context", "413", "422"])
def test_what_this_request_can_never_have_is_asked_once(fault, tmp_path):
    with LoopbackServer(always=fault) as server, Calls(server, tmp_path) as calls:
        with pytest.raises(CallError) as e:
            calls.ask("Hi")
        assert not isinstance(e.value, RunAbortedError)
        assert requests(server) == 1
        assert calls.gateway.progress().failed == 1


@pytest.mark.parametrize("fault", ["refusal", "content-filter", "400-filter"])
def test_a_refusal_is_a_reply_and_is_kept(fault, tmp_path):
    with LoopbackServer(always=fault) as server, Calls(server, tmp_path) as calls:
        assert calls.ask("Hi").refusal
        assert calls.ask("Hi").cached
        assert requests(server) == 1


@pytest.mark.parametrize("fault", ["401", "402", "403", "404", "400-parameter"])
def test_a_wrong_key_or_setting_stops_at_the_first_call(fault, tmp_path):
    with LoopbackServer(always=fault) as server, Calls(server, tmp_path, concurrency=1) as calls:
        futures = [calls.submit(f"Question {i}") for i in range(50)]
        messages = set()
        for f in futures:
            with pytest.raises(ConfigurationError) as e:
                f.result(30)
            messages.add(str(e.value))
        assert requests(server) == 1
        assert len(messages) == 1, "one message"


def test_the_deadline_is_over_all_attempts(tmp_path):
    with (
        LoopbackServer(always="hang") as server,
        Calls(server, tmp_path, timeout=0.2, deadline=0.5) as calls,
    ):
        started = time.monotonic()
        with pytest.raises(
            CallError, match=r"within the timeout \(given up after \d attempts? and the deadline of 0\.5 s\)"
        ):
            calls.ask("Hi")
        assert time.monotonic() - started < 20
        assert requests(server) < 5


def test_a_dead_endpoint_is_left_with_one_message(tmp_path, monkeypatch):
    monkeypatch.setitem(PATIENCE, "connection", (0.2, 0.2))
    with LoopbackServer() as server:
        url = server.url
    with Calls(server, tmp_path, concurrency=8) as calls:
        futures = [calls.submit(f"Question {i}", api_base=url) for i in range(100)]
        errors = [f.exception(30) for f in futures]
    aborted = {str(e) for e in errors if isinstance(e, RunAbortedError)}
    assert len(aborted) == 1
    assert "does not answer" in next(iter(aborted))
    assert sum(isinstance(e, RunAbortedError) for e in errors) > 80


def test_retry_after_is_kept_by_everybody(tmp_path):
    with (
        LoopbackServer(faults={"429-after": 0.5}, retry_after="0.4") as server,
        Calls(server, tmp_path, concurrency=4) as calls,
    ):
        futures = [calls.submit(f"Question {i}") for i in range(12)]
        assert all(f.result(30).text.startswith("echo") for f in futures)


def test_a_budget_of_calls(server, tmp_path):
    with Calls(server, tmp_path, max_calls=5) as calls:
        outcomes = [f.exception(30) for f in [calls.submit(f"Question {i}") for i in range(20)]]
        assert sum(e is None for e in outcomes) == 5
        assert all(isinstance(e, BudgetExhaustedError) for e in outcomes if e is not None)
        assert "--robust-max-calls=5" in str(next(e for e in outcomes if e))
        p = calls.gateway.progress()
        assert (p.done, p.skipped, p.failed, p.in_flight) == (5, 15, 0, 0)
    assert requests(server) == 5
    with Calls(server, tmp_path, max_calls=0) as calls:
        assert sum(calls.submit(f"Question {i}").exception(30) is None for i in range(20)) == 5, (
            "replays are free"
        )


def test_a_budget_of_money_is_never_overspent(server, tmp_path):
    priced = "openai/gpt-4o-mini"
    with Calls(server, tmp_path, max_cost=0.0002) as calls:
        futures = [calls.submit(f"Question {i}", model=priced, max_tokens=100) for i in range(120)]
        outcomes = [f.exception(30) for f in futures]
        p = calls.gateway.progress()
        assert p.cost is not None
        assert 0.9 * 0.0002 <= p.cost <= 0.0002
        assert 0 < sum(e is None for e in outcomes) < 120
        assert {type(e) for e in outcomes if e is not None} == {BudgetExhaustedError}


def test_requests_per_minute(server, tmp_path):
    with Calls(server, tmp_path, rpm=3) as calls:
        futures = [calls.submit(f"Question {i}") for i in range(5)]
        for f in futures[:3]:
            f.result(30)
        deadline = time.monotonic() + 5
        while calls.gateway.progress().waiting_for is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert "requests per minute" in str(calls.gateway.progress().waiting_for)
        assert requests(server) == 3
    assert all(isinstance(f.exception(5), RunAbortedError) for f in futures[3:]), "closing ends what waits"


def test_live_asks_anew_once_and_stores(server, tmp_path):
    with Calls(server, tmp_path) as calls:
        calls.ask("Hi")
    with Calls(server, tmp_path, replies="live") as calls:
        assert not calls.ask("Hi").cached
        assert calls.ask("Hi").cached, "twice in one run is once"
    assert requests(server) == 2


def test_off_keeps_nothing(server, tmp_path):
    with Calls(server, tmp_path / "off", replies="off") as calls:
        assert not calls.ask("Hi").cached
        assert not calls.ask("Hi").cached
        assert calls.gateway.store is None
    assert not (tmp_path / "off").exists()
    assert requests(server) == 2


def test_replay_never_calls(server, tmp_path):
    with Calls(server, tmp_path) as calls:
        calls.ask("Which label fits?", temperature=0)
    with Calls(server, tmp_path, replies="replay") as calls:
        assert calls.ask("Which label fits?", temperature=0.0).cached
        with pytest.raises(ReplayMissError, match=r"has params.temperature 0 where this has 0\.7"):
            calls.ask("Which label fits?", temperature=0.7)
        with pytest.raises(
            ReplayMissError, match=r"says 'Which label fits[?]' where this says 'Which lable fits[?]'"
        ):
            calls.ask("Which lable fits?", temperature=0)
    assert requests(server) == 1
    with (
        Calls(server, tmp_path / "empty", replies="replay") as calls,
        pytest.raises(ReplayMissError, match="holds no reply at all"),
    ):
        calls.ask("Hi")


def test_old_replies_are_asked_for_again(server, tmp_path):
    with Calls(server, tmp_path) as calls:
        calls.ask("Hi")
    time.sleep(0.05)
    with Calls(server, tmp_path, max_age=3600) as calls:
        assert calls.ask("Hi").cached
    with Calls(server, tmp_path, max_age=0.01) as calls:
        assert not calls.ask("Hi").cached


def test_a_missing_key_and_an_unknown_provider_are_told_each_to_its_own(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with Gateway(Settings(directory=tmp_path)) as gateway:
        gateway.preflight(["openai/gpt-4o-mini", "opnai/gpt-4o-mini"])
        for model, said in (
            ("openai/gpt-4o-mini", "set OPENAI_API_KEY"),
            ("opnai/gpt-4o-mini", "Did you mean openai/gpt-4o-mini"),
        ):
            request = gateway.request(model, [{"role": "user", "content": "Hi"}], {})
            with pytest.raises(ConfigurationError, match=said) as e:
                gateway.submit(request).result(30)
            assert "\n" not in str(e.value)


def test_closing_ends_calls_under_way_soon(tmp_path):
    with LoopbackServer(always="hang") as server:
        calls = Calls(server, tmp_path)
        futures = [calls.submit(f"Question {i}") for i in range(20)]
        while requests(server) < 5:
            time.sleep(0.01)
        started = time.monotonic()
        calls.gateway.close()
        assert time.monotonic() - started < 2
        assert all(isinstance(f.exception(1), RunAbortedError) for f in futures)
        with pytest.raises(RunAbortedError, match="the run was stopped"):
            calls.ask("Another")


def test_models_and_endpoints_have_lanes_of_their_own(server, tmp_path):
    with (
        LoopbackServer(always="401") as locked,
        Calls(server, tmp_path) as calls,
    ):
        bad = calls.submit("Hi", api_base=locked.url)
        good = calls.submit("Hi")
        other = calls.submit("Hi", model="hosted_vllm/served-locally")
        assert isinstance(bad.exception(30), ConfigurationError)
        assert str(good.result(30)) == str(other.result(30)) == "echo: Hi"
