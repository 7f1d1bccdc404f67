"""Perturbations that change the right answer on purpose, and what the right answer then is.

CheckList's directional tests (Ribeiro et al. 2020): a model that is only insensitive passes every invariance test, so
some variants must change its answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import get_args

from robusttest.core.nouns import Case, Completion, Draft, Json, NotApplicable, Request
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.catalog import Spec, make
from robusttest.perturbations.base.edits import Edited, EditText, replace_spans, text_perturbation
from robusttest.perturbations.base.lexicon import Candidate, english
from robusttest.perturbations.base.protocol import Expect, Perturbation
from robusttest.perturbations.base.spans import Span

Target = Callable[[Case, Draft], Json]
"""``(original case, perturbed draft)`` → the right answer to the perturbed question; None: there is no telling."""


def directional(
    perturbation: Spec, *, expect: Expect | None = None, target: Target | None = None
) -> Perturbation:
    """The perturbation with a rule for the right answer.

    ``expect``: ``changes`` (any answer but the reference's), ``increases``, ``decreases`` (a larger, a smaller number) or
    ``same``. ``target``: a function of the original case and the perturbed draft that gives the new right answer::

        directional(antonym(0.3), expect="changes")
        directional("negation", target=lambda case, draft: {"positive": "negative"}.get(case.target))
    """
    inner = make(perturbation)
    if (expect is None) == (target is None):
        raise UsageError(
            "directional: give either expect='changes' (increases, decreases, same) or target=function"
        )
    if expect is not None:
        rules = [e for e in get_args(Expect) if e != "target"]
        if expect not in rules:
            raise UnknownNameError("rule", str(expect), rules)
        return replace(inner, expect=expect)
    if not callable(target):
        raise UsageError(f"directional: target={target!r} is not a function of (case, draft)")
    rule = target

    def aimed(case: Case, out: Draft | NotApplicable) -> Draft | NotApplicable:
        if isinstance(out, NotApplicable):
            return out
        try:
            new = rule(case, out)
        except Exception as e:
            raise UsageError(
                f"directional({inner.spec}): target raised {type(e).__name__}: {e} (case {case.id!r})"
            ) from e
        if new is None:
            return NotApplicable(reason="the rule gives no right answer for this variant")
        if out.case.choices is not None and isinstance(new, str) and new not in out.case.choices:
            raise UsageError(
                f"directional({inner.spec}): target gave {new!r} for case {case.id!r}, which is none of its choices: "
                f"{', '.join(out.case.choices)}"
            )
        return out.with_(case=replace(out.case, target=new))

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        assert inner.apply is not None
        return aimed(draft.case, inner.apply(draft, rng, index))

    def rewrite(
        draft: Draft, rng: random.Random, index: int
    ) -> Generator[Request, Completion, Draft | NotApplicable]:
        assert inner.rewrite is not None
        return aimed(draft.case, (yield from inner.rewrite(draft, rng, index)))

    # The target is right for the variant, so a right answer is one that the perturbation preserves.
    return replace(
        inner,
        apply=apply if inner.apply else None,
        rewrite=rewrite if inner.rewrite else None,
        expect="target",
        aims=True,
        preserves="probably",
    )


_AUXILIARY = re.compile(
    r"(?<![\w'’-])(is|are|was|were|can|could|will|would|should|must|may|might)(?=[ \t]+([^\W\d_]+))",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"([^\W\d_]+)[ \t]+\Z")


def negation_candidates(text: str) -> list[Candidate]:
    """Places for a ``not``: after an auxiliary that follows its subject (``the food was good``), not in questions."""
    found = []
    for m in _AUXILIARY.finditer(text):
        before = _BEFORE.search(text, max(0, m.start() - 40), m.start())
        if m[2].lower() in english("after_inversion") or before is None:
            continue  # no subject before it: a question or a fragment
        if before[1].lower() in english("no_subject"):
            continue
        new = "cannot" if m[1] == "can" else f"{m[1]} {'NOT' if m[1].isupper() else 'not'}"
        found.append(Candidate(m.start(), m.end(), new))
    return found


@fielded
def negation() -> Perturbation:
    """A ``not`` put into one statement: ``the food was good`` → ``the food was not good``. Turns the meaning round."""

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        return replace_spans(
            text,
            negation_candidates(text),
            rng=rng,
            protected=protected,
            severity=1e-9,  # one place: two would cancel out
            what="statement with is, was, can … to negate",
        )

    typed: EditText = fn
    return text_perturbation(
        "negation",
        typed,
        preserves="alters",
        scripts=("Latin",),
        languages=("en",),
        changes=("negation",),
        description="a 'not' put into a statement",
    )
