"""Which models surely can't be called for want of a key: a look at the environment, without LiteLLM.

LiteLLM's own check (`litellm_preflight`) is thorough and takes seconds to import; this one decides, before anything is
planned, whether a run in CI has to make do with stored replies.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping

from robusttest.core.models import Model
from robusttest.gateway.litellm.address import provider_of

KEYS: dict[str, tuple[str, ...]] = {
    "ai21": ("AI21_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "azure": ("AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_AD_TOKEN", "AZURE_CLIENT_ID", "AZURE_USERNAME"),
    "azure_ai": ("AZURE_AI_API_KEY", "AZURE_API_KEY", "AZURE_AD_TOKEN", "AZURE_CLIENT_ID", "AZURE_USERNAME"),
    "cerebras": ("CEREBRAS_API_KEY",),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "cohere_chat": ("COHERE_API_KEY", "CO_API_KEY"),
    "dashscope": ("DASHSCOPE_API_KEY",),
    "deepinfra": ("DEEPINFRA_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "fireworks_ai": (
        "FIREWORKS_API_KEY",
        "FIREWORKS_AI_API_KEY",
        "FIREWORKSAI_API_KEY",
        "FIREWORKS_AI_TOKEN",
    ),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "huggingface": ("HF_TOKEN", "HUGGINGFACE_API_KEY"),
    "mistral": ("MISTRAL_API_KEY",),
    "moonshot": ("MOONSHOT_API_KEY",),
    "nvidia_nim": ("NVIDIA_NIM_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY", "OR_API_KEY"),
    "perplexity": ("PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY"),
    "replicate": ("REPLICATE_API_KEY", "REPLICATE_API_TOKEN"),
    "sambanova": ("SAMBANOVA_API_KEY",),
    "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_AI_TOKEN"),
    "xai": ("XAI_API_KEY",),
}
"""Provider → names of environment variables, any of which lets LiteLLM call it.

Providers that are not here count as having what they need: clouds find credentials in many places, servers of one's
own want none.
"""


def missing(
    models: Iterable[str], *, given: Collection[str] = (), environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Model → the name of the variable that it lacks, for models that surely can't be called.

    ``given``: models whose tests bring an ``api_key`` or ``api_base`` themselves. Models in Python need no key.
    """
    out: dict[str, str] = {}
    for model in dict.fromkeys(models):
        names = KEYS.get(provider_of(model), ())
        if (
            names
            and model not in given
            and not brings_access(model)
            and not any(environ.get(name) for name in names)
        ):
            out[model] = names[0]
    return out


def brings_access(model: str) -> bool:
    """Whether a model says itself with which key, or where, it is called."""
    if not isinstance(model, Model):
        return False
    return bool(model.endpoints) or bool({"api_key", "api_base", "base_url"} & model.params.keys())


def needing(models: Iterable[str]) -> list[str]:
    """The models that can't be called without a key."""
    return [model for model in dict.fromkeys(models) if provider_of(model) in KEYS]
