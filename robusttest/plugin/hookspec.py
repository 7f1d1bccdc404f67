"""The hooks that robusttest offers to conftest files and other plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from robusttest.core.nouns import Record
    from robusttest.report.model import Report


def pytest_robust_record(config: pytest.Config, record: Record) -> None:
    """One scored (or failed, or skipped) variant, as its test ends; on xdist's controller, never in its workers."""


def pytest_robust_report(config: pytest.Config, report: Report) -> None:
    """The report of the whole run, before it is printed and written: once a session, on xdist's controller."""
