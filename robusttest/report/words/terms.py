"""The glossary: each term that a report uses, in words that need no other, and the page of the documentation on it."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    said: str
    page: str
    """In the documentation."""


_METRICS = "reference/metrics.md"
_CONSISTENCY = "explanation/consistency.md"
_VERDICTS = "explanation/verdicts.md"
_INTERVALS = "explanation/intervals.md"

TERMS: dict[str, Entry] = {
    "as written": Entry("The case as you gave it, before any perturbation; its share of right answers is the accuracy.", _METRICS),
    "accuracy": Entry("Share of cases that are right as they were written.", _METRICS),
    "overall accuracy": Entry("Share of right answers over all ways of putting a case, the one that was written included.", _METRICS),
    "robust accuracy": Entry(
        "Share of cases that are right in every way they were put: as written and under each perturbation. One miss counts "
        "as a miss, so it falls with the number of ways.", _METRICS,
    ),
    "consistency": Entry("Share of cases whose answer is the same in every way they were put, right or wrong.", _CONSISTENCY),
    "ICC": Entry(
        "Consistency beyond chance: 1 where a case is right in all ways or in none, 0 where right and wrong fall at random.",
        _CONSISTENCY,
    ),
    "pass^k": Entry(
        "Of a prompt that was run several times: how often all k runs are right. What a user who comes back k times meets; an agent that is "
        "right nine times of ten is so three times in a row on 73 %.", _METRICS,
    ),
    "drop": Entry("What perturbations cost on average: accuracy as written less the share right under perturbations.", _METRICS),
    "net drop": Entry("The drop less what mere repeats of the same prompt cost: the noise floor.", _METRICS),
    "pass rate": Entry("Share of right answers under a perturbation.", _METRICS),
    "flip rate": Entry("Share of answers that differ from the answer to the prompt as written.", _METRICS),
    "net flip rate": Entry("The flip rate less that of mere repeats of the same prompt: the noise floor.", _METRICS),
    "points": Entry("Hundredths of the score: from 92 % to 86 % is -6 points.", "explanation/comparison.md"),
    "weakest": Entry(
        "The perturbation that costs most. It is named where its cost is above zero with 95 % confidence, all perturbations "
        "looked at together.", "howto/advice.md",
    ),
    "threshold": Entry(
        "What a test demands, as accuracy >= 0.9. Not for sure: the 95 % interval reaches across the limit, so that other "
        "cases could decide otherwise.", _VERDICTS,
    ),
    "gate": Entry(
        "The comparison with a baseline, case by case. A regression is a drop that is no accident of these cases.",
        "explanation/comparison.md",
    ),
    "sensitivity": Entry("Where the right answer changes with the text: share of variants on which the model moved as it should.", _METRICS),
    "unmoved": Entry("Where the right answer changes: share of answers that stayed as they were.", _METRICS),
    "judge": Entry(
        "A model that grades replies. Its verdicts on answers that people graded tell its errors: sensitivity is the share of right "
        "answers that it grades right, specificity that of wrong ones that it grades wrong. Behind its errors: what the share of "
        "right answers is, given the share that such a judge calls right.", "howto/judges.md",
    ),
    "unreadable": Entry("Replies in which no answer could be found, or that refuse. They count as wrong.", _METRICS),
    "where to work": Entry("What pays on this test: more accuracy, more robustness, another prompt format, or nothing.", _CONSISTENCY),
    "competence-limited": Entry("Most errors stay whatever the wording: work on the task itself.", _CONSISTENCY),
    "fragile": Entry("Most errors go away with another wording: work on robustness.", _CONSISTENCY),
    "recoverable error": Entry("A wrong reply to a perturbed prompt of a case that is right as written.", _CONSISTENCY),
    "saturated": Entry("Right nearly always in all ways: there is little left to find; take harder cases.", _CONSISTENCY),
    "format-limited": Entry("Most replies are unreadable: mend the prompt or the parser first.", _CONSISTENCY),
    "does not react": Entry("The answer stays where the right one changes.", _METRICS),
    "undecided": Entry("These cases don't tell; more would.", _VERDICTS),
    "p^K": Entry("Robust accuracy as accuracy alone would give it, if all cases were equally hard.", _CONSISTENCY),
    "same ICC": Entry("Robust accuracy as the chance-corrected consistency of the other cells would give it.", _CONSISTENCY),
    "Holm p": Entry("The p-value, adjusted for all the comparisons made at once (Holm's method).", _INTERVALS),
    "95 % interval": Entry("Where the value may be for cases like these: of 100 such intervals, 95 hold it.", _INTERVALS),
    "n": Entry("Cases that the number stands on.", _INTERVALS),
}  # fmt: skip


def anchor(of: str) -> str:
    """The name of a term's place on a page."""
    return "word-" + "".join(ch if ch.isalnum() else "-" for ch in of.lower()).strip("-")
