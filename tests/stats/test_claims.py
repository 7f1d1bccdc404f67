from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import scipy.stats
from scipy.special import expit, logit
from worlds import TASKS, world

from robusttest.stats.across import claims
from robusttest.stats.across.claims import (
    answers,
    competence,
    models_alike,
    models_apart,
    task_not_model,
    within_tasks,
)
from robusttest.stats.across.grid import Grid, grid
from robusttest.stats.cell.consistency import latent_r
from robusttest.stats.cell.moments import Slope, log_odds_ratio, moments, slope_test

X = np.array([0.45, 0.65, 0.72, 0.80, 0.88, 0.96])
KAPPA = np.array([0.52, 0.60, 0.58, 0.66, 0.70, 0.69])


def grid_of(cells) -> Grid:
    models = list(dict.fromkeys(c.model for c in cells))
    tasks = list(dict.fromkeys(c.task for c in cells))
    at = {(c.model, c.task): moments(c) for c in cells}
    return grid([[at[m, t] for t in tasks] for m in models])


def simulated(rng, icc_of, *, models=9, tasks=TASKS, n=100, k=24) -> Grid:
    """As `worlds.world`, without cells: fast enough for rates."""
    ability, extra, own_of = (
        rng.normal(0, 0.25, models),
        rng.normal(0, 1, len(tasks)),
        rng.normal(0, 1, models),
    )
    p = expit(logit(np.array(tasks)) + ability[:, None] + rng.normal(0, 0.1, (models, len(tasks))))
    rho = np.broadcast_to(icc_of(p, own_of[:, None], extra), p.shape)
    own = rng.beta((p * (1 / rho - 1))[..., None], ((1 - p) * (1 / rho - 1))[..., None], (*p.shape, n))
    m = rng.binomial(k, own) / k
    mean = m.mean(axis=-1)
    within = (m * (1 - m)).mean(axis=-1) * k / (k - 1)
    return Grid(mean, within, mean * (1 - mean) + m.var(axis=-1, ddof=1) / n, True, odds(mean, within))


def odds(p, within):
    """The log odds ratio of two variants of one accuracy."""
    with np.errstate(all="ignore"):
        return np.where(within > 0, np.log((p - within) * (1 - p - within) / within**2), np.nan)


def logit_normal(rng, shift, *, sd=1.5, tasks=TASKS, models=9, n=100) -> Grid:
    """Cases differ by ``sd`` on the logit scale on every task, and variants by ``shift`` (K,), on every task alike."""
    p, k = np.empty((models, len(tasks))), len(shift)
    within, total, log_odds = np.empty_like(p), np.empty_like(p), np.empty_like(p)
    for at in np.ndindex(p.shape):
        middle = logit(tasks[at[1]]) * np.sqrt(1 + 0.35 * sd**2) + rng.normal(0, 0.25)
        y = (rng.random((n, k)) < expit(middle + rng.normal(0, sd, (n, 1)) + shift)).astype(float)
        m = y.mean(axis=1)
        p[at], within[at], log_odds[at] = m.mean(), (m * (1 - m)).mean() * k / (k - 1), log_odds_ratio(y)
        total[at] = p[at] * (1 - p[at]) + m.var(ddof=1) / n
    return Grid(p, within, total, True, log_odds)


def near(base):
    return lambda shift: expit(logit(base) + shift)


def test_the_worked_example():
    s = slope_test(X, KAPPA, scale="kappa")
    assert (s.slope, s.se, s.t, s.p, s.low, s.high) == pytest.approx(
        (0.368603, 0.061082, 6.034556, 0.001901, 0.238385, 0.498820), abs=5e-7
    )
    assert s.df == 4
    assert claims._permutation(X, KAPPA) == pytest.approx(0.005556, abs=5e-7)


def test_kappa_of_a_task_pools_its_models():
    g = grid_of(world(1, models=3))
    assert g.task_kappa == pytest.approx(1 - g.within.sum(axis=0) / g.total.sum(axis=0))


def test_a_point_of_claim_1_is_the_plain_mean_of_the_cells():
    p = np.array([[0.8, 0.9], [0.6, 1.0]])
    kappa = np.array([[0.5, 0.7], [0.3, 0.0]])
    total = p * (1 - p)
    g = Grid(p, (1 - kappa) * total, total, True, kappa)
    assert g.task_icc == pytest.approx([0.4, 0.7])  # the second model is always right on the second task
    assert np.isnan(g.icc[1, 1])
    r = [[0.7464, 0.925], [float(latent_r(np.array(0.6), np.array(0.3))), 0]]
    assert g.task_latent == pytest.approx(
        [np.arctanh([r[0][0], r[1][0]]).mean(), np.arctanh(r[0][1])], abs=2e-4
    )


def rates(icc_of, claim, runs=120, **kwargs):
    rng = np.random.default_rng(11)
    found = Counter(claim(simulated(rng, icc_of, **kwargs)).answer for _ in range(runs))
    return {answer: n / runs for answer, n in found.items()}


