"""The pytest plugin: the only room that knows pytest.

This module holds what pytest calls in every session, with robust tests or without: it imports nothing of ours but
the table of options. The first robust mark brings in the rest (`session`), which registers its own hooks.
PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

import pytest

from robusttest.plugin import options

MARKER = "robust(task, *, perturbations, variants, expect, models, cases, …): test a model's robustness (robusttest)"


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from robusttest.plugin import hookspec

    pluginmanager.add_hookspecs(hookspec)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    if options.given(config):
        options.validate(config)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Receiver(config), "robusttest-receiver")


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Last, so that every other parametrization is there: tasks may be chosen by the test's parameters.
    if metafunc.definition.get_closest_marker("robust") is not None:
        from robusttest.plugin import collect, session

        collect.generate(metafunc, session.ensure(metafunc.config).marked)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # A method of a unittest.TestCase is never parametrized: passing it would be a test that measured nothing.
    if isinstance(item, pytest.Function) and item.get_closest_marker("robust") is not None:
        callspec = getattr(item, "callspec", None)
        if callspec is None or "_robust_model" not in callspec.params:
            pytest.fail(
                "robust marks functions and methods of plain classes, not of unittest.TestCase", pytrace=False
            )


RUN_KEY = pytest.StashKey[str]()
"""On xdist's controller: what its workers know the run by."""


class Receiver:
    """Our records ride on the reports of tests; with xdist they arrive in a process that collected nothing."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.refused: str | None = None
        """Why the workers run nothing: a usage error, as it is without them."""

    def pytest_unconfigure(self) -> None:
        if self.refused is not None:
            sys.stderr.write(f"ERROR: {self.refused}\n\n")  # as pytest does

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        self.config.stash[RUN_KEY] = str(node.workerinput["testrunuid"])

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        # Interrupted before the first test of a worker ended: what it had is on disk.
        if RUN_KEY in self.config.stash and (self.config.rootpath / ".robusttest" / "runs").is_dir():
            from robusttest.plugin import session as sessions

            sessions.finish_early(self.config, self.config.stash[RUN_KEY])
        yield
        if self.refused is not None:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        payload: Any = report.__dict__.pop("robusttest", None)
        item: Any = report.__dict__.pop("robusttest_item", None)
        if payload is not None or item is not None:
            from robusttest.plugin import session

            ours = session.ensure(self.config)
            if item is not None:
                ours.collected(report.nodeid, item)
            if payload is not None:
                ours.receive(payload, report)
        self._hear(report)

    def _hear(self, report: pytest.TestReport) -> None:
        """What pytest says of a robust item, of which a subtest and a dead worker bring no word of ours."""
        plugin: Any = self.config.pluginmanager.get_plugin("robusttest-session")
        if plugin is not None:
            plugin.session.outcomes.hear(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        refused = getattr(node, "workeroutput", {}).get("robusttest_refused")
        if refused is not None and self.refused is None:
            self.refused = refused
        wire = getattr(node, "workeroutput", {}).get("robusttest")
        if wire is not None:
            from robusttest.plugin import session

            session.ensure(self.config).joined(wire)
