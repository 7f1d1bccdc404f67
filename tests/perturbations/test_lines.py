from __future__ import annotations

import pytest

from robusttest.core.nouns import Case
from robusttest.errors import UsageError
from robusttest.perturbations import make
from robusttest.variants.expand import expand_case

TEXT = "The courier said that my parcel would come on Monday, and nobody has seen it since then; see https://example.com/a?b=1 for it."


def texts(text: str, spec: str, variants: int = 8) -> list[str]:
    case = Case(id="c", fields={"input": text})
    return [
        v.input for v in expand_case(case, [spec], variants=variants) if v.perturbation and v.status == "ok"
    ]


def test_lines_are_no_longer_than_the_width_and_the_words_are_the_same() -> None:
    found = texts(TEXT, "line_wrap")
    assert len(found) == 6
    for text in found:
        assert text.split() == TEXT.split()
    [text] = texts(TEXT, "line_wrap:40")
    assert max(map(len, text.split("\n"))) <= 40
    assert text.count("\n") >= 3


def test_a_wrap_keeps_old_breaks_and_short_texts() -> None:
    assert texts("short", "line_wrap") == []
    [text] = texts("one two three four\nfive six seven eight", "line_wrap:12")
    assert text == "one two\nthree four\nfive six\nseven eight"


@pytest.mark.parametrize("bad", ["9", "501", "x", "-60"])
def test_a_width_out_of_range_is_refused(bad: str) -> None:
    with pytest.raises(UsageError, match="10 to 500"):
        make(f"line_wrap:{bad}")


def test_line_ends_of_each_kind() -> None:
    text = "One line\nthe next\n\nend"
    assert texts(text, "line_ends") == [
        "One line\r\nthe next\r\n\r\nend",
        "One line\n\nthe next\n\nend",
        "One line  \nthe next  \n  \nend",
        "One line\n\tthe next\n\nend",
    ]
    assert texts("one line", "line_ends") == []


def test_lines_of_code_stand() -> None:
    code = "for x in y:\n    print(x)\n    z = 1"
    for text in texts(
        f"What does this print, and is it what one would expect of it?\n{code}\nSay it.", "line_ends:tabs"
    ):
        assert code in text
