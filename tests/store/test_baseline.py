from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest import store as runs
from robusttest.compare import Version, compare
from robusttest.core.nouns import Record, RunInfo
from robusttest.errors import StorageError, UsageError
from robusttest.store.baseline import BASELINE, SCHEMA, merged, read_baseline, write_baseline
from robusttest.store.versions import load_version

GOLDEN = Path(__file__).parent / "golden_baselines"
INFO = RunInfo(
    id="0123abcd", created="2026-11-24T12:00:00Z", commit="353a334d" * 5, label="v1", complete=True,
    versions={"robusttest": "0.1.0", "python": "3.13.1"},
)  # fmt: skip


def records(
    cases: int = 6, variants: int = 3, *, right: float = 0.7, seed: int = 1, **more: object
) -> list[Record]:
    rng = random.Random(seed)
    out = []
    for i in range(cases):
        for name in ["", *(f"keyboard:0.1#{v}" for v in range(variants - 1))]:
            good = rng.random() < right
            values = {
                "task": "routing", "model": "openai/gpt-4o-mini", "test": "tests/test_a.py::test_a", "case_id": f"t{i}",
                "variant": name, "perturbation": name.partition("#")[0], "level": "input" if name else "reference",
                "score": float(good), "answer": "billing" if good else "delivery", "target": "billing",
                "text": f"{i} {name}",
            }  # fmt: skip
            out.append(Record(**{**values, **more}))
    return out


def version(rows: list[Record], **info: object) -> Version:
    return Version.of(replace(INFO, **info), rows)


def stored(tmp_path: Path, rows: list[Record]) -> Path:
    return write_baseline(tmp_path / BASELINE, version(rows))


# what is kept


def test_a_version_and_its_baseline_are_the_same(tmp_path: Path):
    rows = records(40)
    rows[3] = replace(rows[3], status="unparsed", score=0.0, answer=None)
    rows[4] = replace(rows[4], status="refused", score=0.0, answer=None)
    rows[5] = replace(rows[5], status="error", score=None, answer=None)
    rows[6] = replace(rows[6], score=1 / 3, answer={"a": [1, 2]})
    rows[7] = replace(rows[7], status="not_applicable", score=None)
    rows[8] = replace(rows[8], text=None)
    rows = [replace(r, cluster=f"g{int(r.case_id[1:]) // 2}") for r in rows]
    made = version(rows)
    back = read_baseline(write_baseline(tmp_path / BASELINE, made))
    (a,), (b,) = made.cells, back.cells
    assert (b.key, b.clusters, b.levels) == (a.key, a.clusters, a.levels)
    assert b.rows.keys() == a.rows.keys()
    for key, row in a.rows.items():
        kept = b.rows[key]
        assert (kept.question, kept.asked) == ("", row.asked[:8]), (
            "without hashes of the inputs, those of the whole"
        )
        assert (kept.target, kept.score) == (row.target, row.score)
        assert kept.status == row.status
        assert kept.answer in (None, row.answer, '{"a": [1, 2]}')
        assert (kept.answer is not None) == (
            row.score is not None and row.score < 1 and row.answer is not None
        )
    assert (back.info.label, back.info.commit, back.info.complete) == ("v1", INFO.commit, True)
    assert back.info.versions == {"robusttest": "0.1.0"}, (
        "a version that changes nothing would only make diffs"
    )
    found = compare(back, made)
    assert all(c.identical for cell in found.cells for c in cell.changes)
    assert found.cells[0].excluded == {"unknown_input": 1, "no_reply_old": 1}


