"""`USUAL`: what a task is tried with by ``perturbations="usual"`` and ``robusttest scan``, by the task's kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from robusttest.perturbations.base.fields import shown
from robusttest.perturbations.base.protocol import Perturbation

if TYPE_CHECKING:
    from robusttest.core.nouns import Case, Prompt

NAME = "usual"

USUAL = (
    "keyboard",
    "ocr",
    "spelling",
    "casing",
    "whitespace",
    "punctuation",
    "contractions",
    "politeness",
    "format",
    "option_order",
    "demo_order",
)
"""What people type, scan and paste, and how a prompt may be laid out: all of them leave the right answer as it is, and
none needs a model, a package or words of the user's."""


def fitting(
    perturbations: Iterable[Perturbation], prompt: Prompt | None, cases: Iterable[Case]
) -> list[Perturbation]:
    """All but those of ``usual`` that the task gives nothing to act on: no prompt, no options in it, no demonstrations.

    One that the user named stays, and says *not applicable*.
    """
    cases = tuple(cases)
    kinds = set()
    if prompt is not None:
        kinds.add("format")
        if {"options", "choices"} & shown(prompt) and any(len(c.choices or ()) > 1 for c in cases):
            kinds.add("option_order")
        if len(prompt.demos) > 1:
            kinds.add("demo_order")
    return [p for p in perturbations if not p.usual or p.level != "prompt" or p.name in kinds]


def as_usual(made: Perturbation) -> Perturbation:
    """The perturbation as one that ``usual`` chose."""
    return replace(made, usual=True)
