"""The reply store: what goes in comes out, whatever happens to the disk, the file, and the other processes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Completion, Request
from robusttest.errors import StorageError
from robusttest.gateway.store import database, replies
from robusttest.gateway.store.replies import FILE, ReplyStore
from robusttest.gateway.store.stored import completion_from, dumps

TEXT = st.text(st.characters(), max_size=30)  # lone surrogates too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
COMPLETIONS = st.builds(
    Completion,
    text=TEXT,
    model=st.none() | TEXT,
    finish_reason=st.none() | TEXT,
    refusal=st.none() | TEXT,
    tool_calls=st.none() | st.lists(st.dictionaries(TEXT, JSON, max_size=3), max_size=3).map(tuple),
    input_tokens=st.none() | st.integers(0),
    output_tokens=st.none() | st.integers(0),
    cost=st.none() | st.floats(0, 100),
    latency=st.none() | st.floats(0, 100),
    created=st.none() | TEXT,
    meta=st.dictionaries(TEXT, JSON, max_size=2),
)


def request(n=0, **given):
    return Request(model="openai/m", messages=({"role": "user", "content": f"question {n}"},), **given)


def fill(store, n, start=0):
    keys = []
    for i in range(start, start + n):
        asked = request(i)
        store.put(asked.key(), asked, Completion(text=f"answer {i} " + "x" * 300))
        keys.append(asked.key())
    assert store.flush()
    return keys


@pytest.fixture
def store(tmp_path):
    with_store = ReplyStore(tmp_path)
    yield with_store
    with_store.close()


# --- what goes in comes out


@given(completion=COMPLETIONS)
@settings(max_examples=150, deadline=None)
def test_any_completion_survives_its_json(completion):
    text = dumps(asdict(completion))
    text.encode("ascii")
    assert completion_from(text) == completion


@given(
    completion=COMPLETIONS,
    content=TEXT,
    params=st.dictionaries(TEXT, JSON, max_size=2),
)
@settings(max_examples=30, deadline=None)
def test_any_completion_comes_back_from_the_file(tmp_path_factory, completion, content, params):
    folder = tmp_path_factory.mktemp("s")
    asked = Request(model="m", messages=({"role": "user", "content": content},), params=params)
    key = asked.key()
    store = ReplyStore(folder)
    store.put(key, asked, completion)
    store.close()
    again = ReplyStore(folder, read_only=True)
    got = again.get(key)
    ((stored_key, identity, _),) = again.rows()
    again.close()
    assert got is not None
    assert got.cached
    assert asdict(got) | {"cached": False} == asdict(completion)
    assert stored_key == key
    assert identity["messages"] == [{"role": "user", "content": content}]


def test_a_reply_is_read_before_it_is_written(store):
    asked = request()
    store.put(asked.key(), asked, Completion(text="now"))
    assert store.get(asked.key()).text == "now"
    assert store.get("0" * 64) is None


def test_replies_are_on_disk_within_moments_and_batches(store, tmp_path):
    for i in range(replies.BATCH + 20):
        asked = request(i)
        store.put(asked.key(), asked, Completion(text=str(i)))
    deadline = time.monotonic() + 10
    while store._replies and time.monotonic() < deadline:
        time.sleep(0.01)
    with sqlite3.connect(tmp_path / FILE) as db:
        assert db.execute("SELECT count(*) FROM replies").fetchone() == (replies.BATCH + 20,)
    db.close()


def test_replies_older_than_asked_for_do_not_count(store):
    (key,) = fill(store, 1)
    assert store.get(key, since=time.time() - 60) is not None
    assert store.get(key, since=time.time() + 60) is None


def test_variants_are_kept(tmp_path):
    store = ReplyStore(tmp_path)
    store.put_variants("k", [{"text": "a\ud800"}])
    assert store.get_variants("k") == [{"text": "a\ud800"}]
    store.close()
    again = ReplyStore(tmp_path, read_only=True)
    assert again.get_variants("k") == [{"text": "a\ud800"}]
    assert again.get_variants("other") is None
    again.close()


def test_read_only_creates_and_writes_nothing(tmp_path):
    store = ReplyStore(tmp_path / "none", read_only=True)
    asked = request()
    store.put(asked.key(), asked, Completion(text="x"))
    assert store.get(asked.key()) is None
    assert list(store.rows()) == []
    store.close()
    assert not (tmp_path / "none").exists()


def test_a_later_schema_is_refused(tmp_path):
    ReplyStore(tmp_path).close()
    db = sqlite3.connect(tmp_path / FILE)
    db.execute(f"PRAGMA user_version={database.SCHEMA + 1}")
    db.close()
    for read_only in (False, True):
        with pytest.raises(StorageError, match=r"newer robusttest; this one reads up to 1: pip install -U"):
            ReplyStore(tmp_path, read_only=read_only)


# --- damage


def damage(path, share=0.5, pages=3):
    size = path.stat().st_size
    at = int(size * share) // 4096 * 4096
    with path.open("r+b") as f:
        f.seek(at)
        f.write(b"\xde\xad\xbe\xef" * 1024 * pages)


def test_a_file_that_is_no_database_is_set_aside(tmp_path):
    (tmp_path / FILE).write_bytes(b"this is no database at all" * 500)
    store = ReplyStore(tmp_path)
    keys = fill(store, 3)
    assert store.get(keys[0]).text.startswith("answer 0")
    (said,) = store.problems
    assert "was damaged (file is not a database)" in said
    assert "0 replies could be saved" in said
    store.close()
    (aside,) = tmp_path.glob(f"{FILE}.damaged-*")
    assert aside.read_bytes().startswith(b"this is no database")


def test_what_can_be_read_of_a_damaged_file_is_saved(tmp_path):
    store = ReplyStore(tmp_path)
    keys = fill(store, 2000)
    store.close()
    damage(tmp_path / FILE)
    store = ReplyStore(tmp_path)
    found = [store.get(k) for k in keys]  # the damage shows when its page is read
    (said,) = store.problems
    saved = [store.get(k) for k in keys]
    got = sum(c is not None for c in saved)
    assert "was damaged" in said
    assert f"{got:,} replies could be saved" in said
    assert 1500 < got < 2000
    assert all(c is None or c.text.startswith(f"answer {i} x") for i, c in enumerate(saved)), "none is torn"
    assert all(a is None or b is None or a == b for a, b in zip(found, saved, strict=True))
    lost = [i for i, c in enumerate(saved) if c is None]
    fill(store, 1, start=lost[0])
    store.close()
    again = ReplyStore(tmp_path)
    assert again.get(keys[lost[0]]) is not None
    assert again.problems == []
    again.close()


def test_a_truncated_file_is_set_aside_when_it_is_written(tmp_path):
    store = ReplyStore(tmp_path)
    keys = fill(store, 500)
    store.close()
    os.truncate(tmp_path / FILE, 4096 * 8)
    store = ReplyStore(tmp_path)
    new = fill_any(store, 300, start=1000)
    assert all(store.get(k) is not None for k in new)
    store.close()
    assert any("was damaged" in p for p in store.problems), store.problems
    assert list(tmp_path.glob(f"{FILE}.damaged-*"))
    again = ReplyStore(tmp_path)
    assert all(again.get(k) is not None for k in new)
    assert all(c is None or c.text.startswith("answer") for c in map(again.get, keys))
    again.close()


def fill_any(store, n, start):
    keys = []
    for i in range(start, start + n):
        asked = request(i)
        store.put(asked.key(), asked, Completion(text=f"answer {i}"))
        keys.append(asked.key())
    store.flush()
    store.flush()
    return keys


def test_two_stores_on_a_damaged_file_set_it_aside_once(tmp_path):
    store = ReplyStore(tmp_path)
    keys = fill(store, 2000)
    store.close()
    damage(tmp_path / FILE)
    one, two = ReplyStore(tmp_path), ReplyStore(tmp_path)
    for s in (one, two):
        for k in keys:
            s.get(k)
    assert len(list(tmp_path.glob(f"{FILE}.damaged-*[0-9]"))) == 1
    (new,) = fill(one, 1, start=5000)
    assert two.get(new) is not None
    one.close()
    two.close()


def test_a_damaged_file_that_may_only_be_read_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(StorageError, match=r"can't be read: file is not a database.*--robust-replies=auto"):
        ReplyStore(tmp_path, read_only=True)


# --- a disk that does not take it


def test_a_full_disk_keeps_replies_in_memory_until_there_is_room(store, monkeypatch):
    monkeypatch.setattr(replies, "RETRY_SECONDS", 0.02)
    fill(store, 5)
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count={pages}")
    asked = [request(i) for i in range(100, 400)]
    for r in asked:
        store.put(r.key(), r, Completion(text="paid for " * 50))
    assert not store.flush()
    assert not store.flush()
    (said,) = [p for p in store.problems if "not on disk" in p]
    assert "database or disk is full: 300 replies are not on disk" in said
    assert all(store.get(r.key()) is not None for r in asked), "still there for this run"
    store._db.execute("PRAGMA max_page_count=1000000")
    deadline = time.monotonic() + 10
    while store._replies and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not store._replies
    assert store.problems == []
    assert sum(1 for _ in store.rows()) == 305


def test_a_disk_that_stays_full_is_told_at_the_end(tmp_path):
    store = ReplyStore(tmp_path)
    fill(store, 1)
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count={pages}")
    for i in range(100):
        store.put(request(i).key(), request(i), Completion(text="z" * 500))
    began = time.monotonic()
    store.close()
    assert time.monotonic() - began < 5
    assert any("disk is full" in p and "not on disk" in p for p in store.problems)


def test_a_folder_that_cannot_be_made_loses_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    store = ReplyStore(tmp_path / "file" / "x")
    assert "replies of this run are not kept" in store.problems[0]
    asked = request()
    store.put(asked.key(), asked, Completion(text="y"))
    assert store.get(asked.key()).text == "y"
    assert store.lease([asked.key()]) == {asked.key()}
    with pytest.raises(StorageError, match="budget"):
        store.spend("r", 1, 0.0, max_calls=1, max_cost=None)
    store.close()


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_folder_that_cannot_be_written_is_read(tmp_path):
    keys = []
    store = ReplyStore(tmp_path)
    keys = fill(store, 2)
    store.close()
    for path in [*tmp_path.iterdir(), tmp_path]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in [tmp_path, *tmp_path.parents][:4]:
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(parent.stat().st_mode | 0o055)
    code = f"""
        import os, pathlib
        from robusttest.core.nouns import Completion, Request
        from robusttest.gateway.store.replies import ReplyStore
        if os.getuid() == 0:
            os.setuid(65534)
        s = ReplyStore(pathlib.Path({str(tmp_path)!r}))
        print(s.get({keys[0]!r}).text[:8], s.read_only, s.problems)
        s.put("k", Request(model="m", messages=()), Completion(text="x"))
        s.close()
        s = ReplyStore(pathlib.Path({str(tmp_path)!r}), read_only=True)
        print(s.get({keys[1]!r}).text[:8], s.problems)
    """
    done = python(code)
    tmp_path.chmod(0o755)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("answer 0 True")
    assert "replies of this run are not kept" in first
    assert second == "answer 1 []"


def python(code, *args):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_file_that_another_process_locks_is_waited_for_then_told(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(replies, "RETRY_SECONDS", 0.02)
    store = ReplyStore(tmp_path)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    asked = request()
    store.put(asked.key(), asked, Completion(text="x"))
    assert not store.flush()
    assert "database is locked: 1 replies" in store.problems[-1]
    assert store.lease(["a"]) == {"a"}, "a lease that can't be had stops no call"
    other.execute("ROLLBACK")
    other.close()
    assert store.flush()
    store.close()
    assert not [p for p in store.problems if "not on disk" in p]


def test_many_processes_may_make_the_file_at_once(tmp_path):
    code = f"""
        import pathlib, sys
        from robusttest.core.nouns import Completion, Request
        from robusttest.gateway.store.replies import ReplyStore
        sys.stdin.read(1)
        for i in range(5):
            s = ReplyStore(pathlib.Path({str(tmp_path)!r}))
            r = Request(model="m", messages=({{"role": "user", "content": sys.argv[1] + str(i)}},))
            s.put(r.key(), r, Completion(text="x"))
            s.close()
            assert not s.problems, s.problems
    """
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(n)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for n in range(4)
    ]
    time.sleep(0.3)
    results = [(p.communicate(b"x", timeout=60)[1], p.returncode) for p in crowd]
    assert results == [(b"", 0)] * 4
    store = ReplyStore(tmp_path, read_only=True)
    assert sum(1 for _ in store.rows()) == 20
    store.close()


# --- leases and budgets of several processes


def test_a_call_is_leased_to_one(tmp_path):
    one, two = ReplyStore(tmp_path), ReplyStore(tmp_path)
    assert one.lease(["a", "b"]) == {"a", "b"}
    assert one.lease(["a"]) == {"a"}, "ours stays ours"
    assert two.lease(["a", "b", "c"]) == {"c"}
    asked = request()
    one.put(asked.key(), asked, Completion(text="x"))
    one.release("a")
    one.flush()
    assert two.lease(["a", "b"]) == {"a"}
    one.close()
    assert two.lease(["b"]) == {"b"}, "closing gives all up"
    two.close()


def test_a_lease_that_nobody_renews_runs_out_and_one_that_lives_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(replies, "LEASE_SECONDS", 0.6)
    one, two = ReplyStore(tmp_path), ReplyStore(tmp_path)
    one.lease(["slow"])  # no reply comes for longer than a lease lasts
    with two._lock:
        two._db.execute("INSERT INTO leases VALUES ('far', 'another-machine:1:00', ?)", (time.time() + 0.6,))
    assert two.lease(["slow", "far"]) == set()
    time.sleep(1.1)
    assert two.lease(["slow", "far"]) == {"far"}
    one.close()
    two.close()


@pytest.mark.skipif(os.name != "posix", reason="processes are not asked after elsewhere")
def test_a_lease_of_a_dead_process_is_free_at_once(tmp_path):
    code = f"""
        import os, pathlib
        from robusttest.gateway.store.replies import ReplyStore
        s = ReplyStore(pathlib.Path({str(tmp_path)!r}))
        assert s.lease(["a"]) == {{"a"}}
        os._exit(9)
    """
    assert python(code).returncode == 9
    store = ReplyStore(tmp_path)
    assert store.lease(["a"]) == {"a"}
    store.close()


def test_a_run_spends_up_to_its_limits_whoever_asks(tmp_path):
    one, two = ReplyStore(tmp_path), ReplyStore(tmp_path)
    took = [s.spend("r", 1, 0.01, max_calls=3, max_cost=None) for s in (one, two, one, two)]
    assert took == [True, True, True, False]
    assert one.spend("other", 1, 0.5, max_calls=None, max_cost=0.6)
    assert not two.spend("other", 1, 0.2, max_calls=None, max_cost=0.6)
    assert two.spend("other", 0, -0.4, max_calls=None, max_cost=0.6)
    assert two.spend("other", 1, 0.2, max_calls=None, max_cost=0.6)
    one.close()
    two.close()
