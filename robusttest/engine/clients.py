"""A body's `Ask` in the shape of OpenAI's client, for frameworks that take one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from robusttest.core.nouns import Completion, Json
from robusttest.errors import UsageError

if TYPE_CHECKING:
    from robusttest.engine.body import Ask

_OF_THE_CALL = ("model", "stream", "stream_options", "timeout", "extra_headers", "extra_query", "extra_body")
"""Arguments that say how to call, not what is asked; the model is the one under test."""


def openai_client(ask: Ask, *, sync: bool) -> Any:
    """An object with ``chat.completions.create``, which asks through ``ask`` and returns OpenAI's ``ChatCompletion``."""

    async def acreate(*, messages: Iterable[Mapping[str, Json]], **how: Any) -> Any:
        return _chat_completion(ask, await ask.acall(*_asked(messages), **_params(how)))

    def create(*, messages: Iterable[Mapping[str, Json]], **how: Any) -> Any:
        return _chat_completion(ask, ask(*_asked(messages), **_params(how)))

    completions = SimpleNamespace(create=create if sync else acreate)
    return SimpleNamespace(
        chat=SimpleNamespace(completions=completions), base_url="robusttest", api_key="none"
    )


def _asked(messages: Iterable[Mapping[str, Json]]) -> tuple[list[dict[str, Json]]]:
    return ([{k: v for k, v in m.items() if not _left_out(v)} for m in messages],)


def _params(how: Mapping[str, Any]) -> dict[str, Json]:
    if how.get("stream") is True:
        raise UsageError("ask.openai: replies come whole: switch streaming off in the framework")
    extra = how.get("extra_body")
    given = {k: v for k, v in how.items() if k not in _OF_THE_CALL and v is not None and not _left_out(v)}
    return {**given, **(extra if isinstance(extra, Mapping) else {})}


def _left_out(value: Any) -> bool:
    """Whether it is OpenAI's mark of an argument that is not given."""
    return type(value).__name__ in ("NotGiven", "Omit")


def _chat_completion(ask: Ask, reply: Completion) -> Any:
    from openai.types.chat import ChatCompletion

    calls = [dict(c) for c in reply.tool_calls or () if isinstance(c, Mapping)]
    message: dict[str, Json] = {"role": "assistant", "content": reply.text or None, "refusal": reply.refusal}
    if calls:
        message["tool_calls"] = calls
    usage = None
    if reply.input_tokens is not None and reply.output_tokens is not None:
        usage = {
            "prompt_tokens": reply.input_tokens,
            "completion_tokens": reply.output_tokens,
            "total_tokens": reply.input_tokens + reply.output_tokens,
        }
    finish = reply.finish_reason or ("tool_calls" if calls else "stop")
    return ChatCompletion.model_validate(
        {
            "id": "robusttest",
            "object": "chat.completion",
            "created": 0,
            "model": reply.model or ask.model,
            "choices": [{"index": 0, "finish_reason": finish, "message": message, "logprobs": None}],
            "usage": usage,
        }
    )
