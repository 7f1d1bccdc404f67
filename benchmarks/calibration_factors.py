"""Which knob matters, and to whom the flips belong, in worlds where both are known. Sections of ``benchmarks/calibration.py``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
from calibration_lines import Floats, Line, share
from scipy.special import expit

from robusttest.stats.across.blame import Blame, blame
from robusttest.stats.across.factors import Design, designs
from robusttest.stats.cell.frame import Column, Frame

LEVELS = {
    "wording": ("none", "a", "b"), "shots": ("none", "two"), "noise": ("none", "keyboard"), "heat": ("none", "hot"),
}  # fmt: skip
"""The paper's design: 3 × 2 × 2 × 2 configurations."""
SETTINGS = list(product(*LEVELS.values()))


def frame_of(scores: Floats, columns: list[Column], answers: np.ndarray, cluster: int = 1) -> Frame:
    n, k = scores.shape
    none = np.zeros((n, k), dtype=bool)
    return Frame(
        task="t", model="m", test=None, case_ids=tuple(map(str, range(n))),
        clusters=tuple(str(i // cluster) if cluster > 1 else None for i in range(n)), columns=tuple(columns),
        scores=scores, answers=answers.astype(np.int64), replies=None, planned=~none, unparsed=none, refused=none,
        errors=none, sensitive=none, cut=none, known=tuple(dict.fromkeys(c.perturbation for c in columns if c.perturbation)),
    )  # fmt: skip


def crossed_cell(
    rng: np.random.Generator, n: int, effects: dict[str, float], *, cluster: int = 1, own: float = 0.0
) -> Frame:
    """A logit for each case (sd 1.5, shared within a cluster), less ``effects`` of the factors' second levels; ``own`` is the
    sd of what a factor does to one case (cluster) alone, 0 on average.
    """
    ability = np.repeat(rng.normal(1.0, 1.5, n // cluster), cluster)[:, None]
    logit = np.broadcast_to(ability, (n, len(SETTINGS))).copy()
    for f, (name, levels) in enumerate(LEVELS.items()):
        at = np.array([setting[f] == levels[1] for setting in SETTINGS])
        logit -= effects.get(name, 0.0) * at
        logit += np.repeat(rng.normal(0, own or 1e-12, n // cluster), cluster)[:, None] * at
    right = (rng.random(logit.shape) < expit(logit)).astype(float)
    columns = [Column("", "", "", "reference", factors=tuple(zip(LEVELS, SETTINGS[0], strict=True)))]
    columns += [
        Column(f"v{v}", f"v{v}", f"v{v}", "prompt", index=0, factors=tuple(zip(LEVELS, setting, strict=True)))
        for v, setting in enumerate(SETTINGS[1:], 1)
    ]
    return frame_of(right, columns, np.where(right > 0, 0, 1), cluster)


def found(
    rng: np.random.Generator, runs: int, n: int, effects: dict[str, float], **more: float
) -> list[Design]:
    made = (designs(crossed_cell(rng, n, effects, **more)) for _ in range(runs))  # type: ignore[arg-type]
    return [d[0] for d in made]


def factors(reps: int) -> Iterator[Line]:
    """No knob is said to matter where none does (Holm: 5 % of designs); the one that does is found, and stands first."""
    rng = np.random.default_rng(13)
    runs = max(reps // 3, 30)
    for what, n, more in (
        ("60 cases", 60, {}), ("100 cases, each with its own likings", 100, {"own": 0.8}),
        ("100 cases in 25 clusters", 100, {"own": 0.8, "cluster": 4}),
    ):  # fmt: skip
        none = found(rng, max(runs, reps), n, {}, **more)
        yield share(
            f"some factor matters where none does: {what}",
            [any(f.matters for f in d.factors) for d in none],
            high=0.05,
        )
        yield share(
            f"levels do more together where they do not: {what}",
            [d.together is not None and d.together.p is not None and d.together.p <= 0.05 for d in none], high=0.07,
        )  # fmt: skip
    one = found(rng, runs, 100, {"noise": 0.5})
    names = [d.factors[0].name for d in one]
    yield share(
        "a knob of 0.5 on the logit is found, 100 cases",
        [next(f for f in d.factors if f.name == "noise").matters for d in one],
        low=0.9,
    )
    yield share("it stands first", [name == "noise" for name in names], low=0.93)
    yield share(
        "another one is said to matter",
        [any(f.matters for f in d.factors if f.name != "noise") for d in one],
        high=0.05,
    )
    truth = designs(crossed_cell(rng, 40_000, {"noise": 0.5}))[0]
    wanted = {level.name: level.accuracy for f in truth.factors if f.name == "noise" for level in f.levels}
    inside = [
        level.low <= wanted[level.name] <= level.high
        for d in one for f in d.factors if f.name == "noise" for level in f.levels
        if level.low is not None and level.high is not None
    ]  # fmt: skip
    yield share("accuracy of a level covered", inside, low=0.93)
    eta2 = next(f.eta2 for f in truth.factors if f.name == "noise") or 0.0
    seen = np.array([next(f.eta2 for f in d.factors if f.name == "noise") or 0.0 for d in one])
    yield Line(
        "partial eta2 of that knob, mean over samples",
        float(seen.mean()),
        eta2 - 0.002,
        eta2 + 0.004,
        float(seen.std() / len(seen) ** 0.5),
    )


KINDS = {"noise": 0.10, "unreadable": 0.05, "scorer": 0.06, "wording": 0.08}
"""Chances of a perturbed answer to differ for each reason, the first that applies."""


def blamed(rng: np.random.Generator, n: int, k: int = 6, runs: int = 4) -> Blame:
    """A deterministic answer (0) that differs: by run noise in reruns and variants alike, unreadable, by the scorer's
    reading of a variant (a second scorer reads 0), by the wording.
    """
    chance = {name: rng.beta(2, 2 / p - 2, (n, 1)) for name, p in KINDS.items()}
    shape = (n, 1 + k + runs)
    hit = {name: rng.random(shape) < chance[name] for name in KINDS}
    for x in hit.values():
        x[:, 0] = False
    for name in ("unreadable", "scorer", "wording"):
        hit[name][:, 1 + k :] = False
    answers, checks = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    unique = np.arange(1, answers.size + 1).reshape(shape)
    answers[hit["wording"]] = checks[hit["wording"]] = unique[hit["wording"]]
    answers[hit["scorer"]], checks[hit["scorer"]] = unique[hit["scorer"]], 0
    answers[hit["unreadable"]] = checks[hit["unreadable"]] = unique[hit["unreadable"]]
    answers[hit["noise"]] = checks[hit["noise"]] = unique[hit["noise"]]
    columns = [
        Column("", "", "", "reference"),
        *(Column(f"p#{v}", "p", "p", "input", index=v) for v in range(k)),
    ]
    columns += [Column(f"repeat#{r}", "repeat", "repeat", "repeat", index=r) for r in range(runs)]
    made = frame_of((answers == 0).astype(float), columns, answers)
    split = blame(replace(made, checks=checks, unparsed=hit["unreadable"] & ~hit["noise"]))
    assert split is not None
    return split


def blame_split(reps: int) -> Iterator[Line]:
    """The parts of a flip rate and their intervals, where each reason is known."""
    rng = np.random.default_rng(14)
    truth = {p.kind: p.value for p in blamed(rng, 60_000).parts}
    runs = max(reps // 2, 40)
    splits = [blamed(rng, 100) for _ in range(runs)]
    for kind, value in truth.items():
        parts = [next(p for p in s.parts if p.kind == kind) for s in splits]
        seen = np.array([p.value for p in parts])
        yield Line(
            f"blame: {kind}, mean over samples",
            float(seen.mean()),
            value - 0.004,
            value + 0.004,
            float(seen.std() / len(seen) ** 0.5),
        )
        inside = [p.low <= value <= p.high for p in parts if p.low is not None and p.high is not None]
        yield share(f"blame: {kind} covered", inside, low=0.92)
    yield Line(
        "blame: parts and whole differ by",
        max(abs(s.flips - sum(p.value for p in s.parts)) for s in splits),
        high=1e-9,
    )
