"""What a `Model` says of its calls: parameters, names, several servers."""

from __future__ import annotations

import pytest
from loopback import LoopbackServer

from robusttest import Model
from robusttest.errors import RunAbortedError
from robusttest.gateway import Gateway
from robusttest.settings import Settings

KEY = "planted-key-0123456789"


def ask(gateway, model, n=1, **params):
    params = {"api_key": KEY, **params}
    requests = [
        gateway.request(model, [{"role": "user", "content": f"Question {i}"}], params) for i in range(n)
    ]
    return [gateway.submit(request) for request in requests]


@pytest.fixture
def settings(tmp_path):
    return Settings(directory=tmp_path, concurrency=8)


def test_its_parameters_are_sent_and_what_is_left_out_is_told(settings):
    with LoopbackServer() as server, Gateway(settings) as gateway:
        model = Model(
            "openai/x",
            name="mine",
            params={"seed": 3, "api_base": server.url, "api_key": KEY},
            drop=["top_p"],
        )
        for _ in range(2):
            assert ask(gateway, model, temperature=0, top_p=0.5)[0].result().text == "echo: Question 0"
        assert gateway.problems() == ["mine: top_p not sent: dropped, as Model(drop=…, params=…) says"]
        body = server.requests[0].body
    assert body["model"] == "x"
    assert (body["seed"], body["temperature"]) == (3, 0)
    assert "top_p" not in body
    assert len(server.requests) == 1


def test_a_reasoning_model_is_sent_no_temperature(settings):
    with LoopbackServer() as server, Gateway(settings) as gateway:
        params = {"api_base": server.url, "temperature": 0, "max_tokens": 8}
        assert ask(gateway, "openai/gpt-5-mini", **params)[0].result().text == "echo: Question 0"
        assert gateway.problems() == [
            "openai/gpt-5-mini: temperature not sent: the model takes no other than 1"
        ]
        body = server.requests[0].body
    assert "temperature" not in body
    assert body["max_completion_tokens"] == 8


def test_a_name_stands_for_an_address_that_changes(settings):
    keys = set()
    for _ in range(2):
        with LoopbackServer() as server, Gateway(settings) as gateway:
            model = Model("openai/x", name="mine", params={"api_base": server.url})
            (future,) = ask(gateway, model)
            assert future.result().text == "echo: Question 0"
            keys.add(gateway.request(model, [], {}).endpoint)
            asked = len(server.requests)
    assert keys == {"mine"}
    assert asked == 0  # the second server, on another port, was not needed
    assert not server.url.endswith(":0")


def test_several_servers_share_the_calls(settings):
    with LoopbackServer(delay=0.02) as a, LoopbackServer(delay=0.02) as b, Gateway(settings) as gateway:
        model = Model("openai/x", endpoints=[a.url, b.url])
        assert [f.result().text for f in ask(gateway, model, 60)] == [
            f"echo: Question {i}" for i in range(60)
        ]
        assert min(len(a.requests), len(b.requests)) >= 15
        assert len(a.requests) + len(b.requests) == 60
        assert {bool(r.body) for r in (*a.requests, *b.requests)} == {True}


def test_a_fast_server_takes_over_what_waits_for_a_slow_one(settings):
    with LoopbackServer(delay=0.4) as slow, LoopbackServer(delay=0.01) as fast, Gateway(settings) as gateway:
        model = Model("openai/x", endpoints=[slow.url, fast.url])
        for future in ask(gateway, model, 80):
            future.result()
        assert len(fast.requests) > 2 * len(slow.requests)


@pytest.mark.parametrize("fault", ["404", "401"])
def test_a_server_that_refuses_leaves_its_calls_to_the_others(settings, fault):
    with LoopbackServer(always=fault) as bad, LoopbackServer() as good, Gateway(settings) as gateway:
        model = Model("openai/x", endpoints=[bad.url, good.url])
        assert len({f.result().text for f in ask(gateway, model, 20)}) == 20
        (said,) = gateway.problems()
        assert f"at {bad.url} was left out" in said
        assert len(good.requests) == 20


def test_a_server_that_is_gone_leaves_its_calls_to_the_others(settings):
    with LoopbackServer() as gone:
        pass
    with LoopbackServer() as good, Gateway(settings) as gateway:
        model = Model("openai/x", endpoints=[gone.url, good.url])
        assert len({f.result(timeout=20).text for f in ask(gateway, model, 20)}) == 20
        assert len(good.requests) == 20


def test_where_all_refuse_that_is_said(settings):
    with (
        LoopbackServer(always="404") as a,
        LoopbackServer(always="404") as b,
        Gateway(settings) as gateway,
    ):
        for future in ask(gateway, Model("openai/x", endpoints=[a.url, b.url]), 4):
            with pytest.raises(RunAbortedError, match="knows no such model or path"):
                future.result(timeout=20)
