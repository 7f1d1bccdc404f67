"""Another model behind the same name: what a run, its baseline, its gate and the history say of it."""

from __future__ import annotations

import json
import re

from robusttest.cli import main
from robusttest.core.nouns import Completion
from robusttest.gateway.calls import backends

TEST = """
@robust(task, models=["openai/desk"])
def test_desk(result): ...
"""
MOVED = "another model answered to this name: desk-2026-01-01 then, desk-2026-06-06 now"


def test_another_model_behind_the_same_name_is_told(project, monkeypatch, capsys):
    words = {"refund": "billing", "parcel": "delivery", "password": "account"}

    class Provider:
        served, fingerprint = "desk-2026-01-01", "fp_a"

        def known(self, request):
            return True

        async def call(self, request, *, timeout):
            right = next(label for word, label in words.items() if word in str(request.messages))
            return Completion(
                text=right if self.fingerprint == "fp_a" else "billing",
                model=self.served,
                meta={"system_fingerprint": self.fingerprint},
            )

        def facts(self):
            return {}

        async def close(self):
            pass

    def run(*args):
        return project.run("--robust-replies=off", *args)

    monkeypatch.setenv("OPENAI_API_KEY", "planted-key-123456")
    project.test(TEST)
    provider = Provider()
    monkeypatch.setattr(backends, "litellm_backend", lambda settings: provider)
    monkeypatch.setenv("CI", "true")  # there pytest's summary prints whole messages
    result = run("--robust-update-baseline", "--robust-label=one")
    assert result.ret == 0, result.stdout.str()
    held = json.loads((project.path / "robust-baseline.json").read_text(encoding="utf-8"))["run"]
    assert held["served"] == {"openai/desk": ["desk-2026-01-01"]}
    assert held["fingerprints"] == {"openai/desk": ["fp_a"]}
    same = run("--robust-baseline", "--robust-label=again").stdout.str()
    assert "answered to this name" not in same
    provider.served, provider.fingerprint = "desk-2026-06-06", "fp_b"
    reports = ("--robust-report=json:out.json", "--robust-report=html:out.html")
    result = run("--robust-baseline", "--robust-fail-on=regression", "--robust-label=two", *reports)
    assert result.ret == 1
    text = re.sub(r"\s+", " ", result.stdout.str())
    assert text.count(MOVED) == 2, "in the comparison, and in the text of the test that the gate failed"
    assert "another system fingerprint: fp_a then, fp_b now" in text
    found = json.loads((project.path / "out.json").read_text(encoding="utf-8"))["run"]
    assert found["served"] == {"openai/desk": ["desk-2026-06-06"]}
    page = (project.path / "out.html").read_text(encoding="utf-8")
    assert "desk-2026-06-06 (fp_b)" in page
    assert page.count(MOVED) >= 2, "in the comparison and the history"
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["history", "--directory", str(project.path / ".robusttest")]) == 0
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert f"two: {MOVED}" in told
    assert "again: another" not in told
