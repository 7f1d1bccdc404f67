from __future__ import annotations

import csv
import io
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core import codec
from robusttest.report import escape

ANY = st.text(alphabet=st.characters(), max_size=30)  # surrogates included


def test_what_a_terminal_obeys_is_shown():
    assert escape.visible("a\x1b[31mred\x07\nb\tc\r") == "a\\x1b[31mred\\x07\\nb\\tc\\r"
    assert escape.visible("\u202eevil\u2066") == "\\u202eevil\\u2066"
    assert escape.visible("zero\u200bwidth\ufeff") == "zero\\u200bwidth\\ufeff"
    assert escape.visible("lone \ud800") == "lone \\ud800"
    assert escape.visible("no\u00a0break") == "no\\xa0break"
    assert escape.visible("\U000e0041tag") == "\\U000e0041tag"
    assert escape.visible("größer 今天 👍") == "größer 今天 👍"


@given(ANY)
@settings(max_examples=200, deadline=None)
def test_visible_text_is_one_printable_line(text: str):
    shown = escape.visible(text)
    assert shown.isprintable()
    assert escape.visible(shown) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "latin-1", "no-such-encoding"])
@given(text=ANY)
@settings(max_examples=50, deadline=None)
def test_encodable_text_can_be_written(encoding: str, text: str):
    said = escape.encodable(text, encoding)
    said.encode("ascii" if encoding == "no-such-encoding" else encoding)


def test_wide_characters_take_two_columns():
    assert escape.width_of("今天") == 4
    assert escape.width_of("e\u0301") == 1
    assert escape.cut("今天的天气", 6) == "今天…"
    assert escape.width_of(escape.cut_middle("今天的天气很好", 9)) <= 9


@given(text=st.text(max_size=40), width=st.integers(1, 20))
@settings(max_examples=200, deadline=None)
def test_cutting_keeps_the_width(text: str, width: int):
    for cut in (escape.cut, escape.cut_middle):
        assert escape.width_of(cut(text, width)) <= width
        assert cut(text, width) == text or escape.width_of(text) > width


def test_markdown_has_no_markup_left():
    shown = escape.markdown("a | b\n<script>alert(1)</script> [x](http://evil) @team `c` *d* $x$")
    for mark in ("<script", "\n", " | ", " *d", " `c", "http:", "@t", "[x](http"):
        assert mark not in shown
    assert escape.markdown("support-intents 3.5") == "support-intents 3.5"


@given(ANY)
@settings(max_examples=200, deadline=None)
def test_code_can_not_be_left(text: str):
    shown = escape.code(text)
    ticks = len(shown) - len(shown.lstrip("`"))
    inner = shown[ticks:-ticks]
    assert "`" * ticks not in inner
    assert "\n" not in shown


def test_a_fence_can_not_be_closed():
    block = escape.fenced("one\n```\n````\ntwo\x1b", "text")
    assert block.splitlines() == ["`````text", "one", "```", "````", "two\\x1b", "`````"]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =cmd|' /C calc'!A0", "\n@x"]
)
def test_formulas_are_texts_in_csv(text: str):
    out = io.StringIO()
    csv.writer(out).writerow([escape.csv_cell(text)])
    assert next(csv.reader(io.StringIO(out.getvalue(), newline="")))[0] == "'" + text


def test_csv_leaves_plain_values_alone():
    assert [escape.csv_cell(v) for v in ("a", -1.5, 3, None, True)] == ["a", -1.5, 3, None, True]
    assert escape.csv_cell("\ud800\x00") == "\\ud800\\x00"


def test_finite_has_no_nan():
    assert codec.finite({"a": [math.nan, 1.5, (math.inf,)], 3: "x"}) == {"a": [None, 1.5, [None]], "3": "x"}
