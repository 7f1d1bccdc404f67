"""Shards of a run: whole cases, by the digest of their id, so that one more case moves one case."""

from __future__ import annotations

import re
from typing import NamedTuple

from robusttest.core.nouns import digest
from robusttest.errors import UsageError

_WRITTEN = re.compile(r"(\d+)/(\d+)")
MOST = 100_000


class Shard(NamedTuple):
    """The ``part``-th (from 1) of ``of`` shards."""

    part: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``3/64``. Raises `UsageError` for what is no such pair, or none of these shards."""
        found = _WRITTEN.fullmatch(str(text).strip())
        if found is None:
            raise UsageError(f"{text!r}: write K/N, as in 3/64 for the third of 64 shards")
        made = cls(int(found[1]), int(found[2]))
        if not 1 <= made.of <= MOST:
            raise UsageError(f"{text!r}: from 1 to {MOST:,} shards")
        if not 1 <= made.part <= made.of:
            raise UsageError(f"{text!r}: of {made.of} shards there are 1/{made.of} to {made.of}/{made.of}")
        return made

    def has(self, case_id: str) -> bool:
        """Whether a case is in this shard."""
        return int(digest("shard", case_id, size=8), 16) % self.of == self.part - 1

    def __str__(self) -> str:
        return f"{self.part}/{self.of}"
