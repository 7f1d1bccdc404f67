"""Three answers, with models whose truth is known, over real HTTP."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "gateway"))
import loopback
from loopback import LoopbackServer, prompt_of

from robusttest.cli import main
from robusttest.cli.canary import COULD_NOT_TELL, MOVED, SAID, Triple, at_least, told, verdict
from robusttest.core.nouns import Completion
from robusttest.gateway import Gateway
from robusttest.settings import Settings


class Served:
    """A model that can be exchanged while its name stays."""

    def __init__(self):
        self.asked, self.other = 0, False

    def __call__(self, body):
        self.asked += 1
        return f"another {prompt_of(body)}" if self.other else f"echo: {prompt_of(body)}"


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key-123456")
    model = Served()
    with LoopbackServer(reply=model) as server:
        with Gateway(Settings(directory=tmp_path)) as gateway:
            for i in range(12):
                request = gateway.request(
                    "openai/m", [{"role": "user", "content": f"Question {i}"}], {"api_base": server.url}
                )
                gateway.submit(request).result(60)
        yield model, server


def canary(tmp_path, *more):
    return main(["canary", "--directory", str(tmp_path), *more])


def test_the_same_model_could_not_be_told_from_another(served, tmp_path, capsys):
    model, _ = served
    assert canary(tmp_path) == COULD_NOT_TELL
    assert model.asked == 12, "without --live nothing is asked"
    assert "--live asks 12 of them again (24 calls)" in capsys.readouterr().out
    assert canary(tmp_path, "--live") == COULD_NOT_TELL
    assert model.asked == 36
    assert "could not tell: 0 of 12 answers differ" in capsys.readouterr().out


def test_answers_that_moved(served, tmp_path, capsys):
    served[0].other = True
    assert canary(tmp_path, "--live", "--model", "openai/m") == MOVED
    assert (
        "the answers moved: 12 of 12 answers differ from the stored ones, 0 from" in capsys.readouterr().out
    )


def test_another_fingerprint_is_what_the_provider_says(served, tmp_path, capsys, monkeypatch):
    before = loopback._Protocol.openai
    monkeypatch.setattr(
        loopback._Protocol,
        "openai",
        lambda self, *args: {**before(self, *args), "system_fingerprint": "fp_newer"},
    )
    assert canary(tmp_path, "--live") == SAID
    assert "fingerprint fp_loopback → fp_newer" in capsys.readouterr().out


def test_nothing_stored_is_said(tmp_path, capsys):
    assert canary(tmp_path) == 2
    assert "no stored replies" in capsys.readouterr().err


def test_a_model_without_replies_is_said(served, tmp_path, capsys):
    assert canary(tmp_path, "--model", "openai/other") == 2
    assert "there are some of openai/m" in capsys.readouterr().err


def reply(text, **more):
    return Completion(text=text, **more)


def test_noise_is_no_move():
    noisy = [Triple(reply("a"), reply("ab"[i % 2]), reply("ba"[i % 2])) for i in range(30)]
    assert verdict(noisy)[0] == COULD_NOT_TELL
    moved = [Triple(reply("a"), reply("b"), reply("b")) for _ in range(7)]
    assert verdict(moved)[0] == MOVED
    assert verdict(moved[:6])[0] == COULD_NOT_TELL, "six are too few"
    assert verdict([Triple(reply("a"), None, None)]) == (
        COULD_NOT_TELL,
        "could not tell: no call gave a reply (1 question without a reply)",
    )


def test_the_sign_test():
    assert at_least(0, 0) == 1
    assert at_least(7, 7) == pytest.approx(1 / 128)
    assert at_least(5, 10) == pytest.approx(0.623, abs=0.001)


def test_what_the_provider_tells():
    old, new = reply("a", model="m-1", created="2026-01-01"), reply("a", model="m-2", created="2026-02-01")
    assert told([new, old]) == "model id m-1 → m-2"
    assert told([old, old, reply("a")]) is None