def test_competence_is_not_found_where_there_is_arithmetic_alone():
    found = rates(lambda p, m, t: 0.7, competence)
    assert found.get("supported", 0) <= 0.05 + 2 * 0.02
    assert found["not supported"] > 0.8


def test_nor_where_tasks_differ_for_reasons_of_their_own():
    assert rates(lambda p, m, t: near(0.7)(0.4 * t), competence).get("supported", 0) <= 0.05 + 2 * 0.02


def test_competence_is_found_where_it_is():
    assert rates(lambda p, m, t: near(0.65)(3 * (p - 0.74)), competence)["supported"] >= 0.95


def test_and_contradicted_where_easier_tasks_are_less_consistent():
    assert rates(lambda p, m, t: near(0.65)(-6 * (p - 0.74)), competence, runs=40)["contradicted"] >= 0.9


@pytest.mark.parametrize(
    "shift", [np.zeros(24), np.where(np.arange(24) < 4, -3.0, 0.5), np.where(np.arange(24) < 1, -4.0, 0.2)],
    ids=["cases", "4 hard variants", "1 hard variant"],
)  # fmt: skip
def test_nothing_is_contradicted_where_cases_and_variants_merely_differ_in_difficulty(shift):
    """ICC and latent r fall on easier tasks in every second of these worlds and more, by arithmetic alone."""
    rng = np.random.default_rng(3)
    found = [competence(logit_normal(rng, shift)) for _ in range(8)]
    assert {c.answer for c in found} == {"not supported"}
    fall = [c for c in found if c.slopes[0].high < 0 and c.slopes[1].high < 0]
    assert len(fall) >= 3
    assert all("may be arithmetic" in c.sentence for c in fall)
    assert all("may be" not in c.sentence for c in found if c not in fall)


def test_the_odds_ratio_compares_each_two_variants_with_their_own_accuracies():
    y = np.array([[1, 1, 0], [1, 0, 0], [0, 1, np.nan], [1, 1, 1], [0, 0, 0]])
    # Pairs of columns: n11 n00 / n and n10 n01 / n of (0, 1), (0, 2), (1, 2).
    alike, apart = 2 * 1 / 5 + 1 * 1 / 4 + 1 * 2 / 4, 1 * 1 / 5 + 0 + 0
    assert log_odds_ratio(y) == pytest.approx(np.log((alike + 0.5) / (apart + 0.5)))
    assert np.isnan(log_odds_ratio(np.ones((4, 3))))
    rng = np.random.default_rng(0)
    ease = rng.normal(0, 2, (200_000, 1))
    for middle in (0, 4):  # an easier task
        same, hard = (rng.random((200_000, 2)) < expit(middle + ease + np.array([0, s])) for s in (0, -3))
        assert log_odds_ratio(hard * 1.0) == pytest.approx(log_odds_ratio(same * 1.0), rel=0.2)
        mixed = odds(hard.mean(), (hard[:, 0] != hard[:, 1]).mean() / 2)  # as if both were equally hard
        assert mixed < log_odds_ratio(hard * 1.0) - 0.7


@pytest.mark.parametrize(
    ("spread", "answer"), [(0.0, "supported"), (0.8, "contradicted")], ids=["alike", "apart"]
)
def test_models_alike_and_apart_beyond_accuracy(spread, answer):
    found = rates(lambda p, m, t: near(0.7)(spread * m), models_alike)
    assert found[answer] >= 0.85
    wrong = {"supported": "contradicted", "contradicted": "supported"}[answer]
    assert found.get(wrong, 0) == 0


def test_sure_answers_at_the_border_are_rare():
    """Logit sd .24 is about .05 of kappa at .7: at the border each sure answer has its 5 %."""
    found = rates(lambda p, m, t: near(0.7)(0.24 * m), models_alike, runs=200)
    assert found.get("supported", 0) <= 0.12
    assert found.get("contradicted", 0) <= 0.08


def test_a_better_model_on_the_same_task():
    g = grid_of(world(3, lambda p, m, t: 0.7))
    s = within_tasks(g)
    left = (g.total - g.within - g.task_kappa * g.total).sum(axis=1) / g.total.sum(axis=1)
    x = (g.p - g.p.mean(axis=0)).mean(axis=1)
    assert s.slope == pytest.approx(np.polyfit(x, left, 1)[0])
    assert s.df == 7


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"tasks": (0.9, 0.8, 0.6)}, "3 tasks"),
        ({"models": 1}, "1 model;"),
        ({"tasks": (0.80, 0.81, 0.82, 0.83, 0.82)}, "span"),
    ],
)
def test_too_little_to_tell(options, why):
    claim = competence(grid_of(world(1, n=300, k=4, spread=0.02, **options)))
    assert claim.answer == "cannot tell"
    assert why in claim.sentence


def test_saturated_tasks_are_left_out_by_name():
    g = simulated(np.random.default_rng(1), lambda p, m, t: 0.7)
    full = [np.column_stack([a, np.full(9, v)]) for a, v in zip(g[:3], (1.0, 0.0, 0.0), strict=True)]
    log_odds = np.column_stack([g.log_odds, np.full(9, np.nan)])
    claim = competence(Grid(*full, True, log_odds))
    assert [s.n for s in claim.slopes] == [6, 6, 6, 9]
    few = competence(Grid(*(a[:, 2:] for a in full), True, log_odds[:, 2:]))
    assert "1 more are all right or all wrong" in few.sentence


