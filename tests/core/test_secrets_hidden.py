from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core import codec, secrets
from robusttest.core.nouns import Case, Completion, Draft, Request, Score, Variant
from robusttest.core.secrets import (
    HIDDEN,
    hidden,
    hidden_reply,
    hide,
    hide_cut,
    one_line,
    public_params,
    secret_in,
)
from robusttest.engine.job import Job
from robusttest.engine.record import make_record
from robusttest.gateway import Gateway
from robusttest.settings import Settings
from robusttest.tasks.task import Task

KEY = "planted'key\"12345"


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    monkeypatch.setattr(secrets, "_given", {})
    monkeypatch.setenv("SERVICE_KEY", KEY)


def test_the_environment_is_read_anew_when_it_changes(monkeypatch):
    assert hide(f"a {KEY} b") == f"a {HIDDEN} b"
    monkeypatch.setenv("OTHER_TOKEN", "another-one-2")
    assert hide("another-one-2") == HIDDEN
    monkeypatch.delenv("OTHER_TOKEN")
    assert hide("another-one-2") == "another-one-2"


def test_every_spelling_is_hidden():
    for text in (
        KEY,
        repr(KEY),
        repr([KEY]),
        f"http://h/?q={'planted%27key%2212345'}",
        '{"a": "planted\'key\\"12345"}',
    ):
        assert "planted" not in hide(text), text


def test_what_only_looks_like_a_secret_stays_in_replies():
    text = "password: correct-horse, token=abcdefgh, Bearer abcdefgh"
    assert hide(text) == text
    assert "abcdefgh" not in one_line(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(f"x{KEY}"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just(KEY), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(values)
def test_hidden_values_are_whole_but_for_the_secret(value):
    clean = hidden(value)
    assert "planted" not in repr(clean)
    assert (secret_in(value) is None) == (clean is value) == (clean == value)
    assert hidden(clean) is clean


def test_replies_are_hidden_before_they_are_scored_and_kept():
    call = {"function": {"name": "f", "arguments": f'{{"k": "{KEY[:7]}"}}'}, "id": KEY}
    reply = Completion(text=f"it is {KEY}", tool_calls=(call,), meta={"x": KEY}, cost=1.0)
    clean = hidden_reply(reply)
    assert clean.text == f"it is {HIDDEN}"
    assert clean.tool_calls[0]["id"] == HIDDEN
    assert clean.meta == {"x": HIDDEN}
    assert clean.cost == 1.0
    plain = Completion(text="it is fine")
    assert hidden_reply(plain) is plain


def test_a_live_reply_and_its_replay_say_the_same(tmp_path, monkeypatch):
    (tmp_path / "secret_models.py").write_text(
        "import os\nfrom robusttest import model\n\n@model(version=1)\ndef telling(prompt):\n    return os.environ['SERVICE_KEY'] + '!'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    said = []
    for _ in range(2):
        with Gateway(Settings(directory=tmp_path / "store")) as gateway:
            request = gateway.request("python:secret_models:telling", [{"role": "user", "content": "hi"}], {})
            said.append(gateway.submit(request).result(timeout=20))
    assert [(c.text, c.cached) for c in said] == [(f"{HIDDEN}!", False), (f"{HIDDEN}!", True)]


def test_records_hold_no_secrets():
    case = Case(id="a", fields={"input": f"with {KEY}"}, target=KEY)
    record = make_record(
        Variant(original=case, draft=Draft(case=case)),
        task="t",
        model="m",
        score=Score(value=0.0, answer={KEY: [KEY]}, explanation=f"said {KEY}"),
        completion=Completion(text=f"{KEY}!"),
        request=Request(model="m", messages=({"role": "user", "content": KEY},)),
    )
    assert "planted" not in codec.dumps(record)
    assert record.reply == f"{HIDDEN}!"


def test_targets_that_are_secrets_are_told_of():
    job = Job(
        task=Task("t", cases=[{"id": "a", "input": "x", "target": f"in {KEY}"}], scorer="exact"), model="m"
    )
    assert any("the environment variable SERVICE_KEY" in note for note in job.notes)
    assert not any("planted" in note for note in job.notes)
    assert not Job(
        task=Task("t", cases=[{"id": "a", "input": "x", "target": "y"}], scorer="exact"), model="m"
    ).notes


@pytest.mark.parametrize(
    ("params", "left"),
    [
        ({"extra_body": {"a": {"api_key": "abcdefgh1"}, "b": 1}}, {"extra_body": {"b": 1}}),
        ({"extra_body": {"a": {"apiKey": "abcdefgh1"}}}, {}),
        ({"extra_body": {"note": f"with {KEY}", "top_k": 3}}, {"extra_body": {"top_k": 3}}),
        ({"extra_headers": {"X-Any": KEY, "X-Team": "blue"}}, {"extra_headers": {"X-Team": "blue"}}),
        ({"extra_body": {"headers": {"Authorization": "Bearer abcdefgh1"}}}, {}),
        ({"tools": [{"url": "u", "headers": {"X-Api-Key": "abcdefgh1"}}, 2]}, {"tools": [{"url": "u"}, 2]}),
        ({"stop": [KEY, "x"]}, {"stop": [HIDDEN, "x"]}),
        ({"extra_body": {"password": "abcdefgh1"}}, {}),
        ({"extra_body": {"eos_token": "<|end|>", "sort": {"key": "date"}}}, {"extra_body": {"eos_token": "<|end|>", "sort": {"key": "date"}}}),
        ({"response_format": {"properties": {"api_key": {"type": "string"}}}}, {"response_format": {"properties": {"api_key": {"type": "string"}}}}),
        ({"max_tokens": 5, "prompt_cache_key": "abcdefgh"}, {"max_tokens": 5, "prompt_cache_key": "abcdefgh"}),
    ],
)  # fmt: skip
def test_secrets_at_any_depth_of_the_parameters_are_no_part_of_the_question(params, left):
    public, private = public_params(params)
    assert public == left
    assert {**public, **private} == params
    if left != params:
        assert hide("say abcdefgh1") == "say " + (HIDDEN if "abcdefgh1" in repr(params) else "abcdefgh1")


@pytest.mark.parametrize(
    "text", ["'plante...", "...2345'", "xx planted'k...y", "a planted'key\"12...", '...key"12345']
)
def test_a_secret_that_was_cut_is_hidden(text):
    assert "plant" not in hide_cut(text)
    assert "2345" not in hide_cut(text)


@pytest.mark.parametrize("text", ["...", "pla...", "no dots: planted", "... 12345", "plain... text"])
def test_other_texts_with_dots_stay(text):
    assert hide_cut(text) == text


def test_hiding_costs_little():
    text = "The answer is delivery. " * 50
    began = time.process_time()
    for _ in range(2000):
        hide(text)
    assert (time.process_time() - began) / 2000 < 200e-6
