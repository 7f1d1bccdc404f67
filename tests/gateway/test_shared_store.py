"""Stores that several machines share: one contract, held by folders, by fsspec's memory and by a real Postgres."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres_server import programs, served

from robusttest.core.nouns import Completion, Request
from robusttest.errors import ConfigurationError, MissingExtraError, StorageError, UsageError
from robusttest.gateway.store import database, objects, postgres, shared
from robusttest.gateway.store.replies import ReplyStore
from robusttest.gateway.store.shared import SharedStore, StoredReply, opened
from robusttest.settings import Settings

KINDS = ("folder", "memory", "postgres")


@pytest.fixture(scope="module")
def database_url(tmp_path_factory):
    if programs() is None:
        pytest.skip("no Postgres server is installed")
    with pytest.MonkeyPatch.context() as m:
        m.setenv("PGUSER", "postgres")
        with served(tmp_path_factory.mktemp("shared") / "postgres") as url:
            yield url


@pytest.fixture(params=KINDS)
def url(request, tmp_path):
    if request.param == "folder":
        return str(tmp_path / "shared")
    if request.param == "memory":
        return f"memory://{tmp_path.name}"
    found = request.getfixturevalue("database_url")
    with emptied(found):
        return found


def emptied(url: str) -> Any:
    import psycopg

    db = psycopg.connect(url, autocommit=True)
    db.execute("DROP TABLE IF EXISTS robusttest_store, robusttest_replies, robusttest_leases")
    return db


def row(key: str, text: str = "yes", created: float = 1.0) -> StoredReply:
    return StoredReply(key, "openai/m", b"\x00request", f'{{"text":"{text}"}}', created)


# --- the contract


def test_a_reply_is_there_for_everybody_and_the_first_of_one_time_stays(url):
    one, other = opened(url, "one"), opened(url, "other")
    one.put([row("a"), row("b", "\\ud800 lone")])
    assert other.get(["a", "b", "c"]) == {"a": row("a"), "b": row("b", "\\ud800 lone")}
    other.put([row("a", "no", 2.0), row("c")])
    assert one.get(["a", "c"]) == {"a": row("a"), "c": row("c")}
    time.sleep(0.02)
    later = opened(url, "later")  # a run that asks again
    later.put([row("a", "anew", 3.0)])
    assert one.get(["a"]) == {"a": row("a", "anew", 3.0)}
    for store in (one, other, later):
        store.close()


def test_one_call_is_made_by_one_and_ends_with_its_lease(url):
    one, other = opened(url, "one"), opened(url, "other")
    assert one.lease(["a", "b"]) == {"a", "b"}
    assert other.lease(["b", "c"]) == {"c"}
    assert one.lease(["a", "c"]) == {"a"}, "ours stays ours"
    one.release(["b", "nobody's"])
    assert other.lease(["a", "b"]) == {"b"}
    other.release(["a"])
    assert other.lease(["a"]) == set(), "whose it is not can't give it up"
    one.close()
    assert other.lease(["a"]) == {"a"}
    other.close()


def test_many_at_once_never_have_one_lease(url):
    stores = [opened(url, f"machine {i}") for i in range(4)]
    keys = [f"k{i}" for i in range(30)]
    with ThreadPoolExecutor(4) as threads:
        held = list(threads.map(lambda s: s.lease(keys), stores))
    assert sorted(k for h in held for k in h) == sorted(keys)
    for store in stores:
        store.close()


@pytest.fixture
def short(monkeypatch):
    for module in (objects, postgres):
        monkeypatch.setattr(module, "LEASE_SECONDS", 0.4)


def test_a_dead_machines_calls_are_free_and_one_comes_after_it(url, short, monkeypatch):
    dead, alive = opened(url, "dead"), opened(url, "alive")
    assert dead.lease(["a", "b"]) == {"a", "b"}
    assert alive.lease(["b"]) == set()
    if isinstance(dead, postgres.Postgres):  # a dead machine's connection breaks
        dead._db.close()
    monkeypatch.setattr(time, "time", lambda: 0.0)  # whose clock it is matters to nobody
    for _ in range(3):
        time.sleep(0.2)
        alive.renew()
    heirs = [opened(url, f"heir {i}") for i in range(3)]
    with ThreadPoolExecutor(3) as threads:
        held = list(threads.map(lambda s: s.lease(["a"]), heirs))
    assert sorted(map(len, held)) == [0, 0, 1]
    assert alive.lease(["b"]) == {"b"}
    alive.release(["b"])
    assert heirs[0].lease(["b"]) == {"b"}, "what its heir gave up is free again"
    for store in (alive, *heirs):
        store.close()


def test_who_renews_keeps_its_calls(url, short):
    one, other = opened(url, "one"), opened(url, "other")
    one.lease(["a"])
    for _ in range(4):
        time.sleep(0.2)
        one.renew()
        assert other.lease(["a"]) == set()
    one.close()
    other.close()


class Model:
    """What a store is to do, without time."""

    def __init__(self) -> None:
        self.replies: dict[str, StoredReply] = {}
        self.owners: dict[str, int] = {}


KEYS = st.lists(st.sampled_from("abc"), unique=True, max_size=3)
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "get", "lease", "release", "close"]), st.integers(0, 1), KEYS),
    max_size=12,
)


@pytest.mark.parametrize("kind", KINDS)
@given(steps=STEPS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_store_does_what_one_without_machines_would(kind, steps, tmp_path_factory, request):
    if kind == "postgres":
        found = request.getfixturevalue("database_url")
        emptied(found).close()
    else:
        name = tmp_path_factory.mktemp("model").name
        found = f"memory://{name}" if kind == "memory" else str(tmp_path_factory.getbasetemp() / name / "s")
    stores: list[SharedStore] = [opened(found, f"owner {i}") for i in range(2)]
    model = Model()
    for n, (what, who, keys) in enumerate(steps):
        store = stores[who]
        if what == "put":
            store.put([row(k, f"{n}") for k in keys])
            for k in keys:
                model.replies.setdefault(k, row(k, f"{n}"))
        elif what == "get":
            assert store.get(keys) == {k: model.replies[k] for k in keys if k in model.replies}
        elif what == "lease":
            free = {k for k in keys if model.owners.get(k, who) == who}
            assert store.lease(keys) == free
            model.owners |= dict.fromkeys(free, who)
        else:
            given_up = keys if what == "release" else list(model.owners)
            store.release(given_up)
            model.owners = {k: o for k, o in model.owners.items() if k not in given_up or o != who}
    for store in stores:
        store.close()


def test_old_replies_go_by_the_storages_clock_and_others_by_what_they_hold(url):
    store = opened(url, "a")
    store.put([row("aa", "one", created=9e9), row("ab", "two", created=0.0), row("ba", "three")])
    assert store.purge(age=60.0) == 0, "the asker's clock says nothing"
    assert store.purge(of=lambda r: "two" in r.completion, dry=True) == 1
    assert set(store.get(["aa", "ab", "ba"])) == {"aa", "ab", "ba"}
    assert store.purge(of=lambda r: "two" in r.completion) == 1
    assert set(store.get(["aa", "ab", "ba"])) == {"aa", "ba"}
    time.sleep(0.02)
    assert store.purge(age=0.01) == 2
    assert store.get(["aa", "ba"]) == {}
    assert store.purge(age=0.0, of=lambda r: True) == 0
    store.close()


# --- behind each machine's own


def request(text: str) -> Request:
    return Request(model="openai/m", messages=({"role": "user", "content": text},), params={})


def test_two_machines_pay_for_a_call_once(url, tmp_path):
    here, there = (ReplyStore(tmp_path / name, shared=url) for name in ("here", "there"))
    keys = {text: request(text).key() for text in "abc"}
    assert here.lease([keys["a"], keys["b"]]) == {keys["a"], keys["b"]}
    assert there.lease([keys["a"], keys["c"]]) == {keys["c"]}
    here.put(keys["a"], request("a"), Completion(text="A", model="m-1", meta={"x": 1}))
    here.release(keys["a"])
    here.flush()
    # the lease and the reply in one look; it is the other machine's own from now on
    assert there.lease([keys["a"]]) == {keys["a"]}
    found = there.get(keys["a"])
    assert found is not None
    assert (found.text, found.model, found.meta, found.cached) == ("A", "m-1", {"x": 1}, True)
    here.close()
    there.release(keys["a"])
    there.close()
    again = ReplyStore(tmp_path / "there", read_only=True)
    assert again.get(keys["a"]) is not None, "without the shared store, too"
    again.close()


def test_what_another_machine_is_asked_for_is_free_here_for_other_processes(url, tmp_path):
    far = ReplyStore(tmp_path / "far", shared=url)
    one, other = (ReplyStore(tmp_path / "near", shared=url) for _ in range(2))
    key = request("a").key()
    assert far.lease([key]) == {key}
    assert one.lease([key]) == set()
    one.flush()
    far.release(key)
    far.flush()
    assert other.lease([key]) == {key}
    for store in (far, one, other):
        store.close()


def test_a_store_that_went_away_loses_nothing_and_calls_go_on(tmp_path, monkeypatch):
    url = str(tmp_path / "shared")
    store = ReplyStore(tmp_path / "here", shared=url)
    lost = StorageError(f"can't write {url}: no route to host")

    def fails(*args: object) -> Any:
        raise lost

    with monkeypatch.context() as m:
        for name in ("get", "put", "lease", "release", "renew"):
            m.setattr(objects.Objects, name, fails)
        key = request("a").key()
        assert store.lease([key]) == {key}
        store.put(key, request("a"), Completion(text="A", model="m"))
        store.release(key)
        assert not store.flush()
        store.renew()
        assert store.get(key) is not None
    assert store.problems == [f"{lost}: replies are shared with other machines once it can be reached again"]
    assert store.flush()
    assert opened(url, "x").get([key])[key].completion == '{"text":"A","model":"m"}'
    store.close()


# --- what is refused


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("postgresql://host", "names no database: write postgresql://host/database"),
        ("postgres://host/", "names no database"),
        ("postgresql://me:secret@host/db", "holds no user, password or key"),
        ("s3://", "no path and no URL"),
        ("", "give a name"),
    ],
)
def test_urls_that_are_none_are_refused_by_name(given, said):
    with pytest.raises(UsageError, match=said) as found:
        Settings(store=given)
    assert "secret" not in str(found.value)


def test_a_url_is_kept_as_it_is_reached(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Settings(store="shared").store == str(tmp_path / "shared")
    assert Settings(store="postgres://host:1/db").store == "postgresql://host:1/db"
    assert Settings(store="s3://bucket/replies").store == "s3://bucket/replies"


def test_what_cannot_be_reached_is_said_before_any_call(tmp_path):
    with pytest.raises(StorageError, match=r"postgresql://127\.0\.0\.1:9/db: .*refused"):
        ReplyStore(tmp_path, shared="postgresql://127.0.0.1:9/db")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="can't write"):
        ReplyStore(tmp_path, shared=str(tmp_path / "file"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "robusttest.json").write_text("no JSON")
    with pytest.raises(StorageError, match="is no file of a reply store: name a folder of its own"):
        ReplyStore(tmp_path, shared=str(tmp_path / "other"))
    (tmp_path / "other" / "robusttest.json").write_text('{"schema": 99}')
    with pytest.raises(StorageError, match="99"):
        ReplyStore(tmp_path, shared=str(tmp_path / "other"))


def test_without_its_package_the_install_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'robusttest\[postgres\]'"):
        opened("postgresql://127.0.0.1/db", "x")


def test_a_damaged_object_is_asked_for_again(tmp_path):
    url = str(tmp_path / "shared")
    one = ReplyStore(tmp_path / "one", shared=url)
    key = request("a").key()
    opened(url, "x").put([row(key)])
    assert one.lease([key]) == {key}
    assert one.get(key) is None
    assert any("is damaged: it is asked for again" in p for p in one.problems)
    one.close()


MOUNTS = """sysfs /sys sysfs rw 0 0
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/me/local tmpfs rw 0 0
//nas/my\\040files /mnt/my\\040files cifs rw 0 0
"""


def test_sqlite_on_a_network_file_system_is_refused_with_the_way_out(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    monkeypatch.setattr(database, "MOUNTS", mounts)
    kinds = {
        p: database.network_file_system(Path(p))
        for p in ("/home/me", "/home/me/local/x", "/homes", "/mnt/my files/a")
    }
    assert kinds == {"/home/me": "nfs4", "/home/me/local/x": None, "/homes": None, "/mnt/my files/a": "cifs"}
    monkeypatch.setattr(database, "MOUNTS", tmp_path / "nowhere")
    assert database.network_file_system(Path("/home/me")) is None
    monkeypatch.setattr(database, "network_file_system", lambda path: "nfs4")
    with pytest.raises(
        ConfigurationError, match=r"network file system \(nfs4\).* --robust-store=.*/d/replies"
    ):
        ReplyStore(tmp_path / "d")
    store = ReplyStore(tmp_path / "d", shared=str(tmp_path / "d" / "replies"))
    assert tmp_path not in store.path.parents
    store.close()
    store.path.unlink()


def test_leases_are_the_only_thing_that_says_seconds():
    assert shared.LEASE_SECONDS == objects.LEASE_SECONDS == postgres.LEASE_SECONDS
