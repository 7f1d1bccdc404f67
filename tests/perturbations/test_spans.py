from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case
from robusttest.errors import UsageError
from robusttest.perturbations.base.spans import (
    Span,
    graphemes,
    merge,
    outside,
    protect_rules,
    protected_spans,
    script_of_word,
    tears,
    unusable,
    words,
)
from robusttest.testing import NASTY_TEXTS


def parts(text: str, **options: object) -> list[str]:
    return [text[s.start : s.end] for s in protected_spans(text, **options)]


def is_protected(text: str, part: str, **options: object) -> bool:
    at = text.index(part)
    return any(s.start <= at and at + len(part) <= s.end for s in protected_spans(text, **options))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Dear {name}, hello", "{name}"),
        ("Dear {{user.input}} hello", "{{user.input}}"),
        ("costs ${PRICE} now", "${PRICE}"),
        ("see %s there", "%s"),
        ("see %(id)d there", "%(id)d"),
        ("a <b class='x'>bold</b> word", "<b class='x'>"),
        ("visit https://example.com/a?b=1 today", "https://example.com/a?b=1"),
        ("visit docs.python.org today", "docs.python.org"),
        ("mail anna.smith+x@example.co.uk now", "anna.smith+x@example.co.uk"),
        ("ask @anna about #refund please", "@anna"),
        ("costs $1,299.00 in all", "$1,299.00"),
        ("it is 5.5% off", "5.5%"),
        ("on 2024-05-01 at 10:30", "2024-05-01"),
        ("on 5 May 2024 we met", "5 May 2024"),
        ("by March 3rd, 2021 at last", "March 3rd, 2021"),
        ("about 12 million people", "12 million"),
        ("there are seven days", "seven"),
        ("see you on Monday then", "Monday"),
        ("order AB12-77x is late", "AB12-77x"),
        ("he does not know", "not"),
        ("he doesn't know", "doesn't"),
        ("he doesn’t know", "doesn’t"),
        ("go without me", "without"),
        ("das ist nicht gut", "nicht"),
        ("это не так", "не"),
        ("the NASA launch", "NASA"),
        ("in the U.S. today", "U.S."),
        ("run `pip install x` now", "`pip install x`"),
        ("so:\n```python\nfor item in things:\n  pass\n```\nright?", "```python\nfor item in things:\n  pass\n```"),
        ("open fence ```python\nno end", "```python\nno end"),
        ("def area(width, height):\n    return width * height;\nis code", "def area(width, height):"),
        ('give {"name": "Ann", "age": 30} back', '{"name": "Ann", "age": 30}'),
        ('with ["new", "vip"] tags', '["new", "vip"]'),
        ('half "name": "Ann Miller" json', '"name": "Ann Miller"'),
        ("<|im_start|>user", "<|im_start|>"),
        ("[INST] hello [/INST]", "[/INST]"),
        ("my_variable is set", "my_variable"),
        ("call camelCase here", "camelCase"),
        ("pass --dry-run to it", "--dry-run"),
        ("pick:\nA) Positive mood\nB) Bad", "A) Positive mood"),
        ("pick:\n(b) very bad", "(b) very bad"),
        ("pick:\n  2) the second one", "2) the second one"),
    ],
)  # fmt: skip
def test_what_a_typo_would_break_is_protected(text: str, part: str) -> None:
    assert is_protected(text, part)


def test_plain_words_are_free() -> None:
    assert protected_spans("The quick brown fox jumps over the lazy dog, doesn it?") == ()


def test_target_and_choices_are_protected_as_words_in_any_case() -> None:
    case = Case(id="1", fields={}, target="Late Delivery", choices=("refund", "late delivery", "re"))
    text = "My refund for the LATE delivery; refunds are re-read"
    assert parts(text, case=case) == ["refund", "LATE delivery", "re"]
    assert parts(text, case=case, allow=("label", "acronym")) == []


def test_the_words_of_an_answer_made_of_the_text_are_protected() -> None:
    text = "Sort these: furl geld amber"
    assert parts(text, case=Case(id="1", fields={}, target="amber furl geld")) == ["furl", "geld", "amber"]
    for target, choices in (
        ("amber furl gold", None),
        ("furl amber", None),
        ("geld amber furl", ("geld amber furl", "b")),
    ):
        assert parts(text, case=Case(id="1", fields={}, target=target, choices=choices)) == []


