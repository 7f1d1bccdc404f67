"""What went wrong with one attempt of a call, and what follows from it.

Providers, SDKs and proxies say the same thing in different ways (a refused connection arrives as a 500, a
missing key as a 500, a limit per minute with a link to the billing page), so evidence is weighed in an order, down the
rows of `rules.RULES`. `classify` is pure; all ways to a provider (LiteLLM's own client and both of ours) end in it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

from robusttest.core.nouns import Request
from robusttest.errors import CallError, ConfigurationError
from robusttest.gateway.litellm import address, rules
from robusttest.gateway.litellm import said as saying
from robusttest.gateway.litellm.said import MESSAGE_LIMIT as MESSAGE_LIMIT
from robusttest.gateway.litellm.said import provider_text as provider_text
from robusttest.gateway.litellm.said import retry_after as retry_after


class AttemptError(CallError):
    """One attempt of a call gave no reply.

    ``retryable`` says whether the same request may succeed later; ``retry_after`` is how many seconds the
    provider asked to wait before any further call to it, None where it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str = "call",
        status: int | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, kind=kind, status=status)
        self.retryable = retryable
        self.retry_after = retry_after


class RefusedCallError(ConfigurationError):
    """A 401, 403, 404, 407, 410 or a redirect: how the run is set up, unless calls to this model went well before."""

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A classified failure.

    ``kind`` is ``rate_limit``, ``overloaded``, ``timeout``, ``server``, ``connection``, ``invalid_reply``,
    ``bad_request``, ``context_window``, ``defect`` (of LiteLLM), ``call`` (an attempt's errors), ``refused_call`` (a
    proxy's or a deployment's whim where calls went well before, else configuration), ``configuration`` (no call to
    this model can succeed), or ``refused`` (the provider's filter answered in the model's place: that is data).
    """

    kind: str
    message: str
    status: int | None = None
    retryable: bool = False
    retry_after: float | None = None

    def raise_(self) -> NoReturn:
        """Raise it as this project's error, without the provider's exception as cause or context."""
        __tracebackhide__ = True
        if self.kind == "configuration":
            raise ConfigurationError(self.message) from None
        if self.kind == "refused_call":
            raise RefusedCallError(self.message, status=self.status, retry_after=self.retry_after) from None
        raise AttemptError(
            self.message,
            kind=self.kind,
            status=self.status,
            retryable=self.retryable,
            retry_after=self.retry_after,
        ) from None


_MADE_UP = ("connection", "invalid_reply", "timeout", "defect")
"""Kinds whose status libraries make up: the server sent none, or 200."""
_PACKAGES = {"google": "google-auth", "vertexai": "google-cloud-aiplatform", "botocore": "boto3"}
"""Module → what has to be installed for it, where the names differ."""


ITSELF = ""
"""The location of a redirect that leads in a circle."""


def redirected(url: str, location: str) -> str:
    """Where a redirect from ``url`` leads to: what to give as ``api_base``, or `ITSELF`."""
    to = address.base_in(urljoin(url, location))
    return ITSELF if to == address.base_in(url) else to


def classify(
    *,
    model: str,
    status: int | None = None,
    names: str = "",
    text: str = "",
    headers: Mapping[str, str] | None = None,
    now: float | None = None,
    asked: Sequence[Mapping[str, Any]] = (),
) -> Failure:
    """The failure that these facts are.

    ``status`` is the HTTP status the server sent, or the one a library made up; ``names`` the class names of
    the exception, its bases and its causes; ``text`` its message or the body of the reply; ``now`` seconds
    since the epoch for a ``Retry-After`` date; ``asked`` the messages of the request.
    """
    told = saying.read(text, asked)
    header_wait = saying.retry_after(headers or {}, now=now)
    wait = header_wait if header_wait is not None else told.retry_in
    low = {str(k).lower(): str(v) for k, v in (headers or {}).items()}
    seen = rules.Evidence(
        status=status,
        classes=frozenset(names.split()),
        circle=low.get("location") == ITSELF,
        said=told,
        waits=header_wait is not None,
        location=low.get("location"),
    )
    rule = next(r for r in rules.RULES if r.fits(seen))
    message = _message(rule, seen, names)
    if rule.kind == "refused":
        return Failure(kind="refused", message=message, status=status)
    return Failure(
        kind=rule.kind,
        message=f"{model}: {message}",
        status=None if rule.kind in _MADE_UP else status,
        retryable=rule.retryable,
        retry_after=wait if rule.retryable else None,
    )


def _message(rule: rules.Rule, seen: rules.Evidence, names: str) -> str:
    said = seen.said.message
    called = said or names.split(" ")[0] or "unknown error"
    bare = rule.bare.format(called=called)
    missing = rules.NO_PACKAGE.search(seen.said.words)
    package = missing[1] or missing[2] if missing is not None else ""
    return rule.says.format(
        said=said or bare,
        told=f"HTTP {seen.status}: {said}" if said and seen.status is not None else said or bare,
        called=called,
        status=seen.status,
        package=_PACKAGES.get(package, package),
        where=f" to {saying.provider_text(seen.location)}" if seen.location else "",
        defect=next((n for n in names.split() if n in rules.DEFECTS), ""),
    )


# --- what was raised

_RECEIVED = re.compile(r"Received: '(\s*<.*)", re.DOTALL)
_BARE = re.compile(r"connection error\.?", re.IGNORECASE)
"""All that OpenAI's client says of a connection."""


