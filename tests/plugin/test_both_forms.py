"""A declared task and a body that does the same give equal records: one driver makes both, whatever is asked of it."""

from __future__ import annotations

import json

import pytest

MODELS = '''
import asyncio, threading

WORDS = {"refund": "billing", "parcel": "delivery", "password": "account"}

def route(prompt):
    """Right where the key word stands in small letters."""
    return next((label for word, label in WORDS.items() if word in prompt), "no idea")

def failing(prompt):
    if "parcel" in prompt:
        raise ValueError("no weights for parcels")
    return route(prompt)

def writer(prompt):
    """Says the same in other words, a few of them."""
    text = prompt.split("<text>")[1].split("</text>")[0].strip()
    return f"please note that {text}"

def broken(prompt):
    raise ValueError("the writer is out of ink")
'''

TESTS = """
import asyncio
import pytest
from dataclasses import replace
from robusttest import Task, perturbation, robust
from robusttest.perturbations import Validity, antonym, crossed, directional, make, paraphrase
from robusttest.scorers import choice

TEXTS = [("where is the refund", "billing"), ("the parcel is late again", "delivery"), ("a new password please", "account")]
CASES = [{{"id": f"t{{i}}", "input": f"{{TEXTS[i % 3][0]}} number {{i}}", "target": TEXTS[i % 3][1]}} for i in range({cases})]
task = Task("both", cases=CASES, prompt="Ticket: {{input}}", scorer=choice(["billing", "delivery", "account"]),
            params={{"max_tokens": 5}}, validity={validity})

def put(variant):
    return f"Ticket: {{variant.input}}"

def grow(text, rng):
    return text + " and no refund"

same, other = replace(make(grow), expect="same"), replace(make(grow), expect="changes")
calls = []

MARK = dict(perturbations={perturbations}, variants=3, expect=["accuracy >= 0.3"], min_coverage=0.1, {mark})
OWN = dict(cases=task.cases, name="both", validity={validity})

@robust(task, **MARK)
def test_declared(): ...

@robust(**OWN, **MARK)
def test_body(variant, ask):
    return task.score(ask(put(variant), max_tokens=5), variant)

@robust(**OWN, **{{**MARK, "concurrency": 3}})
def test_threads(variant, ask):
    return task.score(ask(put(variant), max_tokens=5), variant)

@robust(**OWN, **MARK)
async def test_async(variant, ask):
    return task.score(await ask.acall(put(variant), max_tokens=5), variant)
"""

OF_THE_FORM = {"kind", "test", "text", "input_hash", "created", "latency"}
"""What differs: when it was asked, and what a reader is shown. Without a prompt of ours a record's hash is of its fields."""


def records(project, **given):
    """Each test's records by its name, without what is of its form."""
    (project.path / "models.py").write_text(MODELS, encoding="utf-8")
    flags = given.pop("flags", ())
    runs = project.fresh if "-n" in flags else project.run
    given = {"model": "route", "cases": 6, "perturbations": [], "mark": "", "validity": "Validity()", **given}
    (project.path / "test_it.py").write_text(TESTS.format(**given), encoding="utf-8")
    result = runs(f"--robust-model=python:models:{given['model']}", *flags)
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    found: dict[str, list[dict[str, object]]] = {}
    for record in project.records():
        name = str(record["test"]).rpartition("::")[2]
        found.setdefault(name, []).append({k: v for k, v in record.items() if k not in OF_THE_FORM})
    return found


def equal(found):
    declared = found.pop("test_declared")
    assert set(found) == {"test_body", "test_threads", "test_async"}
    for name, rows in found.items():
        assert rows == declared, name
    return declared


PERTURBATIONS = {
    "none": "[]",
    "characters": '["keyboard:0.3", "ocr", "casing", "whitespace"]',
    "words": '["contractions", directional("word_swap", expect="changes"), "spelling", "synonym"]',
    "sentences": '["distractor", "politeness", "statement"]',
    "numbers": '["numbers"]',
    "decoding": '["temperature:0.7", "repeat", "sampling_seed"]',
    "a user's own": "[grow, 'casing:upper']",
    "crossed": '[crossed("casing", "whitespace")]',
    "label-free": "[same, 'casing']",
    "sensitivity": "[other, directional(antonym(), expect='changes'), directional('negation', expect='changes')]",
    "a writer": '[paraphrase(model="python:models:writer"), "casing"]',
    "a broken writer": '[paraphrase(model="python:models:broken"), "casing"]',
}


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_every_level(project, name):
    found = records(project, perturbations=PERTURBATIONS[name])
    made = equal(found)
    assert len({r.get("perturbation", "") for r in made}) > 1 or name == "none"
    if name == "a broken writer":
        lost = [r for r in made if r.get("perturbation") == "paraphrase"]
        assert len(lost) == 6 * 3
        assert {(r["status"], "out of ink" in str(r["reason"])) for r in lost} == {("error", True)}


