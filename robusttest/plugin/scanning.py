"""The declared tasks of test files, as pytest collects them: what ``robusttest scan`` tries."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from robusttest.errors import UsageError
from robusttest.plugin.session import ITEM
from robusttest.settings import Settings
from robusttest.tasks.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedTask:
    """One declared task, with the models that its tests name."""

    task: Task
    models: tuple[str, ...]
    file: Path
    name: str | None
    """What the file calls the task; None where it is made where it is used."""
    settings: Settings


class _Scan:
    def __init__(self, act: Callable[[list[ScannedTask]], None]) -> None:
        self.act, self.acted = act, False
        self.error: BaseException | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if session.testsfailed:
            return
        found: dict[int, ScannedTask] = {}
        for item in session.items:
            state = item.stash.get(ITEM, None)
            if state is None or not isinstance(state.job.task, Task):
                continue
            task, before = state.job.task, found.get(id(state.job.task))
            models = (*(before.models if before else ()), *([state.model] if state.model else []))
            held = vars(getattr(item, "module", None) or object) if hasattr(item, "module") else {}
            found[id(task)] = ScannedTask(
                task=task,
                models=tuple(dict.fromkeys(models)),
                file=item.path,
                name=next((n for n, value in held.items() if value is task), None),
                settings=state.settings,
            )
        if not found:
            return
        self.acted = True
        try:
            self.act(list(found.values()))
        except BaseException as e:  # told by the command, not as an internal error of pytest
            self.error = e


def collected(tests: Sequence[str], models: Sequence[str], act: Callable[[list[ScannedTask]], None]) -> None:
    """Collect ``tests`` and call ``act`` with their tasks, while pytest's ``pythonpath`` and conftest files stand.

    Raises `UsageError` with pytest's words where they can't be collected, and whatever ``act`` raises.
    """
    scan, said = _Scan(act), io.StringIO()
    chosen = [f"--robust-model={m}" for m in models]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main(
            ["--collect-only", "-q", "-p", "no:cacheprovider", *chosen, *map(os.fspath, tests)],
            plugins=[scan],
        )
    if scan.error is not None:
        raise scan.error
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise UsageError(f"pytest can't collect {' '.join(tests)}:\n{said.getvalue().strip()}")
    if not scan.acted:
        raise UsageError(f"{' '.join(tests)}: no test there declares a task, @robust(task, …)")
