"""Marks become items, or collection errors that say what to write instead."""

from __future__ import annotations

import subprocess

import forks
import pytest


def ids(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line and not line.startswith("ERROR")]


def test_an_item_is_a_test_and_a_model(project):
    project.test("""
@robust(task, perturbations=["casing"])
def test_one(result): ...

@robust(task, models=["openai/gpt-4o-mini", "python:models:route"])
def test_two(): ...
""")
    assert ids(project.run("--collect-only", "-q")) == [
        "test_it.py::test_one[python:models:steady]",
        "test_it.py::test_two[openai/gpt-4o-mini]",
        "test_it.py::test_two[python:models:route]",
    ]
    # the flag over the decorator and the ini; one model twice is one
    flags = ("--robust-model=a/b", "--robust-model=a/b", "--robust-model=c/d")
    assert ids(project.run("--collect-only", "-q", *flags)) == [
        f"test_it.py::{test}[{model}]" for test in ("test_one", "test_two") for model in ("a/b", "c/d")
    ]


def test_a_model_with_a_name_of_its_own_is_shown_by_it(project):
    (project.path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\nrobust_model = ["fast"]\npythonpath = ["."]\n'
        '[tool.robusttest.models.fast]\nmodel = "python:models:steady"\n'
    )
    project.test("""
from robusttest import Model

@robust(task, expect=["accuracy >= 0.9"])
def test_of_the_table(result): ...

@robust(task, models=[Model("python:models:steady", name="mine", params={"temperature": 0})], expect=["accuracy >= 0.9"])
def test_of_the_test(result): ...
""")
    done = project.run("-q", "-rA")
    done.assert_outcomes(passed=2)
    assert {(r["test"], r["model"]) for r in project.records()} == {
        ("test_it.py::test_of_the_table", "fast"),
        ("test_it.py::test_of_the_test", "mine"),
    }
    assert any("test_of_the_test[mine]" in line for line in done.outlines)
    (project.path / "pyproject.toml").write_text("[tool.robusttest.models.fast]\nmodle = 'x'\n")
    broken = project.run("-q", "--robust-model=fast")
    assert broken.ret == pytest.ExitCode.USAGE_ERROR
    assert "a table with model = 'provider/name'" in "\n".join(broken.errlines)


def test_a_body_that_asks_no_model_is_one_item_without(project):
    project.test("""
@robust(cases=CASES)
def test_plain(variant): ...

@robust(cases=CASES)
def test_asking(variant, robust_ask): ...
""")
    assert ids(project.run("--collect-only", "-q")) == [
        "test_it.py::test_plain",
        "test_it.py::test_asking[python:models:steady]",
    ]


def test_the_bare_mark_is_the_same(project):
    project.test("""
@pytest.mark.robust(task, perturbations=["casing"], expect=["accuracy >= 0.5"])
def test_bare(result): ...
""")
    assert ids(project.run("--collect-only", "-q")) == ["test_it.py::test_bare[python:models:steady]"]


def test_a_users_parametrize_of_model_does_not_collide(project):
    project.test("""
@pytest.mark.parametrize("model", ["x", "y"])
@robust(task)
def test_it(model, result): assert model in ("x", "y")
""")
    assert ids(project.run("--collect-only", "-q")) == [
        "test_it.py::test_it[x-python:models:steady]",
        "test_it.py::test_it[y-python:models:steady]",
    ]
    project.run().assert_outcomes(passed=2)


def test_tasks_by_parameter(project):
    project.test("""
tasks = {"en": task, "de": Task("wege", cases=CASES, scorer=choice(["billing", "delivery", "account"]))}

@pytest.mark.parametrize("lang", ["en", "de"])
@robust(lambda lang: tasks[lang], perturbations=["casing"])
def test_languages(lang, result):
    assert result.task == {"en": "routing", "de": "wege"}[lang]
""")
    project.run().assert_outcomes(passed=2)
    assert {(r["task"], r["test"]) for r in project.records()} == {
        ("routing", "test_it.py::test_languages[en]"),
        ("wege", "test_it.py::test_languages[de]"),
    }


