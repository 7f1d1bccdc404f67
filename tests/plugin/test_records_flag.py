"""``--robust-records``: the same run, its records elsewhere; what can't be done is said before a call."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from robusttest.cli import main
from robusttest.core import codec
from robusttest.store import read_info, read_run
from robusttest.store.summaries import read_summaries

pytest.importorskip("pyarrow.parquet", reason="records as Parquet: pip install 'robusttest[parquet]'")

TEST = """
@robust(task, perturbations=["casing"], variants=2, expect=["accuracy >= 0.5"])
def test_declared(): ...
"""


def plain(path) -> list[str]:
    """Records without what differs between two runs."""
    made = [codec.loads(codec.record_line(r)) for r in read_run(path).records]
    return [
        json.dumps({k: v for k, v in r.items() if k not in ("created", "latency", "cached")}) for r in made
    ]


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.chdir(project.path)
    project.test(TEST)
    return project


def test_shards_in_one_folder_are_merged(here, capsys) -> None:
    here.run("--robust-shard=1/2", "--robust-records=parquet:parts").assert_outcomes(passed=1)
    here.run("--robust-shard=2/2", "--robust-records=parquet:parts").assert_outcomes(passed=1)
    shards = set(here.runs())
    here.run().assert_outcomes(passed=1)
    (whole,) = set(here.runs()) - shards
    assert main(["merge", "parts", "--label", "merged", "--records", "parquet:merged"]) == 0
    (merged,) = set(here.runs()) - shards - {whole}
    assert plain(whole) == plain(merged)
    assert len({read_info(p).planned for p in (*shards, whole, merged)} - {None}) == 1
    assert read_summaries(whole)[1] == read_summaries(merged)[1]
    assert len(list((here.path / "merged").glob("*/*.records.parquet"))) == 1
    # one shard's parts twice, and a part too few
    (first, _) = sorted(
        (here.path / "parts").iterdir(), key=lambda p: read_run(p / "run.jsonl").info.settings["shard"]
    )
    first.rename(here.path / "first")
    capsys.readouterr()
    assert main(["merge", "first", "first/run.jsonl", "parts", "first/../first"]) == 0
    shutil.copytree("first", "parts/copy")
    assert main(["merge", "first", "parts"]) == 2
    assert "shard 1/2 is there twice" in capsys.readouterr().err
    assert main(["merge", "first"]) == 2
    assert "1 of 2 shards is missing: 2/2" in capsys.readouterr().err


def test_without_the_extra_it_is_named(here, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    ran = here.run("--robust-records=parquet:parts")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert (
        "--robust-records: records as Parquet needs a package that is not installed: pip install 'robusttest[parquet]'"
        in ran.stderr.str()
    )


def test_a_place_without_rights_is_refused_before_a_call(here) -> None:
    (here.path / "file").write_text("")
    ran = here.run("--robust-records=parquet:file/parts")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert "--robust-records: can't write" in ran.stderr.str()
    assert not here.runs()
