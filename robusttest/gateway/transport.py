"""LiteLLM builds the request and reads the reply; one pooled session of ours carries it.

``litellm.acompletion`` costs about 3 ms of CPU a call, its provider layer alone about a tenth. Only requests for
which the tests prove both ways equal (body, headers, parsed reply, usage, cost, kinds of failure) go this way:
a provider, a range of LiteLLM versions, parameters, kinds of messages, and an app that has not changed LiteLLM's
global state. All others go through ``acompletion``: `ProviderTransport.carries` decides.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from robusttest.data import Completion, Request
from robusttest.gateway.failures import Failure, classify
from robusttest.gateway.model_response import completion_of, filtered, rate_limit_of

PROVEN: dict[str, tuple[str, ...]] = {
    "openai": ("1.88.", "1.106."),
    "hosted_vllm": ("1.88.", "1.106."),
    "anthropic": ("1.88.", "1.106."),
}
"""Provider → beginnings of the LiteLLM versions with which ``tests/gateway/test_transport.py`` has passed."""

PROVEN_PARAMS = frozenset(
    (
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "seed",
        "stop",
        "n",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "user",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "extra_headers",
    )
)
PROVEN_PRIVATE = frozenset(("api_key", "api_base", "base_url", "timeout", "extra_headers", "max_retries"))
_ROLES = frozenset(("system", "user", "assistant", "tool"))
_MESSAGE_FIELDS = frozenset(("role", "content", "tool_calls", "tool_call_id", "name"))
_PARTS = frozenset(("text", "image_url"))

# What an app may set in litellm that changes a call: any of these set sends every call through acompletion.
_GLOBALS = (
    "api_base",
    "api_key",
    "openai_key",
    "anthropic_key",
    "organization",
    "headers",
    "model_alias_map",
    "model_fallbacks",
    "proxy_auth",
    "drop_params",
    "modify_params",
    "add_function_to_prompt",
    "enable_preview_features",
    "callbacks",
    "success_callback",
    "failure_callback",
    "_async_success_callback",
    "_async_failure_callback",
    "input_callback",
    "cache",
    "max_budget",
    "client_session",
    "aclient_session",
    "use_litellm_proxy",
    "openai_system_messages_first",
)
_ENVIRONMENT = (
    "OPENAI_ORGANIZATION",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "EXPERIMENTAL_OPENAI_BASE_LLM_HTTP_HANDLER",
    "LITELLM_ANTHROPIC_DISABLE_URL_SUFFIX",
    "ANTHROPIC_AUTH_TOKEN",
    "USE_LITELLM_PROXY",
    "DISABLE_AIOHTTP_TRANSPORT",
    "SSL_VERIFY",
    "SSL_CERTIFICATE",
)
_PLANS_KEPT = 512
_CONNECTIONS = 512
_KEEPALIVE = 60.0


class _Silent:
    """What LiteLLM's transformations report to; nobody listens."""

    def __init__(self) -> None:
        self.model_call_details: dict[str, Any] = {}

    def post_call(self, *args: object, **kwargs: object) -> None:
        pass

    pre_call = post_call


class _Raw:
    """As much of an ``httpx.Response`` as LiteLLM's transformations read."""

    __slots__ = ("content", "headers", "status_code")

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.status_code, self.headers, self.content = status, headers, content

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(slots=True)
class _Plan:
    """What all requests of one shape share."""

    provider: str
    model: str
    config: Any
    url: str
    headers: dict[str, str] = field(repr=False)
    optional: dict[str, Any]
    litellm_params: dict[str, Any] = field(repr=False)
    api_key: str | None = field(repr=False)
    json_mode: bool | None
    nested: bool
    """``optional`` holds lists or dicts, which a transformation may change in place."""
    timeout: float | None


