"""LiteLLM, imported as we need it, and what it can say about a model before the first call."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from robusttest.core.secrets import scrub
from robusttest.errors import did_you_mean, nearest

LOCAL_PRICES = "LITELLM_LOCAL_MODEL_COST_MAP"


_TYPES = r".* using the `ReadOnly` qualifier"


def ignore_typing_warnings() -> None:
    """Where warnings are errors, LiteLLM's own types would make a call fail that is the first to import them."""
    filters = warnings.filters
    if not any(f[0] == "ignore" and getattr(f[1], "pattern", f[1]) == _TYPES for f in filters[:4]):
        warnings.filterwarnings("ignore", _TYPES, UserWarning)


def load_litellm() -> tuple[Any, list[str]]:
    """``(litellm, notes)``: imported without network traffic and without chatter.

    A note says where somebody imported it before us, with a price table fetched from the network.
    """
    notes: list[str] = []
    imported_before = "litellm" in sys.modules
    local = os.environ.setdefault(LOCAL_PRICES, "True").strip().lower() in ("1", "true", "yes", "on")
    # Before the import, which warns of optional packages that are not there.
    for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
        logger = logging.getLogger(name)
        if logger.level < logging.ERROR and "LITELLM_LOG" not in os.environ:
            logger.setLevel(logging.ERROR)
    with _without_collections():
        import litellm

    if imported_before and not local:
        notes.append(
            f"litellm was imported with {LOCAL_PRICES} off: its price table came from the network, "
            "costs may differ from day to day"
        )
    elif imported_before and not getattr(litellm, "_robusttest_loaded", False):
        notes.append(
            f"litellm was imported before the first call, perhaps with a price table from the network; "
            f"set {LOCAL_PRICES}=True in the environment for costs that stay the same"
        )
    litellm._robusttest_loaded = True
    litellm.suppress_debug_info = True
    return litellm, notes


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """An import of thousands of modules makes little garbage and many objects: looking through them takes a seventh of its time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def preflight(models: Iterable[str], *, with_key: Collection[str] = ()) -> list[str]:
    """Problems that no call can get around, one line each: unknown providers and missing keys.

    ``with_key`` are the models whose tests give an ``api_key`` themselves. Imports litellm, calls nothing.
    """
    litellm, _ = load_litellm()
    problems: list[str] = []
    for model in dict.fromkeys(models):
        try:
            _, provider, _, _ = litellm.get_llm_provider(model)
        except Exception:
            problems.append(_unknown(litellm, model))
            continue
        if model in with_key:
            continue
        try:
            found = litellm.validate_environment(model=model)
        except Exception as error:
            problems.append(f"{model}: {scrub(str(error))}")
            continue
        missing = sorted(name for name in found.get("missing_keys", ()) if not os.environ.get(name))
        # Clouds find credentials in many places, local servers need none: only a plain key is surely missing.
        if any(n.endswith("_API_KEY") for n in missing) and not _has_key(litellm, provider):
            names = (" or " if provider == "gemini" else " and ").join(missing)
            problems.append(f"{model}: no key for provider {provider!r}; set {names} in the environment")
    return problems


def _has_key(litellm: Any, provider: str) -> bool:
    """The app has set a key in LiteLLM itself, or signs in without one."""
    if getattr(litellm, "api_key", None) or getattr(litellm, f"{provider}_key", None):
        return True
    return provider.startswith("azure") and any(
        os.environ.get(name) for name in ("AZURE_AD_TOKEN", "AZURE_CLIENT_ID", "AZURE_USERNAME")
    )


def _unknown(litellm: Any, model: str) -> str:
    providers = sorted(str(getattr(p, "value", p)) for p in litellm.provider_list)
    prefix, slash, rest = model.partition("/")
    if slash and (near := nearest(prefix, providers)) is not None:
        return f"{model}: unknown provider {prefix!r}. Did you mean {near}/{rest}?"
    if slash:
        return f"{model}: unknown provider {prefix!r}; LiteLLM's names look like openai/gpt-4o-mini or ollama/llama3"
    hint = did_you_mean(model, litellm.model_cost, cutoff=0.7)
    return f"{model!r}: unknown model without a provider in front (as in openai/{model or '…'}).{hint}"
