"""Gates that a variant passes before it is asked: cheap ones first, then the user's similarity, then a model.

A variant that a gate refuses is ``rejected`` with the gate's reason: counted and shown, never replaced in silence.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import lru_cache

from robusttest.core.nouns import Case, Completion, Draft, Edit, Request
from robusttest.errors import UsageError
from robusttest.perturbations.base.fields import texts
from robusttest.perturbations.base.patterns import negations, number_words, plain
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import labels_in, longest_label

GATES = ("share", "number", "negation", "label", "lines", "json")
"""The cheap gates. A perturbation is excused from those in its ``changes``."""

Similarity = Callable[[str, str], float]
"""``(original, variant) -> number``; larger is more alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """What a variant must keep to be asked: ``Task(validity=…)``, or ``robust(cases=…, validity=…)``.

    The defaults cost microseconds; ``similarity`` and ``judge`` are opt-in::

        Validity(similarity=my_function, min_similarity=0.75)     # (before, after) -> number
        Validity(similarity=embedding())                          # a local model: pip install 'robusttest[transformers]'
        Validity(judge="openai/gpt-4o-mini")                      # asked through the gateway, replies are stored
    """

    max_edit_share: float = 0.5
    """Largest share of a text's characters that noise may change; a severity above it raises it."""
    similarity: Similarity | None = None
    """Semantic gate: a function of the user's, of texts before and after."""
    min_similarity: float = 0.8
    judge: str | None = None
    """Model that is asked whether the variant asks the same (`judge_steps`); only for what a model wrote."""

    def __post_init__(self) -> None:
        if not 0 < self.max_edit_share <= 1:
            raise UsageError(f"max_edit_share={self.max_edit_share!r}: a share of the characters, in (0, 1]")
        if self.similarity is not None and not callable(self.similarity):
            raise UsageError(f"similarity={self.similarity!r}: give a function of two texts, or embedding()")
        if self.judge is not None and (not isinstance(self.judge, str) or not self.judge.strip()):
            raise UsageError(f"judge={self.judge!r}: give the name of a model")
        if not math.isfinite(self.min_similarity):
            raise UsageError(
                f"min_similarity={self.min_similarity!r}: a finite number on the scale of similarity"
            )


DEFAULT = Validity()

_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"(?<![^\W\d_])(?<!\d)\d+(?:[.,]\d+)*(?![^\W\d_])")


@lru_cache(maxsize=256)
def _numbers(text: str) -> tuple[str, ...]:
    return tuple(sorted(_NUMBER.findall(text)))


@lru_cache(maxsize=256)
def _parses(text: str) -> bool:
    stripped = text.strip()
    if stripped[:1] not in ("{", "["):
        return False
    try:
        json.loads(stripped)
    except (ValueError, RecursionError):
        return False
    return True


def check(
    original: Case, draft: Draft, perturbation: Perturbation, validity: Validity = DEFAULT
) -> str | None:
    """Why this variant may not be asked, or None. Looks at the text fields that were changed."""
    if perturbation.preserves == "alters" or draft.case.target != original.target:
        gates: tuple[str, ...] = tuple(g for g in ("lines", "json") if g not in perturbation.changes)
    else:
        gates = tuple(g for g in GATES if g not in perturbation.changes)
    old, now = texts(original.fields), texts(draft.case.fields)
    stands = (
        set(now.values()) if len(now) > len(old) else ()
    )  # turns were added: what was said stands further on
    for key, before in old.items():
        after = now.get(key)
        if after is None or before == after or before in stands:
            continue
        reason = _text_gates(original, before, after, draft.edits.get(key, ()), perturbation, validity, gates)
        if reason is not None:
            return reason if key == "input" or len(original.fields) == 1 else f"{key}: {reason}"
    return None


_COUNTED = ("number", "negation", "label")
"""Gates that count: what they count outside the edited words is the same in both texts."""
_WORD_MOST = 80


def _edited_words(before: str, after: str, edits: tuple[Edit, ...], margin: int) -> tuple[str, str]:
    """The words around the edits in both texts, each stretch in a line of its own; the texts where edits don't fit them."""
    windows: list[list[int]] = []
    for start, end, _ in edits:
        left = max(start - margin, 0)
        left = max(
            before.rfind(" ", max(left - _WORD_MOST, 0), left),
            before.rfind("\n", max(left - _WORD_MOST, 0), left),
            max(left - _WORD_MOST, 0),
        )
        right = before.find(" ", end + margin, end + margin + _WORD_MOST)
        if right < 0:
            right = min(end + margin + _WORD_MOST, len(before))
        if windows and left <= windows[-1][1]:
            windows[-1][1] = max(right, windows[-1][1])
        else:
            windows.append([left, right])
    old: list[str] = []
    new: list[str] = []
    shift = i = 0
    for left, right in windows:
        at = left + shift
        while i < len(edits) and edits[i].end <= right:
            shift += len(edits[i].text) - (edits[i].end - edits[i].start)
            i += 1
        old.append(before[left:right])
        new.append(after[at : right + shift])
    if len(before) + shift != len(after):
        return before, after
    return "\n".join(old), "\n".join(new)


