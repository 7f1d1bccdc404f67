"""The tree of errors: one root, messages that help, and a way across processes."""

from __future__ import annotations

import inspect
import pickle

import pytest

from robusttest import errors
from robusttest.errors import (
    BudgetExhaustedError,
    CallError,
    CaseError,
    ConfigurationError,
    MissingExtraError,
    ModelCodeError,
    ReplayMissError,
    RobusttestError,
    RunAbortedError,
    UnknownNameError,
    UsageError,
)

EVERY = [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, Exception)]


def test_everything_is_a_robusttest_error_and_drawn():
    assert len(EVERY) > 10
    for e in EVERY:
        assert issubclass(e, RobusttestError)
        assert e.__name__ in errors.__doc__


def test_what_the_user_can_mend_is_no_failed_call():
    assert issubclass(CaseError, UsageError)
    assert issubclass(ConfigurationError, RunAbortedError)
    assert not issubclass(CallError, UsageError | RunAbortedError)


def test_kinds_are_for_counting():
    assert [e("x").kind for e in (CallError, ModelCodeError, ReplayMissError, BudgetExhaustedError)] == [
        "call", "code", "replay_miss", "budget",
    ]  # fmt: skip
    e = CallError("slow down", kind="rate_limit", status=429)
    assert (e.kind, e.status, str(e)) == ("rate_limit", 429, "slow down")
    assert CallError.kind == "call"


@pytest.mark.parametrize(
    "error",
    [
        UnknownNameError("metric", "acuracy", ["accuracy"]),
        MissingExtraError("parquet", "robusttest[parquet]"),
        CaseError("x"),
    ],
)
def test_errors_cross_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_messages_say_what_to_do():
    assert str(MissingExtraError("parquet", "robusttest[parquet]")).endswith(
        "pip install 'robusttest[parquet]'"
    )
    assert str(UnknownNameError("thing", "zzz", ["a", "b"])) == "unknown thing 'zzz'. Known: a, b"
    assert str(UnknownNameError("thing", "zzz", [])) == "unknown thing 'zzz'. Known: none"
