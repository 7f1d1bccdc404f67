"""The failing variants that are kept between runs."""

from __future__ import annotations

import json

import pytest

from robusttest.core.nouns import Record
from robusttest.errors import StorageError
from robusttest.store.failing import FILE, MOST, MOST_EACH, cases_first, keep


def row(case, variant="", score=1.0, **more):
    given = {"task": "t", "model": "m", "test": "a.py::t", "text": "what\ud800"} | more
    return Record(case_id=case, variant=variant, perturbation=variant.partition("#")[0], score=score, **given)


KEY = ("a.py::t", "t", "m")


def lines(folder):
    return [json.loads(line) for line in (folder / FILE).read_text().splitlines()]


def test_failing_variants_are_kept_and_found(tmp_path):
    keep(tmp_path, [[row("a"), row("a", "k#0", 0.0), row("b"), row("b", "k#0"), row("c", score=0.0)]])
    assert cases_first(tmp_path) == {KEY: frozenset("a")}
    assert lines(tmp_path) == [
        {"test": "a.py::t", "task": "t", "model": "m", "case": "a", "variant": "k#0", "text": "what\ud800", "shrunk": None}
    ]  # fmt: skip


def test_a_case_that_ran_again_is_as_it_is_now(tmp_path):
    keep(tmp_path, [[row("a"), row("a", "k#0", 0.0), row("b"), row("b", "k#0", 0.0)]])
    keep(tmp_path, [[row("a"), row("a", "k#0")]])
    assert cases_first(tmp_path) == {KEY: frozenset("b")}
    keep(tmp_path, [[row("b", "k#0")]])
    assert cases_first(tmp_path) == {}


def test_other_models_and_tests_are_others(tmp_path):
    keep(tmp_path, [[row("a", "k#0", 0.0)], [row("a", "k#0", 0.0, model="n")]])
    keep(tmp_path, [[row("a", "k#0", model="n")]])
    assert cases_first(tmp_path) == {KEY: frozenset("a")}


def test_nothing_failed_writes_nothing(tmp_path):
    keep(tmp_path, [[row("a"), row("a", "k#0")]])
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_bounded_and_the_oldest_go(tmp_path):
    for n in range(25):
        keep(tmp_path, [[row(f"{n}-{i}", "k#0", 0.0, model=f"m{n}") for i in range(60)]])
    kept = lines(tmp_path)
    assert len(kept) == MOST
    assert kept[-1]["model"] == "m24"
    assert kept[0]["model"] == "m5"
    assert sum(line["model"] == "m24" for line in kept) == MOST_EACH


@pytest.mark.parametrize("text", ["", "not json\n[1]\n", '{"task": 1}\n', "\xff\n"])
def test_a_broken_file_only_costs_the_order(tmp_path, text):
    (tmp_path / FILE).write_text(text, encoding="latin-1")
    assert cases_first(tmp_path) == {}
    keep(tmp_path, [[row("a", "k#0", 0.0)]])
    assert cases_first(tmp_path) == {KEY: frozenset("a")}


def test_a_folder_that_can_not_be_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=FILE):
        keep(tmp_path / "file", [[row("a", "k#0", 0.0)]])
