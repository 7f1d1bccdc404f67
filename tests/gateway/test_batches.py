"""Batches stay full whatever parameters other requests have; what a callable may return; what is refused."""

from __future__ import annotations

import sys
import threading
import time
import types
from concurrent.futures import Future

import pytest

from robusttest.errors import ModelCodeError, UsageError
from robusttest.gateway import Gateway
from robusttest.gateway.callables import model
from robusttest.settings import Settings


@pytest.fixture
def module(monkeypatch):
    made = types.ModuleType("batching")
    monkeypatch.setitem(sys.modules, "batching", made)
    return made


def ask(tmp_path, prompts, name="python:batching:answer"):
    with Gateway(Settings(directory=tmp_path)) as gateway:
        futures: list[Future] = [
            gateway.submit(gateway.request(name, [{"role": "user", "content": text}], params))
            for text, params in prompts
        ]
        return [f.result(30) for f in futures]


TEMPERATURES = ({}, {"temperature": 0.3}, {"temperature": 0.7}, {"temperature": 1})


def test_parameters_that_a_callable_does_not_take_break_no_batch(module, tmp_path):
    sizes = []

    @model(batch_size=16)
    def answer(prompts):
        sizes.append(len(prompts))
        time.sleep(0.01)
        return list(prompts)

    module.answer = answer
    prompts = [(f"Question {i}", TEMPERATURES[i % 4]) for i in range(240)]
    assert [c.text for c in ask(tmp_path, prompts)] == [text for text, _ in prompts]
    assert len(sizes) <= 20, sizes


def test_parameters_that_it_takes_make_batches_of_their_own(module, tmp_path):
    seen = []

    @model(batch_size=16)
    def answer(prompts, temperature=0):
        seen.append((temperature, len(prompts)))
        time.sleep(0.01)
        return [f"{p} at {temperature}" for p in prompts]

    module.answer = answer
    prompts = [(f"Question {i}", TEMPERATURES[i % 4]) for i in range(240)]
    said = [c.text for c in ask(tmp_path, prompts)]
    assert said == [f"{text} at {params.get('temperature', 0)}" for text, params in prompts]
    assert len(seen) <= 26, seen


@pytest.mark.parametrize(
    ("value", "text"),
    [(7, "7"), (0.25, "0.25"), ({"spam": 0.2, "ham": 0.8}, "ham"), ({"a": 0.5, "b": 0.5}, "a")],
)
def test_numbers_and_probabilities_are_replies(module, tmp_path, value, text):
    module.answer = lambda prompt: value
    (reply,) = ask(tmp_path, [("Hi", {})])
    assert reply.text == text
    assert reply.meta.get("probabilities") == (value if isinstance(value, dict) else None)


@pytest.mark.parametrize("value", [None, True, float("nan"), {}, {"a": 0.2, "b": 0.2}, {"a": 1.5}, {1: 1.0}])
def test_what_is_neither_is_an_error_of_the_code(module, tmp_path, value):
    module.answer = lambda prompt: value
    with pytest.raises(ModelCodeError, match="returned"):
        ask(tmp_path, [("Hi", {})])


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"stream": True}, "stream"),
        ({"n": 2}, "n=2"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_"),
        ({"model": "openai/x"}, "the test or --robust-model names the model"),
        ({"messages": []}, "the messages are the task's"),
        ({"drop_params": True}, "drop_params=True is not taken"),
        ({"caching": True}, "kept by --robust-replies"),
        ({"fallbacks": ["openai/x"]}, "another model's reply"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "one thing, given twice"),
        ({"additional_drop_params": ["seed"]}, r"left out by name: Model\(…, drop=\[…\]\)"),
        ({"context_window_fallback_dict": {"openai/m": "openai/x"}}, "another model's reply"),
        (
            {"mock_response": "billing " * 99},
            "mock_response='billing .*… is not taken: no model would be asked",
        ),
        ({"stream_options": {"include_usage": True}}, "replies are read whole"),
        ({"tools": [], "functions": []}, "one thing, given twice"),
        ({"extra_body": {"n": 3}}, "extra_body.n=3 is not taken"),
        ({"extra_body": {"model": "another"}}, "extra_body.model='another' is not taken"),
        ({"extra_body": {"top_k": 3}, "top_k": 4}, "top_k is given twice, in extra_body and beside it"),
        ({"api_base": "http://a/v1", "base_url": "http://b/v1"}, "api_base and base_url are one thing"),
    ],
)
def test_parameters_that_nothing_reads_are_refused_by_name(tmp_path, params, name):
    with Gateway(Settings(directory=tmp_path)) as gateway:
        with pytest.raises(UsageError, match=name):
            gateway.request("openai/m", [], params)
        gateway.request("openai/m", [], {"stream": False, "n": 1, "logprobs": None, "max_tokens": 1})
        gateway.request("openai/m", [], {"extra_body": {"grammar": "root ::= x", "n": 1}, "top_k": 3})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[5, 1, 4], [2, 9, 3], [8, 1, 1]]),
        ({"sort_by_length": True}, [[9, 8, 5], [4, 3, 2], [1, 1, 1]]),
        ({"sort_by_length": True, "batch_tokens": 4}, [[9], [8, 5], [4, 3, 2], [1, 1, 1]]),
        ({"batch_tokens": 4}, [[5, 1, 4], [2], [9], [3, 8], [1, 1]]),
    ],
)
def test_batches_by_length_and_by_tokens(module, tmp_path, options, expected):
    """16 characters are 4 tokens; the longest counts for each."""
    seen, begin = [], threading.Event()

    @model(batch_size=3, **options)
    def answer(prompts):
        begin.wait(10)
        if prompts != ["first"]:
            seen.append([len(p) for p in prompts])
        return list(prompts)

    module.answer = answer
    texts = ["x" * n for n in (5, 1, 4, 2, 9, 3, 8, 1, 1)]
    with Gateway(Settings(directory=tmp_path)) as gateway:

        def put(text):
            return gateway.submit(
                gateway.request("python:batching:answer", [{"role": "user", "content": text}], {})
            )

        first = put("first")
        time.sleep(0.05)
        futures = [put(text) for text in texts]
        begin.set()
        assert first.result(10).text == "first"
        assert [f.result(10).text for f in futures] == texts
    assert seen == expected
