"""Connections of ours to providers: one POST, and its whole reply or a failure by name."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, cast

from robusttest.core.nouns import Completion, Request
from robusttest.gateway.litellm import response
from robusttest.gateway.litellm.failures import classify, redirected

_CONNECTIONS = 512
_KEEPALIVE = 60.0


class HttpReply:
    """A reply of status 2xx: as much of an ``httpx.Response`` as LiteLLM's transformations read."""

    __slots__ = ("content", "headers", "latency", "status_code")

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes, latency: float = 0.0) -> None:
        self.status_code, self.headers, self.content = status, headers, content
        self.latency = latency
        """Seconds from sending to the whole reply."""

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.content)


class Pool:
    """One session of one event loop, opened with the first call."""

    def __init__(self) -> None:
        self._session: Any = None
        self._tls: Any = None

    async def post(
        self, request: Request, *, url: str, headers: Mapping[str, str], body: Any, timeout: float
    ) -> HttpReply | Completion:
        """The reply, or the completion that a provider's filter gave in the model's place.

        Raises what `failures.classify` says of any other status, a timeout as ``TimeoutError``.
        """
        __tracebackhide__ = True
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        session = self._session or self._open()
        started = time.perf_counter()
        async with (
            asyncio.timeout(timeout),
            session.post(
                url,
                data=data,
                headers=headers,
                allow_redirects=False,
                ssl=self._trusted() if url[:6].lower() == "https:" else True,
            ) as answer,
        ):
            content = await _whole(answer, request.model)
        latency = time.perf_counter() - started
        status: int = answer.status
        if 200 <= status < 300:
            return HttpReply(status, answer.headers, content, latency)
        told: dict[str, str] = dict(answer.headers)
        if (to := answer.headers.get("location")) is not None:
            told = {k: v for k, v in told.items() if k.lower() != "location"}
            told["location"] = redirected(url, to)
        failure = classify(
            model=request.model,
            status=status,
            text=content.decode("utf-8", "replace"),
            headers=told,
            asked=request.messages,
        )
        if failure.kind == "refused":
            return response.filtered(failure.message, latency=latency)
        failure.raise_()

    def _open(self) -> Any:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=_CONNECTIONS, keepalive_timeout=_KEEPALIVE, ttl_dns_cache=300
            ),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self._session

    def _trusted(self) -> Any:
        # Made with the first call that needs it: reading all certificates takes as long as a hundred calls.
        if self._tls is None:
            self._tls = _trust()
        return self._tls

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _trust() -> Any:
    """Whose certificates count: what LiteLLM says where it is loaded, and the same by its rules where it is not."""
    if (handler := sys.modules.get("litellm.llms.custom_httpx.http_handler")) is not None:
        with contextlib.suppress(AttributeError):
            return handler.get_ssl_configuration(None)
    import ssl

    file = os.environ.get("SSL_CERT_FILE")
    if not file or not os.path.exists(file):
        import certifi

        file = certifi.where()
    return ssl.create_default_context(cafile=file)


async def _whole(answer: Any, model: str) -> bytes:
    """The body, as long as it may be a reply."""
    if (answer.content_length or 0) <= response.LARGEST:
        content: bytes = b""
        # A few kilobytes may unpack to gigabytes.
        if answer.content_length is not None and "content-encoding" not in answer.headers:
            return cast(bytes, await answer.read())
        async for chunk in answer.content.iter_chunked(1 << 16):
            content += chunk
            if len(content) > response.LARGEST:
                break
        else:
            return content
    answer.close()
    raise response.too_large(model)