def test_the_nearest_mark_wins_whole(project):
    project.test("""
@robust(task, perturbations=["casing"], expect=["accuracy >= 0.9"])
class TestRouting:
    def test_of_class(self, result):
        assert result.perturbations == ("casing",)

    @robust(task, perturbations=["swap"])
    def test_of_its_own(self, result):
        assert result.perturbations == ("swap",)
        assert result.thresholds == ()
""")
    project.run().assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("task, perturbation=['ocr']", "unknown argument of robust() 'perturbation'. Did you mean 'perturbations'?"),
        ("task, perturbations=['keybord']", "unknown perturbation 'keybord'. Did you mean 'keyboard'?"),
        ("task, perturbations=['ocr:2']", "ocr:2"),
        ("task, perturbations=['ocr', 'ocr']", "listed twice"),
        ("task, expect=['acuracy >= 0.9']", "unknown metric 'acuracy'. Did you mean 'accuracy'?"),
        ("task, expect=['accuracy <= 0.9']", "higher accuracy is better"),
        ("task, expect=['accuracy >= 90']", "write 0.9"),
        ("task, perturbations=['ocr'], expect=['flip_rate[orc] <= 0.1']", "Did you mean 'ocr'?"),
        ("task, expect=[accuracy]", "a metric without a limit"),
        ("task, expect=[0.9]", "not a threshold"),
        ("task, expect=['accuracy >= 0.9', accuracy >= 0.9]", "listed twice"),
        ("task, expect={'accuracy': 0.9}", "as in [accuracy >= 0.9]"),
        ("task, flip_rate=0.1<0.2", "robust(flip_rate=…): that is a metric; a threshold is written expect=[flip_rate <= 0.1]"),
        ("task, perturbations='casing,ocr'", "several perturbations in one text: write ['casing', 'ocr']"),
        ("task, variants=0", "variants=0"),
        ("task, variants='five'", "'five' is not a whole number"),
        ("task, min_coverage=95", "between 0 and 1"),
        ("task, inconclusive='maybe'", "unknown value 'maybe'"),
        ("task, models=[]", "there is no model in it"),
        ("task, models=[3]", "robust(models=[3]): 3: give a name"),
        ("task, models=['python:models']", "write python:package.module:callable"),
        ("task, name='x'", "the task has a name"),
        ("task, cases=CASES", "give one of the two"),
        ("", "neither a task nor cases"),
        ("'routing'", "that is a str, not a Task"),
        ("task, 3", "robust() takes one task, not 2"),
        ("lambda lng: task", "parameter of this test 'lng'"),
        ("lambda: 3", "returned 3, not a Task"),
        ("lambda: 1 / 0", "raised ZeroDivisionError"),
        ("task, perturbations=['paraphrase']", "paraphrase"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_collection_error(project, mark, said):
    project.test(f"""
@pytest.mark.robust.with_args({mark})
def test_it(result): ...
""")
    result = project.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    out = " ".join(result.stdout.str().split())
    assert said in out
    assert "test_it.py::test_it: " in out or "test_it.py:" in out
    assert "robusttest/plugin" not in out  # no frame of ours
    assert not (project.path / ".robusttest").exists()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("@robust(task, perturbation=['ocr'])\ndef test_it(): ...", "Did you mean 'perturbations'?"),
        ("@robust\ndef test_it(): ...", "write @robust(…) with its arguments"),
        ("Task('empty', cases=[])", "no cases"),
        ("Task('t', cases=CASES, prompt='{txt}')", "shows {txt}"),
    ],
)
def test_wrong_at_import_is_a_collection_error(project, source, said):
    project.test("\n" + source)
    result = project.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert said in result.stdout.str()


def test_no_model_says_where_to_name_one(project):
    project.pytester.makepyprojecttoml("[tool.pytest.ini_options]\n")
    project.test("\n@robust(task)\ndef test_it(result): ...")
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*no model to test: give --robust-model=NAME, or robust_model in the ini file*"]
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("@pytest.fixture\ndef result(): return 1\n\n@robust(task)\ndef test_it(result): ...",
         "the argument 'result' is robusttest's here, and a fixture of test_it.py has that name; rename yours, or take robust_result"),
        ("@pytest.mark.parametrize('result', [1])\n@robust(task)\ndef test_it(result): ...", "a parametrize has that name"),
        ("@robust(task)\ndef test_it(variant): ...", "'variant' is for tests whose body runs once for each variant"),
        ("@robust(cases=CASES)\ndef test_it(variant, result): ...", "'result' is for declared tasks"),
        ("@robust(cases=CASES)\ndef test_it(): ...", "add the argument 'variant'"),
        ("@robust(cases=CASES, models=['a/b'])\ndef test_it(variant): ...", "the body asks for no model"),
        ("@robust(cases=[])\ndef test_it(variant): ...", "cases"),
        ("@robust(cases=[{'id': 'a', 'input': 'x'}, {'id': 'a', 'input': 'y'}])\ndef test_it(variant): ...", "'a'"),
    ],
)  # fmt: skip
def test_arguments_of_ours_are_told_from_the_users(project, source, said):
    project.test("\n" + source)
    result = project.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert said in " ".join(result.stdout.str().split())