@pytest.mark.parametrize(
    ("flags", "given"),
    [
        ((), {"model": "failing"}),
        (("--robust-case=t1::casing#1", "--robust-case=t2"), {}),
        (("--robust-case=t4::paraphrase#0",), {}),
        (("--robust-limit=2",), {}),
        (("--robust-only=casing",), {}),
        (("--robust-seed=7", "--robust-replies=off"), {}),
        (("--robust-shrink=3000",), {"perturbations": '["casing", "keyboard:0.6"]'}),
        ((), {"validity": "Validity(similarity=lambda a, b: float(not b.isupper()), min_similarity=1)"}),
        (
            ("--robust-adaptive", "--robust-concurrency=8"),
            {"cases": 90, "perturbations": '["whitespace"]', "mark": '"max_cases": 60'},
        ),
        (("-n", "2"), {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_every_way_to_run(project, flags, given):
    both = '["casing", "swap", paraphrase(model="python:models:writer")]'
    mark = given.pop("mark", "")
    mark = mark and "**{" + mark + "}"
    found = records(project, flags=flags, mark=mark, **{"perturbations": both, **given})
    made = equal(found)
    if given.get("model") == "failing":
        assert {r["reason"] for r in made if r.get("status") == "error"} == {
            "python:models:failing raised ValueError: no weights for parcels (models.py:12)"
        }
    if "--robust-shrink=3000" in flags:
        assert any(r.get("shrunk") for r in made)
    if "--robust-adaptive" in flags:
        assert len({r["case_id"] for r in made}) < 60
    if "--robust-case=t4::paraphrase#0" in flags:
        assert [r["variant"] for r in made if r.get("perturbation")] == ["paraphrase#0"]


def test_what_failed_is_asked_first_in_both(project):
    given = {"perturbations": '["casing:upper"]', "mark": "limit=3"}
    before = records(project, **given)
    kept = project.path / ".robusttest" / "failures.jsonl"
    failed = [json.loads(line) for line in kept.read_text(encoding="ascii").splitlines()]
    assert {(f["test"].rpartition("::")[2], f["case"]) for f in failed} >= {("test_body", "t0")}
    project.runs()[0].unlink()
    kept.write_text("".join(json.dumps(f) + "\n" for f in failed if f["case"] == "t2"), encoding="ascii")
    again = records(project, **given)
    assert again == before


def test_a_spent_budget_skips_the_same_variants(project):
    spent = {}
    for name in ("declared", "body", "async"):
        flags = ("--robust-max-calls=7", "--robust-concurrency=1", "-k", f"test_{name}")
        spent |= records(project, flags=flags, perturbations='["casing"]')
        project.runs()[0].unlink()
    declared = spent.pop("test_declared")
    assert [r.get("status", "ok") for r in declared].count("skipped") > 7
    assert sum("score" in r for r in declared) == 7
    assert spent == {"test_body": declared, "test_async": declared}


def test_a_second_run_of_either_form_makes_no_variant_anew(project):
    """What the perturbation made is in the reply store: not even the dictionary that typos are looked up in is imported."""
    test = """
import sys

@robust(task, perturbations=["keyboard"], variants=2)
def test_declared(): ...

@robust(cases=CASES, perturbations=["swap"], variants=2)
def test_body(variant, ask):
    return ask(variant.input).text

@robust(cases=CASES, perturbations=["delete"], variants=2)
async def test_async(variant, ask):
    return (await ask.acall(variant.input)).text

@robust(cases=CASES, perturbations=["ocr"], variants=2)
def test_alone(variant): ...

def test_after():
    print("LOADED", "spellchecker" in sys.modules)
"""
    project.test(test)
    for loaded in (True, False):
        result = project.fresh("-s")
        result.assert_outcomes(passed=5)
        assert f"LOADED {loaded}" in result.stdout.str()
    first, second = [
        [
            {k: v for k, v in json.loads(line).items() if k not in OF_THE_FORM}
            for line in path.read_text(encoding="utf-8").splitlines()
        ][1:-1]
        for path in project.runs()
    ]
    assert sorted(map(json.dumps, first)) == sorted(map(json.dumps, second))


def test_the_loop_of_coroutines_goes_on_while_a_model_writes(project):
    (project.path / "models.py").write_text(
        MODELS
        + """
gone_on = threading.Event()

def patient(prompt):
    if not gone_on.wait(10):
        raise TimeoutError("the loop stood still")
    return writer(prompt)
""",
        encoding="utf-8",
    )
    project.test("""
import asyncio, models
from robusttest.perturbations import paraphrase

@robust(cases=CASES[:3], perturbations=[paraphrase(model="python:models:patient")], variants=1, min_coverage=1)
async def test_async(variant):
    for _ in range(9):
        await asyncio.sleep(0)
    models.gone_on.set()
""")
    project.run().assert_outcomes(passed=1)
    assert [r["variant"] for r in project.records() if r.get("perturbation")] == ["paraphrase#0"] * 3
