"""Two versions of a model on the same questions: which variants may be paired, what changed, what it means.

::

    from robusttest.compare import Version, compare
    found = compare(Version.of(old.info, old.records), Version.of(new.info, new.records))
    found.cells[0].verdict        # improved, regressed, no_worse or undecided

A variant is paired with itself: same test, task, case, perturbation and variant, equal input, options and right answer,
whatever the prompt around them.
Everything else is counted by reason. The arithmetic is in `robusttest.stats.versions.paired`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robusttest.compare.against import compare
    from robusttest.compare.model import CaseChange, CellComparison, Comparison
    from robusttest.compare.rows import CellRows, Row, Version

_WHERE = {
    "CaseChange": "model",
    "CellComparison": "model",
    "CellRows": "rows",
    "Comparison": "model",
    "Row": "rows",
    "Version": "rows",
    "compare": "against",
}
"""Loaded when asked for: a flag is checked, and a baseline read, without numpy."""

__all__ = [
    "CaseChange",
    "CellComparison",
    "CellRows",
    "Comparison",
    "Row",
    "Version",
    "compare",
]


if not TYPE_CHECKING:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name not in _WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
