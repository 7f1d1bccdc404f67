"""Prices of models, read without LiteLLM."""

from __future__ import annotations

import subprocess
import sys

import pytest

from robusttest.core.nouns import Request
from robusttest.gateway.litellm import prices
from robusttest.gateway.litellm.prices import Price

TABLE = {
    "gpt-9": {
        "litellm_provider": "openai",
        "input_cost_per_token": 2e-06,
        "output_cost_per_token": 8e-06,
        "max_output_tokens": 100,
    },
    "groq/small": {"litellm_provider": "groq", "input_cost_per_token": 1e-07},
    "free": {"litellm_provider": "openai"},
}


@pytest.mark.parametrize("model", ["gpt-9", "openai/gpt-9"])
def test_the_price_of_a_model(model):
    assert prices.price_of(model, TABLE) == Price(2e-06, 8e-06, 100)


def test_a_price_without_output():
    assert prices.price_of("groq/small", TABLE) == Price(1e-07, 0, None)


@pytest.mark.parametrize("model", ["hosted_vllm/gpt-9", "free", "nobody", "python:desk:v1", "openai/nobody"])
def test_what_has_no_price(model):
    assert prices.price_of(model, TABLE) is None


def test_the_most_a_call_may_cost():
    def most(**params):
        messages = ({"role": "user", "content": "x" * 70},)
        request = Request(model="gpt-9", messages=messages, params=params)
        assert prices.size(request) == 101
        return prices.most(request, Price(2e-06, 8e-06, 100))

    assert most() == pytest.approx(101 * 2e-06 + 100 * 8e-06)
    assert most(max_tokens=5) == pytest.approx(101 * 2e-06 + 5 * 8e-06)
    assert most(max_completion_tokens=5, n=3) == pytest.approx(101 * 2e-06 + 15 * 8e-06)
    assert prices.most(Request(model="x", messages=()), Price(1, 1, None)) is None


def test_the_table_of_the_installed_litellm_needs_no_import():
    code = (
        "import sys; from robusttest.gateway.litellm import prices; p = prices.price_of('openai/gpt-4o-mini', prices.table());"
        "assert 0 < p.input < p.output < 1e-4, p; assert p.most_output; assert 'litellm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
