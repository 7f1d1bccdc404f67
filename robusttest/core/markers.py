"""What precedes an option: ``A)``, ``(b)``, ``3.``, ``iv)``. Written by rendering, read back by `choice`."""

from __future__ import annotations

from functools import lru_cache

_ROMAN = ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))

STYLES = ("letter", "lower", "number", "roman")


def letter(index: int) -> str:
    """0 → A, 25 → Z, 26 → AA: as columns of a spreadsheet."""
    out = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        out = chr(ord("A") + rest) + out
    return out


def roman(number: int) -> str:
    out = ""
    for value, sign in _ROMAN:
        while number >= value:
            out, number = out + sign, number - value
    return out


def name(style: str, index: int) -> str:
    """What stands for option ``index`` (from 0) in a style of `STYLES`."""
    if style == "number":
        return str(index + 1)
    if style == "roman":
        return roman(index + 1)
    return letter(index).lower() if style == "lower" else letter(index)


def style_of(marker: str) -> str | None:
    """The style that a marker template uses; None for one without a name (``- ``)."""
    return next((s for s in STYLES if "{" + s + "}" in marker), None)


@lru_cache(maxsize=1024)
def marker_text(marker: str, index: int) -> str:
    """The marker template filled in for option ``index`` (from 0)."""
    for style in STYLES:
        marker = marker.replace("{" + style + "}", name(style, index))
    return marker
