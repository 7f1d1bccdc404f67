"""A page of a terminal: its width, colours and glyphs, and lines laid out on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robusttest.report.escape import cut_middle, visible, width_of
from robusttest.report.inline import Glyphs, Style


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

    def columns(self, rows: Sequence[Sequence[str]], *, first: int = 0) -> list[str]:
        """Left-aligned columns two apart (one where it gets tight), indented by two."""
        widths = [max(self.size(row[i]) for row in rows) for i in range(len(rows[0]))]
        gap = "  " if sum(widths) + 2 * (len(widths) - 1) + 2 <= self.width else " "
        over = sum(widths) + len(gap) * (len(widths) - 1) + 2 - self.width
        if over > 0 and first:
            widths[0] = max(first, widths[0] - over)
        lines: list[str] = []
        for row in rows:
            head = (
                row[0] if self.size(row[0]) <= widths[0] else cut_middle(row[0], widths[0], self.glyphs.more)
            )
            cells = [head, *row[1:]]
            lines.append(
                "  " + gap.join(c + " " * (w - self.size(c)) for c, w in zip(cells, widths, strict=True))
            )
        return lines

    def size(self, line: str) -> int:
        """Columns that a line of ours takes, without its colours."""
        return width_of(self.style.strip(line))

    def wrapped(self, line: str, *, indent: int = 0) -> list[str]:
        """Broken at spaces to the page's width; following lines are indented."""
        if self.size(line) <= self.width:
            return [line]
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
        return [*lines, current]

    def told(self, extra: object, *, indent: int = 0) -> list[str]:
        """What an optional part of a report says of itself: its ``lines``, escaped and wrapped."""
        out: list[str] = []
        for line in getattr(extra, "lines", ()):
            lead = len(line) - len(line.lstrip(" "))
            out += self.wrapped(" " * indent + visible(line), indent=indent + lead + 2)
        return out
