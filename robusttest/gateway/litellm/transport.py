"""LiteLLM builds the request and reads the reply; one pooled session of ours carries it.

``litellm.acompletion`` costs 3 to 13 ms of CPU a call, by version; its provider layer alone about a tenth. Only
requests for which a trial of both ways (`selftest`) found no difference go this way: a model, parameters, kinds of
messages, and an app that has not changed LiteLLM's global state. All others go through ``acompletion``:
`ProviderTransport.carries` decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from robusttest.core.nouns import Completion, Request
from robusttest.gateway.litellm import address, canned, keys, selftest, shapes
from robusttest.gateway.litellm.failures import AttemptError, Failure, classify
from robusttest.gateway.litellm.plain import Plain, Wire
from robusttest.gateway.litellm.pool import HttpReply, Pool
from robusttest.gateway.litellm.response import completion_of, rate_limit_of
from robusttest.gateway.litellm.said import PAGE, is_page

_PLANS_KEPT = 512


class _Silent:
    """What LiteLLM's transformations report to; nobody listens."""

    def __init__(self) -> None:
        self.model_call_details: dict[str, Any] = {}

    def post_call(self, *args: object, **kwargs: object) -> None:
        pass

    pre_call = post_call


@dataclass(slots=True)
class _ShapePlan:
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

    def __init__(
        self,
        litellm: Any,
        *,
        theirs: selftest.Call,
        told: Callable[..., Any],
        pool: Pool,
        plain: Plain,
        results: selftest.Results,
    ) -> None:
        """``theirs`` makes one attempt through ``acompletion``, what this way is compared with; ``told(call, …)`` makes
        one by ``call`` and says what it came to.
        """
        self._litellm = litellm
        self._theirs, self._told = theirs, told
        self._ours = partial(told, self._carry)
        self._pool, self._plain, self._results = pool, plain, results
        self._plans: dict[tuple[Any, ...], _ShapePlan | None] = {}
        self._encoding: Any = None
        self._unpriced: set[tuple[object, ...]] = set()
        self._passed: dict[str, selftest.Passed] = {}
        self._headers: dict[str, dict[str, str]] = {}
        self._trying: dict[str, asyncio.Lock] = {}
        self.calls: Counter[str] = Counter()
        """Model → calls that went this way."""

    async def carries(self, request: Request) -> bool:
        """Whether this request fares the same this way. Tried out where nobody has yet."""
        if request.model.partition("/")[0] not in shapes.PROVIDERS or not shapes.neutral(self._litellm):
            return False
        passed = self._passed.get(request.model)
        if passed is None:
            if self._plan(request) is None:
                return False
            passed = await self._try(request.model)
        return passed.carries(request, shapes.shape(request.messages)) and self._plan(request) is not None

    async def _try(self, model: str) -> selftest.Passed:
        async with self._trying.setdefault(model, asyncio.Lock()):
            if (passed := self._passed.get(model)) is not None:
                return passed
            found = self._results.get(model)
            if found is None:
                try:
                    found = await selftest.compare(
                        model,
                        self._ours,
                        self._theirs,
                        lambda request: self._plan(request) is not None,
                        self._headers.setdefault(model, {}),
                        lambda wire: partial(self._told, partial(self._by_wire, wire)),
                        self._own_address(model),
                    )
                except OSError:  # no server on the loopback interface
                    found = None
                if found is not None:
                    self._results.put(model, found)
            # What could not be found out is not kept: the next run tries again.
            passed = found if found is not None else selftest.Passed(reason="could not be tried out")
            self._passed[model] = passed
            self._headers[model] = dict(passed.headers)
            return passed

    def reasons(self) -> list[str]:
        """``MODEL: why it is not asked this way``."""
        return [f"{m}: {p.reason}" for m, p in sorted(self._passed.items()) if p.reason]

    async def call(self, request: Request, *, timeout: float) -> Completion:
        """One attempt; raises what `failures.classify` says, a timeout as ``TimeoutError``."""
        __tracebackhide__ = True
        self.calls[request.model] += 1
        return await self._carry(request, timeout=timeout)

    async def _carry(self, request: Request, *, timeout: float) -> Completion:
        __tracebackhide__ = True
        plan = self._plan(request)
        assert plan is not None
        if plan.timeout is not None:
            timeout = min(timeout, plan.timeout)
        optional = copy.deepcopy(plan.optional) if plan.nested else dict(plan.optional)
        body = self._body(request, plan, optional)
        more = self._headers.get(request.model)
        headers = (
            {**{k: v for k, v in plan.headers.items() if k.lower() not in more}, **more}
            if more
            else plan.headers
        )
        reply = await self._pool.post(request, url=plan.url, headers=headers, body=body, timeout=timeout)
        return reply if isinstance(reply, Completion) else self._read(request, plan, reply, body, optional)

    async def _by_wire(self, wire: Wire, request: Request, *, timeout: float) -> Completion:
        __tracebackhide__ = True
        came = await self._plain.call_by(wire, request, timeout=timeout)
        return came if isinstance(came, Completion) else self.read(request, came)

    def _own_address(self, model: str) -> str | None:
        """Where the provider itself is asked; None where the environment says another address."""
        provider = model.partition("/")[0]
        if address.base_from_environment(provider):
            return None
        plan = self._make_plan(
            Request(model=model, messages=canned.PLAIN.messages, private={"api_key": "none"})
        )
        return plan.url if plan is not None else None

    def read(self, request: Request, reply: HttpReply) -> Completion:
        """A reply that `plain` got and leaves to LiteLLM."""
        __tracebackhide__ = True
        plan = self._plan(request)
        if plan is None:
            raise AttemptError(
                f"{request.model}: a reply that LiteLLM does not read as it is set up now",
                kind="invalid_reply",
            )
        optional = copy.deepcopy(plan.optional)
        return self._read(request, plan, reply, self._body(request, plan, optional), optional)

    def _body(self, request: Request, plan: _ShapePlan, optional: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = plan.config.transform_request(
            model=plan.model,
            messages=self._messages(request),
            optional_params=optional,
            litellm_params=plan.litellm_params,
            headers=plan.headers,
        )
        return body

    def _read(
        self,
        request: Request,
        plan: _ShapePlan,
        raw: HttpReply,
        body: dict[str, Any],
        optional: dict[str, Any],
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
            failure = unreadable(error, request.model, raw)
        if failure is not None:
            failure.raise_()
        completion = completion_of(
            response, model=request.model, latency=raw.latency, cost=self._cost(response, plan)
        )
        if limits := rate_limit_of(raw.headers):
            meta = {**completion.meta, "rate_limit": limits}
            object.__setattr__(completion, "meta", meta)
        return completion

    def _cost(self, response: Any, plan: _ShapePlan) -> float | None:
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

    def _plan(self, request: Request) -> _ShapePlan | None:
        """The plan of this request's shape, made once; None where the shape is not shapes."""
        key = (
            request.model,
            json.dumps(request.params, sort_keys=True, default=repr),
            tuple(sorted((k, repr(v)) for k, v in request.private.items())),
            shapes.shape(request.messages),
        )
        try:
            return self._plans[key]
        except KeyError:
            pass
        if len(self._plans) >= _PLANS_KEPT:
            self._plans.clear()
        plan = self._plans[key] = self._make_plan(request) if key[-1] else None
        return plan

    def _make_plan(self, request: Request) -> _ShapePlan | None:
        """None as well where LiteLLM raises: ``acompletion`` then says what is wrong."""
        litellm = self._litellm
        private = dict(request.private)
        if set(request.params) - canned.NAMES or set(private) - shapes.PRIVATE:
            return None
        try:
            params = copy.deepcopy(dict(request.params))
            extra_headers = {**params.pop("extra_headers", {}), **private.get("extra_headers", {})}
            model, provider, key, base = litellm.get_llm_provider(
                request.model,
                api_base=private.get("api_base") or private.get("base_url"),
                api_key=private.get("api_key"),
            )
            if provider not in shapes.PROVIDERS or shapes.special(litellm, model, provider):
                return None
            key = (
                private.get("api_key") or key or next(map(os.environ.get, keys.KEYS.get(provider, ())), None)
            )
            if provider in shapes.KEYLESS:
                key = key or os.environ.get("OLLAMA_API_KEY")
            base = base or address.base_from_environment(provider) or shapes.DEFAULTS.get(provider)
            if not base or not (key or provider in shapes.KEYLESS):
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
            with shapes.unmarked(litellm):
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
            if provider == "ollama" and key:
                headers = {"Authorization": f"Bearer {key}", **headers}
            if provider == "anthropic":
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
        if shapes.proxied(url):
            return None
        headers = {str(k): str(v) for k, v in headers.items()}
        if "content-type" not in {k.lower() for k in headers}:
            headers["Content-Type"] = "application/json"
        timeout = private.get("timeout")
        return _ShapePlan(
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


def unreadable(error: Exception, model: str, raw: HttpReply) -> Failure:
    """The failure that a reply of status 200 is which LiteLLM can't read, or in which it found an error."""
    status = getattr(error, "status_code", None)
    text = str(getattr(error, "message", None) or error)
    page = raw.text[:PAGE] if raw.content[:1].isspace() or raw.content[:1] == b"<" else ""
    if is_page(page):
        return classify(model=model, status=raw.status_code, text=page)
    with contextlib.suppress(ValueError, RecursionError):
        if not isinstance(raw.json(), dict):
            return classify(model=model, status=raw.status_code, text="the reply is no JSON object")
    return classify(
        model=model,
        # LiteLLM's own client calls it a 500 as well.
        status=status if isinstance(status, int) else 500,
        names=type(error).__name__,
        text=text,
    )
