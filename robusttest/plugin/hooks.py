"""pytest's hooks of a session with robust tests: each finds the state of its item and calls one function."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from robusttest.errors import RobusttestError
from robusttest.plugin import listings, longrepr
from robusttest.plugin.collect import ALIASES, NO_MODEL
from robusttest.plugin.item import RobustItem, can_be_planned
from robusttest.plugin.session import ITEM
from robusttest.plugin.verdicts import add_verdict, fail_in_test, judge, refuse_value

if TYPE_CHECKING:
    from robusttest.plugin.session import RobustSession

ROOM = os.path.dirname(__file__)

ORIGINAL = pytest.StashKey[Any]()
"""A coroutine body, while a driver stands in its place."""


class Hooks:
    def __init__(self, session: RobustSession) -> None:
        self.session = session

    # --- before the first test

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if isinstance(item, pytest.Function):
                self.session.adopt(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """On a worker: before xdist tells what is there to run, and after everybody has deselected."""
        if self.session.worker is not None and not session.config.option.collectonly:
            from robusttest.plugin import start

            start.begin(self.session, _robust(session.items))
            if self.session.refused is not None:
                # The controller says it, and ends as for any usage error; here nothing is left to run.
                session.config.workeroutput["robusttest_refused"] = self.session.refused  # type: ignore[attr-defined]  # xdist's, of a worker
                session.items[:] = []

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        # A dry run calls nothing, whatever else failed to be collected.
        if not session.config.option.collectonly and (
            session.testsfailed == 0 or self.session.settings.dry_run
        ):
            from robusttest.plugin import start

            chosen = _robust(session.items)
            option = session.config.option
            if not (option.setuponly or option.setupplan or self.session.settings.dry_run):
                for item, state in chosen:
                    self.session.outcomes.collected(item.nodeid, state.key, state.nodeid)
            if self.session.worker is None and start.begin(self.session, chosen):
                # Nothing is left to run: the hooks below are not asked.
                session.items[:] = []
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        if self.session.worker is not None:
            # A worker does not know what it will get: it plans what it holds.
            near = [i for i in (item, nextitem) if i is not None and ITEM in i.stash]
            self.session.plan(i.stash[ITEM] for i in near if can_be_planned(i))  # type: ignore[arg-type]  # ours: can_be_planned
        return (yield)

    # --- one test

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        state = item.stash.get(ITEM, None)
        if state is None:
            return
        assert isinstance(item, pytest.Function)
        state.sent, state.line = False, None
        if item.config.option.setuponly or item.config.option.setupplan:
            return
        if state.lacks_model:
            state.line = NO_MODEL
            pytest.fail(NO_MODEL, pytrace=False)
        if not state.selected:
            shard = state.settings.shard
            pytest.skip(
                "--robust-case selects no case of this test"
                if shard is None
                else f"no case of this test is in shard {shard}"
            )
        if state.marked.perturbations and not state.wanted:
            pytest.skip("--robust-only and --robust-skip leave no perturbation of this test")
        if state.declared:
            try:
                self.session.compute(state)
            except RobusttestError as e:
                fail_in_test(item, pytest.fail.Exception(f"robusttest: {e}", pytrace=False))
            judged = judge(state)
            if judged.kind == "error":
                state.line = judged.line
                fail_in_test(item, pytest.fail.Exception(judged.text, pytrace=False), state.result)
        if inspect.iscoroutinefunction(item.obj):
            from robusttest.plugin.bodies import coroutine

            item.stash[ORIGINAL] = item.obj
            item.obj = coroutine(self.session, state, item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        state = pyfuncitem.stash.get(ITEM, None)
        if state is None or _on_anyio(pyfuncitem):
            return None
        state.running = True
        try:
            _call(self.session, state, pyfuncitem)
        finally:
            state.running = False
        _conclude(state, pyfuncitem)
        return True

    @pytest.hookimpl(specname="pytest_pyfunc_call", wrapper=True)
    def pytest_pyfunc_call_after_anyio(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        done = yield
        state = pyfuncitem.stash.get(ITEM, None)
        if state is not None and _on_anyio(pyfuncitem):
            _conclude(state, pyfuncitem)
        return done

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        if ORIGINAL in item.stash:
            item.obj = item.stash[ORIGINAL]  # type: ignore[attr-defined]  # of a Function
            del item.stash[ORIGINAL]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        state = item.stash.get(ITEM, None)
        if state is not None:
            longrepr.hide(report)
            if state.running:
                return report  # of a subtest
            if report.failed and state.line is not None:
                _say_first(item, report, state.line)
            report.robusttest_item = [list(state.key), state.nodeid]  # type: ignore[attr-defined]  # carried to the reporting process
        if state is None or state.sent or not (state.result is not None or state.records):
            return report
        if call.when == "call" or (call.when == "setup" and not report.passed):
            if getattr(item.config.option, "xmlpath", None) and listings.within_tests(item.config):
                _add_properties(state, item, report)
            report.robusttest = self.session.payload(state)  # type: ignore[attr-defined]  # carried to the reporting process
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.when == "call" and type(report).__name__.lower() == "subtestreport":
            for state in self.session.items.values():
                if state.node == report.nodeid:
                    state.subtests += 1

    # --- after the last test

    def pytest_keyboard_interrupt(self) -> None:
        self.session.interrupted = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        done = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        stopped = bool(session.shouldstop or session.shouldfail)
        self.session.finish(complete=done and not stopped and not self.session.interrupted)
        listings.add_properties(self.session)
        if self.session.regressed or self.session.gate_broken or self.session.unwritten:
            from robusttest.plugin import gate

            gate.fail_tests(self.session, session)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        from robusttest.plugin import terminal

        terminal.summary(self.session, terminalreporter)


def _say_first(item: pytest.Item, report: pytest.TestReport, line: str) -> None:
    """Let pytest's summary begin with the number, and ``--tb=line`` point at the test where no line of it failed."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return
    crash.message = line
    if crash.path.startswith(ROOM):
        crash.path, crash.lineno = str(item.path), (item.location[1] or 0) + 1


