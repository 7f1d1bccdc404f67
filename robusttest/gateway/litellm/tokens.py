"""How many tokens a request takes, before it is put: counted by a tokenizer, corrected by what stored replies have used.

OpenAI's two tokenizers (cl100k, and o200k from GPT-4o on) come with LiteLLM, that of an open model may lie on this machine
(`templates`): nothing is fetched. Others count English text up to a quarter otherwise, and frame messages in their own ways,
some with a system prompt of their own; before such a model has answered, all that can be said is a range.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from robusttest.core.nouns import Completion, Json, Request
from robusttest.gateway.litellm import prices, templates
from robusttest.gateway.litellm.address import provider_of

ENCODINGS = {
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
}
"""Name → that of its file in tiktoken's cache, as LiteLLM ships it."""
_CL100K = re.compile(r"gpt-4(?!o|[.]\d)|gpt-3\.5|gpt-35")
"""OpenAI's models before GPT-4o."""
CLOSED = frozenset(
    ("openai", "azure", "anthropic", "gemini", "vertex_ai", "bedrock", "cohere", "cohere_chat", "xai")
)
"""Providers whose models add no system prompt of their own to what a call is charged for."""
TEMPLATE, OTHERWISE = 40, 1.25
"""Tokens of a system prompt that open models' templates add where a request has none (SmolLM2's 24, Qwen2.5's 22, Llama 3.1's 26),
and how much more a text may take by another tokenizer."""
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


class TokenRange(NamedTuple):
    """Tokens of a request that nobody has answered yet: between two numbers, which are one where the model's own count is known."""

    least: int
    most: int


def counted(request: Request) -> TokenRange:
    """As the model's own tokenizer and template have it, or a range."""
    provider = provider_of(request.model)
    if provider == "openai" and request.endpoint is None:
        return TokenRange(*[count(request)] * 2)
    if (own := templates.count(request)) is not None:
        return TokenRange(*[own + prices.IMAGE_TOKENS * prices.images(request)] * 2)
    least = count(request)
    if provider in CLOSED and (provider != "openai" or prices.entry_of(request.model, prices.table())):
        return TokenRange(least, least)
    added = 0 if any(m.get("role") == "system" for m in request.messages) else TEMPLATE
    return TokenRange(least, ceil(least * OTHERWISE) + added)


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
    name = encoding_of(request.model)
    total = REPLY + prices.IMAGE_TOKENS * prices.images(request)
    for message in request.messages:
        total += MESSAGE + sum(of_text(text, name) for text in _texts(message))
    for param in ("tools", "response_format"):
        if (value := request.params.get(param)) and not isinstance(value, str):
            total += of_text(json.dumps(value, ensure_ascii=False, default=str), name)
    return total


def encoding_of(model: str) -> str:
    """The tokenizer of OpenAI's that counts for a model: its own, and GPT-4's for models of others."""
    provider, _, name = model.rpartition("/")
    own = provider.partition("/")[0] in ("", "openai", "azure")
    return "o200k_base" if own and not _CL100K.match(name.removeprefix("ft:")) else "cl100k_base"


def of_text(text: str, encoding: str = "cl100k_base") -> int:
    """Tokens of a text; a quarter of its characters where there is no tokenizer."""
    encode = _encoder(encoding)
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
def _encoder(name: str) -> Callable[[str], int] | None:
    folder = _folder(ENCODINGS[name])
    if folder is None:
        return None
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    try:
        import tiktoken

        encoding = tiktoken.get_encoding(name)
    except Exception:  # another version's file, which it would fetch anew
        return None
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before
    return lambda text: len(encoding.encode(text, disallowed_special=()))


def _folder(file: str) -> Path | None:
    """LiteLLM's folder with a tokenizer's file."""
    spec = find_spec("litellm")
    for root in (spec.submodule_search_locations or ()) if spec is not None else ():
        for path in (Path(root) / "litellm_core_utils" / "tokenizers", Path(root) / "llms" / "tokenizers"):
            if (path / file).is_file():
                return path
    return None
