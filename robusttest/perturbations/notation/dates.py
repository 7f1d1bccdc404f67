"""Dates and times of day in another notation of the same moment; what can be read in two ways is left alone."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.lexicon import Candidate
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.notation.ways import by_ways

MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
}
"""The months' names by language, as a date has them."""

_LONG = {"en": "{d} {m} {y}", "de": "{d}. {m} {y}", "es": "{d} de {m} de {y}", "pt": "{d} de {m} de {y}"}
_NUMERIC = {"de": "{d:02}.{n:02}.{y}", "nl": "{d:02}-{n:02}-{y}"}
"""The numeric notation of a language; day/month/year where nothing else is said."""


class _Date(NamedTuple):
    start: int
    end: int
    day: datetime.date
    years: bool
    """Whether the text says the year; without one the date's own is a leap year that stands for none."""


@cache
def _named(language: str) -> re.Pattern[str]:
    names = MONTHS[language].split()
    short = {n[:3] for n in names} if language == "en" else set()
    month = "|".join(
        sorted({*names, *short, *(("Sept",) if language == "en" else ())}, key=lambda n: -len(n))
    )
    between = r"(?:\s(?:of|de))?\s" if language in ("en", "es", "pt") else r"\s"
    flags = re.IGNORECASE if language != "en" else 0
    day_first = (
        rf"(?<![\w.,/-])(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.|er)?{between}(?P<m>{month})\.?(?!\w)"
        rf"(?:(?:,?{between})(?P<y>[12]\d{{3}})(?![\w/-]|[.,]\d))?"
    )
    if language != "en":
        return re.compile(day_first, flags)
    month_first = (
        rf"(?<!\w)(?P<m2>{month})\.?\s(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?(?![\w/:-]|[.,]\d|\s?[–-]\s?\d)(?!\s(?:and|to|or)\s\d)"
        r"(?:,?\s(?P<y2>[12]\d{3})(?![\w/-]|[.,]\d))?"
    )
    return re.compile(f"{day_first}|{month_first}", flags)


_ISO = re.compile(r"(?<![\w./-])([12]\d{3})-(\d{2})-(\d{2})(?![\w./-]|:\d)")
_NUMBERED = re.compile(r"(?<![\w./-])(\d{1,2})([./-])(\d{1,2})\2([12]\d{3})(?![\w/-]|[.]\d)")
_RANGE = re.compile(r"\d\s?[–-]\s?\Z|\d\s(?:and|to|or)\s\Z")


def _date(year: str | None, month: int, day: str) -> datetime.date | None:
    try:
        return datetime.date(int(year) if year else 2000, month, int(day))
    except ValueError:
        return None


def dates_in(text: str, language: str) -> Iterator[_Date]:
    """The dates that can be read in one way only, in no particular order.

    ``12/7/2025`` is none of them in English, ``25/7/2025`` is; elsewhere the day comes first.
    """
    for m in _ISO.finditer(text):
        if day := _date(m[1], int(m[2]), m[3]):
            yield _Date(m.start(), m.end(), day, True)
    for m in _NUMBERED.finditer(text):
        first, second = int(m[1]), int(m[3])
        if language == "en" and m[2] != "." and first <= 12 and second <= 12 and first != second:
            continue
        if second > 12:
            if language != "en" or m[2] == ".":
                continue
            first, second = second, first
        if day := _date(m[4], second, str(first)):
            yield _Date(m.start(), m.end(), day, True)
    if language not in MONTHS:
        return
    months = [n[:3].lower() if language == "en" else n.lower() for n in MONTHS[language].split()]
    for m in _named(language).finditer(text):
        name, number = m["m"], m["d"]
        year = m["y"]
        if language == "en" and name is None:
            name, number, year = m["m2"], m["d2"], m["y2"]
        if _RANGE.search(text, max(0, m.start() - 8), m.start()):
            continue
        month = months.index(name[:3].lower() if language == "en" else name.lower()) + 1
        if day := _date(year, month, number):
            yield _Date(m.start(), m.end(), day, year is not None)


def _written(pattern: str, day: datetime.date, language: str) -> str:
    names = MONTHS.get(language, MONTHS["en"]).split()
    name = names[day.month - 1]
    return pattern.format(d=day.day, n=day.month, m=name, s=name[:3], y=day.year, th=_ordinal(day.day))


def _ordinal(number: int) -> str:
    ending = "th" if 11 <= number <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _rewrites(make: Callable[[_Date, str], str | None]) -> Callable[[str, str], Iterator[Candidate]]:
    def candidates(text: str, language: str) -> Iterator[Candidate]:
        for found in dates_in(text, language):
            new = make(found, language)
            if new is not None and new != text[found.start : found.end]:
                yield Candidate(found.start, found.end, new)

    return candidates


def _iso(found: _Date, language: str) -> str | None:
    return found.day.isoformat() if found.years else None


