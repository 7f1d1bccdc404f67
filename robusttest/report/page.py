"""A page of a terminal: its width, colours and glyphs, and lines laid out on it."""

from __future__ import annotations

from dataclasses import dataclass

from robusttest.report.escape import clip, cut_middle, visible, width_of
from robusttest.report.inline import Glyphs, Style

GLUE = "\0"
"""Stands for a space that no line is broken at (``92 %``); nothing escaped holds one."""


@dataclass(frozen=True)
class Page:
    """What lines are laid out for."""

    width: int
    style: Style
    glyphs: Glyphs
    verbosity: int = 0
    elsewhere: bool = False
    """Whether the failing variants of failed tests stand elsewhere already, as in pytest's own failures."""

    @classmethod
    def of(
        cls, width: int, color: bool, encoding: str, verbosity: int = 0, *, elsewhere: bool = False
    ) -> Page:
        return cls(max(40, width), Style(color), Glyphs.for_encoding(encoding), verbosity, elsewhere)

    def shown(self, text: str) -> str:
        """Text made harmless, our own marks in what the stream can show."""
        out = visible(text)
        return out if self.glyphs.all else self.glyphs.plain(out)

    def broken(self, line: str, width: int, most: int) -> list[str]:
        """Over lines of this width: between task and model where each has room, else anywhere, as for names without a
        space; the middle goes beyond ``most`` lines.
        """
        parts = line.split(f" {self.glyphs.dot} ")
        if width_of(line) > width and len(parts) == 2 and most > 1:
            first, second = f"{parts[0]} {self.glyphs.dot}", parts[1]
            if max(width_of(first), width_of(second)) <= width:
                return [first, second]
        rest = cut_middle(line, width * most, self.glyphs.more)
        out = []
        while rest:
            head = clip(rest, width) or rest[:1]
            out.append(head)
            rest = rest[len(head) :]
        return out or [""]

    def size(self, line: str) -> int:
        """Columns that a line of ours takes, without its colours."""
        return width_of(self.style.strip(line))

    def wrapped(self, line: str, *, indent: int = 0) -> list[str]:
        """Broken at spaces to the page's width; following lines are indented."""
        if self.size(line) <= self.width:
            return [line.replace(GLUE, " ")]
        lead = len(line) - len(line.lstrip(" "))
        lines: list[str] = []
        current = " " * lead
        empty = True
        for word in line.split():
            if not empty and self.size(current) + 1 + self.size(word) > self.width:
                lines.append(current)
                current, empty = " " * indent, True
            current += word if empty else f" {word}"
            empty = False
        return [x.replace(GLUE, " ") for x in [*lines, current]]
