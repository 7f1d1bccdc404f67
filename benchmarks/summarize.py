"""How long, and in how much memory, records become estimates.

Run ``python benchmarks/summarize.py`` (both sizes), or with a number of records. Prints one line for each size:
seconds for records → cells, for all metrics with intervals overall and for those of each perturbation, and for what
is said of all cells together (robustness against accuracy, advice) and of the spread of each against noise; CPU seconds beside them, for a machine that is
busy with other things; peak memory without and with the records themselves. Exits with 1 beyond the limits.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import time

from robusttest.core.nouns import Record
from robusttest.stats.across.advice import advise
from robusttest.stats.across.emergence import analyse
from robusttest.stats.cell.estimates import estimates
from robusttest.stats.cell.frame import frames
from robusttest.stats.cell.spread import IN_REPORT, spread_test

LIMITS = {100_000: (3.0, 500), 1_000_000: (6.0, 2000)}
CASES, VARIANTS, PERTURBATIONS = 100, 50, 7


def make(count: int) -> list[Record]:
    """Models × tasks × 100 cases × 50 variants (the reference and 7 perturbations × 7), beta-binomial."""
    rng = random.Random(0)
    columns = [("", "")] + [(f"p{p}#{i}", f"p{p}") for p in range(PERTURBATIONS) for i in range(7)]
    assert len(columns) == VARIANTS
    records = []
    for cell in range(count // (CASES * VARIANTS)):
        task, model = f"task{cell % 20}", f"model{cell // 20}"
        for case in range(CASES):
            p, name = rng.betavariate(1.6, 0.4), f"case{case}"
            for variant, perturbation in columns:
                right = rng.random() < p
                records.append(
                    Record(
                        task=task,
                        model=model,
                        case_id=name,
                        variant=variant,
                        perturbation=perturbation,
                        level="input" if variant else "reference",
                        score=float(right),
                        answer="A" if right else "BCD"[rng.randrange(3)],
                    )
                )
    return records


def megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def measure(count: int) -> bool:
    records = make(count)
    before, start, cpu = megabytes(), time.perf_counter(), time.process_time()
    made = frames(records)
    framed = time.perf_counter()
    numbers = sum(len(estimates(cell)) for cell in made)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    together = time.perf_counter()
    analyse(made)
    advise(made)
    for cell in made:
        spread_test(cell, most_scores=IN_REPORT)
    together = time.perf_counter() - together
    peak = megabytes()
    most_seconds, most_memory = LIMITS.get(count, (float("inf"), float("inf")))
    # CPU seconds count where they are fewer: then the machine was busy with other things.
    ok = min(seconds, cpu) <= most_seconds and peak <= most_memory
    print(
        f"{count:>9,} records, {len(made):>3} cells, {numbers:>6,} estimates: {framed - start:.2f} s to cells, "
        f"{seconds:.2f} s in all (limit {most_seconds:g}; CPU {cpu:.2f}), {together:.2f} s over all cells, {seconds / numbers * 1e6:.0f} µs an estimate, "
        f"{peak - before:.0f} MB over the records' {before:.0f} (limit {most_memory:g} in all): "
        f"{'ok' if ok else 'TOO MUCH'}"
    )
    return ok


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("records", nargs="?", type=int, help="one size, in this process")
    given = parser.parse_args().records
    if given is not None:
        return 0 if measure(given) else 1
    # A process for each size: peak memory never falls.
    return max(subprocess.call([sys.executable, __file__, str(size)]) for size in LIMITS)


if __name__ == "__main__":
    sys.exit(main())