def test_scores_between_right_and_wrong_have_one_scale_alone():
    g = simulated(np.random.default_rng(1), lambda p, m, t: near(0.65)(3 * (p - 0.74)))
    claim = competence(g._replace(binary=False))
    assert claim.answer == "cannot tell"
    assert "no latent scale" in claim.sentence
    assert claim.slopes[1].reason == "needs right/wrong scores (0 or 1)"


def test_cannot_tell_says_what_it_takes_and_that_is_enough():
    rng = np.random.default_rng(4)
    told = []
    while len(told) < 4:
        claim = competence(simulated(rng, lambda p, m, t: near(0.65)(1.5 * (p - 0.74) + 0.4 * t)))
        if claim.answer == "cannot tell" and claim.tasks_needed:
            told.append(claim.tasks_needed)
            assert f"about {claim.tasks_needed:,} tasks" in claim.sentence
    assert all(6 < n < 2000 for n in told)


def test_models_apart_takes_the_variance_component():
    rng = np.random.default_rng(5)
    found = [
        models_apart(simulated(rng, lambda p, m, t: near(0.7)(0.5 * m), tasks=TASKS * 2)) for _ in range(40)
    ]
    assert np.mean([a.sd for a in found]) == pytest.approx(0.5 * 0.7 * 0.3, rel=0.25)
    assert all(a.low <= a.sd <= a.high for a in found)


def test_few_models():
    g = grid_of(world(1, models=3, tasks=(0.9, 0.7, 0.5), k=4))
    claim = models_alike(g)
    assert claim.answer == "cannot tell"
    assert claim.apart.sd is None
    two = task_not_model(grid_of(world(1, models=2, tasks=(0.9, 0.7, 0.5), k=4)), competence(g))
    assert two.answer == "cannot tell"
    assert two.sentence == "Cannot tell: 2 models on 3 tasks that vary; it takes 3 of each."


def test_the_second_claim_needs_the_first_and_the_task():
    first, second, third = answers(
        grid_of(world(2, lambda p, m, t: expit(logit(0.65) + 5 * (p - 0.74)), spread=0.05))
    )
    assert (first.answer, second.answer, second.whose.source) == ("supported", "supported", "task")
    assert third.key == "models_alike"
    for source, answer_1, answer_2 in (
        ("task", "supported", "supported"), ("task", "not supported", "not supported"), ("task", "cannot tell", "cannot tell"),
        ("model", "supported", "contradicted"), ("neither", "supported", "not supported"), ("cannot tell", "supported", "cannot tell"),
    ):  # fmt: skip
        assert claims._second(source, answer_1) == answer_2
    assert "taken out" in third.sentence


@pytest.mark.parametrize(
    ("kappa", "latent", "odds", "answer"),
    [
        ((0.1, 0.6), (0.1, 2), (-2, -1), "supported"),
        ((0.1, 0.6), (-0.1, 2), (1, 2), "cannot tell"),
        ((0.1, 0.3), (-0.1, 2), (1, 2), "not supported"),
        ((0.1, 0.3), (0.1, 2), (1, 2), "supported"),
        ((-0.6, -0.1), (-2, -0.1), (-2, -0.1), "contradicted"),
        ((-0.6, -0.1), (-2, -0.1), (-2, 0.1), "not supported"),
        ((-0.6, -0.1), (-2, 0.1), (-2, -0.1), "not supported"),
        ((-0.1, 0.36), (0.1, 2), (1, 2), "cannot tell"),
        ((-0.1, 0.34), (0.1, 2), (1, 2), "not supported"),
    ],
)
def test_both_scales_decide(kappa, latent, odds, answer):
    slopes = (
        Slope(scale="", n=6, df=4, slope=sum(s) / 2, low=s[0], high=s[1], se=1.0)
        for s in (kappa, latent, odds)
    )
    assert claims._competence(*slopes) == answer


def test_the_variance_component_by_hand():
    g = simulated(np.random.default_rng(7), lambda p, m, t: near(0.7)(0.5 * m), models=6)
    d = (g.total - g.within - g.task_kappa * g.total) / g.total.mean()
    e, x = d.mean(axis=1), (g.p - g.p.mean(axis=0)).mean(axis=1)
    line = (x @ e) / (x @ x) * x
    of_model = 6 * ((e - line) ** 2).sum() / 4
    of_rest = ((d - e[:, None]) ** 2).sum() / 25
    a = models_apart(g)
    assert a.f == pytest.approx(of_model / of_rest)
    assert a.p == pytest.approx(scipy.stats.f.sf(a.f, 4, 25))
    assert a.sd == pytest.approx(((of_model - of_rest) / 6) ** 0.5)
    ratio = scipy.stats.f.ppf(0.05, 4, 25) / a.f
    assert a.high == pytest.approx((4 * of_model * (1 - ratio) / 6 / scipy.stats.chi2.ppf(0.05, 4)) ** 0.5)
