"""No tax: installed and unused nobody notices, and looking around loads nothing heavy."""

from __future__ import annotations

import sys

import pytest

HEAVY = ("litellm", "nlpaug", "pandas", "numpy", "scipy", "hypothesis", "jinja2")
LOADED = """
import sys
import pytest

@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    names = {n for n in sys.modules if n.partition(".")[0] in {heavy!r} or n.startswith("robusttest")}
    print("LOADED", sorted(n for n in names if n.count(".") < 3))
"""


def loaded(project, *args: str) -> list[str]:
    project.pytester.makeconftest(LOADED.replace("{heavy!r}", repr(HEAVY)))
    result = project.pytester.runpytest_subprocess(
        *("-p", "no:hypothesispytest", "-p", "no:asyncio", "-p", "no:randomly", "-p", "no:html"), *args
    )
    (line,) = [line for line in result.outlines if line.startswith("LOADED")]
    return eval(line.removeprefix("LOADED "))


UNUSED = [
    "robusttest",
    "robusttest.core",
    "robusttest.core.fail_on",
    "robusttest.errors",
    "robusttest.plugin",
    "robusttest.plugin.hookspec",
    "robusttest.plugin.options",
    "robusttest.settings",
]


def test_installed_and_unused_says_writes_and_loads_nothing(project):
    (project.path / "pyproject.toml").unlink()
    project.pytester.makepyfile(test_plain="def test_plain(): pass")
    assert loaded(project) == UNUSED
    assert loaded(project, "--collect-only", "-q") == UNUSED
    assert loaded(project, "--help") == UNUSED
    assert not (project.path / ".robusttest").exists()
    result = project.fresh()
    ours = ("plugins:", "rootdir:", "LOADED")
    text = "\n".join(line for line in result.outlines if not line.startswith(ours))
    assert "robust" not in text


def test_looking_around_loads_nothing_heavy(project):
    project.test("""
@robust(task, perturbations=["keyboard", "casing", "format", "synonym"], expect=[accuracy >= 0.9, "flip_rate[keyboard] <= 0.1"])
def test_it(result): ...

@robust(cases=CASES, perturbations=["ocr:0.2"])
def test_body(variant, ask): ...
""")
    for args in (
        ["--collect-only"],
        ["--collect-only", "-p", "no:terminal"],
        ["--help"],
        ["--robust-limit=3", "--collect-only"],
    ):
        names = loaded(project, *args)
        assert not [n for n in names if n.partition(".")[0] in HEAVY], args
    assert "models" not in sys.modules


@pytest.mark.parametrize("plugin", ["no:robusttest"])
def test_it_can_be_left_out(project, plugin):
    project.pytester.makepyfile(test_plain="def test_plain(): pass")
    (project.path / "pyproject.toml").unlink()
    project.fresh("-p", plugin).assert_outcomes(passed=1)
