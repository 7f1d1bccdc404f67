"""What a model or a file says, made harmless for where it is shown: terminal, Markdown, CSV, JSON."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from robusttest.core.nouns import Json

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\x1b"}


@lru_cache(maxsize=4096)
def _visible(char: str) -> str:
    """The character, or its Python escape if a terminal would obey it or a reader not see it."""
    category = unicodedata.category(char)
    if category not in _HIDDEN and (category != "Zs" or char == " "):
        return char
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(text: str) -> str:
    """One line without control, bidi, zero-width or surrogate characters: each is shown as its escape.

    Spaces that are not plain (no-break, ideographic …) are shown too: a perturbation may have made them.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def encodable(text: str, encoding: str) -> str:
    """What the stream can't encode, as an escape (Windows-1252 and the like); ASCII for an unknown encoding."""
    try:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:
        return text.encode("ascii", "backslashreplace").decode("ascii")


def width_of(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


@lru_cache(maxsize=4096)
def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int, marker: str = "…") -> str:
    """At most ``width`` columns: the end gives way to a marker."""
    if width_of(text) <= width:
        return text
    return clip(text, width - len(marker)) + marker if width > len(marker) else marker[:width]


def clip(text: str, width: int) -> str:
    """The longest beginning that fits ``width`` columns."""
    used = 0
    for i, char in enumerate(text):
        used += _columns(char)
        if used > width:
            return text[:i]
    return text


def clip_left(text: str, width: int) -> str:
    """The longest ending that fits ``width`` columns."""
    return clip(text[::-1], width)[::-1]


def cut_middle(text: str, width: int, marker: str = "…") -> str:
    """At most ``width`` columns: the middle gives way, so that ids and paths keep both ends."""
    if width_of(text) <= width:
        return text
    room = width - len(marker)
    if room < 2:
        return clip(text, width)
    return clip(text, room // 2) + marker + clip_left(text, room - room // 2)


_MARKDOWN = re.compile(r"([\\`*_\[\]<>#|~$&])")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LINK = re.compile(r"(?i)\b(https?|ftp|www)(?=[:.])|@(?=\w)")


def markdown(text: str) -> str:
    """For running text and table cells: no markup, no HTML, no mention or link made of it."""
    line = _MARKDOWN.sub(lambda m: _HTML.get(m[1]) or "\\" + m[1], visible(text))
    return _LINK.sub(lambda m: m[0] + "&#8203;", line)


def code(text: str) -> str:
    """As inline code that nothing in the text can end. Not for table cells: see `table_code`."""
    line = visible(text)
    ticks = max((len(m) for m in re.findall(r"`+", line)), default=0)
    fence = "`" * (ticks + 1)
    pad = " " if not line or line[0] in "` " or line[-1] in "` " else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def table_code(text: str) -> str:
    """Inline code within a table, where a bar would end the cell."""
    return code(text).replace("|", "\\|")


def fenced(text: str, language: str = "") -> str:
    """As a code block that nothing in the text can end; lines stay lines."""
    lines = [visible(line) for line in text.splitlines()] or [""]
    ticks = max((len(m) for line in lines for m in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, ticks + 1)
    return "\n".join([fence + language, *lines, fence])


def csv_cell(value: Json) -> Json:
    """Texts that a spreadsheet would run as a formula get a leading apostrophe; surrogates are escaped."""
    if not isinstance(value, str):
        return value
    if value[:1] in ("=", "+", "-", "@", "\t", "\r") or value.lstrip()[:1] in ("=", "+", "-", "@"):
        value = "'" + value
    return value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")
