"""Calibration of what compares cells: the two claims, residuals, two-way intervals, advice, one version against another.

The worlds of the claims have the size of arXiv 2602.03344: 9 models on 6 tasks of 100 cases in 24 variants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from calibration_lines import Floats, Line, share
from scipy.special import expit, logit
from simulated import World, beta, cell, latent

from robusttest.stats.across import claims
from robusttest.stats.across.advice import where_to_work
from robusttest.stats.across.grid import Grid, grid
from robusttest.stats.across.residuals import residuals
from robusttest.stats.across.suite import suite_means
from robusttest.stats.across.two_way import two_way
from robusttest.stats.cell.intervals import ALPHA
from robusttest.stats.cell.moments import moments
from robusttest.stats.versions.paired import change, settle

TASKS = (0.96, 0.88, 0.80, 0.72, 0.65, 0.45)
MODELS, CASES, VARIANTS = 9, 100, 24

Icc = Callable[[Floats, np.random.Generator], Floats]
"""(accuracy of each model × task, generator) → its intra-class correlation."""


def accuracies(rng: np.random.Generator, tasks: tuple[float, ...] = TASKS) -> Floats:
    """(M, T): models and cells vary on the logit scale."""
    own = rng.normal(0, 0.25, (MODELS, 1)) + rng.normal(0, 0.1, (MODELS, len(tasks)))
    return np.asarray(expit(logit(np.array(tasks)) + own))


def constant(p: Floats, rng: np.random.Generator) -> Floats:
    return np.full(p.shape, 0.7)


def by_task(sd: float, link: float = 0.0, base: float = 0.7) -> Icc:
    """Tasks differ in ρ for reasons of their own (``sd`` on the logit scale), and by ``link`` with accuracy."""

    def icc(p: Floats, rng: np.random.Generator) -> Floats:
        return np.asarray(expit(logit(base) + link * (p - 0.74) + rng.normal(0, sd, p.shape[1])))

    return icc


def observed(chance: Floats, rng: np.random.Generator) -> Grid:
    """(M, T, n) chances → what 24 variants show of them."""
    n = chance.shape[-1]
    m = rng.binomial(VARIANTS, chance) / VARIANTS
    p = m.mean(axis=-1)
    within = (m * (1 - m)).mean(axis=-1) * VARIANTS / (VARIANTS - 1)
    with np.errstate(all="ignore"):
        log_odds = np.where(within > 0, np.log((p - within) * (1 - p - within) / within**2), np.nan)
    return Grid(p, within, p * (1 - p) + m.var(axis=-1, ddof=1) / n, True, log_odds)


def beta_grid(rng: np.random.Generator, icc: Icc, tasks: tuple[float, ...] = TASKS) -> Grid:
    p = accuracies(rng, tasks)
    rho = icc(p, rng)
    a, b = p * (1 / rho - 1), (1 - p) * (1 / rho - 1)
    return observed(rng.beta(a[..., None], b[..., None], (*p.shape, CASES)), rng)


def latent_grid(rng: np.random.Generator, r: float = 0.85) -> Grid:
    p = accuracies(rng)
    chance = np.stack([[latent(float(x), r)(CASES, rng) for x in row] for row in p])
    return observed(chance, rng)


def logit_normal(rng: np.random.Generator, shift: Floats, sd: float = 1.5) -> Grid:
    """Cases differ by ``sd`` on the logit scale, and variants by ``shift``, on every task alike: robustness is the same."""
    rows = []
    for row in accuracies(rng):
        middle = logit(row)[:, None, None] * np.sqrt(1 + 0.35 * sd**2) + rng.normal(
            0, sd, (len(row), CASES, 1)
        )
        rows.append(
            [
                moments(cell(y))
                for y in (rng.random((*middle.shape[:2], VARIANTS)) < expit(middle + shift)) * 1.0
            ]
        )
    return grid([[m for m in row if m is not None] for row in rows])


DIFFICULTY = {
    "cases alone": np.zeros(VARIANTS),
    "variants by sd 1": np.linspace(-1.7, 1.7, VARIANTS),
    "4 hard variants": np.where(np.arange(VARIANTS) < 4, -3.0, 0.0),
    "1 hard variant": np.where(np.arange(VARIANTS) < 1, -4.0, 0.0),
}
"""What cases, and variants, differ by where nothing but difficulty differs."""
ANSWERS = ("supported", "not supported", "contradicted", "cannot tell")


def difficulty(reps: int) -> Iterator[Line]:
    """Claim 1 where cases and variants merely differ in difficulty, world × answer: neither supported nor contradicted."""
    print(f"{'claim 1 where difficulty differs':34}" + "".join(f"{x:>15}" for x in ANSWERS))
    reps = max(reps // 10, 8)  # each has 54 cells of replies
    for i, (world, shift) in enumerate(DIFFICULTY.items()):
        rng = np.random.default_rng([13, i])
        got = Counter(claims.competence(logit_normal(rng, shift)).answer for _ in range(reps))
        print(f"{world:34}" + "".join(f"{got.get(x, 0) / reps:15.3f}" for x in ANSWERS))
        for wrong in ("supported", "contradicted"):
            yield Line(f"claim 1 {wrong}, {world}", got.get(wrong, 0) / reps, 0.0, ALPHA)
    got = Counter(
        claims.competence(beta_grid(np.random.default_rng([14, i]), by_task(0, link=-6, base=0.65))).answer
        for i in range(reps)
    )
    yield Line("claim 1 contradicted, rho falls with accuracy", got["contradicted"] / reps, 0.9, 1.0)


def two_claims(reps: int) -> Iterator[Line]:
    """Claim 1 is falsely supported in at most 5 %, and found where 4.2 says it can be."""

    def answers(make: Callable[[np.random.Generator], Grid], seed: int) -> np.ndarray:
        rng = np.random.default_rng([7, seed])
        return np.array([claims.competence(make(rng)).answer for _ in range(reps)])

    same = answers(lambda rng: beta_grid(rng, constant), 0)
    yield share(
        "claim 1 supported, constant rho", same == "supported", high=ALPHA, sigmas=2, note="(.055 or less)"
    )
    yield share("claim 1 not supported, constant rho", same == "not supported", low=0.90, note="(.947)")
    for i, (sd, least) in enumerate(((0.2, 0.70), (0.4, 0.33)), 1):
        got = answers(lambda rng, sd=sd: beta_grid(rng, by_task(sd)), i)
        yield share(f"claim 1 supported, tasks differ by sd {sd}", got == "supported", high=ALPHA, sigmas=2)
        yield share(f"claim 1 not supported, tasks differ by sd {sd}", got == "not supported", low=least)
    got = answers(latent_grid, 3)
    yield share(
        "claim 1 supported, constant latent r", got == "supported", high=ALPHA, sigmas=2, note="(.000)"
    )
    power = {0.0: (0.9, "(.998)"), 0.1: (0.9, "(.998)"), 0.2: (0.9, "(.972)"), 0.4: (0.6, "(.68)")}
    for i, (sd, (least, note)) in enumerate(power.items(), 4):
        got = answers(lambda rng, sd=sd: beta_grid(rng, by_task(sd, link=3, base=0.65)), i)
        yield share(
            f"claim 1 found, rho rises with accuracy, sd {sd}", got == "supported", low=least, note=note
        )
    for i, (sd, note) in enumerate(((0.0, "(.968)"), (0.1, "(.933)")), 8):
        got = answers(lambda rng, sd=sd: beta_grid(rng, by_task(sd, link=1.5, base=0.65)), i)
        yield share(f"claim 1 found, half that link, sd {sd}", got == "supported", low=0.9, note=note)
    yield from _arithmetic(reps)


def _drawn(task: float = 0, model: float = 0, cell: float = 0, link: float = 0, skill: float = 0) -> Icc:
    """ρ on the logit scale: what is the task's own, the model's, the cell's; a ``link`` with the task's accuracy, with a
    model's ``skill``."""

    def icc(p: Floats, rng: np.random.Generator) -> Floats:
        own = (logit(p) - logit(p).mean(axis=0)).mean(axis=1)
        m, t = p.shape
        out = logit(0.7) + rng.normal(0, task or 1e-9, t) + rng.normal(0, model or 1e-9, (m, 1))
        out = (
            out + rng.normal(0, cell or 1e-9, (m, t)) + link * (p.mean(axis=0) - 0.74) + skill * own[:, None]
        )
        return np.asarray(expit(out))

    return icc


