"""How long two stored runs take to be compared.

Run ``python benchmarks/compare.py``, or with a number of variants. Two run files of that many records are written;
then, in a process of its own, they are read, paired, judged and told. The floor is ``json.loads`` of each line of both
files and nothing else. Prints CPU seconds (other processes change them least), the ratio to the floor, and the same for records that are in memory already.
Exits with 1 beyond the limit.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from robusttest.compare import Version, compare
from robusttest.core.nouns import Record, RunInfo
from robusttest.report.told import told
from robusttest.store import RunWriter, read_run
from robusttest.store.versions import load_version

LIMITS = {100_000: 3.0}
"""Variants of each run → CPU seconds for all of it."""
PERTURBATIONS = ("keyboard:0.1", "ocr:0.2", "casing", "format", "synonym")
INFO = RunInfo(id="a0", created="2026-01-01T00:00:00Z", complete=True)


def records(count: int, seed: int) -> list[Record]:
    """A reference and 5 perturbations × 5 of each case, in tests of 500 cases; the runs differ at random."""
    base, rng = random.Random(0), random.Random(seed)
    names = ["", *(f"{p}#{i}" for p in PERTURBATIONS for i in range(5))]
    out: list[Record] = []
    case = 0
    while len(out) < count:
        hard = base.random()
        test = case // 500
        for name in names[: count - len(out)]:
            right = rng.random() < 0.98 if hard < 0.8 else rng.random() < 0.4
            out.append(
                Record(
                    task=f"task{test}", model="openai/gpt-4o-mini", test=f"tests/test_suite.py::test_{test}",
                    case_id=f"c{case}", variant=name, perturbation=name.partition("#")[0],
                    level="input" if name else "reference", score=float(right),
                    answer="billing" if right else "delivery", target="billing",
                    text=f"I was charged twice for order {case}, please refund one of them {name}",
                    input_hash=f"{case:08x}{names.index(name):08x}", reply="billing" if right else "delivery",
                    request_key=f"{case:056x}{names.index(name):08x}", created="2026-01-01T00:00:00Z", cost=1e-5,
                    latency=0.5, input_tokens=40, output_tokens=2,
                )
            )  # fmt: skip
        case += 1
    return out


def measure(folder: Path, count: int) -> bool:
    """In a process of its own, so that what reading leaves behind slows nothing else."""
    paths = [folder / "old.jsonl", folder / "new.jsonl"]
    start = time.process_time()
    for path in paths:
        with open(path, "rb") as f:
            for line in f:
                json.loads(line)
    floor = time.process_time() - start

    start = time.process_time()
    old, new = (load_version(str(path)) for path in paths)
    found = compare(old, new)
    lines = told(found)
    seconds = time.process_time() - start

    held = [read_run(path).records for path in paths]
    start = time.process_time()
    compare(*(Version.of(INFO, rows) for rows in held))
    memory = time.process_time() - start

    pairs = sum(c.pairs for c in found.cells)
    assert pairs == count
    assert lines
    limit = LIMITS.get(count, float("inf"))
    ok = seconds <= limit
    print(
        f"{count:,} variants against {count:,} in {len(found.cells)} tests: {seconds:.2f} CPU s from files to words "
        f"(limit {limit:g}), {seconds / floor:.1f} times json.loads of both files ({floor:.2f} s); "
        f"{memory:.2f} s from records in memory: {'ok' if ok else 'TOO SLOW'}"
    )
    return ok


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("variants", nargs="?", type=int, default=100_000)
    parser.add_argument("--in", dest="folder", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.folder is not None:
        return 0 if measure(Path(a.folder), a.variants) else 1
    with tempfile.TemporaryDirectory() as folder:
        for seed, name in ((1, "old"), (2, "new")):
            with RunWriter(Path(folder) / f"{name}.jsonl", INFO) as writer:
                writer.write(*records(a.variants, seed))
                writer.close(replace(INFO, complete=True))
        return subprocess.call([sys.executable, __file__, str(a.variants), "--in", folder])


if __name__ == "__main__":
    sys.exit(main())
