"""The fast slice of ``benchmarks/a_a.py``: a model against itself."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[2] / "benchmarks" / "a_a.py"


@pytest.fixture(scope="module")
def a_a() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_a_a", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("suite", "pairs"), [(("one", 1, 60), 40), (("three", 3, 30), 25), (("clustered", 1, 48, 16), 25)]
)
def test_a_model_against_itself_does_not_regress(a_a, suite, pairs):
    rates = a_a.simulate(a_a.Suite(*suite), pairs, seed=100)
    assert rates.deterministic == 0
    assert rates.sampling <= a_a.allowed(pairs)


def test_the_simulation_sees_what_is_broken(a_a):
    """Else the test above could not fail."""
    rates = a_a.simulate(a_a.Suite("one", 1, 80), 10, seed=7)
    assert rates.caught == rates.pairs
