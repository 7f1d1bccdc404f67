"""Flags, ini keys, marks: precedence, types, and what is said of wrong ones."""

from __future__ import annotations

import argparse
import importlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from robusttest import settings as table
from robusttest.cli.console import option as cli_option
from robusttest.errors import UsageError
from robusttest.plugin import mark as marks
from robusttest.plugin.options import flagged
from robusttest.settings import OPTIONS, Settings, entries, one_of, option

SHOW = """
import pytest
from robusttest.plugin.options import resolve

def pytest_collection_finish(session):
    settings = resolve(session.config, {mark})
    print("GOT", repr(settings))
"""


def test_the_table_is_the_fields_of_settings():
    assert [o.field for o in OPTIONS] == list(Settings.__dataclass_fields__)
    assert {o.field for o in OPTIONS} - {o.field for o in flagged()} == {"directory"}
    assert [o.field for o in OPTIONS if o.mark and o.field not in marks.ARGUMENTS] == []


@dataclass(frozen=True, kw_only=True)
class More(Settings):
    """One entry more: all that an option is."""

    colours: tuple[str, ...] = option(
        (),
        one_of("red", "blue"),
        "paint it",
        ini="linelist",
        many=True,
        mark=True,
        word="colour",
        metavar="NAME",
    )
    loud: bool = option(False, table.switch, "say it aloud", ini="bool")


@pytest.fixture
def more(monkeypatch):
    monkeypatch.setattr(table, "Settings", More)
    monkeypatch.setattr(table, "OPTIONS", entries(More))


def test_an_entry_of_the_table_is_an_option_everywhere(project, more, monkeypatch, capsys):
    project.pytester.makeconftest(SHOW.format(mark="{}"))
    assert "colours=(), loud=False" in project.run().stdout.str()
    assert (
        "colours=('red', 'blue')" in project.run("--robust-colour=red", "--robust-colour=blue").stdout.str()
    )
    assert "loud=True" in project.run("--robust-loud").stdout.str()
    ini = ("-o", "robust_colour=blue", "-o", "robust_loud=true")
    assert "colours=('blue',), loud=True" in project.run(*ini).stdout.str()
    assert "loud=False" in project.run(*ini, "--no-robust-loud").stdout.str()
    wrong = project.run("--robust-colour=rd")
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    assert "unknown value 'rd'. Did you mean 'red'?" in wrong.stderr.str()
    wrong = project.run("-o", "robust_colour=rd")
    assert (
        "robust_colour = ['rd'] in pyproject.toml: unknown value 'rd'. Did you mean 'red'?"
        in wrong.stderr.str()
    )
    out = " ".join(project.run("--help").stdout.str().split())
    for part in (
        "--robust-colour=NAME paint it",
        "--no-robust-loud",
        "robust_colour (linelist): paint it",
        "robust_loud (bool):",
    ):
        assert part in out
    # A mark, over the ini file.
    project.pytester.makeconftest(SHOW.format(mark="{'colours': 'red'}"))
    assert "colours=('red',)" in project.run("-o", "robust_colour=blue").stdout.str()
    project.test("\n@pytest.mark.robust(task, colours=['rd'])\ndef test_it(): ...")
    assert "robust(colours=['rd']): unknown value 'rd'" in project.run().stdout.str()
    # The notebook's way, and the command line without pytest.
    with pytest.raises(UsageError, match=re.escape("colours='rd': unknown value 'rd'. Did you mean 'red'?")):
        replace(More(), colours="rd")
    assert replace(More(), colours="red").to_json() == {"colours": ("red",)}
    parser = argparse.ArgumentParser()
    cli_option(parser, "colour", help="of the page")
    assert parser.parse_args(["--colour", "red", "--colour", "blue"]).colour == ["red", "blue"]
    with pytest.raises(SystemExit):
        parser.parse_args(["--colour", "rd"])
    assert "Did you mean 'red'?" in capsys.readouterr().err
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "docs"))
    assert (
        "| `--robust-colour NAME` | `robust_colour` (list) |  | paint it |"
        in importlib.import_module("hooks").options()
    )


