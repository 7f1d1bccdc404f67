"""A small project for pytester: one python model, a handful of cases, and a run without other people's plugins."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import sys
import types
from pathlib import Path

import forks
import pytest
import warm

import robusttest

# Names that the tests' own modules use.
from robusttest import evaluate, load_cases  # noqa: F401
from robusttest.gateway import Gateway  # noqa: F401

MODELS = '''
WORDS = {"refund": "billing", "parcel": "delivery", "password": "account"}

def route(prompt):
    """Right where the key word stands in small letters."""
    return next((label for word, label in WORDS.items() if word in prompt), "account")

def steady(prompt):
    return route(prompt.lower())

def broken(prompt):
    raise ValueError("no weights")

def echo(prompt):
    return prompt
'''

TASK = """
import pytest
from robusttest import Task, robust
from robusttest.metrics import accuracy, flip_rate, robust_accuracy
from robusttest.scorers import choice

TEXTS = [("where is my refund", "billing"), ("the parcel is late", "delivery"), ("a new password please", "account")]
CASES = [{"id": f"t{i}", "input": f"{TEXTS[i % 3][0]} number {i}", "target": TEXTS[i % 3][1]} for i in range(12)]
task = Task("routing", cases=CASES, prompt="Ticket: {input}", scorer=choice(["billing", "delivery", "account"]))
"""

# All of them out here: an in-process run finds the package as a run of its own does, in one piece.
for _module in pkgutil.walk_packages(robusttest.__path__, "robusttest."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)

warm.keep()

# LiteLLM imports it: it takes the place of the standard library's finder of distributions, and pytester would take it away
# again after the run in which it came.
with contextlib.suppress(ImportError):
    importlib.import_module("importlib_metadata")

# No machine is lost between two tests: nobody has to wait for the disk.
robusttest.gateway.store.database.SYNCHRONOUS = "OFF"

# hypothesis' own plugin imports it in each process, for a third of what the rest takes.
QUIET = (
    "-p",
    "no:hypothesispytest",
    "-p",
    "no:randomly",
    "-p",
    "no:asyncio",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:rerunfailures",
)
ALONE = ("-p", "robusttest.plugin", "-p", "no:cacheprovider")


class Keeping:
    """What a run in this process imports stays imported, but for the modules in the test's own folder.

    pytester forgets all of them: each run would import LiteLLM anew, for seconds, and numpy refuses a second time.
    """

    def __init__(self, own: Path) -> None:
        self.own, self.before = own, set(sys.modules)
        self.found: dict[str, types.ModuleType] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        for name in set(sys.modules) - self.before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and not Path(file).is_relative_to(self.own):
                self.found[name] = sys.modules[name]


class Project:
    """A folder with a model and a task, and how to run pytest in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path: Path = pytester.path
        pytester.makepyprojecttoml(
            '[tool.pytest.ini_options]\nrobust_model = ["python:models:steady"]\npythonpath = ["."]'
        )
        (self.path / "models.py").write_text(MODELS, encoding="utf-8")

    def test(self, source: str, name: str = "test_it.py") -> None:
        (self.path / name).write_text(TASK + source, encoding="utf-8")

    def run(self, *args: str) -> pytest.RunResult:
        """In this process, without other plugins: fast."""
        keeping = Keeping(self.path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
            patch.setattr(
                sys, "dont_write_bytecode", True
            )  # of the test's own modules, which may change at once
            if "-n" in args:
                patch.setattr(sys, "executable", forks.python())  # xdist's workers are it
            try:
                return self.pytester.runpytest_inprocess(*ALONE, *args, plugins=[keeping])
            finally:
                sys.modules.update(keeping.found)

    def fresh(self, *args: str, quiet: bool = True) -> pytest.RunResult:
        """In a process of its own, as a user would; it starts warm (`forks`)."""
        where = f"--basetemp={self.path / 'runpytest-0'}"
        flags = (*(QUIET if quiet else ()), *args)
        return self.pytester.run(forks.python(), "-m", "pytest", where, *flags)

    def own_process(self, *args: str) -> pytest.RunResult:
        """The same, with other people's plugins."""
        return self.fresh(*args, quiet=False)

    def runs(self) -> list[Path]:
        return sorted((self.path / ".robusttest" / "runs").glob("*.jsonl"))

    def records(self) -> list[dict[str, object]]:
        (path,) = self.runs()
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if line["kind"] == "record"]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in [n for n in os.environ if n.startswith(("PYTEST_ADDOPTS", "GITHUB_"))]:
        monkeypatch.delenv(name)
    return Project(pytester)