@given(
    st.lists(
        st.tuples(
            st.text(max_size=12), st.text(max_size=9), st.floats(0, 1), st.one_of(st.text(), st.integers())
        ),
        max_size=12,
        unique_by=lambda t: t[:2],
    )
)
@settings(max_examples=80, deadline=None)
def test_any_names_and_answers_come_back(cells):
    import tempfile

    rows = [
        Record(task="t\ud800", model="m\n", case_id=case, variant=name, perturbation="p", score=score, answer=answer,
               text="x", target=answer)
        for case, name, score, answer in cells
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = write_baseline(Path(folder) / "b.json", version(rows))
        back = read_baseline(path)
        assert write_baseline(Path(folder) / "c.json", back).read_bytes() == path.read_bytes()
    assert {k: v.score for c in back.cells for k, v in c.rows.items()} == {
        k: v.score for c in version(rows).cells for k, v in c.rows.items()
    }


def test_one_line_a_case_and_a_change_is_one_line_of_diff(tmp_path: Path):
    rows = records(30)
    before = stored(tmp_path, rows).read_text(encoding="utf-8").splitlines()
    at = next(i for i, r in enumerate(rows) if r.score == 1.0)
    rows[at] = replace(rows[at], score=0.0, answer="delivery")
    random.Random(2).shuffle(rows)
    after = stored(tmp_path, rows).read_text(encoding="utf-8").splitlines()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    ((old, new),) = changed
    assert old.startswith(f'"{rows[0].case_id[0]}')
    assert sum(line.startswith('"t') for line in before) == 30
    assert new.count("-") == old.count("-") + 1


def test_twenty_thousand_variants_are_under_a_megabyte(tmp_path: Path):
    for right, answer in ((0.85, "delivery"), (0.0, "a long wrong answer that is different ")):
        rows = [
            replace(r, answer=f"{answer}{i}" if r.score == 0 else r.answer)
            for i, r in enumerate(records(1000, 20, right=right))
        ]
        assert len(rows) == 20_000
        assert stored(tmp_path, rows).stat().st_size <= 1_000_000


def test_keys_in_answers_do_not_reach_the_file(tmp_path: Path):
    rows = records(3, right=0.0, answer="sk-abcdefghijklmnop123456")
    text = stored(tmp_path, rows).read_text(encoding="utf-8")
    assert "abcdefghijkl" not in text
    assert "[hidden]" in text


def test_answers_are_cut_by_bytes(tmp_path: Path):
    (cell,) = read_baseline(stored(tmp_path, records(2, right=0.0, answer="ß漢" * 50))).cells
    for row in cell.rows.values():
        assert row.answer.endswith("…")
        assert 10 < len(row.answer.encode()) <= 24


def test_the_hashes_of_inputs_and_that_of_the_reference_as_it_was_put_are_kept(tmp_path: Path):
    rows = [
        replace(r, case_hash=f"{i:08x}" * 2, input_hash=f"{99 - i:08x}" * 2) for i, r in enumerate(records(3))
    ]
    (cell,) = read_baseline(stored(tmp_path, rows)).cells
    for i, r in enumerate(rows):
        kept = cell.rows[r.case_id, r.perturbation, r.variant, 0]
        assert (kept.question, kept.asked) == (f"{i:08x}", "" if r.variant else f"{99 - i:08x}")
    again = write_baseline(tmp_path / "again.json", read_baseline(tmp_path / BASELINE))
    assert again.read_bytes() == (tmp_path / BASELINE).read_bytes()


# merging


def test_tests_that_did_not_run_are_kept_and_those_that_did_are_replaced(tmp_path: Path):
    a = records(3, test="a.py::a", task="a")
    b = records(3, test="a.py::b", task="b")
    old = version([*a, *b, *records(3, test="a.py::a", task="a", model="gone")])
    new = version(records(4, test="a.py::a", task="a", model="fresh"), label="v2")
    both = merged(old, new)
    assert [(c.task, c.model, len(c.clusters)) for c in both.cells] == [
        ("a", "fresh", 4),
        ("b", "openai/gpt-4o-mini", 3),
    ]
    assert both.info.label == "v2"
    assert merged(None, new) is new


# bad files


def test_merge_conflict_markers_are_named(tmp_path: Path):
    path = stored(tmp_path, records())
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[8:9] = ["<<<<<<< HEAD", lines[8], "=======", lines[8], ">>>>>>> branch"]
    path.write_text("\n".join(lines))
    with pytest.raises(StorageError, match=r"merge-conflict markers \(line 9\).*--robust-update-baseline"):
        read_baseline(path)


def test_a_merge_that_kept_both_sides_is_named(tmp_path: Path):
    path = stored(tmp_path, records())
    lines = path.read_text(encoding="utf-8").splitlines()
    lines.insert(9, lines[9])
    path.write_text("\n".join(lines))
    with pytest.raises(StorageError, match=r"has 't0' twice"):
        read_baseline(path)


def test_every_cut_is_noticed(tmp_path: Path):
    path = stored(tmp_path, records(3))
    whole = path.read_text(encoding="utf-8").rstrip()
    for size in range(0, len(whole), 7):
        path.write_text(whole[:size])
        with pytest.raises(StorageError, match="cut off in line"):
            read_baseline(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": SCHEMA + 1}, "written by a newer robusttest"),
        ({"schema_version": "1"}, "not a number that robusttest wrote"),
        ({"schema_version": True}, "not a number that robusttest wrote"),
        ({"kind": "other"}, "is not a baseline"),
        ({"cells": [{}]}, "not as robusttest wrote it"),
        ({"run": None}, "not as robusttest wrote it"),
    ],
)
def test_what_is_no_baseline_of_ours_is_refused(tmp_path: Path, change: dict[str, object], said: str):
    path = stored(tmp_path, records())
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}, indent=1))
    with pytest.raises(StorageError, match=said):
        read_baseline(path)


