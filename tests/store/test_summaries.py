"""A history reads a run's last line; where that says nothing of cells, the records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthetic_results import records, run_info

from robusttest.core.nouns import CellSummary
from robusttest.engine.cell import Cell, grouped
from robusttest.errors import StorageError
from robusttest.stats.cell.estimates import estimate
from robusttest.store import RunWriter
from robusttest.store.find import ci_page, git, git_remote
from robusttest.store.summaries import METRICS, read_summaries, summary_of


def written(path: Path, *, told: bool = True) -> list[CellSummary]:
    """A run file; its summaries."""
    cells = [Cell(key, rows, verdicts=()) for key, rows in grouped(records(cases=8)).items()]
    made = [summary_of(cell.frame) for cell in cells if cell.frame is not None]
    with RunWriter(path, run_info()) as writer:
        for cell in cells:
            writer.write(*cell.records)
            writer.write_cell(cell)
        writer.close(run_info(), made if told else ())
    return made


def test_the_last_line_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    made = written(path)
    first, *_, last = path.read_text().splitlines()
    path.write_text(f"{first}\nno record can be read any more\n{last}\n")
    info, found = read_summaries(path)
    assert found == made
    assert (info.id, info.complete) == (run_info().id, run_info().complete)
    assert [e.metric for e in found[0].estimates] == list(METRICS)


def test_a_run_without_such_a_line_is_read_by_its_records(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    made = written(path, told=False)
    assert read_summaries(path)[1] == made
    cut = path.read_text().splitlines()[:-1]
    path.write_text("\n".join(cut))
    info, found = read_summaries(path)
    assert found == made
    assert not info.complete
    path.write_text(json.dumps({"kind": "run"}))
    with pytest.raises(StorageError):
        read_summaries(path)


def test_a_summary_is_the_frame_s_estimates() -> None:
    (cell,) = (Cell(key, rows, verdicts=()) for key, rows in grouped(records(cases=8)).items())
    assert cell.frame is not None
    made = summary_of(cell.frame)
    assert (made.key, made.n_cases) == (cell.key, 8)
    assert made.estimates == tuple(estimate(cell.frame, m) for m in METRICS)


def test_where_the_code_comes_from_holds_no_password(tmp_path: Path) -> None:
    assert git_remote(tmp_path) is None
    git("init", "-q", cwd=tmp_path)
    assert git_remote(tmp_path) is None
    git("remote", "add", "origin", "https://me:hunter2@example.org/team/tests.git", cwd=tmp_path)
    assert git_remote(tmp_path) == "https://example.org/team/tests.git"
    git("remote", "set-url", "origin", "git@example.org:team/tests.git", cwd=tmp_path)
    assert git_remote(tmp_path) == "git@example.org:team/tests.git"


@pytest.mark.parametrize(
    ("environ", "page"),
    [
        ({}, None),
        ({"CI": "true"}, None),
        (
            {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "7"},
            "https://github.com/a/b/actions/runs/7",
        ),
        ({"CI_JOB_URL": "https://gitlab.example/j/7"}, "https://gitlab.example/j/7"),
        ({"BUILD_URL": "https://jenkins.example/7"}, "https://jenkins.example/7"),
        (
            {
                "SYSTEM_COLLECTIONURI": "https://dev.azure.com/a/",
                "SYSTEM_TEAMPROJECT": "b",
                "BUILD_BUILDID": "7",
            },
            "https://dev.azure.com/a/b/_build/results?buildId=7",
        ),
    ],
)
def test_the_page_of_the_job(environ: dict[str, str], page: str | None) -> None:
    assert ci_page(environ) == page
