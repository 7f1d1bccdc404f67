"""What calls cost by LiteLLM's table of prices: read from its file, so that a budget needs no import of LiteLLM."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from robusttest.core.nouns import Completion, Request
from robusttest.settings import read_price

Table = Mapping[str, Mapping[str, Any]]
FILE = "model_prices_and_context_window_backup.json"

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English: for what is told, not for what is reserved."""


class Price(NamedTuple):
    """US dollars for one token."""

    input: float
    output: float
    most_output: int | None
    """Tokens that a reply has at most; None where LiteLLM does not know."""


@cache
def table() -> Table:
    """The table that came with the installed LiteLLM, by model; empty if there is none."""
    spec = find_spec("litellm")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / FILE
        if path.is_file():
            found: Table = json.loads(path.read_text(encoding="utf-8"))
            return found
    return {}


def current() -> Table:
    """The table that counts: that of LiteLLM where it is loaded, as an app may have put prices there."""
    loaded = getattr(sys.modules.get("litellm"), "model_cost", None)
    return loaded if isinstance(loaded, dict) and loaded else table()


def entry_of(model: str, prices: Table) -> Mapping[str, Any] | None:
    """What the table says of a model as a run names it; None for one that it does not know."""
    provider, slash, rest = model.partition("/")
    entry = prices.get(model)
    if entry is None and slash:
        # "openai/gpt-4o" stands there as "gpt-4o"; but "hosted_vllm/gpt-4o" is somebody else's.
        entry = prices.get(rest)
        if entry is not None and not str(entry.get("litellm_provider", "")).startswith(provider):
            entry = None
    return entry


def price_of(model: str, prices: Table) -> Price | None:
    """The price of a model as a run names it; None for one that has no price, such as a server of one's own."""
    entry = entry_of(model, prices)
    if not entry or entry.get("input_cost_per_token") is None:
        return None
    most = entry.get("max_output_tokens") or entry.get("max_tokens")
    return Price(
        float(entry["input_cost_per_token"]),
        float(entry.get("output_cost_per_token") or 0),
        most if isinstance(most, int) else None,
    )


def known(model: str, told: Sequence[str] = (), prices: Table | None = None) -> Price | None:
    """The price that counts for a model: the user's word on it (``--robust-price``), else LiteLLM's, else the user's word on
    every other model; None where nobody knows.
    """
    own = {name: price for name, *price in map(read_price, told)}
    found = price_of(model, current() if prices is None else prices)
    if model in own or (found is None and None in own):
        paid, said = own[model] if model in own else own[None]
        return Price(paid / 1e6, said / 1e6, None if found is None else found.most_output)
    return found


def cost_of(completion: Completion, price: Price) -> float | None:
    """What a reply cost at a price; None where its tokens were not told."""
    if completion.input_tokens is None or completion.output_tokens is None:
        return None
    return completion.input_tokens * price.input + completion.output_tokens * price.output


def output_limit(request: Request) -> int | None:
    """Tokens that all the replies of a request may have; None where it does not say."""
    asked = request.params.get("max_completion_tokens") or request.params.get("max_tokens")
    n = request.params.get("n")
    return asked * (n if isinstance(n, int) else 1) if isinstance(asked, int) else None


IMAGE_TOKENS = 1105
"""Of one image: what OpenAI counts for a large one in high detail (85 + 6 × 170). Its base64 text is no prompt."""


def size(request: Request) -> int:
    """Characters of the messages, the tools and the schema, as they are sent; an image as many as its tokens stand for."""
    sent = [_text(m) for m in request.messages]
    sent += [request.params[name] for name in ("tools", "response_format") if request.params.get(name)]
    return sum(len(json.dumps(part, ensure_ascii=False, default=str)) for part in sent) + (
        CHARACTERS_PER_TOKEN * IMAGE_TOKENS * images(request)
    )


def images(request: Request) -> int:
    return sum(_is_image(part) for m in request.messages for part in _parts(m))


def _parts(message: Mapping[str, Any]) -> list[Any]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _is_image(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") in ("image_url", "image", "input_image")


def _text(message: Mapping[str, Any]) -> Mapping[str, Any]:
    parts = _parts(message)
    return {**message, "content": [p for p in parts if not _is_image(p)]} if parts else message


TYPICAL_OUTPUT = 256
"""Tokens of a reply that nobody has seen."""


def typical(request: Request, price: Price) -> float:
    """US dollars that such a call may have cost of which nothing came back."""
    output = min(output_limit(request) or TYPICAL_OUTPUT, TYPICAL_OUTPUT)
    return size(request) / CHARACTERS_PER_TOKEN * price.input + output * price.output


def most(request: Request, price: Price) -> float | None:
    """US dollars that a call costs at most: its characters as tokens, of which there are fewer in nearly all scripts,
    and all the output that it may have. None where nothing limits the output.
    """
    output = output_limit(request)
    if output is None:
        if price.most_output is None:
            return None
        n = request.params.get("n")
        output = price.most_output * (n if isinstance(n, int) else 1)
    return size(request) * price.input + output * price.output
