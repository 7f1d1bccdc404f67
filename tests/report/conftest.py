from __future__ import annotations

import pytest
from synthetic_results import result, run_info

from robusttest.report.build import build
from robusttest.report.model import Report


@pytest.fixture(scope="session")
def one_cell() -> Report:
    return build(run_info(), [result()])


@pytest.fixture(scope="session")
def many_cells() -> Report:
    tasks = ("support-intents", "sentiment", "toxicity-of-comments", "entailment", "arithmetic-in-words")
    return build(
        run_info(),
        [
            result(
                "accuracy >= 0.74", "robust_accuracy >= 0.2", task=task, model=model, cases=40, variants=3, seed=i,
                accuracy=0.95 - 0.06 * i, test=f"tests/test_suite.py::test_{task.replace('-', '_')}",
            )
            for i, task in enumerate(tasks)
            for model in ("openai/gpt-4o-mini", "ollama/llama3.2")
        ],
    )  # fmt: skip


@pytest.fixture(scope="session")
def nine() -> Report:
    return build(
        run_info(),
        [
            result(
                "accuracy >= 0.5", task=task, model=model, cases=60, variants=2, seed=seed, accuracy=accuracy - 0.02 * m,
                test=f"tests/test_suite.py::test_{task}",
            )
            for seed, (task, accuracy) in enumerate([("intents", 0.95), ("sentiment", 0.8), ("entailment", 0.6)])
            for m, model in enumerate(("openai/gpt-4o-mini", "ollama/llama3.2", "python:desk:v1"))
        ],
    )  # fmt: skip
