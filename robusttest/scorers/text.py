"""Scorers that compare texts: exact, includes, pattern, f1, similarity."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from robusttest.core.equality import among, same
from robusttest.core.nouns import Case, Completion, Json, Score, Variant, canonical_json
from robusttest.errors import UsageError
from robusttest.scorers.protocol import SCORERS, Scorer, answer_text, as_score, unparsed, without_id

_ARTICLES = re.compile(r"\b(a|an|the)\b")


def accepted(target: Json) -> list[Json]:
    """The answers that count as right: the target, or each item of a target that is a list."""
    return list(target) if isinstance(target, list | tuple) else [target]


def normalise(text: str, *, casefold: bool, strip: bool, punctuation: bool) -> str:
    """NFC; ``casefold`` ignores case, ``strip`` outer and repeated blanks, ``punctuation=False`` leaves it out."""
    text = unicodedata.normalize("NFC", text)
    if casefold:
        text = text.casefold()
    if not punctuation:
        text = "".join(" " if unicodedata.category(c)[0] == "P" else c for c in text)
    return " ".join(text.split()) if strip else text


def _has_answers(case: Case, **_: Any) -> str | None:
    if isinstance(case.target, list | tuple) and not case.target:
        return "the target is an empty list: no answer would be right"
    return None


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else canonical_json(value)


@SCORERS.register("exact")
def exact(*, casefold: bool = False, strip: bool = True, punctuation: bool = True) -> Scorer:
    """The reply is the target. A target that is a list holds several right answers, read as the first of them.

    ``casefold`` ignores case; ``strip`` ignores blanks around it and how many there are between words;
    ``punctuation=False`` leaves punctuation out of the comparison. Texts that are numbers are compared as numbers: ``7.0``
    is 7. Without text, tool calls are compared as JSON.
    """
    options = {"casefold": casefold, "strip": strip, "punctuation": punctuation}
    return Scorer("exact", _exact, options, check=_has_answers)


def _exact(completion: Completion, variant: Variant, **how: bool) -> Score:
    answer = answer_text(completion)
    if answer is None:
        return unparsed("the reply is empty")
    if not isinstance(answer, str):
        calls = [without_id(t) if isinstance(t, Mapping) else t for t in accepted(variant.target)]
        right = same(answer, calls)
        return Score(value=float(right), answer=answer)
    reply = normalise(completion.text, **how)
    right_ones = [normalise(_plain(t), **how) for t in accepted(variant.target)]
    right = among(reply, right_ones)
    return Score(value=float(right), answer=right_ones[0] if right else reply)


@SCORERS.register("includes")
def includes(*, casefold: bool = True, words: bool = True) -> Scorer:
    """The target occurs in the reply, as whole words (``words=False``: anywhere). A list: any of its items.

    The answer is the target that occurs (the first of the list), else the whole reply.
    """
    return Scorer("includes", _includes, {"casefold": casefold, "words": words}, check=_has_text)


def _has_text(case: Case, **_: Any) -> str | None:
    if (problem := _has_answers(case)) is not None:
        return problem
    if any(not _plain(t).strip() for t in accepted(case.target)):
        return "the target is empty: every reply would include it"
    return None


def _includes(completion: Completion, variant: Variant, *, casefold: bool, words: bool) -> Score:
    answer = answer_text(completion)
    if answer is None:
        return unparsed("the reply is empty")
    how = {"casefold": casefold, "strip": True, "punctuation": True}
    reply = normalise(_plain(answer), **how)
    right_ones = [normalise(_plain(t), **how) for t in accepted(variant.target)]
    for wanted in right_ones:
        if contains(reply, wanted) if words else wanted in reply:
            return Score(value=1.0, answer=right_ones[0])
    return Score(value=0.0, answer=reply)


def contains(text: str, words: str) -> bool:
    """``words`` stands in ``text``, not within a longer word."""
    start = text.find(words)
    while start != -1:
        end = start + len(words)
        before = text[start - 1 : start] + words[:1]
        after = words[-1:] + text[end : end + 1]
        if not re.fullmatch(r"\w\w", before) and not re.fullmatch(r"\w\w", after):
            return True
        start = text.find(words, start + 1)
    return False


@SCORERS.register("pattern")
def pattern(
    regex: str, *, group: int | str | None = None, casefold: bool = True, which: str = "last"
) -> Scorer:
    """The target is what ``regex`` finds: its first group (or ``group``), else the whole match.

    ``which`` is ``"last"`` or ``"first"`` where it matches several times. A reply without a match is unparsed.
    """
    try:
        compiled = re.compile(regex, re.IGNORECASE if casefold else 0)
    except re.error as e:
        raise UsageError(f"pattern({regex!r}): not a regular expression: {e}") from None
    if which not in ("first", "last"):
        raise UsageError(f"pattern(which={which!r}): 'first' or 'last'")
    if group is None:
        group = 1 if compiled.groups else 0
    try:
        compiled.groupindex[group] if isinstance(group, str) else range(compiled.groups + 1)[group]
    except (KeyError, IndexError):
        raise UsageError(f"pattern({regex!r}): it has no group {group!r}") from None
    options = {"regex": compiled, "group": group, "casefold": casefold, "which": which}
    return Scorer("pattern", _pattern, options, check=_has_answers)


def _pattern(
    completion: Completion,
    variant: Variant,
    *,
    regex: re.Pattern[str],
    group: int | str,
    casefold: bool,
    which: str,
) -> Score:
    found = None
    for match in regex.finditer(completion.text):
        if match[group] is not None:
            found = match[group]
            if which == "first":
                break
    if found is None:
        return unparsed(f"no match of {regex.pattern!r} in the reply")
    how = {"casefold": casefold, "strip": True, "punctuation": True}
    reply = normalise(found, **how)
    right_ones = [normalise(_plain(t), **how) for t in accepted(variant.target)]
    right = among(reply, right_ones)
    return Score(value=float(right), answer=right_ones[0] if right else reply)


@SCORERS.register("f1")
def f1() -> Scorer:
    """Word overlap with the target as SQuAD scores it (Rajpurkar et al. 2016): without case, punctuation, articles.

    2PR/(P+R) over the multisets of words; the best of a list of targets. In [0, 1].
    """
    return Scorer("f1", _f1, {}, check=_has_answers)


def _squad(text: str) -> str:
    text = normalise(text, casefold=True, strip=True, punctuation=False)
    return " ".join(_ARTICLES.sub(" ", text).split())


def _f1(completion: Completion, variant: Variant) -> Score:
    answer = answer_text(completion)
    if answer is None:
        return unparsed("the reply is empty")
    reply = _squad(_plain(answer))
    return Score(value=max(overlap(reply, _squad(_plain(t))) for t in accepted(variant.target)), answer=reply)


def overlap(a: str, b: str) -> float:
    """F1 of the words of two texts; two texts without words are equal."""
    x, y = Counter(a.split()), Counter(b.split())
    if not x or not y:
        return float(x == y)
    common = (x & y).total()
    return 2 * common / (x.total() + y.total())


@SCORERS.register("similarity")
def similarity(fn: Callable[[str, str], float], *, threshold: float | None = None) -> Scorer:
    """``fn(reply, target)`` in [0, 1] is the score; with ``threshold`` the score is 1 from there on, else 0.

    ``fn`` is the user's: embeddings, an edit distance, BLEU. The best of a list of targets counts.
    """
    if not callable(fn):
        raise UsageError(f"similarity({fn!r}): give a function (reply, target) -> number in [0, 1]")
    if threshold is not None and not 0 < threshold <= 1:
        raise UsageError(f"similarity(threshold={threshold!r}): a number in (0, 1]")
    return Scorer("similarity", _similarity, {"fn": fn, "threshold": threshold}, check=_has_answers)


def _similarity(
    completion: Completion, variant: Variant, *, fn: Callable[[str, str], float], threshold: float | None
) -> Score:
    answer = answer_text(completion)
    if answer is None:
        return unparsed("the reply is empty")
    reply = _plain(answer)
    scores = [
        as_score(fn(reply, _plain(t)), completion, "similarity").value for t in accepted(variant.target)
    ]
    best = max(scores)
    return Score(value=best if threshold is None else float(best >= threshold), answer=answer)
