"""A store of replies that many machines share, behind each machine's own: what it has to do, and which a URL names.

``postgresql://host/database`` is a database; a folder, or a URL of fsspec's, holds each reply as an object. Each machine keeps its own
store, too: what it asked for is on its disk before it is in the shared one, and what another machine asked for is taken over once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from robusttest.core.files import URL

LEASE_SECONDS = 15.0
"""A lease whose owner has not renewed it for so long, by the storage's clock, is free."""
DATABASE = "postgresql"


class StoredReply(NamedTuple):
    """One reply, as it is stored everywhere."""

    key: str
    model: str
    request: bytes
    """Its identity: canonical JSON, deflated."""
    completion: str
    created: float
    """Seconds since the epoch, by the clock of who asked."""


class SharedStore(Protocol):
    """Safe to use from several threads. Raises `StorageError` where the storage can't be used."""

    url: str

    def get(self, keys: Collection[str]) -> dict[str, StoredReply]:
        """Those of the replies that are there."""

    def put(self, rows: Sequence[StoredReply]) -> None:
        """Keep replies. One that came since this store was opened stays: two machines asked at once; an older one is replaced."""

    def lease(self, keys: Collection[str]) -> set[str]:
        """Those of ``keys`` that are ours to call now; another machine is calling the rest. By the storage's clock."""

    def release(self, keys: Collection[str]) -> None:
        """Their calls ended."""

    def purge(
        self, *, age: float | None = None, of: Callable[[StoredReply], bool] | None = None, dry: bool = False
    ) -> int:
        """Delete replies that have been there for more than ``age`` seconds of the storage's clock, or that are ``of`` what is looked for,
        and say how many; ``dry`` counts alone.
        """

    def renew(self) -> None:
        """Say that we live. To be called every few seconds."""

    def close(self) -> None:
        """Give up every lease."""


def opened(url: str, owner: str) -> SharedStore:
    """Connect, and see that it can be read and written: to be called before money is spent."""
    found = URL.fullmatch(url)
    if found is not None and found["scheme"] == DATABASE:
        from robusttest.gateway.store.postgres import Postgres

        return Postgres(url, owner)
    from robusttest.gateway.store.objects import Objects

    return Objects(url, owner)
