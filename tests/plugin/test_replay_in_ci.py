"""Where CI is set and no model has its key, a run makes do with stored replies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "gateway"))
from loopback import LoopbackServer

DECLARED = """
llm = Task("llm", cases=CASES[:2], prompt="Ticket: {input}", params=PARAMS, scorer=choice(["billing", "delivery", "account"]))

@robust(llm, perturbations=["casing"], variants=1, models=MODELS)
def test_llm(result): ...
"""
NOTE = "CI is set and OPENAI_API_KEY is not: stored replies only, as with --robust-replies=replay"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    from robusttest.gateway.litellm.keys import KEYS

    for name in [n for names in KEYS.values() for n in names]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CI", "true")


def declare(project, models: list[str], **params: object) -> None:
    project.test(DECLARED.replace("MODELS", repr(models)).replace("PARAMS", repr(params)))


@pytest.mark.parametrize("flags", [(), ("-n", "2")])
def test_without_a_key_nothing_is_called_and_the_miss_is_named(project, flags):
    declare(project, ["openai/gpt-4o-mini"])
    result = project.fresh(*flags)
    out = result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "no stored reply for openai/gpt-4o-mini" in " ".join(out.split())
    assert NOTE in " ".join(out.split())


def test_replies_that_were_recorded_are_replayed(project, monkeypatch):
    with LoopbackServer(reply=lambda body: "billing") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        declare(project, ["openai/gpt-4o-mini"])
        project.fresh(
            "-o", "addopts=", "--robust-replies=auto"
        )  # no key: every call is refused, none is made
        assert server.requests == []
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        project.fresh()
        assert len(server.requests) == 4
        monkeypatch.delenv("OPENAI_API_KEY")
        result = project.fresh()
        assert result.ret == pytest.ExitCode.OK, result.stdout.str()
        assert "4 calls (4 replayed" in result.stdout.str()
        assert len(server.requests) == 4
        test = project.path / "test_it.py"
        test.write_text(test.read_text().replace("Ticket: {input}", "Tickets: {input}"))
        out = " ".join(project.fresh().stdout.str().split())
        assert "The nearest recorded request says" in out


@pytest.mark.parametrize(
    ("environ", "flags", "models", "params"),
    [
        ({"CI": ""}, (), ["openai/x"], {}),
        ({"CI": "false"}, (), ["openai/x"], {}),
        ({"OPENAI_API_KEY": "sk-none"}, (), ["openai/x"], {}),
        ({"OPENAI_API_KEY": "sk-none"}, (), ["openai/x", "groq/y"], {}),
        ({}, ("--robust-replies=auto",), ["openai/x"], {}),
        ({}, ("-o", "robust_replies=auto"), ["openai/x"], {}),
        ({}, (), ["openai/x"], {"api_base": "http://127.0.0.1:9/v1"}),
        ({}, (), ["python:models:steady"], {}),
        ({}, (), ["hosted_vllm/x"], {}),
    ],
)
def test_where_it_stays_as_it_is(project, monkeypatch, environ, flags, models, params):
    import robusttest.plugin.start as start

    decided = []
    real = start._replay_without_key

    def seen(session, states):
        real(session, states)
        decided.append(session.settings.replies)

    monkeypatch.setattr(start, "_replay_without_key", seen)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    declare(project, models, **params)
    project.run("--robust-dry-run", *flags)
    assert decided == ["auto"]


def test_with_a_key_for_none_it_replays(project, monkeypatch):
    """The counterpart of the test above: the same look at the same place."""
    declare(project, ["openai/x", "groq/y", "python:models:steady"])
    project.run("--robust-dry-run").stdout.fnmatch_lines(["*CI is set and GROQ_API_KEY, OPENAI_API_KEY*"])
