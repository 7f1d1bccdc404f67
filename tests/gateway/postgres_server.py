"""A Postgres server of a test's own, from the system's packages."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``; None where there is none, or nobody but root to run them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    held = str(found[-1]) if found else shutil.which("initdb")
    return None if held is None or (os.getuid() == 0 and _servant() is None) else Path(held).resolve().parent


def _servant() -> str | None:
    """Who runs the server for root, whom Postgres refuses."""
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """``postgresql://…`` of an empty database; user ``postgres``, no password."""
    at = programs()
    assert at is not None
    user = _servant() if os.getuid() == 0 else None
    folder.mkdir(parents=True)
    if user is not None:
        shutil.chown(folder, user)
        for parent in folder.parents:  # pytest's are its owner's alone
            if parent.stat().st_uid == 0 and parent.parts[1:2] == ("tmp",):
                parent.chmod(parent.stat().st_mode | 0o011)
    data = str(folder / "data")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run(
        [at / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
        user=user,
        check=True,
        **quiet,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        at / "postgres",
        "-D",
        data,
        "-p",
        str(port),
        "-h",
        "127.0.0.1",
        "-k",
        "",
        "-F",
        "-c",
        "shared_buffers=8MB",
    ]
    server = subprocess.Popen(command, user=user, **quiet)
    try:
        subprocess.run(
            [at / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-t", "20"], check=False, **quiet
        )
        _ready(at, port)
        yield f"postgresql://127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _ready(at: Path, port: int) -> None:
    import time

    until = time.monotonic() + 30
    ask = [at / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ask, check=False).returncode:
        assert time.monotonic() < until, "no server within 30 s"
        time.sleep(0.05)
