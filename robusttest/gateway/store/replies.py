"""The reply store: every reply paid for and every variant made, in one SQLite file that processes share.

JSON in a WAL database, so that a killed process tears nothing and loses at most the last 50 ms. A thread writes in
batches; what is waiting to be written can be read already. Nothing in it is pickled, no key is in it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from robusttest.core.files import own_folder
from robusttest.core.nouns import Completion, Json, Request, canonical_json
from robusttest.core.secrets import hidden
from robusttest.errors import StorageError
from robusttest.gateway.store import database
from robusttest.gateway.store.shared import LEASE_SECONDS, StoredReply, opened
from robusttest.gateway.store.stored import completion_from, dumps, loads

FILE = "replies.sqlite"
FLUSH_SECONDS = 0.05
RETRY_SECONDS = 1.0
"""After a write that failed."""
BATCH = 500
_OPEN, _LEARNT = "\x00under way", "\x00learnt\x00"
"""After a run's name: what its calls under way have reserved, and, with a model's name, what the first of them cost."""


def fitting(
    calls: int,
    spent: float,
    held: float,
    cost: float,
    *,
    max_calls: int | None,
    max_cost: float | None,
    alone: bool,
) -> float | bool | None:
    """What to reserve for a call of about ``cost`` US dollars; False: it does not fit; None: perhaps it will, when what
    is ``held`` for calls under way has settled. ``alone``: nobody knows what it costs; it may take all that is left.
    """
    if max_calls is not None and calls >= max_calls:
        return False
    if max_cost is None or spent + held + cost <= max_cost + 1e-12:
        return float(cost)
    if held > 1e-12:
        return None
    left = max_cost - spent
    return float(left) if alone and left > 0 else False


class ReplyStore:
    """Replies by request key, variants by their key, leases on calls under way, and what a run has spent.

    Behind it may be a store that other machines ``shared``: what is put here is put there, too, and what is there is taken over here.
    ``read_only`` opens the file if it is there and creates nothing. Safe to use from several threads. What could not
    be written is kept in memory and said in ``problems``; a damaged file is set aside, what can be read of it saved.
    """

    def __init__(self, directory: Path, *, read_only: bool = False, shared: str | None = None) -> None:
        self.path = database.near(directory, shared is not None and not read_only) / FILE
        self.read_only = read_only
        self.problems: list[str] = []
        self.owner = f"{database.machine()}:{os.getpid()}:{os.urandom(4).hex()}"
        self._lock = threading.RLock()
        self._waiting = threading.Condition(threading.Lock())
        self._replies: dict[str, tuple[str, Json, Completion, float]] = {}
        """Not yet written."""
        self._variants: dict[str, Json] = {}
        self._done: list[str] = []
        """Keys whose lease ends with the next write."""
        self._held: set[str] = set()
        self._writer: threading.Thread | None = None
        self._closing = False
        self._stopped = threading.Event()
        self._unsaved: str | None = None
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        """The file that was opened: another process may have set it aside since."""
        self._unshared: dict[str, StoredReply] = {}
        """Replies that are not in the shared store yet."""
        self._ended: list[str] = []
        """Keys whose lease there ends once they are."""
        self._shared = None if shared is None else opened(shared, self.owner)
        self._open()

    # --- opening

    def _open(self) -> None:
        if self.read_only:
            if self.path.exists():
                try:
                    self._db = database.connect_read_only(self.path)
                except sqlite3.Error as e:
                    raise StorageError(
                        f"{self.path} can't be read: {e}. A run that may write (--robust-replies=auto) saves what it can"
                    ) from None
            return
        try:
            own_folder(self.path.parent)
        except StorageError as e:
            self._problem(f"{e}: replies of this run are not kept")
            return
        try:
            self._db = self._connect()
        except sqlite3.DatabaseError as e:
            if not database.is_damage(e):
                self._problem(f"{self.path}: {e}: replies of this run are not kept")
                if self.path.exists() and os.access(self.path, os.R_OK):
                    with contextlib.suppress(sqlite3.Error):
                        self._db, self.read_only = database.connect_read_only(self.path), True
                return
            self._set_aside(e)

    def _connect(self) -> sqlite3.Connection:
        db = database.connect(self.path)
        self._file = database.identity(self.path)
        return db

    def _set_aside(self, why: sqlite3.Error) -> None:
        """Move a damaged file out of the way, and save what can be read of it."""
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None
            if database.identity(self.path) != self._file:
                # Another process did it: the file that stands there now is a good one.
                self._db = self._connect()
                return
        aside = self.path.with_name(f"{FILE}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.replace(f"{self.path}{suffix}", f"{aside}{suffix}")
        self._db = self._connect()
        saved = 0
        with contextlib.suppress(sqlite3.Error, StorageError):
            old = database.connect_read_only(aside)
            with contextlib.closing(old), database.transaction(self._db) as db:
                for row in database.readable(old):
                    db.execute("INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?)", row)
                    saved += 1
        self._problem(
            f"{self.path} was damaged ({why}): it is kept as {aside.name}; {saved:,} "
            f"{'reply' if saved == 1 else 'replies'} could be saved"
        )

    def _problem(self, text: str) -> None:
        if text not in self.problems:
            self.problems.append(text)

    def _failed(self, error: sqlite3.Error) -> None:
        """Say what went wrong; after damage go on with a file that holds what could be saved."""
        if database.is_damage(error) and not self.read_only:
            with self._lock:
                try:
                    self._set_aside(error)
                except (sqlite3.Error, StorageError, OSError) as e:
                    self._problem(f"{self.path}: {e}: replies of this run are not kept")
            return
        self._problem(f"{self.path}: {error}")

    # --- replies

    def get(self, key: str, *, since: float | None = None) -> Completion | None:
        """The stored reply, ``cached`` set; None if there is none (made at or after ``since``, seconds since the epoch)."""
        held = self._replies.get(key)
        if held is not None:
            return None if since is not None and held[3] < since else replace(held[2], cached=True)
        if self._db is None:
            return None
        try:
            with self._lock:
                row = self._db.execute(
                    "SELECT completion, created FROM replies WHERE key = ?", (key,)
                ).fetchone()
        except sqlite3.Error as e:
            self._failed(e)
            return None
        if row is None or (since is not None and row[1] < since):
            return None
        try:
            return completion_from(row[0], cached=True)
        except (ValueError, TypeError, AttributeError):
            self._problem(f"{self.path}: the reply {key[:12]} is damaged: it is asked for again")
            return None

    @property
    def shares(self) -> bool:
        """Whether there is a store of other machines behind this one."""
        return self._shared is not None

    def far(self, key: str, *, since: float | None = None) -> Completion | None:
        """`get`, from the shared store alone; what is there is taken over."""
        return self.get(key, since=since) if self._taken_over([key]) else None

    def _taken_over(self, keys: Collection[str]) -> set[str]:
        """Those that other machines have replies to, which are ours from now on."""
        assert self._shared is not None
        try:
            found = self._shared.get(keys)
        except StorageError as e:
            self._unreached(e)
            return set()
        taken = set()
        with self._waiting:
            for row in found.values():
                try:
                    request, completion = loads(zlib.decompress(row.request)), completion_from(row.completion)
                except (ValueError, TypeError, AttributeError, zlib.error):
                    self._problem(
                        f"{self._shared.url}: the reply {row.key[:12]} is damaged: it is asked for again"
                    )
                    continue
                taken.add(row.key)
                self._replies[row.key] = (row.model, request, completion, row.created)
            if taken and not self.read_only:
                self._wake()
        return taken

    def _unreached(self, error: StorageError) -> None:
        self._problem(f"{error}: replies are shared with other machines once it can be reached again")

    def put(self, key: str, request: Request, completion: Completion) -> None:
        """Keep a reply, which has no secrets (`hidden_reply`); it is on disk within `FLUSH_SECONDS`."""
        if self.read_only:
            return
        identity, now = hidden(request.identity()), time.time()
        with self._waiting:
            self._replies[key] = (request.model, identity, completion, now)
            if self._shared is not None:
                self._unshared[key] = _row(key, self._replies[key])
            self._wake()

    # --- variants (the Store of `robusttest.variants.remembered`)

    def get_variants(self, key: str) -> Json | None:
        held = self._variants.get(key)
        if held is not None:
            return held
        if self._db is None:
            return None
        try:
            with self._lock:
                row = self._db.execute("SELECT value FROM variants WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as e:
            self._failed(e)
            return None
        try:
            return None if row is None else loads(zlib.decompress(row[0]))
        except (ValueError, zlib.error):
            return None  # damaged: made anew

    def put_variants(self, key: str, value: Json) -> None:
        """Keep variants; those with a secret in them are made anew each time."""
        if self.read_only or hidden(value) is not value:
            return
        with self._waiting:
            self._variants[key] = value
            self._wake()

    # --- leases: equal requests of several processes are put once

    def lease(self, keys: Iterable[str]) -> set[str]:
        """Those of ``keys`` that are ours to call now; another process is calling the rest."""
        wanted = list(keys)
        if self._db is None or self.read_only:
            return set(wanted)
        now = time.time()
        mine = set()
        try:
            with self._lock, database.transaction(self._db) as db:
                for key in wanted:
                    row = db.execute("SELECT owner, expires FROM leases WHERE key = ?", (key,)).fetchone()
                    if (
                        row is not None
                        and row[0] != self.owner
                        and row[1] >= now
                        and not database.is_gone(row[0])
                    ):
                        continue
                    db.execute(
                        "INSERT OR REPLACE INTO leases VALUES (?, ?, ?)",
                        (key, self.owner, now + LEASE_SECONDS),
                    )
                    mine.add(key)
        except sqlite3.Error as e:
            self._failed(e)
            return set(wanted)
        if mine:
            with self._waiting:
                self._held |= mine
                self._start()  # which renews them, however long the first reply takes
        return mine if self._shared is None else self._leased_far(mine)

    def _leased_far(self, mine: set[str]) -> set[str]:
        """Of calls that no process here is making: those that no other machine is making, or has made."""
        assert self._shared is not None
        done = self._taken_over(mine)
        try:
            ours = self._shared.lease(sorted(mine - done))
        except StorageError as e:
            self._unreached(e)
            return mine
        # Another machine may have put its reply, and given its lease up, between our two looks.
        done |= self._taken_over(ours)
        for key in sorted(mine - done - ours):
            self.release(key)
        return done | ours

    def release(self, key: str) -> None:
        """Give a lease up: the call ended, with a reply or without."""
        with self._waiting:
            if key in self._held:
                self._held.discard(key)
                self._done.append(key)
                if self._shared is not None:
                    self._ended.append(key)
                self._wake()

    def renew(self) -> None:
        """Say that the holders of our leases live. Called every few seconds."""
        if self._db is not None and self._held:
            with self._lock, contextlib.suppress(sqlite3.Error):
                self._db.execute(
                    "UPDATE leases SET expires = ? WHERE owner = ?", (time.time() + LEASE_SECONDS, self.owner)
                )
        if self._shared is not None and self._held:
            try:
                self._shared.renew()
            except StorageError as e:
                self._unreached(e)

    # --- what a run has spent, over all its processes

    def spend(
        self, run: str, calls: int, cost: float, *, max_calls: int | None, max_cost: float | None
    ) -> bool:
        """Add to what the run has spent, unless that would go over a limit: then False, and nothing is added."""
        if self._db is None or self.read_only:
            raise StorageError(
                f"{self.path}: a budget over several processes needs a store that can be written"
            )
        try:
            with self._lock, database.transaction(self._db) as db:
                row = db.execute("SELECT calls, cost FROM spent WHERE run = ?", (run,)).fetchone() or (0, 0.0)
                new = row[0] + calls, row[1] + cost
                if calls > 0 and (
                    (max_calls is not None and new[0] > max_calls)
                    or (max_cost is not None and new[1] > max_cost)
                ):
                    return False
                db.execute("INSERT OR REPLACE INTO spent VALUES (?, ?, ?)", (run, *new))
        except sqlite3.Error as e:
            raise StorageError(f"{self.path}: {e}") from None
        return True

    def reserve(
        self, run: str, cost: float, *, max_calls: int | None, max_cost: float | None, alone: bool
    ) -> float | bool | None:
        """`fitting`, over all processes of a run: what fits is added to what is under way."""
        if self._db is None or self.read_only:
            raise StorageError(
                f"{self.path}: a budget over several processes needs a store that can be written"
            )
        ask = "SELECT calls, cost FROM spent WHERE run = ?"
        try:
            with self._lock, database.transaction(self._db) as db:
                calls, spent = db.execute(ask, (run,)).fetchone() or (0, 0.0)
                _, held = db.execute(ask, (run + _OPEN,)).fetchone() or (0, 0.0)
                fits = fitting(calls, spent, held, cost, max_calls=max_calls, max_cost=max_cost, alone=alone)
                if isinstance(fits, float):
                    rows = [(run, calls + 1, spent), (run + _OPEN, 0, held + fits)]
                    db.executemany("INSERT OR REPLACE INTO spent VALUES (?, ?, ?)", rows)
        except sqlite3.Error as e:
            raise StorageError(f"{self.path}: {e}") from None
        return fits

    def settle(self, run: str, reserved: float, cost: float) -> None:
        """What was reserved for a call is no longer under way, and ``cost`` is spent."""
        if self._db is None or self.read_only:
            return
        change = "INSERT INTO spent VALUES (?, 0, ?) ON CONFLICT(run) DO UPDATE SET cost = max(0, cost + excluded.cost)"
        try:
            with self._lock, database.transaction(self._db) as db:
                db.executemany(change, [(run, cost), (run + _OPEN, -reserved)])
        except sqlite3.Error as e:
            raise StorageError(f"{self.path}: {e}") from None

    def learn(self, run: str, model: str, share: float) -> None:
        """A call of the run to this model cost such a share of the most that it could."""
        if self._db is None or self.read_only:
            return
        change = (
            "INSERT INTO spent VALUES (?, 1, ?) ON CONFLICT(run) DO UPDATE SET calls = calls + 1, "
            "cost = max(cost, excluded.cost)"
        )
        with contextlib.suppress(sqlite3.Error), self._lock, database.transaction(self._db) as db:
            db.execute(change, (f"{run}{_LEARNT}{model}", share))

    def learnt(self, run: str, model: str) -> tuple[int, float]:
        """How many such calls all processes have told of, and the greatest share of theirs."""
        if self._db is None:
            return 0, 0.0
        ask = "SELECT calls, cost FROM spent WHERE run = ?"
        with contextlib.suppress(sqlite3.Error), self._lock:
            n, share = self._db.execute(ask, (f"{run}{_LEARNT}{model}",)).fetchone() or (0, 0.0)
            return int(n), float(share)
        return 0, 0.0

    # --- for cassettes and messages

    def rows(self) -> Iterator[tuple[str, Json, Json]]:
        """``(key, request identity, completion)`` of every stored reply, sorted by key."""
        self.flush()
        if self._db is None:
            return
        try:
            with self._lock:
                found = self._db.execute(
                    "SELECT key, request, completion FROM replies ORDER BY key"
                ).fetchall()
        except sqlite3.Error as e:
            raise StorageError(f"{self.path} can't be read: {e}") from None
        for key, request, completion in found:
            yield key, loads(zlib.decompress(request)), loads(completion)

    def requests_to(self, model: str, most: int = 2000) -> list[Json]:
        """Identities of stored requests to a model (to any model where it has none), at most ``most``."""
        if self._db is None:
            return []
        try:
            with self._lock:
                rows = self._db.execute(
                    "SELECT request FROM replies WHERE model = ? LIMIT ?", (model, most)
                ).fetchall()
                if not rows:
                    rows = self._db.execute("SELECT request FROM replies LIMIT ?", (most,)).fetchall()
        except sqlite3.DatabaseError:
            return []
        return [loads(zlib.decompress(row[0])) for row in rows]

    def answered(self, model: str, most: int = 200) -> list[tuple[Json, Json]]:
        """``(request identity, completion)`` of the newest stored replies of a model, at most ``most``."""
        if self._db is None:
            return []
        self.flush()
        try:
            with self._lock:
                rows = self._db.execute(
                    "SELECT request, completion FROM replies WHERE model = ? ORDER BY created DESC, key LIMIT ?",
                    (model, most),
                ).fetchall()
        except sqlite3.DatabaseError:
            return []
        return [(loads(zlib.decompress(request)), loads(completion)) for request, completion in rows]

    def purge(
        self, *, before: float | None = None, of: Callable[[str, str], bool] | None = None, dry: bool = False
    ) -> int:
        """Delete replies made before a time (seconds since the epoch), or ``of(key, text of its request)``, and say how many.

        All variants go, too: they are made anew, and nobody says whose they are. ``dry`` counts alone. Raises `StorageError`.
        """
        self.flush()
        if self._db is None or self.read_only:
            raise StorageError(f"{self.path} can't be written: {'; '.join(self.problems) or 'no store'}")
        try:
            with self._lock:
                if before is not None:
                    found = self._db.execute(
                        "SELECT key FROM replies WHERE created < ?", (before,)
                    ).fetchall()
                else:
                    found = []
                if of is not None:
                    rows = self._db.execute("SELECT key, request FROM replies")
                    found += [(key,) for key, text in rows if of(key, zlib.decompress(text).decode())]
                if dry:
                    return len(set(found))
                self._db.execute("PRAGMA secure_delete=ON")  # else it would stay readable in free pages
                with database.transaction(self._db) as db:
                    db.executemany("DELETE FROM replies WHERE key = ?", set(found))
                    db.execute("DELETE FROM variants")
                # The log goes when the last process closes the file; while another one reads, its size stays, too.
                with contextlib.suppress(sqlite3.OperationalError):
                    self._db.execute("VACUUM")
                    self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as e:
            raise StorageError(f"{self.path}: {e}") from None
        return len(set(found))

    def insert(self, rows: Iterable[tuple[str, Json, Json]], *, created: float) -> int:
        """Put rows as `rows` yields them; those that are there already stay."""
        if self._db is None:
            raise StorageError(f"{self.path} can't be written: {'; '.join(self.problems) or 'no store'}")
        count = 0
        try:
            with self._lock, database.transaction(self._db) as db:
                for key, request, completion in rows:
                    db.execute(
                        "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?)",
                        (
                            key,
                            str(request.get("model", "")),
                            zlib.compress(canonical_json(request).encode()),
                            dumps(completion),
                            created,
                        ),
                    )
                    count += 1
        except sqlite3.Error as e:
            raise StorageError(f"{self.path}: {e}") from None
        return count

    # --- writing

    def _wake(self) -> None:
        # The condition's lock is held.
        self._start()
        if len(self._replies) >= BATCH or len(self._replies) + len(self._variants) + len(self._done) == 1:
            self._waiting.notify()

    def _start(self) -> None:
        if self._writer is None and not self._closing:
            self._writer = threading.Thread(target=self._write, name="robusttest-store", daemon=True)
            self._writer.start()

    def _write(self) -> None:
        renewed = time.monotonic()
        while True:
            with self._waiting:
                if not (self._replies or self._variants or self._done):
                    if self._closing:
                        return
                    self._waiting.wait(LEASE_SECONDS / 3)
            self._stopped.wait(FLUSH_SECONDS)
            if not self.flush():
                self._stopped.wait(RETRY_SECONDS)
            if time.monotonic() - renewed > LEASE_SECONDS / 3:
                renewed = time.monotonic()
                self.renew()
            if self._closing:
                return

    def flush(self) -> bool:
        """Write what is waiting now; False where it could not be written and stays in memory."""
        if self.read_only:
            return True
        written = self._written()
        return self._share() and written

    def _share(self) -> bool:
        """Put into the shared store what is not there yet, and end the leases of what is."""
        with self._waiting:
            rows, ended = dict(self._unshared), list(self._ended)
        if self._shared is None or not (rows or ended):
            return True
        try:
            if rows:
                self._shared.put(list(rows.values()))
            if ended:
                self._shared.release(ended)
        except StorageError as e:
            self._unreached(e)
            return False
        with self._waiting:
            for key, row in rows.items():
                if self._unshared.get(key) is row:
                    del self._unshared[key]
            self._ended = self._ended[len(ended) :]
        return True

    def _written(self) -> bool:
        """Into the file."""
        with self._waiting:
            replies, variants = dict(self._replies), dict(self._variants)
            done, self._done = self._done, []
        if not (replies or variants or done):
            return True
        if self._db is None:
            return False
        # Another thread may be reading: the text is made before the database is locked.
        made = [_row(key, held) for key, held in replies.items()]
        texts = [(key, zlib.compress(dumps(value).encode(), 1)) for key, value in variants.items()]
        try:
            with self._lock, database.transaction(self._db) as db:
                db.executemany("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?)", made)
                db.executemany("INSERT OR REPLACE INTO variants VALUES (?, ?)", texts)
                db.executemany(
                    "DELETE FROM leases WHERE key = ? AND owner = ?", [(k, self.owner) for k in done]
                )
        except sqlite3.Error as e:
            # Kept in memory: the next write tries again.
            with self._waiting:
                self._done = done + self._done
            if database.is_damage(e):
                self._failed(e)
            self._unwritten(f"{self.path}: {e}: {len(made):,} replies are not on disk")
            return False
        with self._waiting:
            for key, row in replies.items():
                if self._replies.get(key) is row:
                    del self._replies[key]
            for key in variants:
                self._variants.pop(key, None)
        self._unwritten(None)
        return True

    def _unwritten(self, text: str | None) -> None:
        """At most one such problem is told: the last one, gone once a write succeeds."""
        self.problems = [p for p in self.problems if p != self._unsaved]
        self._unsaved = text
        if text is not None:
            self.problems.append(text)

    def close(self) -> None:
        """Write what is waiting, give up every lease, close the file."""
        with self._waiting:
            self._closing = True
            self._stopped.set()
            self._done += sorted(self._held)
            self._ended += sorted(self._held) if self._shared is not None else []
            self._held.clear()
            self._waiting.notify_all()
        if self._writer is not None:
            self._writer.join(timeout=2 * database.BUSY_SECONDS)
        self.flush()
        if self._shared is not None:
            with contextlib.suppress(StorageError):
                self._shared.close()
        if self._db is not None:
            with self._lock:
                with contextlib.suppress(sqlite3.Error):
                    self._db.close()
                self._db = None


def _row(key: str, held: tuple[str, Json, Completion, float]) -> StoredReply:
    model, request, completion, created = held
    deflated = zlib.compress(canonical_json(request).encode(), 1)
    return StoredReply(key, model, deflated, dumps(asdict(completion)), created)
