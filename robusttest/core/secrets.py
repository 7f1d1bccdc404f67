"""What is secret: keys in texts, and the parameters of a call that are no part of the question.

A secret is a value that the environment holds under a name like ``*_KEY``, ``*_TOKEN``, ``*_SECRET``, ``*_PASSWORD``, one that
was given to a call as a key, or one that shows by its form. `hide` takes these out of what people and models write:
replies, answers, prompts. `scrub` also takes out what only looks like one, for errors and logs. `public_params` splits a
call's parameters into those that shape the answer and those that only carry it there.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from robusttest.core.nouns import Completion, Json
from robusttest.errors import UsageError

HIDDEN = "[hidden]"
MIN_LENGTH = 8
"""Shorter values of environment variables are left alone: hiding every ``1`` makes a text unreadable."""

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:KEY|KEYS|APIKEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|PWD|CREDENTIAL|CREDENTIALS|AUTH|COOKIE|DSN|SALT)"
    r"(?:_\w+)?$|(?:KEY|TOKEN|SECRET|PASSWORD)$",
    re.IGNORECASE,
)
_NOT_SECRET_NAME = re.compile(
    r"^(?:PWD|OLDPWD|SSH_AUTH_SOCK|XAUTHORITY|SSH_ASKPASS)$|_(?:PATH|FILE|DIR|SOCK)$", re.IGNORECASE
)
_AUTH_HEADER = re.compile(
    r"auth(?!or(?!iz))|api-?key|token|secret|cookie|password|credential|signature|-key$", re.IGNORECASE
)
_SECRET_FIELD = re.compile(
    r"(?:(?:api|access|secret|private|subscription|signing|encryption|account|function)key|secret|password|passwd|passphrase"
    r"|credentials?|authorization|cookie|bearer|(?<!bos)(?<!eos)(?<!pad)(?<!sep)(?<!cls)(?<!unk)(?<!mask)(?<!stop)(?<!start)"
    r"(?<!end)(?<!think)(?<!image)(?<!special)(?<!next)token)$|^auth$"
)
"""Fields of a call's parameters, at any depth, as lower-case letters and digits; ``eos_token`` and the like are none."""

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Userinfo of URLs.
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@'\"<>]+@"), rf"\1{HIDDEN}@"),
    # Authorization: Bearer …, Basic …
    (re.compile(r"(?i)\b(bearer|basic)\s+(?!token\b|auth)[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    # ?key=…, api_key='…', "x-api-key": "…", password=…
    (
        re.compile(
            r"(?i)(?<![\w-])((?:[\w-]*(?:api[_-]?key|access[_-]?key|secret|password|passwd|token|signature)|key|sig|x-amz-credential)"
            r"[\"']?\s*(?:=|:(?!//))\s*[\"']?)(?!\[hidden\])(?=[^\s\"'&,;)}\]]{6})[^\s\"'&,;)}\]]*[^\s\"'&,;)}\].]"
        ),
        rf"\1{HIDDEN}",
    ),
)

_FORM = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_*-]{8,}|AIza[A-Za-z0-9_-]{20,}|gsk_[A-Za-z0-9]{16,}|xai-[A-Za-z0-9]{16,}"
    r"|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|(?:AKIA|ASIA)[A-Z0-9]{16}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)"
)
"""Keys that show by their form: OpenAI, Anthropic, Google, Groq, xAI, Hugging Face, GitHub, AWS, JWT."""
_BEGINS = re.compile("sk-|AIza|xai-|gsk_|hf_|gh[pousr]_|github_pat_|AKIA|ASIA|eyJ")
"""How they begin: a text without one of these is not searched."""


class _Known(NamedTuple):
    """The secrets of one moment."""

    environment: Any
    given: Mapping[str, None]
    names: Mapping[str, str]
    """Value → where it comes from."""
    spellings: tuple[str, ...]
    """The values as they are, and as JSON, Python and a URL write them; the longest first."""


_given: dict[str, None] = {}
"""Keys that reached a call by another way than the environment."""
_known = _Known(None, {}, {}, ())


def remember(values: Iterable[object]) -> None:
    """Hide these values too, from here on: keys that reach a call by another way than the environment."""
    global _given
    new = [v for v in values if isinstance(v, str) and len(v) >= MIN_LENGTH and v not in _given]
    if new:
        _given = {**_given, **dict.fromkeys(new)}


