"""What it costs to grow: `python benchmarks/scale.py [engines] [rows] [tests]`; without a word all three.

``engines``: a model that computes for 20 ms of CPU a call on one process and on two; what the driver itself takes for 10,000 variants of a model that
costs nothing, with and without an engine; and that the records are equal wherever they were made.

``rows``: 1,000 cells of 1,000 cases in 100 ways, records in parts of Parquet, to every metric of variants that keep the right answer with its
interval, through the sums by case, on two processes; ``rows 100`` takes 100 cells. ``tests``: 1,000 tests of 50 calls of a model of the repo.
Both exit with 1 beyond their limits.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from robusttest import Task, evaluate
from robusttest.core.locations import location
from robusttest.core.nouns import CellKey, Estimate
from robusttest.metrics import METRICS
from robusttest.scorers import choice
from robusttest.stats.cell.case_table import NOT_FROM_SUMS, case_table, estimate
from robusttest.store.parquet import Parts, schema_of_records
from robusttest.store.writer import PartRef

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


# --- rows

CASES, WAYS, CELLS = 1000, 100, 1000
MADE = 100
"""Cells that are drawn; further ones are copies of their files, each read anew."""
ROWS_SECONDS, ROWS_BYTES, TESTS_SECONDS = 60, 2**30, 45


def make_part(folder: str, cell: int) -> PartRef:
    """A cell's records as a run writes them: a tenth of the variants' answers differ, none is missing, no reply is kept."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(cell)
    right = rng.random((CASES, WAYS)) < rng.beta(3, 1, CASES)[:, None]
    answers = np.where(right, 0, rng.integers(1, 4, right.shape)).astype(np.int32).ravel()
    ways = np.arange(WAYS)
    names = ["", *(f"p{(v - 1) // 11}#{v}" for v in ways[1:])]
    families = list(dict.fromkeys(name.partition("#")[0] for name in names))
    each, all_ways = np.repeat(np.arange(CASES), WAYS), np.tile(ways, CASES)
    there = {
        "case_id": (each, [f"case{i}" for i in range(CASES)]),
        "variant": (all_ways, names),
        "perturbation": (np.where(all_ways, (all_ways - 1) // 11 + 1, 0), families),
        "level": (np.minimum(all_ways, 1), ["reference", "input"]),
        "answer": (answers, ['"A"', '"B"', '"C"', '"D"']),
        **{name: (each * 0, [value]) for name, value in SAME.items()},
    }
    made = {
        name: pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), values)
        for name, (codes, values) in there.items()
    }
    made |= {
        "index": all_ways,
        "repeat": each * 0,
        "score": right.ravel().astype(float),
        "cut": each < 0,
        "cached": each < 0,
    }
    schema = schema_of_records()
    columns = [made[f.name] if f.name in made else pa.nulls(len(each), f.type) for f in schema]
    table = pa.table(columns, names=schema.names).cast(schema)
    return Parts(location(folder)).put_records(f"cell{cell}", [table], len(each))


SAME = {"task": "t", "model": "m", "status": "ok", "effect": "same", "preserves": "preserves"}


def summarised(folder: str, cell: int) -> list[Estimate]:
    """A cell's records → sums by case → estimates."""
    part = PartRef(f"cell{cell}", CASES * WAYS)
    table = case_table(Parts(location(folder)).frame(CellKey(None, "t", "m"), part))
    return [
        estimate(table, name)
        for name, m in METRICS.items()
        if m.over == "same" and m.own is None and name not in NOT_FROM_SUMS
    ]


def measured(folder: str, cells: range) -> tuple[int, int, int, float, int]:
    """(estimates, with a value, with an interval, CPU seconds, most memory in bytes) of a process that does these cells."""
    began, found = time.process_time(), [0, 0, 0]
    for cell in cells:
        for e in summarised(folder, cell):
            found[0] += 1
            found[1] += e.value is not None
            found[2] += e.low is not None
    return *found, time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # type: ignore[return-value]


def rows(cells: int = CELLS) -> bool:
    """Whether the limits hold."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # two processes on two cores
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
    ):
        list(pool.map(make_part, [folder] * min(cells, MADE), range(min(cells, MADE)), chunksize=10))
        for cell in range(MADE, cells):
            shutil.copy(*(Path(folder) / f"cell{i}.records.parquet" for i in (cell % MADE, cell)))
        size = sum(f.stat().st_size for f in Path(folder).iterdir())
        pool.shutdown()
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as fresh:
            began = time.perf_counter()
            halves = list(fresh.map(measured, [folder] * 2, [range(0, cells, 2), range(1, cells, 2)]))
            took = time.perf_counter() - began
    made, values, limits, cpu, memory = (sum(x) for x in zip(*halves, strict=True))
    print(
        f"{cells * CASES * WAYS:,} rows in {cells:,} cells ({size / 1e6:,.0f} MB of Parquet): {made:,} estimates, {values:,} with a value and "
        f"{limits:,} with an interval, in {took:.1f} s on two processes, {cpu:.1f} CPU s, {memory / 2**20:,.0f} MiB of both together"
    )
    return cpu / 2 <= ROWS_SECONDS * cells / CELLS and memory <= ROWS_BYTES


# --- tests


def suite(count: int = 1000) -> bool:
    """Whether the limit holds."""
    import suites

    calls = 50
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name, text in (
            ("pytest.ini", "[pytest]\n"),
            ("test_it.py", suites.SUITE),
            ("models.py", suites.MODELS),
        ):
            (folder / name).write_text(text, encoding="utf-8")
        asked = {"TESTS": str(count), "CALLS": str(count * calls)}
        seconds, cpu = suites.run(folder, "--robust-model=python:models:echo", **asked)
    print(f"{count:,} tests of {calls} calls of a model of the repo: {seconds:.1f} s, {cpu:.1f} CPU s")
    return cpu <= TESTS_SECONDS * count / 1000


# --- engines


def engines() -> bool:
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
    return equal


def main(*words: str) -> None:
    number = [int(w) for w in words if w.isdigit()]
    asked = [w for w in words if not w.isdigit()] or ["engines", "rows", "tests"]
    held = [
        {"engines": engines, "rows": rows, "tests": suite}[word](*(number if word != "engines" else ()))
        for word in asked
    ]
    if not all(held):
        raise SystemExit(1)


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    main(*sys.argv[1:])