@pytest.mark.parametrize(
    "word", ["", "zz", "0123abcd", "0123abcd=2", "0123abcd=nan", "0123abcd++", "0123abcd=1-"]
)
def test_a_broken_outcome_names_its_case(tmp_path: Path, word: str):
    path = stored(tmp_path, records(2))
    data = json.loads(path.read_text())
    words = data["cells"][0]["cases"]["t1"]["outcomes"].split(" ")
    data["cells"][0]["cases"]["t1"]["outcomes"] = " ".join([word, *words[1:]])
    path.write_text(json.dumps(data, indent=1))
    with pytest.raises(StorageError, match=r"case 't1'.*outcome|case 't1'.*score|case 't1'.*float"):
        read_baseline(path)


def test_outcomes_that_do_not_fit_the_variants_are_refused(tmp_path: Path):
    path = stored(tmp_path, records(2))
    data = json.loads(path.read_text())
    data["cells"][0]["variants"].pop()
    path.write_text(json.dumps(data, indent=1))
    with pytest.raises(StorageError, match="3 outcomes for 2 variants"):
        read_baseline(path)


@given(st.binary(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_other_file_is_refused(content: bytes):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        path.write_bytes(content)
        with pytest.raises(StorageError):
            read_baseline(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_said(tmp_path: Path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="can't write"):
            stored(tmp_path, records())
    finally:
        tmp_path.chmod(0o700)


def test_an_unwritable_place_leaves_the_old_file(tmp_path: Path):
    with pytest.raises(StorageError, match="can't write"):
        write_baseline(tmp_path, version(records()))
    with pytest.raises(StorageError, match="can't read"):
        read_baseline(tmp_path / "absent.json")
    assert list(tmp_path.iterdir()) == []


# golden


def test_every_schema_that_was_ever_written_has_a_golden_baseline():
    assert sorted(int(p.stem.removeprefix("schema-")) for p in GOLDEN.glob("schema-*.json")) == list(
        range(1, SCHEMA + 1)
    )


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda p: p.stem)
def test_golden_baselines_stay_readable(path: Path):
    found = read_baseline(path)
    assert (found.info.label, found.info.commit, found.info.seed) == ("golden", "353a334d" * 5, 3)
    (cell,) = found.cells
    assert cell.key == ("tests/test_a.py::test_a", "intents", "openai/gpt-4o-mini")
    assert cell.clusters == {"c1": "g1", "c2": None}
    outcomes = {k[0] + k[2]: (r.status, r.score, r.answer) for k, r in cell.rows.items()}
    assert outcomes == {
        "c1": ("ok", 1.0, None),
        "c1keyboard#0": ("ok", 0.0, "delivery"),
        "c1keyboard#1": ("unparsed", 0.0, None),
        "c2": ("error", None, None),
        "c2keyboard#0": ("ok", 0.5, "bill"),
    }
    first = cell.rows["c1", "", "", 0]
    assert (first.question, first.asked) == (
        ("", "0123abcd") if path.stem == "schema-1" else ("0123abcd", "89abcdef")
    )


# a version by any name


def test_a_version_by_path_label_or_latest(tmp_path: Path):
    rows = records()
    baseline = stored(tmp_path, rows)
    path = runs.run_path(tmp_path / "d", INFO)
    with runs.RunWriter(path, INFO) as writer:
        writer.write(*rows)
        writer.close(INFO)
    for ref in (str(path), "v1", "0123", "latest", str(baseline)):
        found = load_version(ref, tmp_path / "d")
        assert len(found.cells[0].rows) == len(rows)
        assert compare(load_version(str(baseline)), found).cells[0].pairs == len(rows)
    renamed = tmp_path / "kept.txt"
    renamed.write_bytes(path.read_bytes())
    assert load_version(str(renamed)).cells[0].rows.keys() == found.cells[0].rows.keys()
    with pytest.raises(UsageError, match="no run 'absent'"):
        load_version("absent", tmp_path / "d")


def test_who_answered_stays_with_the_tests_that_did_not_run(tmp_path):
    def version(model, test, **who):
        record = Record(
            task="t",
            model=model,
            test=test,
            case_id="c",
            perturbation="",
            variant="",
            level="reference",
            score=1.0,
        )
        return Version.of(RunInfo(id="r", created="2026-01-01", **who), [record])

    old = version("a", "t.py::one", served={"a": ("a-1",), "b": ("b-1",)}, fingerprints={"a": ("f",)})
    new = version("b", "t.py::two", served={"b": ("b-2",)}, model_versions={"b": "3"})
    held = read_baseline(write_baseline(tmp_path / "b.json", merged(old, new))).info
    assert held.served == {"a": ("a-1",), "b": ("b-2",)}
    assert (held.fingerprints, held.model_versions) == ({"a": ("f",)}, {"b": "3"})
