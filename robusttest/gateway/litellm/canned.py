"""Canned questions and replies on which two ways to a provider are compared, and the server that gives them.

The server listens on the loopback interface of this process, for the length of one comparison: nothing leaves the machine.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self

from robusttest.core.nouns import Json

_PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)
CALL_ID = "call_1"
_CALL = {"id": CALL_ID, "type": "function", "function": {"name": "look_up", "arguments": '{"order": "17"}'}}
_PARAMETERS = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
_TOOLS = [
    {"type": "function", "function": {"name": "look_up", "description": "Look", "parameters": _PARAMETERS}}
]
_SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"label": {"type": "string"}},
            "required": ["label"],
            "additionalProperties": False,
        },
    },
}


def _user(content: Json) -> dict[str, Json]:
    return {"role": "user", "content": content}


_HI = (_user("Hi, how are you? ¿Qué tal? 漢字"),)


@dataclass(frozen=True, slots=True)
class Question:
    """Messages and parameters; what of them is proven to be sent alike where both ways send the same."""

    messages: tuple[Mapping[str, Json], ...]
    params: Mapping[str, Json]
    reply: str = "ok"
    """Which of the canned replies it gets."""


PLAIN = Question(
    (
        {"role": "system", "content": "Be brief."},
        *_HI,
        {"role": "assistant", "content": "Hello"},
        _user("Which label?"),
    ),
    {},
)
"""Without this one nothing is proven."""

PARAMS: Mapping[str, Json] = {
    "temperature": 0.7,
    "top_p": 0.9,
    "max_tokens": 17,
    "max_completion_tokens": 18,
    "seed": 3,
    "stop": ["\n", "END"],
    "presence_penalty": 0.5,
    "frequency_penalty": -0.5,
    "logit_bias": {"50256": -100},
    "user": "somebody",
    "reasoning_effort": "low",
    "extra_headers": {"X-Team": "qa"},
}
"""Parameters that are compared one by one, so that one which differs leaves the others."""

OTHERS: tuple[Question, ...] = (
    Question(_HI, {"stop": "END"}),
    Question(
        (_user([{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": _PNG}}]),), {}
    ),
    Question(
        (
            _user("Look up order 17"),
            {"role": "assistant", "content": None, "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "done"},
        ),
        {"tools": _TOOLS, "tool_choice": "auto"},
        "tool",
    ),
    Question(
        _HI, {"tools": _TOOLS, "tool_choice": {"type": "function", "function": {"name": "look_up"}}}, "tool"
    ),
    Question(_HI, {"tools": _TOOLS, "tool_choice": "auto", "parallel_tool_calls": False}, "tool"),
    Question(_HI, {"response_format": _SCHEMA}, "json"),
    Question(_HI, {"response_format": {"type": "json_object"}}, "json"),
)
"""Parameters and kinds of messages that are compared together."""

CONVERSATIONS: tuple[tuple[Mapping[str, Json], ...], ...] = (
    _HI,
    (_user("Hi"), _user("And?"), _user("")),
    ({"role": "system", "content": "  Be brief.\n"},),
    (
        _user(" Hi \n\n"),
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "Be kind."},
    ),
    (
        {"role": "assistant", "content": "Label: "},
        _user("\ttwo\r\n"),
        {"role": "assistant", "content": " A "},
    ),
)
"""Messages of text that the plain form sends as they are."""

ORDINARY = ("same-id", "details", "reasoning", "cached", "thinking", "finish")
"""Further replies that it has to read alike: of more providers, and such as it leaves to LiteLLM."""

NAMES = frozenset(PARAMS) | {name for question in OTHERS for name in question.params}
"""Parameters that are compared at all."""

REPLIES = (
    "ok",
    "tool",
    "null",
    "refusal",
    "cut",
    "no-usage",
    "empty",
    "error-in-200",
    "half",
    "429",
    "400",
    "401",
    "404",
    "500",
    "503",
)
"""Replies to the plain question that have to be read alike, statuses with the provider's errors among them."""

_ERRORS = {
    "429": ("rate_limit_error", "rate_limit_exceeded", "Rate limit reached, try again in 1.1s"),
    "400": (
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens",
    ),
    "401": ("authentication_error", "invalid_api_key", "Incorrect API key provided"),
    "404": ("not_found_error", "model_not_found", "The model does not exist"),
    "500": ("server_error", None, "The server had an error"),
    "503": ("overloaded_error", None, "Loading model"),
}


