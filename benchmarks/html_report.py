"""How long the HTML report takes, how large it is, and what of it is more than writing JSON of the same records.

Run ``python benchmarks/html_report.py`` (10,000 and 100,000 variants), or with a number of variants. Prints one line for each
size: seconds for results → `Report` and for `Report` → HTML, both as a multiple of the floor (``json.dumps`` of all
records, in the same run), the file's size and the peak memory, records included. Exits with 1 beyond the limits.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import time

from robusttest.core import codec
from robusttest.core.nouns import CellKey, Record, RunInfo
from robusttest.engine.cell import Cell
from robusttest.metrics import parse_threshold
from robusttest.report import html
from robusttest.report.build import build

SECONDS, MEGABYTES = 10.0, 1000
LARGEST = {10_000: 3_000_000}
"""Bytes."""
CASES, PER, PERTURBATIONS = (
    100,
    5,
    ("keyboard:0.1", "keyboard:0.2", "ocr:0.1", "casing", "format", "synonym", "repeat"),
)
WORDS = [
    "please",
    "refund",
    "the",
    "order",
    "I",
    "was",
    "charged",
    "twice",
    "for",
    "and",
    "tell",
    "me",
    "when",
    "the",
    "parcel",
    "arrives",
    "at",
    "my",
    "new",
    "address",
]


def make(count: int) -> list[Cell]:
    """Tasks × models × 100 cases × (the reference and 7 × 5 variants): texts of 20 to 60 words, one word changed."""
    rng = random.Random(0)
    each = CASES * (1 + PER * len(PERTURBATIONS))
    out = []
    for cell in range(max(1, -(-count // each))):
        task, model = f"task{cell % 20}", f"model{cell // 20}"
        test = f"tests/test_suite.py::test_{task}"
        rows = [r for i in range(CASES) for r in one_case(rng, f"case{i}", task=task, model=model, test=test)]
        thresholds = (parse_threshold("accuracy >= 0.8"), parse_threshold("robust_accuracy >= 0.4"))
        out.append(Cell(CellKey(test, task, model), rows, thresholds=thresholds))
    return out


def one_case(rng: random.Random, case: str, **common: str) -> list[Record]:
    p, words = rng.betavariate(1.6, 0.4), [rng.choice(WORDS) for _ in range(rng.randint(20, 60))]
    original, target = " ".join(words), rng.choice("ABCD")
    variants = [("", "", original, None)]
    for spec in PERTURBATIONS:
        for v in range(PER):
            at = rng.randrange(len(words))
            start = sum(map(len, words[:at])) + at
            end, new = start + len(words[at]), words[at][::-1]
            text = original if spec == "repeat" else original[:start] + new + original[end:]
            variants.append((f"{spec}#{v}", spec, text, None if spec == "repeat" else [[start, end, new]]))
    out = []
    for variant, spec, text, edits in variants:
        said = target if rng.random() < p else rng.choice("ABCD")
        out.append(
            Record(
                **common,
                case_id=case,
                variant=variant,
                perturbation=spec,
                level={"": "reference", "repeat": "repeat"}.get(spec, "input"),
                severity=float(spec.partition(":")[2] or 0) or None,
                text=text,
                edits={"input": edits} if edits else None,
                input_hash=text,
                answer=said,
                target=target,
                reply=f"The answer is {said}.",
                score=float(said == target),
            )
        )
    return out


def measure(count: int) -> bool:
    results = make(count)
    n = sum(len(r.records) for r in results)
    info = RunInfo(id="bench", created="2026-01-01T00:00:00Z", complete=True, calls=n)
    start = time.perf_counter()
    for result in results:
        codec.dumps(result.records)
    floor = time.perf_counter() - start
    start = time.perf_counter()
    report = build(info, results)
    built = time.perf_counter() - start
    page = html.render(report)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1 << 20 if sys.platform == "darwin" else 1 << 10
    )
    size = len(page.encode())
    ok = seconds <= SECONDS and peak <= MEGABYTES and size <= LARGEST.get(count, 1 << 40)
    print(
        f"{n:>8,} variants, {len(results):>3} cells: report {built:.2f} s ({built / floor:.1f} × the floor), "
        f"HTML {seconds - built:.2f} s ({(seconds - built) / floor:.1f} ×), {seconds:.2f} s in all (limit {SECONDS:g}); "
        f"{size / 1e6:.2f} MB; peak {peak:.0f} MB (limit {MEGABYTES}); floor {floor:.2f} s: {'ok' if ok else 'TOO MUCH'}"
    )
    return ok


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="?", type=int)
    wanted = parser.parse_args().variants
    if wanted is not None:
        return 0 if measure(wanted) else 1
    codes = [subprocess.run([sys.executable, __file__, str(n)]).returncode for n in (10_000, 100_000)]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
