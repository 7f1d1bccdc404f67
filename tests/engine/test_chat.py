"""A scripted user in a body, and conversations scored turn by turn."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future
from typing import Any

import pytest

from robusttest.core.nouns import Answer, CellKey, Completion, Record, Request, RunInfo
from robusttest.engine.body import Ask, Outcome, body_score
from robusttest.engine.cell import Cell
from robusttest.errors import UsageError
from robusttest.report import html, markdown, terminal
from robusttest.report import json as json_report
from robusttest.report.build import build

SCRIPT = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "recorded, and not the model's"},
    {"role": "user", "content": "two"},
]


class Echo:
    """Replies how many messages it was shown, and the last one."""

    def request(self, model: str, messages: Any, params: Any, sample: int = 0) -> Request:
        return Request(model=model, messages=tuple(messages), params=dict(params), sample=sample)

    def submit(self, request: Request) -> Future[Completion]:
        future: Future[Completion] = Future()
        future.set_result(Completion(text=f"{len(request.messages)} {request.messages[-1]['content']}"))
        return future


def test_a_script_is_played_and_the_model_answers_each_turn() -> None:
    chat = Ask(Echo(), "m").chat()
    assert [r.text for r in chat.play(SCRIPT)] == ["2 one", "4 two"]
    assert [m["role"] for m in chat.messages] == ["system", "user", "assistant", "user", "assistant"]
    assert "recorded" not in str(chat.messages)
    assert chat.say("three").text == "6 three"
    assert len(chat.replies) == 3


def test_it_is_played_in_an_async_body_as_well() -> None:
    chat = Ask(Echo(), "m").chat("Be short.", temperature=0)
    assert [r.text for r in asyncio.run(chat.aplay(["one", "two"]))] == ["2 one", "4 two"]
    assert chat.messages[0] == {"role": "system", "content": "Be short."}


@pytest.mark.parametrize("script", [[], 3, [{"role": "assistant", "content": "x"}]])
def test_a_script_without_a_turn_of_the_users_is_refused(script: Any) -> None:
    with pytest.raises(UsageError, match="turn of the user's"):
        Ask(Echo(), "m").chat().play(script)


def test_a_score_for_each_turn_is_their_mean() -> None:
    score = body_score(Outcome(value=Answer("done", score=[1, True, 0, 0.5])))
    assert (score.value, score.turns) == (0.625, (1, 1, 0, 0.5))
    for wrong in ([], [2], ["x"]):
        with pytest.raises(UsageError):
            body_score(Outcome(value=Answer("done", score=wrong)))


def test_reports_tell_where_conversations_go_wrong() -> None:
    """40 conversations of three turns, the last ten of two: the second turn is wrong in half of the variants."""
    records = []
    for i in range(40):
        for variant in ("", "casing#0", "casing#1"):
            turns = [1.0, float(variant != "casing#1"), 1.0][: 2 if i >= 30 else 3]
            records.append(
                Record(
                    task="t", model="m", case_id=f"c{i}", variant=variant, perturbation=variant.partition("#")[0],
                    level="input" if variant else "reference", answer="x", target="x", score=sum(turns) / len(turns), turns=turns,
                )
            )  # fmt: skip
    cell = Cell(CellKey(None, "t", "m"), records)
    found = [(t.number, t.written.value, t.perturbed.value, t.written.n) for t in cell.turns]
    assert found == [(1, 1, 1, 40), (2, 1, 0.5, 40), (3, 1, 1, 30)]
    report = build(RunInfo(id="0" * 8, created="2026-11-24T12:00:00Z", complete=True), [cell])
    for page in ("\n".join(terminal.render(report, width=100)), markdown.render(report), html.render(report)):
        assert "turn of the conversation" in page
    data = json.loads(json_report.render(report))["cells"][0]["turns"]
    assert [t["perturbed"]["value"] for t in data] == [1, 0.5, 1]


def test_without_turns_nothing_is_told() -> None:
    cell = Cell(CellKey(None, "t", "m"), [Record(task="t", model="m", case_id="c", answer="x", score=1.0)])
    assert cell.turns == ()
