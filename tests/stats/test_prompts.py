"""Prompts side by side: the best is the one whose cases are better, as surely as the draws of cases say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from worlds import cell_of_scores, world

from robusttest.report.words.lines import of_prompts
from robusttest.stats.across.emergence import analyse
from robusttest.stats.across.prompts import SideBySide, side_by_side
from robusttest.stats.cell.frame import Frame


def put(scores: np.ndarray, prompt: str, *, clusters: Sequence[str] | None = None) -> Frame:
    cell = replace(cell_of_scores(scores, task=f"desk [{prompt}]"), prompt=prompt)
    return cell if clusters is None else replace(cell, clusters=tuple(clusters))


def compared(*cells: Frame) -> SideBySide:
    (found,) = side_by_side(cells)
    return found


def test_two_prompts_are_paired_over_cases() -> None:
    """12 cases, of which the second prompt loses 4 and gains 1: the exact sign-flip p of +4 -1 in 5 is 2 · 6/32."""
    a, b = np.ones((12, 2), dtype=int), np.ones((12, 2), dtype=int)
    b[:4] = 0
    a[4] = 0
    found = compared(put(a, "short"), put(b, "long"))
    first, second = found.prompts
    assert (first.name, second.name, found.n, found.key.task) == ("short", "long", 12, "desk")
    assert second.behind == pytest.approx(3 / 12)
    assert second.p == pytest.approx(2 * 6 / 32)
    assert second.low is not None
    assert second.low < 0.25 < (second.high or 0)
    assert first.best + second.best == pytest.approx(1)
    assert 0.85 < first.best < 0.97
    assert second.regret - first.regret == pytest.approx(3 / 12, abs=0.01)
    assert of_prompts(found)[0].startswith("prompts of desk on m: short is likely the best (probability 0.9")
    assert "behind by 25.0 points [" in of_prompts(found)[2]


def test_equal_prompts_share_the_chance_and_cost_nothing() -> None:
    same = np.tile([[1, 0], [1, 1]], (10, 1))
    found = compared(put(same, "a"), put(same, "b"))
    assert [p.best for p in found.prompts] == [0.5, 0.5]
    assert [p.regret for p in found.prompts] == [0.0, 0.0]
    assert found.prompts[1].p == 1.0


def test_the_probability_to_be_best_is_right_as_often_as_it_says() -> None:
    """Two prompts that differ by nothing: over worlds the probability of the first is spread about evenly."""
    rng = np.random.default_rng(1)
    said = []
    for _ in range(20):
        own = rng.beta(3, 1, 60)
        a, b = ((rng.random((60, 3)) < own[:, None]).astype(int) for _ in range(2))
        found = compared(put(a, "a"), put(b, "b"))
        said.append(next(p.best for p in found.prompts if p.name == "a"))
    assert 0.3 < np.mean(said) < 0.7
    assert np.mean([s > 0.95 or s < 0.05 for s in said]) <= 0.3


def test_only_cases_that_every_prompt_has_count_and_clusters_are_drawn_whole() -> None:
    a, b = np.ones((40, 2), dtype=int), np.ones((40, 2), dtype=int)
    b[:10] = 0
    short = put(a, "a")
    found = compared(short, put(b, "b").take_cases(range(20)))
    assert (found.n, found.of) == (20, 40)
    groups = [f"g{i // 10}" for i in range(40)]
    alone, whole = (
        compared(short, put(b, "b")),
        compared(put(a, "a", clusters=groups), put(b, "b", clusters=groups)),
    )
    assert alone.prompts[1].p is not None
    assert alone.prompts[1].p < 0.01
    assert whole.prompts[1].p == 1.0


def test_one_prompt_has_nothing_beside_it_and_further_prompts_are_no_tasks() -> None:
    assert side_by_side([put(np.ones((4, 2)), "a"), cell_of_scores(np.ones((4, 2)))]) == ()
    cells = world(1, models=3, tasks=(0.9, 0.8, 0.7), n=20, k=4)
    named = [replace(c, task=f"{c.task} [a]", prompt="a") for c in cells]
    others = [replace(c, task=f"{c.task} [b]", prompt="b") for c in cells]
    e = analyse([c for pair in zip(named, others, strict=True) for c in pair])
    assert len(e.tasks) == 3
    assert "left out: 9 cells of a task's further prompts: its first one stands for it" in e.notes
