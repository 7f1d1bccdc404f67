"""A server's ordinary bad days, over real HTTP: limits, outages, loading, resets, a proxy's whims. No call is lost.

Pauses and patience are a tenth or less of what they are in life; the order of events is the same.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from loopback import LoopbackServer
from providers_say import LIMITS, SPENT, openai_error

from robusttest.errors import CallError, ConfigurationError, RunAbortedError
from robusttest.gateway import Gateway
from robusttest.gateway.calls import lanes, scheduler
from robusttest.gateway.litellm import response
from robusttest.settings import Settings


@pytest.fixture(autouse=True)
def faster(monkeypatch):
    monkeypatch.setattr(scheduler, "PAUSE", 0.02)
    monkeypatch.setattr(scheduler, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(lanes, "BACK_OFF", 0.02)
    monkeypatch.setattr(lanes, "LONGEST", 0.2)


@pytest.fixture(params=["auto", "litellm"])
def transport(request):
    return request.param


def run(tmp_path, server, n=30, model="openai/m", timeout=60, **settings):
    """What became of n calls: replies' texts and errors."""
    base = server.host if model.startswith("anthropic") else server.url
    params = {"api_base": base, "api_key": "planted-key-123456"}
    options = {"directory": tmp_path, "concurrency": 8, **settings}
    with Gateway(Settings(**options)) as gateway:
        futures = [
            gateway.submit(gateway.request(model, [{"role": "user", "content": f"Question {i}"}], params))
            for i in range(n)
        ]
        got = []
        for future in futures:
            error = future.exception(timeout)
            got.append(error if error is not None else future.result().text)
    return got


def answered(got):
    return [g for g in got if isinstance(g, str)]


@pytest.mark.parametrize("after", [None, "0.05"], ids=["without", "with Retry-After"])
@pytest.mark.parametrize("who", LIMITS)
def test_a_limit_per_minute_loses_no_call(tmp_path, transport, who, after):
    body = json.loads(json.dumps(LIMITS[who]).replace("{delay}", "0.06"))
    errors = [(429, body, {} if after is None else {"retry-after": after})]
    model = "anthropic/claude-haiku-4-5" if who == "anthropic" else "openai/m"
    with LoopbackServer(errors=errors, script=[None, "error", "error", None, "error", "error"] * 3) as server:
        got = run(tmp_path, server, model=model, transport=transport, n=16)
    assert len(answered(got)) == 16, got
    assert server.counts["error"] == 12


@pytest.mark.parametrize("who", SPENT)
def test_a_spent_account_stops_with_its_own_words_within_seconds(tmp_path, transport, who):
    status, body = SPENT[who]
    model = "anthropic/claude-haiku-4-5" if who == "anthropic" else "openai/m"
    # Proxies send it with any 429; only a code says that no wait helps.
    headers = {} if who == "a server without codes" else {"retry-after": "20"}
    with LoopbackServer(errors=[(status, body, headers)], always="error") as server:
        got = run(tmp_path, server, model=model, transport=transport, timeout=30)
    assert all(isinstance(g, ConfigurationError) for g in got)
    assert "quota is spent" in str(got[0])
    words = body["error"]["message"].split(".")[0]
    assert words in str(got[-1])
    assert len(server.requests) <= 8


@pytest.mark.parametrize(
    "quoted", ["please check my billing, insufficient quota", "context length of the rate limit"]
)
def test_words_of_the_prompt_decide_nothing(tmp_path, transport, quoted):
    message = f"Invalid message: the content '{quoted} of 3 items' is malformed"
    errors = [(400, openai_error(message, "invalid_request_error"), {})]
    with LoopbackServer(errors=errors, script=[None, "error"]) as server:
        params = {"api_base": server.url, "api_key": "planted-key-123456"}
        with Gateway(Settings(directory=tmp_path, transport=transport, concurrency=1)) as gateway:
            texts = ["Hi", f"{quoted} of 3 items", "there"]
            futures = [
                gateway.submit(gateway.request("openai/m", [{"role": "user", "content": t}], params))
                for t in texts
            ]
            first, second, third = (f.exception(30) for f in futures)
    assert first is None
    assert third is None
    assert isinstance(second, CallError)
    assert second.kind == "bad_request"


@pytest.mark.parametrize("fault", ["401", "403", "404", "410", "407"])
def test_one_refusal_after_good_calls_is_retried(tmp_path, transport, fault):
    with LoopbackServer(script=[None] * 6 + [fault] + [None] * 3 + [fault]) as server:
        got = run(tmp_path, server, transport=transport, concurrency=2)
    assert len(answered(got)) == 30, got


