"""A dry run against the run that it foretells, over real HTTP."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "gateway"))
from loopback import LoopbackServer

from robusttest.gateway.litellm import tokens
from robusttest.store import find_run, read_run

DECLARED = """
llm = Task("llm", cases=CASES, prompt="Ticket: {input}", params={"max_tokens": 5}, scorer=choice(["billing", "delivery", "account"]))

@robust(llm, perturbations=["casing"], variants=2, models=["openai/gpt-4o-mini"])
def test_llm(result): ...
"""
LINE = re.compile(
    r"test_llm on openai/gpt-4o-mini: 12 cases, (?P<variants>\d+) variants, (?P<calls>\d+) calls"
    r"(?:, (?P<stored>\d+) of them stored replies)?, about (?P<input>[\d,]+) input tokens"
    r"(?:, about (?P<likely>[\d,]+) output tokens by earlier replies)?(?:, at most (?P<output>[\d,]+) output tokens)?(?:, about \$(?P<cost>\S+))?"
)


def foretold(result: pytest.RunResult) -> dict[str, float]:
    assert result.ret == pytest.ExitCode.OK, result.stdout.str() + result.stderr.str()
    (match,) = LINE.finditer(result.stdout.str())
    return {k: float((v or "0").replace(",", "")) for k, v in match.groupdict().items()}


def counted(body, said):
    """As a model with another tokenizer and frame counts: a seventh more, and ChatML's frames."""
    texts = [str(m["content"]) for m in body["messages"]]
    return int(sum(map(tokens.of_text, texts)) * 8 / 7) + 5 * len(texts) + 3, 2 * tokens.of_text(said)


def used(path):
    """Tokens that the run's records hold: of the requests, and of the replies."""
    held = [r for r in read_run(path).records if not r.cached]
    return sum(r.input_tokens for r in held), sum(r.output_tokens for r in held)


def test_a_dry_run_says_what_the_run_does(project, monkeypatch):
    with LoopbackServer(reply=lambda body: "billing", counts_tokens=counted) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        project.test(DECLARED)
        dry = foretold(project.run("--robust-dry-run", "-q"))
        assert server.requests == []
        assert dry["variants"] == dry["calls"] == 36
        assert dry["stored"] == 0
        assert dry["output"] == 36 * 5

        project.fresh("--robust-report=json:r.json")
        run = json.loads((project.path / "r.json").read_text(encoding="utf-8"))
        assert len(server.requests) == run["run"]["calls"] == dry["calls"]
        asked, _ = used(find_run("latest", project.path / ".robusttest"))
        assert dry["input"] == pytest.approx(asked, rel=0.3)
        rates = 1.5e-7, 6e-7  # gpt-4o-mini's, a million for 0.15 and 0.60
        assert dry["cost"] == pytest.approx(dry["input"] * rates[0] + dry["output"] * rates[1], rel=0.05)
        assert run["run"]["cost"] > 0

        again = foretold(project.run("--robust-dry-run"))
        assert (again["calls"], again["stored"], again["input"], again["cost"]) == (36, 36, 0, 0)

        # Another 24 calls to a model that has answered: by what it used then.
        project.test(DECLARED.replace('["casing"]', '["casing", "whitespace"]'))
        more = foretold(project.run("--robust-dry-run", "--robust-replies=live"))
        assert (more["calls"], more["stored"], more["output"]) == (60, 0, 0)
        assert len(server.requests) == 36
        project.fresh("--robust-replies=live")
        asked, said = used(find_run("latest", project.path / ".robusttest"))
        assert more["input"] == pytest.approx(asked, rel=0.05)
        assert more["likely"] == pytest.approx(said, rel=0.05)


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
            "*test_it on hosted_vllm/mine: 12 cases, 24 variants, 24 calls, about * to * input tokens",
            "*test_written on openai/gpt-4o-mini: 12 cases, 36 variants, 12 calls, *",
            "  in all 60 calls, *",
            "  60 calls without max_tokens: what the output costs is not known",
            "  hosted_vllm/mine: no reply is stored yet, and its tokenizer is not on this machine: *",
            "  hosted_vllm/mine: no price is known, so 24 calls of it count nothing",
            "  openai/gpt-4o: 24 calls more at least, as the writer; their texts are not known yet",
            "  openai/gpt-4o-mini: 24 calls more at least, as the model under test; *",
        ]
    )


def test_the_range_before_a_first_reply_holds_what_a_template_of_its_own_adds(project, monkeypatch):
    def with_its_own_system_prompt(body, said):
        asked, answered = counted(body, said)
        return asked + 24, answered

    with LoopbackServer(reply=lambda body: "billing", counts_tokens=with_its_own_system_prompt) as server:
        monkeypatch.setenv("HOSTED_VLLM_API_BASE", server.url)
        project.test(DECLARED.replace("openai/gpt-4o-mini", "hosted_vllm/mine"))
        price = "--robust-price=hosted_vllm/mine=1/2"
        dry = project.run("--robust-dry-run", "-q", price)
        said = r"36 calls, about ([\d,]+) to ([\d,]+) input tokens, at most 180 output tokens, about \$(\S+) to \$(\S+)\n"
        told = re.search(said, dry.stdout.str())
        least, most, cheapest, dearest = (float(n.replace(",", "")) for n in told.groups())
        project.fresh(price)
        asked, _ = used(find_run("latest", project.path / ".robusttest"))
    assert least < asked < most
    assert asked > 1.3 * least
    assert cheapest < asked / 1e6 + 180 * 2 / 1e6 < dearest
