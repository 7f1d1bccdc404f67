"""The function-scoped fixtures of a test with a body of its own: set up for each variant, as for a test of its own.

pytest sets them up once for an item, and an item has all variants inside. So each further variant is given copies of their
definitions, with the values of wider scope as they are. What can't be set up again is told by name in ``shared``.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from _pytest.fixtures import FixtureDef, TopRequest

from robusttest.plugin.collect import ALIASES

OF_LOOPS = ("pytest_asyncio", "anyio", "robusttest")
"""Packages whose fixtures hold the loop that the bodies run on, or are ours."""

BUILT_IN = ("tmp_path", "tmpdir", "monkeypatch", "pytester", "testdir")
OUTPUT = ("capsys", "capfd", "capsysbinary", "capfdbinary", "capteesys", "caplog", "recwarn")
"""Of pytest's own: among bodies that run at once, nobody can tell whose output it is."""


class Fixtures:
    """Of one item, while its body is run."""

    def __init__(self, item: pytest.Function, *, together: bool) -> None:
        """``together``: several variants are under way at a time."""
        self.item, self.together = item, together
        self.begun = False
        active: Mapping[str, FixtureDef[Any]] = item._request._fixture_defs
        self.renewed = any(map(self._can_be_renewed, active.values()))
        self.shared = tuple(n for n, d in active.items() if self._is_told(d) and not self._can_be_renewed(d))
        """Names of function-scoped fixtures that all variants share."""

    @contextlib.contextmanager
    def of_variant(self) -> Iterator[dict[str, Any]]:
        """The user's own arguments for one variant; the first one has what pytest set up for the item."""
        first, self.begun = not self.begun, True
        if first or not self.renewed:
            try:
                yield self._arguments(self.item.funcargs)
            finally:
                if self.renewed and not self.together:
                    self._finish(self.item._request, self._ends_early)
            return
        request = TopRequest(self.item, _ispytest=True)
        made = _Copies(request, self._can_be_renewed)
        request._arg2fixturedefs = made  # type: ignore[misc]  # pytest's own, declared final
        try:
            wanted = [name for name in self.item.fixturenames if name != "request"]
            values = {name: request.getfixturevalue(name) for name in wanted}
            if "caplog" in values and not self.together:
                values["caplog"].clear()  # its records are the item's
            yield self._arguments({"request": request, **values})
        finally:
            self._finish(request, made.holds)

    def _arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: values[name] for name in self.item._fixtureinfo.argnames if name not in ALIASES}

    def _finish(self, request: Any, whose: Callable[[FixtureDef[Any]], bool]) -> None:
        """Tear down, the last one first. What goes wrong is an error of the item's teardown, as it is for any test."""
        for definition in reversed(list(request._fixture_defs.values())):
            if whose(definition):
                try:
                    definition.finish(request)
                except Exception as e:
                    self.item.addfinalizer(_raising(e))

    def _can_be_renewed(self, definition: FixtureDef[Any]) -> bool:
        if definition.scope != "function" or _is_of_a_loop(definition):
            return False
        if definition.func.__module__.startswith("_pytest."):
            if definition.argname.startswith("_xunit_setup_"):
                return not self.together  # the instance is one
            return definition.argname in BUILT_IN or (definition.argname in OUTPUT and not self.together)
        return not _is_async(definition)

    def _ends_early(self, definition: FixtureDef[Any]) -> bool:
        return self._can_be_renewed(definition) and definition.func.__module__ != "_pytest.tmpdir"

    def _is_told(self, definition: FixtureDef[Any]) -> bool:
        own = definition.func.__module__.startswith("_pytest.") and definition.argname not in OUTPUT
        return definition.scope == "function" and not own and not _is_of_a_loop(definition)

    def note(self) -> str | None:
        """What a reader has to know of the fixtures that all variants share."""
        if not self.shared:
            return None
        one = len(self.shared) == 1
        what = "it is" if one else "they are"
        return (
            f"the fixture{'s' * (not one)} {', '.join(self.shared)} {'is' if one else 'are'} set up once for all variants, as {what} "
            "async or of output, and bodies that run at once share those: make it in the body where variants must not share it"
        )


class _Copies(dict[str, list[FixtureDef[Any]]]):
    """The definitions by name, with copies of those that are set up anew: also where a fixture asks for another by its name."""

    def __init__(self, request: Any, renewed: Callable[[FixtureDef[Any]], bool]) -> None:
        super().__init__()
        self._request, self._renewed = request, renewed
        self._known = request._pyfuncitem._fixtureinfo.name2fixturedefs
        self._made: set[int] = set()

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            found = self._known.get(name) or self._request._fixturemanager.getfixturedefs(
                name, self._request._pyfuncitem
            )
            if found is None:
                return default
            self[name] = [self._copy(d) if self._renewed(d) else d for d in found]
        return self[name]

    def _copy(self, definition: FixtureDef[Any]) -> FixtureDef[Any]:
        made = copy.copy(definition)
        made.cached_result = None
        made._finalizers = []  # type: ignore[misc]  # pytest's own, declared final
        if (
            definition.func.__module__ == "_pytest.tmpdir"
        ):  # its end asks how the test ended, which is not yet known
            made.func = _folder  # type: ignore[misc]  # pytest's own, declared final
        self._made.add(id(made))
        return made

    def holds(self, definition: FixtureDef[Any]) -> bool:
        return id(definition) in self._made


def _folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(re.sub(r"\W", "_", request.node.name)[:30], numbered=True)


def _is_async(definition: FixtureDef[Any]) -> bool:
    function = inspect.unwrap(definition.func)
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _is_of_a_loop(definition: FixtureDef[Any]) -> bool:
    package = definition.func.__module__.partition(".")[0]
    return package in OF_LOOPS or definition.argname.startswith("anyio_backend")


def _raising(error: Exception) -> Callable[[], None]:
    def finalizer() -> None:
        raise error

    return finalizer
