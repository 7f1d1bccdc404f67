from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core import secrets as scrub_module
from robusttest.core.models import Model
from robusttest.core.nouns import Request
from robusttest.core.secrets import HIDDEN, is_address, normal_url, public_params, scrub
from robusttest.errors import UsageError
from robusttest.gateway.litellm.address import endpoint_of


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(scrub_module, "_given", {})


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "MYAPIKEY",
        "AZURE_CREDENTIALS",
        "my_token",
    ],
)
def test_values_of_secret_variables_are_hidden(monkeypatch, name):
    monkeypatch.setenv(name, "correct horse battery")
    assert scrub("it said: correct horse battery!") == f"it said: {HIDDEN}!"


@pytest.mark.parametrize("name", ["PATH", "PWD", "MODEL", "KEYBOARD", "SSH_AUTH_SOCK", "MONKEY_HOUSE"])
def test_other_variables_are_left_alone(monkeypatch, name):
    monkeypatch.setenv(name, "correct-horse-battery")
    assert scrub("x correct-horse-battery y") == "x correct-horse-battery y"


def test_short_values_are_left_alone(monkeypatch):
    monkeypatch.setenv("SOME_KEY", "1")
    assert scrub("1 of 1") == "1 of 1"


def test_the_longer_secret_goes_first(monkeypatch):
    monkeypatch.setenv("A_KEY", "abcdefgh")
    monkeypatch.setenv("B_KEY", "abcdefgh-and-more")
    assert scrub("abcdefgh-and-more") == HIDDEN


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Incorrect API key provided: sk-proj-Ab3dEf6h1jKlMn", "sk-proj-Ab3dEf6h1jKlMn"),
        ("sk-ant-api03-abcdefghij_klm", "abcdefghij"),
        ("Authorization: Bearer abc.def-123456", "abc.def-123456"),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("POST https://h/v1beta/models:x?key=AbCdEf123456&alt=sse failed", "AbCdEf123456"),
        ("https://h/?api_key=AbCdEf123456", "AbCdEf123456"),
        ("{'x-api-key': 'AbCdEf123456'}", "AbCdEf123456"),
        ('{"api_key": "AbCdEf123456", "n": 1}', "AbCdEf123456"),
        ("client_secret=AbCdEf123456", "AbCdEf123456"),
        ("proxy http://user:hunter22@proxy:8080/ refused", "hunter22"),
        ("https://token12345@host/v1", "token12345"),
        ("AIzaSyA1234567890abcdefghijk", "AIzaSyA1234567890"),
        ("hf_abcdefghijklmnopqrst", "hf_abcdefgh"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc", "eyJzdWIi"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text, secret):
    assert secret in text
    assert secret not in scrub(text)
    assert HIDDEN in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "Rate limit reached for requests. Limit: 500 / min.",
        "maximum context length is 8192 tokens; you asked for 9000",
        "see https://example.com/docs#keys and http://127.0.0.1:8000/v1",
        "the task is risky-business, sk-8",
        "keyboard:0.1#3",
        "key = value",
        "max_tokens=5",
        "mail somebody@example.com",
        "token: yes",
    ],
)
def test_ordinary_text_is_left_alone(text):
    assert scrub(text) == text


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_scrubbing_twice_is_scrubbing_once(text):
    assert scrub(scrub(text)) == scrub(text)


def test_scrub_is_linear_in_long_texts():
    text = "a-key:" * 20_000 + "x" * 100_000 + "http://" * 10_000
    assert len(scrub(text)) > 0


SECRET = "planted-value-123"


