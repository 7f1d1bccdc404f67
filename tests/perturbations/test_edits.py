from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case, Draft, Edit, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.base.acting import act, on_fields
from robusttest.perturbations.base.edits import (
    apply_edits,
    compose_edits,
    diff_edits,
    edit_words,
    keep_protected,
    lost,
    parse_severity,
    replace_spans,
    share,
    survive,
    text_perturbation,
)
from robusttest.perturbations.base.spans import Span, protected_spans

TEXTS = st.text(st.sampled_from("ab c\n.é"), max_size=30)


def rng(seed: int = 0) -> random.Random:
    return random.Random(seed)


def test_apply_edits_replaces_inserts_and_deletes() -> None:
    assert apply_edits("The cat sat", [Edit(0, 0, ">"), Edit(4, 7, "dog"), Edit(10, 11, "")]) == ">The dog sa"
    assert apply_edits("x", [[0, 1, "y"]]) == "y"


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_a_diff_leads_from_one_text_to_the_other(a: str, b: str) -> None:
    edits = diff_edits(a, b)
    assert apply_edits(a, edits) == b
    assert bool(edits) == (a != b)
    assert all(x.end <= y.start for x, y in itertools.pairwise(edits))


def test_a_diff_is_by_words_and_trimmed() -> None:
    assert diff_edits("the cat sat here", "the cut sat there") == (Edit(5, 6, "u"), Edit(12, 12, "t"))


def test_a_diff_of_very_long_texts_is_bounded() -> None:
    a, b = "ab " * 30_000, "cd " * 30_000
    assert apply_edits(a, diff_edits(a, b)) == b


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_composed_edits_lead_from_the_first_text_to_the_last(a: str, b: str, c: str) -> None:
    composed = compose_edits(b, diff_edits(a, b), diff_edits(b, c))
    assert apply_edits(a, composed) == c


def test_severity_is_a_share_of_eligible_words_met_on_average() -> None:
    draw = rng()
    assert [share(0.1, n, draw) for n in (1, 5, 10, 20)] == [1, 1, 1, 2]
    assert share(1.0, 7, draw) == 7
    drawn = [share(0.1, 25, draw) for _ in range(2000)]
    assert set(drawn) == {2, 3}
    assert 2.45 < sum(drawn) / 2000 < 2.55
    text = " ".join(["word"] * 30 + ["a"] * 30)
    outcome = edit_words(
        text, severity=0.2, rng=rng(), edit_word=lambda w, _: w.upper(), protected=(), min_letters=2
    )
    assert not isinstance(outcome, NotApplicable)
    assert outcome[0].count("WORD") == 6


def test_a_word_that_cannot_change_gives_its_place_to_another() -> None:
    text = "aaaa bbbb cccc dddd"
    for seed in range(20):
        outcome = edit_words(
            text,
            severity=0.1,
            rng=rng(seed),
            edit_word=lambda w, _: "x" if w == "cccc" else None,
            protected=(),
        )
        assert not isinstance(outcome, NotApplicable)
        assert outcome == ("aaaa bbbb x dddd", (Edit(10, 14, "x"),))


def test_no_word_to_edit_says_which_are_meant() -> None:
    outcome = edit_words(
        "a b 漢字",
        severity=0.1,
        rng=rng(),
        edit_word=lambda w, _: w,
        protected=(),
        min_letters=4,
        scripts=("Latin",),
    )
    assert outcome == NotApplicable(
        reason="no word of 4 or more letters in Latin script outside protected text"
    )
    same = edit_words("same words", severity=0.5, rng=rng(), edit_word=lambda w, _: w, protected=())
    assert same == NotApplicable(reason="no word of the text can be changed")


def test_an_edit_that_tears_a_mark_off_is_not_taken() -> None:
    outcome = edit_words("नि", severity=1, rng=rng(), edit_word=lambda w, _: w[0] + " " + w[1:], protected=())
    assert isinstance(outcome, NotApplicable)


def test_replacements_keep_off_protected_text_overlaps_and_no_ops() -> None:
    text = "one two three"
    candidates = [(0, 3, "1"), (0, 5, "clash"), (4, 7, "two"), (8, 13, "3"), (8, 13, "III")]
    for seed in range(10):
        outcome = replace_spans(text, candidates, rng=rng(seed), protected=(Span(0, 2, "x"),))
        assert not isinstance(outcome, NotApplicable)
        assert outcome[0] in ("one two 3", "one two III")
    assert isinstance(
        replace_spans(text, [(0, 3, "1")], rng=rng(), protected=(Span(0, 1, "x"),)), NotApplicable
    )