def answer(path: str, body: Mapping[str, Any], kind: str) -> tuple[int, bytes]:
    """Status and content of the canned reply of this kind, in the form of the provider whose path this is."""
    if kind in _ERRORS:
        type_, code, message = _ERRORS[kind]
        error: dict[str, Any] = {"type": type_, "message": message, "code": code}
        whole: Any = {"error": error}
        if path.endswith("/messages"):
            whole = {"type": "error", "error": {"type": type_, "message": message}}
        elif path.endswith(("/api/chat", "/api/generate")):
            whole = {"error": message}
        return int(kind), json.dumps(whole).encode()
    if kind == "error-in-200":
        return 200, b'{"error": {"message": "Upstream is overloaded", "code": 503}}'
    forms = {
        "/chat/completions": _openai,
        "/messages": _anthropic,
        "/api/chat": _ollama,
        "/api/generate": _generated,
    }
    for end, make in forms.items():
        if path.endswith(end):
            content = json.dumps(make(body, kind)).encode()
            return 200, content[: len(content) // 2] if kind == "half" else content
    return 404, b'{"error": {"message": "no such path"}}'


def _text(kind: str) -> str | None:
    return {"json": '{"label": "x"}', "null": None, "refusal": None, "tool": ""}.get(kind, "Hello, world")


def served(model: str) -> str:
    """The id that a canned reply in OpenAI's form bears."""
    return f"{model}-2026-01-01"


def _openai(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": _text(kind)}
    if kind == "tool":
        message["tool_calls"] = [_CALL]
    if kind == "refusal":
        message["refusal"] = "I can't help with that."
    finish = {"tool": "tool_calls", "cut": "length"}.get(kind, "stop")
    reply: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": served(str(body.get("model"))),
        "system_fingerprint": "fp_1",
        "service_tier": "default",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    }
    if kind == "no-usage":
        del reply["usage"]
    if kind == "empty":
        reply["choices"] = []
    if kind == "same-id":
        reply["model"] = body.get("model")
    if kind in ("details", "reasoning", "cached"):
        counts = {"reasoning": ("reasoning_tokens", 2), "cached": ("cached_tokens", 4)}.get(kind)
        details = [{"cached_tokens": 0, "audio_tokens": 0}, {"reasoning_tokens": 0, "audio_tokens": 0}]
        if counts is not None:
            details[kind == "reasoning"][counts[0]] = counts[1]
        reply["usage"].update(prompt_tokens_details=details[0], completion_tokens_details=details[1])
        message.update(refusal=None, annotations=[])
        reply["choices"][0]["logprobs"] = None
    if kind == "thinking":
        message["content"] = "<think>Hm.</think>Hello"
    if kind == "finish":
        reply["choices"][0]["finish_reason"] = "eos_token"
    return reply


def _anthropic(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    tools = body.get("tools") or []
    name = tools[0].get("name") if tools else "look_up"
    content: list[dict[str, Any]] = [{"type": "text", "text": _text(kind)}]
    if kind == "tool" or (kind == "json" and tools):
        data = {"order": "17"} if kind == "tool" else {"label": "x"}
        content = [{"type": "tool_use", "id": CALL_ID, "name": name, "input": data}]
    if kind in ("null", "refusal", "empty"):
        content = []
    stop = {"tool": "tool_use", "cut": "max_tokens", "refusal": "refusal"}.get(kind, "end_turn")
    reply = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 3},
    }
    if kind == "no-usage":
        del reply["usage"]
    return reply


def _ollama(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": _text(kind) or ""}
    if kind == "tool":
        message["tool_calls"] = [{"function": {"name": "look_up", "arguments": {"order": "17"}}}]
    reply = {
        "model": body.get("model"),
        "created_at": "2026-01-01T00:00:00Z",
        "message": message,
        "done": True,
        "done_reason": "length" if kind == "cut" else "stop",
        "prompt_eval_count": 9,
        "eval_count": 3,
    }
    if kind == "no-usage":
        del reply["prompt_eval_count"], reply["eval_count"]
    if kind == "empty":
        del reply["message"]
    return reply


def _generated(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Ollama's older interface: a text for a text."""
    reply = _ollama(body, kind)
    message = reply.pop("message", None)
    if message is not None:
        reply["response"] = message["content"]
    return reply


class Server:
    """Answers with ``kind``; keeps what came in. A context manager; it runs on a thread of its own, as some of LiteLLM's
    code asks servers from within the event loop and waits there (Ollama's, for what a model can do).
    """

    def __init__(self) -> None:
        self.kind = "ok"
        self.seen: list[tuple[str, dict[str, str], Any]] = []
        self._listening: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="robusttest-canned", daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._listening.result()}"

    def __enter__(self) -> Self:
        """Raises ``OSError`` where there is no loopback interface."""
        self._thread.start()
        self._listening.result()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._listen())

    async def _listen(self) -> None:
        try:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        except OSError as error:
            self._listening.set_exception(error)
            return
        self._listening.set_result(server.sockets[0].getsockname()[1])
        await self._end.wait()
        server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.partition(":") for line in head[1:])
                headers = {k.strip().lower(): v.strip() for k, _, v in pairs if k}
                content = await reader.readexactly(int(headers.get("content-length", "0")))
                path = head[0].split(" ")[1].partition("?")[0]
                body = json.loads(content or b"{}")
                if head[0].startswith("POST") and not path.endswith("/api/show"):
                    self.seen.append((path, headers, body))
                status, reply = answer(path, body, self.kind)
                lines = [
                    f"HTTP/1.1 {status} X",
                    "content-type: application/json",
                    f"content-length: {len(reply)}",
                ]
                lines += [
                    "x-ratelimit-remaining-requests: 9",
                    *(["retry-after: 0.01"] if status == 429 else []),
                ]
                writer.write("\r\n".join([*lines, "", ""]).encode() + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ValueError):
            pass  # the client left, or the comparison is over
        finally:
            self._writers.discard(writer)
            writer.close()
