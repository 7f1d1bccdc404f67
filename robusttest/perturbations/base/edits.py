"""Pick places, edit them one at a time, splice, verify, keep the edit list.

The rule that everything here keeps: ``apply_edits(original, edits) == text``, no edit touches a protected span,
and the edits are sorted and don't overlap. Places are drawn from a generator that is handed in.
"""

from __future__ import annotations

import difflib
import inspect
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple, Self, TypeAlias

from robusttest.core.nouns import Draft, Edit, Level, NotApplicable, Preserves, changed
from robusttest.errors import UsageError
from robusttest.perturbations.base.fields import place_to_add, varied, why_none, with_texts
from robusttest.perturbations.base.languages import detect
from robusttest.perturbations.base.protocol import Expect, Perturbation
from robusttest.perturbations.base.spans import (
    KINDS,
    Span,
    merge,
    outside,
    protected_spans,
    tears,
    unusable,
    words,
)

Edited: TypeAlias = tuple[str, tuple[Edit, ...]]
"""The new text and the edits that lead to it."""


class Counted(tuple[str, tuple[Edit, ...]]):
    """An `Edited` that knows its severity: how many of the eligible places it changed."""

    changed: int
    eligible: int

    def __new__(cls, text: str, edits: tuple[Edit, ...], changed: int, eligible: int) -> Self:
        self = super().__new__(cls, (text, edits))
        self.changed, self.eligible = changed, eligible
        return self


EditWord = Callable[[str, random.Random], str | None]
"""One word in, another out; None where it has nothing to do to this word."""


EditText: TypeAlias = Callable[..., "Edited | NotApplicable"]
"""What `text_perturbation` lifts: ``(text, *, rng, index, protected)`` to text and edits; ``protected`` must stand.

Where it has a parameter ``language`` it is given the code of the case's language, and the case where it has ``case``.
"""


_TRIES = 4  # draws on one word before another is tried: swapping "ll" changes nothing, swapping "el" does


def apply_edits(text: str, edits: Iterable[Edit | Sequence[Any]]) -> str:
    """``text`` with every edit made. Edits are sorted by start and don't overlap.

    >>> apply_edits("The cat sat", [Edit(4, 7, "dog")])
    'The dog sat'
    """
    out: list[str] = []
    at = 0
    for start, end, new in edits:
        out += (text[at:start], new)
        at = end
    out.append(text[at:])
    return "".join(out)


def share(severity: float, eligible: int, rng: random.Random) -> int:
    """How many of ``eligible`` places a severity means, one at least.

    The share is rounded up or down at random, so that it is met on average over cases: 0.1 of 25 places are 2 or 3.
    """
    exact = severity * eligible
    whole = math.floor(exact + 1e-9)
    if exact - whole > 1e-9 and rng.random() < exact - whole:
        whole += 1
    return min(eligible, max(1, whole))


def edit_words(
    text: str,
    *,
    severity: float,
    rng: random.Random,
    edit_word: EditWord,
    protected: tuple[Span, ...],
    min_letters: int = 1,
    scripts: tuple[str, ...] = ("any",),
    eligible: Callable[[str], bool] | None = None,
    what: str = "word",
) -> Edited | NotApplicable:
    """Edit a share of the words outside ``protected``, each by ``edit_word``.

    ``severity`` is the share of the eligible words: those of ``min_letters`` or more, in ``scripts``, and for which
    ``eligible`` holds. ``what`` names them in the reason where there are none. A word that can't be changed
    gives its place to another one.
    """
    spans = words(text, protected, min_letters, scripts)
    if eligible is not None:
        spans = _eligible(text, spans, eligible)
    n = len(spans)
    if not n:
        return NotApplicable(reason=_no_words(what, min_letters, scripts))
    k = share(severity, n, rng)
    picked = rng.sample(range(n), k)
    edits: list[Edit] = []
    tried = set(picked)
    while picked:
        for i in picked:
            start, end = spans[i]
            word = text[start:end]
            for _ in range(_TRIES):
                new = edit_word(word, rng)
                if new is not None and new != word and not tears(new):
                    edits.append(_trim(start, word, new))
                    break
        missing = k - len(edits)
        if not missing or len(tried) == n:
            break
        rest = [i for i in range(n) if i not in tried]
        picked = rng.sample(rest, min(missing, len(rest)))
        tried.update(picked)
    if not edits:
        return NotApplicable(reason=f"no {what} of the text can be changed")
    edits.sort()
    return Counted(apply_edits(text, edits), tuple(edits), len(edits), n)


