"""The thirty models, which the tests name ``python:models:bayes_20`` … ``python:models:network_1800``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learners import KINDS, SIZES, answers, version

from robusttest import model


def _made(kind: str, size: int) -> Callable[..., list[str]]:
    @model(version=version(), batch_size=256)
    def answer(messages: list[Any], temperature: float = 0.0, **_: Any) -> list[str]:
        return answers(kind, size, messages, float(temperature))

    return answer


for _kind in KINDS:
    for _size in SIZES:
        globals()[f"{_kind}_{_size}"] = _made(_kind, _size)
