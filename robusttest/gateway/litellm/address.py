"""Where LiteLLM sends a call: the variables of the environment that it reads, by provider, without importing it.

``tests/gateway/test_address.py`` asks the installed LiteLLM itself, for every provider that it has.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from robusttest.core.models import asked
from robusttest.core.nouns import Json
from robusttest.core.secrets import is_address, normal_url, scrub
from robusttest.errors import UsageError
from robusttest.gateway.litellm import prices

_OPENAI = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
_ANTHROPIC = ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL")
_REGION = ("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")

BASES: dict[str, tuple[str, ...]] = {
    "ai21": _OPENAI,
    "ai21_chat": ("AI21_API_BASE",),
    "aiohttp_openai": _OPENAI,
    "anthropic": _ANTHROPIC,
    "anthropic_text": _ANTHROPIC,
    "azure": ("AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT"),
    "azure_text": ("AZURE_API_BASE",),
    "bedrock": ("AWS_BEDROCK_RUNTIME_ENDPOINT",),
    "cohere_chat": ("COHERE_API_BASE",),
    "custom_openai": _OPENAI,
    "databricks_agent": ("DATABRICKS_API_BASE",),
    "datarobot": ("DATAROBOT_ENDPOINT",),
    "featherless_ai": ("FEATHERLESS_AI_API_BASE", "FEATHERLESS_API_BASE"),
    "fireworks_ai": ("FIREWORKS_API_BASE",),
    "friendliai": ("FRIENDLI_API_BASE",),
    "huggingface": ("HF_API_BASE", "HUGGINGFACE_API_BASE"),
    "lambda_ai": ("LAMBDA_API_BASE",),
    "litellm_proxy": ("LITELLM_PROXY_API_BASE", *_OPENAI),
    "lm_studio": ("LM_STUDIO_API_BASE", *_OPENAI),
    "meta_llama": ("LLAMA_API_BASE",),
    "mistral": ("MISTRAL_AZURE_API_BASE",),
    "ollama": ("OLLAMA_API_BASE",),
    "ollama_chat": ("OLLAMA_API_BASE",),
    "openai": _OPENAI,
    "sagemaker": (),
    "sagemaker_chat": (),
    "sagemaker_nova": (),
    "scx-ai": ("SCX_API_BASE",),
    "tensormesh": ("TENSORMESH_SERVERLESS_BASE_URL",),
    "text-completion-inception": ("INCEPTION_API_BASE",),
    "text-completion-openai": _OPENAI,
    "watsonx": ("WATSONX_API_BASE", "WATSONX_URL", "WX_URL", "WML_URL"),
    "watsonx_text": ("WATSONX_API_BASE", "WATSONX_URL", "WX_URL", "WML_URL"),
    "xinference": _OPENAI,
}
"""Provider → variables that hold its address, the first that is set decides. All others: ``<PROVIDER>_API_BASE``."""

REGIONS: dict[str, tuple[str, ...]] = {
    "bedrock": _REGION,
    "bedrock_mantle": ("BEDROCK_MANTLE_REGION", "AWS_REGION_NAME", "AWS_REGION"),
    "sagemaker": ("AWS_REGION", "AWS_REGION_NAME"),
    "sagemaker_chat": _REGION,
    "sagemaker_nova": _REGION,
    "vertex_ai": ("VERTEXAI_LOCATION",),
    "vertex_ai_beta": ("VERTEXAI_LOCATION",),
}
"""Provider → variables that hold the region within the provider's own address, as a call that names none is sent there."""
_REGION_PARAMS = ("aws_region_name", "vertex_location", "vertex_ai_location", "region_name")

_BARE = {
    "gpt-": "openai",
    "chatgpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "claude": "anthropic",
}
"""Beginnings of names that LiteLLM takes without a provider in front."""


def provider_of(model: str) -> str:
    """The provider of ``provider/model``, or the one that LiteLLM takes for a bare name; empty if there is none."""
    model = asked(model)
    prefix, slash, _ = model.partition("/")
    if slash:
        return prefix
    for start, provider in _BARE.items():
        if model.startswith(start):
            return provider
    held = str((prices.table().get(model) or {}).get("litellm_provider", ""))
    return "vertex_ai" if held.startswith("vertex_ai") else held


def base_variables(provider: str) -> tuple[str, ...]:
    own = BASES.get(provider)
    return (re.sub(r"\W", "_", provider).upper() + "_API_BASE",) if own is None else own


def base_from_environment(provider: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The address that the environment gives for a provider; None: its own."""
    return next((environ[name] for name in base_variables(provider) if environ.get(name)), None)


def endpoint_of(
    model: str, params: Mapping[str, Json], environ: Mapping[str, str] = os.environ
) -> str | None:
    """The endpoint that a call goes to, in its normal form, or ``region …``; None: the provider's own.

    From the parameter ``api_base`` (or ``base_url``), else the environment. Raises `UsageError` for what is no URL.
    """
    given = params.get("api_base") or params.get("base_url")
    provider = provider_of(model)
    given = given or base_from_environment(provider, environ)
    if given:
        if not is_address(given):
            raise UsageError(
                f"api_base {scrub(str(given))!r} of {model}: write the whole address, as in http://localhost:8000/v1"
            )
        return normal_url(str(given))
    if any(params.get(name) for name in _REGION_PARAMS):
        return None  # a parameter, and so part of the request's identity already
    names = REGIONS.get(provider, ())
    return next((f"region {environ[name]}" for name in names if environ.get(name)), None)


_PATHS = re.compile(r"(?:/chat/completions|/v1/messages|/api/chat|/api/generate)/?$")


def base_in(url: str) -> str:
    """What to give as ``api_base`` for calls to go to this address."""
    return _PATHS.sub("", url)