@lru_cache(maxsize=64)
def _eligible(
    text: str, spans: tuple[tuple[int, int], ...], eligible: Callable[[str], bool]
) -> tuple[tuple[int, int], ...]:
    """Asked once for the variants of a text, which come one after another."""
    return tuple(s for s in spans if eligible(text[s[0] : s[1]]))


def _no_words(what: str, min_letters: int, scripts: tuple[str, ...]) -> str:
    script = (
        "" if "any" in scripts else f" in {' or '.join(scripts[:3])}{' …' if len(scripts) > 3 else ''} script"
    )
    letters = f" of {min_letters} or more letters" if min_letters > 1 else ""
    return f"no {what}{letters}{script} outside protected text"


def _trim(start: int, old: str, new: str) -> Edit:
    """The smallest edit that turns ``old`` at ``start`` into ``new``."""
    head = 0
    stop = min(len(old), len(new))
    while head < stop and old[head] == new[head]:
        head += 1
    tail = 0
    stop -= head
    while tail < stop and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return Edit(start + head, start + len(old) - tail, new[head : len(new) - tail])


def replace_spans(
    text: str,
    candidates: Iterable[tuple[int, int, str]],
    *,
    rng: random.Random,
    protected: tuple[Span, ...],
    severity: float | None = None,
    what: str = "place",
) -> Edited | NotApplicable:
    """Make a share of the replacements ``(start, end, new)``; several for one span are alternatives.

    Those that touch protected text, change nothing, or overlap an earlier one are left out first; ``severity`` is
    the share of the remaining places (None: all of them).
    """
    places: list[tuple[int, int, list[str]]] = []
    at = -1
    for (start, end), group in groupby(sorted(candidates), key=lambda c: c[:2]):
        options = list(dict.fromkeys(new for _, _, new in group if new != text[start:end]))
        if options and start >= at and outside(start, end, protected):
            places.append((start, end, options))
            at = end if end > start else start + 1
    if not places:
        return NotApplicable(reason=f"no {what} outside protected text")
    chosen = places if severity is None else sorted(rng.sample(places, share(severity, len(places), rng)))
    edits = tuple(_trim(s, text[s:e], rng.choice(new) if len(new) > 1 else new[0]) for s, e, new in chosen)
    return Counted(apply_edits(text, edits), edits, len(edits), len(places))


# --- from a function on text to a perturbation --------------------------------------------------------------


