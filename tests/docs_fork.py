"""Runs `pytest` and `robusttest` commands in forks of one process that has imported what takes long.

A page's commands would each import LiteLLM, scipy and scikit-learn anew, for seconds each. ``python docs_fork.py serve SOCKET``
imports them once; ``python docs_fork.py run SOCKET pytest …``, which the commands' stand-ins on PATH call, hands over its
arguments, folder, environment and streams, and ends with the fork's exit code.
"""

import json
import os
import socket
import sys


def serve(path: str) -> None:
    import contextlib

    for name in (
        "numpy",
        "scipy.special",
        "jinja2",
        "hypothesis",
        "sklearn.linear_model",
        "sklearn.feature_extraction.text",
    ):
        with contextlib.suppress(ImportError):
            __import__(name)
    from robusttest.gateway.litellm.preflight import load_litellm

    load_litellm()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(connection)
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _answer(connection: socket.socket) -> None:
    """In a fork: run the command in another fork, and say how it ended. Never returns."""
    data, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    while not data.endswith(b"\n"):
        data += connection.recv(1 << 20)
    asked = json.loads(data)
    child = os.fork()
    if child == 0:
        for i, stream in enumerate(streams):
            os.dup2(stream, i)
        os._exit(_command(asked))
    status = os.waitpid(child, 0)[1]
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _command(asked: dict) -> int:
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    name, *sys.argv[1:] = asked["command"]
    sys.argv[0] = name
    sys.path[:0] = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    for stream, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        setattr(sys, stream, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    try:
        if name == "pytest":
            import pytest

            code = int(pytest.main(sys.argv[1:]))
        else:
            from robusttest.cli import main

            code = main(sys.argv[1:])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def run(path: str, command: list[str]) -> int:
    asked = {"command": command, "folder": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        data = json.dumps(asked).encode() + b"\n"
        sent = socket.send_fds(connection, [data[:1000]], [0, 1, 2])
        connection.sendall(data[sent:])
        return int(connection.recv(100) or b"70")


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    sys.exit(serve(where) if what == "serve" else run(where, rest))