def _secrets() -> _Known:
    """Made anew where the environment changed: comparing it is cheaper than a look at its names."""
    global _known
    held = getattr(os.environ, "_data", None)
    if _known.environment is not None and _known.environment == held and _known.given is _given:
        return _known
    names = dict.fromkeys(_given, "a parameter of a call")
    for name, value in os.environ.items():
        if len(value) >= MIN_LENGTH and _SECRET_NAME.search(name) and not _NOT_SECRET_NAME.search(name):
            names.setdefault(value, f"the environment variable {name}")
    spellings = {s for value in names for s in _spellings(value)}
    ordered = tuple(sorted(spellings, key=lambda s: (-len(s), s)))
    _known = _Known(None if held is None else dict(held), _given, names, ordered)
    return _known


def _spellings(value: str) -> set[str]:
    return {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        quote(value, safe="", errors="replace"),
    }


def hide(text: str) -> str:
    """``text`` with every known secret, and every key that shows by its form, replaced by ``[hidden]``."""
    if len(text) < MIN_LENGTH:
        return text
    # Together, on the text as it is: a key that is hidden in part shows the rest of itself.
    spans: list[tuple[int, int]] = []
    for secret in _secrets().spellings:
        at = text.find(secret)
        while at >= 0:
            spans.append((at, at + len(secret)))
            at = text.find(secret, at + 1)
    if _BEGINS.search(text):
        spans += [m.span() for m in _FORM.finditer(text)]
    for start, end in reversed(_merged(spans)):
        text = text[:start] + HIDDEN + text[end:]
    return text


def scrub(text: str) -> str:
    """``text`` with what `hide` hides, and with what looks like a secret where it stands.

    That is ``Bearer …``, ``key=…``, and the user part of URLs: for errors and logs, not for replies, where such words
    may be the answer.
    """
    text = hide(text)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def hide_cut(text: str) -> str:
    """``text`` without the ends of known secrets that are left where others have cut a long text: ``abc...xyz``."""
    if "..." not in text:
        return text
    for secret in _secrets().spellings:
        longest = len(secret) - 1
        for start in _places(text, secret[:SHOWN_END]):
            n = next((n for n in range(longest, SHOWN_END - 1, -1) if text.startswith(secret[:n], start)), 0)
            if text.startswith("...", start + n):
                return hide_cut(text[:start] + HIDDEN + text[start + n :])
        for end in _places(text, secret[-SHOWN_END:]):
            stop = end + SHOWN_END
            n = next((n for n in range(longest, SHOWN_END - 1, -1) if text.endswith(secret[-n:], 0, stop)), 0)
            if text.endswith("...", 0, stop - n):
                return hide_cut(text[: stop - n] + HIDDEN + text[stop:])
    return text


SHOWN_END = 4
"""Characters of a secret that tell nothing yet."""


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def one_line(text: object, limit: int = 300) -> str:
    """`scrub`, in one line of at most ``limit`` characters."""
    found = " ".join(scrub(str(text)).split())
    return found if len(found) <= limit else found[: limit - 1] + "…"


def hidden(value: Json) -> Json:
    """A JSON value with `hide` applied to every text in it; the value itself where there is nothing to hide."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        made = {hidden(k): hidden(v) for k, v in value.items()}
        same = all(k in value and value[k] is v for k, v in made.items())
        return value if same and len(made) == len(value) else made
    if isinstance(value, list | tuple):
        items = [hidden(v) for v in value]
        if all(a is b for a, b in zip(items, value, strict=True)):
            return value
        return tuple(items) if isinstance(value, tuple) else items
    return value


def secret_in(value: Json) -> str | None:
    """Where a known secret within a JSON value comes from (``the environment variable …``); None where there is none."""
    if not isinstance(value, str):
        parts = [*value, *value.values()] if isinstance(value, Mapping) else value
        if not isinstance(parts, list | tuple):
            return None
        return next((held for part in parts if (held := secret_in(part))), None)
    return next((name for secret, name in _secrets().names.items() if secret in value), None)


def scrubbed(value: Json) -> Json:
    """A JSON value with `scrub` applied to every text in it, for files that are shared."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {k: scrubbed(v) for k, v in value.items()}
    return [scrubbed(v) for v in value] if isinstance(value, list | tuple) else value


def hidden_reply(reply: Completion) -> Completion:
    """A reply without secrets: as it is scored, kept and replayed."""
    held = [getattr(reply, name) for name in _SAID]
    clean = [hidden(v) for v in held]
    if all(a is b for a, b in zip(held, clean, strict=True)):
        return reply
    return replace(reply, **dict(zip(_SAID, clean, strict=True)))


