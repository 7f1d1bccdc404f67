"""A python that starts warm: its commands run in forks of one process that has imported what takes long.

A pytest run in a process of its own imports pytest and its plugins, numpy and scipy, perhaps LiteLLM: seconds each time.
`python()` is the path of a stand-in for `sys.executable` that hands its arguments, folder, environment and streams over
to a server, which forks, and that ends as the fork does; signals are passed on, and what kills the stand-in kills the fork.
It knows ``-m pytest``, ``-m robusttest.cli`` and ``-c CODE``, and ``pytest`` as the script of that name; the workers that such a run starts are forks, too.

Tests of what is imported, of how the interpreter starts (encodings, hash seeds, ``-W``) and of how it ends take `sys.executable`.
"""

# A stand-in lives for each run: with `socket`, `signal` and `json` it would start in twice the time.
import _signal as signal
import _socket
import marshal
import os
import sys

HERE = os.path.abspath(__file__)
AT_ONCE = ("numpy", "scipy.special", "jinja2", "jsonschema", "pytest", "execnet", "xdist.remote")
WHEN_USED = (
    "hypothesis",
    "pandas",
    "sklearn.linear_model",
    "sklearn.feature_extraction.text",
    "nlpaug",
    "litellm",
)
"""Imported from the first fork on that came to use it."""
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

_started = None
_held: list = []


def python() -> str:
    """The path of the stand-in; starts the server, one for all workers of a run."""
    global _started
    if _started is None:
        _started = _start()
    return _started


def _start() -> str:
    import tempfile

    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        folder = tempfile.mkdtemp(prefix="forks-")
    else:
        folder = f"{tempfile.gettempdir()}/forks-{run}"
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            _hold(f"{folder}/socket")
            return f"{folder}/python"
    _serving(folder, at_once=run is not None)
    return f"{folder}/python"


