"""`ask.openai()`: a body's `Ask` in the shape of OpenAI's client."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

import pytest

from robusttest import Ask, Completion, UsageError
from robusttest.errors import CallError

CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "order_status", "arguments": '{"order": "48213"}'},
}


class Answering:
    """A gateway that gives one reply, and keeps what it was asked."""

    def __init__(self, reply: Completion | Exception) -> None:
        self.reply = reply
        self.asked: list[tuple[str, Any, dict[str, Any]]] = []

    def request(self, model: str, messages: Any, params: Any, sample: int = 0) -> Any:
        self.asked.append((model, [dict(m) for m in messages], dict(params)))
        return self.asked[-1]

    def submit(self, request: Any) -> Future[Completion]:
        done: Future[Completion] = Future()
        if isinstance(self.reply, Exception):
            done.set_exception(self.reply)
        else:
            done.set_result(self.reply)
        return done


class NotGiven:
    """OpenAI's mark of an argument that is left out, by its name."""


MESSAGES = [{"role": "user", "content": "Where is it?"}]


def asked(reply: Completion | Exception, *, sync: bool, **how: Any) -> tuple[Any, Answering]:
    gateway = Answering(reply)
    client = Ask(gateway, "openai/gpt-4o").openai(sync=sync)
    made = client.chat.completions.create(messages=MESSAGES, **how)
    return (made if sync else asyncio.run(made)), gateway


@pytest.mark.parametrize("sync", [True, False])
def test_a_call_is_the_model_under_tests(sync: bool):
    pytest.importorskip("openai")
    reply = Completion(text="", tool_calls=(CALL,), model="gpt-4o-2024", input_tokens=3, output_tokens=4)
    made, gateway = asked(
        reply, sync=sync, model="another", tools=[{"type": "function"}], tool_choice=NotGiven(), stream=False, stop=None,
        extra_headers={"a": "b"}, extra_body={"min_p": 0.1},
    )  # fmt: skip
    assert gateway.asked == [("openai/gpt-4o", MESSAGES, {"tools": [{"type": "function"}], "min_p": 0.1})], (
        "no argument of the call alone, and nothing that was not given"
    )
    assert made.model == "gpt-4o-2024"
    (choice,) = made.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert choice.message.tool_calls[0].function.name == "order_status"
    assert made.usage.total_tokens == 7


def test_a_text_is_a_message_and_unknown_tokens_stay_unknown():
    pytest.importorskip("openai")
    made, _ = asked(Completion(text="It is lost."), sync=True, model="m")
    assert (made.choices[0].message.content, made.choices[0].finish_reason) == ("It is lost.", "stop")
    assert made.usage is None
    assert made.model == "openai/gpt-4o"


def test_a_call_that_fails_is_no_answer():
    with pytest.raises(CallError, match="down"):
        asked(CallError("down"), sync=True, model="m")


def test_streams_are_refused():
    with pytest.raises(UsageError, match="switch streaming off"):
        asked(Completion(text="x"), sync=True, model="m", stream=True)
