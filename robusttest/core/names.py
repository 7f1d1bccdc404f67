"""Names: a small registry, the parts of a perturbation's spec and of a ``python:`` model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from robusttest.core.models import asked
from robusttest.errors import ConfigurationError, UnknownNameError, UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names → ingredients of one kind (perturbations, scorers).

    Packages add theirs under the entry point group ``group``; those are loaded when a name is asked for that
    is not built in, so that installing a package never makes ``import robusttest`` slower.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind, self.group = kind, group
        self._items: dict[str, T] = {}
        self._entry_points_loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: the decorated thing is known as ``name`` from here on. A taken name is refused."""
        if not name or any(c in name for c in ":,[]#") or name != name.strip():
            raise UsageError(
                f"{self.kind} name {name!r}: must be non-empty, without any of ':,[]#' or outer spaces"
            )

        def add(item: T) -> T:
            if name in self._items and self._items[name] is not item:
                raise UsageError(f"{self.kind} {name!r} is registered already")
            self._items[name] = item
            return item

        return add

    def unregister(self, name: str) -> None:
        self._items.pop(name, None)

    def get(self, name: str) -> T:
        """The item, or `UnknownNameError` with the nearest name."""
        if name not in self._items:
            self._load_entry_points()
        try:
            return self._items[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self._items) from None

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._items))

    def _load_entry_points(self) -> None:
        if self._entry_points_loaded:
            return
        self._entry_points_loaded = True
        for point in sorted(entry_points(group=self.group), key=lambda p: p.name):
            if point.name not in self._items:
                self._items[point.name] = point.load()


def split_spec(spec: str) -> tuple[str, str | None]:
    """``"ocr:0.2"`` → ``("ocr", "0.2")``; ``"ocr"`` → ``("ocr", None)``."""
    name, colon, arg = spec.partition(":")
    return name.strip(), arg.strip() if colon else None


PREFIX = "python:"
"""Of the name of a model that is a callable of the user's repo."""


def is_callable(name: str) -> bool:
    return asked(name).startswith(PREFIX)


def module_and_name(model: str) -> tuple[str, str]:
    """``python:package.module:callable`` in two. Raises `ConfigurationError` where it is written otherwise."""
    model = asked(model)
    module, colon, name = model.removeprefix(PREFIX).partition(":")
    if not module or not colon or not name:
        raise ConfigurationError(f"model {model!r}: write python:package.module:callable")
    return module, name