def test_precedence_is_flag_mark_ini_default(project):
    project.pytester.makeconftest(SHOW.format(mark="{'variants': 3, 'limit': 30, 'seed': None}"))
    ini = ("-o", "robust_variants=2", "-o", "robust_limit=20", "-o", "robust_seed=7")
    out = project.run(*ini, "--robust-limit=40").stdout.str()
    assert "variants=3" in out  # the mark over the ini
    assert "limit=40" in out  # the flag over the mark
    assert "seed=7" in out  # None in a mark says nothing
    assert "min_coverage=0.95" in out


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--robust-max-age=7d", "max_age=604800.0"),
        ("--robust-max-cost=1.5", "max_cost=1.5"),
        ("--robust-max-calls=0", "max_calls=0"),
        ("--robust-dry-run", "dry_run=True"),
        ("--robust-case=t1", "case=('t1',)"),
        ("--robust-rpm=60", "rpm=60"),
    ],
)
def test_flags_are_typed(project, flag, expected):
    project.pytester.makeconftest(SHOW.format(mark="{}"))
    assert expected in project.run(flag).stdout.str()


def test_paths_are_absolute_from_the_start(project, monkeypatch):
    """A flag's from where pytest was started, an ini key's from its file."""
    project.pytester.makeconftest(SHOW.format(mark="{}"))
    (project.path / "deep").mkdir()
    monkeypatch.chdir(project.path / "deep")
    ini = ("--rootdir=..", "-c", "../pyproject.toml", "..")
    out = project.run(*ini, "--robust-report=json:out/r.json", "--robust-freeze=f.jsonl").stdout.str()
    assert f"path='{project.path}/deep/out/r.json'" in out
    assert f"freeze=PosixPath('{project.path}/deep/f.jsonl')" in out
    out = project.run(*ini, "-o", "robust_report=json:out/r.json", "-o", "robust_freeze=f.jsonl").stdout.str()
    assert f"path='{project.path}/out/r.json'" in out
    assert f"freeze=PosixPath('{project.path}/f.jsonl')" in out


def test_a_report_makes_its_folder_and_says_where_it_can_not(project):
    project.test("\n@robust(task)\ndef test_it(): ...")
    project.run("--robust-report=html:new/deeper/r.html").assert_outcomes(passed=1)
    assert (project.path / "new" / "deeper" / "r.html").exists()
    (project.path / "file").write_text("", encoding="utf-8")
    for target in ("file/r.html", "new"):
        result = project.run(f"--robust-report=html:{target}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        (line,) = [x for x in result.stderr.lines if x.startswith("ERROR")]
        assert f"--robust-report: can't write '{project.path}/{target}'" in line


def test_a_switch_of_the_ini_file_is_turned_off(project):
    project.pytester.makeconftest(SHOW.format(mark="{}"))
    assert "adaptive=True" in project.run("-o", "robust_adaptive=true").stdout.str()
    assert "adaptive=False" in project.run("-o", "robust_adaptive=true", "--no-robust-adaptive").stdout.str()
    assert "adaptive=True" in project.run("-o", "robust_adaptive=false", "--robust-adaptive").stdout.str()


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--robust-replies=lve", "unknown value 'lve'. Did you mean 'live'?"),
        ("--robust-variants=0", "0 is too small: give 1 or more"),
        ("--robust-variants=many", "'many' is not a whole number: give 1 or more"),
        ("--robust-min-coverage=95", "give a number between 0 and 1"),
        ("--robust-min-coverage=nan", "give a number between 0 and 1"),
        ("--robust-max-age=soon", "as in 30m, 12h, 7d, 2w"),
        ("--robust-report=jsn:x", "unknown report kind 'jsn'. Did you mean 'json'?"),
        ("--robust-report=out.json", "write KIND:PATH"),
        ("--robust-model=", "give a name"),
        ("--robust-fail-on=regress", "regression:MARGIN"),
        ("--robust-only=keybord", "Did you mean 'keyboard'?"),
    ],
)
def test_a_wrong_flag_is_a_usage_error(project, flag, said):
    result = project.run(flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


@pytest.mark.parametrize(
    ("ini", "said"),
    [
        ("robust_variant=3", "unknown ini key 'robust_variant'. Did you mean 'robust_variants'?"),
        (
            "robust_variants=x",
            "robust_variants = 'x' in pyproject.toml: 'x' is not a whole number: give 1 or more",
        ),
        (
            "robust_adaptive=perhaps",
            "robust_adaptive = 'perhaps' in pyproject.toml: 'perhaps' is neither true nor false: write one of the two",
        ),
        ("robust_variants=0", "0 is too small"),
        ("robust_replies=nver", "unknown value 'nver'"),
        ("robust_expect=acuracy >= 0.9", "Did you mean 'accuracy'?"),
        ("robust_min_coverage=2", "between 0 and 1"),
        ("robust_max_cost=-1", "give a number of 0 or more"),
    ],
)
def test_a_wrong_ini_value_is_a_usage_error(project, ini, said):
    result = project.run("-o", ini)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="native TOML tables came with pytest 9")
