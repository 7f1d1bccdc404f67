"""The sheet of variants that is read, and what is made of their judgements."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from robusttest.core.nouns import NotApplicable
from robusttest.errors import RobusttestError, UsageError
from robusttest.perturbations import make
from robusttest.perturbations.base import judged as module
from robusttest.perturbations.base.families import BUILT_IN
from robusttest.perturbations.base.judged import (
    ENOUGH,
    Judged,
    SpecJudgements,
    judged,
    judgements,
    merged,
    row_digest,
)
from robusttest.report.judged import broken_of, changed, made_now, made_of


def row(spec: str, original: str, variant: str, verdict: str) -> dict[str, Any]:
    return {
        "digest": row_digest(spec, original, variant),
        "perturbation": spec,
        "original": original,
        "variant": variant,
        "verdict": verdict,
    }


def as_made(spec: str) -> str:
    return f"print of {spec}"


def test_counts_of_a_spec() -> None:
    rows = [row("ocr", "bank", f"b{i}nk", v) for i, v in enumerate(("kept", "broken", "unnatural", ""))]
    kept = merged({}, rows, as_made)
    assert judged("ocr", kept) == Judged(broken=1, unnatural=1, n=3)
    assert judged("keyboard", kept) == Judged(0, 0, 0)


def test_another_variant_text_has_another_digest_and_no_judgement() -> None:
    kept = merged({}, [row("ocr", "bank", "bonk", "kept")], as_made)
    assert kept["ocr"]["made"] == "print of ocr"
    assert row_digest("ocr", "bank", "bamk") not in kept["ocr"]["rows"]
    assert row_digest("ocr", "bank", "bonk") in kept["ocr"]["rows"]


def test_nothing_is_left_of_what_another_perturbation_made() -> None:
    kept = merged({}, [row("ocr", "bank", "bonk", "kept"), row("swap", "bank", "bnak", "kept")], as_made)
    more = merged(kept, [row("ocr", "bank", "bamk", "broken")], lambda spec: "another")
    assert judged("ocr", more) == Judged(1, 0, 1)
    assert judged("swap", more) == Judged(0, 0, 1)
    assert judged("ocr", kept) == Judged(0, 0, 1)


def test_a_sheet_with_other_texts_or_words_is_refused() -> None:
    other = {**row("ocr", "bank", "bonk", "kept"), "variant": "bunk"}
    with pytest.raises(UsageError, match="draw the sheet anew"):
        merged({}, [other], as_made)
    with pytest.raises(UsageError, match="'fine' is none of kept, broken, unnatural"):
        merged({}, [row("ocr", "bank", "bonk", "fine")], as_made)


def kept_of(spec: str, broken: int, n: int, made: str) -> dict[str, SpecJudgements]:
    return {
        spec: SpecJudgements(made=made, rows={str(i): "broken" if i < broken else "kept" for i in range(n)})
    }


@pytest.mark.parametrize(
    ("broken", "n", "words"),
    [
        (0, 60, "broken 0 of 60 (at most 4.9%)"),  # 1 - .05 ** (1 / 60)
        (60, 60, "broken 60 of 60 (at most 100.0%)"),
        (2, 59, "not measured (59 read, 2 broken)"),
        (0, 0, "not measured"),
    ],
)
def test_the_words_give_the_one_sided_upper_limit(
    monkeypatch: pytest.MonkeyPatch, broken: int, n: int, words: str
) -> None:
    monkeypatch.setattr(module, "judgements", lambda: kept_of("swap", broken, n, made_now("swap")))
    assert broken_of("swap") == words
    assert broken_of("delete") == "not measured"


def test_a_perturbation_that_changed_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "judgements", lambda: kept_of("swap", 1, 60, made_now("delete")))
    assert broken_of("swap") == "not measured (changed since 60 were read)"
    monkeypatch.setattr(module, "judgements", lambda: kept_of("no_such_one", 1, 60, "of old"))
    assert broken_of("no_such_one") == "broken 1 of 60 (at most 7.7%)"  # it can't be made here to compare


@pytest.mark.parametrize("spec", sorted(judgements()))
def test_what_was_read_acts_on_a_probe_so_that_a_change_is_seen(spec: str) -> None:
    try:
        found = make(spec)
    except RobusttestError as e:
        pytest.skip(f"needs what is not here: {e}")
    still = replace(found, apply=lambda draft, rng, index: NotApplicable(reason="nothing to do"))
    monkeyed = made_of(still)
    assert made_now(spec) == made_of(found)
    assert made_now(spec) != monkeyed


PROMISED = {"preserves": 0.02, "probably": 0.10}
"""The largest share of broken ones with which a perturbation may promise so."""


@pytest.mark.parametrize("spec", sorted(judgements()))
def test_what_was_read_keeps_its_promise(spec: str) -> None:
    try:
        found, promise = judged(spec), make(spec).preserves
    except RobusttestError as e:
        pytest.skip(f"needs what is not here: {e}")
    if found.n >= ENOUGH and promise != "alters" and not changed(spec):
        assert found.broken <= PROMISED[promise] * found.n, broken_of(spec)


@pytest.mark.parametrize("name", [n for n in BUILT_IN])
def test_every_built_in_one_is_read_or_said_to_be_not_measured(name: str) -> None:
    words = {spec: broken_of(spec) for spec in judgements() if spec.partition(":")[0] == name} or {
        name: broken_of(name)
    }
    for spec, said in words.items():
        n = judged(spec).n
        assert said.startswith(
            "not measured" if n < ENOUGH or changed(spec) else f"broken {judged(spec).broken} of {n} "
        )
        assert set(judgements().get(spec, SpecJudgements(made="", rows={}))["rows"].values()) <= {
            "kept",
            "broken",
            "unnatural",
        }


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
    assert judged("keyboard", json.loads(home.read_text(encoding="utf-8"))) == Judged(0, 0, 12)
    monkeypatch.setattr(labels, "make", lambda spec: make("swap"))
    labels.main(["prune", str(folder), "--rows", "12"])
    assert json.loads(home.read_text(encoding="utf-8")) == {}


def test_few_data_sets_are_refused(labels: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="0 data sets"):
        labels.main(["draw", str(tmp_path)])
