"""Tokens before a call: counted by a tokenizer, put right by what replies have used."""

from __future__ import annotations

import time

import pytest

from robusttest.core.nouns import Completion, Request
from robusttest.gateway.litellm import prices, tokens
from robusttest.gateway.store.replies import ReplyStore

PNG = "data:image/png;base64," + "A" * 400_000


def asked(*texts, **params):
    messages = tuple({"role": "user", "content": text} for text in texts)
    return Request(model="openai/x", messages=messages, params=params)


# By OpenAI's own count of cl100k_base: https://github.com/openai/openai-cookbook, How_to_count_tokens_with_tiktoken
KNOWN = {
    "": 0,
    "tiktoken is great!": 6,
    "antidisestablishmentarianism": 6,
    "2 + 2 = 4": 7,
    "お誕生日おめでとう": 9,
}


@pytest.mark.parametrize("text", KNOWN)
def test_texts_count_as_openai_counts_them(text):
    assert tokens.of_text(text) == KNOWN[text]


def test_frames_and_what_goes_with_a_request():
    assert tokens.count(asked("tiktoken is great!")) == 6 + 4 + 3
    assert tokens.count(asked("2 + 2 = 4", "tiktoken is great!")) == 7 + 6 + 2 * 4 + 3
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    assert 15 < tokens.count(asked("", tools=[tool])) - tokens.count(asked("")) < 40
    image = [{"type": "text", "text": "2 + 2 = 4"}, {"type": "image_url", "image_url": {"url": PNG}}]
    assert tokens.count(asked(image)) == prices.IMAGE_TOKENS + 7 + 4 + 3


def test_long_texts_are_counted_soon():
    began = time.process_time()
    assert 10_000 < tokens.of_text("a" * 100_000) < 20_000
    tokens.of_text("\ud800<|endoftext|>")
    assert time.process_time() - began < 1


def test_without_the_file_a_quarter_of_the_characters(monkeypatch):
    monkeypatch.setattr(tokens, "_encoder", lambda: None)
    assert tokens.of_text("x" * 40) == 10


def test_what_replies_used_puts_it_right(tmp_path):
    store = ReplyStore(tmp_path)
    requests = [asked(f"question {i}") for i in range(4)]
    for n, request in enumerate(requests):
        said = Completion(text="x", input_tokens=2 * tokens.count(request), output_tokens=10 + n)
        store.put(request.key(), request, said)
    pairs = list(tokens.read(store.answered("openai/x")))
    assert tokens.learnt(pairs) == (2.0, 11.5)
    assert tokens.learnt(pairs[:2]) is None
    assert store.answered("openai/y") == []
    untold = Completion(text="x")
    assert tokens.learnt([(r, untold) for r in requests]) is None
    store.close()
