"""Shared test set-up: pytester for the plugin's tests, and names that a test registers end with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _names_end_with_their_test() -> Iterator[None]:
    catalog = sys.modules.get("robusttest.perturbations.catalog")
    before = set(catalog.PERTURBATIONS) if catalog is not None else None
    yield
    if catalog is not None and before is not None:
        for name in set(catalog.PERTURBATIONS) - before:
            catalog.PERTURBATIONS.unregister(name)
