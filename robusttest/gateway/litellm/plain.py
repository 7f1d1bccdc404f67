"""Calls in the plain form of OpenAI's interface, without LiteLLM in this process.

Importing LiteLLM takes longer than a thousand calls. Where its self-test (`selftest`) has seen that it sends a model's
messages and parameters as they are, and reads ordinary replies as `read` does, the next process makes such calls without
it. All that is not ordinary (tools, images, a reply with anything unusual in it) is left to LiteLLM: `Plain.carries`
and `NotPlain` decide.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from robusttest.core.nouns import Completion, Json, Request
from robusttest.gateway.litellm import address, keys, prices, shapes
from robusttest.gateway.litellm.pool import HttpReply, Pool
from robusttest.gateway.litellm.response import MOST_TOKENS, now, rate_limit_of, served_id

_PRIVATE = frozenset(("api_key", "api_base", "base_url", "timeout", "max_retries"))
_ROLES = frozenset(("system", "user", "assistant"))
_TLS = ("SSL_SECURITY_LEVEL", "SSL_ECDH_CURVE")
_STOPS = 4
"""Strings of ``stop`` that OpenAI takes; LiteLLM leaves out what is more."""
_PLANS_KEPT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How LiteLLM was seen to ask a model."""

    model: str
    """The name in the body."""
    path: str
    """After the address."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Besides the key and the type of the content."""
    base: str | None = None
    """The provider's own address; None where it is not known, and must be given."""
    params: frozenset[str] = frozenset()
    """Parameters that are sent as they are."""
    unpriced: frozenset[str] = frozenset()
    """Ids of models that answered, by which LiteLLM found no price either."""


class NotPlain(Exception):
    """A reply with more in it than the plain form says."""


@dataclass(frozen=True, slots=True)
class _PlainPlan:
    url: str
    headers: dict[str, str] = field(repr=False)
    wire: Wire
    timeout: float | None


class Plain:
    """Carries the requests that `carries` says yes to. Lives on one event loop."""

    def __init__(self, pool: Pool, wire: Callable[[str], Wire | None]) -> None:
        """``wire(model)``: what is known of a model; None: nothing."""
        self._pool, self._wire = pool, wire
        self._plans: dict[tuple[Any, ...], _PlainPlan] = {}
        self.calls = 0

    def carries(self, request: Request) -> bool:
        wire = self._wire(request.model)
        return wire is not None and fits(request, wire) and self._plan(request, wire) is not None

    async def call(self, request: Request, *, timeout: float) -> Completion | HttpReply:
        """One attempt. A reply that is not in the plain form is given back as it came."""
        __tracebackhide__ = True
        wire = self._wire(request.model)
        assert wire is not None
        self.calls += 1
        return await self.call_by(wire, request, timeout=timeout)

    async def call_by(self, wire: Wire, request: Request, *, timeout: float) -> Completion | HttpReply:
        __tracebackhide__ = True
        plan = self._plan(request, wire)
        assert plan is not None
        if plan.timeout is not None:
            timeout = min(timeout, plan.timeout)
        body = {"model": wire.model, "messages": request.messages, **request.params}
        reply = await self._pool.post(request, url=plan.url, headers=plan.headers, body=body, timeout=timeout)
        if isinstance(reply, Completion):
            return reply
        try:
            return read(request.model, reply, unpriced=wire.unpriced)
        except NotPlain:
            return reply

    def _plan(self, request: Request, wire: Wire) -> _PlainPlan | None:
        """Address and headers; None where one of them is not known without LiteLLM."""
        private = request.private
        provider = request.model.partition("/")[0]
        names = keys.KEYS.get(provider, ())
        given = private.get("api_base") or private.get("base_url")
        api_key = private.get("api_key") or next((os.environ[n] for n in names if os.environ.get(n)), None)
        base = given or address.base_from_environment(provider) or wire.base
        known = (request.model, api_key, base, private.get("timeout"), wire.path)
        if (plan := self._plans.get(known)) is not None:
            return plan
        if not isinstance(api_key, str) or not api_key.isascii() or not isinstance(base, str):
            return None
        url = base.rstrip("/") + wire.path
        if base.rstrip("/").endswith(wire.path) or "?" in base or shapes.proxied(url):
            return None
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {api_key}", **wire.headers}
        timeout = private.get("timeout")
        if len(self._plans) >= _PLANS_KEPT:
            self._plans.clear()
        plan = _PlainPlan(url, headers, wire, float(timeout) if isinstance(timeout, int | float) else None)
        self._plans[known] = plan
        return plan


def fits(request: Request, wire: Wire) -> bool:
    """Whether a request is in the plain form, and neither the app nor the environment changes what LiteLLM does."""
    return (
        request.params.keys() <= wire.params
        and request.private.keys() <= _PRIVATE
        and all(_plain_param(name, value) for name, value in request.params.items())
        and all(_plain_message(m) for m in request.messages)
        and not any(os.environ.get(name) for name in _TLS)
        and shapes.neutral(sys.modules.get("litellm"))
    )


