"""Colour, glyphs and diffs in lines of text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from robusttest.report.escape import clip, clip_left, visible, width_of
from robusttest.report.model import Segment

_COLORS = {"passed": "32", "failed": "31", "error": "31;1", "inconclusive": "33"}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")

CROWDED = 0.5
"""A diff that changes more of its text than this is shown as two lines instead of marks within one."""


@dataclass(frozen=True, slots=True)
class Style:
    """ANSI colours, or none. What they say is also said by a word or a mark."""

    color: bool = False

    def paint(self, codes: str, text: str) -> str:
        return f"\x1b[{codes}m{text}\x1b[0m" if self.color and text.strip() else text

    def bold(self, text: str) -> str:
        return self.paint("1", text)

    def dim(self, text: str) -> str:
        return self.paint("2", text)

    def outcome(self, outcome: str, text: str) -> str:
        return self.paint(_COLORS[outcome], text) if outcome in _COLORS else text

    def strip(self, text: str) -> str:
        return _ANSI.sub("", text)


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Marks beyond ASCII, where the stream can show them."""

    arrow: str = "→"
    more: str = "…"
    times: str = "×"
    dot: str = "·"

    @property
    def all(self) -> bool:
        return self.arrow == "→"

    def plain(self, text: str) -> str:
        """Our marks in a text, as the stream can show them."""
        for mark, shown in zip("→…×·", (self.arrow, self.more, self.times, self.dot), strict=True):
            text = text.replace(mark, shown)
        return text

    @classmethod
    def for_encoding(cls, encoding: str) -> Glyphs:
        try:
            "→…×·".encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return cls("->", "...", "x", "-")
        return cls()


def diff_lines(
    diff: Sequence[Segment], text: str | None, *, width: int, style: Style, glyphs: Glyphs, indent: str
) -> list[str]:
    """One line with the changes marked (``I was [charged→chatged] twice``), or two where most of it changed.

    Text far from the changes gives way to ``…``; a text without a diff is shown from its start.
    """
    if not diff:
        if not text:
            return []
        shown = visible(text)
        return [
            indent
            + (clip(shown, width - len(glyphs.more)) + glyphs.more if width_of(shown) > width else shown)
        ]
    parts = [(visible(s.old), visible(s.new), s.changed) for s in diff]
    old = sum(len(o) for o, _, _ in parts)
    changed = sum(len(o) for o, _, c in parts if c)
    marks = sum(c for _, _, c in parts)
    if marks > 1 and (changed > CROWDED * old or marks > 8):
        return _two_lines(parts, width, style, glyphs, indent)
    line = _Line(width, style, glyphs)
    return [indent + line.fit(parts)]


@dataclass(frozen=True, slots=True)
class _Line:
    width: int
    style: Style
    glyphs: Glyphs

    def fit(self, parts: list[tuple[str, str, bool]]) -> str:
        """Marks first, in order, then as much of the text between them as there is room for."""
        whole = [self.mark(old, new) if changed else old for old, new, changed in parts]
        if sum(map(self.size, whole)) <= self.width:
            return "".join(whole)
        room = self.width
        marks: list[str] = []
        kept = 0
        for old, new, changed in parts:
            if not changed:
                continue
            mark = self.mark(old, new)
            cost = self.size(mark) + len(self.glyphs.more) + (2 if marks else 0)
            if marks and cost > room - len(self.glyphs.more):
                break
            if cost > room:
                mark = self.mark(*self._halves(old, new))
                cost = self.size(mark) + 2
            marks.append(mark)
            room -= cost
            kept += 1
        room -= len(self.glyphs.more)
        return self._join(parts, marks, kept, max(0, room))

    def mark(self, old: str, new: str) -> str:
        before, after = self.style.paint("31", old), self.style.paint("32", new)
        if not old:
            return f"[+{after}]"
        if not new:
            return f"[-{before}]"
        return f"[{before}{self.glyphs.arrow}{after}]"

    def size(self, line: str) -> int:
        return width_of(self.style.strip(line))

    def _halves(self, old: str, new: str) -> tuple[str, str]:
        room = max(4, (self.width - 12) // 2)
        more = self.glyphs.more
        return tuple(clip(x, room - len(more)) + more if width_of(x) > room else x for x in (old, new))  # type: ignore[return-value]  # two in, two out

    def _join(self, parts: list[tuple[str, str, bool]], marks: list[str], kept: int, room: int) -> str:
        """Spread the room over the stretches around the marks that are shown."""
        stretches: list[str] = [""]
        seen = 0
        for old, _, changed in parts:
            if changed:
                seen += 1
                if seen > kept:
                    break
                stretches.append("")
            else:
                stretches[-1] += old
        whole = seen <= kept
        shares = _shares([width_of(s) for s in stretches], room)
        more = self.glyphs.more
        out: list[str] = []
        for i, (stretch, share) in enumerate(zip(stretches, shares, strict=True)):
            first, last = i == 0, i == len(stretches) - 1
            if width_of(stretch) <= share:
                shown = stretch + ("" if whole or not last else more)
            elif first:
                shown = more + clip_left(stretch, share)
            elif last:
                shown = clip(stretch, share) + more
            else:
                shown = clip(stretch, share // 2) + more + clip_left(stretch, share - share // 2)
            out.append(shown)
            if not last:
                out.append(marks[i])
        return "".join(out)


def _shares(wanted: list[int], room: int) -> list[int]:
    """Room for each stretch: short ones get all they want, the rest divide what is left."""
    shares = [0] * len(wanted)
    open_ = sorted(range(len(wanted)), key=lambda i: wanted[i])
    while open_:
        fair = room // len(open_)
        i = open_.pop(0)
        shares[i] = min(wanted[i], fair)
        room -= shares[i]
    return shares


def _two_lines(
    parts: list[tuple[str, str, bool]], width: int, style: Style, glyphs: Glyphs, indent: str
) -> list[str]:
    """``- original`` over ``+ variant``, both from a little before the first change."""
    old, new = "".join(o for o, _, _ in parts), "".join(n for _, n, _ in parts)
    lead = "" if not parts or parts[0][2] else parts[0][0]
    room = width - 2
    skip = 0
    if max(width_of(old), width_of(new)) > room and width_of(lead) > room // 4:
        skip = len(lead) - len(clip_left(lead, room // 4))
    lines: list[str] = []
    for sign, whole, color in (("-", old, "31"), ("+", new, "32")):
        shown = (glyphs.more if skip else "") + whole[skip:]
        if width_of(shown) > room:
            shown = clip(shown, room - len(glyphs.more)) + glyphs.more
        lines.append(indent + style.paint(color, f"{sign} {shown}"))
    return lines