_SAID = ("text", "refusal", "tool_calls", "meta")


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans sorted, those that overlap as one."""
    out: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if out and start < out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


class Private(dict[str, Any]):
    """Parameters that travel with a call and are never shown, stored or part of its identity."""

    def __repr__(self) -> str:
        return f"<{len(self)} private>"

    __str__ = __repr__


_SECRET_PARAMS = frozenset(
    (
        "api_key",
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "azure_ad_token",
        "azure_password",
        "client_secret",
        "vertex_credentials",
        "watsonx_token",
    )
)
_CARRYING_PARAMS = frozenset(
    (
        "api_base",
        "base_url",
        "timeout",
        "request_timeout",
        "max_retries",
        "num_retries",
        "client",
        "shared_session",
        "ssl_verify",
        "metadata",
        "aws_profile_name",
        "aws_web_identity_token",
        "aws_role_name",
        "aws_session_name",
        "azure_ad_token_provider",
        "azure_username",
        "client_id",
        "tenant_id",
        "organization",
    )
)
_HEADERS = frozenset(("headers", "extra_headers", "default_headers", "http_headers"))


def public_params(params: Mapping[str, Json]) -> tuple[dict[str, Json], Private]:
    """Split a call's parameters into ``(identity, private)``; where a name is in both, the private value is the one to send.

    ``identity`` shapes the answer and enters the reply's key: everything that is not known to be private
    (an unknown parameter rather costs a second call than serves a wrong reply). ``private`` holds keys, timeouts, the
    raw ``api_base`` (its normal form is the request's endpoint), and whole what has a secret in it, at any depth: a
    field named like one, a header that authenticates, a value that is one. The identity has the rest of it. The
    secrets are hidden by `hide` from here on.
    """
    public: dict[str, Json] = {}
    private = Private()
    for name, value in params.items():
        if name in _SECRET_PARAMS or name in _CARRYING_PARAMS:
            private[name] = value
            if name in _SECRET_PARAMS:
                remember([value])
            elif name in ("api_base", "base_url"):
                remember(_url_secrets(str(value)))
            continue
        kept = _public(name, value)
        if kept is not value:
            private[name] = value
        if kept is not _SECRET:
            public[name] = kept
    return public, private


_SECRET = object()


def _public(name: str, value: Json, headers: bool = False) -> Json:
    """A value without the secrets in it: itself where there is none, `_SECRET` where nothing is left."""
    if headers and _AUTH_HEADER.search(name):
        remember([value, str(value).partition(" ")[2]])
        return _SECRET
    if isinstance(value, str):
        if not headers and _SECRET_FIELD.search(re.sub(r"[^a-z0-9]", "", name.lower())):
            remember([value])
            return _SECRET
        return _SECRET if any(secret in value for secret in _secrets().names) else value
    if isinstance(value, Mapping):
        inside = name in _HEADERS
        found = {k: _public(str(k), v, inside) for k, v in value.items()}
        if all(found[k] is v for k, v in value.items()):
            return value
        return {k: v for k, v in found.items() if v is not _SECRET} or _SECRET
    if isinstance(value, list | tuple):
        items = [_public("", v) for v in value]
        if all(a is b for a, b in zip(items, value, strict=True)):
            return value
        return [HIDDEN if v is _SECRET else v for v in items]
    return value


@lru_cache(maxsize=256)
def _url_secrets(url: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return (url,)
    return tuple(s for s in (parts.password, *(q.partition("=")[2] for q in parts.query.split("&"))) if s)


def is_address(url: object) -> bool:
    """Whether a server can be asked there: http or https, a host, a port that is one."""
    if not isinstance(url, str) or not re.match(r"https?://[^/\s]+[^\s]*$", url, re.IGNORECASE):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@lru_cache(maxsize=256)
def normal_url(url: str) -> str:
    """``url`` without user, query and trailing slash, host in lower case: one text for one endpoint."""
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
    except ValueError:
        raise UsageError(f"api_base {scrub(url)!r} is no URL") from None
    try:
        port = parts.port
    except ValueError:
        port = None
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    if port and (parts.scheme.lower(), port) not in (("http", 80), ("https", 443)):
        host = f"{host}:{port}"
    return urlunsplit((parts.scheme.lower(), host, parts.path.rstrip("/"), "", ""))
