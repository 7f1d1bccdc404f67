"""Replies in a Postgres database: two tables, which are made where they are not there. The database's clock decides of leases.

User, password and certificates come by the environment (``PGUSER``, ``PGPASSWORD``, ``PGSSLMODE``, a ``.pgpass`` file …), as libpq reads them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from robusttest.core.codec import check_schema
from robusttest.errors import MissingExtraError, StorageError
from robusttest.gateway.store.shared import LEASE_SECONDS, StoredReply

SCHEMA = 1
CONNECT_SECONDS = 10
_TABLES = """
CREATE TABLE IF NOT EXISTS robusttest_store (schema integer PRIMARY KEY);
CREATE TABLE IF NOT EXISTS robusttest_replies (key text PRIMARY KEY, model text NOT NULL, request bytea NOT NULL,
    completion text NOT NULL, created double precision NOT NULL, stored timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS robusttest_leases (key text PRIMARY KEY, owner text NOT NULL, expires timestamptz NOT NULL);
"""
_LOCK = 7_262_857
"""An advisory lock: two processes that make the tables at once would trip over each other."""
_GET = "SELECT key, model, request, completion, created FROM robusttest_replies WHERE key = ANY(%s)"
_PUT = """
INSERT INTO robusttest_replies (key, model, request, completion, created) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (key) DO UPDATE SET request = excluded.request, completion = excluded.completion, created = excluded.created,
    stored = clock_timestamp() WHERE robusttest_replies.stored < %s
"""
_LEASE = """
INSERT INTO robusttest_leases SELECT key, %s, clock_timestamp() + %s * interval '1 second' FROM unnest(%s::text[]) AS key ORDER BY key
ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, expires = excluded.expires
    WHERE robusttest_leases.owner = excluded.owner OR robusttest_leases.expires < clock_timestamp() RETURNING key
"""

T = TypeVar("T")


class Postgres:
    """A `SharedStore` in a database, over one connection, which is made anew once where it broke."""

    def __init__(self, url: str, owner: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise MissingExtraError(f"{url}: a store in Postgres", "robusttest[postgres]") from None
        self.url, self._owner = url, owner
        self._errors = psycopg.Error
        self._broken = (psycopg.OperationalError, psycopg.InterfaceError)
        self._connect = psycopg.connect
        self._lock = threading.Lock()
        self._db: Any = None
        self._opened = self._do(self._made)

    def _made(self, db: Any) -> Any:
        """Make the tables; now, by the database's clock."""
        with db.transaction():
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            db.execute(_TABLES)
            row = db.execute("SELECT schema FROM robusttest_store").fetchone()
            if row is None:
                db.execute("INSERT INTO robusttest_store VALUES (%s)", (SCHEMA,))
        check_schema(SCHEMA if row is None else row[0], SCHEMA, f"the reply store {self.url}")
        return db.execute("SELECT clock_timestamp()").fetchone()[0]

    def _do(self, what: Callable[[Any], T]) -> T:
        """On a connection that lives: one that broke is made anew, once."""
        with self._lock:
            for last in (False, True):
                try:
                    if self._db is None:
                        self._db = self._connect(self.url, autocommit=True, connect_timeout=CONNECT_SECONDS)
                    return what(self._db)
                except self._errors as e:
                    broken = self._db is None or self._db.closed or self._db.broken
                    if broken and self._db is not None and not last:
                        self._db = None
                        continue
                    raise StorageError(f"{self.url}: {_said(e)}") from None
        raise AssertionError("unreachable")

    def get(self, keys: Collection[str]) -> dict[str, StoredReply]:
        rows = self._do(lambda db: db.execute(_GET, (list(keys),)).fetchall())
        return {r[0]: StoredReply(r[0], r[1], bytes(r[2]), r[3], r[4]) for r in rows}

    def put(self, rows: Sequence[StoredReply]) -> None:
        def write(db: Any) -> None:
            with (
                db.transaction(),
                db.cursor() as cursor,
            ):  # in one order: two that write the same keys don't wait for each other in a circle
                cursor.executemany(_PUT, [(*row, self._opened) for row in sorted(rows)])

        self._do(write)

    def purge(
        self, *, age: float | None = None, of: Callable[[StoredReply], bool] | None = None, dry: bool = False
    ) -> int:
        old = "SELECT key FROM robusttest_replies WHERE stored < clock_timestamp() - %s * interval '1 second'"
        some = "SELECT key, model, request, completion, created FROM robusttest_replies WHERE key > %s ORDER BY key LIMIT 500"
        gone = (
            set()
            if age is None
            else {row[0] for row in self._do(lambda db: db.execute(old, (age,)).fetchall())}
        )

        def page(after: str) -> list[Any]:
            found: list[Any] = self._do(lambda db: db.execute(some, (after,)).fetchall())
            return found

        rows = [] if of is None else page("")
        while rows and of is not None:
            gone |= {r[0] for r in rows if of(StoredReply(r[0], r[1], bytes(r[2]), r[3], r[4]))}
            rows = page(rows[-1][0])
        if gone and not dry:
            self._do(
                lambda db: db.execute("DELETE FROM robusttest_replies WHERE key = ANY(%s)", (sorted(gone),))
            )
        return len(gone)

    def lease(self, keys: Collection[str]) -> set[str]:
        given = (self._owner, LEASE_SECONDS, list(keys))
        return {row[0] for row in self._do(lambda db: db.execute(_LEASE, given).fetchall())}

    def release(self, keys: Collection[str]) -> None:
        ask = "DELETE FROM robusttest_leases WHERE owner = %s AND key = ANY(%s)"
        self._do(lambda db: db.execute(ask, (self._owner, list(keys))))

    def renew(self) -> None:
        ask = "UPDATE robusttest_leases SET expires = clock_timestamp() + %s * interval '1 second' WHERE owner = %s"
        self._do(lambda db: db.execute(ask, (LEASE_SECONDS, self._owner)))

    def close(self) -> None:
        self._do(lambda db: db.execute("DELETE FROM robusttest_leases WHERE owner = %s", (self._owner,)))
        with self._lock:
            if self._db is not None:
                self._db.close()


def _said(error: Exception) -> str:
    """Its first line, which names no password."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
