"""Progress in a notebook: shown where there is a kernel, written over, and silent elsewhere."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from robusttest.gateway.calls.gateway import Progress
from robusttest.run.progress import KernelProgress, in_kernel


class Shown:
    """Stands in for ``IPython.display``: what was displayed, and what the same output said later."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, data, *, raw, display_id):
        assert raw
        assert display_id
        self.lines.append(data["text/plain"])
        return SimpleNamespace(update=lambda data, raw: self.lines.append(data["text/plain"]))


def gateway(done: int):
    p = {f: 0 for f in Progress.__dataclass_fields__} | {"done": done, "waiting_for": ""}
    return SimpleNamespace(progress=lambda: Progress(**p))


def test_a_line_is_written_over(monkeypatch):
    shown = Shown()
    progress = KernelProgress(gateway(3), 10, shown.display)
    now = progress.began
    for seconds in (0.1, 0.6, 0.7, 1.3):
        monkeypatch.setattr("robusttest.run.progress.time.monotonic", lambda at=now + seconds: at)
        progress.tick()
    assert shown.lines == ["robusttest: 3 of 10 calls"] * 2
    progress.tick(last=True)
    assert shown.lines[-1] == "robusttest: 3 of 3 calls", "what was not applicable is not left to do"


def test_what_is_done_at_once_is_silent():
    shown = Shown()
    KernelProgress(gateway(3), 3, shown.display).tick(last=True)
    assert shown.lines == []


@pytest.mark.parametrize("shell", [None, SimpleNamespace(), SimpleNamespace(kernel=None)])
def test_a_terminal_and_a_script_are_no_notebook(monkeypatch, shell):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert in_kernel(gateway(0), 1) is None
    monkeypatch.delitem(sys.modules, "IPython")
    assert in_kernel(gateway(0), 1) is None


def test_a_kernel_shows_it(monkeypatch):
    shown = Shown()
    ipython = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=shown.display))
    progress = in_kernel(gateway(2), 4)
    assert progress is not None
    progress.last -= 1
    progress.tick()
    assert shown.lines == ["robusttest: 2 of 4 calls"]
