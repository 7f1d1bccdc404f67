"""The models that the tests name: ``python:desk:v1`` to ``python:desk:v4``."""

from __future__ import annotations

from collections.abc import Callable

from train import fingerprint, train

from robusttest import model


def router(version: str) -> Callable[[list[str]], list[str]]:
    @model(version=fingerprint(version), batch_size=64)
    def route(prompts: list[str]) -> list[str]:
        return [str(intent) for intent in train(version).predict(prompts)]

    return route


v1, v2, v3, v4 = router("v1"), router("v2"), router("v3"), router("v4")
