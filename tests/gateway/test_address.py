"""Where a call goes: by our table, and by LiteLLM itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from robusttest.errors import UsageError
from robusttest.gateway.litellm.address import (
    REGIONS,
    base_from_environment,
    base_variables,
    endpoint_of,
    provider_of,
)

SIGN_IN_FIRST = {
    "gigachat",
    "watsonx",
    "watsonx_text",
    "sap",
    "vertex_ai",
    "vertex_ai_beta",
    "oci",
    "predibase",
}
"""Providers that are asked for a token, by another address, before a call."""


@pytest.fixture(scope="module")
def asked():
    """Provider → the variables that decide where the installed LiteLLM sends a call to it."""
    clean = {
        k: v
        for k, v in os.environ.items()
        if not k.endswith(("_API_KEY", "_BASE", "_URL", "_ENDPOINT", "REGION", "LOCATION"))
        and "PROXY" not in k.upper()
    }
    here = Path(__file__).parent
    clean["PYTHONPATH"] = os.pathsep.join([str(here.parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, str(here / "asking_litellm.py")],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env=clean,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_litellm_reads_what_the_table_says_for_every_provider_that_it_has(asked):
    wrong = {}
    for provider, order in asked.items():
        known = [*base_variables(provider), *REGIONS.get(provider, ())]
        if provider not in SIGN_IN_FIRST and order and order != known:
            wrong[provider] = (order, known)
    assert wrong == {}
    assert sum(map(bool, asked.values())) > 60
    for provider in (
        "openai",
        "anthropic",
        "azure",
        "bedrock",
        "gemini",
        "mistral",
        "groq",
        "ollama_chat",
        "fireworks_ai",
    ):
        assert asked[provider], provider


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("openai/x", "openai"),
        ("gpt-4o-mini", "openai"),
        ("o3-mini", "openai"),
        ("claude-3-5-haiku-20241022", "anthropic"),
        ("hosted_vllm/org/model", "hosted_vllm"),
        ("deepseek-chat", "deepseek"),
        ("nobody-knows-it", ""),
        ("", ""),
    ],
)
def test_provider_of(model, provider):
    assert provider_of(model) == provider


@pytest.mark.parametrize(
    ("model", "environment", "endpoint"),
    [
        (
            "claude-3-5-haiku-20241022",
            {"ANTHROPIC_API_BASE": "http://a", "ANTHROPIC_BASE_URL": "http://b"},
            "http://a",
        ),
        ("anthropic/claude", {"ANTHROPIC_API_BASE": "", "ANTHROPIC_BASE_URL": "http://b/"}, "http://b"),
        ("ollama_chat/x", {"OLLAMA_API_BASE": "http://o:11434"}, "http://o:11434"),
        ("mistral/x", {"MISTRAL_API_BASE": "http://m"}, None),
        ("mistral/x", {"MISTRAL_AZURE_API_BASE": "http://m"}, "http://m"),
        ("fireworks_ai/x", {"FIREWORKS_API_BASE": "http://f"}, "http://f"),
        ("bedrock/x", {"AWS_REGION": "eu-west-1"}, "region eu-west-1"),
        ("bedrock/x", {"AWS_REGION": "eu-west-1", "AWS_BEDROCK_RUNTIME_ENDPOINT": "http://r"}, "http://r"),
        ("openai/x", {"GROQ_API_BASE": "http://g"}, None),
    ],
)
def test_endpoint_from_the_environment(model, environment, endpoint):
    assert endpoint_of(model, {}, environment) == endpoint


def test_a_parameter_comes_before_the_environment():
    environment = {"OPENAI_BASE_URL": "http://e", "AWS_REGION": "eu-west-1"}
    assert endpoint_of("openai/x", {"api_base": "http://P/v1/"}, environment) == "http://p/v1"
    assert endpoint_of("bedrock/x", {"aws_region_name": "us-east-1"}, environment) is None
    assert base_from_environment("openai", environment) == "http://e"


@pytest.mark.parametrize(
    "base", ["localhost:8000/v1", "127.0.0.1:8000", "api.example.com/v1", "ftp://h/v1", "http://", "x"]
)
def test_a_base_that_is_no_url_is_said_with_what_to_write(base):
    with pytest.raises(UsageError, match=r"api_base .*http"):
        endpoint_of("openai/x", {"api_base": base}, {})