def test_the_users_own_names_stay_theirs(project):
    project.test("""
@pytest.fixture
def result(): return "mine"

@pytest.fixture
def variant(): return "mine too"

def test_unmarked(result, variant):
    assert (result, variant) == ("mine", "mine too")

@robust(task, perturbations=["casing"])
def test_alias(result_of_ours=None, *, robust_result):
    assert robust_result.accuracy.value == 1

@robust(cases=CASES, perturbations=["casing"])
def test_variant(robust_variant):
    assert robust_variant.target
""")
    project.run().assert_outcomes(passed=3)


def test_deselected_and_collected_only_cost_nothing(project):
    project.test("""
@robust(task, models=["python:models:broken"])
def test_never(result): ...

def test_plain(): ...
""")
    project.run("-k", "plain").assert_outcomes(passed=1, deselected=1)
    project.run("--collect-only").assert_outcomes()
    assert not (project.path / ".robusttest").exists()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("python:models:rote", "unknown name in models 'rote'. Did you mean 'route'?"),
        ("python:modls:route", "can't import 'modls': ModuleNotFoundError: No module named 'modls'. Did you mean 'models'?"),
    ],
)  # fmt: skip
def test_a_model_that_is_not_there_is_refused_before_any_call(project, model, said):
    project.test(f"""
def test_plain(): ...

@robust(task, models=[{model!r}])
def test_it(result): ...
""")
    result = project.run()
    result.assert_outcomes(passed=1, errors=1)
    assert said in " ".join((result.stdout.str() + result.stderr.str()).split())
    project.run("-k", "plain").assert_outcomes(passed=1, deselected=1)


def test_a_deselected_test_imports_nobodys_model(project):
    (project.path / "slow_model.py").write_text(
        "import pathlib\npathlib.Path('imported').touch()\ndef f(prompt): return 'billing'\n",
        encoding="utf-8",
    )
    project.test("""
@robust(task, models=["python:slow_model:f"])
def test_slow(result): ...

@robust(task)
def test_other(result): ...
""")
    project.run("-k", "other").assert_outcomes(passed=1, deselected=1)
    project.run("--collect-only")
    assert not (project.path / "imported").exists()
    project.run("-k", "slow").assert_outcomes(passed=1, deselected=1)
    assert (project.path / "imported").exists()


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("folder", [".", "deep/tests"])
def test_a_model_is_found_from_any_folder(project, folder, workers):
    """pytest's root is looked in, without a pythonpath, in a worker, too; `evaluate` in a script of the root finds the same."""
    (project.path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\nrobust_model = ["python:models:steady"]\naddopts = "--import-mode=importlib"', encoding="utf-8"
    )  # fmt: skip
    tests = project.path / "deep" / "tests"
    tests.mkdir(parents=True)
    project.test(
        """
@robust(task, models=["python:models:steady"])
def test_it(result):
    assert result.accuracy.value == 1
""",
        "deep/tests/test_it.py",
    )
    (tests / "models.py").write_text("raise ImportError('not this one')", encoding="utf-8")
    plain = ["-p", "no:randomly", "-p", "no:asyncio", "-p", "no:cacheprovider", "-n", workers]
    done = subprocess.run(
        [forks.python(), "pytest", *plain, str(tests / "test_it.py")],
        cwd=project.path / folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_marker_is_registered(project):
    project.test("\n@robust(task)\ndef test_it(result): ...")
    project.run("--strict-markers").assert_outcomes(passed=1)
    project.run("--markers").stdout.fnmatch_lines(["@pytest.mark.robust(task, [*], perturbations*"])


def test_generators_are_read_once(project):
    project.test("""
@pytest.mark.parametrize("n", [1, 2])
@robust(cases=(c for c in CASES[:3]), perturbations=(p for p in ["casing"]), variants=1)
def test_body(variant, n): ...
""")
    project.run().assert_outcomes(passed=2)
    assert len(project.records()) == 2 * 3 * 2


def test_a_unittest_case_never_passes_unmeasured(project):
    project.test("""
import unittest

class TestOld(unittest.TestCase):
    @robust(task)
    def test_it(self): ...
""")
    result = project.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "not of unittest.TestCase" in result.stdout.str()