def test_refusals_for_good_after_good_calls_end_the_lane(tmp_path, monkeypatch):
    monkeypatch.setitem(lanes.PATIENCE, "refused_call", (0.0, 0.3))
    with LoopbackServer(script=[None] * 5, always="401") as server:
        got = run(tmp_path, server, n=60)
    assert len(answered(got)) == 5
    assert all(isinstance(g, RunAbortedError) for g in got if not isinstance(g, str))
    assert len(server.requests) < 60


def test_one_refusal_among_first_calls_is_no_configuration_error(tmp_path):
    with LoopbackServer(script=["404"], delay=0.02) as server:
        assert len(answered(run(tmp_path, server))) == 30


@pytest.mark.parametrize("fault", ["503", "502", "500", "reset", "truncated", "invalid-json", "html", "529"])
def test_an_outage_loses_nothing_and_is_not_hammered(tmp_path, fault):
    """0.6 s of outage with pauses of a fiftieth: half a minute in life."""
    with LoopbackServer() as server:
        server.down(after=10, seconds=0.6, fault=fault)
        got = run(tmp_path, server, n=60)
        assert len(answered(got)) == 60, [g for g in got if not isinstance(g, str)][:2]
        assert server.counts[fault] < 60


def test_a_server_that_loads_is_waited_for(tmp_path, transport, monkeypatch):
    for kind, (_, known) in list(lanes.PATIENCE.items()):
        if kind != "overloaded":
            monkeypatch.setitem(lanes.PATIENCE, kind, (0.3, known))
    errors = [(503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, {})]
    with LoopbackServer(errors=errors) as server:
        server.down(after=0, seconds=0.8, fault="error")
        assert len(answered(run(tmp_path, server, transport=transport))) == 30


@pytest.mark.parametrize("fault", ["reset", "reset-mid", "truncated", "invalid-json", "500"])
def test_a_fault_of_every_first_attempt_loses_nothing(tmp_path, transport, fault):
    with LoopbackServer(first=fault) as server:
        assert len(answered(run(tmp_path, server, transport=transport))) == 30


def test_a_wait_beyond_the_deadline_ends_at_once_with_the_reason(tmp_path, transport):
    with LoopbackServer(always="429-after", retry_after="3600") as server:
        began = time.monotonic()
        got = run(tmp_path, server, transport=transport, deadline=100)
        assert time.monotonic() - began < 60
    assert {g.kind for g in got} == {"rate_limit"}
    assert all("to wait 3600 s" in str(g) or "to wait 35" in str(g) for g in got), got
    assert all("longer than the deadline of 100 s" in str(g) for g in got)
    assert len(server.requests) <= 8


def test_the_deadline_ends_those_who_wait_too(tmp_path):
    with LoopbackServer(always="429") as server:
        began = time.monotonic()
        got = run(tmp_path, server, n=200, deadline=0.6)
        assert time.monotonic() - began < 40
    assert {g.kind for g in got} == {"rate_limit"}
    assert any("was answered within the deadline of 0.6 s" in str(g) for g in got)


def test_a_dead_model_leaves_the_others_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(lanes.PATIENCE, "connection", (0.2, 0.2))
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    with LoopbackServer() as gone:
        pass
    with LoopbackServer() as server, Gateway(Settings(directory=tmp_path)) as gateway:

        def put(model, **params):
            request = gateway.request(model, [{"role": "user", "content": "Hi"}], params)
            return gateway.submit(request)

        key = {"api_key": "planted-key-123456"}
        futures = {
            "dead": [put("openai/dead", api_base=gone.url, top_p=i / 20, **key) for i in range(20)],
            "unknown": [put("opnai/x", **key)],
            "no key": [put("groq/x")],
            "good": [put("openai/good", api_base=server.url, top_p=i / 20, **key) for i in range(20)],
        }
        errors = {name: [f.exception(30) for f in fs] for name, fs in futures.items()}
    assert errors["good"] == [None] * 20
    assert all(isinstance(e, RunAbortedError) for e in errors["dead"])
    assert "unknown provider 'opnai'" in str(errors["unknown"][0])
    assert "GROQ_API_KEY" in str(errors["no key"][0])
    for name in ("unknown", "no key"):
        assert "openai/good" not in str(errors[name][0])


