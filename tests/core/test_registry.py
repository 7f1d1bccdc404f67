"""The registry: names in, names out, the nearest one where there is none."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from robusttest.core import names as module
from robusttest.core.names import Registry, split_spec
from robusttest.errors import UnknownNameError, UsageError


@pytest.fixture
def registry():
    made: Registry[object] = Registry("thing", "robusttest.tests.none")
    made.register("keyboard")("K")
    made.register("casing")("C")
    return made


def test_names_go_in_and_come_out(registry):
    assert registry.get("keyboard") == "K"
    assert list(registry) == ["casing", "keyboard"]
    assert "casing" in registry
    registry.unregister("casing")
    assert "casing" not in registry


def test_an_unknown_name_says_the_nearest_and_all(registry):
    with pytest.raises(UnknownNameError) as error:
        registry.get("keybord")
    assert str(error.value) == "unknown thing 'keybord'. Did you mean 'keyboard'? Known: casing, keyboard"


def test_a_taken_name_is_refused_but_for_the_same_thing(registry):
    registry.register("keyboard")("K")
    with pytest.raises(UsageError, match="registered already"):
        registry.register("keyboard")("other")


@pytest.mark.parametrize("name", ["", " a", "a:b", "a,b", "a[b", "a#1"])
def test_names_that_could_not_be_written_are_refused(registry, name):
    with pytest.raises(UsageError, match="must be non-empty"):
        registry.register(name)


def test_entry_points_are_loaded_when_a_name_is_missing(monkeypatch):
    loads = []

    def points(group):
        loads.append(group)
        return [EntryPoint("sqrt", "math:sqrt", group)]

    monkeypatch.setattr(module, "entry_points", points)
    made: Registry[object] = Registry("thing", "some.group")
    made.register("own")("o")
    assert made.get("own") == "o"
    assert not loads
    import math

    assert made.get("sqrt") is math.sqrt
    with pytest.raises(UnknownNameError):
        made.get("nothing")
    assert loads == ["some.group"]


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("ocr", ("ocr", None)),
        ("ocr:0.2", ("ocr", "0.2")),
        (" ocr : 0.2 ", ("ocr", "0.2")),
        ("a:b:c", ("a", "b:c")),
        ("a:", ("a", "")),
    ],
)
def test_specs_are_split(spec, parts):
    assert split_spec(spec) == parts
