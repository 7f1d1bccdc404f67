from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from loopback import LoopbackServer

from robusttest.core.nouns import Completion, Request
from robusttest.core.secrets import public_params
from robusttest.errors import ConfigurationError
from robusttest.gateway.calls.backends import Backend, litellm_backend, preflight
from robusttest.gateway.litellm.backend import LitellmBackend
from robusttest.gateway.litellm.failures import AttemptError
from robusttest.gateway.litellm.preflight import load_litellm
from robusttest.settings import Settings

KEY = "planted-key-9876543210"
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module", params=["auto", "litellm"])
def backend(request, loop):
    backend = litellm_backend(Settings(transport=request.param))
    yield backend
    loop.run_until_complete(backend.close())


def question(server, model="openai/gpt-4o-mini", text="Hi", **params):
    public, private = public_params({"api_base": server.url, "api_key": KEY, **params})
    messages = ({"role": "user", "content": text},)
    return Request(model=model, messages=messages, params=public, private=private)


def call(loop, backend, request, timeout=20.0):
    return loop.run_until_complete(backend.call(request, timeout=timeout))


def python(code, **env):
    """Run ``code`` in a fresh interpreter with this folder on its path; its output."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LITELLM")}
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**clean, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]), **env},
    )
    return done.returncode, done.stdout, done.stderr


def test_it_is_a_backend(backend):
    assert isinstance(backend, Backend)


def test_a_call(loop, backend):
    with LoopbackServer(headers={"x-ratelimit-remaining-tokens": "77"}) as server:
        got = call(loop, backend, question(server, text="What?", temperature=0, max_tokens=3))
    assert isinstance(got, Completion)
    assert (got.text, got.model, got.finish_reason) == ("echo: What?", "gpt-4o-mini-2026-01-01", "stop")
    assert (got.input_tokens, got.output_tokens) == (4, 3)
    assert got.cost == pytest.approx(4 * 0.15e-6 + 3 * 0.6e-6)
    assert got.meta == {"system_fingerprint": "fp_loopback", "rate_limit": {"remaining-tokens": "77"}}
    assert got.latency > 0
    assert got.created.endswith("Z")
    (seen,) = server.requests
    assert seen.body == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "What?"}],
        "temperature": 0,
        "max_tokens": 3,
    }
    assert seen.headers["authorization"] == f"Bearer {KEY}"


def test_an_unpriced_model_costs_an_unknown_sum(loop, backend):
    with LoopbackServer() as server:
        assert call(loop, backend, question(server, "openai/our-own")).cost is None


def test_one_attempt_is_one_request(loop, backend):
    with LoopbackServer(always="500") as server:
        with pytest.raises(AttemptError) as caught:
            call(loop, backend, question(server))
        assert len(server.requests) == 1
    assert (caught.value.kind, caught.value.status, caught.value.retryable) == ("server", 500, True)


def test_retry_after_is_handed_on(loop, backend):
    with LoopbackServer(always="429-after", retry_after="7") as server, pytest.raises(AttemptError) as caught:
        call(loop, backend, question(server))
    assert (caught.value.kind, caught.value.retry_after) == ("rate_limit", 7.0)


@pytest.mark.parametrize(
    ("fault", "refusal"), [("refusal", "I can't help with that."), ("content-filter", "content filter")]
)
def test_a_refusal_is_a_reply(loop, backend, fault, refusal):
    with LoopbackServer(always=fault) as server:
        assert call(loop, backend, question(server)).refusal == refusal


def test_a_filtered_prompt_is_a_reply(loop, backend):
    with LoopbackServer(always="400-filter") as server:
        got = call(loop, backend, question(server))
    assert (got.text, got.finish_reason) == ("", "content_filter")
    assert "safety system" in got.refusal


@pytest.mark.parametrize("fault", ["401", "402", "403", "404", "400-parameter", "429-quota"])
def test_what_no_repetition_mends_is_a_configuration_error(loop, backend, fault):
    with LoopbackServer(always=fault) as server, pytest.raises(ConfigurationError) as caught:
        call(loop, backend, question(server))
    assert "openai/gpt-4o-mini" in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_the_timeout_holds(loop, backend, fault):
    with LoopbackServer(always=fault) as server, pytest.raises(AttemptError) as caught:
        call(loop, backend, question(server), timeout=0.2)
    assert (caught.value.kind, caught.value.retryable) == ("timeout", True)


def test_a_shorter_timeout_of_the_task_wins(loop, backend):
    with LoopbackServer(always="hang") as server, pytest.raises(AttemptError, match="timeout"):
        call(loop, backend, question(server, timeout=0.1), timeout=30.0)


def test_an_unsupported_parameter_stops(loop, backend):
    with LoopbackServer() as server, pytest.raises(ConfigurationError, match="seed"):
        call(loop, backend, question(server, "anthropic/claude-haiku-4-5", seed=1))
    assert server.requests == []


def test_nothing_is_dropped_silently(loop, backend, monkeypatch):
    import litellm

    monkeypatch.setattr(litellm, "drop_params", True)
    with LoopbackServer() as server, pytest.raises(ConfigurationError, match="drop_params"):
        call(loop, backend, question(server, "anthropic/claude-haiku-4-5", seed=1))
    assert server.requests == []


def test_unknown_provider_stops(loop, backend):
    with LoopbackServer() as server, pytest.raises(ConfigurationError, match="unknown provider"):
        call(loop, backend, question(server, "opnai/gpt-4o"))


def test_missing_key_stops(loop, backend, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with LoopbackServer() as server:
        request = Request(
            model="openai/x", messages=({"role": "user", "content": "x"},), private={"api_base": server.url}
        )
        with pytest.raises(ConfigurationError, match="key"):
            call(loop, backend, request)
        assert server.requests == []


def test_cancelling_a_call_cancels_it(loop, backend):
    async def cancel(server):
        task = asyncio.create_task(backend.call(question(server), timeout=30))
        while not server.requests:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with LoopbackServer(always="hang") as server:
        loop.run_until_complete(cancel(server))


@pytest.mark.parametrize("fault", ["401", "500", "reset", "invalid-json", "400"])
def test_no_key_in_the_error_or_its_frames(loop, backend, fault):
    with LoopbackServer(always=fault) as server:
        request = question(server, extra_headers={"Authorization": f"Bearer {KEY}"})
        try:
            call(loop, backend, request)
        except (AttemptError, ConfigurationError) as caught:
            error = caught
    assert KEY not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    frames, step = [], error.__traceback__
    while step is not None:
        frames.append(step.tb_frame)
        step = step.tb_next
    ours = [f for f in frames if "robusttest/gateway" in f.f_code.co_filename.replace(os.sep, "/")]
    assert ours
    assert not any("site-packages/litellm/" in f.f_code.co_filename.replace(os.sep, "/") for f in frames)
    for frame in ours:
        assert KEY not in repr(frame.f_locals)


def test_estimate_is_an_upper_bound(loop, backend):
    with LoopbackServer() as server:
        request = question(server, text="Hi there, how are you?", max_tokens=10)
        got = call(loop, backend, request)
        assert backend.estimate(request) >= got.cost
        assert backend.estimate(question(server, "openai/our-own")) is None


def test_an_estimate_needs_no_import_of_litellm(monkeypatch):
    monkeypatch.setattr(LitellmBackend, "_load", lambda self: pytest.fail("LiteLLM was loaded"))
    request = Request(
        model="openai/gpt-4o-mini", messages=({"role": "user", "content": "x"},), params={"max_tokens": 1}
    )
    assert litellm_backend(Settings(max_cost=1.0)).estimate(request) > 0


def test_litellm_is_imported_on_the_first_call_and_nothing_is_printed_at_exit():
    code, out, err = python(
        """
        import asyncio, sys
        from loopback import LoopbackServer
        from robusttest.core.nouns import Request
        from robusttest.gateway.calls.backends import litellm_backend
        from robusttest.settings import Settings

        async def main():
            with LoopbackServer() as server:
                for transport in ("litellm", "auto"):
                    backend = litellm_backend(Settings(transport=transport))
                    if transport == "litellm":
                        assert "litellm" not in sys.modules
                    for model in ("openai/x", "hosted_vllm/x", "anthropic/claude-haiku-4-5"):
                        base = server.host if model.startswith("anthropic") else server.url
                        request = Request(model=model, messages=({"role": "user", "content": "x"},),
                                          private={"api_base": base, "api_key": "k" * 10})
                        assert (await backend.call(request, timeout=20)).text == "echo: x"
                    assert backend.facts()["litellm"]
                    assert backend.notes == []
                    await backend.close()
                    assert server.open == 0 or await drained(server)

        async def drained(server):
            for _ in range(200):
                if not server.open:
                    return True
                await asyncio.sleep(0.01)
            return False

        asyncio.run(main())
        print("done")
        """
    )
    assert (code, out, err) == (0, "done\n", "")


def test_an_earlier_import_of_litellm_is_noted(monkeypatch):
    import litellm

    load_litellm()
    monkeypatch.delattr(litellm, "_robusttest_loaded")
    assert "price table" in load_litellm()[1][0]
    assert load_litellm()[1] == []


@pytest.mark.parametrize("enabled", [True, False])
def test_the_import_leaves_the_garbage_collector_as_it_was(monkeypatch, enabled):
    import gc
    from importlib.machinery import ModuleSpec

    from robusttest.gateway.litellm import preflight

    seen = []

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "litellm":
                seen.append(gc.isenabled())
                return ModuleSpec(name, self)
            return None

        def create_module(self, spec):
            return None

        def exec_module(self, module):
            raise RuntimeError("stopped")

    monkeypatch.delitem(sys.modules, "litellm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(RuntimeError, match="stopped"):
            preflight.load_litellm()
        assert seen == [False]
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_litellms_own_chatter_is_off(loop, backend):
    import litellm

    with LoopbackServer() as server:
        call(loop, backend, question(server))
    assert litellm.suppress_debug_info is True
    assert logging.getLogger("LiteLLM").level >= logging.ERROR


@pytest.fixture
def no_keys(monkeypatch):
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_API_BASE", "_AD_TOKEN")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("opnai/gpt-4o", "unknown provider 'opnai'. Did you mean openai/gpt-4o?"),
        ("zzz/qqq", "unknown provider 'zzz'"),
        ("gpt-4o-mni", "Did you mean 'gpt-4o-mini'?"),
        ("", "unknown model"),
        ("openai/gpt-4o-mini", "set OPENAI_API_KEY"),
        ("gpt-4o-mini", "set OPENAI_API_KEY"),
        ("anthropic/claude-haiku-4-5", "set ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.0-flash", "GEMINI_API_KEY or GOOGLE_API_KEY"),
    ],
)
def test_preflight_names_the_problem(no_keys, model, problem):
    (line,) = preflight([model])
    assert problem in line
    assert "\n" not in line


def test_preflight_passes_what_may_work(no_keys, monkeypatch):
    local = [
        "hosted_vllm/x",
        "ollama/llama3",
        "lm_studio/x",
        "llamafile/x",
        "bedrock/anthropic.claude-v2",
        "vertex_ai/gemini-pro",
    ]
    assert preflight(local) == []
    assert preflight(["openai/x"], with_key=["openai/x"]) == []
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key-1")
    assert preflight(["openai/x", "openai/x"]) == []


def test_preflight_says_each_problem_once(no_keys):
    assert len(preflight(["openai/x", "openai/x", "zzz/q"])) == 2
