"""The models of ``robusttest demo``: ``python:robusttest.demo.desk:v1`` to ``v4`` answer from the shipped cassette.

The cassette (``answers.json``) holds what the four classifiers of ``examples/support_desk`` said, recorded with them:
``{"cases": […], "labels": […], "versions": {…}, "answers": {digest of a prompt: four digits, an index into labels each}}``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from robusttest.errors import ConfigurationError
from robusttest.gateway.callables import model
from robusttest.tasks.task import Task

VERSIONS = ("v1", "v2", "v3", "v4")
PERTURBATIONS = ("keyboard:0.4", "ocr:0.4", "swap:0.4", "casing", "whitespace", "punctuation")
VARIANTS = 3


@cache
def cassette() -> dict[str, Any]:
    held: dict[str, Any] = json.loads((files("robusttest.demo") / "answers.json").read_text(encoding="utf-8"))
    return held


def task(cases: Sequence[Mapping[str, Any]] | None = None, labels: Sequence[str] | None = None) -> Task:
    """The cassette's tickets, or these, and how they are judged."""
    from robusttest.scorers import choice

    tickets = cassette()["cases"] if cases is None else list(cases)
    intents = cassette()["labels"] if labels is None else list(labels)
    return Task("ticket-routing", cases=tickets, prompt="{input}", scorer=choice(intents))


def digest(prompt: str) -> str:
    """What a prompt is found by."""
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _recorded(version: str) -> Callable[[str], str]:
    @model(version=version)
    def answer(prompt: str) -> str:
        held = cassette()
        told = held["answers"].get(digest(prompt))
        if told is None:
            raise ConfigurationError(
                f"the demo has no recorded answer to {prompt[:60]!r}: its tickets and its perturbations are of two versions"
            )
        return str(held["labels"][int(told[VERSIONS.index(version)])])

    return answer


v1, v2, v3, v4 = map(_recorded, VERSIONS)
