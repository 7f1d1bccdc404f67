"""Which knob matters: the analysis of variance of a crossed design, against sums done by hand and worlds of known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.special import stdtr

from robusttest.core.nouns import Record
from robusttest.errors import UsageError
from robusttest.report.words.lines import of_design
from robusttest.stats.across.factors import Design, designs, table
from robusttest.stats.cell.frame import Frame, frames
from robusttest.stats.cell.tables import records_from_rows
from robusttest.tasks.sources import SourceRow

Levels = Sequence[tuple[str, Sequence[str]]]
TWO_BY_TWO: Levels = (("wording", ("none", "a")), ("noise", ("none", "keyboard")))
PAPER: Levels = (
    ("wording", ("none", "a", "b")),
    ("demonstrations", ("none", "shots")),
    ("noise", ("none", "keyboard")),
    ("temperature", ("none", "hot")),
)


def crossed_cell(
    scores: np.ndarray, levels: Levels = TWO_BY_TWO, *, clusters: Sequence[str] | None = None
) -> Frame:
    """(n, configurations) in the order of the product; the first is the unperturbed prompt. NaN is a failed call."""
    names = [name for name, _ in levels]
    settings = list(product(*(at for _, at in levels)))
    rows = [
        Record(
            task="t", model="m", case_id=f"c{i}", variant=f"v{v}" if v else "", perturbation=f"p{v}" if v else "",
            level="prompt" if v else "reference", cluster=clusters[i] if clusters else None,
            score=None if np.isnan(y) else float(y), status="error" if np.isnan(y) else "ok", answer=f"{y}",
            factors=dict(zip(names, setting, strict=True)) if v else None,
        )
        for i, line in enumerate(scores)
        for v, (y, setting) in enumerate(zip(line, settings, strict=True))
    ]  # fmt: skip
    (cell,) = frames(rows)
    return cell


def design(scores: np.ndarray, levels: Levels = TWO_BY_TWO, **more: Sequence[str]) -> Design:
    (found,) = designs(crossed_cell(scores, levels, **more))
    return found


TOY = np.array(  # none·none, none·keyboard, a·none, a·keyboard
    [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 1], [1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0],
     [1, 1, 1, 0], [1, 0, 1, 1]], dtype=float,
)  # fmt: skip


def test_a_two_by_two_toy_has_the_sums_of_squares_and_p_values_done_by_hand() -> None:
    """Ten cases. Wording: 16 of 20 against 7 of 20; noise: 13 against 10. Σ within cases: Σ_i Σ_c (y - ȳ_i)² = 6.75."""
    d = design(TOY)
    wording, noise = (next(f for f in d.factors if f.name == name) for name in ("wording", "noise"))
    within = float(((TOY - TOY.mean(axis=1, keepdims=True)) ** 2).sum())
    assert wording.ss == pytest.approx(40 * (0.8 - 0.35) ** 2 / 4)  # N (ȳ₁ - ȳ₂)²/4
    assert noise.ss == pytest.approx(40 * (0.65 - 0.5) ** 2 / 4)
    assert d.ss_error == pytest.approx(within - wording.ss - noise.ss)
    assert wording.eta2 == pytest.approx(wording.ss / (wording.ss + d.ss_error))
    assert [(level.name, level.accuracy) for level in wording.levels] == [
        ("none", pytest.approx(0.8)), ("a", pytest.approx(0.35)),
    ]  # fmt: skip
    # two levels: T² is the square of the paired t of the cases' differences
    apart = TOY[:, :2].mean(axis=1) - TOY[:, 2:].mean(axis=1)
    t = apart.mean() / (apart.std(ddof=1) / np.sqrt(10))
    assert wording.f == pytest.approx(t**2)
    assert wording.p == pytest.approx(2 * stdtr(9, -t))
    assert wording.df == (1, 9)
    assert noise.p is None
    assert noise.reason == "only 5 cases vary with it: too few for a test"
    assert wording.p_adjusted == pytest.approx(2 * wording.p)
    assert d.factors[0] is wording
    assert wording.matters
    assert (
        of_design(d)[0]
        == "which knob matters: wording does (Holm over 2 factors); 10 cases x 4 configurations"
    )


def test_the_reference_is_the_configuration_in_which_every_factor_is_left_alone() -> None:
    cell = crossed_cell(TOY)
    assert designs(cell)[0].configurations == 4
    never_none = [("wording", ("a", "b")), ("noise", ("none", "keyboard"))]
    assert (
        designs(crossed_cell(np.column_stack([TOY[:, :1], TOY]), [("all", ("x",) * 5)])) == ()
    )  # nothing varied
    rows = crossed_cell(TOY, never_none)
    (d,) = designs(rows)
    assert d.configurations == 3  # the reference has no wording "none": it is none of them


@pytest.mark.parametrize("knob", ["demonstrations", "temperature"])
def test_the_factor_that_matters_is_found_and_the_others_are_not(knob: str) -> None:
    rng = np.random.default_rng(3)
    at = [name for name, _ in PAPER].index(knob)
    settings = list(product(*(levels for _, levels in PAPER)))
    hurt = np.array([0.25 if s[at] != "none" else 0.0 for s in settings])
    own = rng.beta(4.5, 0.5, 100)
    d = design((rng.random((100, 24)) < np.clip(own[:, None] - hurt, 0, 1)).astype(float), PAPER)
    assert [f.name for f in d.factors if f.matters] == [knob]
    assert d.factors[0].name == knob
    assert d.factors[0].eta2 == pytest.approx(0.08, abs=0.04)
    assert d.configurations == 24
    assert d.together is not None
    assert d.together.p is None or d.together.p > 0.05


def test_where_no_factor_matters_rarely_one_is_said_to() -> None:
    """Holm over four factors: at most .05 of worlds without an effect; simulated .003 to .043, here 25 worlds."""
    rng = np.random.default_rng(5)
    said = 0
    cell = crossed_cell(np.ones((60, 24)), PAPER)
    for _ in range(25):
        own = rng.beta(1.4, 0.6, 60)
        (d,) = designs(replace(cell, scores=(rng.random((60, 24)) < own[:, None]).astype(float)))
        said += any(f.matters for f in d.factors)
    assert said <= 4


def test_what_levels_do_together_is_seen_apart_from_each_alone() -> None:
    """Either alone does no harm, both together do."""
    rng = np.random.default_rng(2)
    y = np.ones((60, 4))
    y[:, 3] = rng.random(60) < 0.2
    y[:, :3] = rng.random((60, 3)) < 0.95
    d = design(y)
    assert d.together is not None
    assert d.together.p is not None
    assert d.together.p < 1e-6
    assert "levels do more than each for itself" in of_design(d)[-1]


def test_clustered_cases_count_as_their_clusters() -> None:
    apart = np.repeat(TOY, 8, axis=0)
    alone = design(apart)
    together = design(apart, clusters=[f"g{i // 8}" for i in range(80)])
    once = design(TOY)
    assert together.clusters == 10
    assert together.factors[0].p == pytest.approx(once.factors[0].p, rel=1e-6)
    assert alone.factors[0].p is not None
    assert alone.factors[0].p < together.factors[0].p / 100


def test_failed_calls_leave_the_rest_of_a_case_and_a_confounded_factor_is_not_tested() -> None:
    holed = TOY.copy()
    holed[0, 3] = holed[4, 1] = np.nan
    d = design(holed)
    assert d.n == 10
    assert d.factors[0].p is not None
    # a case-wise fit by plain least squares with dummies gives the same sum of squares
    rows = [(i, v) for i in range(10) for v in range(4) if not np.isnan(holed[i, v])]
    y = np.array([holed[i, v] for i, v in rows])
    x = np.array([[float(i == c) for c in range(10)] + [float(v >= 2), float(v % 2)] for i, v in rows])

    def rss(columns: np.ndarray) -> float:
        return float(((y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]) ** 2).sum())

    assert d.ss_error == pytest.approx(rss(x))
    assert d.factors[0].ss == pytest.approx(rss(np.delete(x, 10, axis=1)) - rss(x))
    tied = crossed_cell(TOY[:, [0, 3]], [("both", ("none", "x"))])
    columns = tuple(
        replace(c, factors=(("a", "none"), ("b", "none")) if c.is_reference else (("a", "x"), ("b", "y")))
        for c in tied.columns
    )
    (found,) = designs(replace(tied, columns=columns))
    assert {f.reason for f in found.factors} == {"its levels always come with those of other factors"}
    assert of_design(found)[0].startswith("which knob matters: can't be told")


def test_an_outcome_that_nothing_moves_has_p_one_and_a_table_counts_over_cells() -> None:
    flat = design(np.ones((12, 4)))
    assert {f.p for f in flat.factors} == {1.0}
    assert {f.eta2 for f in flat.factors} == {None}
    rows = table([flat, design(TOY)])
    wording = next(r for r in rows if r.name == "wording")
    assert (wording.cells, wording.mattering) == (2, 1)
    assert wording.eta2_most == design(TOY).factors[0].eta2


def test_a_test_without_a_crossed_design_has_no_factors(right_wrong) -> None:
    assert designs(right_wrong(["11", "10"])) == ()


def test_columns_of_a_recorded_table_are_the_factors_and_their_levels_the_variant() -> None:
    rows = [
        SourceRow(f"row {i}", {"model": "m", "task": "t", "case_id": f"c{c}", "wording": w, "shots": s, "score": TOY[c, 2 * a + s]})
        for i, (c, (a, w), s) in enumerate(product(range(10), enumerate(("plain", "formal")), (0, 1)))
    ]  # fmt: skip
    records = records_from_rows(
        "x.csv", rows, factors=["wording", "shots"], reference="plain 0", by=["shots"]
    )
    (cell,) = frames(records)
    (d,) = designs(cell)
    assert d.factors[0].p == design(TOY).factors[0].p
    assert [f.name for f in d.factors] == ["wording", "shots"]
    assert [level.name for level in d.factors[0].levels] == ["plain", "formal"]
    assert records[0].perturbation == ""
    assert records[0].by == {"shots": "0"}
    with pytest.raises(
        UsageError, match=r"--factors shot: x.csv has no such column. Did you mean 'shots'\? It has"
    ):
        records_from_rows("x.csv", rows, factors=["wording", "shot"], mapping={"variant": "wording"})
