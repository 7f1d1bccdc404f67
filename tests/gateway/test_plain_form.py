"""Calls in the plain form: made without LiteLLM, and read as LiteLLM reads them."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys

import httpx
import pytest
from loopback import LoopbackServer

from robusttest.core.nouns import Request
from robusttest.core.secrets import public_params
from robusttest.gateway.litellm import canned, keys, plain, selftest, shapes
from robusttest.gateway.litellm.backend import LitellmBackend
from robusttest.gateway.litellm.pool import HttpReply
from robusttest.gateway.litellm.preflight import load_litellm
from robusttest.settings import Settings

KEY = "planted-key-0123456789"
WIRE = plain.Wire(
    model="x", path="/chat/completions", params=frozenset(plain.VALUES), base="http://127.0.0.1:9"
)
HI = ({"role": "user", "content": "Hi"},)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in {n for names in keys.KEYS.values() for n in names}:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def litellm():
    return load_litellm()[0]


def question(model="openai/x", messages=HI, **params):
    public, private = public_params({"api_key": KEY, **params})
    return Request(model=model, messages=messages, params=public, private=private)


def reply(**changes):
    """An ordinary reply, with members changed: ``choices__0__finish_reason="eos"``; ``...`` takes one away."""
    data = canned._openai({"model": "x"}, "details") | {"model": "x"}
    for path, value in changes.items():
        *steps, last = [int(s) if s.isdigit() else s for s in path.split("__")]
        part = data
        for step in steps:
            part = part[step]
        if value is ...:
            del part[last]
        else:
            part[last] = value
    return HttpReply(200, {}, json.dumps(data).encode(), 0.5)


# --- which requests


def test_ordinary_requests_fit():
    for params in [{name: values[0]} for name, values in plain.VALUES.items()]:
        assert plain.fits(question(**params), WIRE)


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": None},
        {"temperature": "hot"},
        {"temperature": True},
        {"stop": ["a", "b", "c", "d", "e"]},
        {"stop": []},
        {"stop": [1]},
        {"tools": []},
        {"top_k": 3},
        {"extra_headers": {"X-Team": "qa"}},
        {"messages": ({"role": "user", "content": [{"type": "text", "text": "Hi"}]},)},
        {"messages": ({"role": "user", "content": None},)},
        {"messages": ({"role": "tool", "content": "Hi"},)},
        {"messages": ({"role": "user", "content": "Hi", "name": "somebody"},)},
    ],
)
def test_all_others_are_for_litellm(other):
    assert not plain.fits(question(**other), WIRE)


@pytest.mark.parametrize("name", ["SSL_VERIFY", "SSL_SECURITY_LEVEL", "OPENAI_ORGANIZATION"])
def test_an_environment_that_changes_calls_is_for_litellm(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert not plain.fits(question(), WIRE)


def test_an_app_that_changed_litellm_is_for_litellm(monkeypatch, litellm):
    monkeypatch.setattr(litellm, "drop_params", True)
    assert not plain.fits(question(), WIRE)


def test_neither_key_nor_address_is_made_up(monkeypatch):
    carried = plain.Plain(None, lambda model: WIRE).carries
    nowhere = plain.Plain(None, lambda model: plain.Wire(model="x", path="/chat/completions")).carries
    assert carried(question())
    assert not carried(question(api_key=None))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert carried(question(api_key=None))
    assert not nowhere(question())
    assert nowhere(question(api_base="http://127.0.0.1:9/v1"))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert nowhere(question())


# --- which replies


def test_an_ordinary_reply_is_read():
    found = plain.read("openai/x", reply(), unpriced={"x"})
    assert (found.text, found.finish_reason, found.model) == ("Hello, world", "stop", "x")
    assert (found.input_tokens, found.output_tokens, found.cost, found.latency) == (9, 3, None, 0.5)
    assert found.meta == {"system_fingerprint": "fp_1", "service_tier": "default"}


@pytest.mark.parametrize(
    "changes",
    [
        {"choices": []},
        {"choices": ...},
        {"choices__0__finish_reason": "eos"},
        {"choices__0__finish_reason": None},
        {"choices__0__message__content": None},
        {"choices__0__message__content": [{"type": "text", "text": "Hi"}]},
        {"choices__0__message__content": "<think>Hm.</think>Yes"},
        {"choices__0__message__refusal": "No."},
        {"choices__0__message__reasoning_content": "Hm."},
        {"choices__0__message__tool_calls": [{"id": "1"}]},
        {"usage": None},
        {"usage__prompt_tokens": 0},
        {"usage__cost": 0.1},
        {"usage__cache_read_input_tokens": 4},
        {"usage__prompt_tokens_details__cached_tokens": 4},
        {"usage__completion_tokens_details__audio_tokens": 4},
        {"service_tier": "flex"},
        {"model": None},
        {"error": {"message": "overloaded"}},
    ],
    ids=str,
)
def test_any_other_is_left_to_litellm(changes):
    with pytest.raises(plain.NotPlain):
        plain.read("openai/x", reply(**changes), unpriced={"x"})


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"null", b"{}", b'{"choices": 3}', b"\xff"])
def test_what_is_no_reply_is_left_to_litellm(content):
    with pytest.raises(plain.NotPlain):
        plain.read("openai/x", HttpReply(200, {}, content))


@pytest.mark.parametrize(
    "model",
    ["openai/gpt-4o-mini", "openai/gpt-5-mini", "groq/openai/gpt-oss-120b", "deepseek/deepseek-chat"],
)
def test_costs_are_those_of_litellm(litellm, model):
    provider, _, served = model.partition("/")
    answer = reply(
        model=served,
        usage__prompt_tokens=1234,
        usage__completion_tokens=567,
        usage__completion_tokens_details__reasoning_tokens=100,
    )
    expected = litellm.completion_cost(
        litellm.ModelResponse(**answer.json()), model=served, custom_llm_provider=provider
    )
    assert plain.read(model, answer).cost == pytest.approx(expected, rel=1e-12)
    assert expected > 0


def test_prices_by_more_than_tokens_are_left_to_litellm(monkeypatch, litellm):
    entry = copy.deepcopy(litellm.model_cost["gpt-4o-mini"])
    for name in ("input_cost_per_token_above_128k_tokens", "input_cost_per_request"):
        monkeypatch.setitem(litellm.model_cost, "gpt-4o-mini", {**entry, name: 1e-3})
        with pytest.raises(plain.NotPlain):
            plain.read("openai/gpt-4o-mini", reply(usage__prompt_tokens=130_000))
    # A model without a price that answers by another name: LiteLLM takes that one's price, where it has one.
    with pytest.raises(plain.NotPlain):
        plain.read("openai/mine", reply(model="gpt-4o"), unpriced={"mine"})


# --- the whole way


@pytest.fixture
def known(monkeypatch):
    """What a self-test has found out for ``openai/x`` in an earlier process."""
    names = frozenset({"x", "x-2026-01-01"})
    wire = plain.Wire(model="x", path="/chat/completions", params=frozenset({"temperature"}), unpriced=names)
    selftest.Results().put(
        "openai/x", selftest.Passed(frozenset({"temperature"}), frozenset({"user:str"}), wire=wire)
    )


def test_a_known_model_is_called_without_litellm(monkeypatch, known):
    monkeypatch.setattr(LitellmBackend, "_load", lambda self: pytest.fail("LiteLLM was loaded"))

    async def call():
        backend = LitellmBackend(Settings())
        with LoopbackServer() as server:
            asked = question(api_base=server.url, temperature=0)
            assert backend.known(asked)
            completion = await backend.call(asked, timeout=20)
            await backend.close()
        return completion, server.requests, backend.facts()

    completion, requests, facts = asyncio.run(call())
    assert completion.text == "echo: Hi"
    assert len(requests) == 1
    assert facts["transport"] == "1 calls on own connections"
    assert facts["litellm"]
    assert facts["litellm_prices"]


@pytest.mark.parametrize("fault", ["refusal", "null-content", "empty-choices", "html"])
def test_what_it_cannot_read_litellm_reads_without_another_call(known, fault):
    async def call():
        backend = LitellmBackend(Settings())
        with LoopbackServer(always=fault) as server:
            came = await selftest.outcome(backend.call, question(api_base=server.url))
            await backend.close()
        other = LitellmBackend(Settings(transport="litellm"))
        with LoopbackServer(always=fault) as second:
            expected = await selftest.outcome(other.call, question(api_base=second.url))
            await other.close()
        return came, expected, len(server.requests)

    came, expected, calls = asyncio.run(call())
    assert calls == 1
    assert came == expected


def test_that_what_answers_has_no_price_is_asked_of_litellm_once(monkeypatch):
    wire = plain.Wire(model="x", path="/chat/completions", unpriced=frozenset({"x"}))
    selftest.Results().put("openai/x", selftest.Passed(kinds=frozenset({"user:str"}), wire=wire))

    async def call():
        backend = LitellmBackend(Settings())
        with LoopbackServer() as server:  # which answers as x-2026-01-01
            completion = await backend.call(question(api_base=server.url), timeout=20)
            await backend.close()
        return completion

    assert asyncio.run(call()).cost is None
    assert selftest.Results().get("openai/x").wire.unpriced == {"x", "x-2026-01-01"}
    monkeypatch.setattr(LitellmBackend, "_load", lambda self: pytest.fail("LiteLLM was loaded"))
    assert asyncio.run(call()).model == "x-2026-01-01"


def test_a_process_that_knows_the_model_never_imports_litellm(known, tmp_path):
    code = (
        "import sys; from pathlib import Path; from robusttest.gateway import Gateway; "
        "from robusttest.settings import Settings\n"
        "with Gateway(Settings(directory=Path(sys.argv[2]))) as gateway:\n"
        "    asked = gateway.request('openai/x', [{'role': 'user', 'content': 'Hi'}], "
        "{'api_base': sys.argv[1], 'api_key': 'none', 'temperature': 0})\n"
        "    print(gateway.submit(asked).result(), 'litellm' in sys.modules)\n"
    )
    with LoopbackServer() as server:
        done = subprocess.run(
            [sys.executable, "-c", code, server.url, str(tmp_path / "store")],
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.split() == ["echo:", "Hi", "False"], done.stderr


# --- addresses and keys, as LiteLLM itself has them


@pytest.fixture
def sent(monkeypatch):
    """Requests that LiteLLM would send: none leaves the process."""
    out = []

    async def send(self, request, **options):
        out.append(request)
        raise httpx.ConnectError("stopped", request=request)

    monkeypatch.setattr(httpx.AsyncClient, "send", send)
    return out


@pytest.mark.parametrize("provider", sorted(shapes.PROVIDERS - {"anthropic", "ollama", "ollama_chat"}))
def test_the_provider_itself_is_asked_where_litellm_asks_it(monkeypatch, litellm, sent, provider):
    """With each variable that may hold its key."""
    model = f"{provider}/some-model"
    names = keys.KEYS.get(provider, ())

    async def found():
        backend = LitellmBackend(Settings())
        backend._load()
        base = backend._transport._own_address(model)
        private = {} if names else {"api_key": KEY}
        with pytest.raises(Exception, match=r"stopped|onnection"):
            await litellm.acompletion(model=model, messages=list(HI), max_retries=0, **private)
        await backend.close()
        return base

    for name in names or ("",):
        sent.clear()
        with monkeypatch.context() as patch:
            if name:
                patch.setenv(name, f"from-{name}-0123456789")
            base = asyncio.run(found())
            if base is None:  # a server of one's own, whose address has to be given
                assert provider in ("hosted_vllm", "litellm_proxy", "llamafile", "lm_studio")
                continue
            assert base == str(sent[0].url)
            wire = plain.Wire(model="some-model", path="/x", base="http://h")
            own = plain.Plain(None, {model: wire}.get)._plan(
                question(model, api_key=None if name else KEY), wire
            )
            assert own.headers["Authorization"] == sent[0].headers["authorization"]