@pytest.mark.parametrize("model", ["openai/m", "anthropic/claude-haiku-4-5", "hosted_vllm/m"])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "redirect",
            "the address redirects to http://elsewhere/v1; give the final one as api_base",
        ),
        ("circle", "the address redirects in a circle: check api_base, and the server or the proxy there"),
        ("portal", "not a model's reply but a web page, 'Sign in': check api_base"),
        ("huge", "the reply is larger than 0.1 MB: no model's"),
        ("empty-choices", "a reply without choices"),
    ],
)
def test_what_is_no_reply_has_one_clear_message_whichever_way_it_came(
    tmp_path, monkeypatch, transport, model, fault, said
):
    if model.startswith("anthropic") and fault == "empty-choices":
        pytest.skip("a reply of Anthropic's without content is an empty text")
    monkeypatch.setattr(response, "LARGEST", 0.1 * (1 << 20))
    # A redirect ends at once. The others are asked again until the deadline; LiteLLM's first call alone may take a second.
    deadline = 20 if fault in ("redirect", "circle") else 1.5 if transport == "litellm" else 0.4
    circle = {"always": "redirect", "location": "", "status": 307}
    with LoopbackServer(**(circle if fault == "circle" else {"always": fault}), huge=1 << 17) as server:
        (error,) = run(tmp_path, server, n=1, model=model, transport=transport, deadline=deadline)
    assert said in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize("status", [301, 308])
@pytest.mark.parametrize("model", ["openai/m", "anthropic/claude-haiku-4-5"])
def test_a_redirect_that_litellm_follows_to_a_refusal_is_told_as_one(tmp_path, transport, model, status):
    """301 makes a GET of a POST, which the address there does not take; 308 leaves the key behind."""
    with (
        LoopbackServer(always="401") as there,
        LoopbackServer(always="redirect", status=status, location=f"{there.url}/chat/completions") as server,
    ):
        (error,) = run(tmp_path, server, n=1, model=model, transport=transport)
    assert f"the address redirects to {there.url}; give the final one as api_base" in str(error)


def test_what_a_call_met_is_told_also_where_the_deadline_cuts_its_last_attempt(tmp_path, transport):
    with LoopbackServer(script=["portal", *["hang"] * 20]) as server:
        (error,) = run(tmp_path, server, n=1, transport=transport, deadline=2)
    assert server.counts["hang"] >= 1
    assert "not a model's reply but a web page" in str(error)
    assert "the deadline of 2 s" in str(error)
    with LoopbackServer(always="hang") as server:
        (error,) = run(tmp_path, server, n=1, transport=transport, deadline=0.3)
    assert "no whole reply within the timeout" in str(error)


def test_a_defect_of_the_client_is_named_and_asked_once_again_at_most(tmp_path, monkeypatch):
    import litellm

    asked = []

    async def breaks(**options):
        asked.append(options["messages"][0]["content"])
        raise AttributeError("'NoneType' object has no attribute 'usage'")

    monkeypatch.setattr(litellm, "acompletion", breaks)
    with LoopbackServer() as server:
        got = run(tmp_path, server, n=2, transport="litellm")
    assert sorted(asked) == ["Question 0"] * 2 + ["Question 1"] * 2
    assert {g.kind for g in got} == {"defect"}
    assert all("no attribute 'usage'): a defect of LiteLLM's" in str(g) for g in got)


@pytest.mark.parametrize(
    ("module", "package"),
    [("google", "google-auth"), ("vertexai", "google-cloud-aiplatform"), ("boto3", "boto3")],
)
def test_a_package_that_a_provider_needs_is_named(tmp_path, monkeypatch, module, package):
    import litellm

    async def breaks(**options):
        raise ModuleNotFoundError(f"No module named '{module}'")

    monkeypatch.setattr(litellm, "acompletion", breaks)
    with LoopbackServer() as server:
        (error,) = run(tmp_path, server, n=1, transport="litellm")
    assert str(error).endswith(f"LiteLLM needs a package for this call: pip install {package}")


