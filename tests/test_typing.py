"""What a type checker sees of the package, installed as an editable install lays it out: a path that site-packages name."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent

PUBLIC = """
from robusttest import (
    Answer, Ask, Case, Completion, Result, Settings, Task, Threshold, Variant, evaluate, load_cases, model, robust, scorer,
)
from robusttest.metrics import accuracy, flip_rate
from robusttest.scorers import choice, json_schema

task = Task("t", cases=[("a", "b")], scorer=choice(["b", "c"]))
limits: list[Threshold] = [accuracy >= 0.9, flip_rate["ocr"] <= 0.1]
result: Result = evaluate(task, model="python:m:f", expect=limits, settings=Settings(seed=3))
value: float | None = result.accuracy.value
results: list[Result] = evaluate(task, model=["a", "b"])
cases: list[Case] = load_cases("x.csv")
fits = json_schema({"type": "object"})

@model(version=1, batch_size=2)
def f(prompts: list[str]) -> list[str]:
    return prompts

@scorer
def short(reply: str, target: str) -> float:
    return 1.0

@robust(cases=cases, models=["a"])
async def test_it(variant: Variant, ask: Ask) -> Answer:
    said: Completion = await ask.acall(variant.input)
    return Answer(said.text, score=1.0)
"""

WRONG = """
from robusttest import Taks
from robusttest.compare import Versoin
import robusttest

robusttest.evalute
robusttest.robust(robusttest.Task("t", cases=[]), perturbation=["ocr"])
robusttest.evaluate("task", model="m")
"""


def test_the_readmes_examples_pass_strict_and_wrong_names_do_not(tmp_path):
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "env").rglob("site-packages")
    (site / "editable.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r'```python title="(\w+\.py)"\n(.*?)```', readme, re.DOTALL)
    assert len(blocks) >= 2
    files = tmp_path / "files"
    files.mkdir()
    for name, text in [*blocks, ("public.py", PUBLIC), ("wrong.py", WRONG)]:
        (files / name).write_text(text, encoding="utf-8")
    # What our own bodies import, which nobody sees: it takes most of the time.
    heavy = "numpy pandas scipy litellm jinja2 hypothesis aiohttp nlpaug referencing jsonschema openai"
    skipped = ",".join(f"mypy-{name}.*" for name in heavy.split())
    (files / "mypy.ini").write_text(f"[mypy]\n[{skipped}]\nfollow_imports = skip\n", encoding="utf-8")
    python = tmp_path / "env" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", f"--python-executable={python}", f"--cache-dir={ROOT / '.mypy_cache' / 'typing'}", "."],
        cwd=files, capture_output=True, text=True, check=False,
        env={"PATH": "", "NO_COLOR": "1"},
    )  # fmt: skip
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert [e for e in errors if not e.startswith("wrong.py:")] == [], done.stdout + done.stderr
    said = "\n".join(errors)
    for wrong in (
        'Module "robusttest" has no attribute "Taks"',
        'Module "robusttest.compare" has no attribute "Versoin"',
        'no attribute "evalute"',
        'Unexpected keyword argument "perturbation" for "robust"',
        'No overload variant of "evaluate"',
    ):
        assert wrong in said


def test_an_editable_install_is_a_path():
    """Where packages are mapped to "" and lie in one folder, setuptools writes a path into a ``.pth`` file; else an import hook,
    which no type checker follows.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["package-dir"] == {"": "."}
    assert project["build-system"]["build-backend"] == "setuptools.build_meta"
    assert (ROOT / "robusttest" / "py.typed").exists()