def text_perturbation(
    name: str,
    fn: EditText,
    *,
    spec: str | None = None,
    severity: float | None = None,
    preserves: Preserves = "preserves",
    scripts: tuple[str, ...] = ("any",),
    languages: tuple[str, ...] = ("any",),
    limit: int | None = None,
    level: Level = "input",
    expect: Expect = "target",
    changes: tuple[str, ...] = (),
    adds: bool = False,
    ways: Sequence[str] = (),
    moves: bool = False,
    separable: bool = True,
    description: str = "",
) -> Perturbation:
    """Lift ``fn(text, *, rng, index, protected)`` onto a draft's text fields, recording edits for each field.

    ``changes`` names the kinds of protected text (`spans.KINDS`) that it changes on purpose, and the validity
    gates (`validity.GATES`) that don't apply to it. ``adds``: it adds a text, to one field alone. ``ways``: one of them is
    chosen for all texts of a variant, by its number, and given as ``way``; those that change nothing don't count. ``moves``: protected
    strings may stand elsewhere afterwards (sentence order), and ``fn`` answers for them. ``separable``: a part of the
    edits is a variant, too; never where something moves. A field that is not text, is empty, or broken is left alone; where all are, the perturbation is not applicable.
    """
    allow = tuple(c for c in changes if c in KINDS)
    wants = inspect.signature(fn).parameters

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        if not ways:
            return on_texts(draft, rng, index)
        made: list[Draft] = []
        reason = ""
        for way in ways:
            outcome = on_texts(draft, rng, index, way)
            if isinstance(outcome, NotApplicable):
                reason = reason or outcome.reason
            elif all(outcome.case != other.case for other in made):
                made.append(outcome)
                if len(made) > index:
                    return outcome
        plural = name if name.endswith("s") else re.sub("y$", "ie", name) + "s"
        other = (
            f"the text has {len(made)} other {name if len(made) == 1 else plural} only" if made else reason
        )
        return NotApplicable(reason=other)

    def on_texts(
        draft: Draft, rng: random.Random, index: int, way: str | None = None
    ) -> Draft | NotApplicable:
        case = draft.case
        found = varied(draft)
        if adds and found:
            place = place_to_add(found)
            found = {place: found[place]}
        new: dict[str, str] = {}
        new_edits = dict(draft.edits)
        reasons: list[str] = []
        edited = eligible = 0
        asked: dict[str, Any] = {"case": case} if "case" in wants else {}
        if way is not None:
            asked["way"] = way
        if "language" in wants:
            asked["language"] = case.language or detect("\n".join(found.values())) or "en"
        for key, text in found.items():
            if reason := unusable(text):
                reasons.append(reason)
                continue
            protected = protected_spans(text, case=case, extra=draft.protect, allow=allow)
            if severity is not None and severity > 0.5:
                protected = with_decoys(text, protected, rng)
            outcome = fn(text, rng=rng, index=index, protected=protected, **asked)
            if isinstance(outcome, NotApplicable):
                reasons.append(outcome.reason)
                continue
            after, edits = outcome
            if not moves and not survive(text, after, edits, protected):
                raise AssertionError(f"perturbation {name!r} changed protected text of field {key!r}")
            before = new_edits.get(key)
            new[key] = after
            new_edits[key] = compose_edits(text, before, edits) if before else edits
            if isinstance(outcome, Counted):
                edited, eligible = edited + outcome.changed, eligible + outcome.eligible
        if not new:
            return NotApplicable(reason=reasons[0] if reasons else why_none(draft))
        return draft.with_(
            case=changed(case, fields=with_texts(case.fields, new)),
            edits=new_edits,
            realised=edited / eligible if severity is not None and eligible else draft.realised,
        )

    return Perturbation(
        name=name,
        spec=spec or name,
        level=level,
        apply=apply,
        severity=severity,
        preserves=preserves,
        scripts=scripts,
        languages=languages,
        limit=limit,
        separable=separable and not moves,
        expect=expect,
        changes=changes,
        description=description,
    )


def with_decoys(text: str, protected: tuple[Span, ...], rng: random.Random) -> tuple[Span, ...]:
    """As many other words protected, for each protected label: where all else is changed, it would be given away."""
    labels = [s for s in protected if s.kind == "label"]
    if not labels:
        return protected
    others = words(text, protected, 4)
    like = [w for w in others if text[w[0]].isupper() == text[labels[0].start].isupper()] or others
    picked = rng.sample(like, min(len(like), 2 * len(labels)))
    return merge([*protected, *(Span(start, end, "decoy") for start, end in picked)])


def survive(text: str, new: str, edits: Sequence[Edit], protected: Sequence[Span]) -> bool:
    """Whether every protected string stands, byte for byte, at the offset that the edits move it to."""
    shift = i = 0
    for span in protected:
        while i < len(edits) and edits[i].end <= span.start and edits[i].start <= span.start:
            shift += len(edits[i].text) - (edits[i].end - edits[i].start)
            i += 1
        if text[span.start : span.end] != new[span.start + shift : span.end + shift]:
            return False
    return True


def compose_edits(middle: str, first: Sequence[Edit], second: Sequence[Edit]) -> tuple[Edit, ...]:
    """The edits from the original to the end, where ``first`` leads to ``middle`` and ``second`` on from there."""

    class Piece(NamedTuple):
        start: int  # in the middle text
        end: int
        old: int  # length in the original (first), or None marks an edit of ``second``
        new: str | None

    pieces: list[Piece] = []
    shift = 0
    for e in first:
        pieces.append(Piece(e.start + shift, e.start + shift + len(e.text), e.end - e.start, None))
        shift += len(e.text) - (e.end - e.start)
    pieces += [Piece(e.start, e.end, 0, e.text) for e in second]
    pieces.sort(key=lambda p: (p.start, p.end, p.new is not None))
    out: list[Edit] = []
    shift = 0  # original offset minus middle offset, at the place reached
    i = 0
    while i < len(pieces):
        start, end = pieces[i].start, pieces[i].end
        j = i + 1
        while j < len(pieces) and pieces[j].start <= end:
            end = max(end, pieces[j].end)
            j += 1
        group = pieces[i:j]
        grown = sum(p.old - (p.end - p.start) for p in group if p.new is None)
        later = [Edit(p.start - start, p.end - start, p.new) for p in group if p.new is not None]
        text = apply_edits(middle[start:end], sorted(later))
        out.append(Edit(start + shift, end + shift + grown, text))
        shift += grown
        i = j
    return tuple(out)


