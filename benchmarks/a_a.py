"""A/A: how often a model compared with itself is called regressed.

Run ``python benchmarks/a_a.py`` (about half a minute), or with a number of pairs. Each pair is a suite run twice with
nothing changed: by a deterministic model, and by one that samples (each case has its own chance to be right, each
variant its own within it). One line for each kind of suite: pairs with a false regression (the whole suite's, at α =
.05), and, for scale, pairs in which a model that breaks one case in four at one perturbation is caught. Exits with 1
if the deterministic model ever regresses, or the sampling one beyond α and three standard errors of the simulation.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from robusttest.compare import Comparison, Version, compare
from robusttest.core.nouns import Record, RunInfo

ALPHA = 0.05
INFO = RunInfo(id="a", created="2026-01-01T00:00:00Z", complete=True)
NAMES = ("", *(f"{p}#{i}" for p in ("keyboard", "ocr", "casing") for i in range(3)))


class Suite(NamedTuple):
    name: str
    tests: int
    cases: int
    clusters: int | None = None
    """Clusters of each test; None: each case stands for itself."""
    fractional: bool = False
    """Scores between 0 and 1 on no grid."""


SUITES = (
    Suite("1 test of 100 cases", 1, 100),
    Suite("1 test of 20 cases", 1, 20),
    Suite("8 tests of 60 cases", 8, 60),
    Suite("2 tests of 60 cases in 20 clusters", 2, 60, clusters=20),
    Suite("1 test of 40 cases, scores in [0, 1]", 1, 40, fractional=True),
)


def chances(suite: Suite, seed: int) -> list[list[list[float]]]:
    """The chance to be right: test × case × variant. Hard and easy cases, and variants that differ a little."""
    rng = random.Random(seed)
    out = []
    for _ in range(suite.tests):
        shared = [rng.betavariate(2, 0.5) for _ in range(suite.clusters or suite.cases)]
        cases = [shared[i % len(shared)] for i in range(suite.cases)]
        out.append([[min(1.0, max(0.0, p + rng.uniform(-0.1, 0.1))) for _ in NAMES] for p in cases])
    return out


def run(
    suite: Suite, p: list[list[list[float]]], rng: random.Random, broken: frozenset[int] = frozenset()
) -> Version:
    """One run: each variant is right with its chance, but cases in ``broken`` never at ``keyboard``."""
    return Version.of(INFO, _records(suite, p, rng, broken))


def _records(
    suite: Suite, p: list[list[list[float]]], rng: random.Random, broken: frozenset[int]
) -> Iterator[Record]:
    for t, cases in enumerate(p):
        for i, variants in enumerate(cases):
            for name, chance in zip(NAMES, variants, strict=True):
                right = rng.random() < chance and not (i in broken and name.startswith("keyboard"))
                score = (
                    (0.5 + rng.random() / 2 if right else rng.random() / 2)
                    if suite.fractional
                    else float(right)
                )
                yield Record(
                    task=f"task{t}", model="m", test=f"test{t}", case_id=f"c{i}", variant=name,
                    perturbation=name.partition("#")[0], level="input" if name else "reference", score=score,
                    answer=right, target=True, input_hash=f"{i:08x}{NAMES.index(name):08x}",
                    cluster=None if suite.clusters is None else f"g{i % suite.clusters}",
                )  # fmt: skip


def regressed(found: Comparison) -> bool:
    return found.count("regressed") > 0


class Rates(NamedTuple):
    deterministic: int
    """Pairs of equal runs called regressed."""
    sampling: int
    """Pairs of independent runs of one model called regressed."""
    caught: int
    """Pairs with one case in four broken at one perturbation, called regressed."""
    pairs: int


def simulate(suite: Suite, pairs: int, *, seed: int = 0) -> Rates:
    deterministic = sampling = caught = 0
    for i in range(pairs):
        p = chances(suite, seed + i)
        certain = [[[float(x > 0.5) for x in variants] for variants in cases] for cases in p]
        rng = random.Random(f"{suite.name} {seed} {i}")
        # One stream for the fractional part, so that equal outcomes are equal scores.
        fixed = run(suite, certain, random.Random(i))
        deterministic += regressed(compare(fixed, run(suite, certain, random.Random(i))))
        sampling += regressed(compare(run(suite, p, rng), run(suite, p, rng)))
        broken = frozenset(range(0, suite.cases, 4))
        caught += regressed(compare(fixed, run(suite, certain, random.Random(i), broken)))
    return Rates(deterministic, sampling, caught, pairs)


def allowed(pairs: int) -> float:
    """False regressions that α and three standard errors of the simulation allow."""
    return pairs * ALPHA + 3 * math.sqrt(pairs * ALPHA * (1 - ALPHA))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", nargs="?", type=int, default=200)
    pairs = parser.parse_args().pairs
    ok = True
    for suite in SUITES:
        start = time.perf_counter()
        r = simulate(suite, pairs)
        fine = r.deterministic == 0 and r.sampling <= allowed(pairs)
        ok &= fine
        print(
            f"{suite.name:<38} {pairs} pairs: deterministic {r.deterministic}, sampling {r.sampling} "
            f"({r.sampling / pairs:.3f}, α {ALPHA}), 1 case in 4 broken at one perturbation caught in "
            f"{r.caught / pairs:.0%}, {time.perf_counter() - start:.0f} s: {'ok' if fine else 'TOO MANY'}"
        )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
