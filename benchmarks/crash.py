"""`kill -9` at random moments of a run through LiteLLM, resumed each time, against a loopback server that counts::

    python benchmarks/crash.py                    # 50 moments, 5,000 calls
    python benchmarks/crash.py --moments 10 --seed 3

The floor is one request a question. What is paid beside it was under way, or not yet on the disk (50 ms), at a kill.
Ends with 1 if a stored reply was asked for again, or one was torn or missing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "gateway"))

from crashing import killed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = killed(Path(folder), args.moments, calls=args.calls, seed=args.seed)
    extra = seen.requests - seen.calls
    print(f"killed under way             {seen.moments} of {args.moments} moments")
    print(f"stored at the last kill      {seen.stored_at_kills[-1]:,} of {seen.calls:,} replies")
    print(f"requests                     {seen.requests:,}: {seen.requests / seen.calls:.2f} × the floor")
    print(f"lost at each kill            {extra / max(1, seen.moments):.1f} replies")
    print(f"stored and asked for again   {len(seen.asked_again)}")
    print(f"torn                         {len(seen.torn)}")
    print(f"missing at the end           {len(seen.missing)}")
    return bool(seen.asked_again or seen.torn or seen.missing)


if __name__ == "__main__":
    sys.exit(main())
