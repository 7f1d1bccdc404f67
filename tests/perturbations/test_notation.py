"""Dates, times, amounts, money and units: another notation, and the value that is read from it is the same."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case
from robusttest.errors import RobusttestError
from robusttest.perturbations import make
from robusttest.perturbations.notation.amounts import (
    AMOUNTS,
    CURRENCIES,
    UNITS,
    amounts_in,
    money_in,
    quantities_in,
    read_amount,
)
from robusttest.perturbations.notation.dates import DATES, TIMES, dates_in, times_in
from robusttest.variants.expand import expand_case


def variants(text: str, spec: str, language: str = "en", **case: object) -> list[str]:
    made = Case(id="c", fields={"input": text}, language=language, **case)
    return [v.input for v in expand_case(made, [spec], variants=8) if v.perturbation and v.status == "ok"]


@pytest.mark.parametrize(
    ("text", "spec", "language", "new"),
    [
        ("due on 2025-07-25 at last", "dates:long", "en", "due on 25 July 2025 at last"),
        ("due on 25 July 2025", "dates:iso", "en", "due on 2025-07-25"),
        ("due on July 25th, 2025", "dates:numeric", "en", "due on 25/07/2025"),
        ("due on 25/7/2025", "dates:american", "en", "due on July 25, 2025"),
        ("due on 7/25/2025", "dates:iso", "en", "due on 2025-07-25"),
        ("born in July, on 3 July", "dates:american", "en", "born in July, on July 3"),
        ("am 12.7.2025 fällig", "dates:long", "de", "am 12. Juli 2025 fällig"),
        ("am 12. Juli 2025 fällig", "dates:iso", "de", "am 2025-07-12 fällig"),
        ("le 12/7/2025", "dates:long", "fr", "le 12 juillet 2025"),
        ("el 12 de julio de 2025", "dates:numeric", "es", "el 12/07/2025"),
        ("at 10:30 pm.", "times:24h", "en", "at 22:30."),
        ("at 12 am then", "times:24h", "en", "at 00:00 then"),
        ("by 15:00 today", "times:am_pm", "en", "by 3 pm today"),
        ("by 15:05.", "times:dotted", "en", "by 3:05 p.m."),
        ("came by 3 p.m. We left", "times:24h", "en", "came by 15:00. We left"),
        ("it is 1,250.50 in all", "amounts:foreign", "en", "it is 1.250,50 in all"),
        ("es sind 1.250,50 in allem", "amounts:foreign", "de", "es sind 1,250.50 in allem"),
        ("about 12,500 of them", "amounts:bare", "en", "about 12500 of them"),
        ("about 12500 visitors", "amounts:grouped", "en", "about 12,500 visitors"),
        ("paid €12.50 today", "currency:code", "en", "paid EUR 12.50 today"),
        ("paid $1 today", "currency:word", "en", "paid 1 dollar today"),
        ("paid 5 € today", "currency:cents", "en", "paid €5.00 today"),
        ("für 1.250,50 € heute", "currency:word", "de", "für 1.250,50 Euro heute"),
        ("weighs 2.5 kg now", "units:converted", "en", "weighs 2,500 g now"),
        ("weighs 1 kg now", "units:spelled", "en", "weighs 1 kilogram now"),
        ("takes 30 minutes now", "units:symbol", "en", "takes 30 min now"),
    ],
)  # fmt: skip
def test_the_same_value_in_another_notation(text: str, spec: str, language: str, new: str) -> None:
    assert variants(text, spec, language) == [new]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("on 12/7/2025 we meet", "dates"),  # July or December
        ("version 2025-13-45 is out", "dates"),
        ("between 3 and 5 March we rest", "dates"),
        ("we may march on", "dates"),
        ("the score was 14:05 there", "times"),
        ("it took 9:30 in all", "times"),
        ("text YES to 85023 now", "amounts"),
        ("order 12345 is late", "amounts"),
        ("in 2025 it was 1984", "amounts"),
        ("call 030 1234567 today", "amounts"),
        ("about 1.250 of them", "amounts"),  # one and a quarter, or more than a thousand
        ("costs $5 million in all", "currency"),
        ("costs $5-10 in all", "currency"),
        ("costs $5 per hour", "currency"),
        ("Solve $a=42$. Then pay.", "currency"),  # the sign closes a formula
        ("Let $5 + x = 8$ be true", "currency"),
        (r"Here \(m = 5 kg\) holds", "units"),
        (r"Here $n = 1000 + k$ holds", "amounts"),
        ("runs 3 km per hour", "units"),
        ("sized 5 x 10 cm there", "units"),
        ("takes 2 hours 30 minutes", "units"),
        ("between 5 and 10 kg", "units"),
        ("an 8 hour day", "units"),
        ("worth 400 pounds", "units"),  # sterling?
        ("worth 5m in all", "units"),
        ("Ann lost 5 kg. How much did she lose?", "units:converted"),  # the answer is a number of kilograms
        ("It is 5 km long. What is the total length?", "units:converted"),
    ],
)
def test_what_can_be_read_in_two_ways_stays(text: str, name: str) -> None:
    assert variants(text, name) == []


def test_a_date_that_is_the_answer_stays() -> None:
    assert variants("Was it 25 July 2025?", "dates", target="25 July 2025") == []


@pytest.mark.parametrize("name", ["dates", "times", "amounts", "currency", "units"])
def test_an_unknown_notation_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(RobusttestError, match=f"notation of {name}"):
        make(f"{name}:nosuch")


@settings(max_examples=60, deadline=None)
@given(
    st.dates(datetime.date(1900, 1, 1), datetime.date(2199, 12, 31)),
    st.sampled_from(sorted(DATES)),
    st.sampled_from(["en", "de", "fr", "es", "it", "pt", "nl"]),
)
def test_every_notation_of_a_date_is_read_as_the_same_day(
    day: datetime.date, way: str, language: str
) -> None:
    for c in DATES[way](f"x {day.isoformat()} y", language):
        assert [d.day for d in dates_in(f"x {c.text} y", language)] == [day]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 23), st.integers(0, 59), st.sampled_from(sorted(TIMES)))
def test_every_notation_of_a_time_is_read_as_the_same_time(hour: int, minute: int, way: str) -> None:
    text = f"at {(hour - 1) % 12 + 1}:{minute:02} {'p' if hour > 11 else 'a'}m then"
    for c in TIMES[way](text, "en"):
        new = text[: c.start] + c.text + text[c.end :]
        known = [(h, m) for *_, h, m in times_in(new)]
        assert known == ([(hour, minute)] if way != "24h" or hour > 12 or hour < 10 else known)


@settings(max_examples=80, deadline=None)
@given(st.decimals(0, 999999, places=2), st.sampled_from(["en", "de"]), st.data())
def test_amounts_money_and_units_keep_their_value(value: Decimal, language: str, data: st.DataObject) -> None:
    written = f"{value:,.2f}"
    if language == "de":
        written = written.translate(str.maketrans(",.", ".,"))
    assert read_amount(written, language) is not None
    for c in AMOUNTS[data.draw(st.sampled_from(sorted(AMOUNTS)))](f"x {written} y", language):
        if "\u00a0" not in c.text:
            assert [a.value for a in amounts_in(f"x {c.text} y", language)] == [value]
    text = f"for €{written} now"
    for c in CURRENCIES[data.draw(st.sampled_from(sorted(set(CURRENCIES) - {"word"})))](text, language):
        [found] = money_in(text[: c.start] + c.text + text[c.end :], language)
        assert (found.amount.value, found.currency) == (value, "EUR")
    factor = {"km": 1000, "m": 1}
    text = f"it is {written} km long"
    for c in UNITS["converted"](text, language):
        [quantity] = quantities_in(text[: c.start] + c.text + text[c.end :], language)
        assert quantity.amount.value * factor[quantity.unit] == value * 1000


def test_the_number_of_other_notations_is_told_in_words() -> None:
    case = Case(id="c", fields={"input": "I paid $1,250.50 for it."}, language="en")
    (*_, last) = expand_case(case, ["currency"], variants=9)
    assert "other currencies only" in (last.reason or "")
