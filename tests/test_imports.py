"""What importing costs: nothing heavy until a run needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "litellm",
    "nlpaug",
    "pandas",
    "scipy",
    "numpy",
    "hypothesis",
    "jinja2",
    "asyncio",
    "aiohttp",
    "sqlite3",
    "pytest",
)


def loaded(code: str) -> set[str]:
    script = f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_the_package_loads_nothing_heavy():
    new = loaded("import robusttest")
    assert not new & set(HEAVY)
    assert "robusttest" in new


def test_the_package_itself_is_one_module():
    script = "import sys, robusttest; print(*[m for m in sys.modules if m.startswith('robusttest')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["robusttest"]


@pytest.mark.parametrize(
    "code",
    [
        "from robusttest import Task, load_cases; from robusttest.metrics import accuracy; from robusttest.scorers import choice\n"
        "Task('t', cases=[('a', 'b'), ('c', 'd')], scorer=choice(['b', 'd']))",
        "from robusttest.perturbations import make_all; make_all(['keyboard', 'ocr:0.2', 'casing', 'format', 'repeat'])",
        "import robusttest.engine.driver, robusttest.engine.cell, robusttest.engine.body, robusttest.settings",
    ],
    ids=["task", "perturbations", "runner"],
)
def test_declaring_tests_loads_nothing_heavy(code):
    assert not loaded(code) & (set(HEAVY) - {"asyncio"})


def test_expanding_text_free_perturbations_needs_no_nlpaug():
    code = (
        "from robusttest.variants.expand import expand_case; from robusttest.core.nouns import Case\n"
        "list(expand_case(Case(id='1', fields={'input': 'hello there my friend'}), ['casing', 'repeat']))"
    )
    assert not loaded(code) & {"nlpaug", "numpy", "pandas"}
