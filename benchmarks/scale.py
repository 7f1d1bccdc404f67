"""What engines cost and bring: `python benchmarks/scale.py [CALLS] [VARIANTS]`.

A model that computes for 20 ms of CPU a call on one process and on two; what the driver itself takes for 10,000 variants of a model that
costs nothing, with and without an engine; and that the records are equal wherever they were made.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from robusttest import Task, evaluate
from robusttest.scorers import choice

CPU = 0.02
TIMES = ("created", "latency", "cached")


def label(prompt: str) -> str:
    return "billing" if "refund" in prompt.lower() else "delivery"


def busy(prompt: str) -> str:
    """20 ms of CPU, whoever else wants the machine."""
    began = time.process_time()
    while time.process_time() - began < CPU:
        pass
    return label(prompt)


def task(cases: int) -> Task:
    return Task(
        "tickets",
        cases=[
            {
                "id": f"c{i}",
                "input": f"my {'refund' if i % 2 else 'parcel'} number {i} is late, please look after it",
                "target": "billing" if i % 2 else "delivery",
            }
            for i in range(cases)
        ],
        scorer=choice(["billing", "delivery"]),
    )


def run(model: str, engine: str, variants: int, *perturbations: str):
    """`variants` of them, one case in ten; the seconds and the CPU seconds of this process that it took; and the records."""
    each = 1 + 3 * len(perturbations)
    of = task(max(1, variants // each))
    with tempfile.TemporaryDirectory() as folder:
        began, cpu = time.perf_counter(), time.process_time()
        result = evaluate(
            of, model=f"python:scale:{model}", perturbations=perturbations, variants=3, engine=engine, directory=Path(folder),
        )  # fmt: skip
        took, used = time.perf_counter() - began, time.process_time() - cpu
    return took, used, result.records


def plain(records) -> list[dict]:
    return [{k: getattr(r, k) for k in r.__slots__ if k not in TIMES} for r in records]


def main(calls: int = 400, variants: int = 10_000) -> None:
    kinds = ("casing", "keyboard", "whitespace")
    run("label", "local", 20, *kinds)  # what is imported once
    one, _, first = run("busy", "processes:1", calls, *kinds)
    two, _, second = run("busy", "processes:2", calls, *kinds)
    made = sum(r.status == "ok" for r in first)
    print(
        f"{made} calls of {CPU * 1000:g} ms of CPU: one process {one:.1f} s, two {two:.1f} s: {one / two:.2f} ×"
    )
    found = {}
    for engine in ("local", "processes:2"):
        _, used, records = run("label", engine, variants, *kinds)
        found[engine] = plain(records)
        print(
            f"{engine}: the driver takes {used:.1f} CPU s for {len(records):,} variants, "
            f"{used / len(records) * 10_000:.1f} s for 10,000, summary included"
        )
    equal = found["local"] == found["processes:2"] and plain(first) == plain(second)
    print(f"records equal: {equal}")
    if not equal:
        raise SystemExit(1)


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    main(*map(int, sys.argv[1:]))
