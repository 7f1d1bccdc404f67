from __future__ import annotations

from dataclasses import replace

from robusttest.compare import compare
from robusttest.report.told import told
from robusttest.report.words.against import SHOWN_CASES

NAMES = ["", "keyboard#0", "casing#0"]


def both(rows, version, after, **options):
    before = rows({f"c{i}": "111" for i in range(100)}, NAMES)
    return "\n".join(told(compare(version(before), version(after), **options), width=140))


def test_a_regression_in_words(rows, version):
    after = rows({f"c{i}": "101" if i < 12 else "111" for i in range(100)}, NAMES)
    said = both(rows, version, after)
    assert said.startswith("against v1 (2026-11-24): 1 regressed\n  REGRESSED: t · m\n")
    lines = said.splitlines()
    assert lines[2].split() == ["points", "then", "now", "n", "Holm", "p"]
    cells = {line[4:19].strip(): line[19:].split() for line in lines[3:6]}
    assert list(cells) == ["all variants", "robust accuracy", "keyboard"]
    assert cells["all variants"][3:] == ["1.000", "0.960", "100", "<0.001", "regressed"]
    assert [x[0] for x in cells.values()] == ["-4.0", "-12.0", "-12.0"]
    assert len({line.index("1.000") for line in lines[3:6]}) == 1
    assert max(map(len, lines[:6])) <= 80
    assert "on these 100 cases 12 broke and 0 were fixed; run noise not measured" in said
    assert "broke: 12 cases\n      c0::keyboard#0 (1 of 3 variants): yes → no\n" in said
    assert f"      and {12 - SHOWN_CASES} more" in said
    assert "fixed:" not in said
    assert "accuracy 0.0" not in said


def test_equal_versions_in_words(rows, version):
    said = both(rows, version, rows({f"c{i}": "111" for i in range(100)}, NAMES))
    assert said == (
        "against v1 (2026-11-24): 1 no worse\n"
        "  no worse: t · m: all variants 0.0 points [-3.7, +3.7], 1.000 to 1.000, n=100\n"
        "    identical on 100 cases; a true net change beyond ±3.7 points is excluded"
    )


def test_no_worse_says_which_drop_is_excluded(rows, version):
    after = rows({f"c{i}": "101" if i < 1 else "111" for i in range(100)}, NAMES)
    assert "on these 100 cases 1 broke and 0 were fixed; a drop of 5 points is excluded" in both(
        rows, version, after
    )
    assert "a drop of 7.5 points is excluded" in both(rows, version, after, margin=0.075)


def test_undecided_says_what_would_decide(rows, version):
    after = rows({f"c{i}": "000" if i < 3 else "111" for i in range(100)}, NAMES)
    said = both(rows, version, after)
    assert "undecided: t · m" in said
    assert "a drop of 5 points is not excluded, nor is one shown; about " in said
    assert "cases would decide it" in said
    assert "a drop of 4 points" in both(rows, version, after, margin=0.04)


def test_what_was_not_compared_is_said_by_reason(rows, version):
    after = rows({f"c{i}": "111" for i in range(100)}, NAMES) + rows({"new": "111"}, NAMES)
    after[0] = replace(after[0], input_hash="f" * 16)
    said = both(rows, version, after)
    assert "not compared: 3 of new cases, 1 whose input or options changed" in said


def test_unreadable_answers_and_unknown_ones_are_said_so(rows, version):
    after = rows({f"c{i}": "111" for i in range(100)}, NAMES)
    after[3] = replace(after[3], status="unparsed", score=0.0, answer=None)
    said = both(rows, version, after)
    assert "c1 (1 of 3 variants): yes → <unparsed>" in said


def test_cells_of_one_side_alone_are_named(rows, version):
    before = rows({"c1": "1"}, [""])
    gone = [replace(r, task="gone", test="a.py::test_gone") for r in before]
    fresh = [replace(r, task="fresh", test="a.py::test_fresh") for r in before]
    said = "\n".join(told(compare(version([*before, *gone]), version([*before, *fresh]))))
    assert "not in the old run: a.py::test_fresh · m" in said
    assert "not in the new run: a.py::test_gone · m" in said


def test_many_quiet_cells_are_counted(rows, version):
    before = [
        replace(r, task=f"t{i}", test=f"a.py::test_{i}")
        for i in range(12)
        for r in rows({f"c{j}": "1" for j in range(80)}, [""])
    ]
    said = told(compare(version(before), version(before)))
    assert said[0].endswith("12 no worse")
    assert said[-1] == "  and 4 more that are no worse or improved"