def _long(found: _Date, language: str) -> str | None:
    if language not in MONTHS:
        return None
    pattern = _LONG.get(language, "{d} {m} {y}")
    return _written(pattern if found.years else pattern.partition("{m}")[0] + "{m}", found.day, language)


def _american(found: _Date, language: str) -> str | None:
    if language != "en":
        return None
    return _written("{m} {d}, {y}" if found.years else "{m} {d}", found.day, language)


def _short(found: _Date, language: str) -> str | None:
    if language != "en":
        return None
    return _written("{d} {s} {y}" if found.years else "{s} {th}", found.day, language)


def _numeric(found: _Date, language: str) -> str | None:
    if not found.years or (language == "en" and found.day.day <= 12):
        return None  # 12/7 is December to some
    return _written(_NUMERIC.get(language, "{d:02}/{n:02}/{y}"), found.day, language)


def _american_numeric(found: _Date, language: str) -> str | None:
    if language != "en" or not found.years or found.day.day <= 12:
        return None
    return _written("{n:02}/{d:02}/{y}", found.day, language)


DATES = {
    "iso": _rewrites(_iso),
    "long": _rewrites(_long),
    "american": _rewrites(_american),
    "numeric": _rewrites(_numeric),
    "short": _rewrites(_short),
    "american_numeric": _rewrites(_american_numeric),
}


@fielded
def dates(notation: str | None = None) -> Perturbation:
    """Dates in another notation: ``2025-07-25``, ``25 July 2025``, ``July 25, 2025``, ``25/07/2025``, ``25 Jul 2025``.

    One notation a variant (``iso``, ``long``, ``american``, ``numeric``, ``short``, ``american_numeric``), in the text's
    language. A date that can be read in two ways is neither changed nor written: ``12/7/2025`` in an English text.
    """
    return by_ways(
        "dates",
        notation,
        DATES,
        what="date that can be written in this way",
        languages=tuple(MONTHS),
        changes=("number", "number_word", "math"),
        description="dates in another notation: 2025-07-25, 25 July 2025",
    )


_HALF = re.compile(
    r"(?<![\w:.,$€£-])(?P<h>1[0-2]|0?[1-9])(?:[:.](?P<m>[0-5]\d))?\s?(?P<x>[ap])(?:\.m\.|m)(?!\w)",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"(?<!\w)(?:at|by|to|from|till|until|since|after|before|about|around)\s"
    r"(?P<clock>(?P<h>1[3-9]|2[0-3]|0\d):(?P<m>[0-5]\d))(?![\w:]|[.,–-]\d|\s?[ap]\.?m)",
    re.IGNORECASE,
)


def times_in(text: str) -> Iterator[tuple[int, int, int, int]]:
    """``(start, end, hour, minute)`` of the times of day: with am or pm, and of 24 hours after at, by, from …"""
    for m in _HALF.finditer(text):
        yield m.start(), m.end(), int(m["h"]) % 12 + 12 * (m["x"] in "pP"), int(m["m"] or 0)
    for m in _WHOLE.finditer(text):
        yield *m.span("clock"), int(m["h"]), int(m["m"])


def _clock(write: Callable[[int, int], str | None]) -> Callable[[str, str], Iterator[Candidate]]:
    def candidates(text: str, language: str) -> Iterator[Candidate]:
        for start, end, hour, minute in times_in(text):
            new = write(hour, minute)
            if new is None or new == text[start:end]:
                continue
            if new.endswith(".") and text[end : end + 1] == ".":
                new = new[:-1]
            elif text[end - 1] == "." and not new.endswith(".") and not text[end : end + 2].strip().islower():
                new += "."  # "at 3 p.m. We met": the stop is the sentence's, too
            yield Candidate(start, end, new)

    return candidates


def _half(pattern: str) -> Callable[[int, int], str]:
    def write(hour: int, minute: int) -> str:
        clock = f"{(hour - 1) % 12 + 1}" + (f":{minute:02}" if minute else "")
        return pattern.format(clock=clock, x="p" if hour >= 12 else "a", X="P" if hour >= 12 else "A")

    return write


TIMES = {
    "24h": _clock(lambda hour, minute: f"{hour:02}:{minute:02}"),
    "am_pm": _clock(_half("{clock} {x}m")),
    "dotted": _clock(_half("{clock} {x}.m.")),
    "capitals": _clock(_half("{clock}{X}M")),
}


@fielded
def times(notation: str | None = None) -> Perturbation:
    """Times of day in another notation: ``10:30 pm``, ``22:30``, ``10:30 p.m.``, ``10:30PM``.

    One notation a variant: ``24h``, ``am_pm``, ``dotted``, ``capitals``. A bare ``9:30`` may be morning or evening, and stays.
    """
    return by_ways(
        "times",
        notation,
        TIMES,
        what="time of day that can be written in this way",
        languages=("en",),
        changes=("number", "number_word", "acronym", "identifier"),
        description="times of day in another notation: 10:30 pm, 22:30",
    )
