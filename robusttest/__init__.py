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
    from robusttest.core.models import Model as Model
    from robusttest.core.nouns import Answer as Answer
    from robusttest.core.nouns import Case as Case
    from robusttest.core.nouns import Completion as Completion
    from robusttest.core.nouns import Draft as Draft
    from robusttest.core.nouns import Estimate as Estimate
    from robusttest.core.nouns import NotApplicable as NotApplicable
    from robusttest.core.nouns import Prompt as Prompt
    from robusttest.core.nouns import Record as Record
    from robusttest.core.nouns import Request as Request
    from robusttest.core.nouns import Score as Score
    from robusttest.core.nouns import Threshold as Threshold
    from robusttest.core.nouns import Variant as Variant
    from robusttest.core.nouns import Verdict as Verdict
    from robusttest.engine.body import Ask as Ask
    from robusttest.engine.cell import Result as Result
    from robusttest.errors import RobusttestError as RobusttestError
    from robusttest.errors import UsageError as UsageError
    from robusttest.evaluation import evaluate as evaluate
    from robusttest.gateway import model as model
    from robusttest.perturbations import crossed as crossed
    from robusttest.perturbations import perturbation as perturbation
    from robusttest.plugin.mark import robust as robust
    from robusttest.scorers import scorer as scorer
    from robusttest.searching import format_search as format_search
    from robusttest.settings import Settings as Settings
    from robusttest.tasks.cases import load_cases as load_cases
    from robusttest.tasks.task import Task as Task
    from robusttest.tasks.tools import load_tools as load_tools

_HOMES = {
    "Answer": "core.nouns",
    "Ask": "engine.body",
    "Case": "core.nouns",
    "Completion": "core.nouns",
    "Draft": "core.nouns",
    "Estimate": "core.nouns",
    "Model": "core.models",
    "NotApplicable": "core.nouns",
    "Prompt": "core.nouns",
    "Record": "core.nouns",
    "Request": "core.nouns",
    "Result": "engine.cell",
    "RobusttestError": "errors",
    "Score": "core.nouns",
    "Settings": "settings",
    "Task": "tasks.task",
    "Threshold": "core.nouns",
    "UsageError": "errors",
    "Variant": "core.nouns",
    "Verdict": "core.nouns",
    "crossed": "perturbations",
    "evaluate": "evaluation",
    "format_search": "searching",
    "load_cases": "tasks.cases",
    "load_tools": "tasks.tools",
    "model": "gateway",
    "perturbation": "perturbations",
    "robust": "plugin.mark",
    "scorer": "scorers",
}

__all__ = [
    "Answer",
    "Ask",
    "Case",
    "Completion",
    "Draft",
    "Estimate",
    "Model",
    "NotApplicable",
    "Prompt",
    "Record",
    "Request",
    "Result",
    "RobusttestError",
    "Score",
    "Settings",
    "Task",
    "Threshold",
    "UsageError",
    "Variant",
    "Verdict",
    "crossed",
    "evaluate",
    "load_cases",
    "load_tools",
    "model",
    "perturbation",
    "robust",
    "scorer",
]
__version__ = "0.1.0"


if not TYPE_CHECKING:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{home}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
