"""The split of flips, in worlds where it is known what made each answer differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from robusttest.core.nouns import Record
from robusttest.report.blocks import plain
from robusttest.report.words.evidence import flips
from robusttest.stats.across.blame import Blame, blame
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.frame import Frame, frames


def cell_of(lines: Sequence[str], reruns: Sequence[str] = (), checks: Sequence[str] | None = None) -> Frame:
    """Letters are answers, ``?`` an unreadable reply; the first of a line is the unperturbed prompt's, ``reruns`` are its
    reruns. ``checks`` are what a second scorer reads in the replies of ``lines``.
    """
    rows = []
    for i, line in enumerate(lines):
        for v, letter in enumerate(line + (reruns[i] if reruns else "")):
            again = v >= len(line)
            second = None if checks is None else (checks[i] + (reruns[i] if reruns else ""))[v]
            rows.append(
                Record(
                    task="t", model="m", case_id=f"c{i}", variant=f"v{v}" if v else "",
                    perturbation="repeat" if again else "p" if v else "", status="unparsed" if letter == "?" else "ok",
                    level="repeat" if again else "input" if v else "reference", reply=f"{letter}{v}",
                    answer=None if letter == "?" else letter, score=float(letter == "A"),
                    check=None if second is None else {"answer": second, "value": 1.0, "status": "ok"},
                )
            )  # fmt: skip
    (cell,) = frames(rows)
    return cell


def parts(b: Blame | None) -> dict[str, float]:
    assert b is not None
    assert sum(p.value for p in b.parts) == pytest.approx(b.flips)
    return {p.kind: pytest.approx(p.value) for p in b.parts}


def test_without_repeats_and_second_scorer_only_what_is_unreadable_is_told_from_the_wording() -> None:
    b = blame(cell_of(["AAAB", "AA?B", "AAAA", "BB??"]))
    assert b is not None
    assert b.flips == pytest.approx(estimate(cell_of(["AAAB", "AA?B", "AAAA", "BB??"]), "flip_rate").value)
    assert parts(b) == {"unreadable": (1 / 3 + 2 / 3) / 4, "wording": (1 / 3 + 1 / 3) / 4}
    assert b.unmeasured == ("run noise (no repeats)", "the scorer (no scorer_check)")
    assert blame(cell_of(["AAAB", "AAAA"])) is None  # there is nothing to split
    assert blame(cell_of(["A", "B"])) is None


def test_what_reruns_do_too_is_run_noise() -> None:
    b = blame(cell_of(["AAAB", "AABB", "AAAA", "AAAA"] * 5, ["AB", "AA", "AA", "AA"] * 5))
    assert parts(b) == {"noise": 1 / 8, "unreadable": 0.0, "wording": (1 / 3 + 2 / 3) / 4 - 1 / 8}
    # where reruns flip as often as variants, or more, nothing is left for the wording
    b = blame(cell_of(["AAAB", "AAAA"] * 5, ["BB", "AA"] * 5))
    assert parts(b) == {"noise": 1 / 6, "unreadable": 0.0, "wording": 0.0}


def test_a_flip_that_the_second_scorer_does_not_see_is_the_scorers() -> None:
    b = blame(cell_of(["AAAB", "AABC", "AA?A"], checks=["AAAA", "AAAC", "AAxA"]))
    assert parts(b) == {"unreadable": 1 / 9, "scorer": 2 / 9, "wording": 1 / 9}
    assert b is not None
    assert plain(flips(b)) == (
        "answers flip 44.4 % (n=3): unreadable replies 11.1 %, scorer 22.2 %, wording 11.1 %; not measured, so within "
        "the wording: run noise (no repeats)"
    )


def test_where_a_model_judges_again_flips_are_of_grades() -> None:
    rows = []
    for i, (grades, second) in enumerate([("110", "111"), ("100", "100"), ("111", "111")]):
        rows += [
            Record(
                task="t", model="m", case_id=f"c{i}", variant=f"v{v}" if v else "", perturbation="p" if v else "",
                level="input" if v else "reference", answer=f"text {v}", score=float(g),
                check={"value": float(s), "answer": f"text {v}", "status": "ok", "judge": True},
            )
            for v, (g, s) in enumerate(zip(grades, second, strict=True))
        ]  # fmt: skip
    (cell,) = frames(rows)
    b = blame(cell)
    assert b is not None
    assert b.of == "grades"
    assert parts(b) == {"unreadable": 0.0, "judge": 1 / 6, "wording": 1 / 3}


def test_in_a_noisy_world_the_wording_gets_its_true_share_and_its_interval_covers_it() -> None:
    """Each reply is another answer with probability .1; a perturbed one is broken with .15 besides: .1 + .15 - .015 of
    answers differ from a reference that is right, so with noise in the reference, too, flips are told apart by reruns.
    """
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(40):
        noisy = rng.random((80, 10)) < 0.1
        broken = rng.random((80, 10)) < 0.15
        broken[:, 0] = broken[:, 6:] = False
        letters = np.where(noisy, "N", np.where(broken, "B", "A"))
        b = blame(cell_of(["".join(r[:6]) for r in letters], ["".join(r[6:]) for r in letters]))
        assert b is not None
        wording = b.parts[-1]
        assert wording.low is not None
        assert wording.high is not None
        truth = (
            0.9 * (0.1 + 0.9 * 0.15) + 0.1 * 0.9 - (0.9 * 0.1 + 0.1 * 0.9)
        )  # P(differ) of variants less that of reruns
        covered += wording.low <= truth <= wording.high
    assert covered >= 34


def test_clusters_widen_the_intervals(records_of) -> None:
    cell = cell_of(["AAAB", "A?AA", "AAAA", "AABB"] * 10)
    grouped = replace(cell, clusters=tuple(f"g{i // 4 % 10 // 2}{i % 2}" for i in range(40)))
    a, b = blame(cell), blame(grouped)
    assert a is not None
    assert b is not None
    assert a.flips == b.flips
    assert (a.low, a.high) != (b.low, b.high)
