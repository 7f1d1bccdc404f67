"""What a provider's error says: its message, its codes, how long to wait. Pure; a text that quotes the prompt is read without it."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from robusttest.core.secrets import scrub

MESSAGE_LIMIT = 400
"""Characters of a provider's error text that are worth a reader's time."""
_RUN = 3
"""Words in a row that stand in the prompt as well make a quotation."""
PAGE = 20_000
"""Characters of an error that are read at all."""

PER_DAY = "a quota per day"
"""The code that Google's ids of quotas per day are read as; the RetryInfo beside them is seconds all the same."""

_LIBRARY_PREFIX = re.compile(
    r"^(?:(?:litellm\.)?\w*(?:Error|Timeout|Exceeded\w*)(?: Error)?: |\w+Exception(?: \w+Error)? - |LiteLLM: |Unable to get json response - |\d{3}, message:\s*)+",
    re.ASCII,
)
_ADVICE = re.compile(
    r"\s*(?:To drop (?:these|it|them)\b.*|If you want to use these params dynamically.*|Please set `?litellm\.\w+.*"
    r"|You can (?:also )?set `?litellm\.\w+.*|Available Model Group Fallbacks.*|LiteLLM Retried: .*|Received Model Group=.*)$",
    re.IGNORECASE | re.DOTALL,
)
"""LiteLLM's advice to do what this project refuses: dropping parameters in silence, falling back to another model."""
_TLS = re.compile(r" ssl:(?:default|True|None|<[^>]*>)(?= \[)")
"""aiohttp's word on its own settings, between the host and what went wrong."""
_QUOTED_REPLY = re.compile(r"\s*Traceback \(most recent|, Original Response:")
_NOTHING = re.compile(r"null|[\s{}\[\]]*|\{\s*\"error\":\s*(?:\{\s*\}|null|\"\")\s*\}")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|[\x00-\x1f\x7f-\x9f]")
"""What a terminal would act on."""
_DELAY = re.compile(
    r"(?:try(?:ing)? again|retry|wait|available)[^\d\n]{0,30}?"
    r"((?:\d+(?:\.\d+)?\s*(?:milliseconds?|ms|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)(?![a-z])[\s,]*)+)",
    re.IGNORECASE,
)
_PART = re.compile(
    r"(\d+(?:\.\d+)?)\s*(ms|milli[a-z]*|h(?:ou)?r?s?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)", re.IGNORECASE
)


class Said(NamedTuple):
    """An error as it was read."""

    message: str
    """Scrubbed, one line, for people."""
    words: str
    """The message without what it quotes of the prompt, in lower case: for finding words in it."""
    codes: frozenset[str]
    """Every ``code``, ``type``, ``status`` and ``reason`` in the body, in lower case."""
    retry_in: float | None
    """Seconds, by a RetryInfo in the body or else by the text."""
    delay: str | None
    """Where ``retry_in`` stands: ``info`` (a RetryInfo) or ``text``."""
    quotes: bool
    """The text quotes the prompt."""
    page: bool
    """It is a web page."""


def read(text: str, asked: Sequence[Mapping[str, Any]] = ()) -> Said:
    """An error's text, JSON or not. ``asked``: the messages of the request, which it may quote."""
    text = text[:PAGE]
    data = _json(text)
    message = provider_text(text)
    # Neither names of LiteLLM's classes, nor frames, nor the reply that could not be read are words of the provider.
    whole = _LIBRARY_PREFIX.sub("", _QUOTED_REPLY.split(_message(data) or text, maxsplit=1)[0])
    words = unquoted(whole, asked)
    info = _retry_info(data)
    delay = info if info is not None else delay_in(words)
    return Said(
        message=message,
        words=words.strip().lower(),
        codes=frozenset(_codes(data)),
        retry_in=delay,
        delay=None if delay is None else "text" if info is None else "info",
        quotes=words != whole,
        page=is_page(text),
    )


def is_page(text: str) -> bool:
    """HTML (or XML) in the place of JSON."""
    return text[:200].lstrip()[:1] == "<"


