"""Perturbations that write the same value in another notation: one notation a variant, at every place of its texts."""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping

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


def _outside_formulas(text: str, places: Iterable[Candidate]) -> Iterator[Candidate]:
    """The places that are no part of LaTeX, as the ``42$`` of ``$a=42$`` is: it may look like money, and is none."""
    formulas = [m.span() for m in _FORMULA.finditer(text) if text[m.start()] in "$\\"]
    ends = [end for _, end in formulas]
    for place in places:
        i = bisect_right(ends, place.start)  # the first that ends behind where the place begins
        while i < len(formulas) and formulas[i][0] < place.end:
            start, end = formulas[i]
            if start < place.start or place.end < end:
                break
            i += 1
        else:
            yield place


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
        places = _outside_formulas(text, ways[way](text, language))
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