def _serving(folder: str, at_once: bool) -> None:
    import atexit
    import subprocess

    script = f"{folder}/python"
    with open(script, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec "{sys.executable}" -S -E "{HERE}" run "{folder}/socket" "$0" "$@"\n')
    os.chmod(script, 0o755)
    root = os.path.dirname(os.path.dirname(HERE))
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "PYTEST_"))}
    server = subprocess.Popen(
        [sys.executable, HERE, "serve", f"{folder}/socket", *(WHEN_USED if at_once else ())],
        env={**environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    owner = os.getpid()

    def end() -> None:
        if os.getpid() == owner:
            server.communicate()  # closes its input: it ends as soon as the other workers have gone, too

    atexit.register(end)


def _hold(path: str) -> None:
    """Wait for the server that another worker has started, and be one for whom it stays."""
    import atexit
    import socket
    import time

    until = time.monotonic() + 120
    while True:
        holding = socket.socket(socket.AF_UNIX)
        try:
            holding.connect(path)
            break
        except OSError:
            holding.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    holding.sendall(b"hold")
    _held.append(holding)
    atexit.register(holding.close)


# --- the server ---------------------------------------------------------------------------------------------


def serve(path: str, *at_once: str) -> None:
    """Until nobody holds it: whoever started it by its standard input, others by a connection that says so."""
    import contextlib
    import gc
    import importlib
    import pkgutil
    import select
    import shutil
    import socket
    from importlib.metadata import entry_points

    import warm
    from _pytest.assertion.rewrite import AssertionRewritingHook

    import robusttest
    from robusttest.perturbations.base.languages import detect

    for name in AT_ONCE:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(robusttest.__path__, "robusttest."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    detect("Wo bleibt meine Bestellung?")  # unpacks its model, which takes longer than an import
    # Modules that are imported already, as nobody's plugin is in a process of its own.
    AssertionRewritingHook._warn_already_imported = lambda self, name: None
    warm.keep()
    for name in at_once:
        with contextlib.suppress(ImportError):
            _load(name)
    loaded = set(at_once)
    holding: list = [sys.stdin]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while holding:
            # The other end is a test process's: it closes when that is gone, however it ended.
            ready = select.select([listener, *holding], [], [])[0]
            holding = [one for one in holding if one not in ready]
            if listener not in ready:
                continue
            connection, _ = listener.accept()
            if connection.recv(1, socket.MSG_PEEK) == b"h":
                holding.append(connection)
                continue
            for name in sorted(_used(path) - loaded):
                _load(name)
                loaded.add(name)
            gc.freeze()  # so that a fork's collections neither look at nor copy what was there before
            if os.fork() == 0:
                listener.close()
                _answer(connection, path)
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    shutil.rmtree(os.path.dirname(path), ignore_errors=True)


def _used(path: str) -> set[str]:
    """What earlier forks came to import."""
    try:
        with open(f"{path}.used", encoding="utf-8") as file:
            return set(file.read().split())
    except FileNotFoundError:
        return set()


def _load(name: str) -> None:
    import importlib

    if name == "litellm":
        from robusttest.gateway.litellm.preflight import load_litellm

        load_litellm()
    else:
        importlib.import_module(name)


def _answer(connection, path: str) -> None:
    """Run the command in another fork, kill it when whoever asked is gone, and say how it ended. Never returns."""
    import contextlib
    import socket
    import threading

    data, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    while len(data) < 4 or len(data) - 4 < int.from_bytes(data[:4]):
        more = connection.recv(1 << 20)
        if not more:
            os._exit(0)  # whoever asked is gone
        data += more
    child = os.fork()
    if child == 0:
        connection.close()
        for i, stream in enumerate(streams):
            os.dup2(stream, i)
            os.close(stream)
        os._exit(_command(marshal.loads(data[4:]), path))
    for stream in streams:
        os.close(stream)

    def watch() -> None:
        connection.recv(1)  # nothing is ever sent
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)

    connection.sendall(f"{child}\n".encode())
    threading.Thread(target=watch, daemon=True).start()
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    connection.sendall(f"{ended}\n".encode())
    os._exit(0)


def _command(asked: dict, path: str) -> int:
    import atexit
    import threading

    known = set(sys.modules)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    me, *words = asked["command"]
    sys.executable = me
    while words[0] in ("-u", "-B"):
        words.pop(0)
    # pytest's own script is no -m: the folder is not on the path.
    what, name, *sys.argv[1:] = words if words[0].startswith("-") else ["", *words]
    sys.argv[0] = "-c" if what == "-c" else name
    sys.path[0] = {"-m": os.getcwd(), "-c": "", "": os.path.dirname(path)}[what]
    sys.path[1:1] = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    for stream, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        opened = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, stream, opened)
        setattr(sys, f"__{stream}__", opened)
    try:
        code = _run(what, name)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if new := [name for name in WHEN_USED if name in sys.modules and name not in known]:
        with open(f"{path}.used", "a", encoding="utf-8") as file:
            file.write(" ".join(["", *new]))
    return code


def _run(what: str, name: str) -> int:
    if what == "-c":
        exec(compile(name, "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
        return 0
    if name == "pytest":
        import pytest

        return int(pytest.main())
    assert name in ("robusttest", "robusttest.cli"), f"forks.py: {what} {name}: take sys.executable"
    from robusttest.cli import main

    return main(sys.argv[1:])


# --- the stand-in -------------------------------------------------------------------------------------------


def run(path: str, command: list[str]) -> int:
    asked = marshal.dumps({"command": command, "folder": os.getcwd(), "environment": dict(os.environ)})
    data = len(asked).to_bytes(4) + asked
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(path)
    fds = b"".join(fd.to_bytes(4, sys.byteorder) for fd in (0, 1, 2))
    sent = connection.sendmsg([data[:1000]], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fds)])
    connection.sendall(data[sent:])
    said = b""
    while b"\n" not in said and (more := connection.recv(100)):
        said += more
    child = int(said.partition(b"\n")[0])
    for number in PASSED_ON:
        signal.signal(number, lambda number, _: os.kill(child, number))
    while said.count(b"\n") < 2 and (more := connection.recv(100)):
        said += more
    ended = int(said.split(b"\n")[1] or 70)
    if ended < 0:
        if -ended in PASSED_ON:
            signal.signal(-ended, signal.SIG_DFL)
        os.kill(os.getpid(), -ended)
    return ended


if __name__ == "__main__":
    asked_for, where, *rest = sys.argv[1:]
    sys.exit(serve(where, *rest) if asked_for == "serve" else run(where, rest))