GOOD = '{"model": "m", "choices": [{"message": %s, "finish_reason": "stop"}], "usage": {"prompt_tokens": %s, "completion_tokens": 2}}'
HI = '{"role": "assistant", "content": "hi"}'
NO_REPLIES = {
    "a number": ("5", "not a reply that can be read: no JSON object"),
    "a string": ('"hi"', "not a reply that can be read: no JSON object"),
    "null": ("null", "not a reply that can be read: no JSON object"),
    "too deep": ("[" * 200_000, "maximum recursion depth exceeded"),
    "no text": (
        GOOD % ('{"role": "assistant", "content": {"a": 1}}', 3),
        "not a reply that can be read: ",
    ),
    "no message": (GOOD % ("null", 3), "not a reply that can be read: Invalid response object"),
    "another encoding": (
        (GOOD % (HI, 3)).replace("hi", "café").encode("latin-1"),
        "'utf-8' codec can't decode byte 0xe9",
    ),
    "unpacked, too large": (gzip.compress(b" " * (1 << 21), 1), "the reply is larger than 1 MB"),
}


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the deadline cuts LiteLLM in its thread
@pytest.mark.parametrize("what", NO_REPLIES)
def test_what_can_not_be_read_is_told_in_a_line_and_asked_again(tmp_path, monkeypatch, transport, what):
    body, said = NO_REPLIES[what]
    body = body if isinstance(body, bytes) else body.encode()
    headers = {"content-encoding": "gzip"} if what.startswith("unpacked") else {}
    if headers and transport == "litellm":
        pytest.skip("LiteLLM's client unpacks whatever comes")
    monkeypatch.setattr(response, "LARGEST", 1 << 20)
    good = (200, (GOOD % (HI, 3)).encode(), {})
    with LoopbackServer(errors=[(200, body, headers), good], always="error") as server:
        if headers:  # no model's, however often it is asked
            (error,) = run(tmp_path, server, n=1, transport=transport)
        else:
            assert run(tmp_path, server, n=1, transport=transport) == ["hi"]
            server.errors = [(200, body, headers)]
            (error,) = run(tmp_path / "again", server, n=1, transport=transport, deadline=0.6)
    assert said in str(error)
    assert "Traceback" not in str(error)
    assert "site-packages" not in str(error)


def test_a_server_of_another_protocol_is_none(tmp_path, transport):
    server = socket.create_server(("127.0.0.1", 0))

    def greet():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                connection.recv(1 << 16)
                connection.sendall(b"SSH-2.0-OpenSSH_9\r\n")
                connection.close()

    thread = threading.Thread(target=greet, daemon=True)
    thread.start()
    here = SimpleNamespace(url=f"http://127.0.0.1:{server.getsockname()[1]}/v1")
    (error,) = run(tmp_path, here, n=1, transport=transport, deadline=1 if transport == "litellm" else 0.4)
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)
    assert "what came is no HTTP: Bad status line" in str(error)


@pytest.mark.parametrize("tokens", ["-3", "9" * 400])
def test_a_count_of_tokens_that_is_none_is_unknown(tmp_path, transport, tokens):
    with (
        LoopbackServer(errors=[(200, (GOOD % (HI, tokens)).encode(), {})], always="error") as server,
        Gateway(Settings(directory=tmp_path, transport=transport)) as gateway,
    ):
        params = {"api_base": server.url, "api_key": "planted-key-123456"}
        request = gateway.request("openai/gpt-4o-mini", [{"role": "user", "content": "Hi"}], params)
        reply = gateway.submit(request).result(60)
    assert (reply.text, reply.input_tokens, reply.output_tokens) == ("hi", None, None)


def test_an_error_of_ours_after_a_call_ends_the_call(tmp_path, monkeypatch):
    def breaks(*args):
        raise RuntimeError("planted")

    monkeypatch.setattr(scheduler.Scheduler, "_came", breaks)
    with LoopbackServer() as server:
        got = run(tmp_path, server, n=2, timeout=20)
    assert [str(g) for g in got] == ["openai/m: RuntimeError: planted"] * 2


def test_nothing_that_a_terminal_acts_on_comes_from_a_server(tmp_path, transport):
    said = "\x1b[31mred\x1b[0m\x07 and\x00 more"
    with LoopbackServer(errors=[(400, {"error": {"message": said}}, {})], always="error") as server:
        (error,) = run(tmp_path, server, n=1, transport=transport)
    assert str(error) == "openai/m: HTTP 400: red and more"
    with (
        LoopbackServer(says={"model": "m\x1b[31m\nx"}) as server,
        Gateway(Settings(directory=tmp_path / "b")) as gateway,
    ):
        params = {"api_base": server.url, "api_key": "planted-key-123456"}
        request = gateway.request("openai/m", [{"role": "user", "content": "Hi"}], params)
        assert gateway.submit(request).result(60).model == "m[31mx"
