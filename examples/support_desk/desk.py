"""The models that the tests name: ``python:desk:v1`` and ``python:desk:v2``."""

from __future__ import annotations

from train import fingerprint, train

from robusttest import model


@model(version=fingerprint("v1"), batch_size=64)
def v1(prompts: list[str]) -> list[str]:
    return [str(intent) for intent in train("v1").predict(prompts)]


@model(version=fingerprint("v2"), batch_size=64)
def v2(prompts: list[str]) -> list[str]:
    return [str(intent) for intent in train("v2").predict(prompts)]