def provider_text(text: str) -> str:
    """What a provider said, as one short scrubbed line: the ``message`` of a JSON error where there is one."""
    body = text.strip()
    if message := _message(_json(body)):
        body = message
    elif re.match(r"\s*(?:<!doctype html|<html)", body, re.IGNORECASE):
        title = re.search(r"<(?:title|h1)[^>]*>\s*([^<]*?)\s*</", body, re.IGNORECASE)
        body = f"a web page, {title[1]!r}" if title and title[1] else "a web page"
    elif _NOTHING.fullmatch(body):
        return ""
    body = _QUOTED_REPLY.split(_LIBRARY_PREFIX.sub("", body), maxsplit=1)[0]
    body = _ADVICE.sub("", body)
    body = _TLS.sub("", body)
    body = re.sub(r"\s+", " ", _CONTROL.sub(" ", scrub(body))).strip()
    return body if len(body) <= MESSAGE_LIMIT else body[: MESSAGE_LIMIT - 1] + "…"


def delay_in(text: str) -> float | None:
    """Seconds in ``try again in 1m2.5s``, ``Please retry after 26 seconds``; None where no delay is told."""
    found = _DELAY.search(text)
    if found is None:
        return None
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    total = 0.0
    for number, unit in _PART.findall(found[1]):
        low = unit.lower()
        total += float(number) * (0.001 if low == "ms" or low.startswith("milli") else units[low[0]])
    return total


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


def unquoted(text: str, asked: Sequence[Mapping[str, Any]]) -> str:
    """``text`` without every run of words that stands in the request too."""
    prompt = " ".join(_texts(asked)).split()
    if not prompt or not text:
        return text
    words = text.split()
    size = min(_RUN, len(prompt))
    strip = "\"'`.,:;!?()[]{}"
    known = {_key(prompt[i : i + size], strip) for i in range(len(prompt) - size + 1)}
    drop = [False] * len(words)
    for i in range(len(words) - size + 1):
        if _key(words[i : i + size], strip) in known:
            drop[i : i + size] = [True] * size
    if not any(drop):
        return text
    return " ".join(w for w, out in zip(words, drop, strict=True) if not out)


def _key(words: Sequence[str], strip: str) -> tuple[str, ...]:
    return tuple(w.strip(strip).lower() for w in words)


def _texts(asked: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for message in asked:
        content = message.get("content")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            for part in content:
                if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                    yield part["text"]


def _json(text: str) -> object:
    """The JSON object or list in a text; None where there is none."""
    starts = [i for i in (text.find("{"), text.find("[")) if i >= 0]
    for start in sorted(starts):
        try:
            found, _ = json.JSONDecoder().raw_decode(text[start:])
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) or (isinstance(found, list) and found and isinstance(found[0], dict)):
            return found
    return None


def _message(data: object, depth: int = 0) -> str | None:
    if isinstance(data, str):
        return data or None
    if isinstance(data, list) and data and depth < 4:
        return _message(data[0], depth + 1)
    if isinstance(data, dict) and depth < 4:
        for name in ("message", "Message", "error", "detail", "msg", "error_message"):
            if name in data and (found := _message(data[name], depth + 1)):
                return found
    return None


def _codes(data: object, depth: int = 0) -> Iterator[str]:
    """Values of ``code``, ``type``, ``status``, ``reason`` in an error's object, not in a quotation of the request."""
    if isinstance(data, list) and depth < 6:
        for item in data[:20]:
            yield from _codes(item, depth + 1)
    elif isinstance(data, dict) and depth < 6:
        for name, value in data.items():
            if name in ("code", "type", "status", "reason", "__type") and isinstance(value, str | int):
                yield str(value).lower().rpartition("#")[2]
            elif name == "quotaId" and "perday" in str(value).lower():
                yield PER_DAY
            elif name in ("error", "details", "innererror", "errors", "metadata", "detail", "violations"):
                yield from _codes(value, depth + 1)


def _retry_info(data: object, depth: int = 0) -> float | None:
    """Google's ``{"@type": "….RetryInfo", "retryDelay": "26s"}``."""
    values: list[object] = []
    if isinstance(data, list):
        values = data[:20]
    elif isinstance(data, dict):
        delay = data.get("retryDelay")
        if isinstance(delay, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?)s", delay)):
            return float(found[1])
        values = [data[n] for n in ("error", "details") if n in data]
    if depth < 6:
        for value in values:
            if (seconds := _retry_info(value, depth + 1)) is not None:
                return seconds
    return None
