"""An OpenAI- and Anthropic-compatible server on the loopback interface, with faults on demand.

In a thread for tests::

    with LoopbackServer(faults={"429": 0.05, "reset": 0.05}) as server:
        ...  # api_base=server.url

or as a process of its own for benchmarks: ``python tests/gateway/loopback.py --delay 0.05`` prints its URL and
serves until its standard input ends. Replies and faults depend on the request's body alone (and on how often
that body came), never on order or time.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

FAULTS = (
    "429",
    "429-after",
    "429-quota",
    "400",
    "400-context",
    "400-filter",
    "400-parameter",
    "401",
    "402",
    "403",
    "404",
    "407",
    "408",
    "410",
    "413",
    "422",
    "500",
    "502",
    "503",
    "503-after",
    "504",
    "529",
    "hang",
    "drip",
    "reset",
    "reset-mid",
    "truncated",
    "invalid-json",
    "empty-choices",
    "no-choices",
    "html",
    "error-in-200",
    "empty-body",
    "refusal",
    "content-filter",
    "null-content",
    "redirect",
    "portal",
    "huge",
    "error",
)
TRANSIENT = (
    "429",
    "429-after",
    "500",
    "502",
    "503",
    "503-after",
    "529",
    "reset",
    "reset-mid",
    "truncated",
    "invalid-json",
    "empty-choices",
)
"""Faults after which the same request, asked again, is answered as without them."""

_ERRORS: dict[str, tuple[str, str | None, str]] = {
    # fault: (type, code, message)
    "429": ("rate_limit_error", "rate_limit_exceeded", "Rate limit reached for requests"),
    "429-after": ("rate_limit_error", "rate_limit_exceeded", "Rate limit reached for requests"),
    "429-quota": ("insufficient_quota", "insufficient_quota", "You exceeded your current quota"),
    "400": ("invalid_request_error", None, "messages: a message is malformed"),
    "400-context": (
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. Please reduce the length of the messages.",
    ),
    "400-filter": (
        "invalid_request_error",
        "content_policy_violation",
        "Your request was rejected as a result of our safety system. content_policy_violation",
    ),
    "400-parameter": (
        "invalid_request_error",
        "unsupported_value",
        "Unsupported value: 'temperature' does not support 0 with this model.",
    ),
    "401": ("authentication_error", "invalid_api_key", "Incorrect API key provided: {key}"),
    "402": ("billing_error", None, "Payment required"),
    "403": ("permission_error", None, "You may not use this model"),
    "404": ("not_found_error", "model_not_found", "The model `x` does not exist"),
    "407": ("proxy_error", None, "Proxy authentication required"),
    "408": ("timeout", None, "Request timed out"),
    "410": ("gone", None, "This deployment was removed"),
    "413": ("request_too_large", None, "Request exceeds the maximum size"),
    "422": ("invalid_request_error", None, "Unprocessable entity"),
    "500": ("server_error", None, "The server had an error while processing your request"),
    "502": ("server_error", None, "Bad gateway"),
    "503": ("server_error", None, "The engine is down for maintenance"),
    "503-after": ("server_error", None, "The engine is down for maintenance"),
    "504": ("server_error", None, "Gateway timeout"),
    "529": ("overloaded_error", None, "Overloaded"),
}

Reply = Callable[[dict[str, Any]], "str | dict[str, Any]"]


def echo(body: dict[str, Any]) -> str:
    """The default reply: a text that only the right prompt leads to."""
    return "echo: " + prompt_of(body)


def prompt_of(body: dict[str, Any]) -> str:
    """The last message's text."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", f"<{part.get('type')}>") for part in content)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that came in."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    fault: str | None


