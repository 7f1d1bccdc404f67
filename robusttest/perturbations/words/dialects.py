"""English as it is spoken in a region: words and forms of a dialect that say the same."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from functools import cache

from robusttest.core.nouns import Case, NotApplicable
from robusttest.errors import UnknownNameError
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import Edited, replace_spans, text_perturbation
from robusttest.perturbations.base.lexicon import begins_sentence, in_case_of, table
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span
from robusttest.perturbations.words.persons import strings

DIALECTS = ("australian", "northern", "scottish", "southern")
"""Of Australia, the north of England, Scotland, the south of the United States."""


@cache
def _forms(dialect: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    held: Mapping[str, str] = table("dialects")[dialect]
    return tuple(
        (re.compile(rf"(?i)(?<![\w'’-]){standard}(?![\w'’-])"), said) for standard, said in held.items()
    )


def forms_in(text: str, dialect: str) -> Iterator[tuple[int, int, str]]:
    """``(start, end, what is said there)``; a capitalised word within a sentence is a name."""
    plain = text.replace("’", "'")
    for pattern, said in _forms(dialect):
        for m in pattern.finditer(plain):
            if m[0].islower() or m[0].isupper() or begins_sentence(text, m.start()):
                yield m.start(), m.end(), in_case_of(m[0], said)


@fielded
def dialect(name: str | None = None) -> Perturbation:
    """Words and forms of a dialect wherever the text has the standard ones: ``owt``, ``dinnae``, ``workin'``, ``arvo``.

    One of `DIALECTS` a variant, in turn; ``dialect:scottish`` keeps to one. What an answer says stands. The lists are of
    vocabulary and forms that mean the same, no imitation of how anybody speaks.
    """
    if name is not None and name not in DIALECTS:
        raise UnknownNameError("dialect", name, DIALECTS)
    ways = DIALECTS if name is None else (name,)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], case: Case, way: str
    ) -> Edited | NotApplicable:
        answers = " ".join(strings([case.target, list(case.choices or ())])).lower()
        made = [m for m in forms_in(text, way) if text[m[0] : m[1]].lower() not in answers]
        return replace_spans(
            text, made, rng=rng, protected=protected, what="word that a dialect has another for"
        )

    return text_perturbation(
        "dialect",
        fn,
        spec="dialect" if name is None else f"dialect:{name}",
        limit=len(ways),
        ways=ways,
        languages=("en",),
        scripts=("Latin",),
        preserves="probably",
        changes=("share", "negation"),
        description="words and forms of a dialect: owt, dinnae, workin'",
    )
