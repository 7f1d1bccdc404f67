"""What engines cost and bring: `python benchmarks/scale.py`.

A model that computes for 20 ms of CPU a call on one process and on two; what the driver itself takes for 10,000 variants of a model that
costs nothing, with and without an engine; and that the records are equal wherever they were made.
"""

from __future__ import annotations

import os
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


KINDS = ("casing", "keyboard", "whitespace")
WARM, BUSY, QUICK = task(2), task(40), task(1000)
"""20, 400 and 10,000 variants. Workers find a task by its name."""


def run(model: str, engine: str, of: Task):
    """The seconds and the CPU seconds of this process that a run took, and its records."""
    with tempfile.TemporaryDirectory() as folder:
        began, cpu = time.perf_counter(), time.process_time()
        result = evaluate(
            of, model=f"python:scale:{model}", perturbations=KINDS, variants=3, engine=engine, directory=Path(folder),
        )  # fmt: skip
        took, used = time.perf_counter() - began, time.process_time() - cpu
    return took, used, result.records


def plain(records) -> list[dict]:
    return [{k: getattr(r, k) for k in r.__slots__ if k not in TIMES} for r in records]


def main() -> None:
    import scale  # as the workers have it

    run("label", "local", scale.WARM)  # what is imported once
    one, _, first = run("busy", "processes:1", scale.BUSY)
    two, _, second = run("busy", "processes:2", scale.BUSY)
    made = sum(r.status == "ok" for r in first)
    print(
        f"{made} calls of {CPU * 1000:g} ms of CPU: one process {one:.1f} s, two {two:.1f} s: {one / two:.2f} ×"
    )
    found = {}
    for engine in ("local", "processes:2"):
        _, used, records = run("label", engine, scale.QUICK)
        found[engine] = plain(records)
        print(
            f"{engine}: {used:.2f} CPU s of the driver for {len(records):,} variants, their summary included"
        )
    equal = found["local"] == found["processes:2"] and plain(first) == plain(second)
    print(f"records equal: {equal}")
    if not equal:
        raise SystemExit(1)


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    main()
