"""How many tokens a request takes, before it is put: counted by a tokenizer, corrected by what stored replies have used.

The tokenizer is that of OpenAI's GPT-4 (cl100k), which comes with LiteLLM: nothing is fetched. Others count English text
up to a quarter otherwise, and frame messages in their own ways: where a model has answered before, the provider's own
counts put that right.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from robusttest.core.nouns import Completion, Json, Request
from robusttest.gateway.litellm import prices

ENCODING = "cl100k_base"
_FILE = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
"""Name of its file in tiktoken's cache, as LiteLLM ships it."""
MESSAGE, REPLY = 4, 3
"""Tokens around each message (start, role, end), and those that begin the reply, in OpenAI's form; others differ by two or three."""
_PIECE = 2_000
"""Characters that are encoded at once: the time grows with the square of a word's length."""
LEARNT = 3
"""Replies from which is learnt what a model counts."""


class Learnt(NamedTuple):
    """What stored replies of a model have used."""

    share: float
    """Tokens that it counted, for each one counted here."""
    output: float
    """Tokens of a reply, on average."""


def learnt(replies: Iterable[tuple[Request, Completion]]) -> Learnt | None:
    """None where too few replies tell their tokens."""
    told = counted = output = n = 0
    for request, completion in replies:
        if completion.input_tokens and completion.output_tokens is not None:
            told, counted = told + completion.input_tokens, counted + count(request)
            output, n = output + completion.output_tokens, n + 1
    return Learnt(told / counted, output / n) if n >= LEARNT and counted else None


def read(rows: Iterable[tuple[Json, Json]]) -> Iterable[tuple[Request, Completion]]:
    """Requests and replies as the store keeps them."""
    for asked, said in rows:
        request = Request(
            model=asked["model"], messages=tuple(asked["messages"]), params=asked.get("params") or {}
        )
        used = {name: said.get(name) for name in ("input_tokens", "output_tokens")}
        yield request, Completion(text="", **used)


def count(request: Request) -> int:
    """Tokens of the messages in their frames, of tools and of a schema for the reply; an image as many as it stands for."""
    total = REPLY + prices.IMAGE_TOKENS * prices.images(request)
    for message in request.messages:
        total += MESSAGE + sum(of_text(text) for text in _texts(message))
    for name in ("tools", "response_format"):
        if (value := request.params.get(name)) and not isinstance(value, str):
            total += of_text(json.dumps(value, ensure_ascii=False, default=str))
    return total


def of_text(text: str) -> int:
    """Tokens of a text; a quarter of its characters where there is no tokenizer."""
    encode = _encoder()
    if encode is None:
        return len(text) // prices.CHARACTERS_PER_TOKEN
    return sum(encode(text[i : i + _PIECE]) for i in range(0, len(text), _PIECE))


def _texts(message: Mapping[str, Any]) -> Iterable[str]:
    content = message.get("content")
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
            yield part["text"]
    if calls := message.get("tool_calls"):
        yield json.dumps(calls, ensure_ascii=False, default=str)


@cache
def _encoder() -> Callable[[str], int] | None:
    folder = _folder()
    if folder is None:
        return None
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    try:
        import tiktoken

        encoding = tiktoken.get_encoding(ENCODING)
    except Exception:  # another version's file, which it would fetch anew
        return None
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before
    return lambda text: len(encoding.encode(text, disallowed_special=()))


def _folder() -> Path | None:
    """LiteLLM's folder with the tokenizer's file."""
    spec = find_spec("litellm")
    for root in (spec.submodule_search_locations or ()) if spec is not None else ():
        for path in (Path(root) / "litellm_core_utils" / "tokenizers", Path(root) / "llms" / "tokenizers"):
            if (path / _FILE).is_file():
                return path
    return None
