"""The sheet of variants that people judge, and what is made of their judgements."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from robusttest.errors import UsageError
from robusttest.perturbations import make
from robusttest.perturbations.base import judged as module
from robusttest.perturbations.base.judged import Judged, judged, merged, row_digest
from robusttest.report.judged import broken_of


def row(spec: str, original: str, variant: str, verdict: str) -> dict[str, Any]:
    return {
        "digest": row_digest(spec, original, variant),
        "perturbation": spec,
        "original": original,
        "variant": variant,
        "verdict": verdict,
    }


def test_counts_of_a_spec() -> None:
    rows = [row("ocr", "bank", f"b{i}nk", v) for i, v in enumerate(("kept", "broken", "unnatural", ""))]
    kept = merged({}, rows)
    assert judged("ocr", kept) == Judged(broken=1, unnatural=1, n=3)
    assert judged("keyboard", kept) == Judged(0, 0, 0)


def test_another_variant_text_has_another_digest_and_no_judgement() -> None:
    kept = merged({}, [row("ocr", "bank", "bonk", "kept")])
    assert row_digest("ocr", "bank", "bamk") not in kept["ocr"]
    assert row_digest("ocr", "bank", "bonk") in kept["ocr"]


def test_a_sheet_with_other_texts_or_words_is_refused() -> None:
    changed = {**row("ocr", "bank", "bonk", "kept"), "variant": "bunk"}
    with pytest.raises(UsageError, match="draw the sheet anew"):
        merged({}, [changed])
    with pytest.raises(UsageError, match="'fine' is none of kept, broken, unnatural"):
        merged({}, [row("ocr", "bank", "bonk", "fine")])


def test_the_words_give_the_one_sided_upper_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    none_of_60 = {"ocr": {str(i): "kept" for i in range(60)}}
    monkeypatch.setattr(module, "judgements", lambda: none_of_60)
    assert broken_of("ocr") == "broken 0 of 60 (at most 4.9%)"  # 1 - .05 ** (1 / 60)
    assert broken_of("swap") == "not judged"


@pytest.fixture(scope="module")
def labels() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "labels.py"
    spec = importlib.util.spec_from_file_location("labels_of_variants", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abcdef":
        rows = [
            {
                "id": i,
                "input": f"The parcel number {i} of customer {name} has not arrived yet",
                "target": "late",
            }
            for i in range(5)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return tmp_path


def test_a_drawn_sheet_is_judged_once(
    labels: ModuleType, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, sheet = tmp_path / "kept.json", tmp_path / "sheet.txt"
    home.write_text("{}", encoding="utf-8")
    monkeypatch.setattr(labels, "JUDGEMENTS", home)
    monkeypatch.setattr(labels, "judgements", lambda: json.loads(home.read_text(encoding="utf-8")))
    command = ["draw", str(folder), "--out", str(sheet), "--only", "keyboard", "--rows", "12"]
    labels.main(command)
    first = [json.loads(line) for line in sheet.read_text(encoding="utf-8").splitlines()]
    assert len(first) == 12
    assert {r["data"] for r in first} == set("abcdef")
    assert all(r["original"] != r["variant"] for r in first)
    labels.main(command)
    assert [json.loads(line) for line in sheet.read_text(encoding="utf-8").splitlines()] == first
    sheet.write_text("\n".join(json.dumps({**r, "verdict": "kept"}) for r in first), encoding="utf-8")
    labels.main(["keep", str(sheet)])
    labels.main(command)
    assert sheet.read_text(encoding="utf-8") == ""
    monkeypatch.setattr(labels, "make", lambda spec: make("swap"))
    labels.main(["prune", str(folder), "--rows", "12"])
    assert json.loads(home.read_text(encoding="utf-8")) == {}


def test_few_data_sets_are_refused(labels: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="0 data sets"):
        labels.main(["draw", str(tmp_path)])
