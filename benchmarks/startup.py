"""What an installed and unused plugin costs: ``pytest --collect-only`` in an empty folder, with and without it.

::

    python benchmarks/startup.py [PAIRS]

Prints ratios of CPU time (user and system, of the child process). The floor is the same command with
``-p no:robusttest``; the second line leaves every other installed plugin out of both, so that nothing dilutes the ratio.
Pairs alternate, and the medians are compared, so that a busy machine weighs on both alike.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile

GOAL = 1.05


def cpu(folder: str, environment: dict[str, str], *args: str) -> float:
    """CPU seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *args]
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def compare(name: str, pairs: int, extra: dict[str, str], ours: list[str], floor: list[str]) -> float:
    # An installed package has its bytecode; a checkout under PYTHONDONTWRITEBYTECODE would compile it each time.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | extra
    with tempfile.TemporaryDirectory() as folder:
        cpu(folder, environment, *ours)
        runs = [(cpu(folder, environment, *ours), cpu(folder, environment, *floor)) for _ in range(pairs)]
    a, b = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"{name:<28} {a * 1000:6.1f} ms with, {b * 1000:6.1f} ms without: ratio {a / b:.3f}")
    return a / b


def main(pairs: int) -> int:
    ratio = compare("beside the other plugins", pairs, {}, [], ["-p", "no:robusttest"])
    compare("alone", pairs, {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, ["-p", "robusttest.plugin"], [])
    print(f"goal {GOAL}: {'met' if ratio <= GOAL else 'missed'}")
    return 0 if ratio <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 9))
