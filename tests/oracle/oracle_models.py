"""Models whose truth is known, as ``python:`` models: what the tool says of them has to be true of them."""

from __future__ import annotations

import hashlib
import re

GOOD = ("good", "great", "warm", "clean")


def _words(prompt: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", prompt.lower())


def _mood(prompt: str, *, hears_not: bool) -> str:
    words = _words(prompt)
    positive = any(w in GOOD for w in words)
    return "positive" if positive != (hears_not and "not" in words) else "negative"


def reader(prompt: str) -> str:
    """Right, however it is put, and where the meaning turns."""
    return _mood(prompt, hears_not=True)


def deaf(prompt: str) -> str:
    """Right, however it is put, and deaf to "not"."""
    return _mood(prompt, hears_not=False)


def constant(prompt: str) -> str:
    """Says one thing: right where that is right."""
    return "positive"


def shy(prompt: str) -> str:
    """Right in small letters alone: any capital turns its answer round."""
    said = reader(prompt)
    return said if prompt == prompt.lower() else {"positive": "negative", "negative": "positive"}[said]


def mumbler(prompt: str) -> str:
    """Says nothing that can be read about two cases of three, always the same ones; else it is right."""
    return "I would rather not say." if _number(prompt) % 3 else reader(prompt)


def talker(prompt: str) -> str:
    """Right in small letters; capitals make it talk, and no label can be read from that."""
    return reader(prompt) if prompt == prompt.lower() else "What a thing to say!"


def guesser(prompt: str) -> str:
    """Right with chance .7 at each wording by itself."""
    draw = int(hashlib.blake2b(prompt.encode(), digest_size=4).hexdigest(), 16) / 2**32
    said = reader(prompt)
    return said if draw < 0.7 else {"positive": "negative", "negative": "positive"}[said]


def weak(prompt: str) -> str:
    """Wrong on three cases of ten, the same ones however they are put."""
    said = reader(prompt)
    return said if _number(prompt) % 10 < 7 else {"positive": "negative", "negative": "positive"}[said]


def counter(prompt: str) -> str:
    """The number of the case, and with "not" one less."""
    words = _words(prompt)
    return str(_number(prompt) - ("not" in words))


def _number(prompt: str) -> int:
    found = re.search(r"\d+", prompt)
    assert found is not None
    return int(found[0])
