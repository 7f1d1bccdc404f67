"""`examples/referee` on small folders of known truth: what it says, what it passes over, what it draws."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "referee"
TASKS = (0.95, 0.88, 0.8, 0.7, 0.6, 0.5)


@pytest.fixture
def referee(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(EXAMPLE)
    import referee

    yield referee
    for name in ("referee", "figure"):
        sys.modules.pop(name, None)


def world(
    folder: Path, icc_of: Callable[[float], float], *, models: int = 3, n: int = 60, k: int = 8
) -> Path:
    """A table of each model: right and wrong by task, example and wording, with the ICC that the accuracy gives."""
    rng = np.random.default_rng(2)
    folder.mkdir()
    for m in range(models):
        with open(folder / f"model{m}.csv", "w", newline="", encoding="utf-8") as f:
            out = csv.writer(f)
            out.writerow(["model", "dataset", "item", "wording", "shots", "right"])
            for t, p in enumerate(TASKS):
                icc = icc_of(p)
                own = rng.beta(p * (1 / icc - 1), (1 - p) * (1 / icc - 1), n)
                right = (rng.random((n, k)) < own[:, None]).astype(int)
                for i in range(n):
                    for v in range(k):
                        out.writerow([f"m{m}", f"task{t}", i, f"w{v % 4}", f"s{v // 4}", right[i, v]])
    return folder


MAPS = ("--map", "task=dataset", "--map", "case_id=item", "--map", "score=right", "--factors", "wording,shots",
        "--reference", "w0 s0")  # fmt: skip


def told(referee: ModuleType, capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert referee.main([str(a) for a in argv]) == 0
    return capsys.readouterr().out


def test_where_robustness_rises_with_competence_it_says_so(
    referee: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = world(tmp_path / "rising", lambda p: 0.1 + 1.5 * (p - 0.48))
    (folder / "notes.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    figure = tmp_path / "f.svg"
    out = told(referee, capsys, folder, *MAPS, "--figure", figure, "--out", tmp_path / "v.md")
    assert "3 models, 6 tasks, 18 cells, 8,640 replies." in out
    assert (
        "1. Robustness rises with competence at the task, beyond what arithmetic gives. Supported: ICC rises by +0."
        in out
    )
    assert "\n2. Robustness comes with competence at the task" in out
    assert "\n3. Models are alike in robustness beyond their accuracy." in out
    assert "- Each case was put 8 times: what other wordings would do is not in it." in out
    assert "notes.csv: " in out[out.index("Passed over:") :]
    assert "| wording | 0 of 18 cells |" in out
    assert "| task0 | 0.9" in out[out.index("## How scores spread") :]
    assert (tmp_path / "v.md").read_text(encoding="utf-8") == out
    drawing = ElementTree.fromstring(figure.read_text(encoding="utf-8"))
    assert len([x for x in drawing.iter() if x.tag.endswith("circle")]) == 36


def test_in_a_constant_world_the_first_line_is_not_supported(
    referee: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = told(referee, capsys, world(tmp_path / "flat", lambda p: 0.5), *MAPS)
    first = next(line for line in out.splitlines() if line.startswith("1. "))
    assert "Supported:" not in first
    assert "Not supported:" in first or "Cannot tell:" in first


def test_one_model_and_finished_numbers_are_no_evidence(
    referee: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = world(tmp_path / "one", lambda p: 0.5, models=1, n=10)
    rows = [
        {"model": f"m{m}", "task": f"t{t}", "acc": 0.5 + 0.1 * t, "same": 0.4 + 0.1 * t + 0.01 * m}
        for m in range(3)
        for t in range(4)
    ]
    (folder / "cells.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    out = told(referee, capsys, folder, *MAPS, "--map", "accuracy=acc", "--map", "output_consistency=same")
    assert "1. No claim can be tested: 1 model on 6 tasks: a statistic needs 3 of each." in out
    assert "cells.jsonl: finished numbers, without replies" in out
    assert "- output consistency on overall accuracy: slope 1.00" in out
    assert "Without the replies no claim can be tested" in out


def test_a_folder_without_results_says_what_was_passed_over(
    referee: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "x.json").write_text("{", encoding="utf-8")
    assert referee.main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "No replies of single examples were found" in out
    assert "- x.json: " in out
    with pytest.raises(SystemExit):
        referee.main([str(tmp_path / "nowhere")])