# --- edits of a function that returns only text -------------------------------------------------------------

_TOKEN = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")
_MATCHES = 100_000  # pairs of equal tokens above which alignment would take seconds


def diff_edits(a: str, b: str) -> tuple[Edit, ...]:
    """Edits by words that lead from ``a`` to ``b``; empty where they are equal.

    Work is bounded: where very long texts differ in more than words for words, the changed part is one edit.
    """
    if a == b:
        return ()
    whole = _trim(0, a, b)
    # Back to token borders, so that "cat" → "cut" is one word and not a letter inside it.
    start, end_a, end_b = whole.start, whole.end, whole.start + len(whole.text)
    while start and _same_token(a[start - 1], a[start : start + 1] or b[start : start + 1]):
        start -= 1
    while end_a < len(a) and _same_token(a[end_a - 1 : end_a] or b[end_b - 1 : end_b], a[end_a]):
        end_a, end_b = end_a + 1, end_b + 1
    left, right = _TOKEN.findall(a[start:end_a]), _TOKEN.findall(b[start:end_b])
    blocks = _aligned(left, right)
    if blocks is None:
        return (whole,)
    offsets = [start]
    for token in left:
        offsets.append(offsets[-1] + len(token))
    return tuple(_trim(offsets[i1], "".join(left[i1:i2]), "".join(right[j1:j2])) for i1, i2, j1, j2 in blocks)


def _aligned(left: list[str], right: list[str]) -> list[tuple[int, int, int, int]] | None:
    """Ranges of tokens that differ; None where finding them would take too long."""
    if len(left) == len(right):
        alike = sum(x.casefold() == y.casefold() for x, y in zip(left, right, strict=True))
        if 2 * alike >= len(left):  # words for words: no need to look for what moved
            return [(i, i + 1, i, i + 1) for i, (x, y) in enumerate(zip(left, right, strict=True)) if x != y]
    counts = Counter(right)
    if sum(counts[token] for token in left) > _MATCHES:
        return None
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    return [(i1, i2, j1, j2) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"]


def _same_token(x: str, y: str) -> bool:
    return bool(x and y) and ((x.isalnum() and y.isalnum()) or (x.isspace() and y.isspace()))


def keep_protected(text: str, new: str, protected: Sequence[Span]) -> Edited:
    """``new`` with its edits, where it leaves protected text standing; else without the edits that touch it.

    A function of the user's knows nothing of protection. Where every protected string is still there (moved,
    perhaps), its text is taken as it is; where one is gone, the edits that touch protected spans are undone.
    """
    edits = diff_edits(text, new)
    if survive(text, new, edits, protected) or lost(text, new, protected) is None:
        return new, edits
    kept = tuple(e for e in edits if outside(e.start, e.end, protected))
    return apply_edits(text, kept), kept


def lost(text: str, new: str, protected: Sequence[Span]) -> str | None:
    """The first protected string that ``new`` holds less often than ``text`` protects it; None: all are there."""
    needed: dict[str, int] = {}
    for span in protected:
        part = text[span.start : span.end]
        needed[part] = needed.get(part, 0) + 1
    return next((part for part, n in needed.items() if new.count(part) < n), None)


# --- arguments of factories ---------------------------------------------------------------------------------


def parse_severity(name: str, value: float | str | None, *, default: float) -> tuple[float, str]:
    """``(severity, spec)`` from a factory's argument: None is the default, and the bare name its spec.

    One strength has one name: ``keyboard:0.10`` is ``keyboard``, whose default is 0.1.

    >>> parse_severity("keyboard", "0.20", default=0.1)
    (0.2, 'keyboard:0.2')
    """
    if value is None:
        return default, name
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number <= 1:
        raise UsageError(
            f"{name}:{value}: the severity is the share of eligible words, a number in (0, 1], as in {name}:{default:g}"
        )
    return number, name if number == default else f"{name}:{number:g}"
