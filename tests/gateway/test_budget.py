"""Money: calls wait for reservations to settle, estimates are learnt, a limit is spent and kept."""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import replace

import pytest
from loopback import LoopbackServer

from robusttest.core.nouns import Request
from robusttest.errors import BudgetExhaustedError, ConfigurationError, UsageError
from robusttest.gateway import Gateway
from robusttest.gateway.calls import scheduler
from robusttest.gateway.calls.budget import CallBudget
from robusttest.gateway.litellm import prices
from robusttest.gateway.store.replies import ReplyStore
from robusttest.settings import Settings

PRICED = "openai/gpt-4o-mini"


@pytest.fixture(params=["alone", "shared"])
def budgets(request, tmp_path):
    """``(one process's, another's)``: the same where a process is alone."""

    def make(**limits):
        settings = Settings(directory=tmp_path, **limits)
        if request.param == "alone":
            one = CallBudget(settings)
            return one, one
        stores = [ReplyStore(tmp_path) for _ in range(2)]
        made.extend(stores)
        return tuple(CallBudget(settings, run="r", workers=2, store=s) for s in stores)

    made: list[ReplyStore] = []
    yield make
    for store in made:
        store.close()


def test_a_call_waits_for_those_under_way(budgets):
    one, other = budgets(max_cost=1.0)
    assert one.reserve(0.6) == 0.6
    assert other.reserve(0.6) is None, "not yet, and not never"
    one.settle(0.6, 0.001)
    assert other.reserve(0.6) == 0.6
    other.settle(0.6, 0.5)
    with pytest.raises(BudgetExhaustedError):
        one.reserve(0.6)


def test_the_first_calls_without_a_limit_of_their_own_go_one_by_one(budgets):
    one, _ = budgets(max_cost=0.5)
    for _ in range(3):
        room = one.reserve(9.0, model="m", bounded=False)
        assert 0 < room <= 0.5
        assert one.reserve(9.0, model="m", bounded=False) is None
        one.settle(room, 0.0002, model="m", most=9.0)
    room = one.reserve(9.0, model="m", bounded=False)
    assert room == pytest.approx(0.00022)
    one.settle(room, 0.0002, model="m", most=9.0)
    with pytest.raises(BudgetExhaustedError):
        one.reserve(9.0, model="another", bounded=True)


def test_a_process_knows_what_calls_have_cost_in_the_others(budgets):
    """One that has had no reply yet took what was left, however little, for a call that costs more."""
    one, other = budgets(max_cost=0.5)
    for _ in range(3):
        room = one.reserve(9.0, model="m", bounded=False)
        one.settle(room, 0.15, model="m", most=9.0)
    with pytest.raises(BudgetExhaustedError):
        other.reserve(9.0, model="m", bounded=False)
    assert other.reserve(9.0, model="another", bounded=False) == pytest.approx(0.05)


def test_a_limit_is_spent_to_nine_tenths(budgets):
    one, other = budgets(max_cost=0.5)
    spent = 0.0
    for i in range(100_000):
        try:
            room = (one, other)[i % 2].reserve(0.4, model="m", bounded=False)
        except BudgetExhaustedError:
            break
        cost = 0.002 + 0.001 * (i % 3)
        (one, other)[i % 2].settle(room, cost, model="m", most=0.4)
        spent += cost
    assert 0.45 <= spent <= 0.5


def test_what_nobody_knows_counts_as_reserved(budgets):
    one, other = budgets(max_cost=1.0)
    one.settle(one.reserve(0.6), None)
    with pytest.raises(BudgetExhaustedError):
        other.reserve(0.6)


def test_calls_are_exact_over_processes(budgets):
    one, other = budgets(max_calls=5)
    for i in range(5):
        (one, other)[i % 2].reserve(None)
    for b in (one, other):
        with pytest.raises(BudgetExhaustedError):
            b.reserve(None)


def run(tmp_path, server, n, **settings):
    params = {"api_base": server.url, "api_key": "planted-key-123456"}
    with Gateway(Settings(directory=tmp_path, **settings)) as gateway:
        futures = [
            gateway.submit(gateway.request(PRICED, [{"role": "user", "content": f"Question {i}"}], params))
            for i in range(n)
        ]
        errors = [f.exception(60) for f in futures]
        return errors, gateway.progress(), gateway.problems()


