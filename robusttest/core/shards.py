"""Shards of a run: whole cases, by the digest of their id, so that one more case moves one case."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
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
    def parse(cls, text: str, environ: Mapping[str, str] = os.environ) -> Shard:
        """``3/64``; ``slurm`` is this task of the job's array, ``kubernetes/64`` this pod of an indexed job of 64, as the environment
        says. Raises `UsageError` for what is no such pair, none of these shards, or not said by the environment.
        """
        written = str(text).strip()
        if written == "slurm":
            task, count, first = (
                _number(text, f"SLURM_ARRAY_TASK_{n}", environ) for n in ("ID", "COUNT", "MIN")
            )
            step = _number(text, "SLURM_ARRAY_TASK_STEP", {"SLURM_ARRAY_TASK_STEP": "1", **environ})
            written = f"{(task - first) // max(1, step) + 1}/{count}"
        elif written.startswith("kubernetes/"):
            index = _number(text, "JOB_COMPLETION_INDEX", environ)
            written = f"{index + 1}/{written.removeprefix('kubernetes/')}"
        found = _WRITTEN.fullmatch(written)
        if found is None:
            raise UsageError(
                f"{text!r}: write K/N, as in 3/64 for the third of 64 shards; or slurm, or kubernetes/64, for the environment's index"
            )
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


def _number(text: str, name: str, environ: Mapping[str, str]) -> int:
    said = environ.get(name, "").strip()
    if not (said.isascii() and said.isdigit()):
        raise UsageError(
            f"{text!r}: the environment has no {name}{f', but {said!r}' if said else ''}: write K/N instead"
        )
    return int(said)
