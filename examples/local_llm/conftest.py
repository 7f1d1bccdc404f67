"""Serves the model while the tests run. robusttest makes its calls before the first fixture, hence hooks."""

import os
from contextlib import ExitStack

import pytest
from server import NoServerError, check, serving

ADDRESS = "HOSTED_VLLM_API_BASE"  # where LiteLLM looks for the server of a model hosted_vllm/…


def pytest_sessionstart(session):
    config = session.config
    if config.option.collectonly or config.getoption("--robust-dry-run"):
        return  # no call will be made
    if hasattr(config, "workerinput"):
        return  # of pytest -n 2: the server is that of the process that started this one
    stack = ExitStack()
    config.add_cleanup(stack.close)
    if (
        config.getoption("--robust-replies") == "replay"
    ):  # nothing is asked: that there is a server is all that counts
        if ADDRESS not in os.environ:
            os.environ[ADDRESS] = "http://127.0.0.1"
            stack.callback(os.environ.pop, ADDRESS)
        return
    try:
        if ADDRESS in os.environ:  # a server of your own
            check(os.environ[ADDRESS])
        else:
            os.environ[ADDRESS] = stack.enter_context(serving())
            stack.callback(os.environ.pop, ADDRESS)
    except NoServerError as e:
        raise pytest.UsageError(f"local_llm: {e}") from None


def pytest_report_header():
    return f"model server: {os.environ[ADDRESS]}" if ADDRESS in os.environ else None
