"""A model that can't be called is an error of its own tests; the others run, and the report says so."""

from __future__ import annotations

import forks

MODULE = """
from robusttest import Task, robust

CASES = [("where is my refund", "refund"), ("my bill is wrong", "bill")]
task = Task("desk", cases=CASES, scorer="includes")


def good(prompt):
    return prompt


@robust(task, perturbations=["casing"], variants=1, models=["python:test_it:missing"])
def test_misnamed(): ...


@robust(task, perturbations=["casing"], variants=1, models=["python:test_it:good"])
def test_good(): ...


@robust(task, perturbations=["casing"], variants=1, models=["opnai/x"])
def test_unknown(): ...


@robust(task, perturbations=["casing"], variants=1, models=["python:test_it:good"])
def test_good_too(): ...
"""


def test_a_misnamed_model_leaves_the_others_alone(pytester):
    pytester.makepyfile(test_it=MODULE)
    result = pytester.run(forks.python(), "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(passed=2, errors=2)
    said = result.stdout.str()
    assert "missing" in said
    assert "unknown provider 'opnai'" in said
