"""Each row of the table of failures by an example, and the order of evidence by examples that contradict themselves."""

from __future__ import annotations

import json

import pytest
from providers_say import GEMINI_DAY, LIMITS, SPENT, openai_error

from robusttest.gateway.litellm import rules
from robusttest.gateway.litellm.failures import classify


def decided(status, text, names="", headers=None, asked=()):
    """``(the failure, the number of the row that decided)``."""
    rows = [r for r in rules.RULES]
    hit = []

    class Row:
        def __init__(self, n):
            self.n = n

        def fits(self, seen):
            fits = rows[self.n].fits(seen)
            if fits:
                hit.append(self.n)
            return fits

        def __getattr__(self, name):
            return getattr(rows[self.n], name)

    with pytest.MonkeyPatch.context() as m:
        m.setattr(rules, "RULES", tuple(map(Row, range(len(rows)))))
        failure = classify(
            model="m", status=status, text=text, names=names, headers=headers or {}, asked=asked, now=0.0
        )
    return failure, hit[0]


def body(message, **fields):
    return json.dumps({"error": {"message": message, **fields}})


INFO = json.dumps({"error": {"message": "quota", "details": [{"retryDelay": "3s"}]}})
PER_DAY = json.dumps(GEMINI_DAY)
AFTER = {"retry-after": "2"}
# status, text, names, headers → kind, what the message says
ROWS = [
    (504, "", "", {}, "server", "the gateway timed out"),
    (None, "", "TimeoutError", {}, "timeout", "within the timeout"),
    (None, "x", "Timeout", {}, "timeout", "within the timeout"),
    (
        500,
        "No module named 'vertexai'",
        "X",
        {},
        "configuration",
        "needs a package for this call: pip install google-cloud-aiplatform",
    ),
    (
        400,
        "seed is not taken",
        "UnsupportedParamsError",
        {},
        "configuration",
        "seed is not taken; leave it out",
    ),
    (400, "LLM Provider NOT provided", "", {}, "configuration", "unknown provider"),
    (500, "missing api_key", "", {}, "configuration", "no key for this provider"),
    (
        500,
        "Cannot combine AUTHORIZATION header with AUTH",
        "",
        {},
        "configuration",
        "take the user's name out of api_base",
    ),
    (429, body("try again in 3s", code="insufficient_quota"), "", AFTER, "configuration", "quota is spent"),
    (429, PER_DAY, "", AFTER, "configuration", "quota is spent for today"),
    (429, "billing", "", AFTER, "rate_limit", "HTTP 429: billing"),
    (None, "billing", "RateLimitError", AFTER, "rate_limit", "billing"),
    (429, body("billing", type="tokens"), "", {}, "rate_limit", "billing"),
    (400, body("x", code="ThrottlingException"), "", {}, "rate_limit", "x"),
    (429, INFO, "", {}, "rate_limit", "quota"),
    (429, "insufficient quota, try again in 3s", "", {}, "rate_limit", "insufficient"),
    (429, "insufficient quota", "", {}, "configuration", "quota is spent"),
    (None, "insufficient quota", "RateLimitError", {}, "configuration", "quota is spent"),
    (429, "", "", {}, "rate_limit", "rate limited"),
    (None, "slow down", "RateLimitError", {}, "rate_limit", "slow down"),
    (402, "", "", {}, "configuration", "quota is spent (no details given)"),
    (400, "Your credit balance is too low", "", {}, "configuration", "quota is spent"),
    (400, "x", "ContextWindowExceededError", {}, "context_window", "context window: x"),
    (400, body("x", code="context_length_exceeded"), "", {}, "context_window", "context window: x"),
    (413, "prompt is too long", "", {}, "context_window", "context window"),
    (400, "no", "ContentPolicyViolationError", {}, "refused", "no"),
    (451, "", "", {}, "refused", "content filter"),
    (403, body("no", code="content_filter"), "", {}, "refused", "no"),
    (403, "flagged as unsafe", "", {}, "refused", "flagged"),
    (400, body("x", status="API_KEY_INVALID"), "", {}, "refused_call", "refused the key"),
    (400, "API key not valid", "", {}, "refused_call", "refused the key"),
    (401, "", "", {}, "refused_call", "refused the key"),
    (403, "", "", {}, "refused_call", "may not use this model"),
    (404, "", "", {}, "refused_call", "no such model or path"),
    (407, "", "", {}, "refused_call", "the proxy refused"),
    (410, "", "", {}, "refused_call", "endpoint is gone"),
    (None, "x", "AuthenticationError", {}, "refused_call", "refused the key"),
    (None, "x", "PermissionDeniedError", {}, "refused_call", "may not use"),
    (None, "x", "NotFoundError", {}, "refused_call", "no such model or path"),
    (308, "", "", {"Location": ""}, "refused_call", "redirects in a circle"),
    (
        307,
        "",
        "",
        {"Location": "http://b/v1"},
        "refused_call",
        "the address redirects to http://b/v1;",
    ),
    (400, body("x", code="unsupported_value"), "", {}, "configuration", "refused a parameter"),
    (422, "unexpected keyword 'seed'", "", {}, "configuration", "refused a parameter"),
    (408, "", "", {}, "timeout", "HTTP 408"),
    (529, "", "", {}, "overloaded", "overloaded"),
    (500, "model is loading", "", {}, "overloaded", "HTTP 500: model is loading"),
    (200, " <html><title>Sign in</title>", "", {}, "invalid_reply", "but a web page, 'Sign in'"),
    (
        500,
        "Empty or invalid response from LLM endpoint. Received: 5.",
        "",
        {},
        "invalid_reply",
        "no JSON object",
    ),
    (
        None,
        "400, message: Bad status line: b'SSH-2.0'",
        "",
        {},
        "invalid_reply",
        "is no HTTP: Bad status line",
    ),
    (
        500,
        "provider returned a response with no 'choices'. Raw keys: ['id']",
        "",
        {},
        "invalid_reply",
        "m: a reply without choices",
    ),
    (200, "Expecting value: line 1", "", {}, "invalid_reply", "not a reply that can be read"),
    (None, "", "ClientPayloadError", {}, "invalid_reply", "broke off"),
    (500, "Response payload is not completed", "", {}, "invalid_reply", "broke off"),
    (None, "", "ConnectError", {}, "connection", "no connection: ConnectError"),
    (500, "Connection refused", "", {}, "connection", "no connection: Connection refused"),
    (
        500,
        "no attribute 'x'",
        "X AttributeError",
        {},
        "defect",
        "(AttributeError: no attribute 'x'): a defect of LiteLLM's",
    ),
    (500, "oops", "", {}, "server", "HTTP 500: oops"),
    (None, "a rate: retry later", "", {}, "rate_limit", "a rate"),
    (418, "", "", {}, "bad_request", "refused without details"),
    (204, "", "", {}, "invalid_reply", "not a reply that can be read"),
    (None, "", "ZeroDivisionError", {}, "call", "ZeroDivisionError"),
]


