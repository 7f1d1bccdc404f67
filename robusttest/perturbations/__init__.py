"""Perturbations: found by name, made with a severity, written as functions, combined.

``"keyboard:0.1"`` in a list, ``keyboard(0.1)`` as an object, ``@perturbation`` above a function. Every name in
`PERTURBATIONS` is also a factory here (``from robusttest.perturbations import keyboard``). Importing this loads none
of them; nlpaug is imported when the first word is edited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robusttest.perturbations.catalog import (
    PERTURBATIONS,
    Factory,
    Families,
    UserPerturbation,
    make,
    make_all,
    perturbation,
)
from robusttest.perturbations.protocol import Expect, Perturbation

if TYPE_CHECKING:
    from robusttest.perturbations.designs import crossed as crossed
    from robusttest.perturbations.designs import paper24 as paper24
    from robusttest.perturbations.designs import preset as preset
    from robusttest.perturbations.validity import Validity as Validity

__all__ = [
    "PERTURBATIONS",
    "Expect",
    "Factory",
    "Families",
    "Perturbation",
    "UserPerturbation",
    "crossed",
    "make",
    "make_all",
    "paper24",
    "perturbation",
    "preset",
]

_DESIGNS = ("crossed", "paper24", "preset")


def __getattr__(name: str) -> Any:
    if name in _DESIGNS:
        from robusttest.perturbations import designs

        return getattr(designs, name)
    if not name.startswith("_") and name in PERTURBATIONS:
        return PERTURBATIONS.get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *PERTURBATIONS})
