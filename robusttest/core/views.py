"""What notebooks show of a value: made by the room of reports, which is imported when something is shown, not before.

The one place that points up. What holds numbers (a result, a comparison, the claims of a study) says here that it can be
shown, and need not know how.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

HOME = "robusttest.report.notebook"


def view(name: str) -> Callable[..., Any]:
    """``"shown"``: a value's HTML; ``"reported"``: the report of results."""
    made: Callable[..., Any] = getattr(import_module(HOME), name)
    return made


def shown(value: object) -> str:
    """HTML for a cell's output: escaped, without scripts, with its figures."""
    return str(view("shown")(value))
