"""What the evidence of a failed attempt means: rows, read from the top, of which the first that fits decides.

Evidence comes in an order: the transport, the status, codes that say what is spent, the headers, codes and delays in the
body, a delay in the text, and words last. Words are those that do not stand in the request too (`said.unquoted`), whoever sent them. `by` says which
kind of evidence a row goes by, so that the order can be read down the column.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

from robusttest.gateway.litellm import said as saying
from robusttest.gateway.litellm.said import Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of one failed attempt."""

    status: int | None
    """As the server sent it, or as a library made it up."""
    classes: frozenset[str]
    """Names of the exception, its bases and its causes."""
    said: Said
    waits: bool
    """A header says for how long to wait."""
    location: str | None
    """Where a redirect leads to."""
    circle: bool
    """To where it came from."""


Words = re.Pattern[str]
Status = Container[int | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A row. It fits where everything fits that it names."""

    by: str
    """transport, status, spent (a code that says so), headers, codes, delay, or words."""
    kind: str
    says: str
    """What people are told: ``{said}`` is the provider's text, or else ``bare``, ``{told}`` that with the status, ``{called}``
    that or the name of what was raised."""
    bare: str = "no details given"
    retryable: bool = False
    status: Status | None = None
    classes: frozenset[str] = frozenset()
    waits: bool | None = None
    codes: frozenset[str] = frozenset()
    delay: str | None = None
    """``info``: in the body, as Google's RetryInfo; ``text``: in words."""
    words: Words | None = None
    unless: Words | None = None
    circle: bool | None = None
    """The redirect leads to where it came from."""
    page: bool | None = None
    """A web page in the place of JSON."""

    def fits(self, seen: Evidence) -> bool:
        said = seen.said
        return (
            (self.status is None or seen.status in self.status)
            and (not self.classes or not self.classes.isdisjoint(seen.classes))
            and (self.waits is None or self.waits == seen.waits)
            and (not self.codes or not self.codes.isdisjoint(said.codes))
            and (self.delay is None or said.delay == self.delay)
            and (self.circle is None or self.circle == seen.circle)
            and (self.page is None or self.page == said.page)
            # Classes that a library has chosen by words: as good as those words are.
            and not (self.classes in _CHOSEN_BY_WORDS and said.quotes)
            and (self.words is None or self.words.search(said.words) is not None)
            and (self.unless is None or self.unless.search(said.words) is None)
        )


def _words(pattern: str) -> Words:
    return re.compile(pattern, re.IGNORECASE)


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


ANY_ERROR = range(400, 600)
_GOOD = range(200, 300)
_SERVER = range(500, 600)
_NONE = frozenset((None,))
_UNREAD = frozenset((None, 500, *_GOOD))
"""Statuses that libraries give to a reply that they can't read, or have none of."""
_UNSENT = frozenset((None, 500, *range(100, 200)))
_PROMPT = frozenset((400, 413, 422, 500))
_REDIRECT = range(300, 400)

NO_PACKAGE = _words(r"no module named '(\w+)|pip install ['\"]?(google-cloud-aiplatform|google-auth|boto3)")
_PROVIDER = _words(r"llm provider not provided|unmapped llm provider|unable to map your input to a model")
_NO_KEY = _words(
    r"api_?key(?:s)? (?:client option )?(?:must be set|is (?:missing|required|not set))|missing (?:\w+ )?api[_ ]?key"
    r"|no api[_ ]?key|api key (?:not found|not provided)|set the \w*API_KEY|didn't provide an api key"
    r"|missing credentials|unable to locate credentials"
)
_TWO_NAMES = _words(r"cannot combine authorization header")
_SPENT = _words(
    r"insufficient[_ ]quota|exceeded your current quota|credit balance is too low|billing|out of credits"
)
_SPENT_400 = _words(r"^\W*your credit balance is too low")
_PER_TIME = _words(
    r"rate[_ ]?limit|per[ -](?:minute|second|hour|day)|too many requests|\b[rt]p[md]\b|try again|retry"
)
_RATE = _words(rf"(?s)^(?=.*rate).*(?:{_PER_TIME.pattern})")
_CONTEXT = _words(
    r"context_length_exceeded|context[ _-]?(?:length|window|size)|maximum context|prompt is too long"
    r"|too many (?:input )?tokens|input (?:is |length )?too long|exceeds? the (?:maximum|max|model'?s) "
    r"(?:number of )?(?:input )?(?:tokens|length)|reduce the length"
)
_FILTER = _words(
    r"content[_ ]?filter|content[_ ](?:policy|management)|responsible ?ai|content_policy_violation"
    r"|flagged (?:by|as|for)|requires moderation|safety system|blocked by safety"
)
_BAD_KEY = _words(
    r"(?:incorrect|invalid|bad|expired|revoked)[ _](?:x-)?api[ _-]?key|api key not valid|invalid authentication"
    r"|authentication_error"
)
_PARAMETER = _words(
    r"unsupported[_ ](?:parameter|value)|unknown[_ ]parameter|unrecognized request argument"
    r"|does not support (?:the )?(?:parameter|param)|is not supported with this model"
    r"|extra (?:inputs|fields) (?:are )?not permitted|unexpected keyword|not a valid parameter"
)
_OVERLOADED = _words(r"overloaded|over capacity|model is (?:currently )?loading")
_INVALID = _words(
    r"jsondecodeerror|expecting value|expecting (?:property|',' delimiter|':' delimiter)"
    r"|unterminated string|invalid response object|extra data: line|unexpected character|invalid control character"
    r"|invalid json|unable to (?:parse|convert)|codec can't decode|recursion depth exceeded|while decompressing|pydantic serializer"
    r"|^'\w+'$"  # all that a KeyError on a reply without the field says
)
_NO_OBJECT = _words(r"empty or invalid response from llm endpoint|the reply is no json object")
_NO_HTTP = _words(
    r"bad status line|got more than \d+ bytes|invalid (?:character|header|http)|duplicate content-length|bad http"
)
_NO_CHOICES = _words(r"'choices'|choices\b.*(?:empty|missing|none)|list index out of range|\bno choices\b")
_TRUNCATED = _words(r"payload is not completed|peer closed connection without|incomplete chunked read")
_CONNECTION = _words(
    r"connection (?:error|refused|reset|aborted|closed)|cannot connect|server disconnected|name or service not known"
    r"|nodename nor servname|temporary failure in name resolution|network is unreachable|broken pipe"
    r"|peer closed connection"
    r"|remoteprotocolerror|clientconnector|clientoserror|connecterror|readerror|ssl(?:error|: )"
)
CONNECTION_CLASSES = _names(
    "ClientConnectorDNSError",
    "ClientConnectorError",
    "ClientConnectorSSLError",
    "ClientConnectorCertificateError",
    "ClientOSError",
    "ConnectError",
    "ReadError",
    "RemoteProtocolError",
    "SSLError",
    "SSLCertVerificationError",
    "ServerDisconnectedError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "ConnectionAbortedError",
    "BrokenPipeError",
    "gaierror",
)
DEFECTS = _names("AttributeError", "TypeError", "NameError", "UnboundLocalError", "NotImplementedError")
"""Exceptions that no server sends: a client's own."""

_CONTEXT_CLASS = _names("ContextWindowExceededError")
_FILTER_CLASS = _names("ContentPolicyViolationError")
_CHOSEN_BY_WORDS = (_CONTEXT_CLASS, _FILTER_CLASS)

_SPENT_CODES = _names(
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
    "insufficient_balance",
    "insufficient_credits",
    "insufficient_user_quota",
    "exceeded_current_quota_error",
    "arrearage",
)
"""What providers and proxies call an account without money. Many of them send a Retry-After with any 429."""
_RATE_CODES = _names(
    "rate_limit_exceeded",
    "rate_limit_error",
    "ratelimitreached",
    "rate_limited",
    "ratelimitexceeded",
    "too_many_requests",
    "toomanyrequests",
    "throttlingexception",
    "resource_exhausted",
)
_RATE_TYPES = _names("requests", "tokens")  # of what: OpenAI's and Groq's type of a 429

_SPENT_SAYS = "the account's quota is spent ({told})"
_SPENT_TODAY = "the account's quota is spent for today ({told})"
_UNREADABLE = "not a reply that can be read: {said}"
_CUT = "the prompt does not fit into the context window: {said}"
_KEY_SAYS = "the provider refused the key ({told})"
_FILTERED = "{said}"
_LEAVE_OUT = "leave it out for this model with Model(…, drop=[…])"

RULES: tuple[Rule, ...] = (
    # --- the transport, and what no server sent
    Rule("transport", "server", "{told}", "the gateway timed out", True, status={504}),
    Rule("transport", "timeout", "no whole reply within the timeout", "", True, classes=_names("TimeoutError")),
    Rule("transport", "timeout", "no whole reply within the timeout", "", True, status=_NONE, classes=_names("Timeout")),
    Rule("transport", "configuration", "LiteLLM needs a package for this call: pip install {package}", status={None, 400, 500}, words=NO_PACKAGE),
    Rule("transport", "configuration", f"the provider does not take a parameter: {{said}}; {_LEAVE_OUT}", classes=_names("UnsupportedParamsError")),
    Rule("transport", "configuration", "unknown provider or model name: {said}", status={None, 400}, words=_PROVIDER),
    Rule("transport", "configuration", "no key for this provider: {said}", status={None, 500}, words=_NO_KEY),
    Rule("transport", "configuration", "{called}: take the user's name out of api_base, or give no key", status=_UNSENT, words=_TWO_NAMES),
    # --- too many calls, or no money: by the codes of a spent account, the header, other codes, delays, words
    Rule("spent", "configuration", _SPENT_SAYS, codes=_SPENT_CODES),
    Rule("spent", "configuration", _SPENT_TODAY, status={429}, codes=_names(saying.PER_DAY)),
    Rule("headers", "rate_limit", "{told}", "rate limited", True, status={429}, waits=True),
    Rule("headers", "rate_limit", "{told}", "rate limited", True, status=_NONE, classes=_names("RateLimitError"), waits=True),
    Rule("codes", "rate_limit", "{told}", "rate limited", True, status={429}, codes=_RATE_CODES | _RATE_TYPES),
    Rule("codes", "rate_limit", "{told}", "rate limited", True, status={None, 400, 403, 500}, codes=_RATE_CODES),
    Rule("codes", "rate_limit", "{told}", "rate limited", True, status={429}, delay="info"),
    Rule("delay", "rate_limit", "{told}", "rate limited", True, status={429}, delay="text"),
    Rule("words", "configuration", _SPENT_SAYS, status={429}, words=_SPENT, unless=_PER_TIME),
    Rule("words", "configuration", _SPENT_SAYS, status=_NONE, classes=_names("RateLimitError"), words=_SPENT, unless=_PER_TIME),
    Rule("status", "rate_limit", "{told}", "rate limited", True, status={429}),
    Rule("status", "rate_limit", "{told}", "rate limited", True, status=_NONE, classes=_names("RateLimitError")),
    Rule("status", "configuration", _SPENT_SAYS, status={402}),
    Rule("words", "configuration", _SPENT_SAYS, status={400}, words=_SPENT_400),
    # --- what this one prompt meets
    Rule("transport", "context_window", _CUT, classes=_CONTEXT_CLASS),
    Rule("codes", "context_window", _CUT, status=_PROMPT, codes=_names("context_length_exceeded", "string_above_max_length")),
    Rule("words", "context_window", _CUT, status=_PROMPT, words=_CONTEXT),
    Rule("transport", "refused", _FILTERED, "content filter", classes=_FILTER_CLASS),
    Rule("status", "refused", _FILTERED, "content filter", status={451}),
    Rule("codes", "refused", _FILTERED, "content filter", status={400, 403}, codes=_names("content_filter", "content_policy_violation", "responsibleaipolicyviolation")),
    Rule("words", "refused", _FILTERED, "content filter", status={400, 403}, words=_FILTER),
    # --- who may ask, and where
    Rule("codes", "refused_call", _KEY_SAYS, status={400, 403}, codes=_names("invalid_api_key", "api_key_invalid")),
    Rule("words", "refused_call", _KEY_SAYS, status={400, 403}, words=_BAD_KEY),
    Rule("status", "refused_call", _KEY_SAYS, status={401}),
    Rule("status", "refused_call", "the key may not use this model ({told})", status={403}),
    Rule("status", "refused_call", "the endpoint knows no such model or path ({told}); check the model's name and api_base", status={404}),
    Rule("status", "refused_call", "the proxy refused the call ({told})", status={407}),
    Rule("status", "refused_call", "the endpoint is gone ({told}); check the model's name and api_base", status={410}),
    Rule("transport", "refused_call", _KEY_SAYS, status=_NONE, classes=_names("AuthenticationError")),
    Rule("transport", "refused_call", "the key may not use this model ({told})", status=_NONE, classes=_names("PermissionDeniedError")),
    Rule("transport", "refused_call", "the endpoint knows no such model or path ({told}); check the model's name and api_base", status=_NONE, classes=_names("NotFoundError")),
    Rule("headers", "refused_call", "the address redirects in a circle: check api_base, and the server or the proxy there", status=_REDIRECT, circle=True),
    Rule("status", "refused_call", "the address redirects{where}; give the final one as api_base", status=_REDIRECT),
    Rule("codes", "configuration", "the provider refused a parameter ({told})", "", status={400, 422}, codes=_names("unsupported_parameter", "unsupported_value", "unknown_parameter")),
    Rule("words", "configuration", "the provider refused a parameter ({told})", "", status={400, 422}, words=_PARAMETER),
    # --- a server that is not well
    Rule("status", "timeout", "the provider gave up waiting (HTTP 408)", "", True, status={408}),
    Rule("status", "overloaded", "{told}", "overloaded", True, status={503, 529}),
    Rule("words", "overloaded", "{told}", "overloaded", True, status=_SERVER, words=_OVERLOADED),
    # --- a reply that can't be read, a connection that was none, a client's defect: libraries call all of them a 500
    Rule("status", "invalid_reply", "not a model's reply but {said}: check api_base, the proxy, the network's sign-in", "", True, status=_GOOD, page=True),
    Rule("words", "invalid_reply", "not a reply that can be read: no JSON object", "", True, status=_UNREAD, words=_NO_OBJECT),
    Rule("words", "invalid_reply", "what came is no HTTP: {said}", "", True, status=_UNREAD, words=_NO_HTTP),
    Rule("words", "invalid_reply", "a reply without choices", "", True, status=_UNREAD, words=_NO_CHOICES),
    Rule("words", "invalid_reply", _UNREADABLE, "", True, status=_UNREAD, words=_INVALID),
    Rule("transport", "invalid_reply", "the reply broke off", "", True, status=_UNREAD, classes=_names("ClientPayloadError")),
    Rule("words", "invalid_reply", "the reply broke off", "", True, status=_UNREAD, words=_TRUNCATED),
    Rule("transport", "connection", "no connection: {called}", "", True, status=_UNSENT, classes=CONNECTION_CLASSES),
    Rule("words", "connection", "no connection: {called}", "", True, status=_UNSENT, words=_CONNECTION),
    Rule("transport", "defect", "LiteLLM could not make or read this call ({defect}: {said}): a defect of LiteLLM's", "", True, status=_UNREAD, classes=DEFECTS),
    # --- what is left
    Rule("status", "server", "{told}", "server error", True, status={409, 423, 425, *_SERVER}),
    Rule("words", "rate_limit", "{said}", "", True, status=_NONE, words=_RATE),
    Rule("status", "bad_request", "{told}", "refused without details", status=ANY_ERROR),
    Rule("status", "invalid_reply", _UNREADABLE, "", True, status=_GOOD),
    Rule("transport", "call", "{told}", "{called}"),
)  # fmt: skip
