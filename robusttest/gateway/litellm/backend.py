"""Calls through LiteLLM: one attempt each, our errors, no litellm object leaves this module.

LiteLLM is imported on the first call (2.7 s of CPU), on the thread that runs the loop; a replayed run never
imports it. ``settings.transport`` ``auto`` lets `transport` carry the requests of proven providers.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robusttest.core.nouns import Completion, Request
from robusttest.errors import ConfigurationError
from robusttest.gateway.litellm import prices, selftest, shapes
from robusttest.gateway.litellm.failures import AttemptError, failure_of
from robusttest.gateway.litellm.plain import Plain, Wire
from robusttest.gateway.litellm.pool import Pool
from robusttest.gateway.litellm.preflight import ignore_typing_warnings, load_litellm
from robusttest.gateway.litellm.response import completion_of, filtered
from robusttest.settings import Settings

if TYPE_CHECKING:
    from robusttest.gateway.litellm.selftest import Call
    from robusttest.gateway.litellm.transport import ProviderTransport

CLOSE_SECONDS = 1.0
_log = logging.getLogger("robusttest")


class LitellmBackend:
    """See `backends.Backend`. ``notes`` are for the run's report; ``facts()`` for its versions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._litellm: Any = None
        self._transport: ProviderTransport | None = None
        self._pool = Pool()
        self._results: selftest.Results | None = None
        self._plain = Plain(self._pool, self._wire)
        self._calls_through_litellm = 0
        self._only_litellm: set[str] = set()
        """Providers with an interface of their own, a signature or a token to fetch."""
        self._used = False
        """LiteLLM has made a call, in a self-test too, and keeps clients."""
        self._skips_mcp = False
        """Versions that look for MCP servers among any tools need a package for it that they don't bring."""
        self._checked: set[tuple[str, frozenset[str]]] = set()
        self.notes: list[str] = []

    async def call(self, request: Request, *, timeout: float) -> Completion:
        __tracebackhide__ = True
        if self._plain.carries(request):
            return await self._told(self._plainly, request, timeout=timeout)
        if self._litellm is None:
            self._load()
        ignore_typing_warnings()
        made = self._call
        if self._transport is not None and await self._transport.carries(request):
            # The trial may have found that it is asked in the plain form.
            made = self._plainly if self._plain.carries(request) else self._transport.call
        if made == self._call:
            self._calls_through_litellm += 1
            provider = request.model.partition("/")[0]
            if self._transport is not None and provider not in shapes.PROVIDERS:
                self._only_litellm.add(provider)
        return await self._told(made, request, timeout=timeout)

    def known(self, request: Request) -> bool:
        """Whether the call is made without LiteLLM, which has nothing to say on it before."""
        return self._plain.carries(request)

    def _wire(self, model: str) -> Wire | None:
        if self._settings.transport != "auto" or model.partition("/")[0] not in shapes.PROVIDERS:
            return None
        passed = self._kept().get(model)
        return passed.wire if passed is not None else None

    def _kept(self) -> selftest.Results:
        if self._results is None:
            self._results = selftest.Results()
        return self._results

    async def _plainly(self, request: Request, *, timeout: float) -> Completion:
        __tracebackhide__ = True
        came = await self._plain.call(request, timeout=timeout)
        if isinstance(came, Completion):
            return came
        if self._litellm is None:
            self._load()
        assert self._transport is not None
        completion = self._transport.read(request, came)
        if completion.cost is None and completion.input_tokens and completion.model:
            self._kept().learn_unpriced(request.model, completion.model)
        return completion

    async def _told(self, made: Call, request: Request, *, timeout: float) -> Completion:
        """What a way of calling came to, in our words."""
        __tracebackhide__ = True
        started = time.perf_counter()
        try:
            return await made(request, timeout=timeout)
        except (AttemptError, ConfigurationError) as error:
            # Without the frames below, whose locals hold keys.
            error.__context__ = error.__cause__ = None
            raise error.with_traceback(None) from None
        except Exception as error:
            failure = failure_of(error, request)
        if failure.kind == "refused":
            return filtered(failure.message, latency=time.perf_counter() - started)
        failure.raise_()

    async def _call(self, request: Request, *, timeout: float) -> Completion:
        litellm = self._litellm
        self._check_params(request)
        kwargs = {**request.params, **request.private}
        headers = [
            part["extra_headers"] for part in (request.params, request.private) if "extra_headers" in part
        ]
        if headers:
            kwargs["extra_headers"] = {name: value for part in headers for name, value in part.items()}
        for name in ("max_retries", "num_retries", "request_timeout"):
            kwargs.pop(name, None)
        timeout = min(timeout, float(kwargs.pop("timeout", None) or timeout))
        if self._skips_mcp and _plain_tools(kwargs.get("tools")):
            kwargs["_skip_mcp_handler"] = True
        # A copy: LiteLLM edits messages in place.
        kwargs["messages"] = [dict(m) for m in request.messages]
        self._used = True
        started = time.perf_counter()
        with shapes.unmarked(litellm):
            async with asyncio.timeout(timeout):
                response = await litellm.acompletion(
                    model=request.model,
                    timeout=timeout,
                    max_retries=0,
                    drop_params=False,
                    **{"no-log": True},
                    caching=False,
                    **kwargs,
                )
        latency = time.perf_counter() - started
        hidden = getattr(response, "_hidden_params", None) or {}
        return completion_of(
            response, model=request.model, latency=latency, cost=_cost(hidden.get("response_cost"))
        )

    def _load(self) -> None:
        self._litellm, notes = load_litellm()
        self.notes.extend(notes)
        for note in notes:
            _log.warning(note)
        self._skips_mcp = "_skip_mcp_handler" in Path(self._litellm.main.__file__).read_text("utf-8")
        if self._settings.transport == "auto":
            from robusttest.gateway.litellm.transport import ProviderTransport

            self._transport = ProviderTransport(
                self._litellm,
                theirs=partial(self._told, self._call),
                told=self._told,
                pool=self._pool,
                plain=self._plain,
                results=self._kept(),
            )

    def _check_params(self, request: Request) -> None:
        """Refuse what the provider does not take even where the user's app lets LiteLLM drop it silently."""
        litellm = self._litellm
        if not getattr(litellm, "drop_params", False):
            return
        key = (request.model, frozenset(request.params))
        if key in self._checked:
            return
        model, provider, _, _ = litellm.get_llm_provider(request.model)
        supported = litellm.get_supported_openai_params(model=model, custom_llm_provider=provider)
        known = set(getattr(litellm, "OPENAI_CHAT_COMPLETION_PARAMS", ()))
        if supported is not None and (dropped := sorted(set(request.params) & known - set(supported))):
            raise ConfigurationError(
                f"{request.model}: the provider does not take {', '.join(dropped)}, and litellm.drop_params is "
                "on, which would drop it silently. Remove the parameter or turn drop_params off."
            )
        self._checked.add(key)

    def estimate(self, request: Request) -> float | None:
        """Prompt characters as tokens (at least as many as there are, in nearly all scripts) plus the most
        output tokens the request allows, at the prices that count. None for models without a price.
        """
        price = prices.known(request.model, self._settings.price)
        return None if price is None else prices.most(request, price)

    def facts(self) -> dict[str, str]:
        """LiteLLM's version and a digest of its price table, for the run's record; empty if no call was made."""
        if self._litellm is None and not self._plain.calls:
            return {}
        from importlib.metadata import version

        table = json.dumps(prices.current(), sort_keys=True, default=str).encode()
        return {
            "litellm": version("litellm"),
            "litellm_prices": hashlib.blake2b(table, digest_size=6).hexdigest(),
            **self._way(),
        }

    def _way(self) -> dict[str, str]:
        """Which way calls went: on connections of ours, or through ``litellm.acompletion``, and why."""
        own = self._plain.calls + (self._transport.calls.total() if self._transport is not None else 0)
        parts = [f"{own} calls on own connections"] if own else []
        if self._calls_through_litellm:
            reasons = self._transport.reasons() if self._transport is not None else []
            reasons += [f"{p}: only LiteLLM's own client asks it" for p in sorted(self._only_litellm)]
            why = f" ({'; '.join(reasons)})" if reasons else ""
            parts.append(f"{self._calls_through_litellm} through litellm.acompletion{why}")
        return {"transport": ", ".join(parts)} if parts else {}

    async def close(self) -> None:
        """Let LiteLLM's logging end (at most a second), then close every client it keeps."""
        await self._pool.close()
        self._transport = None
        litellm, self._litellm = self._litellm, None
        if litellm is None or not self._used:
            return
        with contextlib.suppress(Exception):
            from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER as worker

            async with asyncio.timeout(CLOSE_SECONDS):
                await worker.flush()
            async with asyncio.timeout(CLOSE_SECONDS):
                await worker.stop()
        cache = getattr(litellm, "in_memory_llm_clients_cache", None)
        clients: dict[str, Any] = getattr(cache, "cache_dict", {})
        # Keys end with what LiteLLM calls the loop: clients that the user's app made on other loops are theirs.
        suffixed = getattr(cache, "update_cache_key_with_event_loop", None)
        ours = suffixed("") if suffixed is not None else f"-{id(asyncio.get_running_loop())}"
        for key in [k for k in clients if str(k).endswith(ours)]:
            await _close_client(clients.pop(key))


def _plain_tools(tools: Any) -> bool:
    return bool(tools) and all(isinstance(t, Mapping) and t.get("type") == "function" for t in tools)


async def _close_client(client: Any) -> None:
    for owner in (client, getattr(client, "client", None)):
        close = getattr(owner, "aclose", None) or getattr(owner, "close", None)
        if close is None:
            continue
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                result = close()
                if asyncio.iscoroutine(result):
                    await result


def _cost(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
