import random

import numpy as np
import pytest
from _corpus_check import HOPELESS, NASTY, check

from robusttest.core.nouns import Case, Draft, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.base.spans import protected_spans
from robusttest.perturbations.words import words_random as wr

TEXTS = [
    "the dog and a cat",
    "a refund for the order",
    "order the dog now",
    "my dog spaces favourite colour",
    "great job and times",
]
FAMILIES = [
    wr.word_swap(),
    wr.word_delete(0.3),
    wr.word_crop(0.3),
    wr.reserved([["late", "overdue", "behind time"], ["job", "work"], ["Colour", "hue"]]),
    wr.tfidf(TEXTS, severity=0.5),
]
SENTENCE = "the quick brown fox jumps over the lazy dog while everyone watches"


def run(p, text=SENTENCE, index=0, seed=0):
    out = p.apply(Draft(case=Case(id="c", fields={"input": text})), random.Random(seed), index)
    return out if isinstance(out, NotApplicable) else out.case.input


@pytest.mark.parametrize("p", FAMILIES, ids=str)
@pytest.mark.parametrize("text", NASTY)
def test_the_promises_hold_on_nasty_texts(p, text):
    before = np.random.get_state()[1].tolist()
    for i in range(6):
        check(p, text, index=i, seed=i)
    assert np.random.get_state()[1].tolist() == before


@pytest.mark.parametrize("p", FAMILIES, ids=str)
@pytest.mark.parametrize("text", HOPELESS)
def test_hopeless_texts_are_not_applicable(p, text):
    assert isinstance(check(p, text), NotApplicable)


def test_swapped_words_are_the_same_words():
    for i in range(30):
        out = run(wr.word_swap(0.3), seed=i)
        assert sorted(out.lower().split()) == sorted(SENTENCE.split())
        assert out.lower() != SENTENCE


@pytest.mark.parametrize(("severity", "gone"), [(0.1, 2), (0.25, 3), (0.5, 6)])
def test_severity_is_the_share_of_words_that_go(severity, gone):
    for make in (wr.word_delete, wr.word_crop):
        for i in range(20):
            out = run(make(severity), seed=i)
            assert len(out.split()) == 12 - gone, out
            assert "  " not in out
            assert out == out.strip()


def test_a_crop_is_one_run():
    for i in range(60):
        out = run(wr.word_crop(0.3), seed=i).lower().split()
        left = SENTENCE.split()
        head = next((j for j, (a, b) in enumerate(zip(out, left, strict=False)) if a != b), len(out))
        assert out == left[:head] + left[head + len(left) - len(out) :]


def test_a_word_is_never_all_that_goes():
    assert isinstance(run(wr.word_delete(), "word"), NotApplicable)
    assert run(wr.word_delete(1.0), "two words") != ""
    assert isinstance(run(wr.word_crop(), "only three words"), NotApplicable)


def test_apostrophes_and_hyphens_hold_a_word_together():
    text = "it's a well-known tale of rock’n’roll and twenty-one"
    spans = wr.whole_words(text, protected_spans(text))
    assert [text[s:e] for s, e in spans] == ["it's", "a", "well-known", "tale", "of", "rock’n’roll", "and"]


def test_reserved_words_take_any_other_of_their_group():
    p = wr.reserved([["refund", "money back", "reimbursement"]])
    made = {run(p, "Refund me: a refund.", seed=i) for i in range(60)}
    assert len(made) == 4
    assert "Money back me: a money back." in made
    assert "Reimbursement me: a money back." in made
    assert isinstance(run(p, "no such word as refunds"), NotApplicable)


def test_reserved_words_by_case():
    p = wr.reserved([["FWD", "Fwd", "FW"]], case_sensitive=True)
    assert {run(p, "Fwd: fwd", seed=i) for i in range(20)} == {"FWD: fwd", "FW: fwd"}


@pytest.mark.parametrize(
    "groups",
    [None, "a", [], [["a"]], [["a", "a"]], [["a", ""]], [["a", "b"], ["B", "c"]], [["a", 3]], ["ab"]],
)
def test_groups_that_say_nothing_are_refused(groups):
    with pytest.raises(UsageError, match="reserved"):
        wr.reserved(groups)


def test_tfidf_draws_common_words_of_the_users_texts_and_keeps_content_and_labels():
    texts = [
        "the parcel is on the way to the shop and so is the bill",
        "is the lamp on the way to us and is it the red one",
        "so it is not the bill and it is to be on the way",
        "never is it so that two of us come to the shop",
    ]
    p = wr.tfidf(texts, severity=1)
    common = {"the", "is", "to", "so", "and", "it", "on", "way", "us"}
    made = {run(p, "the bill of us is not to come on the way so two lamps", seed=i) for i in range(30)}
    assert len(made) > 5
    for text in made:
        old = ["the", "bill", "of", "us", "is", "not", "to", "come", "on", "the", "way", "so", "two", "lamps"]
        assert len(text.split()) == len(old)
        for before, after in zip(old, text.split(), strict=True):
            assert after == before or {before, after} <= common
    assert isinstance(run(p, "quite unknown parcel"), NotApplicable)
    assert wr.tfidf(texts, severity=0.5).spec == "tfidf:0.5"
    labelled = Draft(
        case=Case(id="c", fields={"input": "it is on the way to us"}, target="us", choices=("us", "the shop"))
    )
    for i in range(20):
        out = p.apply(labelled, random.Random(i), 0).case.input.split()
        assert out[-1] == "us"
        assert out.count("us") == 1


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        (None, {}),
        ("abc", {}),
        ([], {}),
        (["one"], {}),
        ([1, 2], {}),
        (TEXTS, {"top_k": 0}),
        (TEXTS, {"severity": 2}),
    ],
)
def test_texts_that_teach_nothing_are_refused(texts, options):
    with pytest.raises(UsageError, match="tfidf"):
        wr.tfidf(texts, **options)


@pytest.mark.parametrize("make", [wr.word_swap, wr.word_delete, wr.word_crop])
@pytest.mark.parametrize("severity", [0, 1.1, "x", float("nan")])
def test_severities_out_of_range_are_refused(make, severity):
    with pytest.raises(UsageError, match="severity"):
        make(severity)
