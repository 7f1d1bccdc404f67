"""Robustness against accuracy from cells to plain data."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import case_scores, cell_of_scores, world

from robusttest.core.nouns import Record
from robusttest.report.told import told
from robusttest.stats.across.advice import advise, where_to_work
from robusttest.stats.across.emergence import Emergence, analyse
from robusttest.stats.across.two_way import over_prompts, two_way
from robusttest.stats.cell import nulls
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.frame import frames
from robusttest.stats.cell.moments import moments
from robusttest.stats.cell.points import METRICS
from robusttest.stats.cell.spread import spread_test


@pytest.fixture(scope="module")
def equal() -> Emergence:
    return analyse(world(1))


@pytest.fixture(scope="module")
def small() -> Emergence:
    return analyse(world(2, models=3, tasks=(0.95, 0.8, 0.6), k=6, n=60))


def test_the_order_of_the_cells_changes_nothing():
    made = world(3, models=4, tasks=(0.9, 0.7, 0.5, 0.6), n=40, k=6)
    assert asdict(analyse(made[::-1])) == asdict(analyse(made))


def test_points_hold_the_estimates_of_their_cells():
    made = world(1, models=2, tasks=(0.9, 0.6), n=40, k=5)
    e = analyse(made)
    for cell, point in zip(made, e.points, strict=True):
        assert (point.task, point.model, point.n, point.k) == (cell.task, cell.model, 40, 5)
        assert point.accuracy == estimate(cell, "overall_accuracy")
        for metric in METRICS:
            assert getattr(point, metric) == estimate(cell, metric)
        assert point.by_accuracy_alone == pytest.approx(point.accuracy.value**5)


def test_predictions_leave_the_cell_itself_out(small):
    odd = world(2, lambda p, m, t: 0.1 if (m, t) == (0, 1) else 0.7, models=3, tasks=(0.95, 0.8, 0.6), k=6)
    point = next(p for p in analyse(odd).points if (p.model, p.task) == ("model0", "task1"))
    assert point.robust_accuracy.value < point.robust_accuracy_predicted - 0.1
    assert point.robust_accuracy_predicted == pytest.approx(
        float(nulls.all_right(point.accuracy.value, 6, 0.7)), abs=0.05
    )
    cells = [moments(c) for c in odd[:3] + odd[4:]]
    rest = 1 - sum(c.within for c in cells) / sum(c.total for c in cells)
    assert odd[3].task == "task1"
    assert point.robust_accuracy_predicted == pytest.approx(
        float(nulls.all_right(point.accuracy.value, 6, rest))
    )
    for p in small.points:
        low, high = p.consistency_predicted
        assert p.by_accuracy_alone <= low <= high


def test_curves_are_ready_to_be_drawn(equal):
    curves = {c.key: c for c in equal.curves}
    assert list(curves) == ["independent", "constant_icc_least", "constant_icc_most", "constant_icc"]
    for c in curves.values():
        assert len(c.x) == len(c.y) == 101
        assert c.k == 24
    assert curves["independent"].y[90] == pytest.approx(0.9**24, abs=1e-6)
    assert curves["constant_icc_least"].y[90] == pytest.approx(
        float(nulls.all_right(0.9, 24, equal.icc)), abs=1e-6
    )
    assert set(curves["constant_icc"].y) == {round(equal.icc, 6)}
    assert equal.icc == pytest.approx(0.7, abs=0.02)


def test_arithmetic_alone_correlates_and_is_called_that(equal):
    worst = equal.relation("robust_accuracy")
    assert worst.r_squared > 0.8
    assert worst.arithmetic
    icc = equal.relation("consistency_icc")
    assert icc.r_squared < 0.3
    assert not icc.arithmetic
    assert equal.claim("competence").answer == "not supported"
    assert equal.claim("task_not_model").answer in ("not supported", "cannot tell")
    assert equal.claim("models_alike").answer == "supported"
    assert len(equal.relations) == len(METRICS) * 3


def test_shares_of_a_world_where_robustness_is_the_models():
    e = analyse(world(3, lambda p, m, t: 0.35 + 0.06 * m, tasks=(0.9, 0.8, 0.75, 0.7, 0.6, 0.5), k=12))
    icc = next(s for s in e.shares if s.metric == "consistency_icc")
    assert icc.model > 0.5 > icc.task
    assert e.claim("task_not_model").answer == "contradicted"
    assert e.by_model[0].kappa_above_tasks < 0 < e.by_model[-1].kappa_above_tasks


def test_means_are_for_models_and_tasks_like_these(equal):
    means = {e.metric: e for e in equal.means}
    table = np.array([p.consistency_icc.value for p in equal.points]).reshape(6, 9)
    icc = means["consistency_icc"]
    assert icc.value == pytest.approx(table.mean())
    assert (icc.low, icc.high) == pytest.approx(two_way(table.T)[:2])
    assert means["overall_accuracy"].high - means["overall_accuracy"].low > 0.2, "six tasks"
    assert all(e.method.startswith("two-way") for e in equal.means)


def test_json_and_back(equal):
    text = json.dumps(asdict(equal), allow_nan=False)
    data = json.loads(text)
    assert data["points"][0]["accuracy"]["value"] == equal.points[0].accuracy.value
    assert data["claims"][0]["answer"] == "not supported"


@pytest.mark.parametrize("which", ["equal", "small"])
def test_lines_fit_a_terminal(which, request):
    e = request.getfixturevalue(which)
    lines = told(e)
    assert lines
    assert max(map(len, lines)) <= 80
    "\n".join(lines).encode("ascii")
    text = " ".join(" ".join(lines).split())
    assert e.claims[0].sentence in text
    assert "p^K" in text
    assert "arithmetic included" in text


def test_cells_are_shown_one_by_one_up_to_nine(small, equal):
    assert sum(line.startswith("  task0, model") for line in told(small)) == 3
    assert sum(line.startswith("  task") for line in told(equal)) == 1 + 6


@pytest.mark.parametrize(("models", "tasks"), [(2, (0.9, 0.7, 0.5)), (4, (0.9, 0.6)), (1, (0.9,))])
def test_too_few_cells_are_a_scatter_without_a_statistic(models, tasks):
    e = analyse(world(1, models=models, tasks=tasks, n=30, k=4))
    assert len(e.points) == models * len(tasks)
    assert e.curves
    assert not e.relations
    assert not e.shares
    assert not e.claims
    assert told(e) == []
    named = {(2, 3): "2 models on 3 tasks", (4, 2): "4 models on 2 tasks", (1, 1): "1 model on 1 task"}
    assert e.reason == f"{named[models, len(tasks)]}: a statistic needs 3 of each"


def test_two_models_on_five_tasks_have_claim_1_alone():
    e = analyse(world(1, models=2, tasks=(0.95, 0.9, 0.8, 0.7, 0.5), k=6))
    assert [c.key for c in e.claims] == ["competence"]
    assert not e.relations
    assert not told(e)


def test_no_cells():
    e = analyse([])
    assert (e.points, e.curves, e.k) == ((), (), None)
    assert e.reason


def test_gaps_are_in_the_scatter_and_not_in_the_claims():
    made = [c for c in world(1, k=6) if (c.model, c.task) not in {("model8", "task0"), ("model8", "task1")}]
    e = analyse(made)
    assert len(e.points) == 52
    assert e.grid_models == tuple(f"model{i}" for i in range(8))
    assert e.relation("consistency_icc").n == 52
    assert "4 cells outside the complete grid" in e.notes[0]
    few = analyse([c for c in world(1, models=3, tasks=(0.9, 0.7, 0.5), k=4) if c.model[-1] <= c.task[-1]])
    assert "too many gaps" in few.reason


def test_a_cell_that_comes_twice_counts_once():
    made = world(1, models=3, tasks=(0.9, 0.7, 0.5), k=4)
    e = analyse([*world(9, models=3, tasks=(0.9, 0.7, 0.5), k=4), *made])
    assert e.points == analyse(made).points
    assert e.notes == ("9 cells came more than once: the last counts",)


def test_tasks_of_one_name_in_two_tests_are_told_apart():
    made = world(1, models=2, tasks=(0.8,), k=4)
    e = analyse([replace(c, test=f"tests/test_x.py::test_{i}") for i in (1, 2) for c in made])
    assert e.tasks == ("task0 (test_x.py::test_1)", "task0 (test_x.py::test_2)")


def test_cells_with_one_reply_to_each_case_are_left_out():
    made = [c.take([0]) if c.model == "model0" else c for c in world(1, models=4, tasks=(0.9, 0.7, 0.5), k=4)]
    e = analyse(made)
    assert e.models == ("model1", "model2", "model3")
    assert e.notes == ("left out: 3 cells with fewer than two cases that have two replies",)


def test_what_makes_cells_less_comparable_is_noted():
    made = world(1, models=3, tasks=(0.9, 0.7, 0.5), k=6)
    assert analyse(made).notes == ()
    lost = np.zeros((100, 6), dtype=bool)
    lost[:10] = True
    mixed = [
        made[0].take(range(4)),
        replace(made[1], scores=np.where(lost, np.nan, made[1].scores), errors=lost),
    ]
    first, second = analyse([*mixed, *made[2:]]).notes
    assert first.startswith("K differs between cells (4 to 6)")
    assert second == "in 1 cell fewer than 95 % of the variants have a result"


def test_cells_of_adaptive_runs_are_left_out():
    made = world(1, models=3, tasks=(0.9, 0.7, 0.5), k=6)
    e = analyse([replace(made[0], sequential=True), *made[1:]])
    assert len(e.points) == 8
    assert e.notes[0] == "left out: 1 cell of adaptive runs, which stopped when their thresholds were decided"
    assert where_to_work(replace(made[0], sequential=True)).kind == "undecided"


def test_all_right_is_a_point_and_no_obstacle():
    made = world(1, models=4, tasks=(0.9, 0.7, 0.5), k=4)
    rng = np.random.default_rng(0)
    made += [cell_of_scores(np.ones((50, 4), dtype=int), task="easy", model=f"model{i}") for i in range(4)]
    made += [cell_of_scores(np.zeros((50, 4), dtype=int), task="no", model=f"model{i}") for i in range(4)]
    made += [
        cell_of_scores(case_scores(rng, 0.8, 0.5, 50, 4), task="more", model=f"model{i}") for i in range(4)
    ]
    e = analyse(made)
    assert e.relation("consistency_icc").n == 16
    assert e.relation("output_consistency").n == 24
    easy = next(t for t in e.by_task if t.task == "easy")
    assert (easy.icc, easy.latent_r, easy.robust_accuracy) == (None, None, 1)
    assert "2 more are all right or all wrong" in e.claim("competence").sentence
    json.dumps(asdict(e), allow_nan=False)


def test_graded_scores_have_no_null_curve_of_their_own():
    rows = [
        Record(task=f"t{t}", model=f"m{m}", case_id=f"{i}", variant=f"p#{v}" if v else "", perturbation="p" if v else "",
               level="input" if v else "reference", score=((i * 7 + v * (t + 1) + m) % 11) / 10, answer=str(v % 2))
        for t in range(3) for m in range(3) for i in range(20) for v in range(4)
    ]  # fmt: skip
    e = analyse(frames(rows))
    assert all(p.by_accuracy_alone is None for p in e.points)
    assert not any("p^K: robust" in line for line in told(e))
    assert "K=" not in told(replace(e, k=None))[0]
    assert e.relation("consistency_icc").n == 9
    assert told(e)


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    models=st.integers(1, 4),
    tasks=st.integers(1, 6),
    n=st.integers(1, 25),
    k=st.integers(1, 4),
)
def test_whatever_comes_is_json_without_nan(data, models, tasks, n, k):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    made = []
    for t in range(tasks):
        for m in range(models):
            p = data.draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))
            cell = cell_of_scores((rng.random((n, k)) < p).astype(int), task=f"t{t}", model=f"m{m}")
            if data.draw(st.booleans()):
                lost = rng.random((n, k)) < 0.2
                cell = replace(cell, scores=np.where(lost, np.nan, cell.scores), errors=lost)
            made.append(cell)
    e = analyse(made)
    json.dumps(asdict(e), allow_nan=False)
    assert all(len(line) <= 80 for line in told(e))
    for advice, cell in zip(advise(made), made, strict=True):
        json.dumps(asdict(advice), allow_nan=False)
        json.dumps(asdict(spread_test(cell, resamples=20)), allow_nan=False)
        json.dumps(asdict(over_prompts(cell)), allow_nan=False)
