"""Perturbations: found by name, made with a severity, written as functions, combined.

``"keyboard:0.1"`` in a list, ``keyboard(0.1)`` as an object, ``@perturbation`` above a function. Every name in
`PERTURBATIONS` is also a factory here (``from robusttest.perturbations import keyboard``). Importing this loads none
of them; nlpaug is imported when the first word is edited.

The three kinds of test of CheckList (Ribeiro et al. 2020, "Beyond Accuracy"):

- *minimum functionality*: the model is right on plain cases. A task without perturbations and ``expect=[accuracy >= 0.95]``.
- *invariance*: the answer stays. Any perturbation that preserves the answer; where there is no target at all,
  ``directional("keyboard", expect="same")`` compares with the answer to the unperturbed text.
- *directional*: the answer must change, and how. ``directional(antonym(0.3), expect="changes")`` (or ``increases``,
  ``decreases``), ``directional("negation", target=function)`` for a rule that gives the new right answer, and
  ``counterpart("revised", target="revised_label")`` for pairs that people wrote.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from robusttest.perturbations.base.catalog import (
    PERTURBATIONS,
    Factory,
    Families,
    UserPerturbation,
    make,
    make_all,
    perturbation,
)
from robusttest.perturbations.base.protocol import Expect, Perturbation

if TYPE_CHECKING:
    from robusttest.perturbations.base.designs import crossed as crossed
    from robusttest.perturbations.base.designs import paper24 as paper24
    from robusttest.perturbations.base.designs import preset as preset
    from robusttest.perturbations.base.similarity import embedding as embedding
    from robusttest.perturbations.base.validity import Validity as Validity
    from robusttest.perturbations.words.meaning import directional as directional

__all__ = [
    "PERTURBATIONS",
    "Expect",
    "Factory",
    "Families",
    "Perturbation",
    "UserPerturbation",
    "Validity",
    "crossed",
    "directional",
    "embedding",
    "make",
    "make_all",
    "paper24",
    "perturbation",
    "preset",
]

_HOMES = {
    "Validity": "base.validity",
    "crossed": "base.designs",
    "directional": "words.meaning",
    "embedding": "base.similarity",
    "paper24": "base.designs",
    "preset": "base.designs",
}
"""Names of modules that are imported when they are used."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    if not name.startswith("_") and name in PERTURBATIONS:
        return PERTURBATIONS.get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *PERTURBATIONS})
