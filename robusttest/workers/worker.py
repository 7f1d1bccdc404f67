"""The program of one worker process: a line of JSON in, a line out, until its driver is gone."""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import sys
import threading
from typing import IO, Any


def main() -> None:
    """Serve the driver at the other end of standard input and output. Whatever a model prints goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    given, said = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(given, lines), daemon=True).start()
    _write(said, {"ready": os.getpid()})
    while True:
        _write(said, _answer(json.loads(lines.get())))


def _read(given: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    for line in given:
        lines.put(line)
    os._exit(0)  # the driver is gone, whatever the model is at


def _write(said: IO[bytes], value: Any) -> None:
    said.write((json.dumps(value) + "\n").encode("ascii"))
    said.flush()


def _answer(call: dict[str, Any]) -> dict[str, Any]:
    try:
        module, name = call["fn"].split(":")
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return {"value": found(*call["args"], **call["kwargs"])}
    except BaseException as e:  # also what pytest skips a module by
        sys.excepthook(type(e), e, e.__traceback__)
        return {"error": f"{type(e).__name__}: {e}"}
