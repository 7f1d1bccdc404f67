"""How one attempt of a call is made: the protocol that the scheduler drives.

Two kinds exist: ``litellm_backend`` for whatever LiteLLM names, and Python callables (``python:module:name``).
A backend makes one attempt and says what came of it; waiting, repeating, counting and storing are the gateway's.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from robusttest.data import Completion, Request


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
