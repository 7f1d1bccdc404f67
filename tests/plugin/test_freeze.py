"""``--robust-freeze``: the file is written, used as it stands, refused when stale, refreshed; with and without xdist."""

from __future__ import annotations

import json

import pytest

TEST = """
@robust(task, perturbations=["casing", "format"], variants=2, expect=[accuracy >= 0.9])
def test_routing(): pass

@robust(cases=CASES[:3], perturbations=["casing"], variants=2)
def test_own(variant, ask):
    return ask(variant.input).text
"""


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def texts(project):
    records = project.records()
    return sorted(
        (r["task"], r["case_id"], r.get("variant", ""), r["text"], r.get("status")) for r in records
    )


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_file_is_written_then_used(project, workers):
    project.test(TEST)
    run = project.fresh if workers else project.run
    result = run("--robust-freeze=v.jsonl", *workers)
    result.assert_outcomes(passed=2)
    frozen = project.path / "v.jsonl"
    result.stdout.fnmatch_lines(["wrote v.jsonl: * variants to review and commit"])
    variants = [r for r in rows(frozen) if "case" in r]
    assert {r["task"] for r in variants} == {"routing", "test_own"}
    before, first = frozen.read_bytes(), texts(project)
    project.runs()[0].unlink()

    def shout(line):
        row = json.loads(line)
        if row.get("case") == "t1" and row["task"] == "routing" and row["perturbation"] == "casing":
            row["fields"] = {"input": f"by hand {row['index']}"}
        return json.dumps(row)

    frozen.write_text("\n".join(map(shout, before.decode().splitlines())) + "\n")
    result = project.run("--robust-freeze=v.jsonl")
    result.assert_outcomes(passed=2)
    assert "wrote v.jsonl" not in result.stdout.str()
    second = texts(project)
    changed = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    assert {b[3] for _, b in changed} == {"by hand 0", "by hand 1"}
    assert {b[:2] for _, b in changed} == {("routing", "t1")}


def test_a_stale_file_stops_the_run_by_name(project):
    project.test(TEST)
    project.run("--robust-freeze=v.jsonl")
    project.test(TEST.replace('["casing"]', '["casing", "whitespace"]').replace("CASES[:3]", "CASES[1:4]"))
    result = project.run("--robust-freeze=v.jsonl")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *v.jsonl does not fit this run:*", "*whitespace is not in it*"])
    assert "--robust-update-freeze" in result.stderr.str()
    result = project.run("--robust-freeze=v.jsonl", "--robust-update-freeze")
    result.assert_outcomes(passed=2)
    cases = {r["case"] for r in rows(project.path / "v.jsonl") if r["task"] == "test_own" and "case" in r}
    assert cases == {"t1", "t2", "t3"}
    project.run("--robust-freeze=v.jsonl").assert_outcomes(passed=2)


def test_with_workers_a_stale_file_is_told_once(project):
    project.test(TEST)
    project.run("--robust-freeze=v.jsonl")
    result = project.fresh("--robust-freeze=v.jsonl", "--robust-seed=3", "-n", "1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().count("does not fit this run") == 1
    assert "routing: casing was frozen with seed 0, and this run has 3" in result.stderr.str()


def test_a_dry_run_writes_the_file_without_a_call(project):
    project.test(TEST)
    result = project.run("--robust-freeze=v.jsonl", "--robust-dry-run")
    result.stdout.fnmatch_lines(["*wrote v.jsonl: *"])
    assert not project.runs()
    dry = (project.path / "v.jsonl").read_bytes()
    project.run("--robust-freeze=v.jsonl", "--robust-update-freeze")
    assert (project.path / "v.jsonl").read_bytes() == dry


def test_the_ini_key_is_read_from_the_root(project):
    project.test(TEST)
    (project.path / "sub").mkdir()
    project.run("-o", "robust_freeze=sub/v.jsonl").assert_outcomes(passed=2)
    assert (project.path / "sub" / "v.jsonl").exists()


def test_a_part_of_a_run_uses_the_file_of_the_whole(project):
    project.test(TEST)
    project.run("--robust-freeze=v.jsonl")
    project.run("--robust-freeze=v.jsonl", "--robust-case=t1::casing#1").assert_outcomes(passed=2)
    project.run(
        "--robust-freeze=v.jsonl", "--robust-only=format", "--robust-limit=2", "-k", "routing"
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--robust-update-freeze"], "update_freeze needs freeze"),
        (["--robust-freeze=."], "is a folder"),
        (["--robust-freeze=v.jsonl", "--robust-case=t1"], "leave out --robust-case"),
        (["--robust-freeze=test_it.py"], "test_it.py, line 2: not JSON"),
    ],
)
def test_wrong_use_is_a_usage_error(project, flags, said):
    project.test(TEST)
    result = project.run(*flags)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()
