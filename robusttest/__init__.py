"""Robustness tests for language models: is the model still right when the question is put differently?

::

    from robusttest import Task, robust, load_cases
    from robusttest.metrics import accuracy, robust_accuracy, flip_rate
    from robusttest.scorers import choice

Importing this loads nothing heavy; each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robusttest.cases import load_cases as load_cases
    from robusttest.data import Answer as Answer
    from robusttest.data import Case as Case
    from robusttest.data import Completion as Completion
    from robusttest.data import Draft as Draft
    from robusttest.data import Estimate as Estimate
    from robusttest.data import NotApplicable as NotApplicable
    from robusttest.data import Prompt as Prompt
    from robusttest.data import Record as Record
    from robusttest.data import Request as Request
    from robusttest.data import Score as Score
    from robusttest.data import Threshold as Threshold
    from robusttest.data import Variant as Variant
    from robusttest.data import Verdict as Verdict
    from robusttest.errors import RobusttestError as RobusttestError
    from robusttest.errors import UsageError as UsageError
    from robusttest.evaluation import evaluate as evaluate
    from robusttest.gateway import model as model
    from robusttest.perturbations import crossed as crossed
    from robusttest.perturbations import perturbation as perturbation
    from robusttest.plugin.mark import robust as robust
    from robusttest.result import Result as Result
    from robusttest.scorers import scorer as scorer
    from robusttest.settings import Settings as Settings
    from robusttest.task import Task as Task

_HOMES = {
    "Answer": "data",
    "Case": "data",
    "Completion": "data",
    "Draft": "data",
    "Estimate": "data",
    "NotApplicable": "data",
    "Prompt": "data",
    "Record": "data",
    "Request": "data",
    "Result": "result",
    "RobusttestError": "errors",
    "Score": "data",
    "Settings": "settings",
    "Task": "task",
    "Threshold": "data",
    "UsageError": "errors",
    "Variant": "data",
    "Verdict": "data",
    "crossed": "perturbations",
    "evaluate": "evaluation",
    "load_cases": "cases",
    "model": "gateway",
    "perturbation": "perturbations",
    "robust": "plugin.mark",
    "scorer": "scorers",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  tests/test_init.py holds it to the names above
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
