"""The story of `examples/agent`: both planted weaknesses are found, the mended agent passes, and a served model may take its place."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "gateway"))
from loopback import LoopbackServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "agent"


@pytest.fixture
def repo(project, monkeypatch: pytest.MonkeyPatch):
    """The example as a project of its own: its settings in the place of the fixture's."""
    shutil.copytree(
        EXAMPLE, project.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*")
    )
    for name in ("agent", "shop", "planner"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return project


def cells(repo, *flags: str, fresh: bool = False) -> tuple[pytest.RunResult, dict[str, Any]]:
    """The run, and the cell of each of the two tests."""
    ran = (repo.fresh if fresh else repo.run)("--robust-report=json:out.json", *flags)
    made = json.loads((repo.path / "out.json").read_text(encoding="utf-8"))["cells"]
    return ran, {("picks" if cell["task"] == "first-step" else "recovers"): cell for cell in made}


def verdicts(cell: dict[str, Any]) -> dict[str, tuple[str, float]]:
    return {v["threshold"]: (v["status"], v["estimate"]["value"]) for v in cell["verdicts"]}


def test_both_planted_weaknesses_are_found(repo) -> None:
    """And the README's table is what comes out."""
    ran, found = cells(repo, "--robust-model=python:planner:hasty")
    ran.assert_outcomes(failed=2)
    assert verdicts(found["picks"]) == {
        "accuracy[tool_decoy:similar] >= 0.95": ("failed", pytest.approx(0.875)),
        "accuracy[tool_duplicate] >= 0.95": ("failed", pytest.approx(19 / 24)),
        "accuracy >= 0.95": ("passed", 1.0),
    }
    raised = {"timeout", "429", "500"}
    for threshold, said in verdicts(found["recovers"]).items():
        kind = threshold.partition(":")[2].partition("(")[0]
        assert said == (("passed", 1.0) if kind in raised else ("failed", 0.0)), threshold
    assert len(found["recovers"]["verdicts"]) == 8
    assert "[+backup__order_status" in ran.stdout.str(), "the failure shows what was put in"
    assert "[tool fault: empty at use 2 of each tool]" in ran.stdout.str(), "and what befell the tools"
    rates = {(m["metric"], m["perturbation"]): m["value"] for m in found["picks"]["metrics"]}
    assert rates["pass_rate", "tool_order"] == 1
    assert rates["pass_rate", "tool_decoy"] == pytest.approx(0.9375)


def test_the_mended_agent_is_the_released_one(repo) -> None:
    ran, found = cells(repo)
    ran.assert_outcomes(passed=2)
    assert {cell["model"] for cell in found.values()} == {"python:planner:careful"}


def test_a_served_model_may_take_the_planners_place(repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same loop over HTTP, through LiteLLM: the server thinks with the hasty planner."""
    sys.path.insert(0, str(EXAMPLE))
    try:
        hasty = importlib.import_module("planner").hasty
    finally:
        sys.path.remove(str(EXAMPLE))
        for name in ("shop", "planner"):
            sys.modules.pop(name, None)

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        said = hasty(body["messages"], body["tools"])
        return {"content": said.text or None, "tool_calls": list(said.tool_calls or ()) or None}

    with LoopbackServer(reply=reply, log=False) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        ran, found = cells(repo, "--robust-model=openai/gpt-4o-mini", "--robust-limit=2", fresh=True)
    ran.assert_outcomes(failed=2)
    assert verdicts(found["recovers"])["accuracy[tool_fault:stale(at 2)] >= 0.95"] == ("failed", 0.0)
    assert verdicts(found["recovers"])["accuracy[tool_fault:timeout(at 2)] >= 0.95"] == ("passed", 1.0)
