"""GitHub Actions: annotations on missed thresholds, and the job's step summary."""

import os
from collections.abc import Mapping

from robusttest.errors import StorageError
from robusttest.report import markdown
from robusttest.report.escape import visible
from robusttest.report.model import CellReport, Report

MOST = 10
"""Annotations of one kind that GitHub shows of a step."""

SUMMARY_LIMIT = 1024 * 1024
"""Bytes that a step summary may have; GitHub drops a longer one whole."""


def folder(root: str | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> str:
    """``root`` as seen from the repository, with a slash at its end; empty where it is the repository or outside."""
    workspace = environ.get("GITHUB_WORKSPACE")
    if not workspace:
        return ""
    inner, outer = os.path.realpath(root), os.path.realpath(workspace)
    if not inner.startswith(outer + os.sep):
        return ""
    return os.path.relpath(inner, outer).replace(os.sep, "/") + "/"


def annotations(report: Report, *, limit: int = MOST, folder: str = "") -> list[str]:
    """Workflow commands to print, one for each threshold that is not met, ``limit`` at most.

    Where there are more, the last one says how many are left. ``folder`` goes before the tests' paths: see `folder`.
    """
    missed = [
        (cell, verdict)
        for status in ("error", "failed", "inconclusive")
        for cell in report.cells
        for verdict in cell.verdicts
        if verdict.status == status
    ]
    room = limit if len(missed) <= limit else limit - 1
    lines = []
    for cell, verdict in missed[:room]:
        level = "warning" if verdict.status == "inconclusive" else "error"
        title = f"{verdict.status}: {verdict.threshold} · {_name(cell)}"
        lines.append(_command(level, verdict.reason, title, _file(cell, folder)))
    if len(missed) > room:
        rest = len(missed) - room
        lines.append(
            _command("error", f"{rest} more thresholds are not met: see the summary", "robusttest", None)
        )
    return lines


def append_summary(report: Report, environ: Mapping[str, str] = os.environ) -> bool:
    """Append the report to ``$GITHUB_STEP_SUMMARY``; False where there is none.

    Raises `StorageError` if the file can't be written.
    """
    path = environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return False
    try:
        taken = os.path.getsize(path) if os.path.exists(path) else 0
        room = SUMMARY_LIMIT - taken - 1024
        if room < 4096:
            return False
        with open(path, "a", encoding="utf-8", errors="backslashreplace", newline="\n") as f:
            f.write("\n" + markdown.render(report, max_bytes=room) + "\n")
    except OSError as e:
        raise StorageError(f"can't write the step summary {path!r}: {e.strerror or e}") from e
    return True


def _name(cell: CellReport) -> str:
    return f"{cell.task} · {cell.model}" if cell.model else cell.task


def _file(cell: CellReport, folder: str) -> str | None:
    return folder + cell.test.partition("::")[0] if cell.test else None


def _command(level: str, message: str, title: str, file: str | None) -> str:
    values = {"file": file, "title": title}
    listed = ",".join(f"{k}={_property(v)}" for k, v in values.items() if v)
    return f"::{level} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return visible(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
