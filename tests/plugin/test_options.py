"""Flags, ini keys, marks: precedence, types, and what is said of wrong ones."""

from __future__ import annotations

import pytest

from robusttest.plugin.options import MANY, OPTIONS
from robusttest.settings import Settings

SHOW = """
import pytest
from robusttest.plugin.options import resolve

def pytest_collection_finish(session):
    settings = resolve(session.config, {mark})
    print("GOT", repr(settings))
"""


def test_every_option_is_a_setting_and_the_other_way_round():
    fields = set(Settings.__dataclass_fields__) - {"directory"}
    assert {o.field for o in OPTIONS} == fields


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


def test_a_report_path_is_absolute_from_the_start(project):
    project.pytester.makeconftest(SHOW.format(mark="{}"))
    out = project.run("--robust-report=json:out/r.json").stdout.str()
    assert f"path='{project.path}/out/r.json'" in out


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--robust-replies=lve", "unknown value 'lve'. Did you mean 'live'?"),
        ("--robust-variants=0", "0 is too small: give 1 or more"),
        ("--robust-variants=many", "'many' is not a whole number"),
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
        ("robust_variants=x", "robust_variants"),
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


def test_every_option_has_help_and_settings_have_ini_keys(project):
    out = project.run("--help").stdout.str()
    for option in OPTIONS:
        assert f"  {option.flag}" in out
        assert (f"  {option.key} " in out) is (option.ini is not None)
    assert {o.name for o in OPTIONS if o.ini is None} == {
        "case",
        "dry_run",
        "update_baseline",
        "update_freeze",
        "label",
    }
    assert set(MANY) <= {o.name for o in OPTIONS}
