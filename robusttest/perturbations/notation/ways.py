"""Perturbations that write the same value in another notation: one notation a variant, at every place of its texts."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping

from robusttest.core.nouns import NotApplicable, Preserves
from robusttest.errors import UnknownNameError
from robusttest.perturbations.base.edits import Edited, replace_spans, text_perturbation
from robusttest.perturbations.base.lexicon import Candidate
from robusttest.perturbations.base.patterns import PATTERNS
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span

Rewritten = Callable[[str, str], Iterable[Candidate]]
"""``(text, language)`` → what can be written in this way, and how; a place that is so written already is left out."""


_FORMULA = re.compile(PATTERNS["math"])


def _in_formula(text: str, place: Candidate) -> bool:
    """Whether a place is a part of LaTeX, as the ``42$`` of ``$a=42$`` is: it may look like money, and is none."""
    return any(
        text[m.start()] in "$\\"
        and m.start() < place.end
        and place.start < m.end()
        and (m.start() < place.start or place.end < m.end())
        for m in _FORMULA.finditer(text)
    )


def by_ways(
    name: str,
    arg: str | None,
    ways: Mapping[str, Rewritten],
    *,
    what: str,
    description: str,
    preserves: Preserves = "preserves",
    languages: tuple[str, ...] = ("any",),
    scripts: tuple[str, ...] = ("any",),
    changes: tuple[str, ...] = (),
    separable: bool = True,
) -> Perturbation:
    """One of ``ways`` a variant, in their order; with an argument (``dates:iso``) that one alone."""
    if arg is not None and arg not in ways:
        raise UnknownNameError(f"notation of {name}", arg, ways)
    names = tuple(ways) if arg is None else (arg,)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], language: str, way: str
    ) -> Edited | NotApplicable:
        places = [c for c in ways[way](text, language) if not _in_formula(text, c)]
        return replace_spans(text, places, rng=rng, protected=protected, what=what)

    return text_perturbation(
        name,
        fn,
        spec=name if arg is None else f"{name}:{arg}",
        limit=len(names),
        ways=names,
        preserves=preserves,
        languages=languages,
        scripts=scripts,
        changes=(*changes, "share"),
        separable=separable,
        description=description,
    )
