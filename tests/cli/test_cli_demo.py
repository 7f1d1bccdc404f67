"""``robusttest demo``: what ships is what the four versions say today, and what it prints is true of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from robusttest.cli import main
from robusttest.errors import ConfigurationError


def test_the_cassette_is_what_the_versions_say(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1])
    import make_demo

    try:
        assert make_demo.text(make_demo.recorded()) == make_demo.CASSETTE.read_text(encoding="utf-8"), (
            "tickets, versions or perturbations changed: python tests/make_demo.py"
        )
    finally:
        sys.modules.pop("train", None)
        sys.path[:] = [p for p in sys.path if not p.endswith("support_desk")]


def test_the_more_accurate_version_is_told_to_be_less_robust(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["demo", "--html=out.html"]) == 0
    out = capsys.readouterr().out
    assert "REGRESSED: ticket-routing" in out
    assert "robust accuracy  -" in out
    assert "without a reply" not in out
    assert "did not run to its end" not in out
    assert "1 failed, 3 passed" in out, "thresholds let version 3 pass"
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "ticket-routing" in page
    assert [p.name for p in tmp_path.iterdir()] == ["out.html"]  # nothing else is left


def test_an_unknown_ticket_has_no_answer() -> None:
    from robusttest.demo import desk

    with pytest.raises(ConfigurationError, match="no recorded answer to 'a new ticket'"):
        desk.v1("a new ticket")


def test_a_report_that_cannot_be_written_is_refused_first(tmp_path, capsys) -> None:
    assert main(["demo", f"--html={tmp_path}"]) != 0
    captured = capsys.readouterr()
    assert str(tmp_path) in captured.err
    assert not captured.out
