from __future__ import annotations

from dataclasses import replace

import pytest

from robusttest.compare import admission, compare


@pytest.mark.parametrize(("cells", "cases"), [(1, 5), (2, 6), (4, 7), (10, 8)])
def test_the_smallest_drop_that_is_told_is_the_smallest_that_shows(rows, version, cells, cases):
    """One broken case less can't be called regressed, whatever the rest."""
    names = ["", "keyboard#0", "keyboard#1", "casing#0"]

    def suite(broken: int):
        return version(
            [
                replace(r, task=f"t{i}", test=f"a.py::test_{i}")
                for i in range(cells)
                for r in rows(
                    {f"c{n}": "1110" if i == 0 and n < broken else "1111" for n in range(12)}, names
                )
            ]
        )

    assert admission.least_broken(cells) == cases
    for broken, shows in ((cases - 1, False), (cases, True)):
        found = compare(suite(0), suite(broken))
        cell = next(c for c in found.cells if c.task == "t0")
        assert cell.main is not None
        assert cell.main.adjusted_worse is not None
        assert (cell.main.adjusted_worse <= found.alpha) is shows
        if not shows:
            assert cell.verdict != "regressed"
    first = next(admission.powers(suite(0)))
    assert f"{100 * cases / 48:.1f} points: {cases} cases" in first


def test_too_few_cases_or_clusters_can_show_nothing(rows, version):
    few = rows({f"c{n}": "1" for n in range(4)}, [""])
    (said,) = admission.powers(version(few))
    assert said == (
        "no drop in t · m can show against it: a regression takes 5 broken cases or clusters, and it has 4 "
        "(4 cases × 1 variant)"
    )
    shared = [replace(r, cluster="one") for r in rows({f"c{n}": "1" for n in range(40)}, [""])]
    assert "and it has 1 (40 cases" in next(admission.powers(version(shared)))


def test_repeats_tell_how_often_it_disagrees_with_itself(rows, version):
    made = version(rows({f"c{n}": "10" if n < 3 else "11" for n in range(20)}, ["", "repeat#0"]))
    assert (
        list(admission.powers(made))[-1]
        == "t · m disagrees with itself on 3 of 20 repeats of the same prompt"
    )


def test_what_can_not_carry_a_baseline_is_refused_by_cell(rows, version):
    good = rows({f"c{n}": "11" for n in range(20)}, ["", "casing#0"])
    assert admission.refusals(version(good), 0.95) == []
    lost = [replace(r, score=None, status="error") if i < 3 else r for i, r in enumerate(good)]
    assert admission.refusals(version(lost), 0.95) == [
        "t · m has replies to 37 of 40 variants, 92 % (the least is 95 %)"
    ]
    assert admission.refusals(version(lost), 0.9) == []
    blurred = [replace(r, score=0.0, status="unparsed") if i < 20 else r for i, r in enumerate(good)]
    (said,) = admission.refusals(version(blurred), 0.95)
    assert said.startswith("of t · m 20 of 40 replies are unreadable")
    assert admission.refusals(version(blurred[1:]), 0.95) == []
