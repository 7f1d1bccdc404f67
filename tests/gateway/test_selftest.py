"""The transport is used where a trial of both ways finds no difference, with whatever LiteLLM is installed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial

import pytest
from loopback import LoopbackServer

from robusttest.core.nouns import Completion, Request
from robusttest.core.secrets import public_params
from robusttest.gateway.litellm import canned, selftest, shapes
from robusttest.gateway.litellm.backend import LitellmBackend
from robusttest.gateway.litellm.failures import AttemptError
from robusttest.settings import Settings

MODELS = {
    "openai/gpt-4o-mini": {"temperature", "max_tokens", "tools", "response_format", "seed"},
    "openai/gpt-5-mini": {"max_completion_tokens", "reasoning_effort"},
    "openai/served-locally": {"temperature", "max_tokens", "tools", "response_format"},
    "hosted_vllm/org/model": {"temperature", "max_tokens", "tools", "response_format"},
    "anthropic/claude-haiku-4-5": {"temperature", "max_tokens", "tools", "response_format"},
    "groq/llama-3.1-8b-instant": {"temperature", "max_tokens", "tools"},
    "mistral/mistral-small-latest": {"temperature", "max_tokens", "tools", "response_format"},
    "ollama_chat/llama3": {"temperature"},
    "ollama/llama3": {"temperature"},
    # LiteLLM knows nothing of it, and asks the server from within the event loop what it can do.
    "ollama_chat/a-model-of-ours": {"temperature"},
    "openrouter/openai/gpt-4o": {"temperature", "max_tokens"},
}
"""Model → some of the parameters that have to be carried, with every version of LiteLLM that is tested with."""


@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "robusttest" / "transport.json"


@pytest.fixture
def backend(loop, cache):
    backend = LitellmBackend(Settings())
    backend._load()
    yield backend
    loop.run_until_complete(backend.close())


def question(server, model="openai/x", **params):
    public, private = public_params({"api_base": server.url, "api_key": "planted-key-12345", **params})
    return Request(model=model, messages=({"role": "user", "content": "Hi"},), params=public, private=private)


@pytest.mark.parametrize("model", MODELS)
def test_a_provider_passes(loop, backend, model):
    passed = loop.run_until_complete(backend._transport._try(model))
    assert passed.reason is None
    assert passed.params >= MODELS[model]
    assert passed.kinds >= {"system:str", "user:str", "assistant:str"}


@pytest.mark.parametrize("key", [None, "planted-key-12345"])
def test_a_provider_without_keys_is_asked_with_and_without_one(loop, backend, monkeypatch, key):
    monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("OLLAMA_API_KEY", key)
    request = Request(model="ollama/llama3", messages=({"role": "user", "content": "Hi"},))
    seen = []

    async def posted(request, *, headers, **options):
        seen.append(headers.get("Authorization"))
        raise AttemptError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(backend._transport._pool, "post", posted)
        with pytest.raises(AttemptError):
            loop.run_until_complete(backend._transport._carry(request, timeout=9))
    assert seen == [None if key is None else f"Bearer {key}"]
    assert loop.run_until_complete(backend._transport._try("ollama/llama3")).reason is None
    # LiteLLM would leave a mark on the process by which later calls are made otherwise.
    assert shapes.neutral(backend._litellm)


def test_each_provider_that_is_tried_is_asked_by_a_path_that_the_server_knows():
    for provider in shapes.PROVIDERS:
        base = shapes.base_of(f"{provider}/x", "http://h")
        assert base in ("http://h", "http://h/v1")


def test_the_result_is_kept_by_versions(loop, backend, cache):
    with LoopbackServer() as server:
        assert loop.run_until_complete(backend._transport.carries(question(server)))
    (versions,) = json.loads(cache.read_text())
    assert versions.startswith("litellm ")
    assert selftest.Results().get("openai/x").params >= {"temperature"}
    assert selftest.Results().get("openai/another") is None


def test_a_kept_result_is_used(loop, cache):
    selftest.Results().put("openai/x", selftest.Passed(reason="planted"))
    backend = LitellmBackend(Settings())
    backend._load()
    with LoopbackServer() as server:
        assert not loop.run_until_complete(backend._transport.carries(question(server)))
    assert backend._transport.reasons() == ["openai/x: planted"]


def test_other_versions_are_tried_anew(cache, monkeypatch):
    selftest.Results().put("openai/x", selftest.Passed(reason="planted"))
    monkeypatch.setattr(selftest, "version", lambda name: "99.0.0")
    assert selftest.Results().get("openai/x") is None
    for n in range(6):
        monkeypatch.setattr(selftest, "version", lambda name, n=n: f"{n}.0.0")
        selftest.Results().put("openai/x", selftest.Passed())
    assert len(json.loads(cache.read_text())) == selftest.KEPT


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"a": 1}', '{"%s": {"openai/x": {"params": 3}}}', '{"%s": {"openai/x": null}}'],
)
def test_a_broken_file_is_as_none(cache, content):
    cache.parent.mkdir(parents=True)
    cache.write_text(content.replace("%s", selftest._versions()))
    results = selftest.Results()
    assert results.get("openai/x") is None
    results.put("openai/x", selftest.Passed())
    assert selftest.Results().get("openai/x") == selftest.Passed()


def test_a_folder_that_cannot_be_written_costs_another_trial_only(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    results = selftest.Results()
    results.put("openai/x", selftest.Passed())
    assert results.get("openai/x") == selftest.Passed()


def change_ours(backend, change):
    """``change(request) -> request`` or ``change(completion) -> completion`` on our way alone."""
    transport = backend._transport

    async def carry(request, *, timeout):
        completion = await transport._carry(change(request), timeout=timeout)
        return change(completion)

    transport._ours = partial(backend._told, carry)


def another_request(value):
    if isinstance(value, Request):
        return replace(value, messages=({"role": "user", "content": "another"},))
    return value


def another_reply(value):
    return replace(value, text="something else") if isinstance(value, Completion) else value


def without_seed(value):
    if isinstance(value, Request):
        return replace(value, params={k: v for k, v in value.params.items() if k != "seed"})
    return value


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (another_request, "openai/x: another request is sent"),
        (another_reply, "openai/x: a reply (ok) is read differently"),
    ],
)
def test_a_difference_turns_it_off(loop, backend, cache, change, reason):
    change_ours(backend, change)
    with LoopbackServer() as server:
        request = question(server)
        assert not loop.run_until_complete(backend._transport.carries(request))
        completion = loop.run_until_complete(backend.call(request, timeout=20))
    assert completion.text == "echo: Hi"
    assert backend._transport.reasons() == [reason]
    assert backend.facts()["transport"] == f"1 through litellm.acompletion ({reason})"


def test_a_parameter_that_differs_is_left_out_alone(loop, backend):
    change_ours(backend, without_seed)
    passed = loop.run_until_complete(backend._transport._try("openai/x"))
    assert passed.reason is None
    assert "seed" not in passed.params
    assert {"temperature", "max_tokens", "tools"} <= passed.params


def test_the_way_is_told(loop, backend):
    with LoopbackServer() as server:
        for _ in range(2):
            loop.run_until_complete(backend.call(question(server), timeout=20))
        loop.run_until_complete(backend.call(question(server, top_k=3), timeout=20))
        assert len(server.requests) == 3
    assert backend.facts()["transport"] == "2 calls on own connections, 1 through litellm.acompletion"


def test_a_provider_that_only_litellm_asks_is_told(loop, backend, monkeypatch):
    import litellm

    async def fails(**options):
        raise RuntimeError("not asked here")

    monkeypatch.setattr(litellm, "acompletion", fails)
    asked = Request(
        model="gemini/x",
        messages=({"role": "user", "content": "Hi"},),
        private={"api_key": "planted-key-123456"},
    )
    with pytest.raises(AttemptError):
        loop.run_until_complete(backend.call(asked, timeout=20))
    said = "1 through litellm.acompletion (gemini: only LiteLLM's own client asks it)"
    assert backend.facts()["transport"] == said


def test_calls_at_once_try_once(loop, backend, cache, monkeypatch):
    tried = []
    before = selftest.compare

    async def counted(*args):
        tried.append(args[0])
        return await before(*args)

    monkeypatch.setattr(selftest, "compare", counted)

    async def many():
        with LoopbackServer() as server:
            return await asyncio.gather(*(backend.call(question(server), timeout=20) for _ in range(8)))

    assert {c.text for c in loop.run_until_complete(many())} == {"echo: Hi"}
    assert tried == ["openai/x"]


def test_every_canned_parameter_is_told_to_the_transport():
    assert {"temperature", "tools", "response_format", "extra_headers"} <= canned.NAMES