def _call(session: RobustSession, state: RobustItem, pyfuncitem: pytest.Function) -> None:
    if ORIGINAL not in pyfuncitem.stash:
        _run(session, state, pyfuncitem)
    elif inspect.iscoroutinefunction(pyfuncitem.obj):
        with asyncio.Runner() as runner:
            runner.run(pyfuncitem.obj(**_arguments(pyfuncitem)))
    else:
        pyfuncitem.obj(**_arguments(pyfuncitem))  # pytest-asyncio has wrapped the driver to run on its loop


def _robust(items: Iterable[pytest.Item]) -> list[tuple[pytest.Item, RobustItem]]:
    return [(i, s) for i in items if (s := i.stash.get(ITEM, None)) is not None]


def _on_anyio(item: pytest.Function) -> bool:
    """Whether anyio's plugin will run the driver on its loop."""
    return ORIGINAL in item.stash and bool(item.funcargs.get("anyio_backend"))


def _arguments(item: pytest.Function) -> dict[str, Any]:
    """The user's own arguments."""
    return {name: item.funcargs[name] for name in item._fixtureinfo.argnames if name not in ALIASES}


def _run(session: RobustSession, state: RobustItem, item: pytest.Function) -> None:
    function: Callable[..., Any] = item.obj
    if state.declared and state.settings.shard is not None:
        return  # its assertions are on the whole
    if state.declared:
        try:
            refuse_value(item, function(**_arguments(item), **dict.fromkeys(state.arguments, state.result)))
        except Exception as e:
            add_verdict(state, e)
            raise
        except pytest.fail.Exception as e:
            add_verdict(state, e)
            raise
        return
    from robusttest.plugin import bodies

    bodies.run(session, state, item)


def _conclude(state: RobustItem, item: pytest.Function) -> None:
    """Turn the verdicts into the outcome of the test."""
    judged = judge(state)
    state.line = judged.line if judged.kind in ("failed", "error") else None
    first = {"error": state.first_error, "failed": state.first_failure}.get(judged.kind)
    if first is not None:  # its own lines say most, and a debugger stops there
        if not state.marked.thresholds and judged.kind == "failed":
            state.line = None
        first.add_note(judged.text)
        raise first
    if judged.kind in ("failed", "error"):
        fail_in_test(item, pytest.fail.Exception(judged.text, pytrace=False), state.result)
    if judged.kind == "xfailed":
        pytest.xfail(judged.text)
    if judged.kind == "skipped":
        pytest.skip(judged.text)


def _add_properties(state: RobustItem, item: pytest.Item, report: pytest.TestReport) -> None:
    """The headline for JUnit, which reads the report of the teardown; a rerun replaces the run before."""
    from robusttest.report.build import cell_report
    from robusttest.report.junit import properties

    cell = cell_report(state.cell)
    if cell is None:
        return
    theirs = [p for p in item.user_properties if not p[0].startswith("robust.")]
    item.user_properties[:] = [*theirs, *properties(cell)]
    report.user_properties = list(item.user_properties)
