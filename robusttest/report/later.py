"""Parts of a report that are computed when they are first read: most runs show few of the numbers that a report has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class Later(Generic[T]):
    """What a `LaterField` is given in the place of its value; ``make`` is called once, by whoever reads first."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], T]) -> None:
        self.make = make


class LaterField(Generic[T]):
    """A field of a dataclass (one without slots) that takes a value, or a `Later`; who reads it gets the value.

    ``dataclasses.replace`` reads all fields, and so computes them.
    """

    def __init__(self, default: T) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, noun: None, owner: type) -> T: ...
    @overload
    def __get__(self, noun: object, owner: type) -> T: ...
    def __get__(self, noun: object | None, owner: type) -> T:
        if noun is None:
            return self.default  # which a dataclass takes for the field's
        value = vars(noun)[self.name]
        if isinstance(value, Later):
            value = vars(noun)[self.name] = value.make()
        return value  # type: ignore[no-any-return]  # what was put there

    def __set__(self, noun: object, value: T | Later[T]) -> None:
        vars(noun)[self.name] = value


class LaterMapping(Mapping[str, T]):
    """Values by name, each computed when it is looked up for the first time."""

    def __init__(self, names: Mapping[str, Any], make: Callable[[str], T]) -> None:
        self._names, self._make = names, make
        self._made: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._made:
            if name not in self._names:
                raise KeyError(name)
            self._made[name] = self._make(name)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
