"""Do two versions of this project print the same numbers? Every figure of the examples' and of recorded tables' JSON reports.

Run ``python benchmarks/figures.py OLD [NEW] [--table FILE …]``: two commits (NEW: HEAD). Each is checked out into a folder
of its own, runs the examples there and analyses the tables, and the two JSON reports of each are compared leaf by leaf. Prints how
many figures are equal, which differ (as path, old, new), and which only one has; exits with 1 if any figure differs.

Times, ids, versions of libraries and texts are no figures. A figure that differs because variants did (their texts are compared
first) is told apart from one whose input was the same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
EXAMPLES = ("support_desk", "emergence")
NOT_FIGURES = frozenset(
    [
        "seconds",
        "elapsed",
        "duration",
        "latency",
        "created",
        "cost",
        "calls",
        "n_calls",
        "cached",
        "started",
        "ended",
        "schema",
        "tokens",
        "prompt_tokens",
        "completion_tokens",
    ]
)
SHOWN = 40


class Run(NamedTuple):
    figures: dict[str, float | None]
    texts: frozenset[str]
    """What was asked, over all records."""


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, float | None]]:
    """Every number of a report by its path; members of lists that have a name are found by it."""
    if isinstance(value, bool | str):
        return
    if value is None or isinstance(value, int | float):
        yield path, value
    elif isinstance(value, dict):
        for key in sorted(value):
            if key not in NOT_FIGURES:
                yield from leaves(value[key], f"{path}/{key}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, f"{path}/{_name(item) or i}")


def _name(item: Any) -> str | None:
    """What a member of a list is called, so that one more before it moves no other."""
    if not isinstance(item, dict):
        return None
    parts = [
        str(item[k]) for k in ("test", "task", "model", "metric", "perturbation", "name", "id") if item.get(k)
    ]
    return "+".join(parts) or None


def checked_out(commit: str, into: Path) -> Path:
    subprocess.run(["git", "worktree", "add", "-q", "--detach", str(into), commit], cwd=ROOT, check=True)
    return into


def run(tree: Path, tables: list[Path], scratch: Path) -> dict[str, Run]:
    """The reports of one version, by what made them."""
    env = {**os.environ, "PYTHONPATH": str(tree), "NO_COLOR": "1"}
    made: dict[str, Run] = {}
    for name in EXAMPLES:
        out, records = scratch / f"{name}.json", tree / "examples" / name / ".robusttest"
        command = [sys.executable, "-m", "pytest", "-q", f"--robust-report=json:{out}"]
        done = subprocess.run(command, cwd=tree / "examples" / name, env=env, capture_output=True, text=True)
        made[name] = read(out, records, done.stdout + done.stderr)
    for table in tables:
        out = scratch / f"{table.name}.json"
        command = [sys.executable, "-m", "robusttest.cli", "analyze", str(table), f"--report=json:{out}"]
        done = subprocess.run(command, cwd=scratch, env=env, capture_output=True, text=True)
        made[table.name] = read(out, None, done.stdout + done.stderr)
    return made


def read(out: Path, records: Path | None, said: str) -> Run:
    if not out.exists():
        print(said[-1500:], file=sys.stderr)
        raise SystemExit(f"no report at {out.name}: see above")
    texts = set()
    for path in () if records is None else sorted(records.glob("runs/*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "variant" in row:
                texts.add(json.dumps([row.get("case_id"), row.get("variant"), row.get("text")]))
    return Run(dict(leaves(json.loads(out.read_text(encoding="utf-8")))), frozenset(texts))


def compare(old: Run, new: Run) -> tuple[int, list[str], list[str]]:
    """``(equal, differing, of one alone)``."""
    both = old.figures.keys() & new.figures.keys()
    differ = [p for p in sorted(both) if not _equal(old.figures[p], new.figures[p])]
    alone = sorted(old.figures.keys() ^ new.figures.keys())
    return len(both) - len(differ), differ, alone


def _equal(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("old")
    parser.add_argument("new", nargs="?", default="HEAD")
    parser.add_argument("--table", type=Path, action="append", default=[])
    given = parser.parse_args()
    tables = [t.resolve() for t in given.table]
    changed = False
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        trees = [checked_out(c, scratch / n) for c, n in ((given.old, "old"), (given.new, "new"))]
        try:
            runs = []
            for i, tree in enumerate(trees):
                (own := scratch / f"out{i}").mkdir()
                runs.append(run(tree, tables, own))
        finally:
            for tree in trees:
                subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)
        for name in runs[0]:
            old, new = runs[0][name], runs[1][name]
            equal, differ, alone = compare(old, new)
            moved = len(old.texts ^ new.texts)
            asked = "the same questions" if not moved else f"{moved:,} questions of one alone"
            print(
                f"{name}: {equal:,} figures equal, {len(differ):,} differ, {len(alone):,} of one alone; {asked}"
            )
            for path in differ[:SHOWN]:
                print(f"  {path}: {old.figures[path]} -> {new.figures[path]}")
            if len(differ) > SHOWN:
                print(f"  … and {len(differ) - SHOWN:,} more")
            changed = changed or bool(differ)
    return int(changed)


if __name__ == "__main__":
    sys.exit(main())
