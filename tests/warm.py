"""What each of a thousand pytest runs in these tests would find out anew, though it is the same in all: looked at once.

What the installed distributions say (pytest and its plugins read the metadata of all of them, several times), and that their
modules and ours hold no fixture but their few (pytest unwraps each of their thousand names): a third of a run of one small test.
And the syntax trees of modules in tracebacks, pytest's own among them: three quarters of a run that ends in one.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import types
from typing import Any

from _pytest._code import code
from _pytest.fixtures import FixtureFunctionDefinition, FixtureManager

THEIRS = ("_pytest.", "robusttest.", "xdist.", "pytest_", "_hypothesis")


class Known:
    """A distribution that keeps what it was once asked."""

    def __init__(self, found: importlib.metadata.Distribution) -> None:
        self._found = found

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._found, name)
        setattr(self, name, value)
        return value


def keep() -> None:
    """From here on, in this process and in its forks."""
    look = importlib.metadata.distributions
    known = functools.cache(lambda: [Known(found) for found in look()])
    importlib.metadata.distributions = lambda **of: look(**of) if of else iter(known())
    whole = FixtureManager.parsefactories

    def parsefactories(self: FixtureManager, *args: Any, **given: Any) -> None:
        if "holder" not in given or _may_hold(given["holder"]):
            whole(self, *args, **given)

    FixtureManager.parsefactories = parsefactories
    statement = code.getstatementrange_ast
    tree = functools.lru_cache(100)(ast.parse)

    def getstatementrange_ast(lineno: int, source: Any, assertion: bool = False, astnode: Any = None) -> Any:
        return statement(lineno, source, assertion, tree(str(source)) if astnode is None else astnode)

    code.getstatementrange_ast = getstatementrange_ast
    known()


def _may_hold(holder: object) -> bool:
    """False for a module or an object of a plugin's without a fixture."""
    parts = [holder] if isinstance(holder, types.ModuleType) else type(holder).__mro__[:-1]
    return not all(
        (part.__name__ if isinstance(part, types.ModuleType) else part.__module__).startswith(THEIRS)
        and not any(type(value) is FixtureFunctionDefinition for value in vars(part).values())
        for part in parts
    )
