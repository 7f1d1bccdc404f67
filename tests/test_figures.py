"""`benchmarks/figures.py` tells a figure that changed from one that moved."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PATH = Path(__file__).parents[1] / "benchmarks" / "figures.py"
spec = importlib.util.spec_from_file_location("numbers_benchmark", PATH)
assert spec is not None
assert spec.loader is not None
numbers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(numbers)


def run(report, texts=()):
    return numbers.Run(dict(numbers.leaves(report)), frozenset(texts))


OLD = {
    "cells": [
        {"task": "a", "metrics": [{"metric": "accuracy", "value": 0.5}, {"metric": "drop", "value": None}]}
    ],
    "n": 3,
}


def test_figures_are_found_by_name_and_not_by_place():
    more = [{"metric": "icc", "value": 0.1}, *OLD["cells"][0]["metrics"]]
    new = {"n": 3, "cells": [{"task": "b", "metrics": []}, {"task": "a", "metrics": more}]}
    equal, differ, alone = numbers.compare(run(OLD), run(new))
    assert (equal, differ) == (3, [])
    assert alone == ["/cells/a/metrics/icc/value"]


def test_a_figure_that_changed_is_told():
    new = {
        "n": 3,
        "cells": [
            {
                "task": "a",
                "metrics": [{"metric": "accuracy", "value": 0.5 + 1e-6}, {"metric": "drop", "value": 0.0}],
            }
        ],
    }
    equal, differ, alone = numbers.compare(run(OLD), run(new))
    assert (equal, alone) == (1, [])
    assert differ == ["/cells/a/metrics/accuracy/value", "/cells/a/metrics/drop/value"]


def test_times_and_texts_are_no_figures():
    assert dict(numbers.leaves({"latency": 3.0, "name": "x", "ok": True, "cost": 2, "k": 1})) == {"/k": 1}