def test_native_toml_has_native_types(project):
    project.pytester.makepyprojecttoml(
        '[tool.pytest]\nrobust_model = ["a", "b"]\nrobust_variants = 3\n'
        'robust_min_coverage = 1\nrobust_max_age = "2h"\nrobust_report = ["json:x.json"]\n'
    )
    project.pytester.makeconftest(SHOW.format(mark="{}"))
    out = project.run().stdout.str()
    for part in (
        "models=('a', 'b')",
        "variants=3",
        "min_coverage=1.0",
        "max_age=7200.0",
        "kind='json'",
    ):
        assert part in out


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="native TOML tables came with pytest 9")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("robust_variants = [3]", "robust_variants = [3] in pyproject.toml: [3] is not a whole number: give 1 or more"),
        ("robust_variants = 2.5", "robust_variants = 2.5 in pyproject.toml: 2.5 is not a whole number: give 1 or more"),
        ("robust_model = 3", "robust_model = 3 in pyproject.toml: 3: give one, or a list of them"),
        ("robust_model = ['a', 3]", "robust_model = ['a', 3] in pyproject.toml: 3: give a name"),
        ("robust_adaptive = 'yes'", "robust_adaptive = 'yes' in pyproject.toml: 'yes' is neither true nor false: write one of the two"),
        ("robust_writer = 1", "robust_writer = 1 in pyproject.toml: 1: give a name"),
        ("robust_expect = 'accuracy'", "robust_expect in pyproject.toml: can't read the threshold 'accuracy'"),
        ("robust_max_age = true", "robust_max_age = True in pyproject.toml: True: give seconds"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_one_clear_line(project, line, said):
    project.pytester.makepyprojecttoml(f"[tool.pytest]\n{line}\n")
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [x for x in result.stderr.lines if x.strip()] == [f"ERROR: {said}"] or said in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="native TOML tables came with pytest 9")
def test_what_a_type_does_not_take_and_the_check_does_is_fine(project):
    project.pytester.makepyprojecttoml(
        "[tool.pytest]\nrobust_model = 'a'\nrobust_variants = '3'\nrobust_max_age = 60\n"
    )
    project.pytester.makeconftest(SHOW.format(mark="{}"))
    out = project.run().stdout.str()
    for part in ("models=('a',)", "variants=3", "max_age=60.0"):
        assert part in out


def test_every_option_has_help_and_settings_have_ini_keys(project):
    out = project.run("--help").stdout.str()
    for entry in flagged():
        assert f"  {entry.flag}" in out
        assert (f"  {entry.key} " in out) is (entry.ini is not None)
    assert {o.name for o in flagged() if o.ini is None} == {
        "case",
        "dry_run",
        "resume",
        "update_baseline",
        "update_freeze",
        "label",
    }
