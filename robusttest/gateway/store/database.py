"""The SQLite file under the reply store: how it is opened, what damage is, what of a damaged one can be saved."""

from __future__ import annotations

import contextlib
import os
import platform
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from robusttest.core.codec import check_schema
from robusttest.core.nouns import digest
from robusttest.errors import ConfigurationError, StorageError
from robusttest.gateway.store.stored import completion_from, loads

MOUNTS = Path("/proc/self/mounts")
NETWORK = frozenset(
    ("nfs", "nfs3", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "glusterfs", "fuse.glusterfs", "gpfs", "beegfs",
     "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.cephfs", "pvfs2", "orangefs")
)  # fmt: skip
"""File systems that other machines write, as ``mount`` names them."""

SCHEMA = 1
BUSY_SECONDS = 10.0
"""So long another process's lock is waited for."""
SYNCHRONOUS = "NORMAL"
"""What a lost process leaves is whole, and what a lost machine leaves is no damage."""

_TABLES = """
CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, model TEXT NOT NULL, request BLOB NOT NULL,
    completion TEXT NOT NULL, created REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS replies_by_model ON replies (model);
CREATE TABLE IF NOT EXISTS variants (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (key TEXT PRIMARY KEY, owner TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spent (run TEXT PRIMARY KEY, calls INTEGER NOT NULL, cost REAL NOT NULL) WITHOUT ROWID;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open, and make it if it is not there. Raises `sqlite3.Error`, and `StorageError` for a later schema."""
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
    try:
        if (
            not path.stat().st_size
        ):  # there is nothing yet that the disk could lose: waiting for it takes 50 ms
            db.execute("PRAGMA synchronous=OFF")
        _journal(db)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            db.executescript(_TABLES)
            db.execute(f"PRAGMA user_version={SCHEMA}")
        db.execute(f"PRAGMA synchronous={SYNCHRONOUS}")
        _check(path, version)
    except (sqlite3.Error, StorageError):
        db.close()
        raise
    return db


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open, and change nothing: not even the log beside the file, where the medium can't be written."""
    uri = path.resolve().as_uri()
    for mode in ("mode=ro", "immutable=1"):
        db = sqlite3.connect(f"{uri}?{mode}", uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            db.execute("SELECT 1 FROM replies LIMIT 1")
            _check(path, db.execute("PRAGMA user_version").fetchone()[0])
        except sqlite3.Error as e:
            db.close()
            if mode == "mode=ro" and _code(e) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                continue
            raise
        except StorageError:
            db.close()
            raise
        return db
    raise AssertionError("unreachable")


def _check(path: Path, version: int) -> None:
    if version:  # one that was just made has none yet
        check_schema(version, SCHEMA, f"the reply store {os.fspath(path)!r}")


@contextlib.contextmanager
def transaction(db: sqlite3.Connection | None) -> Iterator[sqlite3.Connection]:
    """All or nothing."""
    if db is None:
        raise sqlite3.OperationalError("the store is closed")
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def readable(db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Rows of a damaged file, as far as they can be read: a damaged page costs the keys near it."""
    digits = "0123456789abcdef"
    starts = [a + b + c for a in digits for b in digits for c in digits]
    for start, end in zip(starts, [*starts[1:], "g"], strict=True):
        with contextlib.suppress(sqlite3.Error):
            rows = db.execute(
                "SELECT key, model, request, completion, created FROM replies WHERE key >= ? AND key < ?",
                (start, end),
            )
            for row in rows:
                with contextlib.suppress(zlib.error, ValueError, TypeError, AttributeError):
                    loads(zlib.decompress(row[2]))
                    completion_from(row[3])
                    yield row


def _journal(db: sqlite3.Connection) -> None:
    """Set WAL mode. SQLite does not wait for other processes that do the same just now: we do."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as e:
            if _code(e) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; -1 where Python raised it."""
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def near(directory: Path, shared: bool) -> Path:
    """The folder of this machine's own store. On a network file system SQLite's log is torn by another machine's writes: there it is a
    folder for temporary files where the replies are ``shared`` otherwise. Raises `ConfigurationError` where they are not.
    """
    kind = network_file_system(directory)
    if kind is None:
        return directory
    if shared:
        return Path(tempfile.gettempdir()) / f"robusttest-{os.getuid()}-{digest(str(directory.absolute()))}"
    raise ConfigurationError(
        f"{directory} is on a network file system ({kind}), where several machines damage an SQLite file: keep replies in a store that machines "
        f"can share, as --robust-store={directory.absolute()}/replies, or run from a disk of this machine"
    )


def network_file_system(path: Path) -> str | None:
    """The kind of the network file system that a path lies on; None where it lies on none, or nobody says."""
    at = os.path.realpath(path)
    with contextlib.suppress(OSError):
        mounts = [
            line.split()[1:3] for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
        ]
        over = [(m.replace("\\040", " "), kind) for m, kind in mounts]
        held = [(m, kind) for m, kind in over if at == m or at.startswith(m.rstrip("/") + "/")]
        kind = max(held, key=lambda h: len(h[0]), default=("", ""))[1]
        return kind if kind in NETWORK else None
    return None


def identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@cache
def machine() -> str:
    """What numbers processes: the host, and on Linux the namespace (two containers may bear one host's name)."""
    space = ""
    with contextlib.suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return f"{platform.node()}/{space}".replace(":", "")


def is_gone(owner: str) -> bool:
    """Whether a lease's owner is known to be dead: a process of this machine that is there no more."""
    where, _, pid = owner.rpartition(":")[0].rpartition(":")
    if where != machine() or not pid.isdecimal() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
