"""Which models lack a key, by the environment alone."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from robusttest.gateway.litellm import keys


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("openai/gpt-4o-mini", "OPENAI_API_KEY"),
        ("gpt-4o-mini", "OPENAI_API_KEY"),
        ("claude-haiku-4-5", "ANTHROPIC_API_KEY"),
        ("anthropic/claude-haiku-4-5", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.5-flash", "GEMINI_API_KEY"),
        ("huggingface/org/model", "HF_TOKEN"),
    ],
)
def test_a_model_without_its_key(model, name):
    assert keys.missing([model], environ={}) == {model: name}
    assert keys.missing([model], environ={name: ""}) == {model: name}
    assert keys.missing([model], environ={name: "k"}) == {}
    assert keys.missing([model], given=[model], environ={}) == {}
    assert keys.needing([model]) == [model]


@pytest.mark.parametrize(
    "model",
    [
        "python:desk:v1",
        "ollama/llama3",
        "hosted_vllm/org/m",
        "bedrock/amazon.nova",
        "vertex_ai/gemini-pro",
        "x",
    ],
)
def test_what_surely_lacks_nothing(model):
    assert keys.missing([model], environ={}) == {}
    assert keys.needing([model]) == []


def test_any_of_the_names_will_do():
    assert keys.missing(["gemini/x", "openai/y"], environ={"GOOGLE_API_KEY": "k"}) == {
        "openai/y": "OPENAI_API_KEY"
    }


def test_the_providers_are_named_as_litellm_names_them():
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    source = (Path(spec.origin).parent / "types" / "utils.py").read_text(encoding="utf-8")
    known = set(re.findall(r'^    [A-Z0-9_]+(?:: Final)? = "([a-z0-9_]+)"$', source, re.MULTILINE))
    assert set(keys.KEYS) <= known, set(keys.KEYS) - known
