"""Who answered in a model's name: by the records of a run, and whether it is another one than in an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from robusttest.core.names import is_callable
from robusttest.core.nouns import Record, RunInfo

SHOWN = 3
"""Ids that are named."""


def named(records: Iterable[Record], of: Callable[[Record], str | None]) -> dict[str, tuple[str, ...]]:
    """Model → what its replies say of who gave them, sorted; without models that say nothing, and the repo's own."""
    found: dict[str, set[str]] = {}
    for r in records:
        if (name := of(r)) is not None and not is_callable(r.model):
            found.setdefault(r.model, set()).add(name)
    return {model: tuple(sorted(names)) for model, names in sorted(found.items())}


def changes(then: RunInfo, now: RunInfo, model: str, old_model: str | None = None) -> Iterator[str]:
    """What the provider says of having put another model behind the same name, one sentence each.

    Fingerprints are only told of where none is the same: providers answer one run from several set-ups.
    """
    if old_model not in (None, model):
        return
    for what, old, new in (
        ("another model answered to this name", then.served.get(model), now.served.get(model)),
        ("another system fingerprint", then.fingerprints.get(model), now.fingerprints.get(model)),
    ):
        if not old or not new or set(old) == set(new):
            continue
        if what == "another system fingerprint" and set(old) & set(new):
            continue
        yield f"{what}: {_list(old)} then, {_list(new)} now"


def _list(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
