"""A dry run against the run that it foretells, over real HTTP."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "gateway"))
from loopback import LoopbackServer

DECLARED = """
llm = Task("llm", cases=CASES, prompt="Ticket: {input}", params={"max_tokens": 5}, scorer=choice(["billing", "delivery", "account"]))

@robust(llm, perturbations=["casing"], variants=2, models=["openai/gpt-4o-mini"])
def test_llm(result): ...
"""
LINE = re.compile(
    r"test_llm on openai/gpt-4o-mini: 12 cases, (?P<variants>\d+) variants, (?P<calls>\d+) calls"
    r"(?:, (?P<stored>\d+) of them stored replies)?, about (?P<input>\d+) input tokens"
    r"(?:, at most (?P<output>\d+) output tokens)?(?:, about \$(?P<cost>\S+))?"
)


def foretold(result: pytest.RunResult) -> dict[str, float]:
    assert result.ret == pytest.ExitCode.OK, result.stdout.str() + result.stderr.str()
    (match,) = LINE.finditer(result.stdout.str())
    return {k: float(v or 0) for k, v in match.groupdict().items()}


def test_a_dry_run_says_what_the_run_does(project, monkeypatch):
    """5 output tokens a reply at most; the server counts its tokens as it likes, so input tokens are a rule of thumb."""
    with LoopbackServer(reply=lambda body: "billing") as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        project.test(DECLARED)
        dry = foretold(project.fresh("--robust-dry-run"))
        assert server.requests == []
        assert dry["variants"] == dry["calls"] == 36
        assert dry["stored"] == 0
        assert dry["output"] == 36 * 5

        project.fresh("--robust-report=json:r.json")
        run = json.loads((project.path / "r.json").read_text(encoding="utf-8"))
        assert len(server.requests) == run["run"]["calls"] == dry["calls"]
        characters = sum(len(r.body["messages"][-1]["content"]) for r in server.requests)
        assert characters / 4 < dry["input"] < characters / 4 + 36 * 10, (
            "a quarter of the characters, and a frame"
        )
        rates = 1.5e-7, 6e-7  # gpt-4o-mini's, a million for 0.15 and 0.60
        assert dry["cost"] == pytest.approx(dry["input"] * rates[0] + dry["output"] * rates[1], rel=0.05)
        assert run["run"]["cost"] > 0

        again = foretold(project.fresh("--robust-dry-run"))
        assert (again["calls"], again["stored"], again["input"], again["cost"]) == (36, 36, 0, 0)
        assert foretold(project.fresh("--robust-dry-run", "--robust-replies=live"))["stored"] == 0
        assert len(server.requests) == 36


def test_what_is_not_known_is_said(project):
    project.test("""
task = Task("llm", cases=CASES, prompt="Ticket: {input}", scorer="exact")

@robust(task, perturbations=["casing"], variants=1, models=["openai/gpt-4o-mini", "hosted_vllm/mine"])
def test_it(result): ...

@robust(task, perturbations=["paraphrase"], variants=2, writer="openai/gpt-4o", models=["openai/gpt-4o-mini"])
def test_written(result): ...
""")
    result = project.run("--robust-dry-run")
    result.stdout.fnmatch_lines(
        [
            "*test_it on openai/gpt-4o-mini: 12 cases, 24 variants, 24 calls, * without the output",
            "*test_it on hosted_vllm/mine: 12 cases, 24 variants, 24 calls, about * input tokens",
            "*test_written on openai/gpt-4o-mini: 12 cases, 36 variants, 12 calls, *",
            "  in all 60 calls, *",
            "  60 calls without max_tokens: what the output costs is not known",
            "  hosted_vllm/mine: no price is known, so 24 calls of it count nothing",
            "  openai/gpt-4o: 24 calls more at least, as the writer; their texts are not known yet",
            "  openai/gpt-4o-mini: 24 calls more at least, as the model under test; *",
        ]
    )
