"""Settings: one frozen object that refuses what makes no sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robusttest.errors import UsageError
from robusttest.settings import Settings


def test_defaults_are_silent():
    assert Settings().to_json() == {}
    assert Settings(seed=3, directory=Path("x")).to_json() == {"seed": 3, "directory": "x"}
    json.dumps(Settings(seed=3, directory=Path("x"), models=("a",)).to_json())
    assert Settings().as_dict()["variants"] == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("variants", 0),
        ("concurrency", 0),
        ("shrink", -1),
        ("limit", 0),
        ("max_calls", -1),
        ("max_cases", 0),
        ("rpm", 0),
        ("tpm", 0),
        ("max_cost", -0.1),
        ("max_cost", float("nan")),
        ("max_age", -1),
        ("timeout", 0),
        ("deadline", float("nan")),
        ("min_coverage", 1.1),
        ("min_coverage", float("nan")),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(name, value):
    with pytest.raises(UsageError, match=f"^{name}="):
        Settings(**{name: value})


@pytest.mark.parametrize("name", ["replies", "inconclusive", "transport"])
def test_words_are_known(name):
    with pytest.raises(UsageError, match=f"{name}='sometimes': unknown value 'sometimes'.* Known: "):
        Settings(**{name: "sometimes"})


def test_edges_are_allowed():
    Settings(max_calls=0, max_cost=0, min_coverage=0, shrink=0, limit=1)
    assert Settings() == Settings()
    with pytest.raises(AttributeError):
        Settings().seed = 1


def test_a_file_to_freeze_is_a_path():
    assert Settings(freeze="x.jsonl").freeze == Path("x.jsonl")
    assert Settings(freeze=Path("x.jsonl")).to_json() == {"freeze": "x.jsonl"}
    with pytest.raises(UsageError, match="update_freeze needs freeze"):
        Settings(update_freeze=True)