def failure_of(error: BaseException, request: Request) -> Failure:
    """Classify an exception of LiteLLM, of a provider's SDK, of asyncio or of an HTTP client."""
    steps: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in steps and len(steps) < 8:
        steps.append(step)
        step = step.__cause__ or step.__context__
    model = request.model
    # LiteLLM gives some refusals a status of its own, by words that the text may only quote; the innermost is the server's.
    statuses = [s for s in (getattr(step, "status_code", None) for step in steps) if isinstance(s, int)]
    status = statuses[-1] if statuses else None
    if status in (None, 200, 500) and (page := next(filter(None, map(_page, steps)), None)) is not None:
        return classify(model=model, status=200, text=page)
    if (to := _redirect(steps, request)) is not None:
        return classify(model=model, status=302, headers={"location": to})
    bodies: list[str] = []
    for step in steps:
        body = getattr(step, "body", None)
        if isinstance(body, dict):  # as the provider sent it: LiteLLM's message leaves its codes out
            with contextlib.suppress(TypeError, ValueError):
                bodies.append(json.dumps(body if "error" in body else {"error": body}))
    headers = getattr(error, "litellm_response_headers", None) or getattr(error, "headers", None)
    return classify(
        model=model,
        status=status,
        names=" ".join(type(step).__name__ for step in steps),
        text=bodies[0] if bodies and status is not None and status != 500 else _text(steps),
        headers=headers if isinstance(headers, Mapping) else None,
        asked=request.messages,
    )


def _text(steps: Sequence[BaseException]) -> str:
    text = str(getattr(steps[0], "message", None) or steps[0])
    if _BARE.fullmatch(saying.provider_text(text)):
        return next((told for step in reversed(steps) if (told := str(step))), text)
    return text


def _page(step: BaseException) -> str | None:
    """The web page that came with a good status in the place of JSON, which is all that LiteLLM complains of."""
    document = getattr(step, "doc", None)  # of a JSONDecodeError
    if not isinstance(document, str):
        received = _RECEIVED.search(str(getattr(step, "message", None) or ""))
        document = received[1] if received is not None else ""
    return document[: saying.PAGE] if saying.is_page(document) else None


def _redirect(steps: Sequence[BaseException], request: Request) -> str | None:
    """Where LiteLLM's client was sent on to, which follows redirects without a word, and failed there."""
    provider = request.model.partition("/")[0]
    given = request.private.get("api_base") or request.private.get("base_url")
    base = _origin(str(given or address.base_from_environment(provider) or ""))
    for step in steps:
        with contextlib.suppress(Exception):  # httpx: an error that has no request
            if history := getattr(getattr(step, "response", None), "history", None):
                return redirected(str(history[0].url), history[0].headers["location"])
            name, asked = type(step).__name__, step.request  # type: ignore[attr-defined]  # an exception of httpx has one
            followed = asked.method != "POST" or (base is not None and _origin(str(asked.url)) != base)
            if name == "TooManyRedirects":
                return ITSELF
            if name in rules.CONNECTION_CLASSES and followed:
                return redirected(str(given), str(asked.url))
    return None


def _origin(url: str) -> tuple[str, int | None] | None:
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if host := (parts.hostname or "").encode("idna").decode():
            return host, parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower())
    return None
