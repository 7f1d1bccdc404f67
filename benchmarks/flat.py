"""Open files, threads and memory over many calls, beside what they are after the first twentieth (the floor)::

python benchmarks/flat.py                   # 20,000 calls through LiteLLM against a loopback server
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "gateway"))

from loopback import LoopbackServer

SCRIPT = Path(__file__).parent.parent / "tests" / "gateway" / "flat.py"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=20_000)
    args = parser.parse_args()
    with LoopbackServer(log=False) as server, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(SCRIPT), server.url, folder, str(args.calls)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    *samples, ends = map(json.loads, done.stdout.splitlines())
    floor = samples[0]
    print("calls    files  threads  memory")
    for s in samples[:: max(1, len(samples) // 5)] + samples[-1:]:
        print(f"{s['done']:>6,}  {s['files']:>6}  {s['threads']:>7}  {s['memory'] / 1e6:.0f} MB", end="  ")
        print("  ".join(f"{name} × {s[name] / floor[name]:.2f}" for name in ("files", "threads", "memory")))
    print(f"closed: {ends['after']['files']} files, {ends['after']['threads']} threads;", end=" ")
    print(f"before: {ends['before']['files']} files, {ends['before']['threads']} threads")
    print(f"printed at the interpreter's exit: {done.stderr!r}")


if __name__ == "__main__":
    main()
