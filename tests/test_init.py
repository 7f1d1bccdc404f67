"""The public names."""

from __future__ import annotations

import ast
from importlib.metadata import version
from pathlib import Path

import pytest

import robusttest


def test_all_is_sorted_and_complete():
    assert robusttest.__all__ == sorted(robusttest.__all__)
    assert set(robusttest.__all__) <= set(dir(robusttest))
    tree = ast.parse(Path(robusttest.__file__).read_text(encoding="utf-8"))
    typed = {
        alias.asname for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert set(robusttest.__all__) <= typed, "a type checker does not see every name"


@pytest.mark.parametrize("name", robusttest.__all__)
def test_every_name_is_there(name):
    thing = getattr(robusttest, name)
    assert getattr(robusttest, name) is thing
    assert thing.__module__.startswith("robusttest.")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'tsak'"):
        robusttest.tsak


def test_a_name_is_not_hidden_by_a_module_of_that_name():
    import importlib

    for path in Path(robusttest.__file__).parent.iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            assert path.stem == "__init__" or path.stem not in robusttest.__all__
    importlib.import_module("robusttest.evaluation")
    assert callable(robusttest.evaluate)


def test_the_version_is_the_distributions():
    assert robusttest.__version__ == version("robusttest")
