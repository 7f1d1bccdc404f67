"""Keys that touch, on the boards that people type their languages on.

A board is three or four rows of letters as they lie. Each row is set off to the right of the one above as on real
keyboards, so that a key touches its two neighbours in the row, and two keys above and below.
"""

from __future__ import annotations

from functools import cache

_OFFSETS = (0.0, 0.5, 0.75, 1.25)
"""Where the rows begin, in widths of a key: digits, upper, home and lower row."""

# The rows from the digits down; "·" is a key without a letter.
BOARDS: dict[str, tuple[str, str, str, str]] = {
    "en": ("", "qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "de": ("··········ß", "qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    "fr": ("·é····è·çà", "azertyuiop", "qsdfghjklmù", "wxcvbn"),
    "es": ("", "qwertyuiop", "asdfghjklñ", "zxcvbnm"),
    "it": ("", "qwertyuiopè", "asdfghjklòàù", "zxcvbnm"),
    "pt": ("", "qwertyuiop", "asdfghjklç", "zxcvbnm"),
    "sv": ("", "qwertyuiopå", "asdfghjklöä", "zxcvbnm"),
    "da": ("", "qwertyuiopå", "asdfghjklæø", "zxcvbnm"),
    "no": ("", "qwertyuiopå", "asdfghjkløæ", "zxcvbnm"),
    "hu": ("·········öüó", "qwertzuiopőú", "asdfghjkléáű", "yxcvbnm"),
    "cs": ("·ěščřžýáíé", "qwertzuiopú", "asdfghjklů", "yxcvbnm"),
    "tr": ("", "qwertyuıopğü", "asdfghjklşi", "zxcvbnmöç"),
    "ru": ("", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
    "uk": ("", "йцукенгшщзхї", "фівапролджє", "ячсмитьбю"),
    "el": ("", "·ςερτυθιοπ", "ασδφγηξκλ", "ζχψωβνμ"),
    "he": ("", "··קראטוןםפ", "שדגכעיחלךף", "זסבהנמצתץ"),
    "ar": ("", "ضصثقفغعهخحجد", "شسيبلاتنمكط", "ئءؤر·ىةوزظ"),
}
_LIKE = {
    "nl": "en",
    "pl": "en",
    "fi": "sv",
    "et": "sv",
    "sk": "cs",
    "sl": "hr",
    "id": "en",
    "vi": "en",
    "ro": "en",
    "bg": "ru",
}
LAYOUTS = tuple(sorted({*BOARDS, *(code for code, like in _LIKE.items() if like in BOARDS)}))
_BY_SCRIPT = {"Latin": "en", "Cyrillic": "ru", "Greek": "el", "Hebrew": "he", "Arabic": "ar"}
SCRIPTS = tuple(_BY_SCRIPT)


def layout_for(language: str, script: str) -> str | None:
    """The board of a language, if it has the script; else the one that the script is mostly typed on."""
    own = _LIKE.get(language, language)
    if own in BOARDS and SCRIPT_OF[own] == script:
        return own
    return _BY_SCRIPT.get(script)


SCRIPT_OF = {
    code: {"ru": "Cyrillic", "uk": "Cyrillic", "el": "Greek", "he": "Hebrew", "ar": "Arabic"}.get(
        code, "Latin"
    )
    for code in BOARDS
}


@cache
def neighbours(layout: str) -> dict[str, str]:
    """Small letter → the letters on the keys that touch its own.

    >>> neighbours("en")["g"], neighbours("de")["t"]
    ('bfhtvy', 'fgrz')
    """
    places = {
        letter: (row, _OFFSETS[row] + column)
        for row, letters in enumerate(BOARDS[_LIKE.get(layout, layout)])
        for column, letter in enumerate(letters)
        if letter != "·"
    }
    return {
        letter: "".join(
            sorted(
                other
                for other, (r, x) in places.items()
                if (r == row and abs(x - at) == 1) or (abs(r - row) == 1 and abs(x - at) < 1)
            )
        )
        for letter, (row, at) in places.items()
    }
