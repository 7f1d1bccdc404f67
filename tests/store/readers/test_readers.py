"""What other tools leave is read: the small files in ``data`` were written by the tools themselves (events left out)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robusttest import cli
from robusttest.core.nouns import Record
from robusttest.errors import CaseError, StorageError, UnknownNameError, UsageError
from robusttest.store.readers import open_file, read

DATA = Path(__file__).parent / "data"


def scores(records: list[Record]) -> dict[tuple[str, str, int], float | None]:
    return {(r.case_id, r.variant, r.repeat): r.score for r in records}


def write(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


# --- inspect_ai


@pytest.mark.parametrize("kind", ["eval", "json"])
def test_inspect_epochs_are_repeats_and_task_arguments_variants(kind: str) -> None:
    one, _ = read([DATA / f"inspect-a.{kind}"])
    assert {(r.task, r.model) for r in one} == {("capitals", "mockllm/model")}
    assert [(r.case_id, r.repeat, r.score, r.answer, r.target) for r in one if r.case_id != "c1"] == [
        ("c0", 0, 1.0, "Paris", "Paris"), ("c2", 0, 0.0, "Milan", "Rome"),
        ("c0", 1, 1.0, "Paris", "Paris"), ("c2", 1, 0.0, "Milan", "Rome"),
    ]  # fmt: skip
    both, notes = read([DATA / f"inspect-{x}.{kind}" for x in "ab"])
    assert len(both) == 12
    assert {r.variant for r in both} == {"style=plain", "style=short"}
    assert any("2 variants (style=plain, style=short)" in n for n in notes)
    named, _ = read([DATA / f"inspect-{x}.{kind}" for x in "ab"], reference="style=plain")
    assert {r.perturbation for r in named} == {"", "style=short"}


def test_two_files_of_one_run_are_refused() -> None:
    with pytest.raises(UsageError, match=r"inspect-a.* are of one run \(.*\): give one of them"):
        read([DATA / "inspect-a.eval", DATA / "inspect-a.eval"])


def test_the_same_task_again_is_repeats(tmp_path: Path) -> None:
    log = json.loads((DATA / "inspect-a.json").read_text())
    paths = []
    for i in range(3):
        log["eval"]["run_id"] = f"run{i}"
        paths.append(write(tmp_path / f"{i}.json", log))
    records, notes = read(paths)
    assert sorted({r.repeat for r in records}) == [0, 1, 2, 3, 4, 5]
    assert any("3 files of capitals × mockllm/model: repeats" in n for n in notes)


def test_a_failed_sample_is_no_wrong_answer(tmp_path: Path) -> None:
    log = json.loads((DATA / "inspect-a.json").read_text())
    log["samples"][0].update(scores={}, error={"message": "connection reset"})
    records, _ = read([write(tmp_path / "log.json", log)])
    failed = [r for r in records if r.status == "error"]
    assert [(r.case_id, r.score, r.reason) for r in failed] == [("c0", None, "connection reset")]


def test_another_score_by_its_own_name(tmp_path: Path) -> None:
    log = json.loads((DATA / "inspect-a.json").read_text())
    for sample in log["samples"]:
        sample["scores"]["judge"] = {"value": "P", "answer": "x"}
    records, _ = read([write(tmp_path / "log.json", log)], mapping={"score": "scores.judge.value"})
    assert {r.score for r in records} == {0.5}


@pytest.mark.parametrize("cut", [10, 400, 2000])
def test_a_cut_archive_is_named(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.eval"
    path.write_bytes((DATA / "inspect-a.eval").read_bytes()[:cut])
    with pytest.raises(CaseError, match=r"cut\.eval: not a whole inspect_ai log"):
        read([path])


# --- lm-eval


def test_lm_eval_samples_with_the_model_beside_them() -> None:
    (file,) = (DATA / "my__model").glob("samples_*")
    records, notes = read([file])
    assert [(r.task, r.model, r.case_id, r.score, r.answer, r.target) for r in records][0] == (  # noqa: RUF015  the first of them
        "toy_sum", "my/model", "0", 0.0, "lol", "2",
    )  # fmt: skip
    assert notes[0] == "read as lm-eval"


def test_lm_eval_takes_one_filter_and_the_likeliest_option(tmp_path: Path) -> None:
    folder = tmp_path / "org__name"
    folder.mkdir()
    lines = []
    for i in range(3):
        for kind in ("strict-match", "flexible-extract"):
            lines.append(
                {"doc_id": i, "doc": {}, "target": "1", "resps": [], "filter": kind, "metrics": ["acc"],
                 "filtered_resps": [["-2.5", "False"], ["-0.1", "True"]], "acc": float(kind == "strict-match")}
            )  # fmt: skip
    path = write(folder / "samples_arc_2026-01-02T00-00-00.1.jsonl", "\n".join(map(json.dumps, lines)))
    records, _ = read([path])
    assert [(r.model, r.task, r.score, r.answer) for r in records] == [("org/name", "arc", 1.0, 1)] * 3


def test_a_model_that_no_file_names_is_asked_for_with_the_way_out(tmp_path: Path) -> None:
    (file,) = (DATA / "my__model").glob("samples_*")
    alone = write(tmp_path / file.name, file.read_text())
    with pytest.raises(UsageError, match=r"no column 'model'.*--set model=NAME"):
        read([alone])
    records, _ = read([alone], constants={"model": "mine"})
    assert {r.model for r in records} == {"mine"}


# --- HELM


def helm_run(tmp_path: Path, name: str = "mmlu:subject=law,model=org_m") -> Path:
    folder = tmp_path / name
    folder.mkdir()
    perturbed = {"name": "misspellings", "computed_on": "perturbed"}
    rows = [
        {"instance_id": f"id{i}", "train_trial_index": 0, **({"perturbation": p} if p else {}),
         "stats": [{"name": {"name": "exact_match", **({"perturbation": p} if p else {})}, "mean": float(i > 0 or not p)},
                   {"name": {"name": "num_prompt_tokens"}, "mean": 12.0}]}
        for i in range(4) for p in (None, perturbed)
    ]  # fmt: skip
    write(
        folder / "display_predictions.json",
        [{"instance_id": "id1", "train_trial_index": 0, "predicted_text": " A", "mapped_output": "law"}],
    )
    return write(folder / "per_instance_stats.json", rows)


def test_helm_instances_with_perturbations(tmp_path: Path) -> None:
    records, _ = read([helm_run(tmp_path)])
    assert {(r.task, r.model) for r in records} == {("mmlu:subject=law", "org_m")}
    assert scores(records) == {
        **{(f"id{i}", "", 0): 1.0 for i in range(4)},
        **{(f"id{i}", "misspellings", 0): float(i > 0) for i in range(4)},
    }
    assert [r.answer for r in records if r.case_id == "id1" and not r.variant] == ["law"]


# --- OpenAI evals


def test_openai_evals_match_events(tmp_path: Path) -> None:
    lines = [
        {"spec": {"completion_fns": ["gpt-x"], "eval_name": "sum.dev.v0", "base_eval": "sum", "run_id": "r1"}},
        {"run_id": "r1", "event_id": 0, "sample_id": "s.0", "type": "sampling", "data": {"prompt": "2+2", "sampled": ["4"]}},
        {"run_id": "r1", "event_id": 1, "sample_id": "s.0", "type": "match", "data": {"correct": True, "expected": "4", "picked": "4"}},
        {"run_id": "r1", "event_id": 2, "sample_id": "s.1", "type": "match", "data": {"correct": False, "expected": ["5"], "picked": None, "sampled": "six"}},
        {"run_id": "r1", "event_id": 3, "sample_id": "s.2", "type": "error", "data": {"type": "Timeout", "message": "no reply"}},
        {"run_id": "r1", "event_id": 4, "sample_id": "s.2", "type": "error", "data": {"type": "Timeout", "message": "again"}},
        {"run_id": "r1", "event_id": 5, "sample_id": "s.1", "type": "error", "data": {"type": "Timeout", "message": "then a reply"}},
        {"final_report": {"accuracy": 0.5}},
    ]  # fmt: skip
    records, _ = read([write(tmp_path / "log.jsonl", "\n".join(map(json.dumps, lines)))])
    assert [(r.task, r.model, r.case_id, r.score, r.answer, r.target) for r in records] == [
        ("sum", "gpt-x", "s.0", 1.0, "4", "4"), ("sum", "gpt-x", "s.1", 0.0, "six", "5"), ("sum", "gpt-x", "s.2", None, None, None),
    ]  # fmt: skip
    assert [(r.case_id, r.reason) for r in records if r.status == "error"] == [("s.2", "no reply")]


# --- promptfoo


def promptfoo(**more: Any) -> dict[str, Any]:
    rows = [
        {"promptIdx": p, "testIdx": t, "provider": {"id": "openai:x", "label": ""}, "prompt": {"raw": "…", "label": f"p{p}"},
         "response": {"output": "A"}, "success": t != 1, "score": float(t != 1), **more}
        for t in range(3) for p in range(2)
    ]  # fmt: skip
    return {"evalId": "e1", "config": {"description": "faq"}, "results": {"version": 3, "results": rows}}


def test_promptfoo_prompts_are_variants(tmp_path: Path) -> None:
    records, _ = read([write(tmp_path / "out.json", promptfoo())], reference="p0")
    assert {(r.task, r.model) for r in records} == {("faq", "openai:x")}
    assert scores(records) == {(str(t), v, 0): float(t != 1) for t in range(3) for v in ("", "p1")}


def test_promptfoo_errors_are_errors_and_tests_asked_again_repeats(tmp_path: Path) -> None:
    value = promptfoo()
    rows = value["results"]["results"]
    rows[0].update(failureReason=2, error="429", response=None, success=False, score=0)
    rows.append(dict(rows[1]))
    records, _ = read([write(tmp_path / "out.json", value)])
    assert [(r.case_id, r.variant, r.score) for r in records if r.status == "error"] == [("0", "p0", None)]
    assert scores(records)["0", "p1", 1] == 1.0


# --- DeepEval


def test_deepeval_test_runs() -> None:
    records, _ = read([DATA / "deepeval.json"])
    assert [(r.model, r.case_id, r.score, r.answer, r.target) for r in records] == [
        ("mine", "q0", 0.0, "b", "a"), ("mine", "q1", 1.0, "a", "a"), ("mine", "q2", 1.0, "a", "a"),
    ]  # fmt: skip


# --- Every Eval Ever, both ways


def test_every_eval_ever_is_written_and_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = ["model,task,case_id,variant,score,answer,target,repeat,cluster,status"]
    for i in range(6):
        for variant in ("base", "typo"):
            right = i % 3 != 0 or variant == "base"
            table.append(f"m,t,c{i},{variant},{int(right)},{'A' if right else 'B'},A,0,g{i // 2},ok")
    table[-1] = table[-1].replace(",1,A,A,0,g2,ok", ",,,A,0,g2,error")
    source, out = write(tmp_path / "in.csv", "\n".join(table)), tmp_path / "out.jsonl"
    assert cli.main(["analyze", str(source), "-q", "--report", f"eee:{out}"]) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert {"schema_version", "evaluation_id", "model_id", "evaluation_name", "sample_id", "interaction_type", "input",
            "output", "answer_attribution", "evaluation", "metadata"} <= lines[0].keys()  # fmt: skip
    assert all(isinstance(v, str) for line in lines for v in line["metadata"].values())
    assert open_file(out).format == "every-eval-ever"
    before, _ = read([source])
    after, _ = read([out])
    kept = (
        "model",
        "task",
        "case_id",
        "variant",
        "perturbation",
        "repeat",
        "score",
        "answer",
        "target",
        "cluster",
        "status",
    )
    assert [[getattr(r, k) for k in kept] for r in after] == [[getattr(r, k) for k in kept] for r in before]


# --- tables of any shape


def test_wide_tables(tmp_path: Path) -> None:
    path = write(
        tmp_path / "wide.csv", "model,task,case_id,original,typo\nm,t,0,1,0\nm,t,1,1,\nm,t,2,pass,fail\n"
    )
    records, notes = read([path], wide=["original", "typo"])
    assert scores(records) == {
        ("0", "", 0): 1.0, ("0", "typo", 0): 0.0, ("1", "", 0): 1.0, ("2", "", 0): 1.0, ("2", "typo", 0): 0.0,
    }  # fmt: skip
    assert any("'original' is taken for the unperturbed prompt" in n for n in notes)
    assert any("of 3 cases typo 2" in n for n in notes)
    with pytest.raises(UsageError, match="no column 'typos', only"):
        read([path], wide=["original", "typos"])


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("C", "C"),
        ("I", ""),
        ("P", ""),
        ("correct", "c"),
        ("Pass", "p"),
        ("failed", ""),
        ("TRUE", "t"),
        (" 1 ", "1"),
    ],
)
def test_words_for_right_and_wrong(tmp_path: Path, text: str, right: str) -> None:
    path = write(tmp_path / "t.csv", f"model,task,case_id,variant,score\nm,t,0,base,{text}\n")
    (record,), _ = read([path])
    assert record.score == (0.5 if text == "P" else float(bool(right)))


def test_right_says_what_is_right_and_percent_are_shares(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv", "model;task;case_id;variant;score;share\nm;t;0;base;ja;92 %\nm;t;1;base;nein;7%\n"
    )
    with pytest.raises(
        CaseError, match=r"'ja' is not a number; say which values are right, as in --right 'ja'"
    ):
        read([path])
    records, _ = read([path], right=["ja"])
    assert [r.score for r in records] == [1.0, 0.0]
    records, _ = read([path], mapping={"score": "share"})
    assert [r.score for r in records] == [0.92, 0.07]
    with pytest.raises(UsageError, match="no score is 'oui'; there are: ja, nein"):
        read([path], right=["oui"])


def test_blanks_that_make_answers_wrong_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", "\n".join(
        json.dumps({"model": "m", "task": "t", "case_id": i, "variant": "base", "answer": " A" if i else "A", "target": "A"})
        for i in range(3)
    ))  # fmt: skip
    records, notes = read([path])
    assert [r.score for r in records] == [1.0, 0.0, 0.0]
    assert any(
        n.startswith("2 of 3 answers differ from their target by blanks or capitals alone") for n in notes
    )


@pytest.mark.parametrize("pack", ["gz", "zst"])
def test_packed_tables(tmp_path: Path, pack: str) -> None:
    text = b"model\ttask\tcase_id\tvariant\tscore\nm\tt\t0\tbase\t1\n"
    if pack == "zst":
        zstandard = pytest.importorskip("zstandard")
        packed = zstandard.ZstdCompressor().compress(text)
    else:
        packed = gzip.compress(text)
    path = tmp_path / f"t.csv.{pack}"
    path.write_bytes(packed)
    (record,), _ = read([path])
    assert (record.case_id, record.score) == ("0", 1.0)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(CaseError, match="can't be unpacked"):
        read([path])


def test_dotted_names_and_the_files_name(tmp_path: Path) -> None:
    rows = [{"doc": {"id": f"q{i}", "gold": ["x"]}, "out": {"text": "x" if i else "y"}} for i in range(3)]
    paths = [write(tmp_path / f"{name}.jsonl", "\n".join(map(json.dumps, rows))) for name in ("base", "typo")]
    mapping = {"case_id": "doc.id", "answer": "out.text", "target": "doc.gold.0", "variant": "file"}
    records, _ = read(paths, mapping=mapping, constants={"model": "m", "task": "t"})
    assert scores(records) == {(f"q{i}", v, 0): float(i > 0) for i in range(3) for v in ("", "typo")}


def test_format_is_asked_and_checked(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="inspect"):
        read([DATA / "inspect-a.json"], format="inspct")
    with pytest.raises(CaseError, match="not a file of helm"):
        read([DATA / "inspect-a.json"], format="helm")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_by_name(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.mktemp("any", numbered=True)
    for suffix in (".json", ".jsonl", ".csv", ".eval"):
        path = folder / f"x{suffix}"
        path.write_bytes(raw)
        said = f"x{suffix}"
        try:
            read([path])
        except (UsageError, CaseError, StorageError) as e:
            said = str(e)
        assert f"x{suffix}" in said


def _notes(tmp_path: Path, name: str, rows: list[dict[str, object]]) -> list[str]:
    path = tmp_path / f"{name}.jsonl"
    path.write_text(
        "".join(json.dumps({"model": "m", "task": "t", **r}) + "\n" for r in rows), encoding="utf-8"
    )
    return read([path])[1]


def _rows(n: int = 4, variants: tuple[str, ...] = ("", "p")) -> list[dict[str, object]]:
    return [
        {"case_id": f"c{i}", "variant": v, "answer": "A", "target": "A"} for i in range(n) for v in variants
    ]


def test_a_column_with_one_gap_is_told(tmp_path: Path) -> None:
    assert _notes(tmp_path, "whole", _rows()) == []
    rows = _rows()
    rows[3]["target"] = None
    assert _notes(tmp_path, "target", rows) == [
        "1 of 8 rows have no target: they have no score, and count in no accuracy"
    ]
    rows = [{**r, "cluster": None if i > 5 else "x"} for i, r in enumerate(_rows())]
    assert _notes(tmp_path, "cluster", rows) == [
        "1 of 4 cases have no cluster: they count as independent of all others"
    ]
    rows = [
        {**{k: v for k, v in r.items() if k != "answer"}, "score": None if i == 3 else 1}
        for i, r in enumerate(_rows())
    ]
    with pytest.raises(
        CaseError, match=r"line 4, column 'score': missing; a call that failed has status 'error'"
    ):
        _notes(tmp_path, "score", rows)


@pytest.mark.parametrize(
    ("answer", "target", "told"),
    [(True, 1, True), (0, False, True), ("True", "1", True), ("1.0", "true", True), (True, "true", False), (1, 0, False),
     (True, 0, False), ("yes", "1", False), (1, 1.0, False)],
)  # fmt: skip
def test_booleans_and_numbers_mixed_are_told(
    tmp_path: Path, answer: object, target: object, told: bool
) -> None:
    rows = [{**r, "answer": answer, "target": target} for r in _rows(1)]
    expected = "2 of 2 answers are true or false where the target is 1 or 0, or the reverse, and count as wrong: write both alike"
    assert (expected in _notes(tmp_path, "mixed", rows)) == told


def test_a_variant_that_only_some_cases_have_is_told_task_by_task(tmp_path: Path) -> None:
    rows = [r for r in _rows(4, ("", "p", "q")) if r["variant"] != "q" or r["case_id"] in ("c0", "c1")]
    assert _notes(tmp_path, "some", rows) == ["not every case has every variant: of 4 cases q 2"]
    # two tasks with cases and variants of their own lack nothing
    other = [{**r, "task": "u", "case_id": f"u{r['case_id']}"} for r in _rows(3, ("", "w"))]
    assert _notes(tmp_path, "two", [*_rows(), *other]) == []
    assert _notes(tmp_path, "both", [*rows, *other]) == [
        "not every case of t × m has every variant: of 4 cases q 2"
    ]
