"""Lists of perturbations under one name: `USUAL`, which ``robusttest scan`` tries, and groups of one kind of change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

GROUPS: Mapping[str, tuple[str, ...]] = {
    NAME: USUAL,
    "typos": ("keyboard", "ocr", "insert", "substitute", "swap", "delete", "doubled", "missing_space", "split", "spelling"),
    "notation": ("numbers", "contractions", "spelling_variant", "dates", "times", "amounts", "currency", "json_keys"),
    "pasted": ("whitespace", "line_wrap", "line_ends", "punctuation", "mail", "emoji", "url"),
    "informal": ("casing", "acronyms", "fillers", "slang", "speech"),
    "layout": (
        "format", "option_labels", "option_order", "option_position", "demo_order", "rendering", "prompt_edges",
    ),
}  # fmt: skip
"""Group → perturbations; each of them leaves the right answer as it is, and needs nothing of the user's."""


def fitting(
    perturbations: Iterable[Perturbation], prompt: Prompt | None, cases: Iterable[Case]
) -> list[Perturbation]:
    """All but those of a group that the task gives nothing to act on: no prompt, no options in it, no demonstrations.

    One that the user named stays, and says *not applicable*.
    """
    cases = tuple(cases)
    kinds = set()
    if prompt is not None:
        kinds |= {"format", "rendering", "prompt_edges"}
        if {"options", "choices"} & shown(prompt) and any(len(c.choices or ()) > 1 for c in cases):
            kinds |= {"option_order", "option_position", "option_labels"}
        if len(prompt.demos) > 1:
            kinds.add("demo_order")
    return [p for p in perturbations if not p.usual or p.level != "prompt" or p.name in kinds]


def as_usual(made: Perturbation) -> Perturbation:
    """The perturbation as one that a group chose, not the user."""
    return replace(made, usual=True)
