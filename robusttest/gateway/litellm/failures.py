"""What went wrong with one attempt of a call, and what follows from it.

Providers, SDKs and proxies say the same thing in different ways (a refused connection arrives as a 500, a
missing key as a 500, a limit per minute with a link to the billing page), so evidence is weighed in an order, down the
rows of `rules.RULES`. `classify` is pure; all ways to a provider (LiteLLM's own client and both of ours) end in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from robusttest.errors import CallError, ConfigurationError
from robusttest.gateway.litellm import rules
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
