"""What a process holds while it makes calls: ``python tests/gateway/flat.py URL DIRECTORY CALLS`` prints JSON samples.

Open files, threads and memory after every twentieth of the calls, and once more when the gateway is closed.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path


def sample(done: int) -> dict[str, int]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "done": done,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "memory": pages * os.sysconf("SC_PAGE_SIZE"),
    }


def main() -> None:
    from robusttest.gateway import Gateway
    from robusttest.settings import Settings

    url, directory, calls = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    params = {"api_base": url, "api_key": "none-needed"}
    before = sample(0)
    step = calls // 20
    with Gateway(Settings(directory=directory, concurrency=64)) as gateway:
        for start in range(0, calls, step):
            futures = [
                gateway.submit(
                    gateway.request("openai/m", [{"role": "user", "content": f"question {i}"}], params)
                )
                for i in range(start, start + step)
            ]
            for future in futures:
                future.result()
            print(json.dumps(sample(start + step)), flush=True)
    print(json.dumps({"before": before, "after": sample(calls)}))


if __name__ == "__main__":
    main()
