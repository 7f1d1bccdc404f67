"""``robusttest analyze`` on tables written here."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from robusttest import cli
from robusttest.metrics import METRICS

GOLD, ANSWERS = "ABCDAB", ["AAAA", "BBBC", "CCDC", "DAAB", "BABB", "CCCC"]
"""Worked example A."""


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def example_a(**constant: str) -> list[dict[str, Any]]:
    return [
        {
            "model": "m", "task": "t", **constant, "case_id": f"c{i}", "variant": f"v{v}", "answer": letter,
            "target": GOLD[i], "score": int(letter == GOLD[i]),
        }
        for i, line in enumerate(ANSWERS)
        for v, letter in enumerate(line)
    ]  # fmt: skip


def write(path: Path, rows: Iterable[Mapping[str, Any]], *, without: tuple[str, ...] = ()) -> str:
    rows = [{k: v for k, v in row.items() if k not in without} for row in rows]
    if path.suffix == ".csv":
        with open(path, "w", newline="", encoding="utf-8") as f:
            writer = csv.DictWriter(f, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        import pandas as pd

        pd.DataFrame(rows).to_parquet(path)
    return str(path)


def analyze(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(["analyze", *argv])
    said = capsys.readouterr()
    return code, said.out, said.err


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    code, out, err = analyze(capsys, *argv)
    assert (code, out) == (2, "")
    return err


def metrics(path: Path) -> dict[tuple[str, str | None], dict[str, Any]]:
    (cell,) = json.loads(path.read_text())["cells"]
    return {(m["metric"], m["perturbation"]): m for m in cell["metrics"]}


EXPECTED = {
    "accuracy": 0.666667, "overall_accuracy": 0.5, "pass_rate": 0.444444, "drop": 0.222222, "spread": 0.333333,
    "robust_accuracy": 0.166667, "output_consistency": 0.333333, "pairwise_consistency": 0.611111, "pss": 0.333333,
    "flip_rate": 0.333333, "right_to_wrong": 0.416667, "pdr": 0.333333, "consistency_kappa": 0.333333,
    "consistency_icc": 0.393939, "answer_kappa": 0.453659, "cps": 0.555556, "tara": 0.333333,
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("without", [("score",), ("answer", "target"), ()])
def test_the_worked_example_from_any_file(capsys, tmp_path, suffix, without):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    file = write(tmp_path / f"results.{suffix}", example_a(), without=without)
    report = tmp_path / "report.json"
    code, out, err = analyze(capsys, file, "--reference", "v0", "--report", f"json:{report}")
    assert (code, err) == (0, "")
    assert "6 cases" in out
    assert "24 recorded replies" in out
    found = metrics(report)
    assert {m for m, p in found if p is None} == set(METRICS)
    for name, value in EXPECTED.items():
        e = found[name, None]
        if name in ("output_consistency", "pairwise_consistency", "flip_rate", "answer_kappa", "tara") and (
            "answer" in without
        ):
            assert (e["value"], e["reason"]) == (None, "no answers recorded")
        else:
            assert e["value"] == pytest.approx(value, abs=5e-7), name
    assert found["pass_rate", "v2"]["value"] == pytest.approx(1 / 3)


def test_other_names_and_no_reference(capsys, tmp_path):
    rows = [
        {
            "llm": r["model"],
            "dataset": r["task"],
            "item": r["case_id"],
            "prompt": r["variant"],
            "ok": r["score"] == 1,
        }
        for r in example_a()
    ]
    file, report = write(tmp_path / "r.csv", rows), tmp_path / "r.json"
    names = ["model=llm", "task=dataset", "case_id=item", "variant=prompt", "score=ok"]
    code, _, _ = analyze(capsys, file, *(f"--map={n}" for n in names), f"--report=json:{report}")
    assert code == 0
    found = metrics(report)
    assert found["overall_accuracy", None]["value"] == pytest.approx(0.5)
    assert found["drop", None]["value"] is None
    assert "no reference" in found["drop", None]["reason"]


def test_two_columns_together_are_a_name(capsys, tmp_path):
    rows = [
        {**r, "shots": 0 if r["variant"] in ("v0", "v1") else 5, "format": int(r["variant"][1]) % 2}
        for r in example_a()
    ]
    file, report = (
        write(tmp_path / "r.csv", [{k: v for k, v in r.items() if k != "variant"} for r in rows]),
        tmp_path / "r.json",
    )
    code, _, _ = analyze(
        capsys, file, "--map=variant=format+shots", "--reference=0 0", f"--report=json:{report}"
    )
    assert code == 0
    assert metrics(report)["accuracy", None]["value"] == pytest.approx(2 / 3)
    assert metrics(report)["pass_rate", "1 5"]["value"] == pytest.approx(1 / 3)


def test_repeats_clusters_and_perturbations(capsys, tmp_path):
    rows = [
        {**r, "variant": "" if r["variant"] == "v0" else r["variant"], "cluster": f"k{int(r['case_id'][1]) // 2}",
         "perturbation": "" if r["variant"] == "v0" else "ocr"}
        for r in example_a()
    ]  # fmt: skip
    rows += [{**r, "repeat": 1} for r in rows if not r["perturbation"]]
    rows = [{"repeat": 0, **r} for r in rows]
    file, report = write(tmp_path / "r.csv", rows), tmp_path / "r.json"
    assert analyze(capsys, file, f"--report=json:{report}")[0] == 0
    found = metrics(report)
    assert found["pass_rate", "ocr"]["value"] == pytest.approx(0.444444, abs=5e-7)
    assert found["net_drop", None]["value"] == pytest.approx(0.222222, abs=5e-7)
    assert "3 clusters" in found["overall_accuracy", None]["method"]


@pytest.mark.parametrize(
    ("expect", "code"),
    [
        ("accuracy >= 0.6", 0),
        ("accuracy >= 0.9", 1),
        ("flip_rate[v1] <= 0.9", 0),
        ("flip_rate[ocr] <= 0.9", 1),
    ],
)
def test_gates(capsys, tmp_path, expect, code):
    file = write(tmp_path / "r.csv", example_a())
    found, out, _ = analyze(capsys, file, "--reference=v0", "--expect", expect)
    assert found == code
    assert expect.split(" ")[0] in out


def test_a_gate_that_needs_what_is_not_there_is_no_pass(capsys, tmp_path):
    file = write(tmp_path / "r.csv", example_a())
    code, out, _ = analyze(capsys, file, "--expect", "drop <= 0.5")
    assert code == 1
    assert "no reference" in out


def test_reports_in_other_forms(capsys, tmp_path):
    file = write(tmp_path / "r.csv", example_a())
    paths = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "md")}
    code, out, _ = analyze(capsys, file, *(f"--report={k}:{p}" for k, p in paths.items()))
    assert code == 0
    assert out.count("wrote ") == 2
    with open(paths["csv"], newline="") as f:
        back = list(csv.DictReader(f))
    assert len(back) == 24
    assert sum(float(row["score"]) for row in back) == 12
    assert "overall" in paths["md"].read_text() or "accuracy" in paths["md"].read_text()
    again, _, _ = analyze(capsys, str(paths["csv"]))
    assert again == 0, "what it writes it reads"


def test_several_files_and_runs_of_our_own(capsys, tmp_path):
    first = write(tmp_path / "a.csv", example_a())
    second = write(tmp_path / "b.jsonl", example_a(model="other"))
    report = tmp_path / "r.json"
    assert analyze(capsys, first, second, f"--report=json:{report}")[0] == 0
    assert [c["model"] for c in json.loads(report.read_text())["cells"]] == ["m", "other"]
    golden = str(Path(__file__).parents[1] / "store" / "golden_runs" / "schema-1.jsonl")
    assert analyze(capsys, golden)[0] == 0
    assert "run of robusttest" in refused(capsys, golden, "--reference=x")


def test_the_same_rows_in_two_files(capsys, tmp_path):
    file = write(tmp_path / "a.csv", example_a())
    again = write(tmp_path / "b.csv", example_a())
    said = refused(capsys, file, again)
    assert "repeats" in said
    assert "case 'c0'" in said
    assert "--map variant=file" in said


def test_finished_numbers_are_set_in_relation(capsys, tmp_path):
    cells = [
        {"llm": f"m{i}", "task": f"t{j}", "shots": s, "acc": 0.5 + i / 10 + j / 20, "TAR": 0.9 - j / 10 - s / 100}
        for i in range(3) for j in range(3) for s in (0, 5)
    ]  # fmt: skip
    file, report = write(tmp_path / "cells.csv", cells), tmp_path / "r.json"
    names = ["model=llm", "task=task+shots", "accuracy=acc", "tara=TAR"]
    code, out, _ = analyze(capsys, file, *(f"--map={n}" for n in names), f"--report=json:{report}")
    assert code == 0
    assert "consistency on overall accuracy: slope" in out
    assert "no results" not in out
    data = json.loads(report.read_text())
    assert data["cells"] == []
    (all_cells, *_) = data["emergence"]["relations"]
    assert (all_cells["metric"], all_cells["n"]) == ("output_consistency", 18)
    assert data["emergence"]["shares"][0]["eta_task"] == pytest.approx(1)
    assert "without --expect" in refused(
        capsys, file, *(f"--map={n}" for n in names), "--expect=accuracy >= 0.5"
    )


def test_the_cross_cell_analysis_is_in_the_json(capsys, tmp_path):
    rng = random.Random(3)
    rows = [
        {"model": m, "task": t, "case_id": i, "variant": v, "score": int(rng.random() < p)}
        for m in "abc"
        for t, mean in zip("xyz", (0.9, 0.7, 0.5), strict=True)
        for i in range(30)
        for p in [rng.betavariate(2 * mean, 2 - 2 * mean)]
        for v in range(4)
    ]
    file, report = write(tmp_path / "r.csv", rows), tmp_path / "r.json"
    code, out, _ = analyze(capsys, file, "--reference=0", f"--report=json:{report}")
    assert code == 0
    assert "robustness against accuracy: 3 models, 3 tasks" in out
    data = json.loads(report.read_text())
    assert len(data["cells"]) == 9
    assert len(data["emergence"]["points"]) == 9


# bad input


def changed(row: int, **values: Any) -> list[dict[str, Any]]:
    rows = example_a()
    rows[row] |= values
    return rows


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (changed(2, score="nan"), "row 3 (line 4), column 'score': 'nan' is not in [0, 1]"),
        (changed(2, score=""), "row 3 (line 4), column 'score': missing"),
        (changed(0, score="1.5"), "row 1 (line 2), column 'score': '1.5' is not in [0, 1]"),
        (changed(0, score="-0.1"), "row 1 (line 2), column 'score': '-0.1' is not in [0, 1]"),
        (changed(0, score="yes"), "row 1 (line 2), column 'score': 'yes' is not a number"),
        (changed(5, case_id=""), "row 6 (line 7), column 'case_id': empty"),
        (changed(1, variant="v0"), "row 2 (line 3) repeats"),
    ],
)
def test_a_bad_value_is_named_by_row_and_column(capsys, tmp_path, rows, said):
    assert said in refused(capsys, write(tmp_path / "r.csv", rows))


def test_nan_in_jsonl(capsys, tmp_path):
    file = write(tmp_path / "r.jsonl", changed(2, score=float("nan")))
    assert "line 3, column 'score': missing" in refused(capsys, file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"model,task,case_id,variant,score\n", "has no rows"),
        (b"model,task,case_id,score\nm,t,c,1\n", "no column 'variant'"),
        (b"model,task,case_id,variant\nm,t,c,v\n", "needs a column 'score', or 'answer' and 'target'"),
        (b"model,task,case_id,variant,score\nm,t,caf\xe9,v,1\n", "line 2, byte 40 (0xe9) is not utf-8"),
        (b"model,task,case_id,variant,score\nm,t,c,v\n", "4 values for 5 columns"),
        (b"model,task,case_id,variant,score,score\nm,t,c,v,1,1\n", "'score' is there 2 times"),
    ],
)
def test_a_bad_file(capsys, tmp_path, content, said):
    file = tmp_path / "r.csv"
    file.write_bytes(content)
    assert said in refused(capsys, str(file))


def test_another_encoding_can_be_said(capsys, tmp_path):
    file = tmp_path / "r.csv"
    file.write_bytes("model,task,case_id,variant,score\nm,t,café,v,1\n".encode("cp1252"))
    assert analyze(capsys, str(file), "--encoding=cp1252")[0] == 0


def test_wrong_arguments(capsys, tmp_path):
    file = write(tmp_path / "r.csv", example_a())
    assert "no such file" in refused(capsys, str(tmp_path / "x.csv"))
    assert "reference 'v9' is not among the variants: v0, v1, v2, v3" in refused(
        capsys, file, "--reference=v9"
    )
    assert "'item'" in refused(capsys, file, "--map=item=case_id")
    assert "no column 'item'" in refused(capsys, file, "--map=case_id=item")
    assert "names 'task' twice" in refused(capsys, file, "--map=task=task", "--map=task=model")
    assert "--expect: " in refused(capsys, file, "--expect=accuracy > 2")
    assert "Did you mean 'accuracy'?" in refused(capsys, file, "--expect=acuracy >= 0.9")
    assert "'accuracy >= 0.9' is listed twice" in refused(
        capsys, file, "--expect=accuracy >= 0.9", "--expect=accuracy >= 90%"
    )
    for bad in ("--map=x", "--report=pdf:x"):
        with pytest.raises(SystemExit) as stop:
            cli.main(["analyze", file, bad])
        assert stop.value.code == 2
    assert "unknown report kind 'pdf'" in capsys.readouterr().err


def only(variants: str) -> list[dict[str, Any]]:
    return [r for r in example_a() if r["variant"] in variants.split()]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (only("v0"), {"accuracy": 4 / 6, "output_consistency": None, "drop": None, "consistency_icc": None}),
        (
            [{**r, "score": 1, "answer": r["target"]} for r in example_a()],
            {"accuracy": 1, "robust_accuracy": 1, "pdr": 0, "consistency_icc": None, "excess_consistency": None},
        ),
        (
            [{**r, "score": 0, "answer": "Z"} for r in example_a()],
            {"accuracy": 0, "output_consistency": 1, "robust_accuracy": 0, "pdr": 0, "right_to_wrong": None},
        ),
        (  # A 1,1,1,0 and B 1,0
            [
                {"model": "m", "task": "t", "case_id": c, "variant": f"v{i}", "score": int(s)}
                for c, line in (("A", "1110"), ("B", "10"))
                for i, s in enumerate(line)
            ],
            {"overall_accuracy": 0.625},
        ),
    ],
)  # fmt: skip
def test_the_ends_of_the_range_have_a_meaning(capsys, tmp_path, rows, expected):
    """One variant, all right, all wrong, unequal variants; a single model and task throughout."""
    report = tmp_path / "r.json"
    file = write(tmp_path / "r.csv", rows)
    assert analyze(capsys, file, "--reference=v0", f"--report=json:{report}")[0] == 0
    found = metrics(report)
    for name, value in expected.items():
        assert found[name, None]["value"] == (None if value is None else pytest.approx(value)), name
        if value is None:
            assert found[name, None]["reason"]


def test_hostile_text_is_escaped(capsys, tmp_path):
    rows = [{**r, "task": "a\x1b[2Jb", "model": "=cmd()", "answer": "\x1b[31mX"} for r in example_a()]
    file, out = write(tmp_path / "r.jsonl", rows), tmp_path / "o.csv"
    code, said, _ = analyze(capsys, file, f"--report=csv:{out}")
    assert code == 0
    assert "\x1b" not in said
    assert ",=cmd()" not in out.read_text()


def test_in_a_process_of_its_own(tmp_path):
    rng = random.Random(5)
    rows = [
        {"model": m, "task": t, "case_id": str(i), "variant": str(v), "score": int(rng.random() < 0.8)}
        for m in "ab" for t in "xy" for i in range(20) for v in range(3)
    ]  # fmt: skip
    file = write(tmp_path / "r.csv", rows)
    command = [
        sys.executable,
        "-m",
        "robusttest.cli",
        "analyze",
        file,
        "--reference=0",
        "--expect=accuracy >= 0.99",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert "4 failed" in done.stdout


def test_rows_whose_target_moves_are_read_so_in_every_format(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Options recorded as letters and shuffled: the model is perfect, and nothing says that it is inconsistent."""
    rows = [
        {
            "model": "perfect",
            "task": "mc",
            "case_id": i,
            "variant": v,
            "answer": "ABCD"[j % 4],
            "target": "ABCD"[j % 4],
        }
        for i in range(60)
        for v, j in (("orig", i), ("shuffled", i + 1))
    ]
    made = {k: tmp_path / f"r.{k}" for k in ("json", "md", "html")}
    flags = [f"--report={k}:{path}" for k, path in made.items()]
    code, out, _ = analyze(capsys, write(tmp_path / "a.csv", rows), "--reference", "orig", *flags)
    assert code == 0
    note = "60 of 120 rows have another right answer than their case unperturbed"
    said = {k: path.read_text(encoding="utf-8") for k, path in made.items()}
    for text in (" ".join(out.split()), *said.values()):
        assert note in text
        for wrong in ("fragile", "competence-limited", "failing variant", "flip rate"):
            assert wrong not in text.partition('id="words"')[0], wrong
    found = metrics(made["json"])
    assert found["sensitivity", None]["value"] == 1
    for name in ("output_consistency", "consistency_icc", "flip_rate", "robust_accuracy", "drop"):
        assert found.get((name, None), {"value": None})["value"] is None, name
    (cell,) = json.loads(said["json"])["cells"]
    assert cell.get("advice") is None
    assert "| mc | perfect | 60 | 2 | 1.000 [0.940, 1.000] | - | - | - | - |" in said["md"]


def test_factors_and_slices_of_a_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = [
        {
            "model": "m", "task": "t", "case_id": f"c{i}", "wording": w, "shots": s, "topic": "even" if i % 2 == 0 else "odd",
            "score": int(not (w == "formal" and i % 3 == 0)),
        }
        for i in range(30) for w in ("plain", "formal") for s in (0, 4)
    ]  # fmt: skip
    table = write(tmp_path / "t.csv", rows)
    code, out, err = analyze(
        capsys, table, "--factors=wording,shots", "--by=topic", "--reference=plain 0", "--report", f"json:{tmp_path}/r.json"
    )  # fmt: skip
    assert code == 0, err
    assert "which knob matters: wording does (Holm over 2 factors); 30 cases x 4 configurations" in out
    assert "wording: plain 1.000, formal 0.667; partial eta2" in out
    assert "by topic: none surely differs from the rest" in out
    made = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["cells"][0]
    assert [f["name"] for f in made["factors"][0]["factors"]] == ["wording", "shots"]
    code, _, err = analyze(capsys, table, "--factors=wordin,shots")
    assert code == 2
    assert "no such column. Did you mean 'wording'?" in err