@pytest.mark.parametrize("n", range(len(ROWS)))
def test_each_row_decides_its_example(n):
    status, text, names, headers, kind, says = ROWS[n]
    failure, row = decided(status, text, names, headers)
    assert (failure.kind, row) == (kind, n), failure
    assert says in failure.message


def test_no_row_is_without_an_example():
    assert len(ROWS) == len(rules.RULES)


@pytest.mark.parametrize("after", [{}, AFTER], ids=["without", "with Retry-After"])
@pytest.mark.parametrize("who", LIMITS)
def test_limits_per_minute_are_waited_for(who, after):
    text = json.dumps(LIMITS[who]).replace("{delay}", "26")
    failure, _ = decided(429, text, headers=after)
    assert (failure.kind, failure.retryable) == ("rate_limit", True)
    told = 26.0 if "26s" in text or "26 s" in text else None
    assert failure.retry_after == (2.0 if after else told)


@pytest.mark.parametrize("after", [{}, AFTER], ids=["without", "with Retry-After"])
@pytest.mark.parametrize("who", sorted(set(SPENT) - {"a server without codes"}))
def test_spent_accounts_are_not(who, after):
    status, said = SPENT[who]
    failure, _ = decided(status, json.dumps(said), headers=after)
    assert failure.kind == "configuration"
    assert "quota is spent" in failure.message


QUOTED = "please check the billing: insufficient quota, context length, content filter, connection refused"


@pytest.mark.parametrize("status", [400, 422, 429, 500, 502, 200, None])
@pytest.mark.parametrize("names", ["", "ContextWindowExceededError", "ContentPolicyViolationError"])
def test_words_that_stand_in_the_request_decide_nothing(status, names):
    asked = [{"role": "user", "content": QUOTED}]
    quoting = json.dumps(openai_error(f"Invalid message: '{QUOTED}'", "invalid_request_error"))
    mute = json.dumps(openai_error("Invalid message: ''", "invalid_request_error"))
    expected = classify(model="m", status=status, text=mute)
    failure, _ = decided(status, quoting, names, asked=asked)
    assert (failure.kind, failure.retryable) == (expected.kind, expected.retryable)


def test_evidence_goes_from_the_transport_to_words():
    """The kinds of evidence of one status, in the order of the table."""
    order = ["transport", "spent", "headers", "codes", "delay", "words", "status"]
    of_429 = [r.by for r in rules.RULES if r.status is not None and 429 in r.status and 400 not in r.status]
    assert of_429 == sorted(of_429, key=order.index)
    assert {r.by for r in rules.RULES} == set(order)
