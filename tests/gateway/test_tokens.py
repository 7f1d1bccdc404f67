"""Tokens before a call: counted by a tokenizer, put right by what replies have used."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from robusttest.core.nouns import Completion, Request
from robusttest.gateway.litellm import prices, templates, tokens
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
    monkeypatch.setattr(tokens, "_encoder", lambda name: None)
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


def test_models_of_openai_are_counted_by_their_own_tokenizer():
    """o200k takes fewer tokens for Chinese than GPT-4's."""
    names = (
        ["gpt-4o-mini", "gpt-4.1", "gpt-5-mini", "o3", "ft:gpt-4o:x"],
        ["gpt-4", "gpt-4-turbo", "gpt-3.5-turbo"],
    )
    assert {tokens.encoding_of(f"openai/{n}") for n in names[0]} == {"o200k_base"}
    assert {tokens.encoding_of(f"azure/{n}") for n in names[1]} == {"cl100k_base"}
    assert tokens.encoding_of("hosted_vllm/org/gpt-4o") == "cl100k_base"
    text = "请问我的订单什么时候能送到？我已经等了两个星期了。"
    new, old = (tokens.count(replace(asked(text), model=m)) for m in ("openai/gpt-4o", "openai/gpt-4"))
    assert new < old


LOCAL = Path(__file__).parents[2] / "examples" / "local_llm" / "replies.jsonl"


def test_the_range_of_a_model_with_a_system_prompt_of_its_own_holds_what_it_used():
    """SmolLM2's recorded replies: its template adds 24 tokens, which nothing on this machine tells."""
    rows = [json.loads(line) for line in LOCAL.read_text(encoding="utf-8").splitlines()[1:]]
    least = most = used = 0
    for row in rows:
        request = Request(model=row["request"]["model"], messages=tuple(row["request"]["messages"]))
        counted = tokens.counted(request)
        used, least, most = (
            used + row["completion"]["input_tokens"],
            least + counted.least,
            most + counted.most,
        )
    assert used > 1.3 * least
    assert least <= used <= most


@pytest.mark.parametrize(
    "model", ["openai/gpt-4o", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-pro", "azure/mine"]
)
def test_what_closed_models_are_charged_for_is_no_range(model):
    counted = tokens.counted(replace(asked("2 + 2 = 4"), model=model))
    assert counted.least == counted.most


def test_a_system_prompt_of_the_request_stands_in_the_place_of_the_templates():
    plain = replace(asked("2 + 2 = 4"), model="hosted_vllm/x")
    told = replace(plain, messages=({"role": "system", "content": ""}, *plain.messages))
    (least, most), (told_least, told_most) = tokens.counted(plain), tokens.counted(told)
    assert most > 1.25 * least + 30
    assert told_most <= 1.25 * told_least + 1


TEMPLATE = (
    "{%- if messages[0]['role'] != 'system' %}{{ bos_token }}{{ '<|im_start|>system You are a helpful model of ours <|im_end|>' }}{% endif %}"
    "{%- for m in messages %}{{ '<|im_start|>' + m['role'] + ' ' + m['content'] + ' <|im_end|>' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant ' }}{% endif %}"
)


@pytest.fixture
def local(tmp_path, monkeypatch):
    """A model of ours in Hugging Face's cache: each word a token, and a template with a system prompt of its own."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in ("<s>", "<|im_start|>", "<|im_end|>")])
    folder = tmp_path / "hub" / "models--ours--chat" / "snapshots" / "1"
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"chat_template": TEMPLATE, "bos_token": {"content": "<s>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    templates._counter.cache_clear()
    yield folder
    templates._counter.cache_clear()


def test_a_model_that_lies_on_this_machine_is_counted_by_its_own_template(local):
    request = replace(asked("one two three"), model="hosted_vllm/ours/chat")
    # <s>, the system prompt's 10 (two frames, its role, 7 words), the user's 3 and 3, the assistant's 2
    assert tokens.counted(request) == (1 + 10 + 3 + 3 + 2,) * 2
    told = replace(request, messages=({"role": "system", "content": "Be brief"}, *request.messages))
    assert tokens.counted(told) == (5 + 6 + 2,) * 2
    by_path = replace(request, model=f"hosted_vllm/{local}")
    assert tokens.counted(by_path) == (19, 19)
    assert tokens.counted(replace(request, model="hosted_vllm/ours/another")).most > 30


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer.json", "{"),
        ("tokenizer_config.json", "[]"),
        ("tokenizer_config.json", json.dumps({"chat_template": "{% for %}"})),
        ("tokenizer_config.json", json.dumps({"chat_template": "{{ raise_exception('no such roles') }}"})),
        (
            "tokenizer_config.json",
            json.dumps({"chat_template": "{{ ().__class__.__base__.__subclasses__() }}"}),
        ),
    ],
)
def test_a_damaged_or_hostile_template_is_as_none(local, file, content):
    (local / file).write_text(content)
    request = replace(asked("one two three"), model="hosted_vllm/ours/chat")
    least, most = tokens.counted(request)
    assert (least, most) == (tokens.count(request), most)
    assert most > least
