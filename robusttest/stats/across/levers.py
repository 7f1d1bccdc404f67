"""What to work on: the kind of perturbation that makes most of the errors that another wording does not have.

A recoverable error here is a wrong reply to a perturbed prompt of a case that is right as written. Errors are counted
for each kind of perturbation, beside the replies to it, so that a kind is not blamed for being tried more often.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robusttest.stats.cell.frame import OWN_NAME_ONLY, Frame

MIN_ERRORS = 10
"""Fewer say little about where they come from."""
MOST = 0.5
"""From this share of the errors on, a kind is worth naming."""

KINDS: dict[str, tuple[str, ...]] = {
    "typos": ("keyboard", "ocr", "insert", "substitute", "swap", "delete", "spelling", "split"),
    "capitals, spaces and marks": (
        "casing", "whitespace", "punctuation", "doubled", "missing_space", "line_wrap", "line_ends",
    ),
    "unusual characters": ("confusables", "zero_width", "normal_form", "full_width"),
    "numbers and dates": ("numbers", "dates", "times", "amounts", "currency", "units"),
    "casual language": ("contractions", "fillers", "slang", "speech", "homophones", "dialect", "spelling_variant", "acronyms"),
}  # fmt: skip
"""Families that one remedy answers, under its name; any other family stands for itself."""
PROMPT = "the prompt's form"
"""All that varies the prompt and not the case."""
_KIND = {family: kind for kind, families in KINDS.items() for family in families}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """The kind of perturbation with the most recoverable errors."""

    kind: str
    """A key of `KINDS`, `PROMPT`, or a family."""
    families: tuple[str, ...]
    """Those of this kind with errors, the most first."""
    errors: int
    of: int
    """Recoverable errors in all."""
    share: float
    """``errors / of``."""
    rate: float
    """Errors of this kind / replies to this kind, of cases that are right as written."""
    rate_elsewhere: float
    """Likewise of all other kinds."""


def lever(cell: Frame) -> Lever | None:
    """None below ten recoverable errors, where one kind alone was tried, and where no kind makes half of the errors and
    makes them more often than the others do.
    """
    at = [
        i
        for i, c in enumerate(cell.columns)
        if not c.is_reference and c.level not in OWN_NAME_ONLY and not cell.sensitive[:, i].all()
    ]
    references = np.flatnonzero(cell.is_reference)
    if not at or not len(references):
        return None
    right = cell.scores[:, references[0]] >= 1
    there = ~np.isnan(cell.scores) & ~cell.sensitive & right[:, None]
    wrong = there & (cell.scores < 1)
    errors: dict[str, int] = {}
    replies: dict[str, int] = {}
    families: dict[str, dict[str, int]] = {}
    for i in at:
        column = cell.columns[i]
        kind = PROMPT if column.level == "prompt" else _KIND.get(column.family, column.family)
        n = int(wrong[:, i].sum())
        errors[kind] = errors.get(kind, 0) + n
        replies[kind] = replies.get(kind, 0) + int(there[:, i].sum())
        mine = families.setdefault(kind, {})
        mine[column.family] = mine.get(column.family, 0) + n
    every, asked = sum(errors.values()), sum(replies.values())
    if every < MIN_ERRORS or len(errors) < 2:
        return None
    kind = max(errors, key=lambda k: errors[k])
    n, tried = errors[kind], replies[kind]
    elsewhere = (every - n) / (asked - tried) if asked > tried else 0.0
    if n < MOST * every or n / tried <= elsewhere:
        return None
    ranked = sorted((f for f, k in families[kind].items() if k), key=lambda f: -families[kind][f])
    return Lever(
        kind=kind, families=tuple(ranked), errors=n, of=every, share=n / every, rate=n / tried, rate_elsewhere=elsewhere,
    )  # fmt: skip
