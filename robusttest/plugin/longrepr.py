"""A failing test's own text, without secrets: pytest shows and writes what assertions, locals and output hold."""

from __future__ import annotations

from typing import Any

import pytest

from robusttest.core.secrets import hide_cut, scrub


def hide(report: pytest.TestReport) -> None:
    """Take the secrets out of a report before anybody reads it: terminal, JUnit, other plugins, xdist."""
    if report.longrepr is not None:
        report.longrepr = _hidden(report.longrepr, {})
    report.sections = [(name, scrub(text)) for name, text in report.sections]
    report.user_properties = [(str(name), _hidden(value, {})) for name, value in report.user_properties]


def _hidden(value: Any, seen: dict[int, Any]) -> Any:
    """The value with every text in it scrubbed; pytest's own objects are changed in place, so that they stay what they are."""
    if isinstance(value, str):
        return hide_cut(scrub(value))
    if id(value) in seen:
        return value
    if isinstance(value, list):
        seen[id(value)] = value
        value[:] = [_hidden(v, seen) for v in value]
    elif isinstance(value, tuple) and type(value) is tuple:
        return tuple(_hidden(v, seen) for v in value)
    elif type(value).__module__.startswith("_pytest.") and hasattr(value, "__dict__"):
        seen[id(value)] = value
        for name, held in vars(value).items():
            object.__setattr__(value, name, _hidden(held, seen))
    return value
