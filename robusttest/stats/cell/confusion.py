"""Which answers are taken for which: pairs of the right answer and the wrong one that was given instead.

Counted over readable replies to variants that keep the right answer, runs of the same prompt left out, so that it says
which classes a model mixes up; and how much of that comes with the perturbations: a pair that is rare at the unperturbed
prompt and frequent elsewhere is what they do. Only of closed answers: where hardly any wrong answer comes twice there is
nothing to count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from robusttest.core import equality
from robusttest.core.nouns import REFERENCE, Json, Record

TOP = 10
MOST_TARGETS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Confused:
    """One right answer, and one that stood in its place."""

    target: Json
    answer: Json
    count: int
    """Replies."""
    of: int
    """Readable replies to questions with this right answer."""
    cases: int
    """Cases it happened in."""
    unperturbed: int
    """Of the replies, those to an unperturbed prompt."""
    of_unperturbed: int

    @property
    def share(self) -> float:
        return self.count / self.of


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """The pairs of one cell, the most frequent first."""

    pairs: tuple[Confused, ...]
    wrong: int
    """Wrong readable replies in all."""
    replies: int
    """Readable replies with a right answer."""


def confusion(records: Iterable[Record], top: int = TOP) -> Confusion | None:
    """Of one cell; None without targets, and where answers are not of a closed set."""
    given: dict[tuple[object, object], list[Record]] = {}
    of: Counter[object] = Counter()
    of_unperturbed: Counter[object] = Counter()
    wrong = 0
    for r in records:
        if (
            r.status != "ok"
            or r.target is None
            or r.answer is None
            or r.effect != "same"
            or r.repeat
            or r.score is None
        ):
            continue
        if r.level == "repeat":
            continue
        target, answer = equality.key(r.target), equality.key(r.answer)
        of[target] += 1
        of_unperturbed[target] += r.perturbation == REFERENCE
        if answer != target and r.score < 1:
            wrong += 1
            given.setdefault((target, answer), []).append(r)
    if not of or len(of) > MOST_TARGETS:
        return None
    pairs = [
        Confused(
            target=rows[0].target, answer=rows[0].answer, count=len(rows), of=of[target],
            cases=len({r.case_id for r in rows}), unperturbed=sum(r.perturbation == REFERENCE for r in rows),
            of_unperturbed=of_unperturbed[target],
        )
        for (target, _), rows in given.items()
    ]  # fmt: skip
    pairs.sort(key=lambda p: (-p.count, text(p.target), text(p.answer)))
    if len(of) > 2 and not any(p.cases > 1 for p in pairs):
        return None  # every wrong answer is one case's own
    return Confusion(pairs=tuple(pairs[:top]), wrong=wrong, replies=sum(of.values()))


def text(value: Json) -> str:
    """An answer as it is shown in a line: short, on one."""
    said = " ".join((value if isinstance(value, str) else repr(value)).split())
    return said if len(said) <= 40 else said[:37] + "..."
