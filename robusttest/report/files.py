"""Reports as files: checked before the run, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from robusttest.core.files import check_writable, write_text
from robusttest.errors import UnknownNameError, UsageError
from robusttest.report.model import Report
from robusttest.settings import REPORT_KINDS, ReportTarget

__all__ = ["check_writable", "renderer", "write", "write_text"]

Renderer = Callable[[Report], str]

_MODULES = {"md": "markdown"} | {kind: kind for kind in REPORT_KINDS if kind != "md"}
"""Kind → the module whose ``render(report) -> str`` makes it; imported when asked for."""


def renderer(kind: str) -> Renderer:
    if kind not in _MODULES:
        raise UnknownNameError("report kind", kind, REPORT_KINDS)
    module = f"robusttest.report.{_MODULES[kind]}"
    try:
        render: Renderer = import_module(module).render
    except ModuleNotFoundError as e:
        if e.name != module:
            raise
        raise UsageError(f"this version of robusttest writes no {kind} report") from None
    return render


def write(report: Report, target: ReportTarget) -> Path:
    """Write one report and return where it is. `StorageError` if the path can't be written."""
    return write_text(target.path, renderer(target.kind)(report))
