"""What changed between an original and its variant, as stretches of text that a reader takes in at a glance."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from robusttest.report.model import Segment

LONGEST = 6_000
"""Characters beyond which texts are compared by their ends alone: matching is quadratic."""

_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_NEAR = 24
"""A changed word longer than this is shown by its changed part alone."""


def segments(original: str, text: str, edits: Iterable[Sequence[Any]] | None = None) -> tuple[Segment, ...]:
    """The diff, by the edit list where it leads from ``original`` to ``text``, else by comparing words."""
    if original == text:
        return ()
    parts = _from_edits(original, edits) if edits is not None else None
    if parts is None or "".join(p.new for p in parts) != text:
        parts = _from_texts(original, text)
    return tuple(_merged(_whole_words(parts)))


def original_of(text: str, edits: Sequence[Sequence[Any]], reference: str) -> str | None:
    """The text before ``edits`` made it ``text``, found inside ``reference`` (a prompt that holds it).

    An edit list says how much it replaced, not what; the unchanged stretches between edits find the place.
    None where they are not there.
    """
    kept: list[str] = []
    position = before = 0  # in the variant, in the original
    gaps: list[int] = []
    for start, end, new in edits:
        if start < before or position + (start - before) > len(text):
            return None
        kept.append(text[position : position + start - before])
        position += start - before
        if text[position : position + len(new)] != new:
            return None
        position += len(new)
        gaps.append(end - start)
        before = end
    kept.append(text[position:])
    gaps.append(0)
    whole = sum(map(len, kept)) + sum(gaps)
    anchor = max(range(len(kept)), key=lambda i: len(kept[i]))
    if not kept[anchor]:
        return reference if len(reference) == whole else None
    offset = sum(map(len, kept[:anchor])) + sum(gaps[:anchor])
    at = reference.find(kept[anchor], offset)
    while at != -1:
        start = here = at - offset
        for stretch, gap in zip(kept, gaps, strict=True):
            if not reference.startswith(stretch, here):
                break
            here += len(stretch) + gap
        else:
            if here <= len(reference):
                return reference[start:here]
        at = reference.find(kept[anchor], at + 1)
    return None


def _from_edits(original: str, edits: Iterable[Sequence[Any]]) -> list[Segment] | None:
    out: list[Segment] = []
    position = 0
    for start, end, new in edits:
        if not position <= start <= end <= len(original):
            return None
        out.append(Segment(original[position:start], original[position:start]))
        out.append(Segment(original[start:end], new))
        position = end
    out.append(Segment(original[position:], original[position:]))
    return out


def _from_texts(old: str, new: str) -> list[Segment]:
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    middle = [Segment(a, b)]
    if len(a) + len(b) <= LONGEST:
        x, y = _WORD.findall(a), _WORD.findall(b)
        matcher = difflib.SequenceMatcher(None, x, y, autojunk=False)
        middle = [Segment("".join(x[i:j]), "".join(y[k:m])) for _, i, j, k, m in matcher.get_opcodes()]
    end = old[len(old) - tail :] if tail else ""
    return [Segment(old[:head], old[:head]), *middle, Segment(end, end)]


def _common(a: str, b: str) -> int:
    n = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        n += 1
    return n


_Part = tuple[bool, str, str]
"""Whether it belongs to a change, the old text, the new."""


def _whole_words(parts: list[Segment]) -> list[_Part]:
    """Grow changes to whole words: ``[review→revifw]`` reads better than ``revi[e→f]w``."""
    out: list[_Part] = []
    for i, (old, new) in enumerate(parts):
        if old != new or not old:
            out.append((True, old, new))
            continue
        left = right = ""
        if i > 0 and _touches_word(parts[i - 1], at_end=True):
            left = _leading_word(old)
        if i + 1 < len(parts) and _touches_word(parts[i + 1], at_end=False) and len(left) < len(old):
            right = _leading_word(old[::-1])[::-1]
        rest = old[len(left) : len(old) - len(right)]
        out += [(True, left, left), (False, rest, rest), (True, right, right)]
    return out


def _leading_word(text: str) -> str:
    found = re.match(r"\w+", text)
    return found[0] if found and len(found[0]) <= _NEAR else ""


def _touches_word(part: Segment, *, at_end: bool) -> bool:
    """Whether the change ends (or starts) within a word, so that what follows belongs to it."""
    if not part.changed:
        return False
    edge = -1 if at_end else 0
    return any(bool(re.match(r"\w", text[edge])) for text in part if text)


def _merged(parts: list[_Part]) -> list[Segment]:
    """Neighbours of one kind become one; empty ones go."""
    out: list[_Part] = []
    for part in parts:
        if not part[1] and not part[2]:
            continue
        if out and out[-1][0] == part[0]:
            changed, old, new = out[-1]
            out[-1] = (changed, old + part[1], new + part[2])
        else:
            out.append(part)
    return [Segment(old, new) for _, old, new in out]
