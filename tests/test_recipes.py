"""The recipes of docs/howto/export.md, each where its package is installed."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from docs_blocks import blocks

from robusttest.core.nouns import Estimate, Record, RunInfo
from robusttest.engine.cell import Result
from robusttest.report.build import build
from robusttest.report.model import Report

PAGE = Path(__file__).parents[1] / "docs" / "howto" / "export.md"


def recipe(word: str) -> dict[str, Any]:
    """The names of the page's ``conftest.py`` that imports it."""
    (block,) = [b for b in blocks(PAGE, "export.md") if (b.lang == "python" and f"import {word}" in b.text) or f"from {word}" in b.text]  # fmt: skip
    module = ModuleType("conftest")
    exec(compile(block.text, str(block), "exec"), module.__dict__)
    return vars(module)


@pytest.fixture
def report() -> Report:
    """Right on three of four as written, on two in both ways; an ICC of four cases, and no repeats."""
    rows = [
        Record(
            task="t: 1", model="openai/m", case_id=str(i), target="a", variant=v, perturbation=v[:-2], text=f"{i}{v}",
            level="input" if v else "reference", score=float(i < (2 if v else 3)), answer="a",
        )
        for i in range(4)
        for v in ("", "casing#0")
    ]  # fmt: skip
    from robusttest.metrics import parse_threshold

    cell = Result("t: 1", "openai/m", rows, thresholds=[parse_threshold(t) for t in ("accuracy >= 0.7", "robust_accuracy >= 0.9", "net_drop <= 0.1")])  # fmt: skip
    return build(RunInfo(id="r1", created="2026-11-24T12:00:00Z", label="v2"), [cell])


def test_mlflow_gets_each_number_and_none_that_is_undefined(report, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a store without a server and a database
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    recipe("mlflow")["pytest_robust_report"](None, report)
    (run,) = mlflow.MlflowClient().search_runs(["0"])
    assert run.info.run_name == "v2"
    assert run.data.metrics["t_ 1/openai/m/accuracy"] == 0.75
    assert run.data.metrics["t_ 1/openai/m/robust_accuracy"] == 0.5
    (cell,) = report.cells
    told = {n: e for n in recipe("mlflow")["METRICS"] if (e := cell.overall[n]).value is not None}
    assert {n.rpartition("/")[2] for n in run.data.metrics} >= set(told)
    assert run.data.tags["t_ 1/openai/m/outcome"] == cell.outcome


def test_opentelemetry_gets_an_event_for_each_threshold(report):
    pytest.importorskip("opentelemetry.sdk._logs")
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs import export as exporting

    memory = getattr(exporting, "InMemoryLogRecordExporter", None) or exporting.InMemoryLogExporter
    kept = memory()
    provider = LoggerProvider()
    provider.add_log_record_processor(exporting.SimpleLogRecordProcessor(kept))
    made = recipe("opentelemetry")
    made["get_logger"] = provider.get_logger
    made["pytest_robust_report"].__globals__["get_logger"] = provider.get_logger
    made["pytest_robust_report"](None, report)
    events = [log.log_record for log in kept.get_finished_logs()]
    assert [e.event_name for e in events] == ["gen_ai.evaluation.result"] * 3
    by_name = {e.attributes["gen_ai.evaluation.name"]: e.attributes for e in events}
    assert by_name["accuracy >= 0.7"]["gen_ai.evaluation.score.value"] == 0.75
    assert by_name["robust_accuracy >= 0.9"]["gen_ai.evaluation.score.label"] == "failed"
    assert "gen_ai.evaluation.score.value" not in by_name["net_drop <= 0.1"], "it is undefined"
    assert all(a["gen_ai.request.model"] == "openai/m" for a in by_name.values())


@pytest.mark.parametrize("word", ["mlflow", "opentelemetry"])
def test_a_recipe_reads_what_a_report_has(report, word):
    """Also where the package is not there: each attribute of a report, a cell, a verdict and an estimate that it names."""
    block = next(b for b in blocks(PAGE, "export.md") if b.lang == "python" and word in b.text)
    (cell,) = report.cells
    owners: dict[str, Any] = {
        "report": report, "cell": cell, "verdict": cell.verdicts[0], "found": Estimate(metric="accuracy"),
    }  # fmt: skip
    named = [
        (n.value.id, n.attr)
        for n in ast.walk(ast.parse(block.text))
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id in owners
    ]
    assert len(named) > 5
    for owner, attribute in named:
        assert hasattr(owners[owner], attribute), f"{owner}.{attribute}"
