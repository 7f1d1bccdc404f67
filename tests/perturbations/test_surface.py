from __future__ import annotations

import random

import pytest

from robusttest.core.nouns import Case, Draft, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.chars.surface import (
    acronyms,
    casing,
    doubled,
    missing_space,
    punctuation,
    whitespace,
)
from robusttest.testing import check_perturbation
from robusttest.variants.expand import expand_case


def one(p: Perturbation, text: str, index: int = 0, seed: int = 0, **case: object) -> str:
    assert p.apply is not None
    outcome = p.apply(Draft(case=Case(id="1", fields={"input": text}, **case)), random.Random(seed), index)
    return outcome.reason if isinstance(outcome, NotApplicable) else str(outcome.case.input)


@pytest.mark.parametrize(
    "p",
    [casing(), whitespace(), punctuation(), doubled(), missing_space(), whitespace(0.6), punctuation(1)],
    ids=str,
)
def test_every_family_keeps_its_promises(p: Perturbation) -> None:
    check_perturbation(p)


def test_casing_counts_through_its_four_versions() -> None:
    text = "Tell Anna about NASA and {Name}: not now"
    assert [one(casing(), text, i) for i in range(4)] == [
        "tell anna about NASA and {Name}: not now",
        "TELL ANNA ABOUT NASA AND {Name}: NOT NOW",
        "Tell Anna About NASA And {Name}: Not Now",
        "tELL aNNA ABOUT NASA AND {Name}: NOT NOW",
    ]
    assert one(casing("upper"), text) == one(casing(), text, 1)


def test_casing_leaves_out_versions_that_are_the_text_itself() -> None:
    made = [v for v in expand_case(Case(id="1", fields={"input": "all low"}), [casing()]) if v.perturbation]
    assert [(v.input, v.status) for v in made] == [
        ("ALL LOW", "ok"),
        ("All Low", "ok"),
        ("all low", "not_applicable"),
    ]
    assert (
        made[-1].reason == "exhausted: 2 distinct variants of 4 asked for (the text has 2 other casings only)"
    )


@pytest.mark.parametrize(
    ("how", "language", "text", "expected"),
    [
        ("upper", "de", "die größere Straße", "DIE GRÖSSERE STRASSE"),
        ("upper", "tr", "ılık su iste", "ILIK SU İSTE"),
        ("lower", "tr", "Ilık Su İste", "ılık su iste"),
        ("upper", "el", "είμαι εδώ", "ΕΙΜΑΙ ΕΔΩ"),
        ("lower", "el", "ΟΔΟΣ ΚΑΛΟΣ ΔΡΟΜΟΣ", "οδος καλος δρομος"),
        ("title", "tr", "iyi ısı", "İyi Isı"),
        ("swap", "tr", "Iyi", "ıYİ"),
        ("title", "en", "it doesn't say ‘no’", "It Doesn't Say ‘No’"),
    ],
)
def test_casing_as_the_language_has_it(how: str, language: str, text: str, expected: str) -> None:
    case = Case(id="1", fields={"input": text}, language=language)
    (v,) = (v for v in expand_case(case, [casing(how)]) if v.perturbation)
    assert v.input == expected


def test_casing_gives_no_label_away() -> None:
    assert one(casing("upper"), "good or bad food", target="good") == "GOOD OR BAD FOOD"


def test_casing_is_one_for_all_fields() -> None:
    case = Case(id="1", fields={"premise": "kids are here.", "hypothesis": "There is a bowl."})
    made = [v for v in expand_case(case, [casing()]) if v.status == "ok" and v.perturbation]
    lower, upper = made[:2]
    assert dict(lower.fields) == {"premise": "kids are here.", "hypothesis": "there is a bowl."}
    assert dict(upper.fields) == {"premise": "KIDS ARE HERE.", "hypothesis": "THERE IS A BOWL."}


def test_casing_of_what_has_no_case() -> None:
    assert one(casing(), "今天 12") == "no letters with a case outside protected text"
    with pytest.raises(UsageError, match=r"casing:loud: give one of lower, upper, title, swap"):
        casing("loud")


def test_whitespace_changes_only_whitespace_and_no_line() -> None:
    text = "The quick brown\nfox jumps over `a  b` and {x y} today"
    for seed in range(50):
        new = one(whitespace(0.5), text, seed=seed)
        assert new != text
        assert new.split() == text.split()
        assert new.count("\n") == 1
        assert "`a  b`" in new
        assert "{x y}" in new


def test_punctuation_changes_no_letter_and_no_number() -> None:
    text = 'Yes, it\'s 1,234.5 - really; "so" it goes: on? Visit https://x.com/a?b'
    for seed in range(50):
        new = one(punctuation(0.5), text, seed=seed)
        assert new != text
        assert "1,234.5" in new
        assert "https://x.com/a?b" in new
        assert [c for c in new if c.isalnum()] == [c for c in text if c.isalnum()]


def test_punctuation_can_close_an_open_sentence() -> None:
    assert one(punctuation(), "tell me more")[:12] == "tell me more"
    assert one(punctuation(), "12") == "no mark outside protected text"


def test_doubled_types_one_letter_twice() -> None:
    new = one(doubled(), "wonderful")
    assert len(new) == 10
    assert any(new == "wonderful"[: i + 1] + "wonderful"[i:] for i in range(9))


def test_missing_space_never_joins_protected_text() -> None:
    for seed in range(30):
        new = one(
            missing_space(1),
            "ask Anna for not less than good food",
            seed=seed,
            target="good",
            choices=("good", "bad"),
        )
        assert new == "askAnnafor not less than good food"
    assert one(missing_space(), "one") == "no gap between two words outside protected text"


def test_acronyms_in_quotation_marks_are_meant_by_letter() -> None:
    assert one(acronyms(), 'The XLT and "XLT" are sold.') == 'The xlt and "XLT" are sold.'


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("A shirt in XL and a CD, please.", "A shirt in xl and a cd, please."),
        ("Write MM/DD/YYYY on the NASA form.", "Write MM/DD/YYYY on the nasa form."),
        ("Is my CV in the DMV file?", "Is my cv in the dmv file?"),
        (
            "They saw the Super Bowl XL and chapter CD at NASA today.",
            "They saw the Super Bowl XL and chapter CD at nasa today.",
        ),
        ("It was Louis XIV and II at NASA today.", "It was Louis XIV and II at nasa today."),
    ],
)
def test_sizes_are_acronyms_and_roman_numbers_none(text: str, new: str) -> None:
    assert one(acronyms(), text) == new
