from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.errors import CallError, ConfigurationError
from robusttest.gateway.litellm.failures import (
    MESSAGE_LIMIT,
    AttemptError,
    Failure,
    classify,
    provider_text,
    retry_after,
)

# status, class names, text, headers → kind, retryable
FACTS = [
    (429, "RateLimitError", "Rate limit reached", "rate_limit", True),
    (
        429,
        "RateLimitError",
        "You exceeded your current quota, check your billing details",
        "configuration",
        False,
    ),
    (500, "InternalServerError", "oops", "server", True),
    (502, "BadGatewayError", "<html>bad gateway</html>", "server", True),
    (503, "ServiceUnavailableError", "down", "overloaded", True),
    (504, "Timeout APITimeoutError", "gateway timeout", "server", True),
    (529, "APIError", "Overloaded", "overloaded", True),
    (500, "InternalServerError", "AnthropicError - Overloaded", "overloaded", True),
    (408, "Timeout", "Request timed out", "timeout", True),
    (409, "APIError", "conflict", "server", True),
    (None, "TimeoutError", "", "timeout", True),
    (None, "Timeout", "litellm.Timeout: timed out", "timeout", True),
    (500, "InternalServerError APIConnectionError ConnectError", "Connection error.", "connection", True),
    (None, "ClientConnectorError", "Cannot connect to host h:1", "connection", True),
    (None, "ServerDisconnectedError", "Server disconnected", "connection", True),
    (None, "ClientPayloadError", "Response payload is not completed", "invalid_reply", True),
    (
        500,
        "InternalServerError APIConnectionError ClientPayloadError",
        "Connection error.",
        "invalid_reply",
        True,
    ),
    (
        500,
        "InternalServerError",
        "OpenAIException - Expecting value: line 1 column 1 (char 0)",
        "invalid_reply",
        True,
    ),
    (200, "OpenAIError", "Unable to get json response - x", "invalid_reply", True),
    (500, "InternalServerError", "'content'", "invalid_reply", True),
    (400, "BadRequestError", "messages: malformed", "bad_request", False),
    (413, "APIError", "too large", "bad_request", False),
    (422, "BadRequestError", "unprocessable", "bad_request", False),
    (400, "ContextWindowExceededError", "x", "context_window", False),
    (400, "BadRequestError", "This model's maximum context length is 8192 tokens", "context_window", False),
    (400, "BadRequestError", "prompt is too long: 250000 tokens > 200000 maximum", "context_window", False),
    (400, "ContentPolicyViolationError", "no", "refused", False),
    (400, "BadRequestError", '{"error":{"code":"content_filter","message":"filtered"}}', "refused", False),
    (403, "APIError", "Your chosen model requires moderation and your input was flagged", "refused", False),
    (401, "AuthenticationError", "Incorrect API key", "refused_call", False),
    (403, "APIError", "forbidden", "refused_call", False),
    (402, "APIError", "Payment required", "configuration", False),
    (404, "NotFoundError", "no such model", "refused_call", False),
    (
        400,
        "UnsupportedParamsError",
        "anthropic does not support parameters: ['seed']",
        "configuration",
        False,
    ),
    (400, "BadRequestError", "Unsupported value: 'temperature' does not support 0", "configuration", False),
    (
        500,
        "InternalServerError",
        "The api_key client option must be set either by passing api_key to the client",
        "configuration",
        False,
    ),
    (400, "BadRequestError", "LLM Provider NOT provided. Pass in the LLM provider", "configuration", False),
    (500, "APIConnectionError ModuleNotFoundError", "No module named 'mcp'", "configuration", False),
    (None, "ZeroDivisionError", "division by zero", "call", False),
]


@pytest.mark.parametrize(("status", "names", "text", "kind", "retryable"), FACTS)
def test_kinds(status, names, text, kind, retryable):
    failure = classify(model="openai/x", status=status, names=names, text=text)
    assert (failure.kind, failure.retryable) == (kind, retryable)


def test_a_library_module_that_is_missing_is_named():
    assert (
        "pip install mcp" in classify(model="m", status=500, text="x - No module named 'mcp.types'").message
    )


def test_made_up_statuses_are_not_reported():
    assert classify(model="m", status=500, text="Connection error.").status is None
    assert classify(model="m", status=500, text="oops").status == 500


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"llm_provider-retry-after": "3"}, 3.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after(headers, now=10.0) == seconds


def test_only_failures_that_may_pass_carry_a_wait():
    headers = {"retry-after": "7"}
    assert classify(model="m", status=429, headers=headers).retry_after == 7.0
    assert classify(model="m", status=400, text="bad", headers=headers).retry_after is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"error": {"message": "No.", "code": 3}}', "No."),
        ('{"detail": [{"loc": ["body"], "msg": "field required"}]}', "field required"),
        ('[{"error": {"message": "No."}}]', "No."),
        ("litellm.BadRequestError: OpenAIException - No.", "No."),
        ("litellm.Timeout: Timeout Error: OpenAIException - No.", "No."),
        ("a\n  b\tc", "a b c"),
        ("boom\nTraceback (most recent call last):\n  File x", "boom"),
        ("{not json}", "{not json}"),
        ("", ""),
    ],
)
def test_provider_text(text, said):
    assert provider_text(text) == said


def test_provider_text_hides_keys():
    assert "sk-proj" not in provider_text('{"error": {"message": "bad key sk-proj-abcdefgh12345"}}')


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(max_size=600) | st.sampled_from(["[" * 5000, "{" * 5000 + "}" * 5000, '{"error":' * 900]),
    status=st.none() | st.integers(100, 599),
)
def test_any_text_is_classified(text, status):
    failure = classify(model="m", status=status, names="X", text=text)
    assert failure.kind
    assert len(failure.message) <= MESSAGE_LIMIT + 200
    assert "\n" not in failure.message


def test_raised_errors_stand_alone():
    def provoke(kind):
        try:
            raise ValueError("inner, with a key in it")
        except ValueError:
            Failure(kind=kind, message="m: x", status=429, retryable=True, retry_after=2.0).raise_()

    with pytest.raises(AttemptError) as attempt:
        provoke("rate_limit")
    assert isinstance(attempt.value, CallError)
    assert (attempt.value.kind, attempt.value.status) == ("rate_limit", 429)
    assert (attempt.value.retryable, attempt.value.retry_after) == (True, 2.0)
    assert attempt.value.__suppress_context__
    with pytest.raises(ConfigurationError):
        provoke("configuration")


def test_a_parameter_that_a_provider_does_not_take_has_a_way_out():
    found = classify(
        model="anthropic/x", status=400, names="UnsupportedParamsError", text="seed is not taken"
    )
    assert found.kind == "configuration"
    assert "seed is not taken; leave it out for this model with Model(…, drop=[…])" in found.message
