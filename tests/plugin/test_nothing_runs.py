"""What promises not to run makes no call and imports nobody's model; a test without its plugin is not green."""

from __future__ import annotations

import pytest

MODEL = """
import pathlib

HERE = pathlib.Path(__file__).parent
(HERE / "imported").touch()

def steady(prompt):
    (HERE / "called").touch()
    return "billing"
"""

TESTS = """
@robust(task, perturbations=["casing"], expect=[accuracy >= 0])
def test_routing(): ...

@robust(cases=CASES, perturbations=["casing"])
def test_body(variant, ask):
    return ask(variant.input).text

def test_plain(): ...
"""


@pytest.fixture
def told(project):
    (project.path / "models.py").write_text(MODEL, encoding="utf-8")
    project.test(TESTS)
    return project


def left(project, *names: str) -> list[str]:
    return [name for name in ("imported", "called", *names) if (project.path / name).exists()]


@pytest.mark.parametrize(
    "flags", [("--setup-plan",), ("--setup-only",), ("--robust-dry-run",), ("--collect-only",)]
)
def test_it_calls_nothing(told, flags):
    result = told.own_process("-p", "no:asyncio", "-p", "no:randomly", *flags)
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert "called" not in left(told)
    if flags != ("--robust-dry-run",):
        assert not (told.path / ".robusttest").exists()


def test_a_dry_run_beside_a_broken_module_calls_nothing(told):
    told.test("import there_is_no_such_module", name="test_broken.py")
    for more in ((), ("--continue-on-collection-errors",)):
        result = told.own_process("-p", "no:asyncio", "--robust-dry-run", *more)
        assert "called" not in left(told)
        result.stdout.fnmatch_lines(["*routing*"])
        result.assert_outcomes(errors=1)


@pytest.mark.parametrize(
    "flags",
    [("-k", "plain"), ("--deselect", "test_it.py::test_routing", "--deselect", "test_it.py::test_body")],
)
def test_what_is_left_out_needs_no_model(told, flags):
    (told.path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]')
    result = told.own_process("-p", "no:asyncio", *flags)
    result.assert_outcomes(passed=1, deselected=2)
    assert left(told, ".robusttest") == []
    assert told.own_process("-p", "no:asyncio", "--collect-only").ret == 0


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_test_without_a_model_says_so_and_others_run(told, workers):
    (told.path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]')
    result = told.own_process("-p", "no:asyncio", *workers)
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["ERROR test_it.py::test_routing - no model to test: give --robust-model*"])
    assert left(told) == []


def test_without_the_plugin_a_declared_test_is_not_green(told):
    (told.path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    result = told.own_process("-p", "no:robusttest", "-p", "no:asyncio", "-W", "ignore")
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        ["*fixture 'the plugin robusttest, which runs this test (switched off*' not found"]
    )
    assert left(told) == []
