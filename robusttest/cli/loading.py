"""A task of a user's file, named on the command line as FILE.py:NAME."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from robusttest.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from robusttest.tasks.task import Task


def load_task(file: Path, name: str) -> Task:
    """The `Task` called ``name`` in a Python file, which is imported with its folder on the path."""
    from robusttest.tasks.task import Task

    if not file.is_file():
        raise UsageError(f"there is no file {str(file)!r}")
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(file.stem)
    except Exception as e:
        raise UsageError(f"can't import {file}: {type(e).__name__}: {e}") from e
    tasks = [n for n, value in vars(module).items() if isinstance(value, Task)]
    if name not in tasks:
        raise UnknownNameError(f"task in {file}", name, tasks)
    task: Task = getattr(module, name)
    return task