WORLDS: dict[str, tuple[Icc, tuple[str, ...], float]] = {
    "task-driven": (_drawn(task=0.8), ("task",), 0.8),
    "model-driven": (_drawn(model=0.8), ("model",), 0.8),
    "model, tied to its skill": (_drawn(skill=3.0), ("model",), 0.75),
    "competence-driven": (_drawn(link=3.0), ("task",), 0.75),
    "equal shares": (_drawn(task=0.5, model=0.5), ("cannot tell",), 0.75),
    "interaction only": (_drawn(cell=0.5), ("cannot tell", "neither"), 0.75),
    "constant": (_drawn(), ("neither", "cannot tell"), 0.85),
}
"""ρ of each cell, what may be said of whose it is, and how often it has to be."""
SOURCES = ("task", "model", "neither", "cannot tell")


def said_of(world: str, reps: int, seed: int = 0) -> tuple[dict[str, float], dict[str, float]]:
    """Shares of ``reps`` samples: of each source of robustness, and of each answer to claim 2."""
    rng = np.random.default_rng([11, seed, list(WORLDS).index(world)])
    sources: Counter[str] = Counter()
    second: Counter[str] = Counter()
    for _ in range(reps):
        grid = beta_grid(rng, WORLDS[world][0])
        claim = claims.task_not_model(grid, claims.competence(grid))
        assert claim.whose is not None
        sources[claim.whose.source] += 1
        second[claim.answer] += 1
    return {k: v / reps for k, v in sources.items()}, {k: v / reps for k, v in second.items()}


