"""How one attempt of a call is made: the protocol that the scheduler drives.

Two kinds exist: ``litellm_backend`` for whatever LiteLLM names, and Python callables (``python:module:name``).
A backend makes one attempt and says what came of it; waiting, repeating, counting and storing are the gateway's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol, runtime_checkable

from robusttest.core.nouns import Completion, Request
from robusttest.settings import Settings


@runtime_checkable
class Backend(Protocol):
    """Carries requests to models, one attempt each, on the gateway's event loop."""

    async def call(self, request: Request, *, timeout: float) -> Completion:
        """One attempt, within ``timeout`` seconds.

        Raises `failures.AttemptError` (a ``CallError`` with ``retryable`` and ``retry_after``) where this
        attempt gave no reply, `errors.ConfigurationError` where no attempt ever will. A refusal by the model
        or the provider's filter is a reply: ``Completion.refusal`` says it.
        """
        ...

    async def close(self) -> None:
        """Close connections and clients; to be called on the loop that made the calls."""
        ...

    def estimate(self, request: Request) -> float | None:
        """An upper estimate of the call's cost in US dollars; None is unknown."""
        ...


def litellm_backend(settings: Settings) -> Backend:
    """The backend for every model that LiteLLM names. Imports litellm on its first call."""
    from robusttest.gateway.litellm.backend import LitellmBackend

    return LitellmBackend(settings)


def preflight(models: Iterable[str], *, with_key: Collection[str] = ()) -> list[str]:
    """Problems that no call can get around, one line each: unknown providers and missing keys.

    ``with_key`` are the models whose tests give an ``api_key`` themselves. Imports litellm, calls nothing.
    """
    from robusttest.gateway.litellm import preflight as litellm_preflight

    return litellm_preflight.preflight(models, with_key=with_key)