def test_survive_is_about_offsets_and_lost_about_presence() -> None:
    text, spans = "keep this", (Span(0, 4, "x"),)
    assert survive(text, "keep that", (Edit(7, 9, "at"),), spans)
    assert not survive(text, "kept that", (Edit(3, 4, "t"),), spans)
    assert survive(text, "oh keep this", (Edit(0, 0, "oh "),), spans)
    assert lost(text, "this keep", spans) is None
    assert lost(text, "this", spans) == "keep"


def test_a_function_that_breaks_protected_text_has_those_edits_undone() -> None:
    text = "Visit https://x.com now for 10 things"
    new, edits = keep_protected(text, text.upper(), protected_spans(text))
    assert new == "VISIT https://x.com NOW FOR 10 THINGS"
    assert apply_edits(text, edits) == new


def test_a_function_may_move_protected_text() -> None:
    text = "I have 12 cats. You sing."
    new, edits = keep_protected(text, "You sing. I have 12 cats.", protected_spans(text))
    assert new == "You sing. I have 12 cats."
    assert apply_edits(text, edits) == new


def test_lifting_edits_every_text_field_and_no_other() -> None:
    def shout(
        text: str, *, rng: random.Random, index: int, protected: object
    ) -> tuple[str, tuple[Edit, ...]]:
        return text + "!", (Edit(len(text), len(text), "!"),)

    draft = Draft(case=Case(id="1", fields={"a": "x", "b": "y", "n": 3, "empty": ""}))
    apply = text_perturbation("shout", shout).apply
    assert apply is not None
    once = apply(draft, rng(), 0)
    assert isinstance(once, Draft)
    assert once.case.fields == {"a": "x!", "b": "y!", "n": 3, "empty": ""}
    twice = apply(once, rng(), 0)
    assert isinstance(twice, Draft)
    assert apply_edits("x", twice.edits["a"]) == "x!!"
    assert draft.case.fields["a"] == "x"
    some = act(on_fields(text_perturbation("shout", shout), ["b"]), draft, rng(), 0)
    assert isinstance(some, Draft)
    assert some.case.fields["a"] == "x"
    assert some.case.fields["b"] == "y!"


def test_lifting_refuses_an_edit_of_protected_text() -> None:
    def bad(text: str, *, rng: random.Random, index: int, protected: object) -> tuple[str, tuple[Edit, ...]]:
        return "9" + text[1:], (Edit(0, 1, "9"),)

    apply = text_perturbation("bad", bad).apply
    assert apply is not None
    with pytest.raises(AssertionError, match="changed protected text"):
        apply(Draft(case=Case(id="1", fields={"input": "7 dwarfs"})), rng(), 0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"n": 3}, "no text field"), ({"input": ""}, "empty"), ({"input": " "}, "whitespace"), ({"input": "a\ud800"}, "surrogates")],
)  # fmt: skip
def test_lifting_says_why_there_is_nothing(fields: dict[str, object], reason: str) -> None:
    def never(text: str, *, rng: random.Random, index: int, protected: object) -> NotApplicable:
        raise AssertionError("not asked")

    apply = text_perturbation("never", never).apply
    assert apply is not None
    outcome = apply(Draft(case=Case(id="1", fields=fields)), rng(), 0)
    assert isinstance(outcome, NotApplicable)
    assert reason in outcome.reason


@pytest.mark.parametrize("bad", ["0", "-0.1", "1.01", "nan", "much", "inf", True, 0, float("nan"), [1]])
def test_a_severity_out_of_range_is_refused_by_name_and_value(bad: object) -> None:
    with pytest.raises(UsageError, match=r"keyboard:.*\(0, 1\]"):
        parse_severity("keyboard", bad, default=0.1)


def test_severity_and_spec() -> None:
    assert parse_severity("ocr", None, default=0.1) == (0.1, "ocr")
    assert parse_severity("ocr", 0.1, default=0.1) == (0.1, "ocr")
    assert parse_severity("ocr", " 0.20 ", default=0.1) == (0.2, "ocr:0.2")
    assert parse_severity("ocr", 1, default=0.1) == (1.0, "ocr:1")