class ProviderTransport:
    """Carries the requests that `carries` says yes to. Lives on one event loop."""

    def __init__(self, litellm: Any) -> None:
        self._litellm = litellm
        self._session: Any = None
        self._plans: dict[tuple[Any, ...], _Plan | None] = {}
        self._encoding: Any = None
        self._unpriced: set[tuple[object, ...]] = set()
        installed = version("litellm")
        self._providers = {p for p, proven in PROVEN.items() if installed.startswith(proven)}

    def carries(self, request: Request) -> bool:
        """Whether this request is proven to fare the same this way."""
        provider = request.model.partition("/")[0]
        return provider in self._providers and self._neutral() and self._plan(request) is not None

    async def call(self, request: Request, *, timeout: float) -> Completion:
        """One attempt; raises what `failures.classify` says, a timeout as ``TimeoutError``."""
        __tracebackhide__ = True
        plan = self._plan(request)
        assert plan is not None
        if plan.timeout is not None:
            timeout = min(timeout, plan.timeout)
        optional = copy.deepcopy(plan.optional) if plan.nested else dict(plan.optional)
        body = plan.config.transform_request(
            model=plan.model,
            messages=self._messages(request),
            optional_params=optional,
            litellm_params=plan.litellm_params,
            headers=plan.headers,
        )
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        session = self._session or self._open()
        started = time.perf_counter()
        async with (
            asyncio.timeout(timeout),
            session.post(plan.url, data=data, headers=plan.headers) as answer,
        ):
            content = await answer.read()
        raw = _Raw(answer.status, answer.headers, content)
        latency = time.perf_counter() - started
        if not 200 <= raw.status_code < 300:
            failure = classify(
                model=request.model, status=raw.status_code, text=raw.text, headers=raw.headers
            )
            if failure.kind == "refused":
                return filtered(failure.message, latency=latency)
            failure.raise_()
        return self._read(request, plan, raw, body, optional, latency)

    def _read(
        self,
        request: Request,
        plan: _Plan,
        raw: _Raw,
        body: dict[str, Any],
        optional: dict[str, Any],
        latency: float,
    ) -> Completion:
        __tracebackhide__ = True
        failure: Failure | None = None
        try:
            response = plan.config.transform_response(
                model=plan.model,
                raw_response=raw,
                model_response=self._litellm.ModelResponse(),
                logging_obj=_Silent(),
                request_data=body,
                messages=body.get("messages") or [],
                optional_params=optional,
                litellm_params=plan.litellm_params,
                encoding=self._encoding,
                api_key=plan.api_key,
                json_mode=plan.json_mode,
            )
        except Exception as error:
            failure = unreadable(error, request.model)
        if failure is not None:
            failure.raise_()
        completion = completion_of(
            response, model=request.model, latency=latency, cost=self._cost(response, plan)
        )
        if limits := rate_limit_of(raw.headers):
            meta = {**completion.meta, "rate_limit": limits}
            object.__setattr__(completion, "meta", meta)
        return completion

    def _cost(self, response: Any, plan: _Plan) -> float | None:
        # Finding out that a model has no price takes LiteLLM as long as the rest of a call together.
        names = (plan.provider, plan.model, response.model, len(self._litellm.model_cost))
        if names in self._unpriced:
            return None
        try:
            cost = self._litellm.completion_cost(
                completion_response=response, model=plan.model, custom_llm_provider=plan.provider
            )
        except Exception as error:
            if "mapped" in str(error):
                self._unpriced.add(names)
            return None
        return float(cost) if cost is not None else None

    def _plan(self, request: Request) -> _Plan | None:
        """The plan of this request's shape, made once; None where the shape is not proven."""
        key = (
            request.model,
            json.dumps(request.params, sort_keys=True, default=repr),
            tuple(sorted((k, repr(v)) for k, v in request.private.items())),
            _shape(request.messages),
        )
        try:
            return self._plans[key]
        except KeyError:
            pass
        if len(self._plans) >= _PLANS_KEPT:
            self._plans.clear()
        plan = self._plans[key] = self._make_plan(request) if key[-1] else None
        return plan

    def _make_plan(self, request: Request) -> _Plan | None:
        """None as well where LiteLLM raises: ``acompletion`` then says what is wrong."""
        litellm = self._litellm
        private = dict(request.private)
        if set(request.params) - PROVEN_PARAMS or set(private) - PROVEN_PRIVATE:
            return None
        try:
            params = copy.deepcopy(dict(request.params))
            extra_headers = {**params.pop("extra_headers", {}), **private.get("extra_headers", {})}
            model, provider, key, base = litellm.get_llm_provider(
                request.model,
                api_base=private.get("api_base") or private.get("base_url"),
                api_key=private.get("api_key"),
            )
            if provider not in self._providers or self._special(model, provider):
                return None
            key = key or private.get("api_key") or os.environ.get(f"{provider.upper()}_API_KEY")
            base = base or self._base_from_environment(provider)
            if not key:
                return None
            config = litellm.utils.ProviderConfigManager.get_provider_chat_config(
                model=model, provider=litellm.LlmProviders(provider)
            )
            messages = self._messages(request)
            # As ``completion`` does before anything else.
            if "stop" in params:
                params["stop"] = litellm.utils.validate_openai_optional_params(stop=params["stop"])
            if "tool_choice" in params:
                params["tool_choice"] = litellm.utils.validate_chat_completion_tool_choice(
                    tool_choice=params["tool_choice"]
                )
            optional = litellm.utils.get_optional_params(
                model=model,
                custom_llm_provider=provider,
                messages=messages,
                drop_params=False,
                stream=None,
                **params,
            )
            if optional.pop("extra_body", None):
                return None
            optional.pop("max_retries", None)
            json_mode = optional.pop("json_mode", None)
            litellm_params = {"custom_llm_provider": provider, "api_base": base, "api_key": key}
            headers = config.validate_environment(
                headers=dict(extra_headers),
                model=model,
                messages=messages,
                optional_params=optional,
                litellm_params=litellm_params,
                api_key=key,
                api_base=base,
            )
            if provider == "anthropic":
                base = base or "https://api.anthropic.com"
                base = base if base.endswith("/v1/messages") else base + "/v1/messages"
            url = config.get_complete_url(
                api_base=base,
                api_key=key,
                model=model,
                optional_params=optional,
                litellm_params=litellm_params,
                stream=False,
            )
        except Exception:
            return None
        if self._proxied(url):
            return None
        headers = {str(k): str(v) for k, v in headers.items()}
        if "content-type" not in {k.lower() for k in headers}:
            headers["Content-Type"] = "application/json"
        timeout = private.get("timeout")
        return _Plan(
            provider=provider,
            model=model,
            config=config,
            url=url,
            headers=headers,
            optional=optional,
            litellm_params=litellm_params,
            api_key=key,
            json_mode=json_mode,
            nested=any(isinstance(v, dict | list) for v in optional.values()),
            timeout=float(timeout) if isinstance(timeout, int | float) else None,
        )

    def _messages(self, request: Request) -> list[dict[str, Any]]:
        """A copy, as LiteLLM's transformations change messages in place and a request is shared."""
        if all(type(m) is dict and len(m) == 2 and type(m.get("content")) is str for m in request.messages):
            return [dict(m) for m in request.messages]
        copies = [copy.deepcopy(dict(m)) for m in request.messages]
        fixed: list[dict[str, Any]] = self._litellm.utils.validate_and_fix_openai_messages(messages=copies)
        return fixed

    def _special(self, model: str, provider: str) -> bool:
        """Models for which LiteLLM leaves the plain chat route: reasoning models, other modes and interfaces."""
        litellm = self._litellm
        if "/" in model and provider != "hosted_vllm" and provider != "openai":
            return True
        if provider == "openai":
            if litellm.openaiOSeriesConfig.is_model_o_series_model(model=model):
                return True
            if litellm.OpenAIGPT5Config.is_model_gpt_5_model(model=model):
                return True
            if any(word in model for word in ("audio", "search", "responses", "ft:", "instruct", "realtime")):
                return True
            if litellm.OpenAIConfig.get_config():
                return True
        if provider == "anthropic" and not model.startswith("claude"):
            return True
        entry = litellm.model_cost.get(model) or {}
        return bool(entry.get("mode", "chat") != "chat")

    def _base_from_environment(self, provider: str) -> str | None:
        names = {
            "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
            "hosted_vllm": ("HOSTED_VLLM_API_BASE",),
            "anthropic": ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
        }[provider]
        return next((os.environ[name] for name in names if os.environ.get(name)), None)

    def _proxied(self, url: str) -> bool:
        """A proxy is set: LiteLLM's own client knows which hosts go through it."""
        loopback = url.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
        return not loopback and bool(set(urllib.request.getproxies()) & {"http", "https", "all"})

    def _neutral(self) -> bool:
        if any(os.environ.get(name) for name in _ENVIRONMENT):
            return False
        if getattr(self._litellm, "ssl_verify", True) is not True:
            return False
        return not any(getattr(self._litellm, name, None) for name in _GLOBALS)

    def _open(self) -> Any:
        import aiohttp

        try:
            from litellm.llms.custom_httpx.http_handler import get_ssl_configuration

            ssl = get_ssl_configuration(None)
        except ImportError:
            ssl = True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=_CONNECTIONS, keepalive_timeout=_KEEPALIVE, ttl_dns_cache=300, ssl=ssl
            ),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self._session

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def unreadable(error: Exception, model: str) -> Failure:
    """The failure that a reply of status 200 is which LiteLLM can't read, or in which it found an error."""
    status = getattr(error, "status_code", None)
    return classify(
        model=model,
        # LiteLLM's own client calls it a 500 as well.
        status=status if isinstance(status, int) else 500,
        names=type(error).__name__,
        text=str(getattr(error, "message", None) or error),
    )


def _shape(messages: tuple[Mapping[str, Any], ...]) -> str:
    """Roles and kinds of content; empty where they are not proven."""
    kinds: set[str] = set()
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if role not in _ROLES or message.keys() - _MESSAGE_FIELDS:
            return ""
        if isinstance(content, list):
            for part in content:
                if not isinstance(part, Mapping) or part.get("type") not in _PARTS or "cache_control" in part:
                    return ""
                kinds.add(f"{role}:{part['type']}")
        elif content is not None and not isinstance(content, str):
            return ""
        else:
            kinds.add(f"{role}:{'tool_calls' if message.get('tool_calls') else 'str'}")
    return ",".join(sorted(kinds))
