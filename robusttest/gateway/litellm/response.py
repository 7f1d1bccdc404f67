"""LiteLLM's ``ModelResponse`` → our ``Completion``: what the model said and what it cost, nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from robusttest.core.nouns import Completion, Json
from robusttest.gateway.litellm.failures import AttemptError

_KEPT_META = ("system_fingerprint", "service_tier")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LONGEST_ID = 300
"""Characters of a model's name that are kept; nothing in it is for a terminal."""
MOST_TOKENS = 10**9
"""No reply has used more: what is told beyond is no count."""
LARGEST = 16 << 20
"""Bytes of a reply that are read, and characters of a text that is one."""


def completion_of(response: Any, *, model: str, latency: float, cost: float | None) -> Completion:
    """The reply as plain data. A reply without a choice is an ``invalid_reply`` error that may be retried.

    A refusal, an empty text and a reply cut short are answers: ``refusal`` and ``finish_reason`` say so.
    """
    choices = getattr(response, "choices", None)
    if not choices:
        raise AttemptError(f"{model}: a reply without choices", kind="invalid_reply", retryable=True)
    choice = choices[0]
    message = getattr(choice, "message", None)
    if message is None:
        raise AttemptError(f"{model}: a reply without a message", kind="invalid_reply", retryable=True)
    finish = _text(getattr(choice, "finish_reason", None))
    refusal = _text(getattr(message, "refusal", None))
    if refusal is None:
        specific = getattr(message, "provider_specific_fields", None)
        if isinstance(specific, Mapping):
            refusal = _text(specific.get("refusal"))
    text = _content(getattr(message, "content", None))
    if len(text) > LARGEST:
        raise too_large(model)
    if refusal is None and finish == "content_filter":
        refusal = "content filter"
    if refusal is None and finish == "refusal":
        refusal = text or "refused"
    usage = getattr(response, "usage", None)
    tokens_in, tokens_out = (
        _count(getattr(usage, f"{kind}_tokens", None)) for kind in ("prompt", "completion")
    )
    if not tokens_in:
        # No call is made without a prompt: LiteLLM writes 0 for a usage that the reply does not tell.
        tokens_in = tokens_out = None
        cost = cost or None
    served = _text(getattr(response, "model", None))
    return Completion(
        text=text,
        model=served_id(served, model) if served is not None else None,
        finish_reason=finish,
        refusal=refusal,
        tool_calls=_tool_calls(message),
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cost=cost,
        latency=latency,
        created=now(),
        meta=_meta(response),
    )


def filtered(message: str, *, latency: float) -> Completion:
    """The reply that the provider's filter gave in the model's place: no text, and what it said as refusal."""
    return Completion(
        text="", finish_reason="content_filter", refusal=message, latency=latency, created=now()
    )


def too_large(model: str) -> AttemptError:
    return AttemptError(
        f"{model}: the reply is larger than {LARGEST / (1 << 20):g} MB: no model's", kind="invalid_reply"
    )


def served_id(served: str, model: str) -> str:
    """LiteLLM puts some providers' names in front of the id that the server gave, by some ways of calling."""
    return _CONTROL.sub("", served.removeprefix(f"{model.partition('/')[0]}/"))[:LONGEST_ID]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rate_limit_of(headers: Mapping[str, Any]) -> dict[str, str]:
    """The rate-limit facts among a reply's headers: ``{"remaining-requests": "99", …}``.

    Names lose ``x-ratelimit-``, ``anthropic-ratelimit-`` and LiteLLM's ``llm_provider-`` in front.
    """
    facts: dict[str, str] = {}
    for name, value in headers.items():
        low = str(name).lower().removeprefix("llm_provider-")
        for prefix in ("x-ratelimit-", "anthropic-ratelimit-"):
            if low.startswith(prefix):
                facts.setdefault(low[len(prefix) :], str(value))
    return facts


def _meta(response: Any) -> dict[str, Json]:
    meta: dict[str, Json] = {}
    for name in _KEPT_META:
        if value := _text(getattr(response, name, None)):
            meta[name] = value
    hidden = getattr(response, "_hidden_params", None) or {}
    headers = hidden.get("additional_headers") or {}
    if isinstance(headers, Mapping) and (limits := rate_limit_of(headers)):
        meta["rate_limit"] = limits
    return meta


def _content(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return str(content)


def _tool_calls(message: Any) -> tuple[Json, ...] | None:
    """``[{"id": …, "type": "function", "function": {"name": …, "arguments": "…"}}, …]``."""
    calls = getattr(message, "tool_calls", None)
    if not calls:
        return None
    plain = []
    for call in calls:
        call = call if isinstance(call, Mapping) else call.model_dump()
        function = call.get("function") or {}
        function = function if isinstance(function, Mapping) else function.model_dump()
        plain.append(
            {
                "id": _text(call.get("id")),
                "type": _text(call.get("type")) or "function",
                "function": {"name": function.get("name"), "arguments": function.get("arguments")},
            }
        )
    return tuple(plain)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    """Tokens; None where the provider did not count."""
    return (
        value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_TOKENS else None
    )
