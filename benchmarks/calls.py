"""How fast calls go, beside the floors: bare aiohttp and bare ``litellm.acompletion``.

Each way runs as a whole process (interpreter start and imports included) against a loopback server that is a
process of its own and answers after 50 ms::

    python benchmarks/calls.py                          # 2,000 calls, 64 in flight
    python benchmarks/calls.py --calls 10000 --in-flight 256
    python benchmarks/calls.py --python .venv/bin/python ../newest/bin/python
    python benchmarks/calls.py --ways gateway replay --fault-share 0.2

``gateway-first`` is this project's way of calling where the model was never called before with these versions (LiteLLM
is imported, and tried out), ``gateway`` every later run, ``gateway-litellm`` the same with ``transport=litellm``, ``replay``
the calls of a ``gateway`` run read back from the store. Ratios are to the two floors of the same run. ``--python``
names interpreters with different versions of LiteLLM, which are measured one after another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOOPBACK = Path(__file__).parent.parent / "tests" / "gateway" / "loopback.py"
MODEL = "openai/served-locally"
WAYS = ("aiohttp", "litellm", "gateway-first", "gateway", "replay", "gateway-litellm")


def messages(i: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Question {i}: which label fits this text?"}]


async def pooled(call, n: int, in_flight: int) -> None:
    """``call(i)`` for each i below n, at most ``in_flight`` at a time."""
    numbers = iter(range(n))

    async def worker() -> None:
        for i in numbers:
            await call(i)

    await asyncio.gather(*(worker() for _ in range(in_flight)))


async def bare_aiohttp(url: str, n: int, in_flight: int) -> None:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def call(i: int) -> None:
            body = {"model": "served-locally", "messages": messages(i)}
            async with session.post(f"{url}/chat/completions", json=body) as reply:
                assert (await reply.json())["choices"][0]["message"]["content"].startswith("echo")

        await pooled(call, n, in_flight)


async def bare_litellm(url: str, n: int, in_flight: int) -> None:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    async def call(i: int) -> None:
        reply = await litellm.acompletion(
            model=MODEL, messages=messages(i), api_base=url, api_key="none", max_retries=0, timeout=60
        )
        assert reply.choices[0].message.content.startswith("echo")

    await pooled(call, n, in_flight)
    await litellm.close_litellm_async_clients()


def through_gateway(url: str, n: int, in_flight: int, directory: str, **options: str) -> None:
    from robusttest.gateway import Gateway
    from robusttest.settings import Settings

    settings = Settings(concurrency=in_flight, directory=Path(directory), **options)
    params = {"api_base": url, "api_key": "none"}
    with Gateway(settings) as gateway:
        futures = [gateway.submit(gateway.request(MODEL, messages(i), params, 0)) for i in range(n)]
        errors = 0
        for i, future in enumerate(futures):
            try:
                expected = f"echo: {messages(i)[0]['content']}"
                assert str(future.result()) == expected
            except AssertionError:
                raise
            except Exception as error:
                errors += 1
                print(f"call {i}: {error}", file=sys.stderr)
    if errors:
        raise SystemExit(f"{errors} of {n} calls failed")


def run_one(way: str, url: str, n: int, in_flight: int, directory: str) -> None:
    if way == "aiohttp":
        asyncio.run(bare_aiohttp(url, n, in_flight))
    elif way == "litellm":
        asyncio.run(bare_litellm(url, n, in_flight))
    elif way == "gateway-first":
        through_gateway(url, n, in_flight, directory + "-first")
    elif way == "gateway":
        through_gateway(url, n, in_flight, directory)
    elif way == "gateway-litellm":
        through_gateway(url, n, in_flight, directory + "-litellm", transport="litellm")
    elif way == "replay":
        through_gateway(url, n, in_flight, directory, replies="replay")
        assert "litellm" not in sys.modules, "a replayed run imported litellm"
    usage = resource.getrusage(resource.RUSAGE_SELF)
    facts = {"cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss / 1024}
    print(json.dumps(facts))


def measure(way: str, python: str, url: str, args: argparse.Namespace, directory: str) -> dict[str, float]:
    command = [python, __file__, "--one", way, "--url", url, "--directory", directory]
    command += ["--calls", str(args.calls), "--in-flight", str(args.in_flight)]
    folder = Path(__file__).parent.parent
    # What is known of models is kept beside the replies of this measurement, not in the user's folder.
    env = {**os.environ, "XDG_CACHE_HOME": f"{directory}-cache", "PYTHONPATH": str(folder)}
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    wall = time.perf_counter() - started
    if done.returncode or done.stderr.strip():
        print(f"{way}: exit {done.returncode}\n{done.stderr[-2000:]}", file=sys.stderr)
    if done.returncode:
        return {}
    return {"wall": wall, **json.loads(done.stdout.splitlines()[-1])}


def version_of(python: str) -> str:
    code = "from importlib.metadata import version; print(version('litellm'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--fault-share", type=float, default=0.0)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS[:5]))
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="interpreters to measure with")
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--directory", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args.url, args.calls, args.in_flight, args.directory)
        return
    command = [
        sys.executable,
        str(LOOPBACK),
        "--delay",
        str(args.delay),
        "--fault-share",
        str(args.fault_share),
    ]
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        print(
            f"{args.calls} calls, {args.in_flight} in flight, {args.delay * 1000:g} ms each, whole processes"
        )
        print(
            f"{'way':<16} {'seconds':>8} {'CPU ms/call':>12} {'MB':>6} {'× aiohttp':>10} {'CPU':>6} {'× litellm':>10} {'CPU':>6}"
        )
        for n, python in enumerate(args.python):
            print(f"litellm {version_of(python)}", flush=True)
            floor: dict[str, dict[str, float]] = {}
            for way in args.ways:
                if way == "gateway" and "gateway-first" not in args.ways:
                    few = argparse.Namespace(calls=1, in_flight=1)
                    measure("gateway-first", python, url, few, f"{directory}/store-{n}")
                facts = measure(way, python, url, args, f"{directory}/store-{n}")
                if not facts:
                    continue
                floor[way] = facts
                row = f"{way:<16} {facts['wall']:>8.2f} {facts['cpu'] / args.calls * 1000:>12.2f} {facts['rss']:>6.0f}"
                for bare in ("aiohttp", "litellm"):
                    held = floor.get(bare)
                    by = [f"{facts[k] / held[k]:.2f}" if held else "" for k in ("wall", "cpu")]
                    row += f" {by[0]:>10} {by[1]:>6}"
                print(row, flush=True)
        said, _ = server.communicate("")  # which ends it
        if args.fault_share:
            print(said.strip())


if __name__ == "__main__":
    main()
