from __future__ import annotations

import pytest
from synthetic_results import records, run_info

from robusttest.report import history
from robusttest.report.escape import width_of
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.frame import frames


def arrays(**kwargs):
    return frames(records(**kwargs))


VERSIONS = [
    (run_info(id="a" * 8, label="v1", created="2026-11-20T08:00:00Z"), arrays(accuracy=0.7, seed=1)),
    (run_info(id="b" * 8, created="2026-11-21T08:00:00Z", dirty=True), arrays(accuracy=0.8, seed=2)),
    (run_info(id="c" * 8, label="v3", created="2026-11-21T09:30:00Z"), arrays(accuracy=0.95, seed=3)),
    (run_info(id="d" * 8, label="v3", created="2026-11-22T09:30:00Z"), arrays(task="other", cases=5)),
]


def test_each_task_and_model_has_its_versions_in_order():
    first, second = history.build(VERSIONS)
    assert (first.task, second.task) == ("support-intents", "other")
    assert [v.name for v in first.versions] == ["v1", "353a334d", "v3"]
    for version, (_, rows) in zip(first.versions, VERSIONS, strict=False):
        (cell,) = rows
        assert version.estimates == tuple(estimate(cell, m) for m in history.METRICS)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_table_fits_and_names_every_version(width: int):
    lines = history.render(history.build(VERSIONS), width=width)
    assert all(width_of(line) <= width for line in lines)
    assert lines[0] == "support-intents · openai/gpt-4o-mini"
    assert [line.split("  ")[1].strip() for line in lines[2:5]] == (
        ["2026-11-20", "11-21 08:00", "11-21 09:30"]
        if width < 100
        else ["2026-11-20 08:00", "2026-11-21 08:00", "2026-11-21 09:30"]
    )
    assert "353a334d*" in lines[3], "a commit with changes is marked"
    for e in history.build(VERSIONS)[0].versions[0].estimates:
        assert (
            f"{e.value:.3f} [{e.low:.3f}" if width >= 100 else f"{e.value:.2f}".removeprefix("0")
        ) in lines[2]
    assert sum(c in lines[5] for c in "▁█") == 2
    assert lines[6] == ""
    assert lines[7].startswith("other")


def test_without_the_characters_there_is_no_sparkline():
    lines = history.render(history.build(VERSIONS), encoding="cp1252")
    "\n".join(lines).encode("cp1252")
    assert lines[5] == ""