def test_numeric_and_nested_targets_are_protected() -> None:
    case = Case(id="1", fields={}, target={"who": ["Anna"], "n": 7})
    assert "Anna" in parts("I met Anna there", case=case)


def test_own_texts_and_patterns() -> None:
    text = "The Acme (R) model ZX is good"
    assert parts(text, extra=["Acme (R)"]) == ["Acme (R)", "ZX"]
    assert "model" in parts(text, extra=[re.compile("MODEL", re.I)])
    assert "good" in parts(text, extra=["re:go+d"])


@pytest.mark.parametrize("bad", ["", "re:", "re:(", 3])
def test_a_bad_rule_is_refused_by_value(bad: object) -> None:
    with pytest.raises(UsageError, match="protect="):
        protect_rules([bad])


def test_allow_leaves_a_kind_out_and_refuses_an_unknown_one() -> None:
    assert parts("It isn't 12 o'clock", allow=("number",)) == ["isn't"]
    with pytest.raises(UsageError, match="numbers"):
        protected_spans("x", allow=("numbers",))


def test_capitals_are_no_acronyms_in_a_text_of_capitals() -> None:
    assert protected_spans("PLEASE HELP ME WITH THIS DELIVERY") == ()


@pytest.mark.parametrize("text", NASTY_TEXTS)
def test_spans_are_sorted_disjoint_and_within_the_text(text: str) -> None:
    spans = protected_spans(text)
    assert all(0 <= s.start < s.end <= len(text) for s in spans)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("aB1_ .,:;\"'\\{}[]()<>$%@#/|`-\n\téनि👍\u200d"), max_size=80))
def test_any_text_has_spans_words_and_graphemes(text: str) -> None:
    spans = protected_spans(text)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
    assert "".join(graphemes(text)) == text
    for start, end in words(text, spans):
        assert outside(start, end, spans)
        assert text[start].isalpha()


@pytest.mark.parametrize(
    "unit", ["a", "{", "[", "<", '"', '{"', "`", "a_", "/a", "a@", "1.", "-a", "e\u0301", "👩\u200d", "A) ", "def a\n", '{"a":1,', "n't "]
)  # fmt: skip
def test_a_long_text_of_one_pattern_is_scanned(unit: str) -> None:
    # A scan in quadratic time would not come back from these within the suite's patience.
    text = (unit * 40_000)[:40_000]
    spans = protected_spans(text)
    assert all(outside(start, end, spans) for start, end in words(text, spans))


def test_words_leave_out_what_is_glued_to_digits_and_protected_text() -> None:
    text = "iPhone12 x_ray naïve कि न don't मन"
    found = [text[a:b] for a, b in words(text, protected_spans(text))]
    assert found == ["naïve", "कि", "मन"]


def test_words_by_length_and_script() -> None:
    text = "the größte книга ok"
    assert [text[a:b] for a, b in words(text, (), 4, ("Latin",))] == ["größte"]
    assert [text[a:b] for a, b in words(text, (), 1, ("Cyrillic",))] == ["книга"]
    assert script_of_word("aб") == "Mixed"
    assert script_of_word("漢字") == "Han"


def test_graphemes_hold_together() -> None:
    assert graphemes("नि👩🏽‍🚀🇫🇷e\u0301\r\n") == ["नि", "👩🏽‍🚀", "🇫🇷", "e\u0301", "\r\n"]
    assert graphemes("👨‍👩‍👧‍👦a") == ["👨‍👩‍👧‍👦", "a"]
    assert tears(" \u0301a")
    assert tears("न \u093f")
    assert not tears("नि e\u0301")


def test_merge_joins_overlaps_only() -> None:
    spans = [Span(4, 6, "b"), Span(0, 3, "a"), Span(2, 4, "c")]
    assert merge(spans) == (Span(0, 4, "a"), Span(4, 6, "b"))


def test_outside_at_the_borders() -> None:
    spans = (Span(2, 4, "x"), Span(6, 8, "y"))
    assert outside(0, 2, spans)
    assert outside(4, 6, spans)
    assert outside(4, 4, spans)
    assert not outside(3, 3, spans)
    assert not outside(1, 3, spans)
    assert not outside(5, 9, spans)


@pytest.mark.parametrize(
    ("text", "reason"), [("", "empty"), (" \n", "whitespace"), ("a\udfff", "surrogates")]
)
def test_unusable_texts_say_why(text: str, reason: str) -> None:
    assert reason in str(unusable(text))


def test_a_usable_text() -> None:
    assert unusable("é") is None
