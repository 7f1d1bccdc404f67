"""Both ways to a provider are equal: what is sent, what is read, and what a failure is called."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from loopback import FAULTS, LoopbackServer, prompt_of

from robusttest.core.nouns import Completion, Request
from robusttest.core.secrets import public_params
from robusttest.errors import ConfigurationError
from robusttest.gateway.litellm import canned, response
from robusttest.gateway.litellm.backend import LitellmBackend
from robusttest.gateway.litellm.failures import AttemptError
from robusttest.settings import Settings

MODELS = (
    "openai/gpt-4o-mini",
    "openai/served-locally",
    "hosted_vllm/org/model",
    "anthropic/claude-haiku-4-5",
    "mistral/mistral-small-latest",
    "openai/gpt-5-mini",
)
PRICED = (
    "openai/gpt-4o-mini",
    "anthropic/claude-haiku-4-5",
    "mistral/mistral-small-latest",
    "openai/gpt-5-mini",
)
KEY = "planted-key-0123456789"
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "refund",
            "description": "Refund an order",
            "parameters": {
                "type": "object",
                "properties": {"order": {"type": "string"}},
                "required": ["order"],
            },
        },
    }
]
CALL = {"id": "call_1", "type": "function", "function": {"name": "refund", "arguments": '{"order": "17"}'}}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"label": {"type": "string"}},
            "required": ["label"],
            "additionalProperties": False,
        },
    },
}


def user(content):
    return {"role": "user", "content": content}


SHAPES = {
    "plain": ([user("Hi, how are you?")], {}),
    "decoding": (
        [user("Hi")],
        {"temperature": 0.7, "top_p": 0.9, "max_tokens": 17, "stop": ["\n", "END"]},
    ),
    "openai-decoding": (
        [user("Hi")],
        {
            "seed": 3,
            "presence_penalty": 0.5,
            "frequency_penalty": -0.5,
            "logit_bias": {"50256": -100},
        },
    ),
    "many-stops": ([user("Hi")], {"stop": ["a", "b", "c", "d", "e", "f"]}),
    "one-stop": ([user("Hi")], {"stop": "END"}),
    "forced-tool": (
        [user("Refund order 17")],
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "refund"}}},
    ),
    "max_completion_tokens": ([user("Hi")], {"max_completion_tokens": 9, "user": "somebody"}),
    "conversation": (
        [
            {"role": "system", "content": "Be brief."},
            {**user("Hi"), "name": "ada"},
            {"role": "assistant", "content": "Hello"},
            user("¿Qué tal? 漢字 🙂"),
        ],
        {"temperature": 0},
    ),
    "image": (
        [user([{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PNG}}])],
        {"max_tokens": 5},
    ),
    "tools": (
        [user("Refund order 17")],
        {"tools": TOOLS, "tool_choice": "auto", "parallel_tool_calls": False},
    ),
    "tool-results": (
        [
            user("Refund order 17"),
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "done"},
        ],
        {"tools": TOOLS},
    ),
    "json-schema": ([user("Which label?")], {"response_format": SCHEMA}),
    "json-object": ([user("Which label? Answer in JSON.")], {"response_format": {"type": "json_object"}}),
    "headers": ([user("Hi")], {"extra_headers": {"X-Team": "qa", "X-Auth-Token": "planted-header-12345"}}),
}
TAKES_NOT = {
    "anthropic": {"openai-decoding"},
    "mistral": {"openai-decoding"},
    "openai/gpt-5": {"openai-decoding", "decoding", "many-stops", "one-stop", "conversation"},
}
"""Beginning of a model's name → shapes with parameters that LiteLLM refuses for it."""


def reply(body):
    if body.get("tools") and prompt_of(body) == "Refund order 17":
        return {"content": "", "tool_calls": [CALL]}
    if "Which label?" in str(body["messages"]):
        return '{"label": "refund"}'
    return "Hello, world"


@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def ways(loop):
    """``(ours, litellm's)``."""
    both = LitellmBackend(Settings(transport="auto")), LitellmBackend(Settings(transport="litellm"))
    yield both
    for backend in both:
        loop.run_until_complete(backend.close())


def request(model, server, messages=(), params=None):
    base = server.host if model.startswith("anthropic/") else server.url
    public, private = public_params({**(params or {}), "api_base": base, "api_key": KEY})
    return Request(model=model, messages=tuple(messages), params=public, private=private)


def outcome(loop, backend, request, timeout=20.0):
    """A completion without its times, or what a failure is called."""
    try:
        completion = loop.run_until_complete(backend.call(request, timeout=timeout))
    except AttemptError as error:
        return error.kind, error.retryable, error.retry_after
    except ConfigurationError:
        return "configuration"
    assert completion.latency is not None
    assert completion.created is not None
    return replace(completion, latency=None, created=None)


def sent(server):
    """What came in, without the words by which a client introduces itself."""
    (seen,) = server.requests
    own = ("user-agent", "x-stainless", "accept", "connection", "content-length", "host")
    return seen.path, {k: v for k, v in seen.headers.items() if not k.startswith(own)}, seen.body


def carries(loop, ways, question):
    ours = ways[0]
    if ours._transport is None:  # a test before has had this model's trial: its plain form needs no LiteLLM
        return ours._plain.calls > 0
    return loop.run_until_complete(ours._transport.carries(question))


