"""What went wrong with one attempt of a call, and what follows from it.

Providers, SDKs and proxies say the same thing in different ways (a refused connection arrives as a 500, a
missing key as a 500, a limit per minute with a link to the billing page), so evidence is weighed in an order: the
transport, the status, the headers, codes in the body, a delay in the text, and words last, never words of a text that
quotes the prompt. `classify` is pure; both ways to a provider (LiteLLM's own client and our transport) end in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from robusttest.errors import CallError, ConfigurationError
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


_CONTEXT = re.compile(
    r"context_length_exceeded|context[ _-]?(?:length|window|size)|maximum context|prompt is too long"
    r"|too many (?:input )?tokens|input (?:is |length )?too long|exceeds? the (?:maximum|max|model'?s) "
    r"(?:number of )?(?:input )?(?:tokens|length)|reduce the length"
)
_FILTER = re.compile(
    r"content[_ ]?filter|content[_ ](?:policy|management)|responsible ?ai|content_policy_violation"
    r"|flagged (?:by|as|for)|requires moderation|safety system|blocked by safety"
)
_PARAMETER = re.compile(
    r"unsupported[_ ](?:parameter|value)|unknown[_ ]parameter|unrecognized request argument"
    r"|does not support (?:the )?(?:parameter|param)|is not supported with this model"
    r"|extra (?:inputs|fields) (?:are )?not permitted|unexpected keyword|not a valid parameter"
)
_SPENT = re.compile(
    r"insufficient[_ ]quota|exceeded your current quota|credit balance is too low|billing|out of credits"
)
_SPENT_400 = re.compile(r"^\W*your credit balance is too low")
_PER_TIME = re.compile(
    r"rate[_ ]?limit|per[ -](?:minute|second|hour|day)|too many requests|\b[rt]p[md]\b|try again|retry"
)
_NO_KEY = re.compile(
    r"api_?key(?:s)? (?:client option )?(?:must be set|is (?:missing|required|not set))|missing (?:\w+ )?api[_ ]?key"
    r"|no api[_ ]?key|api key (?:not found|not provided)|set the \w*API_KEY|didn't provide an api key"
    r"|missing credentials|unable to locate credentials",
    re.IGNORECASE,
)
_BAD_KEY = re.compile(
    r"(?:incorrect|invalid|bad|expired|revoked)[ _](?:x-)?api[ _-]?key|api key not valid|invalid authentication"
    r"|authentication_error"
)
_NO_MODULE = re.compile(
    r"No module named '(\w+)|(?:pip install ['\"]?)(google-cloud-aiplatform|google-auth|boto3)"
)
_PACKAGES = {"google": "google-auth", "vertexai": "google-cloud-aiplatform", "botocore": "boto3"}
"""Module → what has to be installed for it, where the names differ."""
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
_OVERLOADED = re.compile(r"overloaded|over capacity|model is (?:currently )?loading")

_DEFECTS = frozenset(("AttributeError", "TypeError", "NameError", "UnboundLocalError", "NotImplementedError"))
"""Exceptions that no server sends: a client's own."""
_SPENT_CODES = frozenset(
    (
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",
        "insufficient_balance",
    )
)
_RATE_CODES = frozenset(
    (
        "rate_limit_exceeded",
        "rate_limit_error",
        "ratelimitreached",
        "rate_limited",
        "ratelimitexceeded",
        "too_many_requests",
        "toomanyrequests",
        "throttlingexception",
        "resource_exhausted",
        "requests",
        "tokens",
    )
)
_CONTEXT_CODES = frozenset(("context_length_exceeded", "string_above_max_length"))
_FILTER_CODES = frozenset(("content_filter", "content_policy_violation", "responsibleaipolicyviolation"))
_PARAMETER_CODES = frozenset(("unsupported_parameter", "unsupported_value", "unknown_parameter"))
_KEY_CODES = frozenset(("invalid_api_key", "api_key_invalid"))
_RETRY_STATUS = frozenset((409, 423, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529))
_REFUSED_CALL = {
    401: "the provider refused the key",
    403: "the key may not use this model",
    404: "the endpoint knows no such model or path",
    407: "the proxy refused the call",
    410: "the endpoint is gone",
}


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
    classes = frozenset(names.split())
    told = saying.read(text, asked)
    header_wait = retry_after(headers or {}, now=now)
    wait = header_wait if header_wait is not None else told.retry_in
    said, words, codes = told.message, told.words, told.codes

    def failure(kind: str, message: str, *, retryable: bool = False) -> Failure:
        return Failure(
            kind=kind,
            message=f"{model}: {message}",
            # Libraries make up a status where the server sent none.
            status=None if kind in ("connection", "invalid_reply", "timeout", "defect") else status,
            retryable=retryable,
            retry_after=wait if retryable else None,
        )

    def with_status(fallback: str) -> str:
        return f"HTTP {status}: {said}" if status is not None and said else said or fallback

    # 1. The transport, and what no server sent.
    if status == 504:
        return failure("server", with_status("the gateway timed out"), retryable=True)
    if "TimeoutError" in classes or ("Timeout" in classes and status is None):
        return failure("timeout", "no whole reply within the timeout", retryable=True)
    if status in (None, 400, 500) and (missing := _NO_MODULE.search(text)) is not None:
        name = missing[1] or missing[2]
        package = _PACKAGES.get(name, name)
        return failure("configuration", f"LiteLLM needs a package for this call: pip install {package}")
    if "UnsupportedParamsError" in classes:
        return failure(
            "configuration",
            f"the provider does not take a parameter: {said}; leave it out for this model with Model(…, drop=[…])",
        )
    if not told.quotes and status in (None, 400) and _PROVIDER.search(text):
        return failure("configuration", f"unknown provider or model name: {said}")
    if not told.quotes and status in (None, 500) and _NO_KEY.search(text):
        return failure("configuration", f"no key for this provider: {said}")

    # 2. The status, with the headers, the codes and the words that say which of its meanings it has.
    if status == 429 or ("RateLimitError" in classes and status is None):
        if header_wait is not None:
            spent = False
        elif codes & _SPENT_CODES:
            spent = True
        elif codes & _RATE_CODES or told.retry_in is not None:
            spent = False
        else:
            spent = bool(_SPENT.search(words)) and not _PER_TIME.search(words)
        if spent:
            return failure(
                "configuration", f"the account's quota is spent ({with_status('no details given')})"
            )
        return failure("rate_limit", with_status("rate limited"), retryable=True)
    if status == 402 or codes & _SPENT_CODES or (status == 400 and _SPENT_400.search(words)):
        return failure("configuration", f"the account's quota is spent ({with_status('no details given')})")
    if status in (400, 403, 500) and codes & _RATE_CODES - {"requests", "tokens"}:
        return failure("rate_limit", with_status("rate limited"), retryable=True)
    by_class = "ContextWindowExceededError" in classes and not told.quotes
    in_words = status in (400, 413, 422, 500) and (codes & _CONTEXT_CODES or _CONTEXT.search(words))
    if by_class or in_words:
        return failure("context_window", f"the prompt does not fit into the context window: {said}")
    by_class = "ContentPolicyViolationError" in classes and not told.quotes
    in_words = status in (400, 403, 451) and (codes & _FILTER_CODES or _FILTER.search(words))
    if by_class or in_words or status == 451:
        return Failure(kind="refused", message=said or "content filter", status=status)
    if status in (400, 403) and (codes & _KEY_CODES or _BAD_KEY.search(words)):
        return failure("refused_call", f"the provider refused the key ({with_status('no details given')})")
    refused = status
    if refused is None:
        named = {"AuthenticationError": 401, "PermissionDeniedError": 403, "NotFoundError": 404}
        refused = next((number for name, number in named.items() if name in classes), None)
    if refused in _REFUSED_CALL:
        hint = "; check the model's name and api_base" if refused in (404, 410) else ""
        return failure("refused_call", f"{_REFUSED_CALL[refused]} ({with_status('no details given')}){hint}")
    if status is not None and 300 <= status < 400:
        to = {str(k).lower(): str(v) for k, v in (headers or {}).items()}.get("location")
        where = f" to {saying.provider_text(to)}" if to else ""
        return failure(
            "refused_call", f"HTTP {status}: the address redirects{where}; give the final one as api_base"
        )
    if status in (400, 422) and (codes & _PARAMETER_CODES or _PARAMETER.search(words)):
        return failure("configuration", f"the provider refused a parameter ({with_status('')})")
    if status == 408:
        return failure("timeout", "the provider gave up waiting (HTTP 408)", retryable=True)
    if status in (503, 529) or (status is not None and status >= 500 and _OVERLOADED.search(words)):
        return failure("overloaded", with_status("overloaded"), retryable=True)

    # 3. A reply that could not be read, and a connection that was none: libraries call both a 500.
    if status is None or status < 300 or status == 500:
        if _INVALID.search(text) or _MISSING_FIELD.search(said):
            return failure("invalid_reply", f"not a reply that can be read: {said}", retryable=True)
        if "ClientPayloadError" in classes or _TRUNCATED.search(text):
            return failure("invalid_reply", "the reply broke off", retryable=True)
        if status != 200 and (_CONNECTION.search(text) or _CONNECTION.search(names)):
            return failure("connection", f"no connection: {said or names.split(' ')[0]}", retryable=True)
        if defect := next((n for n in names.split() if n in _DEFECTS), None):
            return failure(
                "defect",
                f"LiteLLM could not make or read this call ({defect}: {said}): a defect of LiteLLM's",
                retryable=True,
            )
    if status in _RETRY_STATUS or (status is not None and status >= 500):
        return failure("server", with_status("server error"), retryable=True)
    if status is None and _PER_TIME.search(words) and "rate" in words:
        return failure("rate_limit", said, retryable=True)
    if status is not None and 400 <= status < 500:
        return failure("bad_request", with_status("refused without details"))
    if status is not None and status < 300:
        return failure("invalid_reply", f"not a reply that can be read: {said}", retryable=True)
    return failure("call", with_status(names.split(" ")[0] or "unknown error"))