def _plain_message(message: Mapping[str, Json]) -> bool:
    return len(message) == 2 and message.get("role") in _ROLES and type(message.get("content")) is str


def _plain_param(name: str, value: Json) -> bool:
    if name == "stop":
        many = isinstance(value, list) and 0 < len(value) <= _STOPS and all(type(v) is str for v in value)
        return many or type(value) is str
    return type(value) in (int, float)


VALUES: Mapping[str, tuple[Json, ...]] = {
    "temperature": (0, 0.7, 1),
    "top_p": (0.9, 1),
    "max_tokens": (1, 17),
    "max_completion_tokens": (18,),
    "seed": (0, 3),
    "stop": ("END", ["\n", "END"]),
    "presence_penalty": (0, 0.5),
    "frequency_penalty": (0, -0.5),
}
"""Parameters of the plain form, and values with which each is compared."""


# --- reading

_USAGE = frozenset(("prompt_tokens", "completion_tokens", "total_tokens"))
_DETAILS = ("prompt_tokens_details", "completion_tokens_details")
_TIERS = (None, "default", "auto", "")
_COSTS = frozenset(("input_cost_per_token", "output_cost_per_token", "output_cost_per_reasoning_token"))
_ELSEWHERE = ("_flex", "_priority", "_batches", "_ultrafast", "_cache_hit")
"""Ends of prices of other ways to be served."""
_NO_TEXT = ("audio", "image", "search_context", "code_interpreter")
_ABOVE = re.compile(r"_above_(\d+)k_tokens")


def read(model: str, reply: HttpReply, *, unpriced: Collection[str] = ()) -> Completion:
    """The completion of an ordinary reply. Raises `NotPlain` for all others."""
    try:
        data = reply.json()
        choice = data["choices"][0]
        message, usage = choice["message"], data["usage"]
        text, finish = message["content"], choice["finish_reason"]
        used = usage["prompt_tokens"], usage["completion_tokens"]
    except Exception:
        raise NotPlain from None
    if (
        type(text) is not str
        or "<think" in text
        or "<budget" in text
        or finish not in ("stop", "length")
        or message.get("role") != "assistant"
        or any(v for k, v in message.items() if k not in ("role", "content"))
        or data.get("error")
        or not all(type(n) is int and 0 < n < MOST_TOKENS for n in used)
        or type(served := data.get("model")) is not str
        or not served
        or not _plain_usage(usage)
        or data.get("service_tier") not in _TIERS
    ):
        raise NotPlain
    meta: dict[str, Json] = {}
    for name in ("system_fingerprint", "service_tier"):
        if isinstance(value := data.get(name), str) and value:
            meta[name] = value
    if limits := rate_limit_of(reply.headers):
        meta["rate_limit"] = limits
    return Completion(
        text=text,
        model=(served := served_id(served, model)),
        finish_reason=finish,
        input_tokens=used[0],
        output_tokens=used[1],
        cost=_cost(model, served, *used, unpriced=unpriced),
        latency=reply.latency,
        created=now(),
        meta=meta,
    )


def _plain_usage(usage: Mapping[str, Json]) -> bool:
    """Nothing that is priced otherwise: no cached tokens, none of audio, no cost of the provider's own."""
    for name, value in usage.items():
        if name in _USAGE or not value or name.endswith("_time"):
            continue
        if name not in _DETAILS or any(
            v for k, v in value.items() if k not in ("reasoning_tokens", "text_tokens")
        ):
            return False
    return True


def _cost(
    model: str, served: str, tokens_in: int, tokens_out: int, *, unpriced: Collection[str]
) -> float | None:
    """US dollars; None where LiteLLM finds no price. Raises `NotPlain` where only it knows."""
    entry = prices.entry_of(model, prices.current())
    if entry is None:
        # LiteLLM goes by the name of the model that answered, then, and by what such names have in common.
        if served not in unpriced:
            raise NotPlain
        return None
    if any(value and _counts(name, tokens_in) for name, value in entry.items() if "_cost_per_" in name):
        raise NotPlain
    per_in, per_out = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    if per_in is None or per_out is None or entry.get("output_cost_per_reasoning_token"):
        raise NotPlain
    return float(tokens_in * per_in + tokens_out * per_out)


def _counts(name: str, tokens_in: int) -> bool:
    """Whether a price adds to those of the two kinds of tokens, or stands in their place."""
    if name in _COSTS or name.endswith(_ELSEWHERE) or any(word in name for word in _NO_TEXT):
        return False
    above = _ABOVE.search(name)
    return above is None or tokens_in > int(above[1]) * 1000