def whose(reps: int) -> Iterator[Line]:
    """Claim 2: world × answer, printed as a table; and it is not supported where robustness is the model's, or nobody's."""
    print(f"{'whose robustness is':28}" + "".join(f"{x:>13}" for x in SOURCES) + f"{'claim 2 supp.':>15}")
    for world, (_, right, least) in WORLDS.items():
        sources, second = said_of(world, reps)
        shown = "".join(f"{sources.get(x, 0.0):13.3f}" for x in SOURCES)
        print(f"{world:28}{shown}{second.get('supported', 0.0):15.3f}")
        yield Line(
            f"whose, {world}: {' or '.join(right)}", sum(sources.get(x, 0.0) for x in right), least, 1.0
        )
        if world != "competence-driven":
            yield Line(f"claim 2 supported, {world}", second.get("supported", 0.0), 0.0, 0.1)


def _arithmetic(reps: int) -> Iterator[Line]:
    """What makes the paper's figure no evidence: all-correct ~ accuracy where ρ is the same everywhere."""
    rng = np.random.default_rng([7, 99])
    for rho, low, high in ((0.5, 0.85, 0.94), (0.7, 0.92, 0.98), (0.85, 0.96, 0.99)):
        found = []
        for _ in range(max(reps // 20, 20)):
            p = accuracies(rng)
            a, b = p * (1 / rho - 1), (1 - p) * (1 / rho - 1)
            m = rng.binomial(VARIANTS, rng.beta(a[..., None], b[..., None], (*p.shape, CASES))) / VARIANTS
            x, y = m.mean(axis=-1).ravel(), (m == 1).mean(axis=-1).ravel()
            found.append(float(np.corrcoef(x, y)[0, 1]) ** 2)
        yield Line(f"R2 of all-correct on accuracy, constant rho {rho}", float(np.mean(found)), low, high)


def residual(reps: int) -> Iterator[Line]:
    """One cell against the others where no cell differs (4.3)."""
    rng = np.random.default_rng(8)
    levels: list[float | None] = []
    easy: list[float | None] = []
    for _ in range(max(reps // 20, 3)):
        cells = []
        for p in np.tile(TASKS, 2):
            y = World("", beta(float(p), 0.7), variants=VARIANTS).scores(CASES, rng)[0]
            cells.append(moments(cell(y)))
        found = [r.p for r in residuals(cells)]
        easy += [found[0], found[6]]
        levels += [*found[1:6], *found[7:]]
    yield share(
        "E_c differs, constant rho, p < .9",
        [p < ALPHA for p in levels if p is not None],
        high=0.06,
        note="(.046-.059)",
    )
    yield share(
        "E_c differs, constant rho, p .96",
        [p < ALPHA for p in easy if p is not None],
        high=0.10,
        note="(.093)",
    )


def crossed(reps: int) -> Iterator[Line]:
    """Two-way intervals of models × tasks (4.4)."""
    rng = np.random.default_rng(9)
    for a, b, sd_a, sd_b in ((3, 3, 1, 1), (3, 6, 1, 0.3), (9, 6, 1, 2), (10, 20, 1, 1), (9, 6, 0, 1)):
        hits = []
        for _ in range(2 * reps):
            table = rng.normal(0, sd_a, (a, 1)) + rng.normal(0, sd_b, b) + rng.normal(0, 0.5, (a, b))
            limits = two_way(table)
            assert limits.low is not None
            assert limits.high is not None
            hits.append(limits.low <= 0 <= limits.high)
        yield share(
            f"two-way mean, {a} x {b}, sd {sd_a} and {sd_b}", hits, low=0.945, high=1.0, note="(.95-.998)"
        )


SUITES = (
    ("4 nearly solved tasks of 20", 20, (0.97,) * 4), ("8 of 50 at .99", 50, (0.99,) * 8), ("4 of 20, .6 to .99", 20, (0.99, 0.97, 0.9, 0.6)),
    ("the paper's 6 of 100", 100, TASKS),
)  # fmt: skip


def suites(reps: int) -> Iterator[Line]:
    """Means over a suite's tasks: the interval holds the mean accuracy, nearly solved tasks or not."""
    rng = np.random.default_rng(15)
    for name, n, tasks in SUITES:
        hits = []
        for _ in range(max(reps // 3, 20)):
            held = [cell((rng.random((n, 4)) < rng.beta(p, 1 - p, (n, 1))) * 1.0) for p in tasks]
            (found,) = suite_means(
                [replace(c, task=f"t{i}") for i, c in enumerate(held)], ["overall_accuracy"]
            )
            low, high = found.plain.low, found.plain.high
            hits.append(low is not None and high is not None and low <= float(np.mean(tasks)) <= high)
        yield share(f"suite mean covered: {name}", hits, low=0.94)


def advice(reps: int) -> Iterator[Line]:
    """Where to work, K 5, n 100, p .8 (4.8): phi = (1 - rho) p."""
    rng = np.random.default_rng(10)
    expected = {
        0.24: (("competence-limited", 0.96, 1.0),),
        0.40: (("competence-limited", 0.40, 0.58),),
        0.50: (("fragile", 0.0, 0.09), ("competence-limited", 0.0, 0.08)),
        0.56: (("fragile", 0.22, 0.40),),
        0.64: (("fragile", 0.78, 0.94),),
    }
    for phi, lines in expected.items():
        world = World("", beta(0.8, 1 - phi / 0.8))
        kinds = [where_to_work(c).kind for c in world.cells(100, reps // 2, rng)]
        for kind, low, high in lines:
            yield share(f"{kind} at phi {phi}", [k == kind for k in kinds], low=low, high=high)


def paired(reps: int) -> Iterator[Line]:
    """A/A: the same model twice is called regressed in at most 5 %, one test or a suite of eight (4.7)."""
    rng = np.random.default_rng(11)

    def pair(world: World, n: int) -> tuple[Floats, Floats]:
        chance = np.repeat(world.draw(n // world.cluster, rng), world.cluster)[:, None]
        old, new = ((rng.random((n, world.variants)) < chance).astype(float) for _ in range(2))
        return old, new

    for name, world, n, tests in (
        ("K 1", World("", beta(0.8, 0.5), variants=1), 100, 1),
        ("K 5", World("", beta(0.8, 0.5)), 100, 1),
        ("K 24", World("", beta(0.9, 0.7), variants=24), 100, 1),
        ("8 tests, K 5", World("", beta(0.8, 0.5)), 60, 8),
        ("20 clusters", World("", beta(0.8, 0.5), cluster=5), 100, 1),
    ):
        clusters = np.repeat(np.arange(n // world.cluster), world.cluster) if world.cluster > 1 else None
        alarms, inside = [], []
        for _ in range(reps):
            found = [change("score", *pair(world, n), clusters) for _ in range(tests)]
            settled = settle([c for c in found if c is not None])
            alarms.append(any(c.verdict == "regressed" for c in settled))
            inside += [
                c.low - 1e-9 <= 0 <= c.high + 1e-9
                for c in settled
                if c.low is not None and c.high is not None
            ]
        yield share(f"A/A regressed: {name}", alarms, high=ALPHA, note="(.020-.035)")
        yield share(f"A/A interval holds 0: {name}", inside, low=0.93)
    old, _ = pair(World("", beta(0.8, 0.5)), 100)
    (same,) = settle([c for c in (change("score", old, old),) if c is not None])
    yield Line("a deterministic model against itself: regressed", float(same.verdict == "regressed"), 0, 0)
