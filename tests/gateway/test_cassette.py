"""Stored replies as a file to commit: sorted, stable, without secrets, and refused where it is damaged."""

from __future__ import annotations

import json

import pytest

from robusttest.core.nouns import Completion, Request
from robusttest.core.secrets import HIDDEN
from robusttest.errors import StorageError, UsageError
from robusttest.gateway.store import cassette
from robusttest.gateway.store.replies import ReplyStore

KEY = "planted-cassette-key-24680"


def asked(n, model="openai/b"):
    return Request(
        model=model, messages=({"role": "user", "content": f"q{n}"},), params={"temperature": n / 10}
    )


def fill(folder, requests, text="answer"):
    store = ReplyStore(folder)
    for r in requests:
        store.put(r.key(), r, Completion(text=text, latency=0.5, cost=0.01, created="2026-01-01T00:00:00Z"))
    store.close()


def test_there_and_back(tmp_path):
    requests = [*map(asked, range(5)), asked(0, "openai/a")]
    fill(tmp_path / "one", requests, text="odd \ud800 text\u2028 and \x1b[31m")
    file = tmp_path / "replies.jsonl"
    assert cassette.export(tmp_path / "one", file) == 6
    assert cassette.import_(tmp_path / "two", file) == 6
    store = ReplyStore(tmp_path / "two", read_only=True)
    for r in requests:
        got = store.get(r.key())
        assert (got.text, got.cached, got.latency) == ("odd \ud800 text\u2028 and \x1b[31m", True, 0.5)
    store.close()


def test_it_is_sorted_and_stable_whatever_the_order(tmp_path):
    requests = [*map(asked, range(12)), asked(3, "openai/a")]
    fill(tmp_path / "one", requests)
    fill(tmp_path / "two", requests[::-1])
    for name in ("one", "two"):
        cassette.export(tmp_path / name, tmp_path / f"{name}.jsonl")
    text = (tmp_path / "one.jsonl").read_bytes()
    assert text == (tmp_path / "two.jsonl").read_bytes()
    head, *rows = map(json.loads, text.decode().splitlines())
    assert head == {"kind": "robusttest-cassette", "schema": 1, "replies": 13}
    assert [r["request"]["model"] for r in rows] == ["openai/a"] + ["openai/b"] * 12
    cassette.import_(tmp_path / "three", tmp_path / "one.jsonl")
    cassette.export(tmp_path / "three", tmp_path / "three.jsonl")
    assert (tmp_path / "three.jsonl").read_bytes() == text


def test_only_some(tmp_path):
    fill(tmp_path, [asked(1), asked(2)])
    assert cassette.export(tmp_path, tmp_path / "f.jsonl", keys={asked(2).key()}) == 1
    assert "q2" in (tmp_path / "f.jsonl").read_text()
    assert "q1" not in (tmp_path / "f.jsonl").read_text()


def test_secrets_stay_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", KEY)
    fill(tmp_path, [asked(1)], text=f"I was told {KEY} and sk-abcdefghijklmnop1234")
    cassette.export(tmp_path, tmp_path / "f.jsonl")
    text = (tmp_path / "f.jsonl").read_text()
    assert KEY not in text
    assert "sk-abc" not in text
    assert text.count(HIDDEN) == 2
    assert cassette.import_(tmp_path / "again", tmp_path / "f.jsonl") == 1


def test_a_secret_that_needs_escapes_in_json_stays_behind_too(tmp_path, monkeypatch):
    secret = 'pa"ss\\word-ü-123'
    monkeypatch.setenv("DB_PASSWORD", secret)
    fill(tmp_path, [asked(1)], text=f"it is {secret}!")
    cassette.export(tmp_path, tmp_path / "f.jsonl")
    row = json.loads((tmp_path / "f.jsonl").read_text(encoding="utf-8").splitlines()[1])
    assert row["completion"]["text"] == f"it is {HIDDEN}!"


def test_a_prompt_that_looks_like_a_key_keeps_its_identity(tmp_path):
    r = Request(model="m", messages=({"role": "user", "content": "Is password=hunter2000 strong?"},))
    fill(tmp_path / "one", [r])
    cassette.export(tmp_path / "one", tmp_path / "f.jsonl")
    cassette.import_(tmp_path / "two", tmp_path / "f.jsonl")
    store = ReplyStore(tmp_path / "two", read_only=True)
    assert store.get(r.key()) is not None
    store.close()
    assert "hunter2000" not in (tmp_path / "f.jsonl").read_text()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda t: t.replace("\n{", "\n<<<<<<< HEAD\n{", 1), "line 2: a merge conflict is not resolved"),
        (lambda t: t + "=======\n", "a merge conflict is not resolved"),
        (lambda t: t[: len(t) - 30], "line 3: not a reply of a cassette"),
        (lambda t: t + "[1, 2]\n", "line 4: not a reply of a cassette"),
        (lambda t: t.replace('"schema": 1', '"schema": 2', 1), "has schema 2, written by a newer robusttest"),
        (lambda t: t.replace('"text"', '"words"'), "line 2: not a reply of a cassette"),
    ],
)
def test_a_damaged_file_is_refused_whole(tmp_path, edit, said):
    fill(tmp_path, [asked(1), asked(2)])
    file = tmp_path / "f.jsonl"
    cassette.export(tmp_path, file)
    file.write_text(edit(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises((UsageError, StorageError), match=said):
        cassette.import_(tmp_path / "new", file)
    assert not (tmp_path / "new").exists()


def test_a_cassette_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        cassette.import_(tmp_path, tmp_path / "none.jsonl")
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        cassette.import_(tmp_path, tmp_path / "b")
    with pytest.raises(StorageError, match="no run has stored replies"):
        cassette.export(tmp_path / "nowhere", tmp_path / "x")
