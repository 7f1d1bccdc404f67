"""Replies as objects: one file each, by its key, on whatever fsspec reaches. Nothing is locked, nothing is changed in place.

A lease is a file that only one can create. Its owner lives while the file that it rewrites every few seconds is young, and the storage's
clock says how young: two files' times are compared, never a machine's clock. After a dead owner's lease comes another file, named after
that owner, which again only one can create.
"""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from robusttest.core.codec import check_schema
from robusttest.core.locations import Location
from robusttest.core.nouns import digest
from robusttest.errors import StorageError
from robusttest.gateway.store.shared import LEASE_SECONDS, StoredReply

SCHEMA = 1
AT_ONCE = 16
"""Objects that are asked for side by side."""
TRIES = 5
"""Looks at a lease that is given up while we look."""

T = TypeVar("T")


class Objects:
    """A `SharedStore` in a folder: ``replies/`` by the first two digits of their keys, ``leases/`` and ``owners/``."""

    def __init__(self, url: str, owner: str) -> None:
        self.url, self._owner = url, digest(owner)
        self._at = Location(url)
        self._mine: dict[str, Location] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="robusttest-store")
        mark = self._at / "robusttest.json"
        if not mark.create(json.dumps({"schema": SCHEMA}).encode()):
            check_schema(_json(mark, mark.read())["schema"], SCHEMA, f"the reply store {url}")
        self._heart = self._at / "owners" / self._owner
        self._opened = self._beat()

    def _beat(self) -> float:
        """Now, by the storage's clock."""
        self._heart.write(b"")
        return self._heart.modified() or 0.0

    def _each(self, do: Any, keys: Iterable[T]) -> list[Any]:
        return list(self._threads.map(do, keys))

    # --- replies

    def _reply(self, key: str) -> Location:
        return self._at / "replies" / key[:2] / key

    def get(self, keys: Collection[str]) -> dict[str, StoredReply]:
        found = self._each(self._read, keys)
        return {row.key: row for row in found if row is not None}

    def _read(self, key: str) -> StoredReply | None:
        at = self._reply(key)
        data = at.read()
        if data is None:
            return None
        told = _json(at, data)
        return StoredReply(
            key, told["model"], b64decode(told["request"]), told["completion"], told["created"]
        )

    def put(self, rows: Sequence[StoredReply]) -> None:
        self._each(self._write, rows)

    def _write(self, row: StoredReply) -> None:
        told = row._asdict() | {"request": b64encode(row.request).decode()}
        data = json.dumps(told, separators=(",", ":")).encode()
        at = self._reply(row.key)
        if not at.create(data) and (at.modified() or 0.0) < self._opened:
            at.write(data)

    def purge(
        self, *, age: float | None = None, of: Callable[[StoredReply], bool] | None = None, dry: bool = False
    ) -> int:
        now, folder = self._beat(), self._at / "replies"

        def gone(at: Location) -> bool:
            if age is not None and (then := at.modified()) is not None and now - then > age:
                return True
            row = None if of is None else self._read(at.name)
            return row is not None and of is not None and of(row)

        count = 0
        for prefix in folder.names():  # a 256th of all at a time
            here = [folder / prefix / name for name in (folder / prefix).names() if not name.endswith(".tmp")]
            old = [at for at, is_gone in zip(here, self._each(gone, here), strict=True) if is_gone]
            count += len(old)
            if not dry:
                self._each(Location.remove, old)
        return count

    # --- leases

    def lease(self, keys: Collection[str]) -> set[str]:
        wanted = list(keys)
        return {key for key, ours in zip(wanted, self._each(self._take, wanted), strict=True) if ours}

    def _take(self, key: str) -> bool:
        name, tries = key, TRIES
        while tries:
            at = self._at / "leases" / name
            if at.create(self._owner.encode()):
                with self._lock:
                    self._mine[key] = at
                return True
            holder = at.read()
            if holder is None:
                tries -= 1
            elif holder.decode() == self._owner:
                return True
            elif self._lives(holder.decode()):
                return False
            else:
                name = f"{key}.{digest(holder.decode())}"
        return False

    def _lives(self, owner: str) -> bool:
        seen = (self._at / "owners" / owner).modified()
        return seen is not None and self._beat() - seen < LEASE_SECONDS

    def release(self, keys: Collection[str]) -> None:
        with self._lock:
            gone = [at for key in keys if (at := self._mine.pop(key, None)) is not None]
        self._each(Location.remove, gone)

    def renew(self) -> None:
        self._beat()

    def close(self) -> None:
        with self._lock:
            held = list(self._mine)
        self.release(held)
        self._heart.remove()
        self._threads.shutdown()


def _json(at: Location, data: bytes | None) -> Any:
    try:
        found = json.loads(data or b"")
        if isinstance(found, dict):
            return found
    except ValueError:
        pass
    raise StorageError(f"{at} is no file of a reply store: name a folder of its own")