def both(loop, ways, model, messages, params, **server_options):
    results = []
    for backend in ways:
        with LoopbackServer(
            reply=reply, headers={"x-ratelimit-remaining-requests": "9"}, **server_options
        ) as server:
            question = request(model, server, messages, params)
            got = outcome(loop, backend, question)
            results.append((got, sent(server)))
            if backend is ways[0]:
                assert carries(loop, ways, question), "not carried: nothing would be compared"
    return results


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (m, s)
        for m in MODELS
        for s in SHAPES
        if not any(m.startswith(start) and s in shapes for start, shapes in TAKES_NOT.items())
    ],
)
def test_both_ways_send_and_read_the_same(loop, ways, model, shape):
    messages, params = SHAPES[shape]
    ours, theirs = both(loop, ways, model, messages, params)
    assert ours[1] == theirs[1]
    assert ours[0] == theirs[0]
    assert isinstance(ours[0], Completion)
    assert ours[0].meta["rate_limit"] == {"remaining-requests": "9"}
    if shape in ("tools", "forced-tool"):
        assert ours[0].tool_calls == (CALL,)
        assert ours[0].finish_reason == "tool_calls"
        assert ours[0].text == ""
    if model in PRICED:
        assert ours[0].cost > 0
    else:
        assert ours[0].cost is None


# LiteLLM follows a redirect, some of its clients several times: see test_bad_days
@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in ("hang", "drip", "redirect")])
@pytest.mark.parametrize("model", MODELS[1:4])
def test_both_ways_call_failures_by_the_same_name(loop, ways, model, fault, monkeypatch):
    monkeypatch.setattr(response, "LARGEST", 20_000)
    ours, theirs = both(loop, ways, model, [user("Hi")], {}, always=fault, huge=20_001)
    assert ours == theirs


@pytest.mark.parametrize("model", MODELS[1:])
def test_both_ways_stop_waiting(loop, ways, model):
    for backend in ways:
        with LoopbackServer(always="hang") as server:
            got = outcome(loop, backend, request(model, server, [user("Hi")]), timeout=0.2)
            assert got == ("timeout", True, None)


def test_a_refused_connection_is_called_the_same(loop, ways):
    with LoopbackServer() as server:
        pass  # nobody listens on its port from here on
    for model in MODELS[1:]:
        question = request(model, server, [user("Hi")])
        assert [outcome(loop, b, question) for b in ways] == [("connection", True, None)] * 2


def test_every_parameter_that_is_carried_is_compared():
    compared = {name for _, params in SHAPES.values() for name in params}
    assert compared >= canned.NAMES - {"reasoning_effort"}


NOT_CARRIED = {
    "a provider that signs": ("bedrock/anthropic.claude-3-haiku-20240307-v1:0", [user("Hi")], {}),
    "another interface": ("openai/gpt-4o-audio-preview", [user("Hi")], {}),
    "n": ("openai/x", [user("Hi")], {"n": 2}),
    "no provider in front": ("gpt-4o-mini", [user("Hi")], {}),
    "unknown parameter": ("openai/x", [user("Hi")], {"top_k": 3}),
    "extra_body": ("openai/x", [user("Hi")], {"extra_body": {"guided_choice": ["a"]}}),
    "unsupported parameter": ("anthropic/claude-haiku-4-5", [user("Hi")], {"seed": 1}),
    "streaming": ("openai/x", [user("Hi")], {"stream": True}),
    "developer role": ("openai/x", [{"role": "developer", "content": "x"}, user("Hi")], {}),
    "prompt caching": (
        "anthropic/claude-haiku-4-5",
        [user([{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}])],
        {},
    ),
    "audio": (
        "openai/x",
        [user([{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}])],
        {},
    ),
}


@pytest.fixture(scope="module")
def server():
    with LoopbackServer(reply=reply) as server:
        yield server


@pytest.mark.parametrize("case", NOT_CARRIED)
def test_what_is_not_proven_goes_through_acompletion(loop, ways, server, case):
    model, messages, params = NOT_CARRIED[case]
    outcome(loop, ways[0], request("openai/x", server, [user("load")]))
    assert not carries(loop, ways, request(model, server, messages, params))


def test_an_app_that_changed_litellm_is_left_to_litellm(loop, ways, server, monkeypatch):
    import litellm

    question = request("openai/x", server, [user("Hi")])
    outcome(loop, ways[0], question)
    assert carries(loop, ways, question)
    for name, value in {
        "success_callback": ["langfuse"],
        "callbacks": [object()],
        "drop_params": True,
        "model_alias_map": {"a": "b"},
        "headers": {"x": "y"},
    }.items():
        with monkeypatch.context() as m:
            m.setattr(litellm, name, value)
            assert not carries(loop, ways, question), name
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj_1")
    assert not carries(loop, ways, question)


def test_one_pool_carries_all(loop, ways, server):
    async def many():
        questions = [request("openai/x", server, [user(f"question {i}")]) for i in range(100)]
        return await asyncio.gather(*(ways[0].call(q, timeout=10) for q in questions))

    for _ in range(2):  # the second time all of them are on the wire at once
        loop.run_until_complete(many())
    before = server.connections
    loop.run_until_complete(many())
    assert server.connections - before <= 5
    assert ways[0]._transport is None or len(ways[0]._transport._plans) < 512


def test_requests_are_not_changed_by_the_call(loop, ways, server):
    messages = [user([{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": PNG}}])]
    for model in MODELS:
        for backend in ways:
            question = request(model, server, messages, {"tools": TOOLS, "response_format": SCHEMA})
            key, private = question.key(), dict(question.private)
            outcome(loop, backend, question)
            assert question.key() == key
            assert dict(question.private) == private
