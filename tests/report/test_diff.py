from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.report.diff import LONGEST, original_of, segments
from robusttest.report.model import Segment

TEXT = st.text(alphabet="ab cde.\n→é", max_size=40)


def marked(original: str, text: str, edits: list[list[object]] | None = None) -> str:
    return "".join(f"[{s.old}|{s.new}]" if s.changed else s.old for s in segments(original, text, edits))


def test_an_edit_within_a_word_marks_the_whole_word():
    assert (
        marked("I was charged twice", "I was chatged twice", [[9, 10, "t"]])
        == "I was [charged|chatged] twice"
    )


def test_two_edits_in_one_word_are_one_mark():
    assert marked("order now", "roedr now", [[0, 2, "ro"], [3, 5, "dr"]]) == "[order|roedr] now"


def test_an_insertion_between_words_leaves_them_alone():
    assert marked("say it", "say it please", [[6, 6, " please"]]) == "say it[| please]"


def test_without_edits_words_are_compared():
    assert marked("a green house", "a red house") == "a [green|red] house"


def test_equal_texts_have_no_diff():
    assert segments("same", "same", []) == ()


def test_edits_that_do_not_lead_there_are_not_believed():
    assert marked("a cat", "a dog", [[0, 1, "x"]]) == "a [cat|dog]"
    assert marked("a cat", "a dog", [[3, 99, "x"]]) == "a [cat|dog]"


def test_long_texts_are_compared_by_their_ends():
    old = "start " + "x y " * LONGEST + "end"
    new = "start " + "y z " * LONGEST + "end"
    parts = segments(old, new)
    assert sum(s.changed for s in parts) == 1
    assert "".join(s.new for s in parts) == new


@given(old=TEXT, new=TEXT)
@settings(max_examples=200, deadline=None)
def test_a_diff_holds_both_texts(old: str, new: str):
    parts = segments(old, new)
    if old == new:
        assert parts == ()
    else:
        assert "".join(s.old for s in parts) == old
        assert "".join(s.new for s in parts) == new
        assert any(s.changed for s in parts)
        assert all(isinstance(s, Segment) for s in parts)


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, str, list[list[object]]]:
    original = draw(st.text(alphabet="abc de", min_size=1, max_size=30))
    cuts = sorted(draw(st.lists(st.integers(0, len(original)), max_size=6, unique=True)))
    edits: list[list[object]] = []
    out, position = "", 0
    for start, end in zip(cuts[::2], cuts[1::2], strict=False):
        new = draw(st.text(alphabet="xyz", max_size=3))
        edits.append([start, end, new])
        out += original[position:start] + new
        position = end
    return original, out + original[position:], edits


@given(
    case=edited(), before=st.sampled_from(["", "Ticket: ", "Q\n"]), after=st.sampled_from(["", "\nAnswer:"])
)
@settings(max_examples=300, deadline=None)
def test_the_original_is_found_inside_the_prompt_that_holds_it(case, before, after):
    original, text, edits = case
    found = original_of(text, edits, before + original + after)
    if found is None:  # nothing of the original is left to find it by
        assert not any(_kept(original, edits))
    else:
        # What it finds has the length and the unedited stretches of the original.
        assert len(found) == len(original)
        position = 0
        for stretch, gap in zip(_kept(original, edits), [*[e[1] - e[0] for e in edits], 0], strict=True):
            assert found[position : position + len(stretch)] == stretch
            position += len(stretch) + gap


def _kept(original: str, edits: list[list[object]]) -> list[str]:
    out, position = [], 0
    for start, end, _ in edits:
        out.append(original[position:start])
        position = end
    return [*out, original[position:]]


def test_the_original_is_not_invented():
    assert original_of("I was chatged", [[9, 10, "t"]], "quite another prompt") is None
    assert original_of("short", [[90, 91, "t"]], "short") is None
