"""Lines as they come out of editors, mail programs and other systems: wrapped, indented, ended by other characters."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from robusttest.core.nouns import NotApplicable
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import Edited, replace_spans, text_perturbation
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span, outside, spaced

WIDTHS = (60, 40, 72, 30, 50, 20)
"""Columns at which the variants wrap a text, in their order."""
_LEAST, _MOST = 10, 500
_GAP = re.compile(r"(?<=\S)[ \t](?=\S)")


@fielded
def line_wrap(width: int | str | None = None) -> Perturbation:
    """The text broken into lines of at most 60 characters, as pasted from a mail; further variants at other widths.

    ``line_wrap:72`` wraps at that one (10 to 500 columns). Breaks come at spaces, never within protected text.
    """
    if width is None:
        widths: tuple[int, ...] = WIDTHS
    elif str(width).isascii() and str(width).isdigit() and _LEAST <= int(width) <= _MOST:
        widths = (int(width),)
    else:
        raise UsageError(f"line_wrap:{width}: give the width of a line, {_LEAST} to {_MOST} characters")

    def breaks(text: str, columns: int, protected: tuple[Span, ...]) -> Iterator[tuple[int, int, str]]:
        start = text.find("\n") if text[:1] == "\n" else 0
        last: int | None = None
        for m in re.finditer(r"(?<=\S)[ \t](?=\S)|\n", text):
            if m[0] == "\n":
                start, last = m.end(), None
                continue
            if m.start() - start > columns and last is not None:
                yield last, last + 1, "\n"
                start, last = last + 1, None
            if outside(m.start(), m.end(), protected):
                last = m.start()
        if len(text) - start > columns and last is not None:
            yield last, last + 1, "\n"

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], way: str
    ) -> Edited | NotApplicable:
        if not spaced(text):
            return NotApplicable(reason="the text has no spaces to break a line at")
        return replace_spans(
            text,
            breaks(text, int(way), protected),
            rng=rng,
            protected=protected,
            what=f"line of more than {way} characters",
        )

    return text_perturbation(
        "line_wrap",
        fn,
        spec="line_wrap" if width is None else f"line_wrap:{int(width)}",
        limit=len(widths),
        ways=tuple(map(str, widths)),
        changes=("lines", "share"),
        separable=False,
        description="hard line breaks, as of a pasted mail",
    )


_BREAK = re.compile(r"[ \t]*\r?\n")
LINE_ENDS = ("crlf", "blank_lines", "trailing", "tabs")


def _beside_empty(text: str, start: int, end: int) -> bool:
    """Whether the break at ``start`` follows or precedes an empty line, or one that is indented already."""
    return text[end : end + 1] in ("\n", "\r", "\t") or text[start - 1 : start] in ("\n", "\r")


@fielded
def line_ends(kind: str | None = None) -> Perturbation:
    r"""The lines of a text of several ended or begun otherwise, one kind a variant, at every break outside protected text.

    ``crlf``: ``\r\n``, as Windows has it; ``blank_lines``: an empty line between any two; ``trailing``: two spaces before the
    break; ``tabs``: a tab before the line.
    """
    if kind is not None and kind not in LINE_ENDS:
        raise UnknownNameError("kind of line_ends", kind, LINE_ENDS)
    kinds = LINE_ENDS if kind is None else (kind,)
    written = {"crlf": "\r\n", "blank_lines": "\n\n", "trailing": "  \n", "tabs": "\n\t"}

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], way: str
    ) -> Edited | NotApplicable:
        end = len(text.rstrip())
        start = len(text) - len(text.lstrip())
        places = (
            (m.start(), m.end(), written[way])
            for m in _BREAK.finditer(text, start, end)
            if way in ("crlf", "trailing")
            or not (_beside_empty(text, m.start(), m.end()) or not outside(m.end(), m.end() + 1, protected))
        )
        return replace_spans(text, places, rng=rng, protected=protected, what="line break")

    return text_perturbation(
        "line_ends",
        fn,
        spec="line_ends" if kind is None else f"line_ends:{kind}",
        limit=len(kinds),
        ways=kinds,
        changes=("lines", "share"),
        description="other line ends, blank lines, blanks at the ends of lines",
    )