_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")


def _as_read(text: str) -> str:
    """Without what has no width, in one normal form: what a reader counts."""
    return text if text.isascii() else unicodedata.normalize("NFC", _UNSEEN.sub("", text))


def _count_gates(case: Case, before: str, after: str, gates: tuple[str, ...]) -> str | None:
    before, after = _as_read(before), _as_read(after)
    words = not (plain(before) and plain(after))
    if "number" in gates:
        old, new = _numbers(before), tuple(sorted(_NUMBER.findall(after))) if _DIGIT.search(after) else ()
        if old == new and words:
            old, new = tuple(sorted(number_words(before))), tuple(sorted(number_words(after)))
        if old != new:
            lost, found = Counter(old) - Counter(new), Counter(new) - Counter(old)
            return f"numbers changed: {_listed(lost)} became {_listed(found)}"
    if words and "negation" in gates:
        was, now = len(negations(before)), len(negations(after))
        if was != now:
            return f"negations changed: {was} before, {now} after"
    # A label that the text did not hold tells the answer, or another one.
    if "label" in gates and (held := labels_in(after, case)) and (added := held - labels_in(before, case)):
        return f"a label was added: {_listed(added)}"
    return None


def _text_gates(
    case: Case,
    before: str,
    after: str,
    edits: tuple[Edit, ...],
    perturbation: Perturbation,
    validity: Validity,
    gates: tuple[str, ...],
) -> str | None:
    if not after.strip():
        return "nothing is left of the text"
    if "share" in gates and perturbation.severity is not None and edits:
        changed = sum(max(e.end - e.start, len(e.text)) for e in edits)
        cap = max(validity.max_edit_share, perturbation.severity)
        # One word of a two-word text is more than any share: an edit of up to three characters always passes.
        if changed > 3 and changed > cap * len(before):
            return f"{changed} of {len(before)} characters changed, more than {cap:.0%}"
    if any(g in gates for g in _COUNTED):
        near = _edited_words(before, after, edits, longest_label(case)) if edits else (before, after)
        if (reason := _count_gates(case, *near, gates)) is not None:
            whole = _count_gates(case, before, after, gates)
            if near == (before, after) or whole is not None:
                return whole or reason
    if "lines" in gates:
        was, now = before.count("\n"), after.count("\n")
        if was != now:
            return f"lines changed: {was + 1} before, {now + 1} after"
    if "json" in gates and _parses(before):
        try:
            json.loads(after)
        except ValueError as e:
            return f"the JSON no longer parses: {e}"
    if validity.similarity is not None:
        return _similar(before, after, validity)
    return None


def _similar(before: str, after: str, validity: Validity) -> str | None:
    assert validity.similarity is not None
    try:
        value = float(validity.similarity(before, after))
    except Exception as e:
        raise UsageError(f"the similarity function raised {type(e).__name__}: {e}") from e
    if math.isnan(value):
        raise UsageError(f"the similarity function returned nan for {before[:60]!r} and {after[:60]!r}")
    if value < validity.min_similarity:
        return f"similarity {value:.3g} is below {validity.min_similarity:g}"
    return None


def _listed(numbers: Counter[str]) -> str:
    return ", ".join(sorted(numbers.elements())[:5]) or "none"


_QUESTION = """Two versions of a text follow. Could a careful reader answer any question about the second exactly as \
about the first? Spelling, wording and style do not matter; facts, numbers, negations, names and what is asked do.

<first>
{before}
</first>

<second>
{after}
</second>

Reply with one word: SAME or DIFFERENT."""


def judge_steps(
    original: Case, draft: Draft, validity: Validity
) -> Generator[Request, Completion, str | None]:
    """Ask ``validity.judge`` about each changed field: yields Requests, receives Completions, returns a reason or None."""
    if validity.judge is None:
        return None
    old, now = texts(original.fields), texts(draft.case.fields)
    stands = (
        set(now.values()) if len(now) > len(old) else ()
    )  # turns were added: what was said stands further on
    for key, before in old.items():
        after = now.get(key)
        if after is None or before == after or before in stands:
            continue
        question = same_question(before, after)
        completion = yield Request(
            model=validity.judge,
            messages=({"role": "user", "content": question},),
            params={"temperature": 0, "max_tokens": 8},
        )
        if (said := read_same(completion)) is not True:
            return f"{validity.judge} {said}"
    return None


def same_question(before: str, after: str) -> str:
    """What a judge is asked of two texts."""
    return _QUESTION.replace("{before}", before).replace("{after}", after)


def read_same(completion: Completion) -> bool | str:
    """True where a judge says SAME, else what is to be said of it."""
    word = re.search(r"[A-Za-z]+", completion.text)
    verdict = word[0].upper() if word else ""
    if verdict == "DIFFERENT":
        return "says it no longer asks the same"
    return verdict == "SAME" or f"gave no verdict: {completion.text[:40]!r}"