def test_a_run_within_a_limit_finishes_whatever_its_calls_could_cost_at_most(tmp_path):
    with LoopbackServer() as server:
        errors, progress, _ = run(tmp_path, server, 60, max_cost=0.01)
    assert errors == [None] * 60
    assert progress.cost < 0.01


def test_a_run_beyond_its_limit_spends_it(tmp_path):
    one = 5 * 0.15e-6 + 4 * 0.6e-6
    with LoopbackServer() as server:
        errors, progress, _ = run(tmp_path, server, 80, max_cost=40 * one)
    assert {type(e) for e in errors if e is not None} == {BudgetExhaustedError}
    assert 36 * one <= progress.cost <= 40 * one * 1.0001


def test_no_price_and_a_limit_is_refused_before_the_first_call(tmp_path):
    with LoopbackServer() as server, Gateway(Settings(directory=tmp_path, max_cost=1.0)) as gateway:
        params = {"api_base": server.url, "api_key": "planted-key-123456"}
        request = gateway.request("openai/our-own", [{"role": "user", "content": "Hi"}], params)
        with pytest.raises(ConfigurationError, match="no price is known"):
            gateway.submit(request).result(60)
        assert server.requests == []


def ask_unpriced(tmp_path, server, n=6, **settings):
    params = {"api_base": server.url, "api_key": "planted-key-123456", "max_tokens": 10}
    with Gateway(Settings(directory=tmp_path, **settings)) as gateway:
        says = [[{"role": "user", "content": f"Question {i}"}] for i in range(n)]
        futures = [gateway.submit(gateway.request("openai/our-own", m, params)) for m in says]
        errors = [f.exception(60) for f in futures]
        return errors, gateway.progress()


def test_a_price_that_the_user_tells_is_kept_to(tmp_path):
    one = (5 * 2 + 4 * 8) / 1e6
    with LoopbackServer() as server:
        errors, progress = ask_unpriced(tmp_path, server, max_cost=1.0, price=("openai/our-own=2/8",))
        assert errors == [None] * 6
        assert progress.cost == pytest.approx(6 * one)
        errors, progress = ask_unpriced(tmp_path / "b", server, n=80, max_cost=40 * one, price=("2/8",))
    assert {type(e) for e in errors if e is not None} == {BudgetExhaustedError}
    assert 36 * one <= progress.cost <= 40 * one * 1.0001


def test_whose_word_on_a_price_counts():
    known = prices.known("openai/gpt-4o-mini")
    assert known == prices.price_of("openai/gpt-4o-mini", prices.current())
    assert prices.known("openai/gpt-4o-mini", ["9/9"]) == known  # for what LiteLLM does not know
    told = prices.known("openai/gpt-4o-mini", ["openai/gpt-4o-mini=1/2", "9/9"])
    assert (told.input, told.output, told.most_output) == (1e-6, 2e-6, known.most_output)
    assert prices.known("openai/nobody", ["9/9"]) == prices.Price(9e-6, 9e-6, None)
    assert prices.known("openai/nobody") is None


@pytest.mark.parametrize("text", ["", "1", "1/x", "=1/2", "m=-1/2", "m=1/nan", "m=inf/1"])
def test_a_price_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="MODEL=IN/OUT"):
        Settings(price=(text,))


def test_attempts_without_a_reply_are_counted(tmp_path):
    with LoopbackServer(first="invalid-json") as server:
        errors, progress, problems = run(tmp_path, server, 4)
    assert errors == [None] * 4
    assert progress.cost > 4 * (5 * 0.15e-6 + 4 * 0.6e-6)
    assert any("4 attempts gave no reply that can be read" in p for p in problems)


def test_an_image_is_not_its_base64_text():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 2_000_000}}
    content = [{"type": "text", "text": "What is this?"}, image]
    request = Request(model="openai/x", messages=({"role": "user", "content": content},))
    assert prices.images(request) == 1
    assert 1000 < prices.size(request) / prices.CHARACTERS_PER_TOKEN < 1200


def test_tools_are_a_part_of_what_a_call_costs_at_most():
    tool = {"type": "function", "function": {"name": "look_up", "description": "x" * 1000}}
    plain = Request(model="openai/x", messages=({"role": "user", "content": "Hi"},))
    assert prices.size(replace(plain, params={"tools": [tool]})) > prices.size(plain) + 1000


