"""For which requests both ways to a provider are proven equal.

``tests/gateway/test_transport.py`` sends each of these both ways and compares body, headers, parsed reply, usage,
cost and kinds of failure. What is not listed here goes through ``litellm.acompletion``.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Mapping
from typing import Any

_VERSIONS = ("1.85.", "1.88.", "1.104.", "1.106.")
PROVEN: dict[str, tuple[str, ...]] = {
    "openai": _VERSIONS,
    "hosted_vllm": _VERSIONS,
    "anthropic": _VERSIONS,
}
"""Provider → beginnings of the LiteLLM versions with which ``tests/gateway/test_transport.py`` has passed."""

PARAMS = frozenset(
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
PRIVATE = frozenset(("api_key", "api_base", "base_url", "timeout", "extra_headers", "max_retries"))
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


def providers(version: str) -> set[str]:
    """The providers that are proven with this version of LiteLLM."""
    return {provider for provider, proven in PROVEN.items() if version.startswith(proven)}


def special(litellm: Any, model: str, provider: str) -> bool:
    """Models for which LiteLLM leaves the plain chat route: reasoning models, other modes and interfaces."""
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


def base_from_environment(provider: str) -> str | None:
    names = {
        "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        "hosted_vllm": ("HOSTED_VLLM_API_BASE",),
        "anthropic": ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
    }[provider]
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def proxied(url: str) -> bool:
    """A proxy is set: LiteLLM's own client knows which hosts go through it."""
    loopback = url.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
    return not loopback and bool(set(urllib.request.getproxies()) & {"http", "https", "all"})


def neutral(litellm: Any) -> bool:
    """Whether neither the app nor the environment has changed what LiteLLM does with a call."""
    if any(os.environ.get(name) for name in _ENVIRONMENT):
        return False
    if getattr(litellm, "ssl_verify", True) is not True:
        return False
    return not any(getattr(litellm, name, None) for name in _GLOBALS)


def shape(messages: tuple[Mapping[str, Any], ...]) -> str:
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
