"""What is secret: keys in texts, and the parameters of a call that are no part of the question.

``scrub`` takes secrets out of a text before it is shown, logged or stored. `public_params` splits a call's
parameters into those that shape the answer and those that only carry it there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from robusttest.core.nouns import Json
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
    r"auth|api-?key|token|secret|cookie|password|credential|signature|^x-.*-key$|-key$", re.IGNORECASE
)

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

_planted: set[str] = set()


def remember(values: Iterable[object]) -> None:
    """Hide these values too, from here on: keys that reach a call by another way than the environment."""
    for value in values:
        if isinstance(value, str) and len(value) >= MIN_LENGTH:
            _planted.add(value)


def known_secrets() -> list[str]:
    """Values that are hidden wherever they stand, the longest first."""
    found = set(_planted)
    for name, value in os.environ.items():
        if len(value) >= MIN_LENGTH and _SECRET_NAME.search(name) and not _NOT_SECRET_NAME.search(name):
            found.add(value)
    return sorted(found, key=lambda s: (-len(s), s))


def scrub(text: str) -> str:
    """``text`` with every known secret, and what looks like one, replaced by ``[hidden]``.

    Known are the values (of at least 8 characters) of environment variables named like ``*_KEY``, ``*_TOKEN``,
    ``*_SECRET``, ``*PASSWORD``, and keys that were given as a call's parameters. By form: ``sk-…`` and the
    like, ``Bearer …``, ``key=…``, and the user part of URLs.
    """
    # Together, on the text as it is: a key that is hidden in part shows the rest of itself.
    spans = [m.span() for m in _FORM.finditer(text)]
    for secret in known_secrets():
        at = text.find(secret)
        while at >= 0:
            spans.append((at, at + len(secret)))
            at = text.find(secret, at + 1)
    for start, end in reversed(_merged(spans)):
        text = text[:start] + HIDDEN + text[end:]
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


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


_PRIVATE_NAMES = frozenset(
    (
        "api_key",
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
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "aws_profile_name",
        "aws_web_identity_token",
        "aws_role_name",
        "aws_session_name",
        "azure_ad_token",
        "azure_ad_token_provider",
        "azure_username",
        "azure_password",
        "client_id",
        "client_secret",
        "tenant_id",
        "vertex_credentials",
        "watsonx_token",
        "organization",
    )
)


def public_params(params: Mapping[str, Json]) -> tuple[dict[str, Json], Private]:
    """Split a call's parameters into ``(identity, private)``.

    ``identity`` shapes the answer and enters the reply's key: everything that is not known to be private
    (an unknown parameter rather costs a second call than serves a wrong reply). ``private`` holds keys,
    timeouts, the raw ``api_base`` (its normal form is the request's endpoint) and headers that authenticate;
    the secrets among them are hidden by `scrub` from here on.
    """
    public: dict[str, Json] = {}
    private = Private()
    for name, value in params.items():
        if name in ("extra_headers", "headers") and isinstance(value, Mapping):
            auth = {k: v for k, v in value.items() if _AUTH_HEADER.search(str(k))}
            plain = {k: v for k, v in value.items() if k not in auth}
            if plain:
                public[name] = plain
            if auth:
                private[name] = auth
                remember(auth.values())
                remember(str(v).partition(" ")[2] for v in auth.values())
        elif name in _PRIVATE_NAMES:
            private[name] = value
            if name in ("api_base", "base_url"):
                remember(_url_secrets(str(value)))
            elif name not in ("timeout", "request_timeout", "metadata"):
                remember([value])
        elif isinstance(value, str) and _SECRET_NAME.search(name) and "cache_key" not in name:
            private[name] = value
            remember([value])
        else:
            public[name] = value
    return public, private


def _url_secrets(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return [url]
    return [s for s in (parts.password, *(q.partition("=")[2] for q in parts.query.split("&"))) if s]


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


def endpoint_of(model: str, params: Mapping[str, Json]) -> str | None:
    """The endpoint that a call of ``model`` goes to, in its normal form; None: the provider's own.

    From the parameter ``api_base`` (or ``base_url``), else the environment variable that LiteLLM reads for the
    provider (``OPENAI_BASE_URL``, ``OPENAI_API_BASE``, ``HOSTED_VLLM_API_BASE`` …).
    """
    given = params.get("api_base") or params.get("base_url")
    if not given:
        provider = model.split("/", 1)[0] if "/" in model else "openai"
        prefix = re.sub(r"\W", "_", provider).upper()
        for name in (f"{prefix}_BASE_URL", f"{prefix}_API_BASE", f"{prefix}_ENDPOINT"):
            if given := os.environ.get(name):
                break
    return normal_url(str(given)) if given else None