@dataclass(slots=True)
class LoopbackServer:
    """See the module's docstring.

    ``script`` names the fault (or None) of the first, second … request; ``faults`` the share of each fault among
    the others; ``always`` a fault of every request; ``first`` one of the first time that a body comes; ``errors`` are the
    (status, body, headers) that the fault ``error`` sends in turn; ``delay`` seconds before each reply; ``headers`` are
    sent with each.
    """

    reply: Reply = echo
    script: Sequence[str | None] = ()
    faults: Mapping[str, float] = field(default_factory=dict)
    always: str | None = None
    first: str | None = None
    errors: Sequence[tuple[int, Any, Mapping[str, str]]] = ()
    delay: float = 0.0
    retry_after: str = "0.05"
    location: str = "http://elsewhere/v1"
    """Where a redirect leads to."""
    status: int = 302
    """A redirect's."""
    huge: int = 20 << 20
    """Characters of a reply that no model gives."""
    counts_tokens: Callable[[dict[str, Any], str], tuple[int, int]] | None = None
    """How a request's and a reply's tokens are counted; None: by words."""
    says: Mapping[str, Any] = field(default_factory=dict)
    """Fields that a reply has instead of the usual ones: ``model``, ``system_fingerprint``, ``usage`` …"""
    drip: float = 0.02
    """Seconds between the bytes of a slow reply."""
    headers: Mapping[str, str] = field(default_factory=dict)
    log: bool = True
    seed: int = 0
    requests: list[Seen] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    open: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """Fault (or ``ok``) → how often it was served."""
    _times: Counter[bytes] = field(default_factory=Counter)
    _n: int = 0
    _errors: int = 0
    _down: tuple[int, float, str] | None = None
    _down_since: float | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None
    _server: asyncio.AbstractServer | None = None
    _protocols: set[_Protocol] = field(default_factory=set)

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """``api_base`` of OpenAI-compatible providers."""
        return f"{self.host}/v1"

    def __post_init__(self) -> None:
        unknown = {*self.faults, *(f for f in self.script if f), *([self.always] if self.always else [])} - {
            *FAULTS
        }
        if unknown:
            raise ValueError(f"unknown faults {sorted(unknown)}")

    def down(self, *, after: int, seconds: float, fault: str) -> None:
        """From the request of this number on, serve the fault for so long."""
        self._down = after, seconds, fault

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Protocol(self), "127.0.0.1", self.port, backlog=2048, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for protocol in list(self._protocols):
            protocol.abort()
        await asyncio.sleep(0)

    def __enter__(self) -> Self:
        ready = threading.Event()

        def serve() -> None:
            self._loop = asyncio.new_event_loop()
            self._loop.run_until_complete(self.start())
            ready.set()
            try:
                self._loop.run_forever()
                self._loop.run_until_complete(self.stop())
            finally:
                self._loop.close()

        self._thread = threading.Thread(target=serve, name="loopback", daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the loopback server did not start")
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def fault_of(self, raw: bytes) -> str | None:
        """The fault of this request; counts it."""
        n, self._n = self._n, self._n + 1
        if self._down is not None and n >= self._down[0]:
            if self._down_since is None:
                self._down_since = time.monotonic()
            if time.monotonic() - self._down_since < self._down[1]:
                return self._down[2]
        if self.first is not None:
            self._times[raw] += 1
            return self.first if self._times[raw] == 1 else None
        if n < len(self.script):
            return self.script[n]
        if self.always is not None:
            return self.always
        if not self.faults:
            return None
        self._times[raw] += 1
        h = hashlib.blake2b(raw, digest_size=8, salt=self.seed.to_bytes(8, "big"))
        h.update(self._times[raw].to_bytes(4, "big"))
        u = int.from_bytes(h.digest(), "big") / 2**64
        for name, share in self.faults.items():
            u -= share
            if u < 0:
                return name
        return None


class _Protocol(asyncio.Protocol):
    def __init__(self, server: LoopbackServer) -> None:
        self.server, self.buffer = server, bytearray()
        self.transport: asyncio.Transport | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections += 1
        self.server.open += 1
        self.server._protocols.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.open -= 1
        self.server._protocols.discard(self)
        for task in self.tasks:
            task.cancel()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
            size = int(headers.get("content-length", "0"))
            if len(self.buffer) < end + 4 + size:
                return
            if not head[0].startswith("POST "):  # as a client makes of a POST that was redirected
                self.buffer.clear()
                assert self.transport is not None
                self.transport.write(b"HTTP/1.1 405 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                self.transport.close()
                return
            raw = bytes(self.buffer[end + 4 : end + 4 + size])
            del self.buffer[: end + 4 + size]
            self.handle(head[0].split(" ")[1], headers, raw)

    def handle(self, path: str, headers: dict[str, str], raw: bytes) -> None:
        server = self.server
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = {"unreadable": raw.decode("latin-1")}
        fault = server.fault_of(raw)
        server.counts[fault or "ok"] += 1
        if server.log:
            server.requests.append(Seen(path, headers, body, fault))
        server.in_flight += 1
        server.most_in_flight = max(server.most_in_flight, server.in_flight)
        loop = asyncio.get_running_loop()
        if fault == "drip":
            task = loop.create_task(self.drip(path, headers, body))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        elif server.delay:
            loop.call_later(server.delay, self.answer, path, headers, body, fault)
        else:
            self.answer(path, headers, body, fault)

    async def drip(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        try:
            for byte in self.message(path, headers, body, None):
                assert self.transport is not None
                self.transport.write(bytes([byte]))
                await asyncio.sleep(self.server.drip)
        finally:
            self.server.in_flight -= 1

    def answer(self, path: str, headers: Mapping[str, str], body: dict[str, Any], fault: str | None) -> None:
        if fault == "hang":
            return
        self.server.in_flight -= 1
        assert self.transport is not None
        if fault == "reset":
            self.transport.abort()
            return
        data = self.message(path, headers, body, fault)
        if fault in ("truncated", "reset-mid"):
            self.transport.write(data[: -len(data) // 4])
            if fault == "reset-mid":
                self.transport.abort()
            else:
                self.transport.close()
            return
        self.transport.write(data)

    def message(
        self, path: str, headers: Mapping[str, str], body: dict[str, Any], fault: str | None
    ) -> bytes:
        extra = dict(self.server.headers)
        status, payload = self.payload(path, headers, body, fault)
        if fault in ("429-after", "503-after"):
            extra["retry-after"] = self.server.retry_after
        if fault == "error":
            status, payload, more = self.server.errors[self.server._errors % len(self.server.errors)]
            self.server._errors += 1
            extra.update(more)
        if fault == "redirect":
            extra["location"] = self.server.location
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        kind = "text/html" if fault in ("html", "portal") else "application/json"
        head = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(content)}"]
        head += [f"{k}: {v}" for k, v in extra.items()]
        return "\r\n".join([*head, "", ""]).encode() + content

    def payload(
        self, path: str, headers: Mapping[str, str], body: dict[str, Any], fault: str | None
    ) -> tuple[int, Any]:
        anthropic = path.endswith("/messages")
        if fault in _ERRORS:
            kind, code, message = _ERRORS[fault]
            key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
            error: dict[str, Any] = {"type": kind, "message": message.format(key=key)}
            if anthropic:
                return int(fault[:3]), {"type": "error", "error": error}
            return int(fault[:3]), {"error": {**error, "code": code, "param": None}}
        if fault == "html":
            return 502, b"<html><body><h1>502 Bad Gateway</h1></body></html>"
        if fault == "redirect":
            return self.server.status, b""
        if fault == "portal":
            return (
                200,
                b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Accept the terms</body></html>",
            )
        if fault == "error-in-200":
            return 200, {"error": {"message": "Upstream is overloaded", "code": 503}}
        if fault == "empty-body":
            return 200, b""
        if fault == "invalid-json":
            return 200, b'{"id": "x", "choices": [{"message": {"content": "half'
        if not (anthropic or path.endswith("/chat/completions")):
            return 404, {"error": {"message": f"no such path {path}", "type": "not_found"}}
        said = "x" * self.server.huge if fault == "huge" else self.server.reply(body)
        message = said if isinstance(said, dict) else {"content": said}
        if anthropic:
            return 200, self.anthropic(body, message, fault)
        return 200, self.openai(body, message, fault)

    def usage(self, body: dict[str, Any], message: dict[str, Any]) -> tuple[int, int]:
        if self.server.counts_tokens is not None:
            return self.server.counts_tokens(body, str(message.get("content") or ""))
        return len(prompt_of(body).split()) + 3, len(str(message.get("content") or "").split()) + 1

    def openai(self, body: dict[str, Any], message: dict[str, Any], fault: str | None) -> dict[str, Any]:
        finish = message.get("finish_reason") or ("tool_calls" if message.get("tool_calls") else "stop")
        message = {k: v for k, v in message.items() if k != "finish_reason"}
        if fault == "refusal":
            message = {"content": None, "refusal": "I can't help with that."}
        if fault == "content-filter":
            message, finish = {"content": ""}, "content_filter"
        if fault == "null-content":
            message = {"content": None}
        n_in, n_out = self.usage(body, message)
        reply: dict[str, Any] = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1700000000,
            "model": str(body.get("model", "")) + "-2026-01-01",
            "system_fingerprint": "fp_loopback",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", **message},
                    "finish_reason": finish,
                    "logprobs": None,
                }
            ],
            "usage": {"prompt_tokens": n_in, "completion_tokens": n_out, "total_tokens": n_in + n_out},
        }
        reply.update(self.server.says)
        if fault == "empty-choices":
            reply["choices"] = []
        if fault == "no-choices":
            del reply["choices"]
        return reply

    def anthropic(self, body: dict[str, Any], message: dict[str, Any], fault: str | None) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        if message.get("content"):
            content.append({"type": "text", "text": message["content"]})
        for call in message.get("tool_calls") or ():
            function = call["function"]
            content.append(
                {
                    "type": "tool_use",
                    "id": call["id"],
                    "name": function["name"],
                    "input": json.loads(function["arguments"]),
                }
            )
        stop = "tool_use" if message.get("tool_calls") else "end_turn"
        if fault in ("refusal", "content-filter"):
            content, stop = [], "refusal"
        if fault in ("empty-choices", "null-content"):
            content = []
        n_in, n_out = self.usage(body, message)
        reply = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": body.get("model"),
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": n_in, "output_tokens": n_out},
        }
        if fault == "no-choices":
            del reply["content"]
        return reply


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fault-share", type=float, default=0.0, help="share of mixed transient faults")
    args = parser.parse_args()
    faults = {name: args.fault_share / len(TRANSIENT) for name in TRANSIENT} if args.fault_share else {}
    with LoopbackServer(delay=args.delay, port=args.port, faults=faults, log=False) as server:
        print(server.url, flush=True)
        sys.stdin.read()
        print(json.dumps({"requests": sum(server.counts.values()), **server.counts}), flush=True)


if __name__ == "__main__":
    main()
