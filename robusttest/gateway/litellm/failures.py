"""What went wrong with one attempt of a call, and what follows from it.

Providers, SDKs and proxies say the same thing in different ways (a refused connection arrives as a 500, a
missing key as a 500, an overloaded server as a bare ``APIError`` with status 529), so the kind is read from
the status, the class names, the chain of causes and the text together. `classify` is pure; both ways to a
provider (LiteLLM's own client and our transport) end in it, so both tell the same kinds.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from robusttest.core.secrets import scrub
from robusttest.errors import CallError, ConfigurationError

MESSAGE_LIMIT = 400
"""Characters of a provider's error text that are worth a reader's time."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A classified failure.

    ``kind`` is ``rate_limit``, ``overloaded``, ``timeout``, ``server``, ``connection``, ``invalid_reply``,
    ``bad_request``, ``context_window``, ``call`` (an attempt's errors), ``configuration`` (no call to this
    model can succeed), or ``refused`` (the provider's filter answered in the model's place: that is data).
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
        raise AttemptError(
            self.message,
            kind=self.kind,
            status=self.status,
            retryable=self.retryable,
            retry_after=self.retry_after,
        ) from None


_CONTEXT = re.compile(
    r"context_length_exceeded|context[ _-]?(?:length|window|size)|maximum context|prompt is too long"
    r"|too many (?:input )?tokens|input (?:is |length )?too long|exceeds? the (?:maximum|max|model'?s) "
    r"(?:number of )?(?:input )?(?:tokens|length)|reduce the length",
    re.IGNORECASE,
)
_FILTER = re.compile(
    r"content[_ ]?filter|content[_ ](?:policy|management)|responsible ?ai|content_policy_violation"
    r"|flagged (?:by|as|for)|requires moderation|safety system|blocked by safety",
    re.IGNORECASE,
)
_PARAMETER = re.compile(
    r"unsupported[_ ](?:parameter|value)|unknown[_ ]parameter|unrecognized request argument"
    r"|does not support (?:the )?(?:parameter|param)|is not supported with this model"
    r"|extra (?:inputs|fields) (?:are )?not permitted|unexpected keyword|not a valid parameter",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"insufficient[_ ]quota|exceeded your current quota|credit balance is too low|billing", re.IGNORECASE
)
_NO_KEY = re.compile(
    r"api_?key(?:s)? (?:client option )?(?:must be set|is (?:missing|required|not set))|missing (?:\w+ )?api[_ ]?key"
    r"|no api[_ ]?key|api key (?:not found|not provided)|set the \w*API_KEY|didn't provide an api key"
    r"|missing credentials|unable to locate credentials",
    re.IGNORECASE,
)
_BAD_KEY = re.compile(
    r"(?:incorrect|invalid|bad|expired|revoked)[ _](?:x-)?api[ _-]?key|invalid authentication|authentication_error",
    re.IGNORECASE,
)
_NO_MODULE = re.compile(r"No module named '(\w+)")
_PROVIDER = re.compile(
    r"LLM Provider NOT provided|Unmapped LLM provider|unable to map your input to a model", re.IGNORECASE
)
_TRUNCATED = re.compile(
    r"payload is not completed|peer closed connection without|incomplete chunked read", re.IGNORECASE
)
_CONNECTION = re.compile(
    r"connection (?:error|refused|reset|aborted|closed)|cannot connect|server disconnected|name or service not known"
    r"|nodename nor servname|temporary failure in name resolution|network is unreachable|broken pipe"
    r"|peer closed connection"
    r"|remoteprotocolerror|clientconnector|clientoserror|connecterror|readerror|ssl(?:error|: )",
    re.IGNORECASE,
)
_INVALID = re.compile(
    r"unable to get json response|jsondecodeerror|expecting value|expecting (?:property|',' delimiter|':' delimiter)"
    r"|unterminated string|invalid response object|extra data: line|unexpected character|invalid control character"
    r"|invalid json|unable to (?:parse|convert)|'choices'|choices\b.*(?:empty|missing|none)|list index out of range",
    re.IGNORECASE,
)
_MISSING_FIELD = re.compile(r"^'\w+'$")
"""All that a ``KeyError`` on a reply without the field says."""
_OVERLOADED = re.compile(r"overloaded|over capacity|model is (?:currently )?loading", re.IGNORECASE)
_RATE = re.compile(r"rate[_ ]?limit|too many requests", re.IGNORECASE)

_LIBRARY_PREFIX = re.compile(
    r"^(?:(?:litellm\.)?\w*(?:Error|Timeout|Exceeded\w*)(?: Error)?: |\w+Exception(?: \w+Error)? - |LiteLLM: )+"
)

_RETRY_STATUS = {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}


