"""GitHub Actions: annotations on missed thresholds and regressions, and the job's step summary."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from robusttest.core.nouns import CellKey
from robusttest.errors import StorageError
from robusttest.report import markdown
from robusttest.report.blocks import plain
from robusttest.report.escape import visible
from robusttest.report.model import CellReport, Report
from robusttest.report.text import count
from robusttest.report.words.against import WORDS, columns

if TYPE_CHECKING:
    from robusttest.compare import CellComparison

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


def annotations(
    report: Report,
    *,
    limit: int = MOST,
    folder: str = "",
    places: Mapping[CellKey, tuple[str, int]] = MappingProxyType({}),
    regressed: Mapping[CellKey, "CellComparison"] = MappingProxyType({}),
    gate_broken: str | None = None,
) -> list[str]:
    """Workflow commands to print: one for each threshold that is not met, one for each cell that a gate fails (``regressed``),
    one for a gate that could decide nothing; ``limit`` at most.

    Where there are more, the last one says how many are left. ``places``: each test's file and line, from 1; ``folder``
    goes before the file: see `folder`.
    """
    made = [
        _command("error", _change(regressed[c.key]), f"regressed · {_name(c)}", *_place(c, folder, places))
        for c in report.cells
        if c.key in regressed
    ]
    if gate_broken:
        made.insert(0, _command("error", gate_broken, "robusttest: the gate", None))
    gates = len(made)
    for status in ("error", "failed", "inconclusive"):
        level = "warning" if status == "inconclusive" else "error"
        made += [
            _command(level, v.reason, f"{v.status}: {v.threshold} · {_name(c)}", *_place(c, folder, places))
            for c in report.cells
            for v in c.verdicts
            if v.status == status
        ]
    if len(made) <= limit:
        return made
    room = limit - 1
    rest = [n for n in (count(max(0, gates - room), "more regression"),) if gates > room]
    missed = len(made) - max(room, gates)
    rest.append(f"{missed} more thresholds are not met" if missed > 1 else "1 more threshold is not met")
    return [*made[:room], _command("error", f"{', '.join(rest)}: see the summary", "robusttest", None)]


def _change(cell: "CellComparison") -> str:
    """What a gate found, in one line: how far it fell, with its interval, and how many cases broke."""
    x = cell.main
    if x is None:
        return f"{WORDS[cell.verdict].lower()} against the baseline: see the summary"
    measure, difference, old, new, n, *_ = (plain(said) for said in columns(x))
    return (
        f"{measure}: {difference} points against the baseline, {old} then and {new} now (n={n}); "
        f"of these cases {x.worse} got worse and {x.better} better"
    )


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


def _place(
    cell: CellReport, folder: str, places: Mapping[CellKey, tuple[str, int]]
) -> tuple[str | None, int | None]:
    if not cell.test:
        return None, None
    file, line = places.get(cell.key, (cell.test.partition("::")[0], None))
    return folder + file.replace(os.sep, "/"), line


def _command(level: str, message: str, title: str, file: str | None, line: int | None = None) -> str:
    values = {"file": file, "line": line, "title": title}
    listed = ",".join(f"{k}={_property(str(v))}" for k, v in values.items() if v)
    return f"::{level} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return visible(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
