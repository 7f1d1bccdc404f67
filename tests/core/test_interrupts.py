from __future__ import annotations

import signal
import threading

import pytest

from robusttest.core import interrupts


def test_ctrl_c_waits_for_the_end_of_the_block():
    done = []

    def interrupted():
        with interrupts.held():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == ["the rest"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_is_held_where_nothing_came():
    with interrupts.held():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_app_is_called():
    came = []
    before = signal.signal(signal.SIGINT, lambda *args: came.append(args))
    try:
        with interrupts.held():
            signal.raise_signal(signal.SIGINT)
            assert came == []
        assert len(came) == 1
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_signals_alone():
    failed = []

    def run():
        try:
            with interrupts.held():
                pass
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    assert failed == []