def classify(
    *,
    model: str,
    status: int | None = None,
    names: str = "",
    text: str = "",
    headers: Mapping[str, str] | None = None,
    now: float | None = None,
) -> Failure:
    """The failure that these facts are.

    ``status`` is the HTTP status the server sent, or the one a library made up; ``names`` the class names of
    the exception, its bases and its causes; ``text`` its message or the body of the reply; ``now`` seconds
    since the epoch for a ``Retry-After`` date.
    """
    wait = retry_after(headers or {}, now=now)
    said = provider_text(text)

    def failure(kind: str, message: str, *, retryable: bool = False) -> Failure:
        return Failure(
            kind=kind,
            message=f"{model}: {message}",
            # Libraries make up a status where the server sent none.
            status=None if kind in ("connection", "invalid_reply", "timeout") else status,
            retryable=retryable,
            retry_after=wait if retryable else None,
        )

    def status_text(fallback: str) -> str:
        return f"HTTP {status}: {said}" if status is not None and said else said or fallback

    classes = frozenset(names.split())

    def has(name: str) -> bool:
        return name in classes

    if status == 504:
        return failure("server", status_text("the gateway timed out"), retryable=True)
    if has("TimeoutError") or (has("Timeout") and status is None):
        return failure("timeout", "no whole reply within the timeout", retryable=True)
    if (missing := _NO_MODULE.search(text)) is not None and status in (None, 500):
        return failure("configuration", f"LiteLLM needs a package for this call: pip install {missing[1]}")
    if has("UnsupportedParamsError"):
        return failure("configuration", f"the provider does not take a parameter: {said}")
    if _PROVIDER.search(text):
        return failure("configuration", f"unknown provider or model name: {said}")
    if status in (None, 500) and _NO_KEY.search(text):
        return failure("configuration", f"no key for this provider: {said}")
    if has("ContextWindowExceededError") or (status in (400, 413, 422, 500) and _CONTEXT.search(text)):
        return failure("context_window", f"the prompt does not fit into the context window: {said}")
    if has("ContentPolicyViolationError") or (status in (400, 403, 451) and _FILTER.search(text)):
        return Failure(kind="refused", message=said or "content filter", status=status)
    if status in (401, 407) or has("AuthenticationError") or (status in (400, 403) and _BAD_KEY.search(text)):
        return failure("configuration", f"the provider refused the key ({status_text('no details given')})")
    if status == 403 or has("PermissionDeniedError"):
        return failure("configuration", f"the key may not use this model ({status_text('no details given')})")
    if status == 402 or (status in (400, 403, 429) and _QUOTA.search(text)):
        return failure("configuration", f"the account's quota is spent ({status_text('no details given')})")
    if status == 404 or has("NotFoundError"):
        return failure(
            "configuration",
            f"the endpoint knows no such model or path ({status_text('no details given')}); "
            "check the model's name and api_base",
        )
    if status in (400, 422) and _PARAMETER.search(text):
        return failure("configuration", f"the provider refused a parameter ({status_text('')})")
    if status == 408:
        return failure("timeout", "the provider gave up waiting (HTTP 408)", retryable=True)
    if status == 429 or (has("RateLimitError") and status in (None, 429)):
        return failure("rate_limit", status_text("rate limited"), retryable=True)
    if status in (503, 529) or (status is not None and status >= 500 and _OVERLOADED.search(text)):
        return failure("overloaded", status_text("overloaded"), retryable=True)
    if (_INVALID.search(text) or _MISSING_FIELD.search(said)) and (
        status is None or status < 300 or status == 500
    ):
        return failure("invalid_reply", f"not a reply that can be read: {said}", retryable=True)
    if has("ClientPayloadError") or (status in (None, 500) and _TRUNCATED.search(text)):
        return failure("invalid_reply", "the reply broke off", retryable=True)
    if status in (None, 500) and (_CONNECTION.search(text) or _CONNECTION.search(names)):
        return failure("connection", f"no connection: {said or names.split(' ')[0]}", retryable=True)
    if status in _RETRY_STATUS or (status is not None and status >= 500):
        return failure("server", status_text("server error"), retryable=True)
    if _RATE.search(text) and status is None:
        return failure("rate_limit", said, retryable=True)
    if status is not None and 400 <= status < 500:
        return failure("bad_request", status_text("refused without details"))
    if status is not None and status < 300:
        return failure("invalid_reply", f"not a reply that can be read: {said}", retryable=True)
    return failure("call", status_text(names.split(" ")[0] or "unknown error"))


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds to wait as ``retry-after-ms`` or ``retry-after`` says (number or HTTP date); None: not said.

    Negative, unreadable and infinite values are as if absent.
    """
    low = {str(k).lower(): str(v).strip() for k, v in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = low.get(name) or low.get(f"llm_provider-{name}")
        if not value:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                at = email.utils.parsedate_to_datetime(value).timestamp()
            except (ValueError, TypeError, OverflowError):
                continue
            seconds = max(0.0, at - (time.time() if now is None else now))
        if 0 <= seconds < float("inf"):
            return seconds
    return None


def provider_text(text: str) -> str:
    """What a provider said, as one short scrubbed line: the ``message`` of a JSON error where there is one."""
    body = text.strip()
    start = body.find("{")
    if start >= 0:
        try:
            message = _message(json.loads(body[start : body.rindex("}") + 1]))
        except (ValueError, RecursionError):
            message = None
        if message:
            body = message
    body = _LIBRARY_PREFIX.sub("", body).split(", Original Response:")[0]
    body = re.sub(r"\s+", " ", scrub(body.split("\nTraceback", 1)[0])).strip()
    return body if len(body) <= MESSAGE_LIMIT else body[: MESSAGE_LIMIT - 1] + "…"


def _message(data: object, depth: int = 0) -> str | None:
    if isinstance(data, str):
        return data or None
    if isinstance(data, list) and data and depth < 4:
        return _message(data[0], depth + 1)
    if isinstance(data, dict) and depth < 4:
        for name in ("message", "error", "detail", "msg", "error_message"):
            if name in data and (found := _message(data[name], depth + 1)):
                return found
    return None
