"""``--robust-freeze``: give tests the variants of a file, or put theirs into one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from robusttest.core.nouns import Json
from robusttest.errors import RobusttestError
from robusttest.run.jobs import with_frozen
from robusttest.variants.frozen import lacking, save

if TYPE_CHECKING:
    from robusttest.plugin.item import RobustItem
    from robusttest.plugin.session import RobustSession


def attach(session: RobustSession, states: Sequence[RobustItem]) -> None:
    """Before the first test. Raises `UsageError` for a file that can't be read, or does not fit."""
    jobs, freezers = with_frozen([state.job for state in states], session.settings)
    for state, job in zip(states, jobs, strict=True):
        state.job = job
    for state, freezer in zip(states, freezers, strict=bool(freezers)):
        state.freezer = freezer


def put(
    session: RobustSession, states: Sequence[RobustItem], gathered: Iterable[tuple[list[Json], list[str]]]
) -> None:
    """After the last test, where the session reports: write what was gathered here and in workers."""
    found = list(gathered)
    rows = [row for made, _ in found for row in made]
    if not rows:
        return
    try:
        session.written.append(_saved(session, states, rows))
    except RobusttestError as e:
        session.problems.append(f"nothing was frozen: {e}")
        return
    session.problems += lacking(name for _, missing in found for name in missing)


def put_planned(session: RobustSession, states: Sequence[RobustItem]) -> list[str]:
    """The same in a dry run, for what can be made without a call; returns lines that say so."""
    gathered = [s.freezer for s in states if s.freezer is not None]
    if not gathered:
        return []
    try:
        lines = [f"wrote {_saved(session, states)}"]
    except RobusttestError as e:
        lines = [f"nothing was frozen: {e}"]
    lines += lacking(name for f in gathered for name in f.missing())
    return [f"  {line}" for line in lines]


def _saved(session: RobustSession, states: Sequence[RobustItem], rows: Sequence[Json] | None = None) -> str:
    path = session.settings.freeze
    assert path is not None
    count = save(path, [s.freezer for s in states if s.freezer is not None], rows)
    return f"{os.path.relpath(path)}: {count:,} variants to review and commit"