def counted(body, said):
    """Some replies are thirty times as long as others, the same ones each time."""
    by_text = random.Random(str(body["messages"][-1]["content"]))
    return 50 + int(100 * by_text.random()), min(600, int(20 * by_text.paretovariate(1.1)))


@pytest.mark.parametrize("faults", [{}, {"invalid-json": 0.1}, {"429": 0.1, "reset": 0.1, "500": 0.1}])
@pytest.mark.parametrize("share", [0.5, 1.25])
def test_a_limit_is_spent_or_the_run_finishes_however_long_replies_are(tmp_path, monkeypatch, share, faults):
    monkeypatch.setattr(scheduler, "PAUSE", 0.02)
    asked = [{"messages": [{"content": f"Question {i}"}]} for i in range(120)]
    whole = sum(a * 0.15e-6 + b * 0.6e-6 for a, b in (counted(body, "") for body in asked))
    with LoopbackServer(counts_tokens=counted, faults=faults) as server:
        errors, progress, _ = run(tmp_path, server, 120, max_cost=share * whole)
    assert {type(e) for e in errors if e is not None} <= {BudgetExhaustedError}
    assert progress.cost <= share * whole * 1.2, "but for what the last calls cost beyond such calls"
    assert errors == [None] * 120 or progress.cost >= 0.9 * share * whole


def test_an_attempt_without_a_reply_costs_what_such_calls_cost(tmp_path):
    """The first of all is lost, when nothing is learnt: its most would be a thousand times as much."""
    with LoopbackServer(script=["invalid-json"]) as server:
        errors, progress, _ = run(tmp_path, server, 20, max_cost=0.005)
    assert errors == [None] * 20
    assert progress.cost < 0.001


def at_four_processes(tmp_path, server, n, **settings):
    """Errors of ``n`` calls that four gateways make as four processes of one run do, and what each says it has spent."""
    params = {"api_base": server.url, "api_key": "planted-key-123456"}
    # One call before, by which the transport is known: LiteLLM does not take several event loops in one process.
    run(tmp_path / "before", server, 1)
    server.requests.clear()
    with ExitStack() as stack:
        gateways = [
            stack.enter_context(Gateway(Settings(directory=tmp_path, **settings), workers=4, run="r"))
            for _ in range(4)
        ]
        futures = []
        for i in range(n):
            gateway = gateways[i % 4]
            messages = [{"role": "user", "content": f"Question {i}"}]
            futures.append(gateway.submit(gateway.request(PRICED, messages, params)))
        errors = [f.exception(60) for f in futures]
        return errors, [g.progress().cost for g in gateways]


def charged(server, says=counted):
    """US dollars for every request that the server has answered."""
    used = [says(seen.body, "") for seen in server.requests if seen.fault is None]
    return sum(a * 0.15e-6 + b * 0.6e-6 for a, b in used)


@pytest.mark.parametrize("share", [0.5, 1.25])
def test_four_processes_spend_one_limit(tmp_path, share):
    """At least nine tenths or all calls; above it no more than what the last calls cost beyond nine of ten before."""
    asked = [{"messages": [{"content": f"Question {i}"}]} for i in range(120)]
    costs = sorted(a * 0.15e-6 + b * 0.6e-6 for a, b in (counted(body, "") for body in asked))
    limit = share * sum(costs)
    with LoopbackServer(counts_tokens=counted, delay=0.01) as server:
        errors, spent = at_four_processes(tmp_path, server, 120, max_cost=limit)
    assert sum(spent) == pytest.approx(charged(server)), "no call is counted twice, or by nobody"
    assert {type(e) for e in errors if e is not None} <= {BudgetExhaustedError}
    assert errors == [None] * 120 or charged(server) >= 0.9 * limit
    assert charged(server) <= limit + 4 * costs[-1]


@pytest.mark.parametrize(
    "used", [(100, 20), (900, 20)], ids=["less than at most", "more, by a template of its own"]
)
def test_four_processes_keep_a_limit_to_the_call_where_all_cost_the_same(tmp_path, monkeypatch, used):
    monkeypatch.setattr(prices, "output_limit", lambda request: 30)
    one = used[0] * 0.15e-6 + used[1] * 0.6e-6
    with LoopbackServer(counts_tokens=lambda body, said: used, delay=0.01) as server:
        errors, _ = at_four_processes(tmp_path, server, 120, max_cost=60.5 * one)
    assert 54 <= errors.count(None) == len(server.requests) <= 60