def test_public_and_private_params():
    params = {
        "temperature": 0,
        "max_tokens": 5,
        "seed": 1,
        "extra_body": {"guided_choice": ["a"]},
        "prompt_cache_key": "not-a-secret-at-all",
        "api_key": SECRET,
        "api_base": f"https://user:{SECRET}@Host:443/v1/?key={SECRET}",
        "timeout": 3,
        "aws_secret_access_key": SECRET,
        "my_provider_token": SECRET,
        "extra_headers": {"Authorization": f"Bearer {SECRET}", "X-Team": "qa", "x-goog-api-key": SECRET},
        "metadata": {"run": 1},
    }
    before = copy.deepcopy(params)
    public, private = public_params(params)
    assert params == before
    assert public == {
        "temperature": 0,
        "max_tokens": 5,
        "seed": 1,
        "extra_body": {"guided_choice": ["a"]},
        "prompt_cache_key": "not-a-secret-at-all",
        "extra_headers": {"X-Team": "qa"},
    }
    assert SECRET not in json.dumps(public)
    assert private["extra_headers"] == params["extra_headers"]
    assert {**public, **private} == params
    assert SECRET not in repr(private)
    assert SECRET not in f"{private}"
    assert scrub(f"the server said {SECRET}") == f"the server said {HIDDEN}"


def test_keys_are_no_part_of_a_request():
    base = {"temperature": 0.0, "api_base": "http://h:1/v1"}
    public, private = public_params({**base, "api_key": SECRET})
    others = public_params({**base, "api_key": "another-key-456"})
    one = Request(
        model="openai/x", messages=(), params=public, endpoint=endpoint_of("openai/x", base), private=private
    )
    two = Request(
        model="openai/x", messages=(), params=others[0], endpoint="http://h:1/v1", private=others[1]
    )
    assert one.key() == two.key()
    assert one == two
    assert SECRET not in repr(one)
    assert SECRET not in json.dumps(one.identity())


def test_private_survives_copies_without_showing():
    _, private = public_params({"api_key": SECRET})
    assert repr(copy.copy(private)) == "<1 private>"
    assert repr(pickle.loads(pickle.dumps(private))) == "<1 private>"


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://LocalHost:8000/v1/", "http://localhost:8000/v1"),
        ("https://user:pw@h.example:443/v1?key=x#y", "https://h.example/v1"),
        ("http://h:80", "http://h"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("h:8000/v1", "//h:8000/v1"),
        ("http://h:notaport/v1", "http://h/v1"),
    ],
)
def test_normal_url(url, normal):
    assert normal_url(url) == normal


def test_endpoint(monkeypatch):
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "HOSTED_VLLM_API_BASE", "OLLAMA_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    assert endpoint_of("openai/x", {}) is None
    assert endpoint_of("openai/x", {"base_url": "http://A/v1/"}) == "http://a/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://env:1/v1")
    assert endpoint_of("openai/x", {}) == "http://env:1/v1"
    assert endpoint_of("gpt-4o-mini", {}) == "http://env:1/v1"
    assert endpoint_of("openai/x", {"api_base": "http://given/v1"}) == "http://given/v1"
    assert endpoint_of("ollama/x", {}) is None
    monkeypatch.setenv("OLLAMA_API_BASE", "http://o:11434")
    assert endpoint_of("ollama/x", {}) == "http://o:11434"


def test_a_secret_within_a_key_hides_the_whole_key(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "1234567890")
    monkeypatch.setenv("OTHER_TOKEN", "of sk-proj-1234567890ab in")
    assert scrub("key sk-proj-1234567890abcdef!") == f"key {HIDDEN}!"
    assert scrub("out of sk-proj-1234567890ab in it 1234567890") == f"out {HIDDEN} it {HIDDEN}"


NO_ADDRESSES = "localhost:8000/v1 ftp://h/v1 http:// http:///v1 https:/h/v1 http://h:99999/v1 http://h:0/v1 http://h:abc/v1 http://[::1/v1 //h/v1 None"


@pytest.mark.parametrize("url", [*NO_ADDRESSES.split(), "  ", " http://h/v1", "http://h/v 1", "['http://h']"])
def test_an_address_that_no_server_has_is_refused_with_what_to_write(url):
    with pytest.raises(
        UsageError, match=r"of openai/x: write the whole address, as in http://localhost:8000"
    ):
        endpoint_of("openai/x", {"api_base": url})
    with pytest.raises(UsageError, match="write the whole address"):
        Model("openai/x", endpoints=[url])


@pytest.mark.parametrize("url", ["http://h/v1", "HTTPS://u:p@nö.example:8443/v1?x=1", "http://[::1]:11434"])
def test_an_address_that_a_server_may_have_is_taken(url):
    assert is_address(url)
    assert endpoint_of("openai/x", {"api_base": url})
