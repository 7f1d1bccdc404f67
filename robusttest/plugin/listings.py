"""What others list of our tests: pytest's terminal and JUnit XML, and pytest-html."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from robusttest.plugin.session import RobustSession


def forget_pass(config: pytest.Config, report: pytest.TestReport, entry: Any) -> None:
    """A test is counted once: what the terminal, JUnit and pytest-html have noted of its pass is taken back."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        passed = reporter.stats.get("passed", [])
        passed[:] = [r for r in passed if r is not report]
    xml = _junit(config)
    if xml is not None and entry in xml.node_reporters_ordered:
        xml.node_reporters_ordered.remove(entry)
        xml.stats["passed"] -= 1
    for plugin in config.pluginmanager.get_plugins():
        if type(plugin).__module__.partition(".")[0] == "pytest_html":
            _forget_in_html(plugin, report)


def _forget_in_html(plugin: Any, report: pytest.TestReport) -> None:
    """pytest-html lists a test once for each outcome that it heard of. It has no public way to take one back; another
    version that keeps them elsewhere lists both.
    """
    try:
        heard, data = plugin._reports[report.nodeid], plugin._report
        listed = data.data["tests"][report.nodeid]
        counted = data.outcomes["passed"]
        del heard[report.when, "passed"]
        listed.pop()
        counted["value"] -= 1
    except (AttributeError, KeyError, IndexError, TypeError):
        return


def keep_time(config: pytest.Config, entry: Any, report: pytest.TestReport) -> None:
    """The test took as long as it took, whatever the gate made of it: JUnit's entry of ``report`` gets the old one's time."""
    xml = _junit(config)
    if xml is not None and entry is not None:
        xml.node_reporter(report).duration = float(entry.to_xml().get("time", 0))


def _junit(config: pytest.Config) -> Any:
    from _pytest.junitxml import xml_key

    return config.stash.get(xml_key, None)


def entry_of(config: pytest.Config, report: pytest.TestReport) -> Any:
    """What ``--junitxml`` writes of this report's test, to be taken back later; None without it."""
    xml = _junit(config)
    return None if xml is None else xml.node_reporter(report)


def add_properties(session: RobustSession) -> None:
    """The headline numbers as properties of the suite, each under its test's name: the schema of the family ``xunit2``
    has none within a test. In the older families they stand with their test.
    """
    from robusttest.report.junit import properties

    xml = _junit(session.config)
    if xml is None or session.report is None or within_tests(session.config):
        return
    for cell in session.report.cells:
        nodeid = session.cells[cell.key].nodeid or cell.key.test
        for name, value in properties(cell):
            xml.add_global_property(f"{nodeid}::{name}", value)


def within_tests(config: pytest.Config) -> bool:
    """Whether JUnit's properties stand with their test."""
    return str(config.getini("junit_family")) != "xunit2"
