"""Why a reply ended: from a real server through LiteLLM into the record, the store, the run file and every report."""

from __future__ import annotations

from pathlib import Path

import pytest
from loopback import LoopbackServer, prompt_of

from robusttest import Task, evaluate
from robusttest.report import html, json, junit, markdown, terminal
from robusttest.report.build import build
from robusttest.scorers import choice
from robusttest.store import list_runs, new_run, read_run

CASES = [(f"where is my parcel number {i}", "delivery") for i in range(8)]
TASK = Task("routing", cases=CASES, scorer=choice(["billing", "delivery"]), params={"max_tokens": 2})


def answer(body: dict) -> dict:
    """Half of the replies stop at the limit before they say anything, one is stopped by a filter."""
    number = int(prompt_of(body).split()[-1])
    if number == 7:
        return {"content": "", "finish_reason": "content_filter"}
    return {"content": "Let me", "finish_reason": "length"} if number % 2 else {"content": "delivery"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all runs here: the later ones find the replies of the first."""
    return tmp_path_factory.mktemp("cut")


@pytest.mark.parametrize("replies", ["auto", "replay"])
def test_a_reply_that_is_cut_is_told_everywhere(replies, folder, monkeypatch):
    with LoopbackServer(reply=answer) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        for way in dict.fromkeys(["auto", replies]):
            before = len(server.requests)
            how = {"directory": folder, "replies": way, "expect": ["cut <= 0.05"]}
            result = evaluate(TASK, model="openai/gpt-4o-mini", **how)
        assert replies == "auto" or len(server.requests) == before
    ends = ["length" if i % 2 else "stop" for i in range(7)] + ["content_filter"]
    assert [r.finish_reason for r in result.records] == ends
    assert [r.cut for r in result.records] == [e == "length" for e in ends]
    assert [r.status for r in result.records] == [
        *("unparsed" if i % 2 else "ok" for i in range(7)),
        "refused",
    ]
    path = list_runs(folder)[-1]
    kept = read_run(path).records
    assert [(r.finish_reason, r.cut) for r in kept] == [(r.finish_reason, r.cut) for r in result.records]
    (verdict,) = result.verdicts
    assert (verdict.status, verdict.estimate.value) == ("failed", 3 / 8)

    report = build(new_run(), [result])
    for page in (" ".join(terminal.render(report, width=200)), markdown.render(report), html.render(report)):
        assert "cut: 0.375" in page
        assert "of replies stop at the token limit: raise max_tokens" in page.replace("\\", "")
        assert "unreadable: 0.5" in page
    (cell,) = json.as_dict(report)["cells"]
    assert any(line.startswith("cut: 0.375") for line in cell["first"])
    assert dict(junit.properties(report.cells[0]))["robust.cut"] == "0.375"
