"""Amounts, money and quantities in another notation of the same value: separators, currency signs, units."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.lexicon import Candidate, english
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.notation.ways import by_ways

COMMA_DECIMAL = frozenset(
    [
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "nl",
        "pl",
        "cs",
        "sk",
        "sl",
        "hr",
        "ru",
        "uk",
        "bg",
        "tr",
        "el",
        "sv",
        "da",
        "no",
        "fi",
        "hu",
        "ro",
        "id",
        "vi",
    ]
)
"""Languages that write a comma before the decimals."""


def _separators(language: str) -> tuple[str, str]:
    """What stands between groups of three, and before the decimals."""
    return (".", ",") if language in COMMA_DECIMAL else (",", ".")


class Amount(NamedTuple):
    """A number as it stands in a text."""

    start: int
    end: int
    digits: str
    """The whole part, without separators."""
    decimals: str
    """What follows the decimal sign; empty without one."""
    grouped: bool

    @property
    def value(self) -> Decimal:
        return Decimal(f"{self.digits}.{self.decimals or 0}")

    def written(self, group: str, decimal: str) -> str:
        whole = f"{int(self.digits):,}".replace(",", group)
        return whole + (decimal + self.decimals if self.decimals else "")


_NUMBER = re.compile(r"(?<![\w.,/:#-])\d[\d.,]*(?<=\d)(?![\w/:-]|[.,]\w)")
_REFERRED = re.compile(r"([^\W\d_]+\.?|#)\s\Z")


def amounts_in(text: str, language: str) -> Iterator[Amount]:
    """Numbers that are read in one way alone: ``1,250.50`` and ``1.250,50`` anywhere, ``1,250`` and ``12.5`` by language."""
    for m in _NUMBER.finditer(text):
        if found := read_amount(m[0], language, m.start()):
            yield found


def read_amount(written: str, language: str, start: int = 0) -> Amount | None:
    """The number that ``written`` is; None where it is none, or could be two.

    >>> read_amount("1.250,50", "en").value, read_amount("1,250", "en").value, read_amount("1.250", "en") is None
    (Decimal('1250.50'), Decimal('1250'), True)
    """
    group, decimal = _separators(language)
    end = start + len(written)
    if written.isdigit():
        return None if written[0] == "0" and len(written) > 1 else Amount(start, end, written, "", False)
    for g, d in ((group, decimal), (decimal, group)):
        e_g, e_d = re.escape(g), re.escape(d)
        if m := re.fullmatch(rf"(\d{{1,3}}(?:{e_g}\d{{3}})+){e_d}(\d+)", written):
            return Amount(start, end, m[1].replace(g, ""), m[2], True)
    g, d = re.escape(group), re.escape(decimal)
    if m := re.fullmatch(rf"[1-9]\d{{0,2}}(?:{g}\d{{3}})+", written):
        return Amount(start, end, m[0].replace(group, ""), "", True)
    if (m := re.fullmatch(rf"(\d+){d}(\d+)", written)) and len(m[2]) != 3:
        return Amount(start, end, m[1], m[2], False)
    return None


def _counts(text: str, found: Amount) -> bool:
    """Whether it is a number that counts: no order number, year, part of a longer number."""
    before = _REFERRED.search(text, max(0, found.start - 30), found.start)
    if before is not None:
        word = before[1].rstrip(".").lower()
        if (
            word == "#"
            or word in english("number_labels")
            or word in ("no", "nr", "id", "code", "zip", "phone", "call")
        ):
            return False
    if re.search(r"\d[ \u00a0]\Z", text[max(0, found.start - 2) : found.start]) or re.match(
        r"[ \u00a0]\d", text[found.end : found.end + 2]
    ):
        return False
    if not found.grouped and not found.decimals and len(found.digits) < 5:
        return False  # a year, or nothing to group
    if found.grouped or found.decimals:
        return True
    # 85023 may be where a text message goes; "85023 visitors" are counted.
    return bool(
        re.match(r" (?:[a-z]{2,20}s|people|men|women|children)(?!\w)", text[found.end : found.end + 30])
    )


def _plain(write: Callable[[Amount, str], str | None]) -> Callable[[str, str], Iterator[Candidate]]:
    def candidates(text: str, language: str) -> Iterator[Candidate]:
        for found in amounts_in(text, language):
            new = write(found, language) if _counts(text, found) else None
            if new is not None and new != text[found.start : found.end]:
                yield Candidate(found.start, found.end, new)

    return candidates


def _bare(found: Amount, language: str) -> str:
    return found.written("", _separators(language)[1])


def _grouped(found: Amount, language: str) -> str | None:
    return found.written(*_separators(language)) if int(found.digits) >= 1000 else None


def _spaced(found: Amount, language: str) -> str | None:
    return found.written("\u00a0", _separators(language)[1]) if int(found.digits) >= 1000 else None


def _foreign(found: Amount, language: str) -> str | None:
    """With the separators of the other languages, where both stand and so no reader takes one for the other."""
    group, decimal = _separators(language)
    return found.written(decimal, group) if int(found.digits) >= 1000 and found.decimals else None


AMOUNTS = {
    "bare": _plain(_bare),
    "grouped": _plain(_grouped),
    "spaced": _plain(_spaced),
    "foreign": _plain(_foreign),
}


@fielded
def amounts(notation: str | None = None) -> Perturbation:
    """Numbers with other separators: ``1,250.50``, ``1250.50``, ``1 250.50``, ``1.250,50``; the value stays.

    One notation a variant: ``bare``, ``grouped``, ``spaced``, ``foreign`` (the separators of languages with a decimal comma, and
    the other way round). A number that could be read in two ways is neither changed nor written; order numbers and years stay.
    """
    return by_ways(
        "amounts",
        notation,
        AMOUNTS,
        what="number that can be written with other separators",
        changes=("number", "number_word", "math"),
        description="numbers with other separators: 1,250.50, 1.250,50",
    )


# --- money --------------------------------------------------------------------------------------------------

_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR"}
_WORDS = {
    "en": {"USD": ("dollar", "dollars"), "EUR": ("euro", "euros"), "GBP": ("pound", "pounds"), "JPY": ("yen", "yen"),
           "INR": ("rupee", "rupees")},
    "de": {"USD": ("Dollar", "Dollar"), "EUR": ("Euro", "Euro"), "GBP": ("Pfund", "Pfund")},
    "fr": {"USD": ("dollar", "dollars"), "EUR": ("euro", "euros")},
    "es": {"USD": ("dólar", "dólares"), "EUR": ("euro", "euros")},
    "it": {"USD": ("dollaro", "dollari"), "EUR": ("euro", "euro")},
    "pt": {"USD": ("dólar", "dólares"), "EUR": ("euro", "euros")},
    "nl": {"USD": ("dollar", "dollar"), "EUR": ("euro", "euro")},
}  # fmt: skip
_MONEY = re.compile(
    r"(?<![\w.,-])(?<!\d[ \u00a0\u202f])(?:(?P<sign>[$€£¥₹])\s?(?P<n>\d[\d.,]*(?<=\d))"
    r"|(?P<n2>\d[\d.,]*(?<=\d))\s?(?P<sign2>[€£¥₹]|\$(?!\w))"
    r"|(?P<code>USD|EUR|GBP|JPY|INR)\s(?P<n3>\d[\d.,]*(?<=\d))|(?P<n4>\d[\d.,]*(?<=\d))\s(?P<code2>USD|EUR|GBP|JPY|INR))"
    r"(?![\w/]|[.,]\d|\s?(?:k|m|bn|million|billion|thousand|hundred|trillion|per|an?|each|mio|mrd)\b|\s?[–-]\s?[$€£¥₹\d])",
    re.IGNORECASE,
)


class Money(NamedTuple):
    start: int
    end: int
    amount: Amount
    currency: str


def money_in(text: str, language: str) -> Iterator[Money]:
    """Amounts with a sign or a code of a currency; none that is a rate, a range or in millions."""
    for m in _MONEY.finditer(text):
        number = m["n"] or m["n2"] or m["n3"] or m["n4"]
        sign = m["sign"] or m["sign2"]
        currency = _SIGNS[sign] if sign else (m["code"] or m["code2"]).upper()
        amount = read_amount(number, language)
        if amount is not None and not text[: m.start()].endswith(("-", "–", "- ", "– ")):
            yield Money(m.start(), m.end(), amount, currency)


def _paid(write: Callable[[Money, str], str | None]) -> Callable[[str, str], Iterator[Candidate]]:
    def candidates(text: str, language: str) -> Iterator[Candidate]:
        for found in money_in(text, language):
            new = write(found, language)
            if new is not None and new != text[found.start : found.end]:
                yield Candidate(found.start, found.end, new)

    return candidates


def _number(found: Money, language: str) -> str:
    group, decimal = _separators(language)
    return found.amount.written(group if found.amount.grouped else "", decimal)


def _code(found: Money, language: str) -> str | None:
    # "$" is the dollar of many countries, a code says which.
    return None if found.currency == "USD" else f"{found.currency} {_number(found, language)}"


def _code_after(found: Money, language: str) -> str | None:
    return None if found.currency == "USD" else f"{_number(found, language)} {found.currency}"


def _sign_after(found: Money, language: str) -> str:
    return f"{_number(found, language)} {_sign(found)}"


def _sign_before(found: Money, language: str) -> str:
    return f"{_sign(found)}{_number(found, language)}"


def _sign(found: Money) -> str:
    return next(sign for sign, code in _SIGNS.items() if code == found.currency)


def _word(found: Money, language: str) -> str | None:
    words = _WORDS.get(language, {}).get(found.currency)
    if words is None:
        return None
    return f"{_number(found, language)} {words[0] if found.amount.value == 1 else words[1]}"


def _cents(found: Money, language: str) -> str | None:
    """``$5`` and ``$5.00``: with the decimals, or without those that are nought."""
    amount = found.amount
    if found.currency == "JPY":
        return None
    if not amount.decimals:
        changed = amount._replace(decimals="00")
    elif set(amount.decimals) == {"0"}:
        changed = amount._replace(decimals="")
    else:
        return None
    return _sign_before(found._replace(amount=changed), language)


CURRENCIES = {
    "word": _paid(_word),
    "sign_before": _paid(_sign_before),
    "sign_after": _paid(_sign_after),
    "code": _paid(_code),
    "code_after": _paid(_code_after),
    "cents": _paid(_cents),
}


@fielded
def currency(notation: str | None = None) -> Perturbation:
    """Money in another notation: ``€12.50``, ``12.50 €``, ``12.50 euros``, ``EUR 12.50``; ``$5`` and ``$5.00``.

    One notation a variant: ``word``, ``sign_before``, ``sign_after``, ``code``, ``code_after``, ``cents``. Rates, ranges and millions stay.
    """
    return by_ways(
        "currency",
        notation,
        CURRENCIES,
        what="amount of money that can be written in this way",
        changes=("number", "number_word", "math", "acronym", "placeholder"),
        description="money in another notation: €12.50, 12.50 euros",
    )


# --- units --------------------------------------------------------------------------------------------------

_SPELLED = {
    "km": "kilometres kilometers kilometre kilometer", "m": "metres meters metre meter",
    "cm": "centimetres centimeters centimetre centimeter", "mm": "millimetres millimeters millimetre millimeter",
    "kg": "kilograms kilogram kilogrammes kilogramme", "g": "grams gram grammes gramme", "mg": "milligrams milligram",
    "l": "litres liters litre liter", "ml": "millilitres milliliters millilitre milliliter",
    "h": "hours hour", "min": "minutes minute", "s": "seconds second",
    "ft": "feet foot", "lb": "pounds pound", "oz": "ounces ounce",
}  # fmt: skip
_SYMBOLS = {
    **{unit: unit for unit in _SPELLED if unit not in ("h", "s", "min")},
    "hrs": "h", "hr": "h", "h": "h", "min": "min", "mins": "min", "lbs": "lb", "L": "l", "mL": "ml", "sec": "s", "secs": "s",
}  # fmt: skip
_SMALLER = {
    "km": ("m", 1000), "m": ("cm", 100), "cm": ("mm", 10), "kg": ("g", 1000), "g": ("mg", 1000), "l": ("ml", 1000),
    "h": ("min", 60), "min": ("s", 60),
}  # fmt: skip
"""A unit → the one below it, and how many of those it is: exact."""
_LONG_UNIT = {word: unit for unit, words in _SPELLED.items() for word in words.split()}
_QUANTITY = re.compile(
    r"(?<![\w.,$€£¥₹/:–×*+-])(?P<n>\d[\d.,]*(?<=\d))(?P<gap>[ \u00a0]?)"
    rf"(?P<u>{'|'.join(sorted({*_LONG_UNIT, *_SYMBOLS}, key=lambda u: (-len(u), u)))})(?![\w/²³^'’-]|\sper\b|\s(?:and\s)?\d)"
)
_IN_A_ROW = re.compile(
    r"(?:\d\s?(?:-|–|x|×|to|or|by|and)|\bbetween|\b(?:hours?|minutes?|feet|h|min|lbs?|pounds?)(?:\sand)?)\s?\Z"
)


def _plural(word: str) -> bool:
    return word.endswith("s") or word == "feet"


class Quantity(NamedTuple):
    start: int
    end: int
    amount: Amount
    unit: str
    spelled: bool
    british: bool


def quantities_in(text: str, language: str) -> Iterator[Quantity]:
    """Numbers with a unit; no rates, ranges, sizes (``5 x 10 cm``), ``2 hours 30 minutes``."""
    for m in _QUANTITY.finditer(text):
        unit = m["u"]
        if not m["gap"] and (unit in _LONG_UNIT or unit in ("m", "h", "l", "g", "s")):
            continue  # 5m may be five million
        amount = read_amount(m["n"], language)
        if amount is None or _IN_A_ROW.search(text, max(0, m.start() - 12), m.start()):
            continue
        spelled = unit in _LONG_UNIT
        if spelled and (unit.startswith("pound") or (amount.value != 1 and not _plural(unit))):
            continue  # pounds may be money; in "an 8 hour day" the unit is no noun
        yield Quantity(
            m.start(),
            m.end(),
            amount,
            _LONG_UNIT[unit] if spelled else _SYMBOLS[unit],
            spelled,
            "ter" not in text,
        )


_ASKS_A_MEASURE = re.compile(
    r"(?i)\bhow (?:much|long|far|tall|wide|high|deep|heavy|big|large|old|fast)\b|"
    r"\bwhat (?:is|was|are|were) (?:the|its|his|her|their) (?:\w+ ){0,2}"
    r"(?:length|width|height|weight|depth|distance|size|area|volume|time|duration|mass|speed)\b"
)
"""The right answer may be a number of the unit that the text has: it must have the same one afterwards."""


def _measured(
    write: Callable[[Quantity, str], str | None], *, converts: bool = False
) -> Callable[[str, str], Iterator[Candidate]]:
    def candidates(text: str, language: str) -> Iterator[Candidate]:
        if converts and _ASKS_A_MEASURE.search(text):
            return
        for found in quantities_in(text, language):
            new = write(found, language)
            if new is not None and new != text[found.start : found.end]:
                yield Candidate(found.start, found.end, new)

    return candidates


def _as_was(found: Quantity, language: str) -> str:
    group, decimal = _separators(language)
    return found.amount.written(group if found.amount.grouped else "", decimal)


def _name(unit: str, one: bool, british: bool) -> str:
    words = _SPELLED[unit].split()
    if len(words) == 2:
        return words[1] if one else words[0]
    if unit in ("kg", "g"):
        return words[1] if one else words[0]
    plural, singular = (0, 2) if british else (1, 3)
    return words[singular] if one else words[plural]


def _spelled_out(found: Quantity, language: str) -> str | None:
    if found.spelled:
        return None
    return f"{_as_was(found, language)} {_name(found.unit, found.amount.value == 1, found.british)}"


def _symbol(found: Quantity, language: str) -> str | None:
    return f"{_as_was(found, language)} {found.unit}" if found.spelled else None


def _closed_up(found: Quantity, language: str) -> str | None:
    if found.spelled or found.unit in ("m", "l", "g", "s", "h", "min"):
        return None
    return f"{_as_was(found, language)}{found.unit}"


def _converted(found: Quantity, language: str) -> str | None:
    """In the unit below: 2.5 kg are 2,500 g."""
    if found.unit not in _SMALLER:
        return None
    unit, times = _SMALLER[found.unit]
    try:
        value = found.amount.value * times
    except InvalidOperation:
        return None
    if value != value.to_integral_value() or not 0 < value < 10_000_000:
        return None
    group, decimal = _separators(language)
    number = Amount(0, 0, str(int(value)), "", True).written(group, decimal)
    return f"{number} {_name(unit, value == 1, found.british) if found.spelled else unit}"


UNITS = {
    "spelled": _measured(_spelled_out),
    "symbol": _measured(_symbol),
    "closed_up": _measured(_closed_up),
    "converted": _measured(_converted, converts=True),
}


@fielded
def units(notation: str | None = None) -> Perturbation:
    """Quantities in another notation of the same value: ``5 kg``, ``5 kilograms``, ``5kg``, ``5,000 g``.

    One notation a variant: ``spelled``, ``symbol``, ``closed_up``, ``converted`` (to the unit below, an exact number of it; not where
    the text asks how much or how long). Rates, ranges and sizes stay.
    """
    return by_ways(
        "units",
        notation,
        UNITS,
        what="quantity that can be written in this way",
        languages=("en",),
        preserves="probably",
        changes=("number", "number_word", "math"),
        description="quantities in another notation: 5 kg, 5 kilograms, 5,000 g",
    )
