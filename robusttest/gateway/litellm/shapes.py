"""Requests by shape: which of them our transport may carry at all, and what an app may change that forbids it.

What is left is tried out (`selftest`) before it is carried; all else goes through ``litellm.acompletion``.
"""

from __future__ import annotations

import contextlib
import os
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

PROVIDERS = frozenset(
    (
        "anthropic",
        "cerebras",
        "deepinfra",
        "deepseek",
        "fireworks_ai",
        "groq",
        "hosted_vllm",
        "litellm_proxy",
        "llamafile",
        "lm_studio",
        "mistral",
        "moonshot",
        "nvidia_nim",
        "ollama",
        "ollama_chat",
        "openai",
        "openrouter",
        "perplexity",
        "sambanova",
        "together_ai",
        "xai",
    )
)
"""Providers that are asked by one POST with a key in a header: no signature, no token to fetch, no job to poll."""
KEYLESS = frozenset(("ollama", "ollama_chat"))
"""Of these, who is asked without a key as well."""
DEFAULTS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "openrouter": "https://openrouter.ai/api/v1",
}
"""Addresses that ``acompletion`` itself fills in; LiteLLM tells the others' with the name."""
_AT_THE_ROOT = frozenset(("anthropic", "ollama_chat", "ollama"))

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
    "ollama_key",
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


def base_of(model: str, host: str) -> str:
    """The ``api_base`` by which a server at ``host`` is asked for this model."""
    return host if model.partition("/")[0] in _AT_THE_ROOT else f"{host}/v1"


def special(litellm: Any, model: str, provider: str) -> bool:
    """Models that LiteLLM asks by another interface than chat, or by one that depends on what is asked."""
    if provider == "openai":
        if any(word in model for word in ("audio", "search", "responses", "instruct", "realtime")):
            return True
        if litellm.OpenAIConfig.get_config():
            return True
    if provider == "anthropic" and not model.startswith("claude"):
        return True
    entry = litellm.model_cost.get(model) or litellm.model_cost.get(f"{provider}/{model}") or {}
    return bool(entry.get("mode", "chat") != "chat")


def proxied(url: str) -> bool:
    """A proxy is set: LiteLLM's own client knows which hosts go through it."""
    loopback = url.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
    return not loopback and bool(set(urllib.request.getproxies()) & {"http", "https", "all"})


def neutral(litellm: Any | None) -> bool:
    """Whether neither the app nor the environment has changed what LiteLLM does with a call. None: it is not loaded."""
    if any(os.environ.get(name) for name in _ENVIRONMENT):
        return False
    if litellm is None:
        return True
    if getattr(litellm, "ssl_verify", True) is not True:
        return False
    return not any(getattr(litellm, name, None) for name in _GLOBALS)


@contextlib.contextmanager
def unmarked(litellm: Any) -> Iterator[None]:
    """A request to Ollama with tools turns ``add_function_to_prompt`` on, by which all later calls of the process are made
    otherwise: here it is turned off again.
    """
    before = getattr(litellm, "add_function_to_prompt", None)
    try:
        yield
    finally:
        if before is False:
            litellm.add_function_to_prompt = False


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
